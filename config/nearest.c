// SPDX-License-Identifier: Apache-2.0
#include "config/nearest.h"

#include <ctype.h>
#include <string.h>

static uint32_t min3(uint32_t a, uint32_t b, uint32_t c) {
	uint32_t m = a < b ? a : b;
	return m < c ? m : c;
}

static bool same(char a, char b) {
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

uint32_t name_distance(const char *a, const char *b) {
	size_t an = strnlen(a, NEAREST_NAME_MAX + 1), bn = strnlen(b, NEAREST_NAME_MAX + 1);
	uint32_t rows[3][NEAREST_NAME_MAX + 1];
	uint32_t *before = rows[0], *last = rows[1], *row = rows[2];

	if (an > NEAREST_NAME_MAX || bn > NEAREST_NAME_MAX)
		return UINT32_MAX;
	for (size_t j = 0; j <= bn; j++)
		last[j] = (uint32_t)j;

	for (size_t i = 1; i <= an; i++) {
		row[0] = (uint32_t)i;
		for (size_t j = 1; j <= bn; j++) {
			uint32_t cost = same(a[i - 1], b[j - 1]) ? 0 : 1;
			row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1])
			    && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		uint32_t *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[bn];
}

// A third of the letters may be wrong: more, and the suggestion would puzzle rather than help.
void nearest_init(struct nearest *n, const char *wanted) {
	*n = (struct nearest) {.wanted = wanted, .distance = (uint32_t)(strlen(wanted) + 5) / 3};
}

void nearest_offer(struct nearest *n, const char *candidate) {
	uint32_t d = name_distance(n->wanted, candidate);

	if (d > n->distance || (d == n->distance && n->best != NULL))
		return;
	n->best = candidate;
	n->distance = d;
}
