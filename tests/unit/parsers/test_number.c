// SPDX-License-Identifier: Apache-2.0
#include "parsers/number.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t bits_of(double v) {
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

static struct view text(const char *s) {
	return view_of(s, (uint32_t)strlen(s));
}

// The C library rounds correctly; so must both of our ways.
static void doubles_round_as_strtod_does(void **) {
	char s[400];

	srand(1);
	for (int i = 0; i < 100000; i++) {
		double v = ldexp((double)rand() / 3.0, rand() % 120 - 90) * (rand() % 2 ? 1 : -1);
		double got;
		snprintf(s, sizeof(s), "%.*g", 1 + rand() % 17, v);
		assert_int_equal(number_f64(text(s), &got), PAYLOAD_OK);
		if (bits_of(got) != bits_of(strtod(s, NULL)))
			fail_msg("%s", s);
	}
}

static void dates(void **) {
	static const struct {
		const char *in;
		enum payload_rc rc;
		int64_t ns;
	} cases[] = {
		{"1970-01-01T00:00:00Z", PAYLOAD_OK, 0},
		{"1969-12-31T23:59:59.999999999Z", PAYLOAD_OK, -1},
		{"2000-02-29T12:00:00z", PAYLOAD_OK, 951825600000000000},
		{"2024-12-31 23:59:60Z", PAYLOAD_OK, 1735689600000000000},
		{"2026-11-21T08:00:00.123456789123-05:30", PAYLOAD_OK, 1795267800123456789},
		{"1900-02-29T00:00:00Z", PAYLOAD_BAD_TIME, 0},
		{"2024-13-01T00:00:00Z", PAYLOAD_BAD_TIME, 0},
		{"2024-00-01T00:00:00Z", PAYLOAD_BAD_TIME, 0},
		{"2024-01-01T24:00:00Z", PAYLOAD_BAD_TIME, 0},
		{"2024-01-01T00:00:00", PAYLOAD_BAD_TIME, 0},
		{"2024-01-01T00:00:00.Z", PAYLOAD_BAD_TIME, 0},
		{"2024-01-01T00:00:00+0100", PAYLOAD_BAD_TIME, 0},
		{"2024-01-01T00:00:00+24:00", PAYLOAD_BAD_TIME, 0},
		{"2024-01-01T00:00:00Zx", PAYLOAD_BAD_TIME, 0},
		{"2024-1-01T00:00:00Z", PAYLOAD_BAD_TIME, 0},
		{"2300-01-01T00:00:00Z", PAYLOAD_BAD_TIME, 0},
		{"", PAYLOAD_BAD_TIME, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ns = 0;
		enum payload_rc rc = time_from_text(text(cases[i].in), &ns);
		if (rc != cases[i].rc || (rc == PAYLOAD_OK && ns != cases[i].ns))
			fail_msg(
				"'%s': %s, %lld", cases[i].in, payload_rc_label(rc), (long long)ns
			);
	}
}

static void counts_of_units(void **) {
	int64_t ns;

	assert_int_equal(time_from_i64(-3, TIME_US, &ns), PAYLOAD_OK);
	assert_true(ns == -3000);
	assert_int_equal(time_from_i64(INT64_MAX, TIME_NS, &ns), PAYLOAD_OK);
	assert_int_equal(time_from_i64(INT64_MAX / 1000 + 1, TIME_US, &ns), PAYLOAD_BAD_TIME);
	assert_int_equal(time_from_f64(-0.5, TIME_S, &ns), PAYLOAD_OK);
	assert_true(ns == -500000000);
	assert_int_equal(time_from_f64(1700000000.000001, TIME_S, &ns), PAYLOAD_OK);
	assert_true(ns == 1700000000000001000);
	assert_int_equal(time_from_f64(1e300, TIME_S, &ns), PAYLOAD_BAD_TIME);
	assert_int_equal(time_from_f64((double)NAN, TIME_S, &ns), PAYLOAD_BAD_TIME);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_round_as_strtod_does),
		cmocka_unit_test(dates),
		cmocka_unit_test(counts_of_units),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
