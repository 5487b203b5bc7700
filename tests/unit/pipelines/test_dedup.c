// SPDX-License-Identifier: Apache-2.0
// One device's window against a list that forgets nothing before its time.
#include "pipelines/dedup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WINDOW_S 60
#define ENTRIES 6

static const uint64_t secret[2] = {1, 2};

struct one {
	struct device_states *s;
	uint32_t place;
};

static int setup(void **state) {
	static struct one o;
	uint64_t hash[2];

	if (device_states_create(16, 1, ENTRIES, 0, secret, &o.s) != 0)
		return -1;
	device_hash(o.s, VIEW_LITERAL("dev"), hash);
	device_find(o.s, 0, hash, DEVICE_PLACE_NONE, 1, false, &o.place);
	*state = &o;
	return 0;
}

static int teardown(void **state) {
	device_states_destroy(((struct one *)*state)->s);
	return 0;
}

static enum dedup_rc
enter(struct one *o, uint64_t key, uint32_t payload, uint32_t now_s, uint32_t by) {
	struct dedup_key k = {key, payload};
	uint32_t pending;

	return dedup_enter(o->s, o->place, &k, now_s, WINDOW_S, by, &pending);
}

static void
close_it(struct one *o, uint64_t key, uint32_t payload, uint32_t by, bool durable, uint32_t now_s) {
	struct dedup_key k = {key, payload};

	dedup_close(o->s, o->place, &k, by, durable, now_s);
}

static void a_copy_of_a_pending_one_learns_who_knows(void **state) {
	struct one *o = *state;
	struct dedup_key k = {7, 70};
	uint32_t pending = 0;

	assert_int_equal(enter(o, 7, 70, 10, 3), DEDUP_NEW);
	assert_int_equal(dedup_enter(o->s, o->place, &k, 11, WINDOW_S, 4, &pending), DEDUP_COPY);
	assert_int_equal(pending, 3);
	dedup_rename(o->s, o->place, &k, 3, 9);
	dedup_enter(o->s, o->place, &k, 11, WINDOW_S, 4, &pending);
	assert_int_equal(pending, 9);
	close_it(o, 7, 70, 9, true, 12);
	dedup_enter(o->s, o->place, &k, 12, WINDOW_S, 4, &pending);
	assert_int_equal(pending, DEDUP_COMMITTED);
	assert_int_equal(device_at(o->s, o->place)->pending, 0);
}

static void what_failed_may_be_sent_again(void **state) {
	struct one *o = *state;

	assert_int_equal(enter(o, 7, 70, 10, 3), DEDUP_NEW);
	close_it(o, 7, 70, 3, false, 11);
	assert_int_equal(enter(o, 7, 70, 12, 4), DEDUP_NEW);
}

static void another_payload_is_a_conflict_and_both_are_known(void **state) {
	struct one *o = *state;

	assert_int_equal(enter(o, 7, 70, 10, 3), DEDUP_NEW);
	assert_int_equal(enter(o, 7, 71, 10, 4), DEDUP_CONFLICT);
	assert_int_equal(enter(o, 7, 70, 10, 5), DEDUP_COPY);
	assert_int_equal(enter(o, 7, 71, 10, 5), DEDUP_COPY);
}

static void the_window_ends(void **state) {
	struct one *o = *state;
	static const struct {
		uint32_t after_s;
		enum dedup_rc rc;
	} cases[] = {
		{0, DEDUP_COPY},
		{WINDOW_S, DEDUP_COPY},
		{WINDOW_S + 8, DEDUP_NEW}, // it ends to 8 s later, never earlier
		{65535 * 4, DEDUP_NEW},
		{65536 * 4, DEDUP_NEW}, // ticks of 4 s are kept modulo 2^16
		{65536 * 4 + 1, DEDUP_NEW},
		{3 * 65536 * 4, DEDUP_NEW},
	};

	uint32_t now_s = 1000;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(enter(o, 100 + i, 1, now_s, 1), DEDUP_NEW);
		close_it(o, 100 + i, 1, 1, true, now_s);
		now_s += cases[i].after_s;
		assert_int_equal(enter(o, 100 + i, 1, now_s, 2), cases[i].rc);
		if (cases[i].rc == DEDUP_NEW)
			close_it(o, 100 + i, 1, 2, false, now_s);
		now_s += 10 * WINDOW_S;
	}
}

static void pending_ones_are_never_forgotten(void **state) {
	struct one *o = *state;

	for (uint32_t i = 0; i < ENTRIES; i++)
		assert_int_equal(enter(o, 10 + i, 1, 5, i), DEDUP_NEW);
	assert_int_equal(enter(o, 99, 1, 6, 50), DEDUP_FULL);
	assert_int_equal(enter(o, 10, 2, 6, 50), DEDUP_CONFLICT_FULL);
	for (uint32_t i = 0; i < ENTRIES; i++)
		assert_int_equal(enter(o, 10 + i, 1, 100000, 50), DEDUP_COPY);
	close_it(o, 12, 1, 2, true, 7);
	assert_int_equal(enter(o, 99, 1, 7, 50), DEDUP_NEW);
	assert_int_equal(enter(o, 12, 1, 7, 51), DEDUP_FULL); // it made room
}

// Against a list that has room for everything: what the window calls a copy is one, always; a
// pending one is always known; and a committed one is forgotten before its time only for a new one.
static void random_traffic_against_a_list(void **state) {
	enum { STEPS = 300000, KEYS = 12, NEVER = 0 };
	struct one *o = *state;
	static struct {
		uint32_t payload;
		uint32_t by; // 0: not pending
		uint32_t committed_s;
	} known[KEYS];
	uint32_t random = 1, now_s = 100, copies = 0, forgotten = 0, room_made = 0;

	memset(known, 0, sizeof(known));
	for (uint32_t step = 1; step < STEPS; step++) {
		random = random * 1664525 + 1013904223;
		uint32_t k = (random >> 8) % KEYS;
		struct dedup_key key = {1000 + k, 1};
		uint32_t pending = 0;
		now_s += (random >> 24) % 8 == 0;
		if (random >> 28 == 0)
			now_s += WINDOW_S;
		if (known[k].by != 0 && (random >> 20) % 4 != 0) {
			bool durable = (random >> 16) % 4 != 0;
			dedup_close(o->s, o->place, &key, known[k].by, durable, now_s);
			known[k].by = 0;
			known[k].committed_s = durable ? now_s : NEVER;
			continue;
		}
		enum dedup_rc rc =
			dedup_enter(o->s, o->place, &key, now_s, WINDOW_S, step, &pending);
		bool fresh = known[k].committed_s != NEVER
			&& now_s - known[k].committed_s <= WINDOW_S + 8;
		if (known[k].by != 0) {
			assert_int_equal(rc, DEDUP_COPY);
			assert_int_equal(pending, known[k].by);
			continue;
		}
		if (rc == DEDUP_COPY) {
			assert_true(fresh);
			assert_int_equal(pending, DEDUP_COMMITTED);
			copies++;
			continue;
		}
		// Forgotten before its time, each only because a new one needed the room.
		forgotten += fresh && now_s - known[k].committed_s <= WINDOW_S;
		uint32_t held = 0;
		for (uint32_t i = 0; i < KEYS; i++)
			held += known[i].by != 0
				|| (known[i].committed_s != NEVER
				    && now_s - known[i].committed_s <= WINDOW_S);
		room_made += rc == DEDUP_NEW && held >= ENTRIES;
		assert_true(forgotten <= room_made + fresh);
		if (rc == DEDUP_NEW)
			known[k].by = step;
		known[k].committed_s = NEVER;
	}
	assert_true(copies > STEPS / 50);
	uint32_t in_flight = 0;
	for (uint32_t i = 0; i < KEYS; i++)
		in_flight += known[i].by != 0;
	assert_int_equal(device_at(o->s, o->place)->pending, in_flight);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_copy_of_a_pending_one_learns_who_knows, setup, teardown
		),
		cmocka_unit_test_setup_teardown(what_failed_may_be_sent_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			another_payload_is_a_conflict_and_both_are_known, setup, teardown
		),
		cmocka_unit_test_setup_teardown(the_window_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(pending_ones_are_never_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(random_traffic_against_a_list, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
