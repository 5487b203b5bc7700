// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/kafka_producer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_PER_POLL 64
#define REPORTS_PER_TURN 256
#define PREFETCH_AHEAD 8
#define PREFETCH_BYTES 512
#define CACHE_LINE 64
#define BATCH_BYTES_DEFAULT 1000000

static int slots_create(struct sink *s) {
	const struct config *c = s->env.config;
	uint32_t n = c->dataplane.workers * c->egress.batches;

	if (n == 0 || n >= SLOT_NONE)
		return -EINVAL;
	s->slot_count = (uint16_t)n;
	s->slots = calloc(n, sizeof(*s->slots));
	s->touched = calloc(n, sizeof(*s->touched));
	if (s->slots == nullptr || s->touched == nullptr)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		s->slots[i].next = i + 1 < n ? (uint16_t)(i + 1) : SLOT_NONE;
	s->free = 0;
	return 0;
}

static void kafka_destroy(struct sink *s) {
	if (s == nullptr)
		return;
	producer_close(s);
	ledger_seq_destroy(s->seq);
	free(s->acked);
	checkpoints_destroy(s);
	kafka_describe_fini(&s->describe);
	free(s->topics);
	free(s->slots);
	free(s->touched);
	free(s);
}

static int kafka_create(const struct sink_env *env, struct sink **out, char *why, size_t len) {
	struct sink *s = calloc(1, sizeof(*s));
	int ret = -ENOMEM;

	if (s == nullptr)
		return ret;
	s->env = *env;
	s->batch_bytes = BATCH_BYTES_DEFAULT;
	s->topics = calloc(env->config->topic_count + 1, sizeof(*s->topics));
	if (s->topics == nullptr)
		goto err;
	for (uint32_t t = 0; t < env->config->topic_count; t++)
		s->topics[t] = (struct topic_state) {
			.head = SLOT_NONE,
			.tail = SLOT_NONE,
			.cursor = SLOT_NONE,
		};
	ret = slots_create(s);
	if (ret != 0) {
		snprintf(
			why, len, "dataplane.workers x egress.batches must be 1..%u", SLOT_NONE - 1
		);
		goto err;
	}
	ret = ledger_seq_create(env->config, &s->seq);
	if (ret != 0)
		goto err;
	s->acked = calloc(ledger_seq_partitions(s->seq) + 1, sizeof(*s->acked));
	if (s->acked == nullptr || checkpoints_create(s) != 0
	    || kafka_describe_init(&s->describe, env->config) != 0) {
		ret = -ENOMEM;
		goto err;
	}
	ret = producer_open(s, why, len);
	if (ret != 0)
		goto err;
	*out = s;
	return 0;

err:
	if (ret == -ENOMEM)
		snprintf(why, len, "out of memory for the Kafka sink");
	kafka_destroy(s);
	return ret;
}

static int kafka_submit(struct sink *s, struct batch *b, uint64_t now_ns) {
	struct topic_state *t = &s->topics[b->topic];
	uint16_t i = s->free;

	s->now_ns = now_ns;
	if (i == SLOT_NONE)
		return -EAGAIN;
	struct slot *sl = &s->slots[i];
	s->free = sl->next;
	sl->batch = b;
	sl->left = b->count;
	sl->since_ns = now_ns;
	sl->prev = t->tail;
	sl->next = SLOT_NONE;
	if (t->tail != SLOT_NONE)
		s->slots[t->tail].next = i;
	else
		t->head = i;
	t->tail = i;
	if (t->cursor == SLOT_NONE && !t->stalled) {
		t->cursor = i;
		t->entry = 0;
	}
	for (uint32_t k = 0; k < b->count; k++)
		atomic_store_explicit(&b->entries[k].result, RESULT_PENDING, memory_order_relaxed);
	sink_counter_add(&s->counters.submitted, b->count);
	sink_counter_add(&s->counters.bytes, b->used);
	topic_offer(s, t);
	return 0;
}

// Kafka looked at the record (or at those it came with) and will never take it.
static bool about_records(rd_kafka_resp_err_t err) {
	switch (err) {
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
	case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
		return true;
	default:
		return false;
	}
}

static void report_delivered(struct sink *s, struct topic_state *t, uint16_t slot, uint32_t entry) {
	struct batch *b = s->slots[slot].batch;
	struct batch_entry *e = &b->entries[entry];

	t->used = true;
	if (e->ledger_seq != 0) {
		s->acked[ledger_seq_index(s->seq, b->topic, e->partition)] = e->ledger_seq;
		checkpoints_add(s, b, e);
	}
	t->backoff_ms = 0;
	entry_finish(s, slot, entry, t->weak ? RESULT_DELIVERED_WEAK : RESULT_DELIVERED);
}

static void report_refused(struct sink *s, struct topic_state *t, struct opaque o) {
	if (t->alone) {
		t->isolated--;
		t->backoff_ms = 0;
		entry_finish(s, o.slot, o.entry, RESULT_REFUSED);
		return;
	}
	// One of them, or one that they travelled with.
	t->isolated += o.count;
	t->backoff_ms = 0;
}

static void report_take(struct sink *s, const rd_kafka_message_t *m) {
	if (checkpoints_report(s, m))
		return;
	struct opaque o = opaque_read(m->_private);
	struct topic_state *t = &s->topics[s->slots[o.slot].batch->topic];

	s->outstanding--;
	t->outstanding--;
	if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		if (t->isolated > 0)
			t->isolated--;
		sink_counter_add(&s->counters.messages, 1);
		for (uint32_t i = 0; i < o.count; i++)
			report_delivered(s, t, o.slot, o.entry + i);
		return;
	}
	sink_counter_add(&s->counters.errors, 1);
	if (about_records(m->err))
		report_refused(s, t, o);
	topic_stall(s, t);
}

// The chain reads every byte of a record that has long left the cache.
static void value_prefetch(const rd_kafka_message_t *m) {
	const uint8_t *p = m->payload;
	size_t n = m->len < PREFETCH_BYTES ? m->len : PREFETCH_BYTES;

	for (size_t at = 0; at < n; at += CACHE_LINE)
		__builtin_prefetch(p + at);
}

static size_t reports_next(rd_kafka_event_t *ev, const rd_kafka_message_t **reports) {
	return ev != nullptr ? rd_kafka_event_message_array(ev, reports, REPORTS_PER_TURN) : 0;
}

static void one_take(struct sink *s, const rd_kafka_message_t **reports, size_t i, size_t n) {
	if (i >= n)
		return;
	if (i + PREFETCH_AHEAD < n)
		value_prefetch(reports[i + PREFETCH_AHEAD]);
	report_take(s, reports[i]);
}

// An event's reports are of one partition, and in order. Those of two are taken in turn, so that
// the chains can be hashed side by side; `b` may be nullptr.
static void reports_take(struct sink *s, rd_kafka_event_t *a, rd_kafka_event_t *b) {
	const rd_kafka_message_t *of_a[REPORTS_PER_TURN], *of_b[REPORTS_PER_TURN];
	size_t in_a = reports_next(a, of_a), in_b = reports_next(b, of_b);

	if (in_a > 0 && in_b > 0 && of_a[0]->rkt == of_b[0]->rkt
	    && of_a[0]->partition == of_b[0]->partition) {
		for (; in_a > 0; in_a = reports_next(a, of_a))
			for (size_t i = 0; i < in_a; i++)
				one_take(s, of_a, i, in_a);
	}
	for (; in_a + in_b > 0; in_a = reports_next(a, of_a), in_b = reports_next(b, of_b))
		for (size_t i = 0; i < in_a || i < in_b; i++) {
			one_take(s, of_a, i, in_a);
			one_take(s, of_b, i, in_b);
		}
}

static void event_take(struct sink *s, rd_kafka_event_t *ev) {
	if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_ERROR)
		sink_counter_add(&s->counters.errors, 1);
	else
		watch_event(s, ev);
}

static void slot_free(struct sink *s, uint16_t i) {
	struct slot *sl = &s->slots[i];
	struct topic_state *t = &s->topics[sl->batch->topic];

	if (t->cursor == i) {
		t->cursor = sl->next;
		t->entry = 0;
	}
	if (sl->prev != SLOT_NONE)
		s->slots[sl->prev].next = sl->next;
	else
		t->head = sl->next;
	if (sl->next != SLOT_NONE)
		s->slots[sl->next].prev = sl->prev;
	else
		t->tail = sl->prev;
	sl->batch = nullptr;
	sl->next = s->free;
	s->free = i;
}

// Runs of fresh results of one slot, appended to done[n..max). Returns the new n.
static unsigned slot_report(struct slot *sl, struct sink_done *done, unsigned n, unsigned max) {
	uint32_t words = (sl->batch->count + 63) / 64;

	for (uint32_t w = 0; w < words; w++) {
		while (sl->fresh[w] != 0) {
			uint32_t bit = (uint32_t)__builtin_ctzll(sl->fresh[w]);
			uint64_t shifted = sl->fresh[w] >> bit;
			uint32_t run = ~shifted == 0 ? 64 : (uint32_t)__builtin_ctzll(~shifted);
			uint32_t first = w * 64 + bit;
			struct sink_done *last = n > 0 ? &done[n - 1] : nullptr;

			if (last != nullptr && last->batch == sl->batch
			    && last->first + last->count == first) {
				last->count = (uint16_t)(last->count + run);
			} else if (n < max) {
				done[n++] = (struct sink_done) {
					.batch = sl->batch,
					.first = (uint16_t)first,
					.count = (uint16_t)run,
				};
			} else {
				return n;
			}
			sl->fresh[w] &= ~((run == 64 ? ~0ull : (1ull << run) - 1) << bit);
			sl->left -= run;
		}
	}
	sl->touched = false;
	return n;
}

static unsigned results_report(struct sink *s, struct sink_done *done, unsigned max) {
	unsigned n = 0;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->touched_count; i++) {
		uint16_t slot = s->touched[i];
		if (n < max)
			n = slot_report(&s->slots[slot], done, n, max);
		if (s->slots[slot].touched)
			s->touched[kept++] = slot;
		else if (s->slots[slot].left == 0)
			slot_free(s, slot);
	}
	s->touched_count = kept;
	return n;
}

static void gauges_update(struct sink *s) {
	uint64_t oldest = 0;

	for (uint32_t t = 0; t < s->env.config->topic_count; t++) {
		uint16_t head = s->topics[t].head;
		if (head != SLOT_NONE && s->now_ns - s->slots[head].since_ns > oldest)
			oldest = s->now_ns - s->slots[head].since_ns;
	}
	atomic_store_explicit(&s->counters.oldest_unacked_ns, oldest, memory_order_relaxed);
	atomic_store_explicit(&s->counters.in_flight, s->outstanding, memory_order_relaxed);
}

static void events_poll(struct sink *s, int wait_ms) {
	rd_kafka_event_t *first = nullptr; // reports that wait for those of another partition

	for (unsigned i = 0; i < EVENTS_PER_POLL && s->queue != nullptr; i++) {
		rd_kafka_event_t *ev = rd_kafka_queue_poll(s->queue, wait_ms);
		if (ev == nullptr)
			break;
		wait_ms = 0;
		if (rd_kafka_event_type(ev) != RD_KAFKA_EVENT_DR) {
			event_take(s, ev);
			rd_kafka_event_destroy(ev);
		} else if (first == nullptr) {
			first = ev;
		} else {
			reports_take(s, first, ev);
			rd_kafka_event_destroy(first);
			rd_kafka_event_destroy(ev);
			first = nullptr;
		}
	}
	if (first != nullptr) {
		reports_take(s, first, nullptr);
		rd_kafka_event_destroy(first);
	}
	if (s->rk != nullptr && !s->fatal
	    && rd_kafka_fatal_error(s->rk, nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
		producer_fatal(s);
}

static unsigned kafka_poll(
	struct sink *s,
	uint64_t now_ns,
	unsigned timeout_us,
	struct sink_done *done,
	unsigned max
) {
	int wait_ms = (int)((timeout_us + 999) / 1000);

	s->now_ns = now_ns;
	producer_recover(s);
	watch_tick(s);
	for (uint32_t t = 0; t < s->env.config->topic_count; t++)
		topic_offer(s, &s->topics[t]);
	if (s->touched_count > 0)
		wait_ms = 0;
	events_poll(s, wait_ms);
	checkpoints_tick(s, false);
	gauges_update(s);
	return results_report(s, done, max);
}

// The last checkpoints go out, and what librdkafka has gets time to be acknowledged. Results come
// through poll.
static void kafka_flush(struct sink *s, unsigned timeout_ms) {
	for (unsigned ms = 0; ms < timeout_ms; ms += 10) {
		// One that is on its way may be all that keeps the last one from being made.
		checkpoints_tick(s, true);
		if (s->outstanding == 0)
			break;
		events_poll(s, 10);
	}
}

static void kafka_stats(const struct sink *s, struct sink_stats *out) {
	sink_counters_read(&s->counters, out);
}

const struct sink_ops sink_kafka_ops = {
	.name = "kafka",
	.create = kafka_create,
	.destroy = kafka_destroy,
	.submit = kafka_submit,
	.poll = kafka_poll,
	.flush = kafka_flush,
	.stats = kafka_stats,
};
