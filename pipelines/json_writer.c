// SPDX-License-Identifier: Apache-2.0
#include "parsers/number.h"
#include "parsers/swar.h"
#include "pipelines/json_writer.h"

#include <assert.h>
#include <math.h>
#include <yyjson.h>

// clang-format off
const char json_digit_pairs[200] =
	"00010203040506070809101112131415161718192021222324"
	"25262728293031323334353637383940414243444546474849"
	"50515253545556575859606162636465666768697071727374"
	"75767778798081828384858687888990919293949596979899";

const uint64_t json_powers[20] = {
	0, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
	100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
	10000000000000000, 100000000000000000, 1000000000000000000, 10000000000000000000u,
};
// clang-format on

// yyjson's writer wants an allocator for its result, which is at most this long for one number.
struct number_text {
	uint8_t bytes[256];
};

static void *text_alloc(void *owner, size_t size) {
	struct number_text *t = owner;

	return size <= sizeof(t->bytes) ? t->bytes : nullptr;
}

static void *text_realloc(void *owner, void *, size_t, size_t size) {
	return text_alloc(owner, size);
}

static void text_free(void *, void *) {}

static uint8_t *f64_shortest(uint8_t *p, double v) {
	struct number_text text;
	yyjson_alc alc = {text_alloc, text_realloc, text_free, &text};
	yyjson_val val = {0};
	size_t len = 0;

	unsafe_yyjson_set_real(&val, v);
	const char *s = yyjson_val_write_opts(&val, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);
	assert(s != NULL && len <= JSON_F64_MAX_BYTES);
	return json_raw(p, s, (uint32_t)len);
}

#define DECIMALS_MAX 8

// What sensors send has few decimals. An integer below 2^53 and a power of ten up to 10^22 are
// exact doubles, so their quotient is the double that the text n * 10^-k reads back as: comparing
// it with v proves the round trip (Clinger 1990).
uint8_t *json_f64(uint8_t *p, double v) {
	double a = fabs(v);

	if (!(a < 1e15) || (a == 0 && signbit(v)))
		return f64_shortest(p, v);
	for (uint32_t k = 1; k <= DECIMALS_MAX; k++) {
		double scaled = a * number_powers[k] + 0.5;
		if (scaled >= (double)NUMBER_EXACT_MAX)
			break;
		uint64_t n = (uint64_t)scaled;
		if ((double)n / number_powers[k] != a)
			continue;
		if (v < 0)
			*p++ = '-';
		// A quotient that was proved exact was not rounded up to the next integer, so the
		// integer part of `a` is that of n / 10^k.
		uint64_t whole = (uint64_t)a;
		uint64_t rest = n - whole * json_powers[k];
		p = json_u64(p, whole);
		*p++ = '.';
		for (uint32_t i = k; i-- > 0; rest /= 10)
			p[i] = (uint8_t)('0' + rest % 10);
		return p + k;
	}
	return f64_shortest(p, v);
}

static uint8_t *escape(uint8_t *p, uint8_t c) {
	static const char hex[] = "0123456789abcdef";

	*p++ = '\\';
	switch (c) {
	case '"':
	case '\\':
		*p++ = c;
		return p;
	case '\n':
		*p++ = 'n';
		return p;
	case '\r':
		*p++ = 'r';
		return p;
	case '\t':
		*p++ = 't';
		return p;
	default:
		p = JSON_LITERAL(p, "u00");
		*p++ = (uint8_t)hex[c >> 4];
		*p++ = (uint8_t)hex[c & 15];
		return p;
	}
}

static bool plain(uint8_t c) {
	return c >= 0x20 && c != '"' && c != '\\';
}

// Nonzero if one of the eight bytes is a control character, '"' or '\'. Bytes from 0x80 on never
// count: they are UTF-8.
static uint64_t special(uint64_t w) {
	return bytes_below(w, 0x20) | bytes_that_are(w, '"') | bytes_that_are(w, '\\');
}

uint8_t *json_escaped(uint8_t *p, struct view text) {
	const uint8_t *s = text.p;
	uint32_t left = text.len;

	while (left >= 8) {
		uint64_t w;
		memcpy(&w, s, 8);
		if (special(w) != 0) {
			for (uint32_t i = 0; i < 8; i++) {
				if (plain(s[i]))
					*p++ = s[i];
				else
					p = escape(p, s[i]);
			}
		} else {
			memcpy(p, &w, 8);
			p += 8;
		}
		s += 8;
		left -= 8;
	}
	for (; left > 0; left--, s++) {
		if (plain(*s))
			*p++ = *s;
		else
			p = escape(p, *s);
	}
	return p;
}

uint8_t *json_string(uint8_t *p, struct view text) {
	*p++ = '"';
	p = json_escaped(p, text);
	*p++ = '"';
	return p;
}

uint8_t *json_base64(uint8_t *p, struct view bytes) {
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *s = bytes.p;
	uint32_t left = bytes.len;

	for (; left >= 3; left -= 3, s += 3) {
		uint32_t v = (uint32_t)s[0] << 16 | (uint32_t)s[1] << 8 | s[2];
		*p++ = (uint8_t)alphabet[v >> 18];
		*p++ = (uint8_t)alphabet[v >> 12 & 63];
		*p++ = (uint8_t)alphabet[v >> 6 & 63];
		*p++ = (uint8_t)alphabet[v & 63];
	}
	if (left > 0) {
		uint32_t v = (uint32_t)s[0] << 16 | (left == 2 ? (uint32_t)s[1] << 8 : 0);
		*p++ = (uint8_t)alphabet[v >> 18];
		*p++ = (uint8_t)alphabet[v >> 12 & 63];
		*p++ = left == 2 ? (uint8_t)alphabet[v >> 6 & 63] : (uint8_t)'=';
		*p++ = '=';
	}
	return p;
}

uint8_t *json_value(uint8_t *p, const struct value *v) {
	switch (v->kind) {
	case VALUE_NULL:
		return JSON_LITERAL(p, "null");
	case VALUE_BOOL:
		return v->b ? JSON_LITERAL(p, "true") : JSON_LITERAL(p, "false");
	case VALUE_I64:
		return json_i64(p, v->i);
	case VALUE_U64:
		return json_u64(p, v->u);
	case VALUE_F64:
		return json_f64(p, v->f);
	case VALUE_STRING:
		return json_string(p, v->s);
	case VALUE_BYTES:
		p = JSON_LITERAL(p, "{\"base64\":\"");
		p = json_base64(p, v->s);
		return JSON_LITERAL(p, "\"}");
	}
	return p;
}

uint32_t json_value_bound(const struct value *v) {
	switch (v->kind) {
	case VALUE_STRING:
		return json_string_bound(v->s.len);
	case VALUE_BYTES:
		return base64_bytes(v->s.len) + 16;
	default:
		return JSON_F64_MAX_BYTES;
	}
}
