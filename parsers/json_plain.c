// SPDX-License-Identifier: Apache-2.0
// What most telemetry looks like, in one pass over the payload: an object, or an array of objects,
// of strings in ASCII without escapes, numbers that are exact without big arithmetic, true, false
// and null. Whatever else comes, well or badly formed, is left to yyjson, which also says what is
// wrong with it. tests/unit/parsers/test_json_plain.c holds both against each other.
#include "parsers/json_plain.h"
#include "parsers/number.h"
#include "parsers/swar.h"

#define INTEGER_DIGITS_MAX 18 // always below 2^63

struct cursor {
	const uint8_t *p, *end;
};

static void space_skip(struct cursor *c) {
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
		c->p++;
}

static bool take(struct cursor *c, uint8_t byte) {
	if (c->p == c->end || *c->p != byte)
		return false;
	c->p++;
	return true;
}

// The rest of a string up to its quote, which is taken.
static bool string_rest(struct cursor *c, struct view *out) {
	const uint8_t *p = c->p;
	uint64_t word;

	for (; c->end - p >= 8; p += 8) {
		memcpy(&word, p, 8);
		uint64_t quote = bytes_that_are(word, '"');
		uint64_t odd =
			(word & HIGH_BITS) | bytes_below(word, 0x20) | bytes_that_are(word, '\\');
		if ((quote | odd) == 0)
			continue;
		if (quote == 0 || (odd & ((quote & -quote) - 1)) != 0)
			return false;
		p += __builtin_ctzll(quote) / 8;
		*out = view_of(c->p, (uint32_t)(p - c->p));
		c->p = p + 1;
		return true;
	}
	for (; p < c->end; p++) {
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

static uint32_t digits(struct cursor *c, uint64_t *n) {
	uint32_t count = number_digits(c->p, (uint32_t)(c->end - c->p), n);

	c->p += count;
	return count;
}

static bool exponent(struct cursor *c, int32_t *out) {
	bool minus = false;
	uint64_t n = 0;

	if (!take(c, '+'))
		minus = take(c, '-');
	uint32_t count = digits(c, &n);
	if (count == 0 || count > 3)
		return false;
	*out = minus ? -(int32_t)n : (int32_t)n;
	return true;
}

static bool number(struct cursor *c, struct value *v) {
	bool minus = take(c, '-');
	const uint8_t *first = c->p;
	uint64_t mantissa = 0;
	int32_t power = 0;
	double d;

	uint32_t count = digits(c, &mantissa);
	if (count == 0 || (count > 1 && *first == '0'))
		return false;
	bool fraction = take(c, '.');
	if (fraction) {
		uint32_t decimals = digits(c, &mantissa);
		if (decimals == 0)
			return false;
		count += decimals;
		power = -(int32_t)decimals;
	}
	if (count > INTEGER_DIGITS_MAX)
		return false;
	bool scientific = take(c, 'e') || take(c, 'E');
	if (!fraction && !scientific) {
		if (minus && mantissa == 0)
			return false;
		v->kind = VALUE_I64;
		v->i = minus ? -(int64_t)mantissa : (int64_t)mantissa;
		return true;
	}
	int32_t shift = 0;
	if ((scientific && !exponent(c, &shift)) || !number_exact(mantissa, power + shift, &d))
		return false;
	v->kind = VALUE_F64;
	v->f = minus ? -d : d;
	return true;
}

static bool word(struct cursor *c, const char *text, uint32_t len) {
	if (c->end - c->p < len || memcmp(c->p, text, len) != 0)
		return false;
	c->p += len;
	return true;
}

static bool scalar(struct cursor *c, struct value *v) {
	if (c->p == c->end)
		return false;
	switch (*c->p) {
	case '"':
		c->p++;
		v->kind = VALUE_STRING;
		return string_rest(c, &v->s);
	case 't':
		v->kind = VALUE_BOOL;
		v->b = true;
		return word(c, "true", 4);
	case 'f':
		v->kind = VALUE_BOOL;
		v->b = false;
		return word(c, "false", 5);
	case 'n':
		v->kind = VALUE_NULL;
		return word(c, "null", 4);
	default:
		return number(c, v);
	}
}

static bool member(struct cursor *c, struct readings_filler *f) {
	struct value *v = readings_slot(f);
	struct view name;

	if (!take(c, '"') || !string_rest(c, &name))
		return false;
	space_skip(c);
	if (!take(c, ':'))
		return false;
	space_skip(c);
	if (!scalar(c, v) || readings_field(f, name, (struct view) {0}, v) != PAYLOAD_OK)
		return false;
	space_skip(c);
	return true;
}

static bool object(struct cursor *c, struct readings_filler *f) {
	space_skip(c);
	if (!take(c, '{') || readings_open(f) != PAYLOAD_OK)
		return false;
	do {
		space_skip(c);
		if (!member(c, f))
			return false;
	} while (take(c, ','));
	if (!take(c, '}') || readings_close(f) != PAYLOAD_OK)
		return false;
	space_skip(c);
	return true;
}

bool json_plain(struct view payload, struct readings_filler *f) {
	struct cursor c = {payload.p, payload.p + payload.len};
	bool good;

	space_skip(&c);
	if (!take(&c, '['))
		return object(&c, f) && c.p == c.end;
	do
		good = object(&c, f);
	while (good && take(&c, ','));
	if (!good || !take(&c, ']'))
		return false;
	space_skip(&c);
	return c.p == c.end;
}
