// SPDX-License-Identifier: Apache-2.0
#include "dataplane/device_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SETS 8
#define SLOTS (SETS * DEVICE_SET_WAYS)

static struct device_set sets[SETS];
static const struct device_index places = {sets, SETS};
static uint64_t hashes[SLOTS][2];
static const struct device_set *stands_in[SLOTS];
static _Atomic uint32_t generation;

static uint64_t random_word(void) {
	static uint64_t x = 1;

	x = x * 6364136223846793005u + 1442695040888963407u;
	return x ^ x >> 29;
}

static void hash_of(const void *table, uint32_t slot, uint64_t hash[2]) {
	memcpy(hash, ((const uint64_t(*)[2])table)[slot], sizeof(hashes[0]));
}

static bool put(uint32_t slot) {
	return device_index_put(&places, hashes[slot], slot, &generation, hash_of, hashes);
}

static bool found(uint32_t slot, struct device_set **set, unsigned *way) {
	for (unsigned which = 0; which < 2; which++) {
		*set = device_set_at(&places, hashes[slot], which);
		uint32_t ways = device_set_candidates(*set, hashes[slot]);
		for (; ways != 0; ways &= ways - 1) {
			*way = (unsigned)__builtin_ctz(ways);
			if (device_set_slot(*set, *way) == slot)
				return true;
		}
	}
	return false;
}

// Those of [0, n) that stand in another set than the last time.
static uint32_t moved(uint32_t n) {
	uint32_t others = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct device_set *set;
		unsigned way;
		assert_true(found(i, &set, &way));
		others += stands_in[i] != set && stands_in[i] != NULL;
		stands_in[i] = set;
	}
	return others;
}

// Readers look again if the generation changes, so it has to whenever an entry moves.
static void full_sets_make_room_and_say_that_they_moved_one(void **) {
	uint32_t total = 0;

	for (int round = 0; round < 50; round++) {
		uint32_t n = 0;
		memset(sets, 0, sizeof(sets));
		memset(stands_in, 0, sizeof(stands_in));
		for (; n < SLOTS; n++) {
			uint32_t before = generation;
			hashes[n][0] = random_word();
			hashes[n][1] = random_word();
			if (!put(n))
				break;
			assert_int_equal(moved(n + 1), generation - before);
			total += generation - before;
		}
		assert_true(n > SLOTS * 9 / 10);
	}
	assert_true(total > 50);
}

static void what_is_removed_is_gone_and_its_place_is_used_again(void **) {
	struct device_set *set;
	unsigned way;
	const uint32_t n = SLOTS / 2;

	memset(sets, 0, sizeof(sets));
	for (uint32_t i = 0; i < n; i++) {
		hashes[i][0] = random_word();
		hashes[i][1] = random_word();
		assert_true(put(i));
	}
	for (int step = 0; step < 10000; step++) {
		uint32_t i = (uint32_t)(random_word() >> 32) % n;
		assert_true(found(i, &set, &way));
		device_index_remove(set, way);
		assert_false(found(i, &set, &way));
		assert_true(put(i));
	}
	for (uint32_t i = 0; i < n; i++)
		assert_true(found(i, &set, &way));
}

// Only what is equal, whatever stands beside it, and never a way that there is not.
static void candidates_are_what_the_tags_say(void **) {
	uint64_t hash[2] = {0, 0x15};
	struct device_set *set = &sets[0];
	uint8_t tags[16] = {0};

	for (int round = 0; round < 200000; round++) {
		uint32_t expected = 0;
		hash[0] = random_word() % 4;
		for (unsigned way = 0; way < DEVICE_SET_WAYS; way++) {
			bool other = random_word() % 8 == 0;
			tags[way] = (uint8_t)(random_word() >> 40) % 4;
			set->words[way] =
				device_word(hash, way) ^ (uint32_t)other << DEVICE_SLOT_BITS;
			if (tags[way] == device_tag(hash) && !other)
				expected |= 1u << way;
		}
		memcpy((void *)set->tags, tags, sizeof(tags));
		assert_int_equal(device_set_candidates(set, hash), expected);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_sets_make_room_and_say_that_they_moved_one),
		cmocka_unit_test(what_is_removed_is_gone_and_its_place_is_used_again),
		cmocka_unit_test(candidates_are_what_the_tags_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
