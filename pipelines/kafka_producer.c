// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/headers.h"
#include "pipelines/kafka_producer.h"
#include "pipelines/kafka_properties.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 5000
// How long requests on the wire may still bring their answers after a fatal error: longer than
// librdkafka waits for one.
#define FATAL_GRACE_NS 70000000000ull
#define NS_PER_MS 1000000ull
// Wire overhead of one record in a message set of its own, generously.
#define MESSAGE_OVERHEAD 128

static const char *packing_label(enum packing p) {
	return p == PACK_DELIMITED ? "protobuf-delimited" : "json-lines";
}

int producer_open(struct sink *s, char *why, size_t why_len) {
	const struct config *c = s->env.config;
	rd_kafka_conf_t *conf;
	char text[256], max[32];
	size_t max_len = sizeof(max);

	int ret = kafka_conf_producer(c, s->env.egress, s->batch_bytes, &conf, why, why_len);
	if (ret != 0)
		return ret;
	if (rd_kafka_conf_get(conf, "message.max.bytes", max, &max_len) == RD_KAFKA_CONF_OK)
		s->value_max = (uint32_t)strtoul(max, nullptr, 10);
	s->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	if (s->rk == nullptr) {
		rd_kafka_conf_destroy(conf);
		snprintf(why, why_len, "Kafka producer: %s", text);
		return -EINVAL;
	}
	s->queue = rd_kafka_queue_get_main(s->rk);
	for (uint32_t t = 0; t < c->topic_count; t++) {
		s->topics[t].rkt = rd_kafka_topic_new(s->rk, c->topics[t].name, nullptr);
		if (s->topics[t].rkt == nullptr) {
			snprintf(
				why,
				why_len,
				"topic %s: %s",
				c->topics[t].name,
				rd_kafka_err2str(rd_kafka_last_error())
			);
			producer_close(s);
			return -EINVAL;
		}
	}
	return 0;
}

void producer_close(struct sink *s) {
	kafka_describe_cancel(&s->describe);
	for (uint32_t t = 0; s->topics != nullptr && t < s->env.config->topic_count; t++) {
		if (s->topics[t].rkt != nullptr)
			rd_kafka_topic_destroy(s->topics[t].rkt);
		s->topics[t].rkt = nullptr;
	}
	if (s->queue != nullptr)
		rd_kafka_queue_destroy(s->queue);
	s->queue = nullptr;
	if (s->rk != nullptr)
		rd_kafka_destroy(s->rk);
	s->rk = nullptr;
}

void entry_finish(struct sink *s, uint16_t slot, uint32_t entry, enum entry_result result) {
	struct slot *sl = &s->slots[slot];

	atomic_store_explicit(&sl->batch->entries[entry].result, result, memory_order_relaxed);
	sl->fresh[entry / 64] |= 1ull << (entry % 64);
	if (!sl->touched) {
		sl->touched = true;
		s->touched[s->touched_count++] = slot;
	}
	sink_counter_add(
		result == RESULT_REFUSED ? &s->counters.refused : &s->counters.acknowledged, 1
	);
}

void topic_stall(struct sink *s, struct topic_state *t) {
	if (t->stalled)
		return;
	t->stalled = true;
	watch_topic(s, t);
	t->backoff_ms = t->backoff_ms == 0 ? BACKOFF_FIRST_MS : t->backoff_ms * 2;
	if (t->backoff_ms > BACKOFF_MAX_MS)
		t->backoff_ms = BACKOFF_MAX_MS;
	t->retry_ns = s->now_ns + t->backoff_ms * NS_PER_MS;
}

static void topic_resume(struct sink *s, uint16_t topic) {
	struct topic_state *t = &s->topics[topic];
	uint32_t first = ledger_seq_index(s->seq, topic, 0);
	uint32_t n = ledger_seq_topic_partitions(s->seq, topic);

	for (uint32_t i = first; i < first + n; i++)
		ledger_seq_rewind(s->seq, i, s->acked[i]);
	t->stalled = false;
	t->cursor = t->head;
	t->entry = 0;
}

void producer_fatal(struct sink *s) {
	if (s->fatal)
		return;
	s->fatal = true;
	s->fatal_ns = s->now_ns;
	// What was never sent comes back now; requests on the wire bring their answers first, so
	// that nothing Kafka has taken is offered to it again.
	rd_kafka_purge(s->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
	for (uint32_t t = 0; t < s->env.config->topic_count; t++)
		topic_stall(s, &s->topics[t]);
}

static void producer_rebuild(struct sink *s) {
	char why[256];

	if (s->outstanding > 0) {
		if (s->now_ns - s->fatal_ns > FATAL_GRACE_NS)
			rd_kafka_purge(s->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		return;
	}
	producer_close(s);
	int ret = producer_open(s, why, sizeof(why));
	if (ret != 0) {
		fprintf(stderr, "kafka: no producer: %s\n", why);
		return;
	}
	s->rebuilds++;
	s->fatal = false;
}

void producer_recover(struct sink *s) {
	uint64_t retry_ns = 0;

	if (s->fatal) {
		for (uint32_t t = 0; t < s->env.config->topic_count; t++)
			if (s->topics[t].retry_ns > retry_ns)
				retry_ns = s->topics[t].retry_ns;
		if (s->now_ns < retry_ns)
			return;
		producer_rebuild(s);
		if (s->fatal)
			return;
	}
	for (uint32_t i = 0; i < s->env.config->topic_count; i++) {
		struct topic_state *t = &s->topics[i];
		if (t->stalled && t->outstanding == 0 && s->now_ns >= t->retry_ns)
			topic_resume(s, (uint16_t)i);
	}
}

// Largest message the topic takes.
static uint32_t message_max(const struct sink *s, uint16_t topic) {
	uint32_t max = s->topics[topic].message_bytes_max;

	return max != 0 && max < s->value_max ? max : s->value_max;
}

// What Kafka or librdkafka would refuse whatever happens gets no number.
static bool acceptable(const struct sink *s, const struct batch *b, const struct batch_entry *e) {
	return ledger_seq_index(s->seq, b->topic, e->partition) != UINT32_MAX
		&& (uint64_t)e->len + e->key_len + e->headers_len + e->lead + MESSAGE_OVERHEAD
		<= message_max(s, b->topic);
}

static rd_kafka_headers_t *headers_make(const struct batch *b, const struct batch_entry *e) {
	rd_kafka_headers_t *headers = rd_kafka_headers_new(16);

	if (b->packing != PACK_NONE) {
		rd_kafka_header_add(headers, "encoding", -1, packing_label(b->packing), -1);
		return headers;
	}
	struct rd r = rd_from((struct view) {b->buf + e->headers_offset, e->headers_len});
	struct view name, value;

	while (header_next(&r, &name, &value))
		rd_kafka_header_add(
			headers, (const char *)name.p, name.len, value.p, (ssize_t)value.len
		);
	return headers;
}

// The bytes of a message made of `count` entries: one entry's value, or from the first one's lead
// to the last one's end.
static struct view message_bytes(const struct batch *b, uint32_t first, uint32_t count) {
	const struct batch_entry *e = &b->entries[first], *last = &b->entries[first + count - 1];
	uint32_t from = e->offset - (b->packing != PACK_NONE ? e->lead : 0);

	return view_of(b->buf + from, last->offset + last->len - from);
}

// Entries [first, first + count) as one message with headers: one of them, or a packed run. False:
// not taken, offer again.
static bool headers_offer(
	struct sink *s,
	struct topic_state *t,
	uint16_t slot,
	uint32_t first,
	uint32_t count
) {
	struct batch *b = s->slots[slot].batch;
	struct batch_entry *e = &b->entries[first];

	for (uint32_t i = 0; i < count; i++)
		ledger_seq_give(s->seq, b, &e[i]);
	rd_kafka_headers_t *headers = headers_make(b, e);
	struct view value = message_bytes(b, first, count);
	uint8_t *key_at = e->key_len > 0 ? b->buf + e->key_offset : nullptr;
	rd_kafka_resp_err_t err = rd_kafka_producev(
		s->rk,
		RD_KAFKA_V_RKT(t->rkt),
		RD_KAFKA_V_PARTITION(e->partition),
		RD_KAFKA_V_MSGFLAGS(0),
		RD_KAFKA_V_VALUE((void *)(uintptr_t)value.p, value.len),
		RD_KAFKA_V_KEY(key_at, e->key_len),
		RD_KAFKA_V_TIMESTAMP(e->rx_wall_ns / (int64_t)NS_PER_MS),
		RD_KAFKA_V_HEADERS(headers),
		RD_KAFKA_V_OPAQUE(opaque_make((struct opaque) {
			.slot = slot,
			.entry = (uint16_t)first,
			.count = (uint16_t)count,
		})),
		RD_KAFKA_V_END
	);
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		t->outstanding++;
		s->outstanding++;
		return true;
	}
	rd_kafka_headers_destroy(headers);
	for (uint32_t i = count; i-- > 0;)
		ledger_seq_ungive(s->seq, b, &e[i]);
	if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && count == 1) {
		entry_finish(s, slot, first, RESULT_REFUSED);
		return true;
	}
	if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
		sink_counter_add(&s->counters.errors, 1);
		topic_stall(s, t);
	}
	if (err == RD_KAFKA_RESP_ERR__FATAL)
		producer_fatal(s);
	return false;
}

// The entries of `n` messages that librdkafka has seen. Returns the first entry to offer again, or
// `end` if there is none.
static uint32_t
offered(struct sink *s, struct topic_state *t, uint16_t slot, uint32_t n, uint32_t end) {
	struct batch *b = s->slots[slot].batch;
	uint32_t again = end;

	// Backwards, so that numbers are given back in reverse order.
	for (uint32_t i = n; i-- > 0;) {
		struct batch_entry *e = &b->entries[s->at[i]];
		switch (s->messages[i].err) {
		case RD_KAFKA_RESP_ERR_NO_ERROR:
			t->outstanding++;
			s->outstanding++;
			continue;
		case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
			entry_finish(s, slot, s->at[i], RESULT_REFUSED);
			continue;
		case RD_KAFKA_RESP_ERR__FATAL:
			producer_fatal(s);
			break;
		case RD_KAFKA_RESP_ERR__QUEUE_FULL:
			break;
		default:
			topic_stall(s, t);
		}
		if (s->messages[i].err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			sink_counter_add(&s->counters.errors, 1);
		ledger_seq_ungive(s->seq, b, e);
		again = s->at[i];
	}
	return again;
}

// The next run of entries without headers. Returns how many were given to librdkafka to judge.
static uint32_t run_gather(struct sink *s, struct topic_state *t, uint16_t slot, uint32_t *end) {
	struct batch *b = s->slots[slot].batch;
	uint32_t max = t->isolated > 0 ? 1 : OFFER_MAX;
	uint32_t n = 0, i = t->entry;

	for (; i < b->count && n < max; i++) {
		struct batch_entry *e = &b->entries[i];
		if (atomic_load_explicit(&e->result, memory_order_relaxed) != RESULT_PENDING)
			continue;
		if (!acceptable(s, b, e)) {
			entry_finish(s, slot, i, RESULT_REFUSED);
			continue;
		}
		if (e->headers_len > 0)
			break;
		ledger_seq_give(s->seq, b, e);
		s->messages[n] = (rd_kafka_message_t) {
			.partition = e->partition,
			.payload = b->buf + e->offset,
			.len = e->len,
			.key = b->buf + e->key_offset,
			.key_len = e->key_len,
			._private = opaque_make((struct opaque) {
				.slot = slot,
				.entry = (uint16_t)i,
				.count = 1,
			}),
		};
		s->at[n++] = (uint16_t)i;
	}
	*end = i;
	return n;
}

// How many entries from `first` on can share a message: pending, next to each other, within the
// limits of the route and of the topic. At least 1: `first` itself is pending and acceptable.
static uint32_t pack_count(
	const struct sink *s,
	const struct topic_state *t,
	const struct batch *b,
	uint32_t first
) {
	uint32_t max = t->isolated > 0 ? 1 : b->pack_max;
	uint32_t limit = message_max(s, b->topic) - MESSAGE_OVERHEAD;
	uint32_t n = 1;

	for (; n < max && first + n < b->count; n++) {
		const struct batch_entry *e = &b->entries[first + n];
		if (atomic_load_explicit(&e->result, memory_order_relaxed) != RESULT_PENDING
		    || message_bytes(b, first, n + 1).len > limit)
			break;
	}
	return n;
}

// The next message of a packed batch. False: the queue is full or the topic has stalled.
static bool packed_offer(struct sink *s, struct topic_state *t, uint16_t slot) {
	struct batch *b = s->slots[slot].batch;
	uint32_t i = t->entry;
	struct batch_entry *e = &b->entries[i];

	if (atomic_load_explicit(&e->result, memory_order_relaxed) != RESULT_PENDING) {
		t->entry++;
		return true;
	}
	if (!acceptable(s, b, e)) {
		entry_finish(s, slot, i, RESULT_REFUSED);
		t->entry++;
		return true;
	}
	uint32_t n = pack_count(s, t, b, i);
	t->alone = t->isolated > 0;
	if (!headers_offer(s, t, slot, i, n))
		return false;
	t->entry = i + n;
	return true;
}

// One step. False: the queue is full or the topic has stalled.
static bool slot_offer(struct sink *s, struct topic_state *t, uint16_t slot) {
	struct batch *b = s->slots[slot].batch;
	uint32_t end;

	if (b->packing != PACK_NONE)
		return packed_offer(s, t, slot);
	uint32_t n = run_gather(s, t, slot, &end);

	if (n > 0) {
		rd_kafka_produce_batch(
			t->rkt, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_PARTITION, s->messages, (int)n
		);
		t->alone = t->isolated > 0;
		t->entry = offered(s, t, slot, n, end);
		return t->entry == end && !t->stalled;
	}
	t->entry = end;
	if (end == b->count)
		return true;
	t->alone = t->isolated > 0;
	if (!headers_offer(s, t, slot, end, 1))
		return false;
	t->entry = end + 1;
	return true;
}

void topic_offer(struct sink *s, struct topic_state *t) {
	while (t->cursor != SLOT_NONE && t->ready && !t->stalled && !s->fatal) {
		struct slot *sl = &s->slots[t->cursor];
		if (t->entry == sl->batch->count) {
			t->cursor = sl->next;
			t->entry = 0;
			continue;
		}
		if (t->isolated > 0 && t->outstanding > 0)
			return;
		if (!slot_offer(s, t, t->cursor))
			return;
	}
}
