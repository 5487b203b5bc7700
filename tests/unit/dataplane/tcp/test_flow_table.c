// SPDX-License-Identifier: Apache-2.0
// The table against a naive oracle, under random inserts, removals and colliding hashes.
#include "dataplane/tcp/flow_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FLOWS 700

static uint64_t hash_of[4 * FLOWS + 1]; // by index

static uint64_t next(uint64_t *x) {
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x * UINT64_C(0x2545f4914f6cdd1d);
}

static bool same_key(const void *, uint32_t index, const void *key) {
	return index == *(const uint32_t *)key;
}

static struct flow_table *table_make(struct flow_bucket **mem, uint32_t flows) {
	static struct flow_table t;
	uint32_t n = flow_table_buckets(flows);
	uint32_t o = flow_table_overflow(flows) + 1;

	*mem = aligned_alloc(64, (n + o) * sizeof(**mem));
	assert_non_null(*mem);
	memset(*mem, 0, (n + o) * sizeof(**mem));
	flow_table_init(&t, *mem, *mem + n, flows);
	return &t;
}

// `spread`: how many different hashes exist; a few make every bucket overflow.
static void oracle(uint64_t seed, uint64_t spread, bool may_refuse) {
	struct flow_bucket *mem;
	struct flow_table *t = table_make(&mem, FLOWS);
	bool present[4 * FLOWS + 1] = {0};
	uint32_t used = 0;
	uint64_t x = seed;

	for (uint32_t i = 1; i <= 4 * FLOWS; i++) {
		hash_of[i] = next(&x) % spread;
		if (spread > UINT32_MAX)
			hash_of[i] = next(&x);
	}
	for (int step = 0; step < 30000; step++) {
		uint32_t i = 1 + (uint32_t)((next(&x) >> 32) % (4 * FLOWS));
		if (present[i]) {
			assert_true(flow_table_remove(t, hash_of[i], i));
			present[i] = false;
			used--;
		} else if (used < FLOWS) {
			bool in = flow_table_insert(t, hash_of[i], i);
			assert_true(in || may_refuse);
			present[i] = in;
			used += in;
		}
		assert_int_equal(t->used, used);
		uint32_t k = 1 + (uint32_t)((next(&x) >> 32) % (4 * FLOWS));
		uint32_t found = flow_table_lookup(t, hash_of[k], same_key, NULL, &k);
		assert_int_equal(found, present[k] ? k : 0);
	}
	for (uint32_t i = 1; i <= 4 * FLOWS; i++)
		if (present[i])
			assert_true(flow_table_remove(t, hash_of[i], i));
	assert_int_equal(t->used, 0);
	assert_int_equal(t->overflow_used, 0);
	assert_false(flow_table_remove(t, hash_of[1], 1));
	free(mem);
}

static void matches_an_oracle(void **) {
	for (uint64_t seed = 1; seed <= 10; seed++)
		oracle(seed, UINT64_MAX, false);
}

static void survives_collisions(void **) {
	oracle(11, 3, true);
	oracle(12, 100, true);
}

// At the configured number of flows nothing is refused: 75 % load leaves the overflow unused or
// nearly so.
static void holds_what_it_is_made_for(void **) {
	for (uint32_t flows = 1000; flows <= 200000; flows *= 14) {
		struct flow_bucket *mem;
		struct flow_table *t = table_make(&mem, flows);
		uint64_t x = 99;
		for (uint32_t i = 1; i <= flows; i++)
			assert_true(flow_table_insert(t, next(&x), i));
		assert_true(t->overflow_used <= t->overflow_count / 4);
		free(mem);
	}
}

static void a_candidate_is_prefetched(void **) {
	struct flow_bucket *mem;
	struct flow_table *t = table_make(&mem, 100);

	assert_int_equal(flow_table_first(t, 5), 0);
	flow_table_insert(t, 5, 42);
	uint32_t key = 42;
	assert_int_equal(flow_table_lookup(t, 5, same_key, NULL, &key), 42);
	assert_int_equal(flow_table_first(t, 5), 42);
	free(mem);
}

// Every element is a candidate of one of its two buckets, and of the first one mostly: a lookup
// then waits for one line instead of two.
static void the_first_bucket_is_the_usual_one(void **) {
	enum { N = 20000 };
	struct flow_bucket *mem;
	struct flow_table *t = table_make(&mem, N);
	uint64_t x = 7;
	uint32_t first = 0, half = 0, second = 0;

	for (uint32_t i = 1; i <= N; i++) {
		uint64_t hash = next(&x);
		assert_true(flow_table_insert(t, hash, i));
		first += flow_table_first(t, hash) == i;
		second += flow_table_second(t, hash) == i;
		if (i == N / 2)
			half = first;
	}
	assert_true(half > N / 2 * 9 / 10);
	assert_true(first > N * 7 / 10);
	assert_true(first + second > N * 99 / 100);
	free(mem);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_an_oracle),
		cmocka_unit_test(survives_collisions),
		cmocka_unit_test(holds_what_it_is_made_for),
		cmocka_unit_test(a_candidate_is_prefetched),
		cmocka_unit_test(the_first_bucket_is_the_usual_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
