// SPDX-License-Identifier: Apache-2.0
// What the one-pass reader takes, yyjson takes, and gives the same: random documents, each whole
// and with bytes changed. Usage: test_json_plain [SEED]
#include "tests/support/json_agreement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define DOCUMENTS 20000
#define CHANGES 20 // of each

static const struct payload_hints hints = {
	.device_key = VIEW_LITERAL("dev"),
	.time_key = VIEW_LITERAL("ts"),
	.seq_key = VIEW_LITERAL("seq"),
	.time_unit = TIME_MS,
};
static struct payload_decoder *decoder;
static uint64_t seed = 20260711;
static char text[4096];
static uint32_t len;

static uint32_t below(uint32_t n) {
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % n);
}

// In a block of its own size, so that AddressSanitizer sees a read past the end.
static enum json_agreement agreement(const char *bytes, uint32_t n) {
	uint8_t *copy = malloc(n > 0 ? n : 1);

	memcpy(copy, bytes, n);
	enum json_agreement a = json_agreement(decoder, view_of(copy, n), &hints);
	if (a == JSON_DIFFERENT)
		printf("differs: %.*s\n", (int)n, bytes);
	free(copy);
	return a;
}

[[gnu::format(printf, 1, 2)]] static void add(const char *format, ...) {
	va_list list;

	va_start(list, format);
	len += (uint32_t)vsnprintf(text + len, sizeof(text) - len, format, list);
	va_end(list);
	assert_true(len < sizeof(text));
}

static void add_space(void) {
	static const char *const spaces[] = {"", "", "", "", "", " ", "\t", "\r\n", "  \n"};

	add("%s", spaces[below(sizeof(spaces) / sizeof(spaces[0]))]);
}

static void add_string(void) {
	static const char *const parts[] = {
		"a",
		"Z",
		"0",
		" ",
		"temp",
		"dev",
		"/",
		"longer than a word",
		"{",
		",",
		":",
		"\\n",
		"\\u00e9",
		"\xc3\xa9",
		"\x7f",
	};
	uint32_t n = below(6);

	add("\"");
	for (uint32_t i = 0; i < n; i++)
		add("%s", parts[below(below(4) == 0 ? sizeof(parts) / sizeof(parts[0]) : 11)]);
	add("\"");
}

static void add_digits(uint32_t n) {
	for (uint32_t i = 0; i < n; i++)
		add("%u", below(4) == 0 ? 0 : below(10));
}

static void add_number(void) {
	if (below(3) == 0)
		add("-");
	if (below(5) == 0) {
		add("0");
	} else {
		add("%u", 1 + below(9));
		add_digits(below(below(4) == 0 ? 22 : 6));
	}
	if (below(2) == 0) {
		add(".");
		add_digits(1 + below(below(4) == 0 ? 20 : 4));
	}
	if (below(4) == 0)
		add("%s%s%u",
		    below(2) ? "e" : "E",
		    below(2)	       ? "-"
			    : below(2) ? "+"
				       : "",
		    below(below(4) == 0 ? 400 : 25));
}

static void add_value(uint32_t depth) {
	static const char *const words[] = {"true", "false", "null"};

	switch (below(depth > 2 ? 8 : 10)) {
	case 0:
	case 1:
		add("%s", words[below(3)]);
		break;
	case 2:
	case 3:
		add_string();
		break;
	case 8:
		add("[");
		for (uint32_t i = below(3); i > 0; i--) {
			add_value(depth + 1);
			add("%s", i > 1 ? "," : "");
		}
		add("]");
		break;
	case 9:
		add("{\"in\":");
		add_value(depth + 1);
		add("}");
		break;
	default:
		add_number();
	}
}

static void add_name(uint32_t i) {
	static const char *const names[] = {"dev", "ts", "seq"};

	if (below(8) == 0)
		add_string();
	else if (below(6) == 0)
		add("\"%s\"", names[below(3)]);
	else
		add("\"f%u\"", i);
}

static void add_object(void) {
	uint32_t members = below(7);

	add_space();
	add("{");
	for (uint32_t i = 0; i < members; i++) {
		add_space();
		add_name(i);
		add_space();
		add(":");
		add_space();
		if (below(12) == 0)
			add_value(0);
		else
			add_value(3);
		add_space();
		add("%s", i + 1 < members ? "," : "");
	}
	add("}");
	add_space();
}

static void add_document(void) {
	len = 0;
	if (below(4) > 0) {
		add_object();
		return;
	}
	uint32_t n = 1 + below(4);
	add("[");
	for (uint32_t i = 0; i < n; i++) {
		add_object();
		add("%s", i + 1 < n ? "," : "");
	}
	add("]");
}

static void change(void) {
	static const char bytes[] = "\"{}[],:.-+eE0123456789 \\\n\x01\x80\xc3tfnx";
	uint32_t at = below(len);

	switch (below(3)) {
	case 0:
		text[at] = bytes[below(sizeof(bytes))];
		break;
	case 1:
		memmove(text + at, text + at + 1, len - at - 1);
		len--;
		break;
	default:
		len = at;
	}
}

static void random_documents_agree(void **) {
	uint32_t said[3] = {0};

	printf("seed %llu\n", (unsigned long long)seed);
	for (uint32_t i = 0; i < DOCUMENTS; i++) {
		add_document();
		said[agreement(text, len)]++;
		for (uint32_t n = 0; n < CHANGES && len > 0; n++) {
			change();
			assert_int_not_equal(agreement(text, len), JSON_DIFFERENT);
		}
	}
	assert_int_equal(said[JSON_DIFFERENT], 0);
	// Both kinds came often enough to mean something.
	assert_in_range(said[JSON_SAME], DOCUMENTS / 5, DOCUMENTS);
	assert_in_range(said[JSON_LEFT], DOCUMENTS / 20, DOCUMENTS);
}

// The edges of what is exact.
static void numbers_agree(void **) {
	static const struct {
		const char *text;
		enum json_agreement said;
	} cases[] = {
		{"0", JSON_SAME},
		{"-1", JSON_SAME},
		{"-0", JSON_LEFT},
		{"-0.0", JSON_SAME},
		{"999999999999999999", JSON_SAME},
		{"1000000000000000000", JSON_LEFT},
		{"900719925474099.2", JSON_SAME},
		{"900719925474099.3", JSON_LEFT},
		{"21.4", JSON_SAME},
		{"0.1", JSON_SAME},
		{"1e22", JSON_SAME},
		{"1e23", JSON_LEFT},
		{"1E-22", JSON_SAME},
		{"1e-23", JSON_LEFT},
		{"123456789e-5", JSON_SAME},
		{"01", JSON_LEFT},
		{"1.", JSON_LEFT},
		{".5", JSON_LEFT},
		{"+1", JSON_LEFT},
		{"1e", JSON_LEFT},
		{"1e0001", JSON_LEFT},
		{"NaN", JSON_LEFT},
		{"Infinity", JSON_LEFT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		len = 0;
		add("{\"x\":%s}", cases[i].text);
		if (agreement(text, len) != cases[i].said)
			fail_msg("%s", cases[i].text);
	}
}

int main(int argc, char **argv) {
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_documents_agree),
		cmocka_unit_test(numbers_agree),
	};

	if (argc > 1)
		seed = strtoull(argv[1], nullptr, 10);
	decoder = payload_decoder_init(aligned_alloc(64, payload_decoder_size()));
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(decoder);
	return failed;
}
