// SPDX-License-Identifier: Apache-2.0
// A token bucket as one time stamp (the generic cell rate algorithm): `next_ns` is when the bucket
// would be full again. Pure, time injected.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rate {
	uint64_t next_ns;
	uint64_t interval_ns; // of one token; 0 = nothing is let through
	uint64_t burst_ns; // how far ahead of the clock next_ns may run
};

// A bucket of `burst` >= 1 tokens that refills at `per_s`. per_s 0 never lets anything through.
static inline struct rate rate_make(uint32_t per_s, uint32_t burst) {
	uint64_t interval = per_s > 0 ? 1000000000ull / per_s : 0;

	if (per_s > 0 && interval == 0)
		interval = 1;
	return (struct rate) {.interval_ns = interval, .burst_ns = interval * burst};
}

// Take one token. A clock that stands still or goes back gives nothing away.
static inline bool rate_take(struct rate *r, uint64_t now_ns) {
	uint64_t next = r->next_ns > now_ns ? r->next_ns : now_ns;

	if (r->interval_ns == 0 || next + r->interval_ns > now_ns + r->burst_ns)
		return false;
	r->next_ns = next + r->interval_ns;
	return true;
}
