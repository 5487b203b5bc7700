// SPDX-License-Identifier: Apache-2.0
#include "pipelines/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

// The bound is never below the value and at most a quarter above it.
static void every_value_lies_in_its_bucket(void **) {
	for (uint64_t us = 0; us < 1u << 30; us += us / 7 + 1) {
		struct latency l = {0};
		latency_count(&l, us * 1000, 1);
		uint64_t bound = latency_quantile_us(&l, 0.5);
		if (bound < us || bound > us + us / 4 + 1)
			fail_msg(
				"%lu us has the bound %lu", (unsigned long)us, (unsigned long)bound
			);
	}
}

static void quantiles(void **) {
	struct latency l = {0};

	assert_int_equal(latency_quantile_us(&l, 0.5), 0);
	for (int i = 0; i < 33; i++)
		latency_count(&l, 100000, 3);
	latency_count(&l, 1000000000, 1);
	assert_in_range(latency_quantile_us(&l, 0.5), 100, 125);
	assert_in_range(latency_quantile_us(&l, 0.989), 100, 125);
	assert_in_range(latency_quantile_us(&l, 0.99), 1000000, 1250000);
	assert_in_range(latency_quantile_us(&l, 1), 1000000, 1250000);
}

static void beyond_all_buckets(void **) {
	struct latency l = {0};

	latency_count(&l, UINT64_MAX, 1);
	assert_true(latency_quantile_us(&l, 0.5) > 1000000000);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_lies_in_its_bucket),
		cmocka_unit_test(quantiles),
		cmocka_unit_test(beyond_all_buckets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
