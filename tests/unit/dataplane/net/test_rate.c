// SPDX-License-Identifier: Apache-2.0
#include "dataplane/net/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SECOND 1000000000ull

static unsigned take_all(struct rate *r, uint64_t now) {
	unsigned n = 0;

	while (n < 100000 && rate_take(r, now))
		n++;
	return n;
}

static void burst_then_rate(void **) {
	struct rate r = rate_make(100, 10);

	assert_int_equal(take_all(&r, 5 * SECOND), 10);
	assert_int_equal(take_all(&r, 5 * SECOND + SECOND / 100), 1);
	assert_int_equal(take_all(&r, 6 * SECOND), 10); // never more than the bucket
}

static void a_second_lets_the_rate_through(void **) {
	struct rate r = rate_make(1000, 1);
	unsigned n = 0;

	for (uint64_t t = SECOND; t < 2 * SECOND; t += 10000)
		n += rate_take(&r, t);
	assert_int_equal(n, 1000);
}

static void zero_lets_nothing_through(void **) {
	struct rate r = rate_make(0, 10);

	assert_int_equal(take_all(&r, SECOND), 0);
}

static void a_clock_that_goes_back_gives_nothing(void **) {
	struct rate r = rate_make(100, 10);

	take_all(&r, 5 * SECOND);
	assert_int_equal(take_all(&r, 4 * SECOND), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_then_rate),
		cmocka_unit_test(a_second_lets_the_rate_through),
		cmocka_unit_test(zero_lets_nothing_through),
		cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
