// SPDX-License-Identifier: Apache-2.0
// Acknowledges everything and keeps nothing: benches and ceilings.
#include "config/config.h"
#include "pipelines/ledger_seq.h"
#include "pipelines/sink_counters.h"
#include "pipelines/sink_fifo.h"

#include <stdio.h>
#include <stdlib.h>

struct sink {
	struct ledger_seq *seq;
	struct sink_counters counters;
	struct sink_fifo fifo;
};

static void discard_destroy(struct sink *s) {
	if (s == nullptr)
		return;
	ledger_seq_destroy(s->seq);
	free(s);
}

static int discard_create(const struct sink_env *env, struct sink **out, char *why, size_t len) {
	struct sink *s = calloc(1, sizeof(*s));

	if (s == nullptr || ledger_seq_create(env->config, &s->seq) != 0) {
		snprintf(why, len, "out of memory for the discard sink");
		discard_destroy(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

static int discard_submit(struct sink *s, struct batch *b, uint64_t) {
	uint64_t bytes = 0;

	if (sink_fifo_full(&s->fifo))
		return -EAGAIN;
	for (uint32_t i = 0; i < b->count; i++) {
		struct batch_entry *e = &b->entries[i];
		ledger_seq_give(s->seq, b, e);
		bytes += e->len;
		atomic_store_explicit(&e->result, RESULT_DELIVERED, memory_order_relaxed);
	}
	sink_fifo_push(&s->fifo, b);
	sink_counter_add(&s->counters.submitted, b->count);
	sink_counter_add(&s->counters.acknowledged, b->count);
	sink_counter_add(&s->counters.bytes, bytes);
	return 0;
}

static unsigned
discard_poll(struct sink *s, uint64_t, unsigned, struct sink_done *done, unsigned max) {
	return sink_fifo_take(&s->fifo, done, max);
}

static void discard_flush(struct sink *, unsigned) {}

static void discard_stats(const struct sink *s, struct sink_stats *out) {
	sink_counters_read(&s->counters, out);
}

const struct sink_ops sink_discard_ops = {
	.name = "discard",
	.create = discard_create,
	.destroy = discard_destroy,
	.submit = discard_submit,
	.poll = discard_poll,
	.flush = discard_flush,
	.stats = discard_stats,
};
