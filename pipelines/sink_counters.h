// SPDX-License-Identifier: Apache-2.0
// struct sink_stats as a sink keeps it: one writer (its egress thread), read by any thread.
#pragma once

#include "pipelines/sink.h"

struct sink_counters {
	_Atomic(uint64_t) submitted, acknowledged, messages, refused, bytes, checkpoints_made,
		checkpoints_delivered, in_flight, oldest_unacked_ns, errors;
};

static inline void sink_counter_add(_Atomic(uint64_t) *c, uint64_t n) {
	uint64_t v = atomic_load_explicit(c, memory_order_relaxed);
	atomic_store_explicit(c, v + n, memory_order_relaxed);
}

static inline void sink_counters_read(const struct sink_counters *c, struct sink_stats *out) {
#define READ(field) out->field = atomic_load_explicit(&c->field, memory_order_relaxed)
	READ(submitted);
	READ(acknowledged);
	READ(messages);
	READ(refused);
	READ(bytes);
	READ(checkpoints_made);
	READ(checkpoints_delivered);
	READ(in_flight);
	READ(oldest_unacked_ns);
	READ(errors);
#undef READ
}
