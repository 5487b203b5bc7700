// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coap/pending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SLOT_NS (1ull << WHEEL_SHIFT)
#define S 1000000000ull

static struct pending_table t;

static int setup(void **) {
	return pending_init(&t, 64);
}

static int teardown(void **) {
	pending_fini(&t);
	return 0;
}

static void the_pool_is_bounded(void **) {
	struct pending *p[64];

	for (uint32_t i = 0; i < 64; i++) {
		p[i] = pending_take(&t, i);
		assert_non_null(p[i]);
	}
	assert_null(pending_take(&t, 99));
	for (uint32_t i = 0; i < 64; i++)
		assert_ptr_equal(pending_lookup(&t, i), p[i]);
	for (uint32_t i = 0; i < 64; i++)
		pending_give(&t, p[i]);
	assert_int_equal(t.used, 0);
	assert_null(pending_lookup(&t, 3));
}

static void a_timer_fires_once_and_not_early(void **) {
	struct pending *p = pending_take(&t, 1);
	uint64_t now = 1000 * S;

	pending_timer_set(&t, p, now, now + 2 * S);
	assert_null(pending_due(&t, now + 2 * S - SLOT_NS));
	uint64_t next = pending_next_due(&t);
	assert_true(next >= now + 2 * S && next <= now + 2 * S + 2 * SLOT_NS);
	assert_ptr_equal(pending_due(&t, next), p);
	assert_null(pending_due(&t, next + 100 * S));
	assert_true(pending_next_due(&t) == UINT64_MAX);
}

static void a_stopped_timer_does_not_fire(void **) {
	struct pending *a = pending_take(&t, 1);
	struct pending *b = pending_take(&t, 2);
	struct pending *c = pending_take(&t, 3);

	pending_timer_set(&t, a, 0, S);
	pending_timer_set(&t, b, 0, S);
	pending_timer_set(&t, c, 0, S);
	pending_timer_stop(&t, b);
	pending_give(&t, c);
	assert_ptr_equal(pending_due(&t, 5 * S), a);
	assert_null(pending_due(&t, 5 * S));
}

static void a_wait_longer_than_the_wheel_is_cut_not_lost(void **) {
	struct pending *p = pending_take(&t, 1);

	pending_timer_set(&t, p, 0, 1000 * S);
	assert_ptr_equal(pending_due(&t, 1000 * S), p);
}

// Random timers on a random clock: each fires in the slot after its time, in order, exactly once.
static void random_timers_fire_in_time(void **) {
	uint64_t due[64] = {0};
	struct pending *p[64];
	uint64_t now = 77 * S;
	uint32_t fired = 0;

	srandom(11);
	for (uint32_t i = 0; i < 64; i++)
		p[i] = pending_take(&t, i);
	for (uint32_t step = 0; step < 20000; step++) {
		uint32_t i = (uint32_t)random() % 64;
		if (due[i] == 0) {
			due[i] = now + (uint64_t)random() % (60 * S);
			pending_timer_set(&t, p[i], now, due[i]);
		}
		now += (uint64_t)random() % (S / 2);
		for (struct pending *d; (d = pending_due(&t, now)) != NULL; fired++) {
			uint32_t n = pending_index(&t, d);
			assert_ptr_equal(d, p[n]);
			assert_true(due[n] != 0 && due[n] <= now);
			due[n] = 0;
		}
		for (uint32_t n = 0; n < 64; n++)
			assert_true(due[n] == 0 || due[n] + 2 * SLOT_NS > now);
	}
	assert_true(fired > 1000);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_pool_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_timer_fires_once_and_not_early, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stopped_timer_does_not_fire, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_wait_longer_than_the_wheel_is_cut_not_lost, setup, teardown
		),
		cmocka_unit_test_setup_teardown(random_timers_fire_in_time, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
