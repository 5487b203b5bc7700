// SPDX-License-Identifier: Apache-2.0
#include "parsers/swar.h"
#include "parsers/utf8.h"

#include <emmintrin.h>

static bool continuation(uint8_t b) {
	return (b & 0xc0) == 0x80;
}

// Length of the sequence that begins at p, 0 if it is none.
static uint32_t sequence(const uint8_t *p, uint32_t left) {
	uint8_t b = p[0];

	if (b < 0x80)
		return 1;
	if (b < 0xc2)
		return 0; // continuation byte, or an overlong form of ASCII
	if (b < 0xe0)
		return left >= 2 && continuation(p[1]) ? 2 : 0;
	if (b < 0xf0) {
		if (left < 3 || !continuation(p[1]) || !continuation(p[2]))
			return 0;
		if ((b == 0xe0 && p[1] < 0xa0) || (b == 0xed && p[1] >= 0xa0))
			return 0; // overlong, surrogate
		return 3;
	}
	if (b > 0xf4 || left < 4 || !continuation(p[1]) || !continuation(p[2])
	    || !continuation(p[3]))
		return 0;
	if ((b == 0xf0 && p[1] < 0x90) || (b == 0xf4 && p[1] >= 0x90))
		return 0; // overlong, above U+10FFFF
	return 4;
}

// Nothing but ASCII, the last vector or word overlapping the one before.
static bool ascii(struct view text) {
	__m128i high;
	uint64_t first, last;

	if (text.len < 8)
		return (bytes_word(text.p, text.len) & HIGH_BITS) == 0;
	if (text.len < 16) {
		memcpy(&first, text.p, 8);
		memcpy(&last, text.p + text.len - 8, 8);
		return ((first | last) & HIGH_BITS) == 0;
	}
	high = _mm_loadu_si128((const __m128i *)(text.p + text.len - 16));
	for (uint32_t at = 0; at + 16 < text.len; at += 16)
		high = _mm_or_si128(high, _mm_loadu_si128((const __m128i *)(text.p + at)));
	return _mm_movemask_epi8(high) == 0;
}

bool utf8_valid(struct view text) {
	const uint8_t *p = text.p;
	uint32_t left = text.len;

	if (ascii(text))
		return true;
	while (left > 0) {
		uint64_t word;
		while (left >= sizeof(word)) {
			memcpy(&word, p, sizeof(word));
			if ((word & HIGH_BITS) != 0)
				break;
			p += sizeof(word);
			left -= sizeof(word);
		}
		if (left == 0)
			break;
		uint32_t n = sequence(p, left);
		if (n == 0)
			return false;
		p += n;
		left -= n;
	}
	return true;
}
