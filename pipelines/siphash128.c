// SPDX-License-Identifier: Apache-2.0
#include "pipelines/siphash128.h"

#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, int b) {
	return x << b | x >> (64 - b);
}

static inline void rounds(struct state *s, int n) {
	while (n-- > 0) {
		s->v0 += s->v1;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v2 = rotl(s->v2, 32);
	}
}

static uint64_t word(const uint8_t *p, uint32_t n) {
	uint64_t w = 0;

	memcpy(&w, p, n); // both little-endian
	return w;
}

struct siphash128 siphash128(const uint64_t key[2], struct view text) {
	struct state s = {
		key[0] ^ 0x736f6d6570736575,
		key[1] ^ 0x646f72616e646f6d ^ 0xee,
		key[0] ^ 0x6c7967656e657261,
		key[1] ^ 0x7465646279746573,
	};
	uint32_t i = 0;

	for (; i + 8 <= text.len; i += 8) {
		uint64_t w = word(text.p + i, 8);
		s.v3 ^= w;
		rounds(&s, 2);
		s.v0 ^= w;
	}
	uint64_t last = (uint64_t)text.len << 56;
	if (i < text.len)
		last |= word(text.p + i, text.len - i);
	s.v3 ^= last;
	rounds(&s, 2);
	s.v0 ^= last;
	s.v2 ^= 0xee;
	rounds(&s, 4);
	struct siphash128 out = {.lo = s.v0 ^ s.v1 ^ s.v2 ^ s.v3};
	s.v1 ^= 0xdd;
	rounds(&s, 4);
	out.hi = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return out;
}
