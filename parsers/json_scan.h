// SPDX-License-Identifier: Apache-2.0
// JSON tokens as devices write them: strings in ASCII without escapes, numbers that are exact
// without big arithmetic, true, false and null. False means more than that, or wrong: then yyjson
// reads the whole payload. Nothing is read outside it. Pure; any thread; private to parsers/.
#pragma once

#include "parsers/number.h"

#include <emmintrin.h>

#define JSON_SCAN_DIGITS_MAX 18 // always below 2^63

struct json_cursor {
	const uint8_t *p, *end;
	const uint8_t *last; // 16 bytes before the end; nullptr if there are fewer
};

static inline struct json_cursor json_cursor(struct view payload) {
	return (struct json_cursor) {
		.p = payload.p,
		.end = payload.p + payload.len,
		.last = payload.len >= 16 ? payload.p + payload.len - 16 : nullptr,
	};
}

static inline void json_space(struct json_cursor *c) {
	while (c->p < c->end && *c->p <= ' '
	       && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
		c->p++;
}

static inline bool json_take(struct json_cursor *c, uint8_t byte) {
	if (c->p == c->end || *c->p != byte)
		return false;
	c->p++;
	return true;
}

// Of a payload that is shorter than a vector.
static inline bool json_string_short(struct json_cursor *c, struct view *out) {
	for (const uint8_t *p = c->p; p < c->end; p++) {
		if (*p == '"') {
			*out = view_of(c->p, (uint32_t)(p - c->p));
			c->p = p + 1;
			return true;
		}
		if (*p < 0x20 || *p >= 0x80 || *p == '\\')
			return false;
	}
	return false;
}

// The rest of a string up to its quote, which is taken. The last vector of the payload is looked at
// from where the string is.
static inline bool json_string_rest(struct json_cursor *c, struct view *out) {
	const uint8_t *p = c->p;

	if (c->last == nullptr)
		return json_string_short(c, out);
	for (;; p += 16) {
		bool at_end = p > c->last;
		uint32_t before = at_end ? (uint32_t)(p - c->last) : 0; // at most 16
		__m128i v = _mm_loadu_si128((const __m128i *)(at_end ? c->last : p));
		__m128i odd = _mm_or_si128(
			_mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v),
			_mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))
		);
		uint32_t odds = (uint32_t)_mm_movemask_epi8(_mm_or_si128(odd, v)) >> before;
		uint32_t quotes = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')))
			>> before;
		if (quotes == 0) {
			if (odds != 0 || at_end)
				return false;
			continue;
		}
		if ((odds & ((quotes & -quotes) - 1)) != 0)
			return false;
		p += __builtin_ctz(quotes);
		*out = view_of(c->p, (uint32_t)(p - c->p));
		c->p = p + 1;
		return true;
	}
}

static inline bool json_exponent(struct json_cursor *c, int32_t *out) {
	bool minus = false;
	uint64_t n = 0;

	if (!json_take(c, '+'))
		minus = json_take(c, '-');
	uint32_t count = number_digits(c->p, (uint32_t)(c->end - c->p), &n);
	c->p += count;
	if (count == 0 || count > 3)
		return false;
	*out = minus ? -(int32_t)n : (int32_t)n;
	return true;
}

static inline bool json_number(struct json_cursor *c, struct value *v) {
	bool minus = json_take(c, '-');
	const uint8_t *first = c->p;
	uint64_t mantissa = 0;
	uint32_t decimals = 0;
	int32_t shift = 0;
	double d;

	uint32_t count = number_digits(c->p, (uint32_t)(c->end - c->p), &mantissa);
	c->p += count;
	if (count == 0 || (count > 1 && *first == '0'))
		return false;
	bool fraction = json_take(c, '.');
	if (fraction) {
		decimals = number_digits(c->p, (uint32_t)(c->end - c->p), &mantissa);
		c->p += decimals;
		count += decimals;
		if (decimals == 0)
			return false;
	}
	if (count > JSON_SCAN_DIGITS_MAX)
		return false;
	bool scientific = c->p < c->end && (*c->p | 0x20) == 'e';
	if (!fraction && !scientific) {
		v->kind = VALUE_I64;
		v->i = minus ? -(int64_t)mantissa : (int64_t)mantissa;
		return !minus || mantissa != 0;
	}
	c->p += scientific;
	if ((scientific && !json_exponent(c, &shift))
	    || !number_exact(mantissa, shift - (int32_t)decimals, &d))
		return false;
	v->kind = VALUE_F64;
	v->decimals = scientific ? 0 : (uint8_t)decimals;
	v->f = minus ? -d : d;
	return true;
}

static inline bool json_word(struct json_cursor *c, const char *text, uint32_t len) {
	if (c->end - c->p < len || memcmp(c->p, text, len) != 0)
		return false;
	c->p += len;
	return true;
}

static inline bool json_plain_scalar(struct json_cursor *c, struct value *v) {
	if (c->p == c->end)
		return false;
	switch (*c->p) {
	case '"':
		c->p++;
		v->kind = VALUE_STRING;
		return json_string_rest(c, &v->s);
	case 't':
		v->kind = VALUE_BOOL;
		v->b = true;
		return json_word(c, "true", 4);
	case 'f':
		v->kind = VALUE_BOOL;
		v->b = false;
		return json_word(c, "false", 5);
	case 'n':
		v->kind = VALUE_NULL;
		return json_word(c, "null", 4);
	default:
		return json_number(c, v);
	}
}

// A member's name, its colon, and the space behind it.
static inline bool json_name(struct json_cursor *c, struct view *name) {
	if (!json_take(c, '"') || !json_string_rest(c, name))
		return false;
	json_space(c);
	if (!json_take(c, ':'))
		return false;
	json_space(c);
	return true;
}
