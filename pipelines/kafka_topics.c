// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/kafka_properties.h"
#include "pipelines/kafka_topics.h"
#include "pipelines/partition_map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int client_create(const struct config *c, rd_kafka_t **out, char *why, size_t why_len) {
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

// The topic's partitions as Kafka has them now, or -errno.
static int
topic_ask(rd_kafka_t *rk, const char *name, unsigned timeout_ms, char *why, size_t why_len) {
	const struct rd_kafka_metadata *md = nullptr;
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, name, nullptr);
	int ret;

	if (rkt == nullptr) {
		snprintf(why, why_len, "topic %s: not a topic name", name);
		return -EINVAL;
	}
	rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, rkt, &md, (int)timeout_ms);
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR && md->topic_cnt == 1)
		err = md->topics[0].err;
	if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
		snprintf(
			why,
			why_len,
			"topic %s does not exist: create it with the partitions it shall keep "
			"(kafka-topics.sh --create --topic %s --partitions N)",
			name,
			name
		);
		ret = -ENOENT;
	} else if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
		snprintf(why, why_len, "topic %s: not authorised to describe it", name);
		ret = -EACCES;
	} else if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		snprintf(why, why_len, "Kafka does not answer: %s", rd_kafka_err2str(err));
		ret = -ETIMEDOUT;
	} else {
		ret = md->topics[0].partition_cnt;
	}
	if (md != nullptr)
		rd_kafka_metadata_destroy(md);
	rd_kafka_topic_destroy(rkt);
	return ret;
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

static int topics_ask(
	struct config *c,
	rd_kafka_t *rk,
	struct partition_map *m,
	unsigned timeout_ms,
	char *why,
	size_t why_len
) {
	for (uint32_t t = 0; t < c->topic_count; t++) {
		struct config_topic *topic = &c->topics[t];
		uint32_t pinned = partition_map_get(m, topic->name);
		int n = topic_ask(rk, topic->name, timeout_ms, why, why_len);
		if (n >= 0)
			n = topic_pin(topic, pinned, n, why, why_len);
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

static int kafka_resolve(
	struct config *c,
	struct partition_map *m,
	const char *path,
	unsigned timeout_ms,
	char *why,
	size_t why_len
) {
	rd_kafka_t *rk;
	uint32_t known = m->count;

	int ret = client_create(c, &rk, why, why_len);
	if (ret != 0)
		return ret;
	ret = topics_ask(c, rk, m, timeout_ms, why, why_len);
	rd_kafka_destroy(rk);
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
