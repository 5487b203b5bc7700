// SPDX-License-Identifier: Apache-2.0
// Eight bytes at once, in a word. Any thread, pure.
#pragma once

#include <stdint.h>

#define EACH_BYTE UINT64_C(0x0101010101010101)
#define HIGH_BITS UINT64_C(0x8080808080808080)

// The high bits of those bytes that are c. The lowest one is exact; above a byte that is c others
// may be marked that are not, so that only "none" and "the first" can be relied on.
static inline uint64_t bytes_that_are(uint64_t word, uint8_t c) {
	uint64_t zero = word ^ EACH_BYTE * c;

	return (zero - EACH_BYTE) & ~zero & HIGH_BITS;
}

// The same for bytes below `limit`, which is at most 0x80; those from 0x80 on are never marked.
static inline uint64_t bytes_below(uint64_t word, uint8_t limit) {
	return (word - EACH_BYTE * limit) & ~word & HIGH_BITS;
}
