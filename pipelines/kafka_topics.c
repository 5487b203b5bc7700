// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/kafka_describe.h"
#include "pipelines/kafka_properties.h"
#include "pipelines/kafka_topics.h"
#include "pipelines/partition_map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTINGS_TIMEOUT_MS 3000

int kafka_client_create(const struct config *c, rd_kafka_t **out, char *why, size_t why_len) {
	rd_kafka_conf_t *conf;
	char text[256];

	int ret = kafka_conf_create(c, &conf, why, why_len);
	if (ret != 0)
		return ret;
	*out = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	if (*out != nullptr)
		return 0;
	rd_kafka_conf_destroy(conf);
	snprintf(why, why_len, "Kafka client: %s", text);
	return -EINVAL;
}

// What Kafka said about the topic: 0, or -errno in the operator's words.
static int topic_judge(
	const struct config *c,
	const char *name,
	const struct topic_facts *f,
	char *why,
	size_t why_len
) {
	char weak[200];

	switch (f->error) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		break;
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		snprintf(
			why,
			why_len,
			"topic %s does not exist: create it with the partitions it shall keep "
			"(sluicectl topic create %s --partitions N, or kafka-topics.sh --create)",
			name,
			name
		);
		return -ENOENT;
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		snprintf(
			why,
			why_len,
			"topic %s: Kafka does not let this client see it: allow Describe and Write "
			"on "
			"the topic",
			name
		);
		return -EACCES;
	default:
		snprintf(why, why_len, "topic %s: %s", name, rd_kafka_err2str(f->error));
		return -EIO;
	}
	if (!topic_weak(f, weak, sizeof(weak)))
		return 0;
	if (!c->kafka.accept_weak_topic) {
		snprintf(
			why,
			why_len,
			"topic %s is weaker than an acknowledgement promises: %s; strengthen it, "
			"or set "
			"kafka.accept_weak_topic: true in a lab",
			name,
			weak
		);
		return -EPERM;
	}
	fprintf(stderr, "kafka: topic %s is weak (accepted): %s\n", name, weak);
	return 0;
}

// Pinned, asked for in the configuration, and found must agree. Returns P or -errno.
static int
topic_pin(const struct config_topic *t, uint32_t pinned, int found, char *why, size_t why_len) {
	uint32_t p = pinned != 0 ? pinned : t->partitions != 0 ? t->partitions : (uint32_t)found;

	if (pinned != 0 && t->partitions != 0 && pinned != t->partitions) {
		snprintf(
			why,
			why_len,
			"topic %s is pinned to %u partitions by the partition map, the "
			"configuration "
			"says %u: moving devices between partitions needs a drain; set it back or "
			"remove the topic from state_dir/partitions while nothing is in flight",
			t->name,
			pinned,
			t->partitions
		);
		return -EINVAL;
	}
	if ((uint32_t)found < p) {
		snprintf(
			why,
			why_len,
			"topic %s has %d partitions, fewer than the %u it is pinned to: raise them "
			"again (kafka-topics.sh --alter --topic %s --partitions %u)",
			t->name,
			found,
			p,
			t->name,
			p
		);
		return -ERANGE;
	}
	if ((uint32_t)found > p)
		fprintf(stderr,
			"kafka: ALARM topic %s has grown to %d partitions; devices stay on the "
			"first %u until it is repartitioned\n",
			t->name,
			found,
			p);
	return (int)p;
}

static int topics_from_map(struct config *c, const struct partition_map *m) {
	for (uint32_t t = 0; t < c->topic_count; t++)
		if (partition_map_get(m, c->topics[t].name) == 0)
			return -ENOENT;
	for (uint32_t t = 0; t < c->topic_count; t++)
		c->topics[t].partitions = partition_map_get(m, c->topics[t].name);
	c->partition_map = m->version;
	return 0;
}

static int topics_take(
	struct config *c,
	const struct topic_facts *facts,
	struct partition_map *m,
	char *why,
	size_t why_len
) {
	// What is not there comes first: it is asked for again until it is, and the rest is said
	// then.
	for (uint32_t t = 0; t < c->topic_count; t++)
		if (facts[t].error != RD_KAFKA_RESP_ERR_NO_ERROR)
			return topic_judge(c, c->topics[t].name, &facts[t], why, why_len);
	for (uint32_t t = 0; t < c->topic_count; t++) {
		struct config_topic *topic = &c->topics[t];
		uint32_t pinned = partition_map_get(m, topic->name);
		int n = topic_judge(c, topic->name, &facts[t], why, why_len);
		if (n == 0)
			n = topic_pin(topic, pinned, (int)facts[t].partitions, why, why_len);
		if (n < 0)
			return n;
		if (pinned == 0 && partition_map_add(m, topic->name, (uint32_t)n) != 0) {
			snprintf(
				why,
				why_len,
				"more than %d topics in the partition map",
				PARTITION_MAP_TOPICS_MAX
			);
			return -ENOSPC;
		}
	}
	return 0;
}

static int topics_declare(
	const struct config *c,
	rd_kafka_t *rk,
	rd_kafka_topic_t **topics,
	char *why,
	size_t why_len
) {
	for (uint32_t t = 0; t < c->topic_count; t++) {
		topics[t] = rd_kafka_topic_new(rk, c->topics[t].name, nullptr);
		if (topics[t] == nullptr) {
			snprintf(why, why_len, "%s is not a topic name", c->topics[t].name);
			return -EINVAL;
		}
	}
	return 0;
}

// Fills d->facts; -ETIMEDOUT if Kafka does not answer.
static int topics_ask(
	struct kafka_describe *d,
	rd_kafka_t *rk,
	unsigned timeout_ms,
	char *why,
	size_t why_len
) {
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);

	int ret = kafka_describe_ask(d, rk, timeout_ms);
	if (ret == 0)
		while ((ret = kafka_describe_poll(d, queue, SETTINGS_TIMEOUT_MS)) == -EAGAIN)
			usleep(1000); // bounded by timeout_ms
	// The time-out comes as an event too; the bound is for the case that it does not.
	for (unsigned ms = 0; d->open && ms < 2 * SETTINGS_TIMEOUT_MS; ms += 100) {
		rd_kafka_event_t *ev = rd_kafka_queue_poll(queue, 100);
		if (ev == nullptr)
			continue;
		kafka_describe_event(d, ev);
		rd_kafka_event_destroy(ev);
	}
	rd_kafka_queue_destroy(queue);
	if (ret != 0)
		snprintf(
			why,
			why_len,
			"Kafka at %s does not answer: %s",
			d->config->kafka.brokers,
			rd_kafka_err2str(d->error)
		);
	return ret;
}

int kafka_topics_describe(
	const struct config *c,
	struct kafka_describe *d,
	unsigned timeout_ms,
	char *why,
	size_t why_len
) {
	rd_kafka_topic_t **topics = calloc(c->topic_count + 1, sizeof(*topics));
	rd_kafka_t *rk;

	if (topics == nullptr)
		return -ENOMEM;
	int ret = kafka_client_create(c, &rk, why, why_len);
	if (ret == 0) {
		ret = topics_declare(c, rk, topics, why, why_len);
		if (ret == 0)
			ret = topics_ask(d, rk, timeout_ms, why, why_len);
		for (uint32_t t = 0; t < c->topic_count && topics[t] != nullptr; t++)
			rd_kafka_topic_destroy(topics[t]);
		rd_kafka_destroy(rk);
	}
	free(topics);
	return ret;
}

static int kafka_resolve(
	struct config *c,
	struct partition_map *m,
	const char *path,
	unsigned timeout_ms,
	char *why,
	size_t why_len
) {
	struct kafka_describe describe;
	uint32_t known = m->count;

	int ret = kafka_describe_init(&describe, c);
	if (ret == 0)
		ret = kafka_topics_describe(c, &describe, timeout_ms, why, why_len);
	if (ret == 0)
		ret = topics_take(c, describe.facts, m, why, why_len);
	kafka_describe_fini(&describe);
	if (ret == -ETIMEDOUT && topics_from_map(c, m) == 0) {
		fprintf(stderr, "kafka: %s; starting from partition map %u\n", why, m->version);
		return 0;
	}
	if (ret != 0)
		return ret;
	if (m->count != known) {
		m->version++;
		ret = partition_map_store(path, m);
		if (ret != 0) {
			snprintf(why, why_len, "%s: %s", path, strerror(-ret));
			return ret;
		}
	}
	return topics_from_map(c, m);
}

int kafka_topics_resolve(struct config *c, unsigned timeout_ms, char *why, size_t why_len) {
	char path[300];

	if (c->egress.sink != SINK_KAFKA) {
		for (uint32_t t = 0; t < c->topic_count; t++)
			if (c->topics[t].partitions == 0)
				c->topics[t].partitions = 1;
		return 0;
	}
	struct partition_map *m = calloc(1, sizeof(*m));
	if (m == nullptr)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/partitions", c->state_dir);
	int ret = partition_map_load(path, m);
	if (ret != 0)
		snprintf(why, why_len, "%s: %s", path, strerror(-ret));
	else
		ret = kafka_resolve(c, m, path, timeout_ms, why, why_len);
	free(m);
	return ret;
}
