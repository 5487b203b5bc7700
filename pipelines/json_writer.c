// SPDX-License-Identifier: Apache-2.0
#include "parsers/number.h"
#include "pipelines/json_writer.h"

#include <assert.h>
#include <immintrin.h>
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
// Up to here no two decimals with as many digits are one double, so that the shortest text is the
// one that was read.
#define DIGITS_SURE 1e15

// n / 10^k, which is `a`; k > 0.
static uint8_t *decimal(uint8_t *p, double a, uint64_t n, uint32_t k) {
	// A quotient that was proved exact was not rounded up to the next integer, so the integer
	// part of `a` is that of n / 10^k.
	uint64_t whole = (uint64_t)a;
	uint64_t rest = n - whole * json_powers[k];

	p = json_u64(p, whole);
	*p++ = '.';
	uint32_t i = k;
	for (; i >= 2; rest /= 100) {
		i -= 2;
		memcpy(p + i, json_digit_pairs + rest % 100 * 2, 2);
	}
	if (i > 0)
		p[0] = (uint8_t)('0' + rest);
	return p + k;
}

// What sensors send has few decimals. An integer below 2^53 and a power of ten up to 10^22 are
// exact doubles, so their quotient is the double that the text n * 10^-k reads back as: comparing
// it with v proves the round trip (Clinger 1990).
uint8_t *json_f64(uint8_t *p, double v, uint32_t decimals) {
	double a = fabs(v);

	if (!(a < 1e15) || (a == 0 && signbit(v)))
		return f64_shortest(p, v);
	if (decimals > 0 && decimals <= DECIMALS_MAX) {
		double scaled = a * number_powers[decimals] + 0.5;
		uint64_t n = scaled < DIGITS_SURE ? (uint64_t)scaled : 0;
		if (n > 0 && (double)n / number_powers[decimals] == a) {
			for (; decimals > 1 && n % 10 == 0; decimals--)
				n /= 10;
			if (v < 0)
				*p++ = '-';
			return decimal(p, a, n, decimals);
		}
	}
	for (uint32_t k = 1; k <= DECIMALS_MAX; k++) {
		double scaled = a * number_powers[k] + 0.5;
		if (scaled >= (double)NUMBER_EXACT_MAX)
			break;
		uint64_t n = (uint64_t)scaled;
		if ((double)n / number_powers[k] != a)
			continue;
		if (v < 0)
			*p++ = '-';
		return decimal(p, a, n, k);
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

// None of these is a control character, '"' or '\'. Bytes from 0x80 on never count: they are UTF-8.
static inline bool all_plain(__m128i bytes) {
	__m128i odd = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);

	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
	return _mm_movemask_epi8(odd) == 0;
}

// Copies the text while nothing in it has to be escaped; false if something has. Loads and stores
// that overlap, so that nothing before or behind the text is touched.
static inline bool plain_copy(uint8_t *p, const uint8_t *s, uint32_t len) {
	uint64_t low, high;
	__m128i v;

	if (len >= 16) {
		for (uint32_t at = 0; at + 16 < len; at += 16) {
			v = _mm_loadu_si128((const __m128i *)(s + at));
			if (!all_plain(v))
				return false;
			_mm_storeu_si128((__m128i *)(p + at), v);
		}
		v = _mm_loadu_si128((const __m128i *)(s + len - 16));
		_mm_storeu_si128((__m128i *)(p + len - 16), v);
		return all_plain(v);
	}
	if (len >= 8) {
		memcpy(&low, s, 8);
		memcpy(&high, s + len - 8, 8);
		memcpy(p, &low, 8);
		memcpy(p + len - 8, &high, 8);
		return all_plain(_mm_set_epi64x((long long)high, (long long)low));
	}
	if (len >= 4) {
		uint32_t first, last;
		memcpy(&first, s, 4);
		memcpy(&last, s + len - 4, 4);
		memcpy(p, &first, 4);
		memcpy(p + len - 4, &last, 4);
		return all_plain(_mm_set1_epi64x((long long)(first | (uint64_t)last << 32)));
	}
	for (uint32_t i = 0; i < len; i++) {
		if (!plain(s[i]))
			return false;
		p[i] = s[i];
	}
	return true;
}

// A copy that stopped is begun anew: what it wrote is no longer than what comes now.
[[gnu::noinline]] static uint8_t *escaped(uint8_t *p, struct view text) {
	for (uint32_t i = 0; i < text.len; i++) {
		if (plain(text.p[i]))
			*p++ = text.p[i];
		else
			p = escape(p, text.p[i]);
	}
	return p;
}

uint8_t *json_escaped(uint8_t *p, struct view text) {
	return plain_copy(p, text.p, text.len) ? p + text.len : escaped(p, text);
}

uint8_t *json_string(uint8_t *p, struct view text) {
	*p++ = '"';
	p = plain_copy(p, text.p, text.len) ? p + text.len : escaped(p, text);
	*p++ = '"';
	return p;
}

// Twelve bytes as sixteen characters (Mula and Lemire 2018): six bits to a byte by two
// multiplications, and to a character by adding what its range of the alphabet is apart.
static inline __m128i base64_word(__m128i in) {
	const __m128i apart = _mm_setr_epi8(
		'a' - 26,
		'0' - 52,
		'0' - 52,
		'0' - 52,
		'0' - 52,
		'0' - 52,
		'0' - 52,
		'0' - 52,
		'0' - 52,
		'0' - 52,
		'0' - 52,
		'+' - 62,
		'/' - 63,
		'A',
		0,
		0
	);

	in = _mm_shuffle_epi8(in, _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));
	__m128i odd = _mm_mulhi_epu16(
		_mm_and_si128(in, _mm_set1_epi32(0x0fc0fc00)), _mm_set1_epi32(0x04000040)
	);
	__m128i even = _mm_mullo_epi16(
		_mm_and_si128(in, _mm_set1_epi32(0x003f03f0)), _mm_set1_epi32(0x01000010)
	);
	__m128i six = _mm_or_si128(odd, even);
	// 0: 26..51, 1..10: digits, 11: +, 12: /, and 13: below 26
	__m128i range = _mm_subs_epu8(six, _mm_set1_epi8(51));
	__m128i upper = _mm_cmpgt_epi8(_mm_set1_epi8(26), six);
	range = _mm_or_si128(range, _mm_and_si128(upper, _mm_set1_epi8(13)));
	return _mm_add_epi8(six, _mm_shuffle_epi8(apart, range));
}

uint8_t *json_base64(uint8_t *p, struct view bytes) {
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *s = bytes.p;
	uint32_t left = bytes.len;

	for (; left >= 16; left -= 12, s += 12, p += 16) {
		__m128i word = base64_word(_mm_loadu_si128((const __m128i *)s));
		_mm_storeu_si128((__m128i *)p, word);
	}
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
		return json_f64(p, v->f, v->decimals);
	case VALUE_STRING:
		return json_string(p, v->s);
	case VALUE_BYTES:
		p = JSON_LITERAL(p, "{\"base64\":\"");
		p = json_base64(p, v->s);
		return JSON_LITERAL(p, "\"}");
	}
	return p;
}
