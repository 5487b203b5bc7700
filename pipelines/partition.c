// SPDX-License-Identifier: Apache-2.0
#include "pipelines/partition.h"

#define SEED 0x9747b28cu
#define MULTIPLIER 0x5bd1e995u

uint32_t murmur2(struct view key) {
	uint32_t h = SEED ^ key.len;
	const uint8_t *p = key.p;
	uint32_t left = key.len;

	for (; left >= 4; left -= 4, p += 4) {
		uint32_t k = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16
			| (uint32_t)p[3] << 24;
		k *= MULTIPLIER;
		k ^= k >> 24;
		h = h * MULTIPLIER ^ k * MULTIPLIER;
	}
	if (left > 2)
		h ^= (uint32_t)p[2] << 16;
	if (left > 1)
		h ^= (uint32_t)p[1] << 8;
	if (left > 0)
		h = (h ^ p[0]) * MULTIPLIER;
	h ^= h >> 13;
	h *= MULTIPLIER;
	return h ^ h >> 15;
}
