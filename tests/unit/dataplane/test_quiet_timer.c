// SPDX-License-Identifier: Apache-2.0
// Written after a pause, and however steadily changes come, never later than promised.
#include "dataplane/quiet_timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define QUIET 3000
#define MOST 30000

static void nothing_changed(void **) {
	struct quiet_timer t = {0};

	assert_false(quiet_timer_due(&t, 0));
	assert_false(quiet_timer_due(&t, UINT64_MAX));
	assert_false(quiet_timer_overdue(&t, UINT64_MAX, MOST));
}

static void a_pause_is_waited_for(void **) {
	struct quiet_timer t = {0};

	quiet_timer_change(&t, 1000, QUIET, MOST);
	quiet_timer_change(&t, 3500, QUIET, MOST);
	assert_false(quiet_timer_due(&t, 6499));
	assert_true(quiet_timer_due(&t, 6500));
	assert_false(quiet_timer_overdue(&t, 6500, MOST));
}

// A change every second for ten minutes; the file gives way to whatever comes while it may.
static void steady_changes_do_not_put_it_off_for_ever(void **) {
	struct quiet_timer t = {0};
	uint64_t unwritten = 0, written = 0;

	for (uint64_t now = 1; now < 600000; now += 10) {
		if (now % 1000 == 1) {
			if (t.due_ns == 0)
				unwritten = now;
			quiet_timer_change(&t, now, QUIET, MOST);
		}
		if (!quiet_timer_due(&t, now))
			continue;
		if (!quiet_timer_overdue(&t, now, MOST)) {
			quiet_timer_change(&t, now, QUIET, MOST);
			continue;
		}
		assert_int_equal(now, unwritten + MOST);
		t = (struct quiet_timer) {0};
		written++;
	}
	assert_in_range(written, 600000 / (MOST + 1000) - 1, 600000 / MOST);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_changed),
		cmocka_unit_test(a_pause_is_waited_for),
		cmocka_unit_test(steady_changes_do_not_put_it_off_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
