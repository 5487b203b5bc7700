// SPDX-License-Identifier: Apache-2.0
// Cycles of the time stamp counter per operation: the median of many rounds, so that an interrupt
// in one of them does not count. One thread.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <x86intrin.h>

#define CYCLES_ROUNDS 41

static inline int cycles_order(const void *a, const void *b) {
	const double x = *(const double *)a;
	const double y = *(const double *)b;

	return (x > y) - (x < y);
}

// `once` does `operations` operations each time it is called.
static inline double
cycles_per_operation(void (*once)(void *input), void *input, uint32_t operations) {
	double rounds[CYCLES_ROUNDS];

	for (int warm = 0; warm < 3; warm++)
		once(input);
	for (int i = 0; i < CYCLES_ROUNDS; i++) {
		uint64_t from = __rdtsc();
		once(input);
		rounds[i] = (double)(__rdtsc() - from) / operations;
	}
	qsort(rounds, CYCLES_ROUNDS, sizeof(rounds[0]), cycles_order);
	return rounds[CYCLES_ROUNDS / 2];
}

static inline void cycles_print(const char *what, const char *input, double cycles) {
	printf("{\"what\":\"%s\",\"input\":\"%s\",\"cycles\":%.0f}\n", what, input, cycles);
}
