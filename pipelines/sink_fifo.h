// SPDX-License-Identifier: Apache-2.0
// Whole batches that have their results and wait for sink_poll(): for sinks that finish a batch at
// once. One thread.
#pragma once

#include "pipelines/sink.h"

#include <errno.h>

#define SINK_FIFO_BATCHES                                                                          \
	4096u // power of two; more than workers x egress.batches in any sane setup

struct sink_fifo {
	struct batch *batch[SINK_FIFO_BATCHES];
	uint32_t head, tail;
};

static inline bool sink_fifo_full(const struct sink_fifo *f) {
	return f->tail - f->head == SINK_FIFO_BATCHES;
}

static inline void sink_fifo_push(struct sink_fifo *f, struct batch *b) {
	f->batch[f->tail++ % SINK_FIFO_BATCHES] = b;
}

static inline unsigned sink_fifo_take(struct sink_fifo *f, struct sink_done *done, unsigned max) {
	unsigned n = 0;

	for (; n < max && f->head != f->tail; n++) {
		struct batch *b = f->batch[f->head++ % SINK_FIFO_BATCHES];
		done[n] = (struct sink_done) {.batch = b, .first = 0, .count = (uint16_t)b->count};
	}
	return n;
}
