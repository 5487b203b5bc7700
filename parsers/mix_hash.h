// SPDX-License-Identifier: Apache-2.0
// A keyed hash by multiplication, as wyhash folds its words: a third of SipHash's instructions. For
// what a sender says about itself, where making two alike deceives nobody but him; not where who
// can choose keys would crowd others out, and not for what leaves the process. Any thread, pure.
#pragma once

#include "parsers/rd.h"

#include <stdint.h>
#include <string.h>

static inline uint64_t mix_fold(uint64_t a, uint64_t b) {
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t mix_hash(const uint64_t key[2], const void *bytes, uint32_t len) {
	const uint8_t *p = bytes;
	uint64_t h = key[0], a, b;

	for (uint32_t left = len; left >= 16; left -= 16, p += 16) {
		memcpy(&a, p, 8);
		memcpy(&b, p + 8, 8);
		h = mix_fold(a ^ key[1], b ^ h);
	}
	uint32_t rest = len & 15;
	a = 0;
	if (rest >= 8) {
		memcpy(&a, p, 8);
		p += 8;
		rest -= 8;
	}
	b = bytes_word(p, rest);
	h = mix_fold(a ^ key[1], b ^ h);
	return mix_fold(h ^ len, key[1] ^ 0x9e3779b97f4a7c15);
}
