// SPDX-License-Identifier: Apache-2.0
#include "pipelines/batch_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define BATCHES 4
#define CAPACITY 100

struct bench {
	struct batch_set set;
	struct batch *batches;
	uint16_t sealed[64];
	uint32_t sealed_count;
};

static void on_sealed(void *owner, struct batch *b) {
	struct bench *t = owner;

	t->sealed[t->sealed_count++] = b->index;
}

static int setup(void **state) {
	struct bench *t = calloc(1, sizeof(*t));

	t->batches = calloc(BATCHES, sizeof(*t->batches));
	for (uint16_t i = 0; i < BATCHES; i++) {
		t->batches[i].index = i;
		t->batches[i].capacity = CAPACITY;
	}
	*state = t;
	int ret = batch_set_init(&t->set, t->batches, BATCHES, 16, on_sealed, t);
	t->set.linger_ns = 1000;
	return ret;
}

static int teardown(void **state) {
	struct bench *t = *state;

	batch_set_fini(&t->set);
	free(t->batches);
	free(t);
	return 0;
}

// One record of `bytes` for (egress 0, topic); false if there is no room.
static bool add(struct bench *t, uint16_t topic, uint32_t bytes, uint64_t now_ns) {
	struct batch *b =
		batch_set_room(&t->set, &(struct batch_target) {.topic = topic}, bytes, now_ns);

	if (b == NULL)
		return false;
	batch_set_added(&t->set, b, bytes);
	return true;
}

static void come_back(struct bench *t, uint16_t index) {
	t->batches[index].outstanding = 0;
	batch_set_give(&t->set, &t->batches[index]);
}

static void full_batches_are_sealed_by_the_commit(void **state) {
	struct bench *t = *state;

	assert_true(add(t, 0, 60, 1));
	assert_true(add(t, 0, 60, 1));
	assert_int_equal(t->sealed_count, 0);
	batch_set_commit(&t->set);
	assert_int_equal(t->sealed_count, 1);
	assert_int_equal(t->batches[t->sealed[0]].count, 1);
	assert_int_equal(t->batches[t->sealed[0]].outstanding, 1);
}

static void entry_limit(void **state) {
	struct bench *t = *state;

	t->set.entries_max = 2;
	for (int i = 0; i < 3; i++)
		assert_true(add(t, 0, 1, 1));
	batch_set_commit(&t->set);
	assert_int_equal(t->sealed_count, 1);
	assert_int_equal(t->batches[t->sealed[0]].count, 2);
}

static void rollback_leaves_nothing(void **state) {
	struct bench *t = *state;

	assert_true(add(t, 0, 60, 1));
	batch_set_commit(&t->set);
	// Fills the open one, three more, and finds no fifth.
	assert_true(add(t, 0, 60, 1));
	assert_true(add(t, 1, 60, 1));
	assert_true(add(t, 2, 60, 1));
	assert_false(add(t, 2, 60, 1));
	batch_set_rollback(&t->set);
	// The batch that was full keeps what it had before; all others are free again.
	assert_int_equal(t->sealed_count, 1);
	assert_int_equal(t->batches[t->sealed[0]].count, 1);
	assert_int_equal(t->batches[t->sealed[0]].used, 60);
	assert_int_equal(t->set.free_count, BATCHES - 1);
	assert_int_equal(t->set.opened_count, 0);
}

static void too_large_for_any(void **state) {
	struct bench *t = *state;

	assert_false(add(t, 0, CAPACITY + 1, 1));
	batch_set_rollback(&t->set);
	assert_int_equal(t->set.free_count, BATCHES);
	assert_true(add(t, 0, CAPACITY, 1));
	batch_set_commit(&t->set);
}

static void sealed_in_the_order_of_opening(void **state) {
	struct bench *t = *state;

	add(t, 2, 1, 10);
	add(t, 0, 1, 20);
	add(t, 1, 1, 30);
	batch_set_commit(&t->set);
	assert_true(batch_set_seal_due(&t->set, 500) == 1010);
	assert_true(batch_set_seal_due(&t->set, 1020) == 1030);
	assert_int_equal(t->sealed_count, 2);
	assert_int_equal(t->batches[t->sealed[0]].topic, 2);
	assert_int_equal(t->batches[t->sealed[1]].topic, 0);
	batch_set_seal_all(&t->set);
	assert_int_equal(t->sealed_count, 3);
	assert_true(batch_set_seal_due(&t->set, 5000) == UINT64_MAX);
}

static void a_slow_sink_gets_fuller_batches(void **state) {
	struct bench *t = *state;

	for (uint16_t topic = 0; topic < 3; topic++)
		add(t, topic, 1, 10);
	batch_set_commit(&t->set);
	batch_set_seal_all(&t->set); // three of four are out
	add(t, 0, 1, 20);
	batch_set_commit(&t->set);
	assert_true(batch_set_seal_due(&t->set, 2000) == 3000);
	assert_int_equal(t->sealed_count, 3);
	add(t, 0, 1, 2500);
	batch_set_commit(&t->set);
	come_back(t, t->sealed[0]);
	batch_set_seal_due(&t->set, 3000);
	assert_int_equal(t->sealed_count, 4);
	assert_int_equal(t->batches[t->sealed[3]].count, 2);
}

// Nothing lingers while egress has nothing to do; as soon as it has, records gather again. A packed
// batch always waits for more.
static void an_idle_egress_gets_what_there_is(void **state) {
	struct bench *t = *state;
	struct batch_target packed = {.topic = 1, .packing = PACK_LINES, .pack_max = 50};

	batch_set_seal_unless_busy(&t->set);
	assert_int_equal(t->sealed_count, 0);
	add(t, 0, 1, 10);
	struct batch *b = batch_set_room(&t->set, &packed, 1, 10);
	assert_non_null(b);
	batch_set_added(&t->set, b, 1);
	batch_set_commit(&t->set);
	batch_set_seal_unless_busy(&t->set);
	assert_int_equal(t->sealed_count, 1);
	assert_int_equal(t->batches[t->sealed[0]].topic, 0);

	add(t, 0, 1, 20);
	batch_set_commit(&t->set);
	batch_set_seal_unless_busy(&t->set);
	assert_int_equal(t->sealed_count, 1);
	come_back(t, t->sealed[0]);
	batch_set_seal_unless_busy(&t->set);
	assert_int_equal(t->sealed_count, 2);
	// The packed one is still there when it is due.
	batch_set_seal_due(&t->set, 1010);
	assert_int_equal(t->sealed_count, 3);
	assert_int_equal(t->batches[t->sealed[2]].topic, 1);
}

// Packed batches against a list of what was added: each batch is of one partition, nothing is lost,
// however many partitions share the places of the hint.
static void packed_batches_are_of_one_partition(void **state) {
	struct bench *t = *state;
	uint32_t added = 0, found = 0;

	for (int round = 0; round < 200; round++) {
		for (int32_t p = 0; p < 3; p++) {
			// A multiple of the places: all of them share one.
			struct batch_target to = {
				.topic = 1,
				.packing = PACK_LINES,
				.pack_max = 8,
				.partition = p * BATCH_PACKED_PLACES,
			};
			struct batch *b = batch_set_room(&t->set, &to, 10, 5);
			assert_non_null(b);
			assert_int_equal(b->partition, to.partition);
			assert_int_equal(b->packing, PACK_LINES);
			b->entries[b->count].partition = to.partition;
			batch_set_added(&t->set, b, 10);
			added++;
		}
		batch_set_commit(&t->set);
		if (round % 3 == 2) {
			batch_set_seal_all(&t->set);
			for (uint32_t i = 0; i < t->sealed_count; i++) {
				struct batch *b = &t->batches[t->sealed[i]];
				for (uint32_t k = 0; k < b->count; k++)
					assert_int_equal(b->entries[k].partition, b->partition);
				found += b->count;
				come_back(t, t->sealed[i]);
			}
			t->sealed_count = 0;
		}
	}
	batch_set_seal_all(&t->set);
	for (uint32_t i = 0; i < t->sealed_count; i++)
		found += t->batches[t->sealed[i]].count;
	assert_int_equal(found, added);
}

static void packed_and_single_do_not_mix(void **state) {
	struct bench *t = *state;
	struct batch_target one = {.topic = 1};
	struct batch_target packed = {.topic = 1, .packing = PACK_LINES, .pack_max = 8};
	struct batch_target other = {.topic = 1, .packing = PACK_LINES, .pack_max = 9};
	struct batch *a = batch_set_room(&t->set, &one, 10, 5);
	struct batch *b = batch_set_room(&t->set, &packed, 10, 5);
	struct batch *c = batch_set_room(&t->set, &other, 10, 5);

	assert_true(a != b && b != c && a != c);
	batch_set_rollback(&t->set);
	assert_int_equal(t->set.free_count, t->set.count);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(full_batches_are_sealed_by_the_commit),
		CASE(entry_limit),
		CASE(rollback_leaves_nothing),
		CASE(too_large_for_any),
		CASE(sealed_in_the_order_of_opening),
		CASE(a_slow_sink_gets_fuller_batches),
		CASE(an_idle_egress_gets_what_there_is),
		CASE(packed_batches_are_of_one_partition),
		CASE(packed_and_single_do_not_mix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
