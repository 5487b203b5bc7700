// SPDX-License-Identifier: Apache-2.0
// Units: known conversions, and the promises of the table.
#include "config/unit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct unit *unit(const char *name) {
	const struct unit *u = unit_find(view_of(name, (uint32_t)strlen(name)));

	if (u == NULL)
		fail_msg("no unit %s", name);
	return u;
}

static const struct {
	double v;
	const char *from;
	double there;
	const char *to;
} known[] = {
	{0, "Cel", 32, "degF"},
	{100, "Cel", 212, "degF"},
	{-40, "degF", -40, "Cel"},
	{21.4, "Cel", 294.55, "K"},
	{0, "K", -273.15, "Cel"},
	{1013.25, "hPa", 101325, "Pa"},
	{101325, "Pa", 1.01325, "bar"},
	{1, "bar", 1000, "mbar"},
	{1, "mi", 1.609344, "km"},
	{1, "km", 1000, "m"},
	{26.2, "mi", 42164.8128, "m"},
	{1250, "W", 1.25, "kW"},
	{1, "kWh", 3.6, "MJ"},
	{1, "kWh", 3600000, "J"},
	{36, "km/h", 10, "m/s"},
	{3012, "mV", 3.012, "V"},
	{215, "mm", 0.215, "m"},
	{60, "1/min", 1, "1/s"},
	{50, "%", 0.5, "/"},
	{1, "lb", 453.59237, "g"},
	{7, "m", 7, "m"},
};

static void known_conversions(void **) {
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		double got = unit_convert(known[i].v, unit(known[i].from), unit(known[i].to));
		if (fabs(got - known[i].there) > 1e-12 * fabs(known[i].there))
			fail_msg(
				"%.17g %s is %.17g %s, not %.17g",
				known[i].v,
				known[i].from,
				known[i].there,
				known[i].to,
				got
			);
	}
}

// Not merely near: what a decimal scale gives is the decimal number.
static void decimal_factors_round_once(void **) {
	for (int i = 0; i < 100000; i++) {
		assert_true(unit_convert(i, unit("mm"), unit("m")) == i / 1000.0);
		assert_true(unit_convert(i, unit("Pa"), unit("hPa")) == i / 100.0);
		assert_true(unit_convert(i, unit("hPa"), unit("kPa")) == i / 10.0);
	}
}

static void there_and_back_again(void **) {
	static const double values[] = {0, 1, -17.5, 1e-3, 12345.678, 9e9};
	const struct unit_range all[] = {
		unit_siblings(unit("Cel")),
		unit_siblings(unit("Pa")),
		unit_siblings(unit("m")),
		unit_siblings(unit("J")),
		unit_siblings(unit("m/s")),
	};

	for (size_t r = 0; r < sizeof(all) / sizeof(all[0]); r++)
		for (const struct unit *a = all[r].first; a < all[r].end; a++)
			for (const struct unit *b = all[r].first; b < all[r].end; b++)
				for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
					double back =
						unit_convert(unit_convert(values[i], a, b), b, a);
					assert_true(
						fabs(back - values[i])
						<= 1e-8 + 1e-12 * fabs(values[i])
					);
				}
}

static void siblings_are_one_dimension(void **) {
	struct unit_range r = unit_siblings(unit("degF"));

	assert_int_equal(r.end - r.first, 3);
	assert_non_null(unit_find_in(r, VIEW_LITERAL("K")));
	assert_null(unit_find_in(r, VIEW_LITERAL("Pa")));
	assert_null(unit_find(VIEW_LITERAL("furlong")));
	assert_null(unit_nearest("plughxyzzy"));
	assert_string_equal(unit_nearest("hpa"), "hPa");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_conversions),
		cmocka_unit_test(decimal_factors_round_once),
		cmocka_unit_test(there_and_back_again),
		cmocka_unit_test(siblings_are_one_dimension),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
