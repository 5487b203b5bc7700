// SPDX-License-Identifier: Apache-2.0
#include "dataplane/generation.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define READERS 3
#define ALIVE 0x600d600du
#define DEAD 0xdeaddeadu

struct thing {
	_Atomic(uint32_t) state;
	uint32_t number;
};

static unsigned retired;
static uint32_t last_retired;

static void retire(void *owner, const void *generation) {
	struct thing *t = (struct thing *)(uintptr_t)generation;

	assert_ptr_equal(owner, &retired);
	last_retired = t->number;
	retired++;
	// A reader that is still in it sees this, with or without a sanitizer.
	atomic_store(&t->state, DEAD);
	free(t);
}

static struct thing *thing_make(uint32_t number) {
	struct thing *t = malloc(sizeof(*t));

	assert_non_null(t);
	atomic_init(&t->state, ALIVE);
	t->number = number;
	return t;
}

static int reset(void **) {
	retired = 0;
	last_retired = 0;
	return 0;
}

static struct generation *make(const void *first) {
	struct generation *g = NULL;

	assert_int_equal(generation_create(READERS, first, retire, &retired, &g), 0);
	return g;
}

static void take(struct generation *g, uint16_t reader, const struct thing *expected) {
	struct generation_seat *s = generation_seat(g, reader);
	const struct thing *got = generation_next(s);

	assert_ptr_equal(got, expected);
	generation_hold(s, got);
	assert_null(generation_next(s));
}

static void every_reader_must_hold_it(void **) {
	struct thing *one = thing_make(1), *two = thing_make(2);
	struct generation *g = make(one);

	for (uint16_t r = 0; r < READERS; r++)
		assert_null(generation_next(generation_seat(g, r)));
	assert_int_equal(generation_missing(g), 0);
	assert_int_equal(generation_publish(g, two), 0);
	assert_ptr_equal(generation_current(g), two);
	for (uint16_t r = 0; r < READERS; r++) {
		assert_int_equal(generation_missing(g), READERS - r);
		assert_int_equal(retired, 0);
		take(g, r, two);
	}
	assert_int_equal(generation_missing(g), 0);
	assert_int_equal(retired, 1);
	assert_int_equal(last_retired, 1);
	assert_int_equal(generation_missing(g), 0); // once only
	assert_int_equal(retired, 1);
	generation_destroy(g);
	assert_int_equal(retired, 2);
}

// A reader that has looked but not yet said that it uses the new one is still in the old one.
static void looking_is_not_holding(void **) {
	struct thing *two = thing_make(2);
	struct generation *g = make(thing_make(1));

	assert_int_equal(generation_publish(g, two), 0);
	take(g, 0, two);
	take(g, 1, two);
	assert_ptr_equal(generation_next(generation_seat(g, 2)), two);
	assert_int_equal(generation_missing(g), 1);
	assert_int_equal(retired, 0);
	generation_destroy(g); // both go, even with a reader that never came
	assert_int_equal(retired, 2);
}

static void one_at_a_time(void **) {
	struct thing *two = thing_make(2), *three = thing_make(3);
	struct generation *g = make(thing_make(1));

	assert_int_equal(generation_publish(g, two), 0);
	assert_int_equal(generation_publish(g, three), -EBUSY);
	assert_int_equal(generation_publish(g, two), -EALREADY);
	for (uint16_t r = 0; r < READERS; r++)
		take(g, r, two);
	assert_int_equal(generation_publish(g, three), 0); // retires the first by itself
	assert_int_equal(retired, 1);
	for (uint16_t r = 0; r < READERS; r++)
		take(g, r, three);
	generation_destroy(g);
	assert_int_equal(retired, 3);
}

static void from_nothing(void **) {
	struct thing *one = thing_make(1);
	struct generation *g = make(NULL);

	assert_int_equal(generation_publish(g, one), 0);
	for (uint16_t r = 0; r < READERS; r++)
		take(g, r, one);
	assert_int_equal(generation_missing(g), 0);
	assert_int_equal(retired, 0);
	generation_destroy(g);
	assert_int_equal(retired, 1);
}

// --- threads

#define GENERATIONS 100

static atomic_bool stop;
static _Atomic(uint64_t) looked_at_dead;

static void *reader_main(void *arg) {
	struct generation_seat *s = arg;
	const struct thing *using = atomic_load(&s->held);
	uint32_t newest = using->number;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		const struct thing *next = generation_next(s);
		if (next != NULL) {
			using = next;
			generation_hold(s, next);
		}
		// Never back, never one that was retired.
		if (atomic_load(&using->state) != ALIVE || using->number < newest)
			atomic_fetch_add(&looked_at_dead, 1);
		newest = using->number;
		sched_yield(); // few CPUs, and every reader must have its turn
	}
	return NULL;
}

static void nobody_reads_what_was_retired(void **) {
	struct generation *g = make(thing_make(0));
	pthread_t threads[READERS];

	atomic_store(&stop, false);
	for (uint16_t r = 0; r < READERS; r++)
		assert_int_equal(
			pthread_create(&threads[r], NULL, reader_main, generation_seat(g, r)), 0
		);
	for (uint32_t n = 1; n <= GENERATIONS; n++) {
		struct thing *t = thing_make(n);
		while (generation_publish(g, t) == -EBUSY)
			sched_yield();
	}
	while (generation_missing(g) > 0)
		sched_yield();
	assert_int_equal(retired, GENERATIONS);
	atomic_store(&stop, true);
	for (uint16_t r = 0; r < READERS; r++)
		pthread_join(threads[r], NULL);
	generation_destroy(g);
	assert_int_equal(retired, GENERATIONS + 1);
	assert_int_equal(atomic_load(&looked_at_dead), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_reader_must_hold_it, reset),
		cmocka_unit_test_setup(looking_is_not_holding, reset),
		cmocka_unit_test_setup(one_at_a_time, reset),
		cmocka_unit_test_setup(from_nothing, reset),
		cmocka_unit_test_setup(nobody_reads_what_was_retired, reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
