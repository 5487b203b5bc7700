// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/kafka_describe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLICAS_MIN 3
#define INSYNC_MIN 2

int kafka_describe_init(struct kafka_describe *d, const struct config *c) {
	*d = (struct kafka_describe) {.config = c};
	d->facts = calloc(c->topic_count + 1, sizeof(*d->facts));
	return d->facts != nullptr ? 0 : -ENOMEM;
}

void kafka_describe_fini(struct kafka_describe *d) {
	free(d->facts);
	d->facts = nullptr;
}

static void
settings_ask(struct kafka_describe *d, rd_kafka_t *rk, rd_kafka_queue_t *queue, int timeout_ms) {
	rd_kafka_AdminOptions_t *o =
		rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	uint32_t n = d->config->topic_count;
	rd_kafka_ConfigResource_t **resources = calloc(n + 1, sizeof(*resources));

	rd_kafka_AdminOptions_set_request_timeout(o, timeout_ms, nullptr, 0);
	for (uint32_t t = 0; resources != nullptr && t < n; t++)
		resources[t] = rd_kafka_ConfigResource_new(
			RD_KAFKA_RESOURCE_TOPIC, d->config->topics[t].name
		);
	rd_kafka_DescribeConfigs(rk, resources, resources != nullptr ? n : 0, o, queue);
	rd_kafka_AdminOptions_destroy(o);
	if (resources != nullptr)
		rd_kafka_ConfigResource_destroy_array(resources, n);
	free(resources);
}

static struct topic_facts *facts_of(struct kafka_describe *d, const char *name) {
	for (uint32_t t = 0; t < d->config->topic_count; t++)
		if (strcmp(d->config->topics[t].name, name) == 0)
			return &d->facts[t];
	return nullptr;
}

static void partitions_take(struct topic_facts *f, const rd_kafka_metadata_topic_t *t) {
	*f = (struct topic_facts) {
		.error = t->err,
		.partitions = (uint32_t)t->partition_cnt,
		.replicas = t->partition_cnt > 0 ? UINT32_MAX : 0,
	};
	for (int i = 0; i < t->partition_cnt; i++)
		if ((uint32_t)t->partitions[i].replica_cnt < f->replicas)
			f->replicas = (uint32_t)t->partitions[i].replica_cnt;
}

static void *metadata_ask(void *arg) {
	struct kafka_describe *d = arg;

	d->error = rd_kafka_metadata(d->rk, 0, nullptr, &d->metadata, (int)d->wait_ms);
	atomic_store_explicit(&d->answered, true, memory_order_release);
	return nullptr;
}

int kafka_describe_ask(struct kafka_describe *d, rd_kafka_t *rk, unsigned wait_ms) {
	d->rk = rk;
	d->wait_ms = wait_ms;
	d->metadata = nullptr;
	atomic_store_explicit(&d->answered, false, memory_order_relaxed);
	int ret = pthread_create(&d->thread, nullptr, metadata_ask, d);
	d->asking = ret == 0;
	return -ret;
}

static void metadata_take(struct kafka_describe *d) {
	// A topic the answer does not name is as good as missing.
	for (uint32_t t = 0; t < d->config->topic_count; t++)
		d->facts[t] = (struct topic_facts) {
			.error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
		};
	for (int i = 0; i < d->metadata->topic_cnt; i++) {
		struct topic_facts *f = facts_of(d, d->metadata->topics[i].topic);
		if (f != nullptr)
			partitions_take(f, &d->metadata->topics[i]);
	}
}

int kafka_describe_poll(struct kafka_describe *d, rd_kafka_queue_t *queue, unsigned timeout_ms) {
	if (!d->asking || !atomic_load_explicit(&d->answered, memory_order_acquire))
		return -EAGAIN;
	pthread_join(d->thread, nullptr);
	d->asking = false;
	if (d->error != RD_KAFKA_RESP_ERR_NO_ERROR)
		return -ETIMEDOUT;
	metadata_take(d);
	rd_kafka_metadata_destroy(d->metadata);
	d->open = strcmp(d->config->kafka.brokers, "embedded") != 0;
	if (d->open)
		settings_ask(d, d->rk, queue, (int)timeout_ms);
	return 0;
}

void kafka_describe_cancel(struct kafka_describe *d) {
	if (d->asking) {
		pthread_join(d->thread, nullptr);
		if (d->error == RD_KAFKA_RESP_ERR_NO_ERROR)
			rd_kafka_metadata_destroy(d->metadata);
	}
	d->asking = false;
	d->open = false;
}

static void settings_take(struct topic_facts *f, const rd_kafka_ConfigResource_t *r) {
	size_t n;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(r, &n);

	if (rd_kafka_ConfigResource_error(r) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	f->settings_known = true;
	for (size_t i = 0; i < n; i++) {
		const char *name = rd_kafka_ConfigEntry_name(entries[i]);
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);
		if (value == nullptr)
			continue;
		if (strcmp(name, "min.insync.replicas") == 0)
			f->min_insync = (uint32_t)strtoul(value, nullptr, 10);
		else if (strcmp(name, "unclean.leader.election.enable") == 0)
			f->unclean = strcmp(value, "false") != 0;
		else if (strcmp(name, "max.message.bytes") == 0)
			f->message_bytes_max = (uint32_t)strtoul(value, nullptr, 10);
	}
}

static void resources_take(struct kafka_describe *d, rd_kafka_event_t *ev) {
	size_t n = 0;

	// Without the settings the topics are merely not known to be strong.
	if (rd_kafka_event_error(ev) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
		rd_kafka_event_DescribeConfigs_result(ev), &n
	);
	for (size_t i = 0; i < n; i++) {
		struct topic_facts *f = facts_of(d, rd_kafka_ConfigResource_name(resources[i]));
		if (f != nullptr)
			settings_take(f, resources[i]);
	}
}

bool kafka_describe_event(struct kafka_describe *d, rd_kafka_event_t *ev) {
	if (rd_kafka_event_type(ev) != RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT)
		return false;
	resources_take(d, ev);
	d->open = false;
	return true;
}

bool topic_weak(const struct topic_facts *f, char *why, size_t why_len) {
	size_t at = 0;

	why[0] = '\0';
	if (f->replicas < REPLICAS_MIN)
		at += (size_t
		)snprintf(why, why_len, "replication factor %u < %d", f->replicas, REPLICAS_MIN);
	if (!f->settings_known && at < why_len)
		at += (size_t)snprintf(
			why + at,
			why_len - at,
			"%sits settings cannot be read (DescribeConfigs on the topic)",
			at > 0 ? ", " : ""
		);
	if (f->settings_known && f->min_insync < INSYNC_MIN && at < why_len)
		at += (size_t)snprintf(
			why + at,
			why_len - at,
			"%smin.insync.replicas %u < %d",
			at > 0 ? ", " : "",
			f->min_insync,
			INSYNC_MIN
		);
	if (f->unclean && at < why_len)
		at += (size_t)snprintf(
			why + at,
			why_len - at,
			"%sunclean.leader.election.enable is true",
			at > 0 ? ", " : ""
		);
	return at > 0;
}
