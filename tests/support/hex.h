// SPDX-License-Identifier: Apache-2.0
// Hexadecimal text of test vectors.
#pragma once

#include <ctype.h>
#include <stdint.h>

static inline unsigned hex_digit(char c) {
	return isdigit((unsigned char)c) ? (unsigned)(c - '0') : (unsigned)(tolower(c) - 'a' + 10);
}

// Up to the first character that is no digit. Returns how many bytes were written.
static inline uint32_t unhex(const char *hex, uint8_t *out) {
	uint32_t n = 0;

	for (; isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]); hex += 2)
		out[n++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
	return n;
}
