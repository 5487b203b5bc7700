// SPDX-License-Identifier: Apache-2.0
// Scalars, and the names nearest to a misspelt one.
#include "config/nearest.h"
#include "config/value.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *text;
	enum quantity kind;
	const char *unit;
	int ret;
	uint64_t v;
} quantities[] = {
	{"0", QUANTITY_COUNT, NULL, 0, 0},
	{"65_536", QUANTITY_COUNT, NULL, 0, 65536},
	{"18446744073709551615", QUANTITY_COUNT, NULL, 0, UINT64_MAX},
	{"18446744073709551616", QUANTITY_COUNT, NULL, -ERANGE, 0},
	{"1__0", QUANTITY_COUNT, NULL, -EINVAL, 0},
	{"0x10", QUANTITY_COUNT, NULL, -EINVAL, 0},
	{"1e3", QUANTITY_COUNT, NULL, -EINVAL, 0},
	{"1.5", QUANTITY_COUNT, NULL, -EINVAL, 0},
	{"", QUANTITY_COUNT, NULL, -EINVAL, 0},
	{" 1", QUANTITY_COUNT, NULL, -EINVAL, 0},
	{"1 ", QUANTITY_COUNT, NULL, 0, 1},
	{"500ms", QUANTITY_DURATION, "ms", 0, 500},
	{"2s", QUANTITY_DURATION, "ms", 0, 2000},
	{"2 s", QUANTITY_DURATION, "us", 0, 2000000},
	{"1d", QUANTITY_DURATION, "s", 0, 86400},
	{"0", QUANTITY_DURATION, "ms", 0, 0},
	{"999us", QUANTITY_DURATION, "ms", -EDOM, 0},
	{"5", QUANTITY_DURATION, "ms", -EINVAL, 0},
	{"5S", QUANTITY_DURATION, "ms", -EINVAL, 0},
	{"5 min", QUANTITY_DURATION, "ms", -EINVAL, 0},
	{"999999999999999999d", QUANTITY_DURATION, "s", -ERANGE, 0},
	{"64KiB", QUANTITY_SIZE, "B", 0, 65536},
	{"1MB", QUANTITY_SIZE, "B", 0, 1000000},
	{"4GiB", QUANTITY_SIZE, "MiB", 0, 4096},
	{"100KiB", QUANTITY_SIZE, "MiB", -EDOM, 0},
	{"64K", QUANTITY_SIZE, "B", -EINVAL, 0},
	{"64", QUANTITY_SIZE, "B", -EINVAL, 0},
};

static void quantity_table(void **) {
	for (size_t i = 0; i < sizeof(quantities) / sizeof(quantities[0]); i++) {
		uint64_t v = 0;
		int ret = quantity_parse(
			quantities[i].text, quantities[i].kind, quantities[i].unit, &v
		);
		if (ret != quantities[i].ret || v != quantities[i].v)
			fail_msg("'%s': %d, %ju", quantities[i].text, ret, (uintmax_t)v);
	}
}

static void a_quantity_is_written_as_it_may_be_read(void **) {
	static const uint64_t values[] = {
		0, 1, 59, 60, 90, 1000, 1500, 3600, 86400, 65536, 1000000
	};
	static const char *const time_units[] = {"us", "ms", "s"};
	static const char *const size_units[] = {"B", "MiB"};
	char text[32];
	uint64_t v;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		for (size_t u = 0; u < 3; u++) {
			quantity_format(values[i], QUANTITY_DURATION, time_units[u], text, 32);
			assert_int_equal(
				quantity_parse(text, QUANTITY_DURATION, time_units[u], &v), 0
			);
			assert_int_equal(v, values[i]);
		}
		for (size_t u = 0; u < 2; u++) {
			quantity_format(values[i], QUANTITY_SIZE, size_units[u], text, 32);
			assert_int_equal(quantity_parse(text, QUANTITY_SIZE, size_units[u], &v), 0);
			assert_int_equal(v, values[i]);
		}
	}
	assert_string_equal(quantity_format(90, QUANTITY_DURATION, "s", text, 32), "90s");
	assert_string_equal(quantity_format(2000, QUANTITY_DURATION, "us", text, 32), "2ms");
	assert_string_equal(quantity_format(512, QUANTITY_SIZE, "MiB", text, 32), "512MiB");
}

static void booleans_are_yaml_s(void **) {
	bool b = false;

	assert_int_equal(bool_parse("yes", &b), 0);
	assert_true(b);
	assert_int_equal(bool_parse("off", &b), 0);
	assert_false(b);
	assert_int_equal(bool_parse("1", &b), -EINVAL);
	assert_int_equal(bool_parse("", &b), -EINVAL);
}

static void cpu_ranges(void **) {
	uint32_t list[4], count = 0;

	assert_int_equal(cpu_range_parse("2-3", list, &count, 4), 0);
	assert_int_equal(cpu_range_parse("7", list, &count, 4), 0);
	assert_int_equal(count, 3);
	assert_int_equal(list[2], 7);
	assert_int_equal(cpu_range_parse("8-9", list, &count, 4), -E2BIG);
	assert_int_equal(cpu_range_parse("4294967296", list, &count, 4), -EINVAL);
	assert_int_equal(cpu_range_parse("1-", list, &count, 4), -EINVAL);
	assert_int_equal(cpu_range_parse("1,2", list, &count, 4), -EINVAL);
}

static const struct {
	const char *a, *b;
	uint32_t edits;
} distances[] = {
	{"", "", 0},
	{"port", "port", 0},
	{"port", "Port", 0},
	{"prot", "port", 1}, // neighbours swapped
	{"pot", "port", 1},
	{"ports", "port", 1},
	{"pxrt", "port", 1},
	{"", "port", 4},
	{"kitten", "sitting", 3},
};

static void distance_table(void **) {
	for (size_t i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
		assert_int_equal(name_distance(distances[i].a, distances[i].b), distances[i].edits);
		assert_int_equal(name_distance(distances[i].b, distances[i].a), distances[i].edits);
	}
}

static void only_what_is_near_is_offered(void **) {
	char longest[NEAREST_NAME_MAX + 2];
	struct nearest n;

	nearest_init(&n, "listners");
	nearest_offer(&n, "lab");
	assert_null(n.best);
	nearest_offer(&n, "listeners");
	nearest_offer(&n, "listener");
	assert_string_equal(n.best, "listeners");

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(name_distance(longest, "a"), UINT32_MAX);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantity_table),
		cmocka_unit_test(a_quantity_is_written_as_it_may_be_read),
		cmocka_unit_test(booleans_are_yaml_s),
		cmocka_unit_test(cpu_ranges),
		cmocka_unit_test(distance_table),
		cmocka_unit_test(only_what_is_near_is_offered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
