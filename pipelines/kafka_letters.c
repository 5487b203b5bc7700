// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/kafka_letters.h"
#include "pipelines/kafka_properties.h"

#include <librdkafka/rdkafka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define POLL_MS 100

struct letters_reader {
	char topic[256];
	rd_kafka_conf_t *conf; // owned
	rd_kafka_t *rk; // owned, nullptr before the first scan
};

static uint64_t now_ms(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int letters_reader_create(
	const struct config *c,
	struct letters_reader **out,
	char *why,
	size_t why_len
) {
	static const char *const settings[][2] = {
		// assign() wants one; nothing is ever subscribed or committed.
		{"group.id", "sluice-dead-letters"},
		{"enable.auto.commit", "false"},
		{"enable.auto.offset.store", "false"},
		{"enable.partition.eof", "true"},
		{"auto.offset.reset", "earliest"},
		{"fetch.wait.max.ms", "50"},
		{"queued.max.messages.kbytes", "4096"},
	};
	struct letters_reader *r = calloc(1, sizeof(*r));
	char text[256];

	if (r == nullptr) {
		snprintf(why, why_len, "out of memory");
		return -ENOMEM;
	}
	int ret = kafka_conf_create(c, &r->conf, why, why_len);
	if (ret != 0) {
		free(r);
		return ret;
	}
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		rd_kafka_conf_set(r->conf, settings[i][0], settings[i][1], text, sizeof(text));
	snprintf(r->topic, sizeof(r->topic), "%s", c->kafka.dead_letter_topic);
	*out = r;
	return 0;
}

void letters_reader_destroy(struct letters_reader *r) {
	if (r == nullptr)
		return;
	if (r->rk != nullptr) {
		rd_kafka_assign(r->rk, nullptr);
		rd_kafka_destroy_flags(r->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	}
	rd_kafka_conf_destroy(r->conf);
	free(r);
}

static int connect_once(struct letters_reader *r) {
	char text[256];

	if (r->rk != nullptr)
		return 0;
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(r->conf);
	r->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
	if (r->rk == nullptr) {
		rd_kafka_conf_destroy(conf);
		return -EINVAL;
	}
	rd_kafka_poll_set_consumer(r->rk);
	return 0;
}

static int partition_count(struct letters_reader *r, unsigned timeout_ms) {
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(r->rk, r->topic, nullptr);
	const struct rd_kafka_metadata *m;
	int n = -ENOENT;

	if (rkt == nullptr)
		return -ENOMEM;
	rd_kafka_resp_err_t err = rd_kafka_metadata(r->rk, 0, rkt, &m, (int)timeout_ms);
	rd_kafka_topic_destroy(rkt);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return -ETIMEDOUT;
	if (m->topic_cnt == 1 && m->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR
	    && m->topics[0].partition_cnt > 0)
		n = m->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(m);
	return n;
}

struct stretch {
	int32_t partition;
	int64_t from, to; // offsets [from, to)
};

static int stretch_find(
	struct letters_reader *r,
	const struct letters_range *range,
	struct stretch *s,
	unsigned timeout_ms
) {
	int64_t low, high;

	if (rd_kafka_query_watermark_offsets(
		    r->rk, r->topic, s->partition, &low, &high, (int)timeout_ms
	    )
	    != RD_KAFKA_RESP_ERR_NO_ERROR)
		return -ETIMEDOUT;
	s->from = range->offset >= 0 ? range->offset : high - (int64_t)range->scan;
	s->to = range->offset >= 0 ? range->offset + 1 : high;
	if (s->from < low)
		s->from = low;
	if (s->to > high)
		s->to = high;
	return 0;
}

// Returns how many messages it looked at, or -ETIMEDOUT. *on: the caller wants more.
static int64_t stretch_read(
	struct letters_reader *r,
	const struct stretch *s,
	bool (*take)(void *owner, const struct letter_message *m),
	void *owner,
	uint64_t until_ms,
	bool *on
) {
	rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
	int64_t n = 0, next = s->from;

	rd_kafka_topic_partition_list_add(one, r->topic, s->partition)->offset = s->from;
	rd_kafka_resp_err_t err = rd_kafka_assign(r->rk, one);
	rd_kafka_topic_partition_list_destroy(one);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return -EIO;
	while (*on && next < s->to) {
		if (now_ms() >= until_ms)
			return -ETIMEDOUT;
		rd_kafka_message_t *m = rd_kafka_consumer_poll(r->rk, POLL_MS);
		if (m == nullptr)
			continue;
		if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			next = s->to; // the rest of the stretch has been deleted or compacted
		if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && m->offset < s->to) {
			struct letter_message l = {
				.partition = m->partition,
				.offset = m->offset,
				.time_ms = rd_kafka_message_timestamp(m, nullptr),
				.value = view_of(m->payload, (uint32_t)m->len),
			};
			n++;
			*on = take(owner, &l);
		}
		if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			next = m->offset + 1;
		rd_kafka_message_destroy(m);
	}
	return n;
}

int64_t letters_reader_scan(
	struct letters_reader *r,
	const struct letters_range *range,
	bool (*take)(void *owner, const struct letter_message *m),
	void *owner,
	unsigned timeout_ms
) {
	uint64_t until_ms = now_ms() + timeout_ms;
	int64_t n = 0;
	bool on = true;

	int partitions = connect_once(r);
	if (partitions == 0)
		partitions = partition_count(r, timeout_ms);
	if (partitions < 0)
		return partitions;
	if (range->partition >= partitions)
		return -ENOENT;
	for (int32_t p = 0; p < partitions && on; p++) {
		struct stretch s = {.partition = p};
		if (range->partition >= 0 && p != range->partition)
			continue;
		int ret = stretch_find(r, range, &s, timeout_ms);
		if (ret != 0)
			return ret;
		int64_t more = stretch_read(r, &s, take, owner, until_ms, &on);
		if (more < 0)
			return more;
		n += more;
	}
	return n;
}
