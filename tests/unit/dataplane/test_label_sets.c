// SPDX-License-Identifier: Apache-2.0
// Label sets shared by devices: numbers of a registry, who has a set, and when it may be freed.
#include "dataplane/label_sets.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct label_sets *s;

static int setup(void **) {
	return label_sets_create(64, &s);
}

static int teardown(void **) {
	label_sets_destroy(s);
	return 0;
}

// A set with the one pair n=VALUE.
static struct view set_of(const char *value, uint8_t room[64]) {
	uint32_t len = (uint32_t)strlen(value);

	room[0] = 1;
	room[1] = (uint8_t)len;
	room[2] = 'n';
	memcpy(room + 3, value, len);
	return view_of(room, 3 + len);
}

static int define(uint32_t number, const char *value) {
	uint8_t room[64];

	return label_sets_define(s, number, set_of(value, room));
}

static bool is(uint32_t set, const char *value) {
	struct view v = {0};

	return labels_find(label_sets_at(s, set), VIEW_LITERAL("n"), &v)
		&& view_equal(v, view_of(value, (uint32_t)strlen(value)));
}

static void a_number_means_what_was_defined_last(void **) {
	assert_int_equal(define(7, "a"), 0);
	uint32_t a = label_sets_find(s, 7);
	assert_true(is(a, "a"));
	label_sets_take(s, a);
	label_sets_settle(s);
	assert_int_equal(define(7, "a"), 0);
	assert_int_equal(label_sets_find(s, 7), a);
	assert_int_equal(define(7, "b"), 0);
	uint32_t b = label_sets_find(s, 7);
	assert_int_not_equal(b, a);
	assert_true(is(b, "b"));
	assert_true(is(a, "a")); // a device has it
	assert_int_equal(label_sets_find(s, 8), 0);
	assert_int_equal(label_sets_at(s, 0).len, 0);
	assert_int_equal(label_sets_count(s), 2);
}

static void what_nobody_took_goes_when_the_transfer_ends(void **) {
	define(1, "a");
	define(2, "b");
	uint32_t a = label_sets_find(s, 1), b = label_sets_find(s, 2);
	label_sets_take(s, a);
	label_sets_give(s, a); // a device changed twice in one transfer: the set is still there
	assert_int_equal(label_sets_find(s, 1), a);
	label_sets_take(s, b);
	label_sets_settle(s);
	assert_int_equal(label_sets_find(s, 1), 0);
	assert_int_equal(label_sets_find(s, 2), b);
	assert_int_equal(label_sets_count(s), 1);
	label_sets_give(s, b);
	assert_int_equal(label_sets_count(s), 0);
}

static void a_set_is_readable_until_all_workers_have_passed(void **) {
	define(1, "a");
	uint32_t a = label_sets_find(s, 1);
	label_sets_take(s, a);
	label_sets_settle(s);
	struct view held = label_sets_at(s, a);
	label_sets_give(s, a);
	define(1, "b");
	assert_int_not_equal(label_sets_find(s, 1), a);
	assert_true(is(a, "a"));
	assert_ptr_equal(label_sets_at(s, a).p, held.p);
	label_sets_passed(s);
	assert_int_equal(label_sets_at(s, a).len, 0);
	label_sets_settle(s);
	label_sets_passed(s);
	assert_int_equal(s->bytes, 0);
}

static void full_says_so_and_places_come_back(void **) {
	char value[8] = "v";

	for (uint32_t i = 1; i <= 64; i++) {
		value[1] = (char)('0' + i % 75);
		assert_int_equal(define(i, value), 0);
	}
	assert_int_equal(define(65, "w"), -ENOSPC);
	assert_int_equal(label_sets_find(s, 65), 0);
	label_sets_settle(s);
	assert_int_equal(define(65, "w"), -ENOSPC); // a worker may still read them
	label_sets_passed(s);
	assert_int_equal(define(65, "w"), 0);
}

static void bad_bytes_define_nothing(void **) {
	uint8_t room[64];
	struct view set = set_of("a", room);

	assert_int_equal(label_sets_define(s, 0, set), -EINVAL);
	assert_int_equal(label_sets_define(s, 1, view_of(room, 0)), -EINVAL);
	assert_int_equal(label_sets_define(s, 1, view_of(room, 3)), -EINVAL);
	assert_int_equal(define(1, "\xff"), -EINVAL);
	assert_int_equal(define(1, "\xc3\xbc"), 0);
}

// Of numbers whose set has gone with its last device or transfer.
static void forget(char means[16][4]) {
	for (uint32_t n = 1; n < 16; n++)
		if (label_sets_find(s, n) == 0)
			means[n][0] = '\0';
}

// Random transfers against arrays of what each device and each number should have.
static void agrees_with_a_naive_oracle(void **) {
	uint32_t has[40] = {0};
	char want[40][4] = {{0}}, means[16][4] = {{0}};
	struct view bytes;

	srand(4711);
	for (int step = 0; step < 100000; step++) {
		uint32_t number = 1 + (uint32_t)rand() % 15, device = (uint32_t)rand() % 40;
		char value[4] = {(char)('a' + rand() % 20), (char)('a' + rand() % 3)};
		switch (rand() % 6) {
		case 0:
		case 1:
			if (define(number, value) == 0)
				memcpy(means[number], value, sizeof(value));
			else
				means[number][0] = '\0';
			break;
		case 2:
			label_sets_settle(s);
			forget(means);
			break;
		case 3:
			label_sets_passed(s);
			break;
		default: {
			uint32_t set = rand() % 4 == 0 ? 0 : label_sets_find(s, number);
			label_sets_take(s, set);
			label_sets_give(s, has[device]);
			has[device] = set;
			memcpy(want[device], set != 0 ? means[number] : "", set != 0 ? 4 : 1);
			forget(means);
		}
		}
		for (uint32_t d = 0; d < 40; d++)
			assert_true(has[d] == 0 || is(has[d], want[d]));
		for (uint32_t n = 1; n < 16; n++)
			if (label_sets_find(s, n) != 0)
				assert_true(is(label_sets_find(s, n), means[n]));
			else
				assert_int_equal(means[n][0], 0);
	}
	for (uint32_t d = 0; d < 40; d++)
		label_sets_give(s, has[d]);
	label_sets_settle(s);
	assert_int_equal(label_sets_count(s), 0);
	uint32_t at = 0;
	assert_int_equal(label_sets_next(s, &at, &bytes), 0);
}

// --- a worker that reads while sets come and go

static _Atomic uint32_t device_has;
static _Atomic uint64_t asked, answered;
static atomic_bool over;
static uint64_t read_bytes;

// As worker_loop() does: reports between two turns, keeps a view only within one.
static void *worker(void *) {
	while (!atomic_load(&over)) {
		atomic_store(&answered, atomic_load(&asked));
		struct view set = label_sets_at(s, atomic_load(&device_has));
		for (int again = 0; again < 20; again++)
			for (uint32_t i = 0; i < set.len; i++)
				read_bytes += set.p[i];
		if (!labels_valid(set) || set.len != 5)
			atomic_store(&asked, UINT64_MAX);
	}
	return NULL;
}

static void readers_see_whole_sets(void **) {
	char value[3] = "aa";
	pthread_t thread;

	define(1, value);
	uint32_t has = label_sets_find(s, 1);
	label_sets_take(s, has);
	label_sets_settle(s);
	atomic_store(&device_has, has);
	assert_int_equal(pthread_create(&thread, NULL, worker, NULL), 0);
	for (int i = 0; i < 3000; i++) {
		value[0] = (char)('a' + i % 26);
		value[1] = (char)('a' + i % 7);
		assert_int_equal(define(1, value), 0);
		uint32_t set = label_sets_find(s, 1);
		label_sets_take(s, set);
		atomic_store(&device_has, set);
		label_sets_give(s, has);
		has = set;
		label_sets_settle(s);
		uint64_t wanted = atomic_load(&asked) + 1;
		assert_int_not_equal(wanted, 0);
		atomic_store(&asked, wanted);
		while (atomic_load(&answered) != wanted && atomic_load(&asked) == wanted)
			;
		label_sets_passed(s);
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	assert_int_not_equal(atomic_load(&asked), UINT64_MAX);
	assert_true(read_bytes > 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_number_means_what_was_defined_last),
		TEST(what_nobody_took_goes_when_the_transfer_ends),
		TEST(a_set_is_readable_until_all_workers_have_passed),
		TEST(full_says_so_and_places_come_back),
		TEST(bad_bytes_define_nothing),
		TEST(agrees_with_a_naive_oracle),
		TEST(readers_see_whole_sets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
