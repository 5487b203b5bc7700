// SPDX-License-Identifier: Apache-2.0
#include "pipelines/json_writer.h"
#include "tests/support/guard.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include <cmocka.h>

static uint64_t bits_of(double v) {
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

static char text[1 << 16];

static const char *closed(const uint8_t *end) {
	text[end - (uint8_t *)text] = '\0';
	return text;
}

// Whatever the hint: the same text.
static const char *f64(double v) {
	char unhinted[64];

	*json_f64((uint8_t *)unhinted, v, 0) = '\0';
	for (uint32_t hint = 1; hint < 12; hint++)
		assert_string_equal(closed(json_f64((uint8_t *)text, v, hint)), unhinted);
	assert_string_equal(closed(json_f64((uint8_t *)text, v, UINT8_MAX)), unhinted);
	return text;
}

static void doubles_as_people_write_them(void **) {
	static const struct {
		double v;
		const char *text;
	} cases[] = {
		{21.4, "21.4"},
		{-0.25, "-0.25"},
		{0, "0.0"},
		{1, "1.0"},
		{1013.25, "1013.25"},
		{0.1, "0.1"},
		{1e-8, "0.00000001"},
		{123456789.125, "123456789.125"},
		{99999999999999.9, "99999999999999.9"},
		{9999999.99999999, "9999999.99999999"},
		{20.5, "20.5"},
		{-1000000, "-1000000.0"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(f64(cases[i].v), cases[i].text);
}

static void comes_back(double v) {
	double back = strtod(f64(v), NULL);

	if (bits_of(back) != bits_of(v))
		fail_msg("%.17g was written as %s", v, text);
	if (strlen(text) > JSON_F64_MAX_BYTES)
		fail_msg("%s is longer than promised", text);
	if (strpbrk(text, ".eE") == NULL)
		fail_msg("%s reads as an integer", text);
}

static void doubles_come_back_bit_for_bit(void **) {
	static const double edges[] = {
		-0.0,
		DBL_MIN,
		DBL_TRUE_MIN,
		DBL_MAX,
		-DBL_MAX,
		1e15,
		1e15 - 0.5,
		9007199254740993.0,
		0.1 + 0.2,
		1.0 / 3.0,
		5e-324,
		999999999999999.9,
		90071992.54740993,
		1e22,
		1e23,
	};

	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		comes_back(edges[i]);
	srand(1);
	for (int i = 0; i < 60000; i++) {
		uint64_t bits = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
		double v;
		memcpy(&v, &bits, sizeof(v));
		if (isfinite(v))
			comes_back(v);
		comes_back((double)(rand() - RAND_MAX / 2) / 1000.0);
		comes_back((double)((int64_t)rand() << 20 ^ rand()) / 1e8);
		comes_back(ldexp((double)rand(), rand() % 80 - 60));
	}
}

static void integers(void **) {
	static const struct {
		int64_t v;
		const char *text;
	} cases[] = {
		{0, "0"},
		{9, "9"},
		{10, "10"},
		{99, "99"},
		{100, "100"},
		{-1, "-1"},
		{INT64_MAX, "9223372036854775807"},
		{INT64_MIN, "-9223372036854775808"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(closed(json_i64((uint8_t *)text, cases[i].v)), cases[i].text);
	assert_string_equal(closed(json_u64((uint8_t *)text, UINT64_MAX)), "18446744073709551615");
}

static void integer_is(uint64_t v) {
	char expected[24];

	snprintf(expected, sizeof(expected), "%llu", (unsigned long long)v);
	assert_string_equal(closed(json_u64((uint8_t *)text, v)), expected);
	assert_int_equal(json_u64_digits(v), strlen(expected));
}

// The number of digits is guessed from the bits: both sides of every power of ten and of two.
static void integers_of_every_length(void **) {
	uint64_t ten = 1;

	for (int i = 0; i < 20; i++, ten *= 10)
		for (uint64_t off = 0; off < 3; off++)
			integer_is(ten + off - 1);
	for (int i = 0; i < 64; i++)
		for (uint64_t off = 0; off < 3; off++)
			integer_is((1ull << i) + off - 1);
	for (uint64_t v = 0; v < 20000; v++)
		integer_is(v);
}

// Every byte at every place of the vector-wise way, the input at the edge of a page.
static void strings_come_back(void **) {
	uint8_t in[40];

	for (uint32_t len = 0; len <= sizeof(in); len++) {
		for (uint32_t at = 0; at < len; at++) {
			for (uint32_t c = 0; c < 0x80; c++) {
				memset(in, 'a', len);
				in[at] = (uint8_t)c;
				uint8_t *end = json_string((uint8_t *)text, guard_view(in, len));
				assert_true(
					(uint32_t)(end - (uint8_t *)text) <= json_string_bound(len)
				);
				yyjson_doc *doc =
					yyjson_read(text, (size_t)(end - (uint8_t *)text), 0);
				assert_non_null(doc);
				yyjson_val *s = yyjson_doc_get_root(doc);
				assert_int_equal(yyjson_get_len(s), len);
				assert_memory_equal(yyjson_get_str(s), in, len);
				yyjson_doc_free(doc);
			}
		}
	}
	assert_string_equal(
		closed(json_string((uint8_t *)text, VIEW_LITERAL("\"\\\n\r\t\x01\xc3\xa9"))),
		"\"\\\"\\\\\\n\\r\\t\\u0001\xc3\xa9\""
	);
}

// RFC 4648, section 10.
static void base64(void **) {
	static const char *const vectors[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint32_t len = (uint32_t)strlen(vectors[i][0]);
		uint8_t *end = json_base64((uint8_t *)text, guard_view(vectors[i][0], len));
		assert_int_equal(end - (uint8_t *)text, base64_bytes(len));
		assert_string_equal(closed(end), vectors[i][1]);
	}
}

static void base64_of(const uint8_t *in, uint32_t len, char *out) {
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	uint32_t count = 0;

	for (uint32_t i = 0; i < len; i++) {
		bits = bits << 8 | in[i];
		for (count += 8; count >= 6; count -= 6)
			*out++ = alphabet[bits >> (count - 6) & 63];
	}
	if (count > 0)
		*out++ = alphabet[bits << (6 - count) & 63];
	for (uint32_t i = len; i % 3 != 0; i++)
		*out++ = '=';
	*out = '\0';
}

// Twelve bytes at once: all values of each six bits, every length of what is left, the input at the
// edge of a page.
static void base64_of_every_length(void **) {
	char expected[400];
	uint8_t in[256];

	srand(2);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t len = 0; len <= sizeof(in); len++) {
			for (uint32_t i = 0; i < len; i++)
				in[i] = (uint8_t)(round == 0 ? i * 7 : (unsigned)rand());
			uint8_t *end = json_base64((uint8_t *)text, guard_view(in, len));
			assert_int_equal(end - (uint8_t *)text, base64_bytes(len));
			base64_of(in, len, expected);
			assert_string_equal(closed(end), expected);
		}
	}
}

static void values(void **) {
	struct value v = {.kind = VALUE_BYTES, .s = VIEW_LITERAL("foo")};

	assert_string_equal(closed(json_value((uint8_t *)text, &v)), "{\"base64\":\"Zm9v\"}");
	assert_true(strlen(text) <= json_value_bound(&v));
	v = (struct value) {.kind = VALUE_NULL};
	assert_string_equal(closed(json_value((uint8_t *)text, &v)), "null");
	v = (struct value) {.kind = VALUE_BOOL, .b = true};
	assert_string_equal(closed(json_value((uint8_t *)text, &v)), "true");
	v = (struct value) {.kind = VALUE_U64, .u = UINT64_MAX};
	assert_string_equal(closed(json_value((uint8_t *)text, &v)), "18446744073709551615");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_as_people_write_them),
		cmocka_unit_test(doubles_come_back_bit_for_bit),
		cmocka_unit_test(integers),
		cmocka_unit_test(integers_of_every_length),
		cmocka_unit_test(strings_come_back),
		cmocka_unit_test(base64),
		cmocka_unit_test(base64_of_every_length),
		cmocka_unit_test(values),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
