// SPDX-License-Identifier: Apache-2.0
// Numbers and device times of the text formats. Pure; independent of the locale.
#pragma once

#include "parsers/payload.h"

// Longest number text that is looked at; longer ones are PAYLOAD_BAD_NUMBER.
#define NUMBER_TEXT_MAX 64

// A whole text as an integer or a double ("1." and ".5" are numbers). PAYLOAD_BAD_NUMBER if it is
// no number or does not fit, PAYLOAD_NOT_FINITE for infinities and for what overflows a double.
enum payload_rc number_i64(struct view text, int64_t *out);
enum payload_rc number_u64(struct view text, uint64_t *out);
enum payload_rc number_f64(struct view text, double *out);

// The decimal digits at the start of the `max` bytes at p, added to *n from the right; returns how
// many. More than 19 may be too many for 64 bits.
static inline uint32_t number_digits(const uint8_t *p, uint32_t max, uint64_t *n) {
	uint32_t count = 0;
	uint8_t digit;

	for (; count < max && (digit = (uint8_t)(p[count] - '0')) < 10; count++)
		*n = *n * 10 + digit;
	return count;
}

// Up to 2^53 every integer is a double, and so is every power of ten up to 10^22: then one
// operation rounds correctly (Clinger 1990). False: not that easy.
#define NUMBER_EXACT_MAX (UINT64_C(1) << 53)
#define NUMBER_POWER_MAX 22
extern const double number_powers[NUMBER_POWER_MAX + 1];

static inline bool number_exact(uint64_t mantissa, int32_t power, double *out) {
	if (mantissa > NUMBER_EXACT_MAX || power < -NUMBER_POWER_MAX || power > NUMBER_POWER_MAX)
		return false;
	*out = power < 0 ? (double)mantissa / number_powers[-power]
			 : (double)mantissa * number_powers[power];
	return true;
}

// number_f64() of what sensors send: at most 15 digits, which a double has exactly, and no
// exponent; and how many stand behind the point. False: not that easy.
static inline bool number_short(struct view text, double *out, uint8_t *decimals) {
	const uint8_t *p = text.p, *end = text.p + text.len;
	uint64_t mantissa = 0;
	uint32_t fraction = 0;

	bool minus = p < end && *p == '-';
	p += minus;
	uint32_t whole = number_digits(p, (uint32_t)(end - p), &mantissa);
	p += whole;
	if (p < end && *p == '.') {
		p++;
		fraction = number_digits(p, (uint32_t)(end - p), &mantissa);
		p += fraction;
	}
	if (p != end || whole + fraction == 0 || whole + fraction > 15)
		return false;
	double v = (double)mantissa / number_powers[fraction];
	*out = minus ? -v : v;
	*decimals = (uint8_t)fraction;
	return true;
}

// A count of `unit`s since the epoch, or a text (RFC 3339), as nanoseconds. PAYLOAD_BAD_TIME if it
// is neither or does not fit 64 bits (years 1678..2262).
enum payload_rc time_from_i64(int64_t count, enum time_unit unit, int64_t *ns);
enum payload_rc time_from_f64(double count, enum time_unit unit, int64_t *ns);
enum payload_rc time_from_text(struct view text, int64_t *ns);
enum payload_rc time_from_value(const struct value *v, enum time_unit unit, int64_t *ns);
