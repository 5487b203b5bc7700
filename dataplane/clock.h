// SPDX-License-Identifier: Apache-2.0
// Time for workers: the TSC scaled to nanoseconds (monotonic, starts near 0), and the wall clock as
// an offset that the main thread refreshes, so that a wall clock that jumps moves no timer.
#pragma once

#include "pipelines/record.h"

#include <rte_cycles.h>

#include <stdatomic.h>
#include <stdint.h>

struct clock {
	// [fixed]
	uint64_t base_tsc;
	uint64_t ns_per_tick_32; // nanoseconds per tick, 32.32 fixed point
	// [c>w] main thread writes once a second
	_Atomic(int64_t) wall_offset_ns; // wall = monotonic + offset
	_Atomic(uint8_t) quality; // enum clock_quality
	_Atomic(uint32_t) max_error_us;
};

void clock_init(struct clock *c);
// Main thread: read the wall clock and its quality (adjtimex). Never below the last value it wrote
// to `state_dir`/clock, nor below build time.
void clock_refresh(struct clock *c, const char *state_dir);

static inline uint64_t clock_ns_of(const struct clock *c, uint64_t tsc) {
	return (uint64_t)((unsigned __int128)(tsc - c->base_tsc) * c->ns_per_tick_32 >> 32);
}

static inline uint64_t clock_now_ns(const struct clock *c) {
	return clock_ns_of(c, rte_rdtsc());
}

static inline int64_t clock_wall_ns(const struct clock *c, uint64_t now_ns) {
	return (int64_t)now_ns + atomic_load_explicit(&c->wall_offset_ns, memory_order_relaxed);
}
