// SPDX-License-Identifier: Apache-2.0
// JSON text into a buffer that the caller has proved large enough: each function writes at `p` and
// returns the byte after. The bounds to prove it with are beside them. Pure, hot path.
#pragma once

#include "parsers/payload.h"
#include "parsers/rd.h"

#include <stdint.h>
#include <string.h>

#define JSON_U64_MAX_BYTES 20
#define JSON_F64_MAX_BYTES 32

static inline uint32_t json_string_bound(uint32_t len) {
	return 6 * len + 2; // every byte as \u00xx, and the quotes
}

static inline uint32_t base64_bytes(uint32_t len) {
	return (len + 2) / 3 * 4;
}

#define JSON_LITERAL(p, s) json_raw(p, s, sizeof(s) - 1)

static inline uint8_t *json_raw(uint8_t *p, const void *s, uint32_t len) {
	memcpy(p, s, len);
	return p + len;
}

// The same for names, which are short: copies that overlap take less than a call.
static inline uint8_t *json_raw_short(uint8_t *p, const uint8_t *s, uint32_t len) {
	if (len > 16)
		return json_raw(p, s, len);
	if (len >= 8) {
		uint64_t first, last;
		memcpy(&first, s, 8);
		memcpy(&last, s + len - 8, 8);
		memcpy(p, &first, 8);
		memcpy(p + len - 8, &last, 8);
	} else if (len >= 4) {
		uint32_t first, last;
		memcpy(&first, s, 4);
		memcpy(&last, s + len - 4, 4);
		memcpy(p, &first, 4);
		memcpy(p + len - 4, &last, 4);
	} else if (len > 0) {
		p[0] = s[0];
		p[len / 2] = s[len / 2];
		p[len - 1] = s[len - 1];
	}
	return p + len;
}

extern const char json_digit_pairs[200];
extern const uint64_t json_powers[20]; // of ten; [0] is 0, so that 0 has one digit

// 1233/4096 is just below log10(2): the first guess is right or one too small.
static inline uint32_t json_u64_digits(uint64_t v) {
	uint32_t n = (64 - (uint32_t)__builtin_clzll(v | 1)) * 1233 >> 12;

	return n + (v >= json_powers[n]);
}

// In place, from the last digit: small stores into a buffer that a wide load then copies would wait
// for each other.
static inline uint8_t *json_u64(uint8_t *p, uint64_t v) {
	uint8_t *end = p + json_u64_digits(v);
	uint8_t *at = end;

	while (v >= 100) {
		at -= 2;
		memcpy(at, json_digit_pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10)
		memcpy(at - 2, json_digit_pairs + v * 2, 2);
	else
		at[-1] = (uint8_t)('0' + v);
	return end;
}

static inline uint8_t *json_i64(uint8_t *p, int64_t v) {
	if (v >= 0)
		return json_u64(p, (uint64_t)v);
	*p++ = '-';
	return json_u64(p, 0 - (uint64_t)v);
}

// A finite double; reading the text back gives the same double. `decimals` is how many it probably
// has, 0: nothing is known; it changes nothing of what is written.
uint8_t *json_f64(uint8_t *p, double v, uint32_t decimals);

// With quotes and escapes. `text` is UTF-8.
uint8_t *json_string(uint8_t *p, struct view text);
// The same without the quotes, to put strings together.
uint8_t *json_escaped(uint8_t *p, struct view text);

// RFC 4648, with padding, without quotes.
uint8_t *json_base64(uint8_t *p, struct view bytes);

// A value of a field; bytes are {"base64":"..."}.
uint8_t *json_value(uint8_t *p, const struct value *v);

static inline uint32_t json_value_bound(const struct value *v) {
	if (v->kind < VALUE_STRING)
		return JSON_F64_MAX_BYTES;
	return v->kind == VALUE_STRING ? json_string_bound(v->s.len) : base64_bytes(v->s.len) + 16;
}
