// SPDX-License-Identifier: Apache-2.0
// What most telemetry looks like: a map, or a short array of maps, whose keys are short texts in
// ASCII and whose values are numbers, short texts in ASCII, true, false and null. Whatever else
// comes, well or badly formed, is left to the reader of everything, which also says what is wrong
// with it. tests/unit/parsers/test_plain.c holds both against each other.
#include "parsers/cbor_plain.h"
#include "parsers/swar.h"

#include <endian.h>
#include <math.h>

#define MAP 0xa0
#define ARRAY 0x80
#define TEXT 0x60
#define NEGATIVE 0x20
#define INFO 0x1f
#define ONE_BYTE 24 // of argument behind the head
#define INDEFINITE 31
#define BREAK 0xff

struct cursor {
	const uint8_t *p, *end;
};

static inline bool ascii(const uint8_t *p, uint32_t len) {
	uint64_t word, high = 0;

	if (len < 8)
		return (bytes_word(p, len) & HIGH_BITS) == 0;
	for (uint32_t at = 0; at + 8 < len; at += 8) {
		memcpy(&word, p + at, 8);
		high |= word;
	}
	memcpy(&word, p + len - 8, 8);
	return ((high | word) & HIGH_BITS) == 0;
}

// c->p is at the head, which is there.
static inline bool text(struct cursor *c, struct view *out) {
	const uint8_t *p = c->p;
	uint32_t len = *p++ & INFO;

	if (len == ONE_BYTE && p < c->end)
		len = *p++;
	else if (len >= ONE_BYTE)
		return false;
	if (c->end - p < len || !ascii(p, len))
		return false;
	*out = view_of(p, len);
	c->p = p + len;
	return true;
}

// Of up to 32 bits.
static inline bool integer(struct cursor *c, struct value *v) {
	const uint8_t *p = c->p;
	uint8_t head = *p++;
	int64_t n = head & INFO;
	uint16_t v16;
	uint32_t v32;

	if (n == ONE_BYTE && c->end - p >= 1) {
		n = *p++;
	} else if (n == ONE_BYTE + 1 && c->end - p >= 2) {
		memcpy(&v16, p, sizeof(v16));
		n = be16toh(v16);
		p += sizeof(v16);
	} else if (n == ONE_BYTE + 2 && c->end - p >= 4) {
		memcpy(&v32, p, sizeof(v32));
		n = be32toh(v32);
		p += sizeof(v32);
	} else if (n >= ONE_BYTE) {
		return false;
	}
	v->kind = VALUE_I64;
	v->i = (head & NEGATIVE) != 0 ? -1 - n : n;
	c->p = p;
	return true;
}

static inline bool scalar(struct cursor *c, struct value *v) {
	uint64_t v64;
	uint32_t v32;
	float f;

	if (c->p == c->end)
		return false;
	switch (*c->p) {
	case 0x00 ... 0x3f:
		return integer(c, v);
	case TEXT ... TEXT + ONE_BYTE:
		v->kind = VALUE_STRING;
		return text(c, &v->s);
	case 0xf4 ... 0xf5:
		v->kind = VALUE_BOOL;
		v->b = *c->p++ == 0xf5;
		return true;
	case 0xf6 ... 0xf7:
		v->kind = VALUE_NULL;
		c->p++;
		return true;
	case 0xfa:
		if (c->end - c->p < 5)
			return false;
		memcpy(&v32, c->p + 1, sizeof(v32));
		v32 = be32toh(v32);
		memcpy(&f, &v32, sizeof(f));
		v->f = (double)f;
		c->p += 5;
		break;
	case 0xfb:
		if (c->end - c->p < 9)
			return false;
		memcpy(&v64, c->p + 1, sizeof(v64));
		v64 = be64toh(v64);
		memcpy(&v->f, &v64, sizeof(v64));
		c->p += 9;
		break;
	default:
		return false;
	}
	v->kind = VALUE_F64;
	v->decimals = 0;
	return isfinite(v->f);
}

static inline bool member(struct cursor *c, struct readings_filler *f) {
	struct value *v = readings_slot(f);
	struct view name;

	return (*c->p & ~INFO) == TEXT && text(c, &name) && scalar(c, v)
		&& readings_field_here(f, name) == PAYLOAD_OK;
}

static bool map(struct cursor *out, struct readings_filler *f) {
	struct cursor c = *out; // in registers
	uint32_t left;

	if (c.p == c.end || (*c.p & ~INFO) != MAP || readings_open(f) != PAYLOAD_OK)
		return false;
	left = *c.p++ & INFO;
	if (left == INDEFINITE) {
		while (c.p < c.end && *c.p != BREAK)
			if (!member(&c, f))
				return false;
		if (c.p == c.end)
			return false;
		c.p++;
	} else if (left < ONE_BYTE) {
		for (; left > 0; left--)
			if (c.p == c.end || !member(&c, f))
				return false;
	} else {
		return false;
	}
	*out = c;
	return readings_close(f) == PAYLOAD_OK;
}

bool cbor_plain(struct view payload, struct readings_filler *f) {
	struct cursor c = {payload.p, payload.p + payload.len};
	uint32_t left = 1;

	if (payload.len > 0 && (*c.p & ~INFO) == ARRAY) {
		left = *c.p++ & INFO;
		if (left == 0 || left >= ONE_BYTE)
			return false;
	}
	for (; left > 0; left--)
		if (!map(&c, f))
			return false;
	return c.p == c.end;
}
