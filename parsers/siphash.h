// SPDX-License-Identifier: Apache-2.0
// SipHash-1-3 (Aumasson, Bernstein 2012) over keys that a peer may choose. Any thread, pure.
#pragma once

#include "parsers/rd.h"

#include <stdint.h>
#include <string.h>

static inline uint64_t siphash_rotl(uint64_t x, int b) {
	return x << b | x >> (64 - b);
}

#define SIPHASH_ROUND(v)                                                                           \
	do {                                                                                       \
		v[0] += v[1];                                                                      \
		v[1] = siphash_rotl(v[1], 13) ^ v[0];                                              \
		v[0] = siphash_rotl(v[0], 32);                                                     \
		v[2] += v[3];                                                                      \
		v[3] = siphash_rotl(v[3], 16) ^ v[2];                                              \
		v[0] += v[3];                                                                      \
		v[3] = siphash_rotl(v[3], 21) ^ v[0];                                              \
		v[2] += v[1];                                                                      \
		v[1] = siphash_rotl(v[1], 17) ^ v[2];                                              \
		v[2] = siphash_rotl(v[2], 32);                                                     \
	} while (0)

static inline void siphash_init(uint64_t v[4], const uint64_t key[2]) {
	v[0] = key[0] ^ 0x736f6d6570736575;
	v[1] = key[1] ^ 0x646f72616e646f6d;
	v[2] = key[0] ^ 0x6c7967656e657261;
	v[3] = key[1] ^ 0x7465646279746573;
}

static inline void siphash_absorb(uint64_t v[4], const void *bytes, uint32_t len) {
	const uint8_t *p = bytes;
	const uint8_t *end = p + (len & ~7u);
	uint64_t word;
	uint64_t last = (uint64_t)len << 56 | bytes_word(end, len & 7);

	for (; p != end; p += 8) {
		memcpy(&word, p, 8);
		v[3] ^= word;
		SIPHASH_ROUND(v);
		v[0] ^= word;
	}
	v[3] ^= last;
	SIPHASH_ROUND(v);
	v[0] ^= last;
}

static inline uint64_t siphash_squeeze(uint64_t v[4]) {
	SIPHASH_ROUND(v);
	SIPHASH_ROUND(v);
	SIPHASH_ROUND(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static inline uint64_t siphash13(const uint64_t key[2], const void *bytes, uint32_t len) {
	uint64_t v[4];

	siphash_init(v, key);
	siphash_absorb(v, bytes, len);
	v[2] ^= 0xff;
	return siphash_squeeze(v);
}

// Of who sent something: an address of 4 or 16 bytes, or none, in its realm.
static inline uint64_t
siphash_peer(const uint64_t key[2], const uint8_t *address, uint32_t len, uint16_t realm) {
	uint64_t words[3] = {0, 0, (uint64_t)len << 32 | realm};

	if (len == 4) {
		uint32_t four;
		memcpy(&four, address, 4);
		words[0] = (uint64_t)realm << 32 | four;
		return siphash13(key, words, 8);
	}
	if (len == 16)
		memcpy(words, address, 16);
	return siphash13(key, words, sizeof(words));
}

// The variant with 128 bits: long enough to stand for the bytes themselves.
static inline void
siphash13_128(const uint64_t key[2], const void *bytes, uint32_t len, uint64_t out[2]) {
	uint64_t v[4];

	siphash_init(v, key);
	v[1] ^= 0xee;
	siphash_absorb(v, bytes, len);
	v[2] ^= 0xee;
	out[0] = siphash_squeeze(v);
	v[1] ^= 0xdd;
	out[1] = siphash_squeeze(v);
}
