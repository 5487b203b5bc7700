// SPDX-License-Identifier: Apache-2.0
#include "parsers/mqtt_topic.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BYTES(s) s, sizeof(s) - 1

static void mqtt_1_5_3_and_1_5_4_utf8(void **) {
	static const struct {
		const char *name;
		const char *in;
		uint32_t n;
		bool ok;
	} rows[] = {
		{"empty", BYTES(""), true},
		{"ascii", BYTES("sensors/kitchen/temperature"), true},
		{"mqtt_1_5_4_2 NUL", BYTES("a\0b"), false},
		{"NUL in a run of eight", BYTES("abcd\0fgh"), false},
		{"two bytes", BYTES("\xc2\x80"), true},
		{"overlong two", BYTES("\xc1\xbf"), false},
		{"overlong NUL", BYTES("\xc0\x80"), false},
		{"three bytes", BYTES("\xe2\x82\xac"), true},
		{"overlong three", BYTES("\xe0\x9f\xbf"), false},
		{"first surrogate", BYTES("\xed\xa0\x80"), false},
		{"last surrogate", BYTES("\xed\xbf\xbf"), false},
		{"before the surrogates", BYTES("\xed\x9f\xbf"), true},
		{"after the surrogates", BYTES("\xee\x80\x80"), true},
		{"mqtt_1_5_4_3 BOM is a character", BYTES("\xef\xbb\xbfx"), true},
		{"non-character U+FFFF", BYTES("\xef\xbf\xbf"), true},
		{"four bytes", BYTES("\xf0\x9f\x98\x80"), true},
		{"overlong four", BYTES("\xf0\x8f\xbf\xbf"), false},
		{"U+10FFFF", BYTES("\xf4\x8f\xbf\xbf"), true},
		{"above U+10FFFF", BYTES("\xf4\x90\x80\x80"), false},
		{"five-byte form", BYTES("\xf8\x88\x80\x80\x80"), false},
		{"continuation first", BYTES("\x80"), false},
		{"cut at the end", BYTES("abcdefg\xe2\x82"), false},
		{"bad third byte", BYTES("\xe2\x82\x28"), false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (mqtt_utf8_valid(guard_view(rows[i].in, rows[i].n)) != rows[i].ok)
			fail_msg("%s", rows[i].name);
}

// An independent, slow reading of RFC 3629: decode, then judge the code point.
static bool oracle(const uint8_t *p, uint32_t n) {
	for (uint32_t i = 0; i < n;) {
		uint32_t c = p[i];
		uint32_t more = c < 0x80 ? 0
			: c >> 5 == 6	 ? 1
			: c >> 4 == 14	 ? 2
			: c >> 3 == 30	 ? 3
					 : 9;
		static const uint32_t least[] = {1, 0x80, 0x800, 0x10000};
		if (more == 9 || n - i <= more)
			return false;
		c = more == 0 ? c : c & (0x3fu >> more);
		for (uint32_t k = 1; k <= more; k++) {
			if (p[i + k] >> 6 != 2)
				return false;
			c = c << 6 | (p[i + k] & 0x3f);
		}
		if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return false;
		i += more + 1;
	}
	return true;
}

static void utf8_agrees_with_an_oracle(void **) {
	static const uint8_t letters[] = {
		0x00, 0x01, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2,
		0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
	};
	uint64_t x = 0x9e3779b97f4a7c15;

	for (unsigned round = 0; round < 200000; round++) {
		uint8_t in[12];
		uint32_t n = 0;
		for (; n < sizeof(in); n++) {
			x = x * 6364136223846793005 + 1442695040888963407;
			if ((x >> 60) == 0)
				break;
			in[n] = letters[(x >> 33) % sizeof(letters)];
		}
		assert_int_equal(mqtt_utf8_valid(guard_view(in, n)), oracle(in, n));
	}
}

static void mqtt_4_7_0_1_topic_names(void **) {
	assert_true(mqtt_topic_valid(VIEW_LITERAL("a")));
	assert_true(mqtt_topic_valid(VIEW_LITERAL("/")));
	assert_true(mqtt_topic_valid(VIEW_LITERAL("$SYS/a b")));
	assert_false(mqtt_topic_valid(VIEW_LITERAL("")));
	assert_false(mqtt_topic_valid(VIEW_LITERAL("a/+")));
	assert_false(mqtt_topic_valid(VIEW_LITERAL("a#")));
	// Each byte at each place of topics that are short, just a word, and longer.
	for (uint32_t n = 1; n <= 27; n++) {
		for (uint32_t at = 0; at < n; at++) {
			for (unsigned b = 0; b < 256; b++) {
				uint8_t topic[27];
				memset(topic, 'x', sizeof(topic));
				topic[at] = (uint8_t)b;
				assert_int_equal(
					mqtt_topic_valid(guard_view(topic, n)), b != '+' && b != '#'
				);
			}
		}
	}
}

static void mqtt_4_7_1_and_4_8_2_filters(void **) {
	static const struct {
		const char *filter;
		bool ok, ok_shared;
	} rows[] = {
		{"a", true, true},	     {"/", true, true},
		{"//", true, true},	     {"#", true, true},
		{"+", true, true},	     {"a/#", true, true},
		{"/#", true, true},	     {"+/+/#", true, true},
		{"a/+/b", true, true},	     {"", false, false},
		{"a#", false, false},	     {"a/#/b", false, false},
		{"a/b#", false, false},	     {"a+", false, false},
		{"a/+b/c", false, false},    {"##", false, false},
		{"#/", false, false},	     {"$share/g/a", true, true},
		{"$share/g/#", true, true},  {"$share/g", true, false},
		{"$share/g/", true, false},  {"$share//a", true, false},
		{"$share/+/a", true, false}, {"$share/g#/a", false, false},
		{"$sharex/g", true, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct view f = guard_view(rows[i].filter, (uint32_t)strlen(rows[i].filter));
		if (mqtt_filter_valid(f, false) != rows[i].ok
		    || mqtt_filter_valid(f, true) != rows[i].ok_shared)
			fail_msg("%s", rows[i].filter);
	}
}

static void a_filter_within_another(void **) {
	static const struct {
		const char *inner, *outer;
		bool in;
	} rows[] = {
		{"cmd/d1", "cmd/d1", true},
		{"cmd/d1", "cmd/d2", false},
		{"cmd/d1/x", "cmd/d1/#", true},
		{"cmd/d1", "cmd/d1/#", true},
		{"cmd", "cmd/d1/#", false},
		{"cmd/d1/#", "cmd/d1/#", true},
		{"cmd/#", "cmd/d1/#", false},
		{"#", "cmd/d1/#", false},
		{"cmd/+/#", "cmd/d1/#", false},
		{"cmd/d1/+/x", "cmd/d1/#", true},
		{"cmd/d1/+", "cmd/d1/+", true},
		{"cmd/d1/x", "cmd/d1/+", true},
		{"cmd/d1/x/y", "cmd/d1/+", false},
		{"cmd/d1/#", "cmd/d1/+", false},
		{"a", "#", true},
		{"+/a", "#", true},
		{"$SYS/a", "#", false},
		{"$SYS/a", "+/a", false},
		{"$SYS/a", "$SYS/#", true},
		{"a//b", "a/+/b", true},
		{"a/", "a/+", true},
		{"a", "a/+", false},
		{"cmd/d10", "cmd/d1", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct view inner = view_of(rows[i].inner, (uint32_t)strlen(rows[i].inner));
		struct view outer = view_of(rows[i].outer, (uint32_t)strlen(rows[i].outer));
		if (mqtt_filter_within(inner, outer) != rows[i].in)
			fail_msg("%s in %s", rows[i].inner, rows[i].outer);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mqtt_1_5_3_and_1_5_4_utf8),
		cmocka_unit_test(utf8_agrees_with_an_oracle),
		cmocka_unit_test(mqtt_4_7_0_1_topic_names),
		cmocka_unit_test(mqtt_4_7_1_and_4_8_2_filters),
		cmocka_unit_test(a_filter_within_another),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
