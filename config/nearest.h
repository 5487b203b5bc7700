// SPDX-License-Identifier: Apache-2.0
// "Did you mean ...?": the known name closest to a misspelt one. Pure, any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NEAREST_NAME_MAX 64 // longer names have no nearest

// Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`; case does not count.
// UINT32_MAX if one of them is longer than NEAREST_NAME_MAX.
uint32_t name_distance(const char *a, const char *b);

// Offer candidates one by one; the best one that is close enough to be meant stays.
struct nearest {
	const char *wanted;
	const char *best; // NULL: nothing is close
	uint32_t distance;
};

void nearest_init(struct nearest *n, const char *wanted);
void nearest_offer(struct nearest *n, const char *candidate); // borrowed
