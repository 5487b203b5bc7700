// SPDX-License-Identifier: Apache-2.0
#include "parsers/siphash.h"
#include "pipelines/device_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t secret[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

static struct device_states *create(uint32_t devices, uint16_t homes) {
	struct device_states *s;

	assert_int_equal(device_states_create(devices, homes, 8, 8, secret, &s), 0);
	return s;
}

static void name_hash(const struct device_states *s, uint32_t n, uint64_t hash[2]) {
	char name[32];
	int len = snprintf(name, sizeof(name), "device-%u", n);

	device_hash(s, view_of(name, (uint32_t)len), hash);
}

static enum device_rc
look(struct device_states *s, uint32_t n, uint32_t now_s, bool registered, uint32_t *place) {
	uint64_t hash[2];

	name_hash(s, n, hash);
	return device_find(
		s, device_home(s, hash), hash, DEVICE_PLACE_NONE, now_s, registered, place
	);
}

static void the_long_hash_is_two_different_halves(void **) {
	uint8_t in[15];
	uint64_t out[2], again[2], other[2];

	for (uint8_t i = 0; i < sizeof(in); i++)
		in[i] = i;
	siphash13_128(secret, in, sizeof(in), out);
	siphash13_128(secret, in, sizeof(in), again);
	assert_memory_equal(out, again, sizeof(out));
	assert_true(out[0] != out[1]);
	in[14] ^= 1;
	siphash13_128(secret, in, sizeof(in), other);
	assert_true(out[0] != other[0] && out[1] != other[1]);
}

static void a_device_keeps_its_place_and_what_is_in_it(void **) {
	struct device_states *s = create(1000, 1);
	uint32_t place, again;

	assert_int_equal(look(s, 1, 5, true, &place), DEVICE_NEW);
	device_at(s, place)->gaps = 77;
	memset(device_decisions(s, place), 0x5a, DEVICE_DECISIONS * DEVICE_DECISION_BYTES);
	device_fields(s, place)[7].mean = 3;
	device_entries(s, place)[7].payload = 9;
	for (uint32_t n = 2; n < 900; n++)
		assert_int_equal(look(s, n, 6, false, &again), DEVICE_NEW);
	assert_int_equal(look(s, 1, 9, true, &again), DEVICE_HERE);
	assert_int_equal(place, again);
	assert_int_equal(device_at(s, place)->gaps, 77);
	assert_int_equal(device_at(s, place)->used_s, 9);
	assert_int_equal(device_at(s, place)->flags, DEVICE_REGISTERED);
	assert_true(device_fields(s, place)[7].mean == 3);
	assert_int_equal(device_entries(s, place)[7].payload, 9);
	device_states_destroy(s);
}

// Every device asked for finds a place without another having to go, whatever their names.
static void as_many_as_asked_for_fit(void **) {
	for (uint16_t homes = 1; homes <= 3; homes += 2) {
		struct device_states *s = create(50000, homes);
		uint32_t place, evicted = 0;
		for (uint32_t n = 0; n < 50000; n++)
			evicted += look(s, n, n + 1, true, &place) != DEVICE_NEW;
		print_message("%u homes: %u of 50000 found two full sets\n", homes, evicted);
		assert_true(evicted <= 50000 / 100); // filled to the last place, one in a hundred
		device_states_destroy(s);
	}
}

static void a_likely_place_is_only_a_hint(void **) {
	struct device_states *s = create(1000, 1);
	uint32_t place, again, right = 0;
	uint64_t hash[2];

	for (uint32_t n = 0; n < 900; n++)
		assert_int_equal(look(s, n, 5, false, &place), DEVICE_NEW);
	for (uint32_t n = 0; n < 900; n++) {
		look(s, n, 5, false, &place);
		name_hash(s, n, hash);
		uint32_t likely = device_prefetch_head(s, hash);
		right += likely == place;
		assert_int_equal(device_find(s, 0, hash, likely, 6, false, &again), DEVICE_HERE);
		assert_int_equal(again, place);
		// The place of somebody else.
		assert_int_equal(device_find(s, 0, hash, place ^ 1, 6, false, &again), DEVICE_HERE);
		assert_int_equal(again, place);
	}
	assert_true(right > 890);
	name_hash(s, 5000, hash);
	assert_int_equal(device_prefetch_head(s, hash), DEVICE_PLACE_NONE);
	device_states_destroy(s);
}

static void who_was_heard_of_least_recently_goes_first(void **) {
	struct device_states *s = create(16, 1); // two sets of 16 places
	uint32_t place;
	uint32_t n = 0;

	// Fill both sets; every device was heard of at second n + 1.
	while (look(s, n, n + 1, false, &place) == DEVICE_NEW)
		n++;
	assert_true(n >= 24 && n <= 32);
	// The newcomer replaced the oldest in its two sets; of 1..n all but two are there.
	uint32_t missing = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t hash[2];
		name_hash(s, i, hash);
		bool there = false;
		for (uint32_t p = 0; p < 32; p++)
			there |= device_at(s, p)->hash[0] == hash[0];
		missing += !there;
		if (!there)
			assert_true(i < 16);
	}
	assert_int_equal(missing, 1);
	device_states_destroy(s);
}

static void registered_pending_and_busy_devices_stay(void **) {
	struct device_states *s = create(16, 1);
	uint32_t place;
	uint32_t n = 0;

	while (look(s, n, 1, true, &place) == DEVICE_NEW)
		n++;
	// Full of registered devices of this second: no room for anybody.
	assert_int_equal(look(s, 1000, 1, true, &place), DEVICE_NO_ROOM);
	// Later an unregistered one still finds none, a registered one does.
	assert_int_equal(look(s, 1000, 2, false, &place), DEVICE_NO_ROOM);
	assert_int_equal(look(s, 1000, 2, true, &place), DEVICE_NEW_EVICTED);
	// One with a message in flight stays.
	for (uint32_t p = 0; p < 2 * DEVICE_WAYS; p++)
		device_at(s, p)->pending = 1;
	assert_int_equal(look(s, 1001, 9, true, &place), DEVICE_NO_ROOM);
	device_states_destroy(s);
}

static void an_unregistered_one_goes_before_a_registered_one(void **) {
	struct device_states *s = create(16, 1);
	uint32_t place;
	uint32_t n = 0;

	// The registered ones were heard of longer ago.
	while (look(s, n, n % 2 == 0 ? 1 : 100, n % 2 == 0, &place) == DEVICE_NEW)
		n++;
	for (uint32_t i = 0; i < 8; i++) {
		uint32_t was = 0, is = 0;
		for (uint32_t p = 0; p < 32; p++)
			was += (device_at(s, p)->flags & DEVICE_REGISTERED) != 0;
		assert_int_equal(look(s, 5000 + i, 200 + i, true, &place), DEVICE_NEW_EVICTED);
		for (uint32_t p = 0; p < 32; p++)
			is += (device_at(s, p)->flags & DEVICE_REGISTERED) != 0;
		assert_int_equal(is, was + 1);
	}
	device_states_destroy(s);
}

static void only_the_owner_sees_a_device(void **) {
	struct device_states *s = create(1000, 4);
	uint64_t hash[2];
	uint32_t place, again;

	name_hash(s, 3, hash);
	uint16_t home = device_home(s, hash);
	uint16_t other = (home + 1) % 4;
	assert_int_equal(
		device_find(s, other, hash, DEVICE_PLACE_NONE, 1, false, &place), DEVICE_AWAY
	);
	assert_int_equal(
		device_find(s, home, hash, DEVICE_PLACE_NONE, 1, false, &place), DEVICE_NEW
	);
	assert_int_equal(
		device_find(s, other, hash, DEVICE_PLACE_NONE, 1, false, &again), DEVICE_AWAY
	);
	device_give(s, place, other);
	assert_int_equal(device_owner(s, place), other);
	assert_int_equal(
		device_find(s, other, hash, DEVICE_PLACE_NONE, 1, false, &again), DEVICE_HERE
	);
	assert_int_equal(again, place);
	assert_int_equal(
		device_find(s, home, hash, DEVICE_PLACE_NONE, 1, false, &again), DEVICE_AWAY
	);
	assert_int_equal(again, place); // the home knows where it is
	assert_int_equal(
		device_find(s, (home + 2) % 4, hash, DEVICE_PLACE_NONE, 1, false, &again),
		DEVICE_AWAY
	);
	device_states_destroy(s);
}

// Against a list: random names, times, and standing.
static void random_visits_agree_with_a_list(void **) {
	enum { NAMES = 400, STEPS = 200000 };
	static uint32_t place_of[NAMES], gaps_of[NAMES];
	struct device_states *s = create(100, 2);
	uint32_t random = 1;

	memset(place_of, 0xff, sizeof(place_of));
	for (uint32_t step = 0; step < STEPS; step++) {
		random = random * 1664525 + 1013904223;
		uint32_t n = (random >> 8) % NAMES;
		uint32_t place;
		enum device_rc rc = look(s, n, step / 50, (random >> 30) == 0, &place);
		switch (rc) {
		case DEVICE_HERE:
			assert_int_equal(place_of[n], place);
			assert_int_equal(device_at(s, place)->gaps, gaps_of[n]);
			break;
		case DEVICE_NEW_EVICTED:
		case DEVICE_NEW:
			assert_int_equal(device_at(s, place)->gaps, 0);
			for (uint32_t i = 0; i < NAMES; i++) {
				if (place_of[i] != place)
					continue;
				assert_int_equal(rc, DEVICE_NEW_EVICTED);
				place_of[i] = UINT32_MAX;
			}
			place_of[n] = place;
			break;
		default:
			assert_int_equal(rc, DEVICE_NO_ROOM);
			assert_int_equal(place_of[n], UINT32_MAX);
			continue;
		}
		gaps_of[n] = device_at(s, place)->gaps = random;
	}
	device_states_destroy(s);
}

static void the_room_of_a_device_is_what_was_planned(void **) {
	struct device_states *s = create(1u << 20, 1);
	size_t decisions = DEVICE_DECISIONS * DEVICE_DECISION_BYTES;

	assert_int_equal(s->slot_bytes, 64 + 8 * 16 + 8 * 32 + decisions);
	// Dedup window and 8 fields, with the share of the index and of places that stay empty.
	size_t each = s->bytes / (1u << 20) - decisions * 132 / 128;
	print_message("%zu bytes per device and %zu for decisions\n", each, decisions * 132 / 128);
	assert_true(each <= 480);
	device_states_destroy(s);
	assert_int_equal(device_states_create(0, 1, 8, 8, secret, &s), -22);
	assert_int_equal(device_states_create(1, 33, 8, 8, secret, &s), -22);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_long_hash_is_two_different_halves),
		cmocka_unit_test(a_device_keeps_its_place_and_what_is_in_it),
		cmocka_unit_test(as_many_as_asked_for_fit),
		cmocka_unit_test(a_likely_place_is_only_a_hint),
		cmocka_unit_test(who_was_heard_of_least_recently_goes_first),
		cmocka_unit_test(registered_pending_and_busy_devices_stay),
		cmocka_unit_test(an_unregistered_one_goes_before_a_registered_one),
		cmocka_unit_test(only_the_owner_sees_a_device),
		cmocka_unit_test(random_visits_agree_with_a_list),
		cmocka_unit_test(the_room_of_a_device_is_what_was_planned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
