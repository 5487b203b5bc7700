// SPDX-License-Identifier: Apache-2.0
#include "parsers/number.h"

#include <math.h>
#include <yyjson.h>

// clang-format off
const double number_powers[NUMBER_POWER_MAX + 1] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};
// clang-format on

static bool digit(uint8_t c) {
	return (uint8_t)(c - '0') < 10;
}

enum payload_rc number_u64(struct view text, uint64_t *out) {
	uint64_t v = 0;

	if (text.len == 0 || text.len > NUMBER_TEXT_MAX)
		return PAYLOAD_BAD_NUMBER;
	for (uint32_t i = 0; i < text.len; i++) {
		if (!digit(text.p[i]))
			return PAYLOAD_BAD_NUMBER;
		if (__builtin_mul_overflow(v, 10, &v)
		    || __builtin_add_overflow(v, (uint64_t)(text.p[i] - '0'), &v))
			return PAYLOAD_BAD_NUMBER;
	}
	*out = v;
	return PAYLOAD_OK;
}

enum payload_rc number_i64(struct view text, int64_t *out) {
	bool negative = text.len > 0 && text.p[0] == '-';
	uint64_t v;

	if (negative)
		text = view_of(text.p + 1, text.len - 1);
	enum payload_rc rc = number_u64(text, &v);
	if (rc != PAYLOAD_OK)
		return rc;
	if (v > (uint64_t)INT64_MAX + negative)
		return PAYLOAD_BAD_NUMBER;
	*out = negative ? (int64_t)(0 - v) : (int64_t)v;
	return PAYLOAD_OK;
}

// Everything the short way does not cover: many digits, large exponents, "inf". Out of line, so
// that the short way has no buffer and no stack check.
[[gnu::noinline]] static enum payload_rc f64_slow(struct view text, double *out) {
	char copy[NUMBER_TEXT_MAX + 1];
	yyjson_val val;

	if (text.len == 0 || text.len > NUMBER_TEXT_MAX)
		return PAYLOAD_BAD_NUMBER;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	const char *end = yyjson_read_number(copy, &val, YYJSON_READ_ALLOW_INF_AND_NAN, NULL, NULL);
	if (end != copy + text.len)
		return PAYLOAD_BAD_NUMBER;
	double d = yyjson_get_num(&val);
	if (!isfinite(d))
		return PAYLOAD_NOT_FINITE;
	*out = d;
	return PAYLOAD_OK;
}

enum payload_rc number_f64(struct view text, double *out) {
	uint8_t decimals;

	return number_short(text, out, &decimals) ? PAYLOAD_OK : f64_slow(text, out);
}

static const int64_t unit_ns[] =
	{[TIME_S] = 1000000000, [TIME_MS] = 1000000, [TIME_US] = 1000, [TIME_NS] = 1};

enum payload_rc time_from_i64(int64_t count, enum time_unit unit, int64_t *ns) {
	return __builtin_mul_overflow(count, unit_ns[unit], ns) ? PAYLOAD_BAD_TIME : PAYLOAD_OK;
}

// A double of today's epoch time is good to a quarter of a microsecond: digits beyond are noise,
// and 1.276020076001e9 shall be what it says.
#define NOISE_FROM_NS INT64_C(1000000000000000)

enum payload_rc time_from_f64(double count, enum time_unit unit, int64_t *ns) {
	double whole = floor(count);

	if (!(fabs(count) < 9.2e18))
		return PAYLOAD_BAD_TIME;
	// The fraction on its own, so that no bits are lost beside ten digits of seconds.
	int64_t part = (int64_t)((count - whole) * (double)unit_ns[unit] + 0.5);
	if (__builtin_mul_overflow((int64_t)whole, unit_ns[unit], ns))
		return PAYLOAD_BAD_TIME;
	if (*ns >= NOISE_FROM_NS || *ns <= -NOISE_FROM_NS)
		part = (part + 500) / 1000 * 1000;
	return __builtin_add_overflow(*ns, part, ns) ? PAYLOAD_BAD_TIME : PAYLOAD_OK;
}

// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
static int64_t days_from_date(int64_t y, uint32_t m, uint32_t d) {
	static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
	int64_t past = y - 1;

	return past * 365 + past / 4 - past / 100 + past / 400 + before[m - 1] + (leap && m > 2)
		+ (int64_t)d - 719163;
}

static uint32_t days_in_month(uint32_t y, uint32_t m) {
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);

	return days[m - 1] + (leap && m == 2);
}

// `n` digits at *p, which moves past them and past `then` (0: nothing). False if not there.
static bool part(struct rd *r, uint32_t n, char then, uint32_t *v) {
	struct view text = rd_take(r, n);
	uint64_t value = 0;

	if (text.len != n || number_digits(text.p, n, &value) != n)
		return false;
	*v = (uint32_t)value;
	return then == 0 || rd_u8(r) == (uint8_t)then;
}

// ".5" and "Z" or "+01:00"; the rest of RFC 3339's date-time after the seconds.
static bool fraction_and_zone(struct rd *r, uint32_t *ns, int32_t *offset_s) {
	uint32_t hours;
	uint32_t minutes;
	uint8_t c = rd_u8(r);

	*ns = 0;
	if (c == '.') {
		uint32_t scale = 100000000;
		uint32_t count = 0;
		for (c = rd_u8(r); digit(c); c = rd_u8(r), count++) {
			*ns += (uint32_t)(c - '0') * scale;
			scale /= 10;
		}
		if (count == 0)
			return false;
	}
	*offset_s = 0;
	if (c == 'Z' || c == 'z')
		return !r->failed && rd_left(r) == 0;
	if ((c != '+' && c != '-') || !part(r, 2, ':', &hours) || !part(r, 2, 0, &minutes))
		return false;
	*offset_s = (int32_t)(hours * 3600 + minutes * 60) * (c == '-' ? -1 : 1);
	return hours < 24 && minutes < 60 && rd_left(r) == 0;
}

enum payload_rc time_from_text(struct view text, int64_t *ns) {
	struct rd r = rd_from(text);
	uint32_t y;
	uint32_t mo;
	uint32_t d;
	uint32_t h;
	uint32_t mi;
	uint32_t s;
	uint32_t fraction;
	int32_t offset_s;

	if (!part(&r, 4, '-', &y) || !part(&r, 2, '-', &mo) || !part(&r, 2, 0, &d))
		return PAYLOAD_BAD_TIME;
	uint8_t between = rd_u8(&r);
	if (between != 'T' && between != 't' && between != ' ')
		return PAYLOAD_BAD_TIME;
	if (!part(&r, 2, ':', &h) || !part(&r, 2, ':', &mi) || !part(&r, 2, 0, &s)
	    || !fraction_and_zone(&r, &fraction, &offset_s))
		return PAYLOAD_BAD_TIME;
	if (y < 1678 || y > 2261 || mo < 1 || mo > 12 || d < 1 || d > days_in_month(y, mo) || h > 23
	    || mi > 59 || s > 60)
		return PAYLOAD_BAD_TIME;
	int64_t seconds = days_from_date(y, mo, d) * 86400 + h * 3600 + mi * 60 + s - offset_s;
	*ns = seconds * 1000000000 + fraction;
	return PAYLOAD_OK;
}

enum payload_rc time_from_value(const struct value *v, enum time_unit unit, int64_t *ns) {
	switch (v->kind) {
	case VALUE_I64:
		return time_from_i64(v->i, unit, ns);
	case VALUE_F64:
		return time_from_f64(v->f, unit, ns);
	case VALUE_STRING:
		return time_from_text(v->s, ns);
	default:
		return PAYLOAD_BAD_TIME;
	}
}
