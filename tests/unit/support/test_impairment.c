// SPDX-License-Identifier: Apache-2.0
#include "tests/support/impairment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define FRAMES 200000

static const struct impairment bad = {
	.seed = 42,
	.loss_ppm = 50000,
	.duplicate_ppm = 20000,
	.corrupt_ppm = 10000,
	.reorder_ppm = 30000,
	.jitter_ns = 1000,
};

static bool same(struct fate a, struct fate b) {
	return a.lost == b.lost && a.duplicated == b.duplicated && a.late == b.late
		&& a.corrupt_bit == b.corrupt_bit && a.jitter_ns == b.jitter_ns;
}

static void a_seed_brings_everything_back(void **) {
	struct impairment other = bad;
	unsigned differ = 0;

	other.seed++;
	for (uint64_t n = 0; n < 1000; n++) {
		struct fate f = impairment_fate(&bad, 0, n, 100);
		assert_true(same(f, impairment_fate(&bad, 0, n, 100)));
		differ += !same(f, impairment_fate(&other, 0, n, 100));
		differ += !same(f, impairment_fate(&bad, 1, n, 100));
	}
	assert_true(differ > 1500); // the jitter alone sees to that
}

// Loss does not depend on what else is switched on.
static void decisions_are_independent(void **) {
	struct impairment alone = {.seed = 42, .loss_ppm = bad.loss_ppm};
	unsigned both = 0;

	for (uint64_t n = 0; n < FRAMES; n++) {
		struct fate f = impairment_fate(&bad, 0, n, 100);
		assert_int_equal(f.lost, impairment_fate(&alone, 0, n, 1500).lost);
		both += f.lost && f.duplicated;
	}
	assert_in_range(both, FRAMES / 1000 * 7 / 10, FRAMES / 1000 * 13 / 10);
}

static void rates_are_kept(void **) {
	unsigned lost = 0, duplicated = 0, corrupted = 0, late = 0;

	for (uint64_t n = 0; n < FRAMES; n++) {
		struct fate f = impairment_fate(&bad, 0, n, 100);
		lost += f.lost;
		duplicated += f.duplicated;
		late += f.late;
		corrupted += f.corrupt_bit >= 0;
		assert_true(f.jitter_ns <= 1000);
		assert_true(f.corrupt_bit < 0 || (f.corrupt_bit >= 14 * 8 && f.corrupt_bit < 800));
	}
	assert_in_range(lost, FRAMES / 100 * 48 / 10, FRAMES / 100 * 52 / 10);
	assert_in_range(duplicated, FRAMES / 100 * 19 / 10, FRAMES / 100 * 21 / 10);
	assert_in_range(late, FRAMES / 100 * 29 / 10, FRAMES / 100 * 31 / 10);
	assert_in_range(corrupted, FRAMES / 1000 * 9, FRAMES / 1000 * 11);
}

static void nothing_and_everything(void **) {
	struct impairment none = {.seed = 1},
			  all = {.seed = 1, .loss_ppm = PPM, .corrupt_ppm = PPM};

	for (uint64_t n = 0; n < 1000; n++) {
		struct fate f = impairment_fate(&none, 0, n, 100);
		assert_true(same(f, (struct fate) {.corrupt_bit = -1}));
		assert_true(impairment_fate(&all, 0, n, 100).lost);
		assert_int_equal(impairment_fate(&all, 0, n, 14).corrupt_bit, -1);
	}
}

static uint8_t pop(struct impairment_queue *q) {
	const struct held *h = impairment_queue_peek(q, UINT64_MAX - 1);
	uint8_t v;

	assert_non_null(h);
	v = h->bytes[0];
	impairment_queue_drop(q);
	return v;
}

static void by_time_then_by_arrival(void **) {
	static const uint64_t due[] = {50, 10, 30, 10, 20, 10};
	struct impairment_queue q;

	assert_int_equal(impairment_queue_init(&q, 6), 0);
	assert_true(impairment_queue_due(&q) == UINT64_MAX);
	for (uint8_t i = 0; i < 6; i++)
		assert_true(impairment_queue_put(&q, due[i], &i, 1));
	assert_null(impairment_queue_peek(&q, 9));
	assert_non_null(impairment_queue_peek(&q, 10));
	assert_int_equal(impairment_queue_due(&q), 10);
	static const uint8_t want[] = {1, 3, 5, 4, 2, 0};
	for (int i = 0; i < 6; i++)
		assert_int_equal(pop(&q), want[i]);
	assert_null(impairment_queue_peek(&q, UINT64_MAX));
	impairment_queue_fini(&q);
}

static void the_queue_is_bounded_and_reusable(void **) {
	static uint8_t frame[IMPAIRMENT_FRAME_MAX + 1];
	struct impairment_queue q;
	uint64_t state = 7, last;

	assert_int_equal(impairment_queue_init(&q, 32), 0);
	assert_false(impairment_queue_put(&q, 1, frame, sizeof(frame)));
	for (int round = 0; round < 500; round++) {
		unsigned put = 0, got = 0;
		for (int i = 0; i < 40; i++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			put += impairment_queue_put(&q, state >> 40, frame, 64);
		}
		assert_int_equal(put, 32);
		last = 0;
		for (; q.count > 0; got++) {
			const struct held *h = impairment_queue_peek(&q, UINT64_MAX);
			assert_true(h->due_ns >= last);
			assert_int_equal(h->len, 64);
			last = h->due_ns;
			impairment_queue_drop(&q);
		}
		assert_int_equal(got, 32);
	}
	impairment_queue_fini(&q);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_brings_everything_back),
		cmocka_unit_test(decisions_are_independent),
		cmocka_unit_test(rates_are_kept),
		cmocka_unit_test(nothing_and_everything),
		cmocka_unit_test(by_time_then_by_arrival),
		cmocka_unit_test(the_queue_is_bounded_and_reusable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
