// SPDX-License-Identifier: Apache-2.0
#include "parsers/cbor_read.h"
#include "parsers/number.h"
#include "parsers/utf8.h"

#include <endian.h>
#include <math.h>

#define INDEFINITE 31
#define BREAK 0xff

#define TAG_BIGNUM 2
#define TAG_NEGATIVE_BIGNUM 3

#define SIMPLE_FALSE 20
#define SIMPLE_TRUE 21
#define SIMPLE_NULL 22
#define SIMPLE_UNDEFINED 23
#define FLOAT_HALF 25
#define FLOAT_SINGLE 26
#define FLOAT_DOUBLE 27

// The argument behind the first byte: 1, 2, 4 or 8 bytes, big-endian.
static uint64_t long_argument(const uint8_t *p, uint8_t info) {
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	switch (info) {
	case 24:
		return p[0];
	case 25:
		memcpy(&v16, p, sizeof(v16));
		return be16toh(v16);
	case 26:
		memcpy(&v32, p, sizeof(v32));
		return be32toh(v32);
	default:
		memcpy(&v64, p, sizeof(v64));
		return be64toh(v64);
	}
}

static inline enum payload_rc one_head(struct rd *r, struct cbor_head *h) {
	const uint8_t *p = r->p;
	uint32_t left = rd_left(r);

	if (left == 0) {
		r->failed = true;
		return PAYLOAD_TRUNCATED;
	}
	h->major = (enum cbor_major)(*p >> 5);
	h->info = *p & 0x1f;
	h->argument = h->info;
	r->p = p + 1;
	if (h->info < 24)
		return PAYLOAD_OK;
	if (h->info <= 27) {
		uint32_t n = 1u << (h->info - 24);
		if (left <= n) {
			r->failed = true;
			return PAYLOAD_TRUNCATED;
		}
		h->argument = long_argument(p + 1, h->info);
		r->p = p + 1 + n;
		return PAYLOAD_OK;
	}
	// Only strings and containers can have no length; a break stands elsewhere.
	return h->info == INDEFINITE && h->major >= CBOR_BYTES && h->major <= CBOR_MAP
		? PAYLOAD_OK
		: PAYLOAD_BAD_SYNTAX;
}

enum payload_rc cbor_head(struct cbor_source *s, struct cbor_head *h, uint64_t *tag) {
	enum payload_rc rc = one_head(&s->r, h);

	*tag = CBOR_NO_TAG;
	while (rc == PAYLOAD_OK && h->major == CBOR_TAG) {
		*tag = h->argument;
		rc = one_head(&s->r, h);
	}
	return rc;
}

bool cbor_more(struct cbor_source *s, struct cbor_scope *scope) {
	if (!scope->indefinite)
		return scope->left-- > 0;
	if (rd_left(&s->r) > 0 && *s->r.p != BREAK)
		return true;
	rd_u8(&s->r);
	return false;
}

static struct view take(struct cbor_source *s, uint64_t len) {
	if (len > rd_left(&s->r)) {
		s->r.failed = true;
		return (struct view) {0};
	}
	return rd_take(&s->r, (uint32_t)len);
}

// Section 3.2.3: definite chunks of the same kind, put together.
[[gnu::noinline]] static struct view
chunked(struct cbor_source *s, enum cbor_major major, enum payload_rc *rc) {
	struct cbor_scope scope = {.indefinite = true};
	uint8_t *text = readings_text(s->f, 0);
	struct cbor_head h;
	uint32_t len = 0;

	while (cbor_more(s, &scope)) {
		*rc = one_head(&s->r, &h);
		if (*rc == PAYLOAD_OK && (h.major != major || h.info == INDEFINITE))
			*rc = PAYLOAD_BAD_SYNTAX;
		if (*rc != PAYLOAD_OK)
			return (struct view) {0};
		struct view chunk = take(s, h.argument);
		uint8_t *to = readings_text(s->f, chunk.len);
		if (to == nullptr) {
			*rc = PAYLOAD_TOO_LARGE;
			return (struct view) {0};
		}
		if (chunk.len > 0)
			memcpy(to, chunk.p, chunk.len);
		len += chunk.len;
	}
	*rc = cbor_rc(s);
	return view_of(text, len);
}

static struct view string(struct cbor_source *s, const struct cbor_head *h, enum payload_rc *rc) {
	if (h->info == INDEFINITE)
		return chunked(s, h->major, rc);
	struct view v = take(s, h->argument);
	*rc = cbor_rc(s);
	return v;
}

struct view cbor_text(struct cbor_source *s, const struct cbor_head *h, enum payload_rc *rc) {
	struct view text = string(s, h, rc);

	if (*rc == PAYLOAD_OK && !utf8_valid(text))
		*rc = PAYLOAD_BAD_UTF8;
	return text;
}

static enum payload_rc integer(const struct cbor_head *h, struct value *v) {
	v->kind = VALUE_I64;
	if (h->major == CBOR_NEGATIVE) {
		if (h->argument > INT64_MAX)
			return PAYLOAD_BAD_NUMBER;
		v->i = -1 - (int64_t)h->argument;
		return PAYLOAD_OK;
	}
	if (h->argument > INT64_MAX)
		v->kind = VALUE_U64;
	v->u = h->argument;
	return PAYLOAD_OK;
}

// IEEE 754 binary16 (appendix D).
[[gnu::noinline]] static double half(uint16_t bits) {
	int exponent = bits >> 10 & 0x1f;
	double mantissa = bits & 0x3ff;
	double v = exponent == 0 ? ldexp(mantissa, -24)
		: exponent != 31 ? ldexp(mantissa + 1024, exponent - 25)
		: mantissa == 0	 ? (double)INFINITY
				 : (double)NAN;

	return (bits & 0x8000) != 0 ? -v : v;
}

static enum payload_rc floating(const struct cbor_head *h, struct value *v) {
	uint32_t bits = (uint32_t)h->argument;
	float f;

	v->kind = VALUE_F64;
	v->decimals = 0;
	switch (h->info) {
	case FLOAT_HALF:
		v->f = half((uint16_t)bits);
		break;
	case FLOAT_SINGLE:
		memcpy(&f, &bits, sizeof(f));
		v->f = (double)f;
		break;
	default:
		memcpy(&v->f, &h->argument, sizeof(v->f));
		break;
	}
	return isfinite(v->f) ? PAYLOAD_OK : PAYLOAD_NOT_FINITE;
}

static enum payload_rc simple(const struct cbor_head *h, struct value *v) {
	switch (h->info) {
	case SIMPLE_FALSE:
	case SIMPLE_TRUE:
		v->kind = VALUE_BOOL;
		v->b = h->info == SIMPLE_TRUE;
		return PAYLOAD_OK;
	case SIMPLE_NULL:
	case SIMPLE_UNDEFINED:
		v->kind = VALUE_NULL;
		return PAYLOAD_OK;
	case FLOAT_HALF:
	case FLOAT_SINGLE:
	case FLOAT_DOUBLE:
		return floating(h, v);
	case 24: // one byte, of which the values below 32 are not well-formed (section 3.3)
		return h->argument < 32 ? PAYLOAD_BAD_SYNTAX : PAYLOAD_BAD_TYPE;
	default:
		return PAYLOAD_BAD_TYPE;
	}
}

static uint32_t decimal(char *to, int64_t v) {
	uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	char digits[20];
	uint32_t first = sizeof(digits);
	uint32_t n = 0;

	do {
		digits[--first] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	if (v < 0)
		to[n++] = '-';
	memcpy(to + n, digits + first, sizeof(digits) - first);
	return n + (uint32_t)sizeof(digits) - first;
}

// Kept out of line, with its buffer and the stack check for it, as are all the rare ways.
// Section 3.4.4: [exponent, mantissa], base 10. Read as its text says, so that it rounds as a
// decimal number does.
[[gnu::noinline]] static enum payload_rc
decimal_fraction(struct cbor_source *s, const struct cbor_head *h, struct value *v) {
	struct cbor_scope scope = cbor_enter(h);
	struct value part[2];
	char text[NUMBER_TEXT_MAX];
	struct cbor_head in;
	uint64_t tag;

	if (h->major != CBOR_ARRAY)
		return PAYLOAD_BAD_TYPE;
	for (int i = 0; i < 2; i++) {
		if (!cbor_more(s, &scope))
			return s->r.failed ? PAYLOAD_TRUNCATED : PAYLOAD_BAD_SYNTAX;
		enum payload_rc rc = cbor_head(s, &in, &tag);
		if (rc == PAYLOAD_OK && (in.major > CBOR_NEGATIVE || tag != CBOR_NO_TAG))
			rc = PAYLOAD_BAD_TYPE;
		if (rc == PAYLOAD_OK)
			rc = integer(&in, &part[i]);
		if (rc != PAYLOAD_OK)
			return rc;
	}
	if (cbor_more(s, &scope))
		return PAYLOAD_BAD_SYNTAX;
	if (s->r.failed)
		return PAYLOAD_TRUNCATED;
	if (part[0].kind != VALUE_I64 || part[1].kind != VALUE_I64 || part[0].i > 400
	    || part[0].i < -400)
		return PAYLOAD_BAD_NUMBER;
	uint32_t n = decimal(text, part[1].i);
	text[n++] = 'E';
	n += decimal(text + n, part[0].i);
	v->kind = VALUE_F64;
	v->decimals = 0;
	return number_f64(view_of(text, n), &v->f);
}

enum payload_rc
cbor_scalar(struct cbor_source *s, const struct cbor_head *h, uint64_t tag, struct value *v) {
	enum payload_rc rc = PAYLOAD_OK;

	if (tag == CBOR_TAG_DECIMAL_FRACTION)
		return decimal_fraction(s, h, v);
	if (tag == TAG_BIGNUM || tag == TAG_NEGATIVE_BIGNUM)
		return PAYLOAD_BAD_NUMBER;
	switch (h->major) {
	case CBOR_UNSIGNED:
	case CBOR_NEGATIVE:
		return integer(h, v);
	case CBOR_BYTES:
		v->kind = VALUE_BYTES;
		v->s = string(s, h, &rc);
		return rc;
	case CBOR_TEXT:
		v->kind = VALUE_STRING;
		v->s = cbor_text(s, h, &rc);
		return rc;
	case CBOR_SIMPLE:
		return simple(h, v);
	default:
		return PAYLOAD_BAD_TYPE;
	}
}

static enum payload_rc skip(struct cbor_source *s, const struct cbor_head *h, uint32_t depth) {
	struct cbor_scope scope = cbor_enter(h);
	struct cbor_head in;
	struct value v;
	uint64_t tag;

	if (!cbor_is_container(h)) {
		enum payload_rc rc = cbor_scalar(s, h, CBOR_NO_TAG, &v);
		// Values without meaning to us are none of our business where we skip.
		return rc == PAYLOAD_BAD_TYPE || rc == PAYLOAD_BAD_NUMBER
				|| rc == PAYLOAD_NOT_FINITE
			? PAYLOAD_OK
			: rc;
	}
	if (depth == PAYLOAD_DEPTH_MAX)
		return PAYLOAD_TOO_DEEP;
	while (cbor_more(s, &scope)) {
		for (int i = h->major == CBOR_MAP ? 2 : 1; i > 0; i--) {
			enum payload_rc rc = cbor_head(s, &in, &tag);
			if (rc == PAYLOAD_OK)
				rc = skip(s, &in, depth + 1);
			if (rc != PAYLOAD_OK)
				return rc;
		}
	}
	return cbor_rc(s);
}

enum payload_rc cbor_skip(struct cbor_source *s, const struct cbor_head *h) {
	return skip(s, h, 1);
}
