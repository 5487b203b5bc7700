// SPDX-License-Identifier: Apache-2.0
#include "pipelines/latency.h"

// Buckets 0..3 are 0..3 us; from there each octave has four: bucket 4 * octave + quarter, where
// octave is the position of the highest bit and the next two bits are the quarter.
static uint32_t bucket_of(uint64_t us) {
	if (us < 4)
		return (uint32_t)us;
	uint32_t octave = 63 - (uint32_t)__builtin_clzll(us);
	uint32_t b = (octave - 1) * 4 + (uint32_t)(us >> (octave - 2) & 3);
	return b < LATENCY_BUCKETS ? b : LATENCY_BUCKETS - 1;
}

static uint64_t upper_bound(uint32_t bucket) {
	if (bucket < 4)
		return bucket;
	uint32_t octave = bucket / 4 + 1;
	return ((UINT64_C(1) << octave) + (bucket % 4 + UINT64_C(1)) * (UINT64_C(1) << (octave - 2))
	       ) - 1;
}

void latency_count(struct latency *l, uint64_t ns, uint64_t n) {
	l->bucket[bucket_of(ns / 1000)] += n;
}

uint64_t latency_quantile_us(const struct latency *l, double q) {
	uint64_t total = 0;
	uint64_t below = 0;

	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
		total += l->bucket[i];
	if (total == 0)
		return 0;
	uint64_t rank = (uint64_t)(q * (double)total);
	if (rank >= total)
		rank = total - 1;
	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
		below += l->bucket[i];
		if (below > rank)
			return upper_bound(i);
	}
	return upper_bound(LATENCY_BUCKETS - 1);
}
