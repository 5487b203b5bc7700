// SPDX-License-Identifier: Apache-2.0
// Latency as a histogram of log2 buckets of microseconds, 4 per octave; the last one takes what
// is beyond. Monotonic, one writer.
#pragma once

#include <stdint.h>

#define LATENCY_BUCKETS 128

struct latency {
	uint64_t bucket[LATENCY_BUCKETS];
};

// `n` times the same.
void latency_count(struct latency *l, uint64_t ns, uint64_t n);

// Upper bound in microseconds of the bucket that holds the quantile q (0..1); 0 if empty.
uint64_t latency_quantile_us(const struct latency *l, double q);
