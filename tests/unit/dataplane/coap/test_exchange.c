// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coap/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CAPACITY 64

static void done(struct exchange *e, uint8_t code) {
	e->state = EXCHANGE_DONE;
	e->code = code;
}

static uint64_t key_of(uint32_t i) {
	return (i + 1) * 0x9e3779b97f4a7c15;
}

static void entry_and_index_fit_24_bytes(void **) {
	assert_true(EXCHANGE_BYTES <= 24);
}

static void rfc7252_4_8_2_lifetimes(void **) {
	struct exchange_table t;

	assert_int_equal(exchange_table_init(&t, CAPACITY), 0);
	done(exchange_insert(&t, key_of(1), 1, true, 1000), 68);
	done(exchange_insert(&t, key_of(2), 2, false, 1000), 68);
	assert_non_null(exchange_lookup(&t, key_of(1), 1000 + EXCHANGE_LIFETIME_S - 1));
	assert_null(exchange_lookup(&t, key_of(1), 1000 + EXCHANGE_LIFETIME_S));
	assert_non_null(exchange_lookup(&t, key_of(2), 1000 + NON_LIFETIME_S - 1));
	assert_null(exchange_lookup(&t, key_of(2), 1000 + NON_LIFETIME_S));
	assert_int_equal(exchange_expire(&t, 1001, 100), 1000 + EXCHANGE_LIFETIME_S);
	assert_int_equal(exchange_expire(&t, 1000 + EXCHANGE_LIFETIME_S, 100), UINT32_MAX);
	assert_int_equal(t.count, 0);
	exchange_table_fini(&t);
}

static void a_pending_entry_outlives_its_lifetime(void **) {
	struct exchange_table t;

	assert_int_equal(exchange_table_init(&t, CAPACITY), 0);
	exchange_insert(&t, key_of(1), 1, true, 0);
	assert_int_not_equal(exchange_expire(&t, 1000, 100), UINT32_MAX);
	assert_non_null(exchange_lookup(&t, key_of(1), 1000));
	exchange_table_fini(&t);
}

static void when_full_the_oldest_completed_goes_first(void **) {
	struct exchange_table t;

	assert_int_equal(exchange_table_init(&t, 4), 0);
	exchange_insert(&t, key_of(0), 0, true, 1); // stays pending
	done(exchange_insert(&t, key_of(1), 1, true, 2), 68);
	done(exchange_insert(&t, key_of(2), 2, true, 3), 68);
	done(exchange_insert(&t, key_of(3), 3, true, 4), 68);
	exchange_insert(&t, key_of(4), 4, true, 5);
	assert_non_null(exchange_lookup(&t, key_of(0), 5));
	assert_null(exchange_lookup(&t, key_of(1), 5));
	assert_non_null(exchange_lookup(&t, key_of(2), 5));
	assert_int_equal(t.evicted, 1);
	exchange_table_fini(&t);
}

// A place is a hint: an entry that has moved, or has gone, is not found where it stood.
static void an_entry_is_found_at_its_place_until_it_moves(void **) {
	struct exchange_table t;

	assert_int_equal(exchange_table_init(&t, 4), 0);
	uint32_t place = exchange_place(&t, exchange_insert(&t, key_of(0), 0, true, 1));
	assert_ptr_equal(exchange_at(&t, place, key_of(0)), exchange_lookup(&t, key_of(0), 1));
	assert_null(exchange_at(&t, place, key_of(1)));
	assert_null(exchange_at(&t, 4, key_of(0)));
	done(exchange_insert(&t, key_of(1), 1, true, 100), 68);
	exchange_expire(&t, 1 + EXCHANGE_LIFETIME_S, 1); // still pending: it goes to the end
	struct exchange *moved = exchange_lookup(&t, key_of(0), 5);
	assert_non_null(moved);
	assert_int_not_equal(exchange_place(&t, moved), place);
	assert_null(exchange_at(&t, place, key_of(0)));
	assert_ptr_equal(exchange_at(&t, exchange_place(&t, moved), key_of(0)), moved);
	exchange_table_fini(&t);
}

static void when_all_are_pending_one_goes_and_is_counted(void **) {
	struct exchange_table t;

	assert_int_equal(exchange_table_init(&t, 4), 0);
	for (uint32_t i = 0; i < 5; i++)
		exchange_insert(&t, key_of(i), i, true, i);
	assert_int_equal(t.count, 4);
	assert_int_equal(t.evicted, 1);
	assert_non_null(exchange_lookup(&t, key_of(4), 5));
	exchange_table_fini(&t);
}

static void a_message_id_used_again_takes_the_entry_over(void **) {
	struct exchange_table t;

	assert_int_equal(exchange_table_init(&t, 4), 0);
	done(exchange_insert(&t, key_of(1), 1, true, 1), 68);
	exchange_insert(&t, key_of(1), 2, true, 2);
	assert_int_equal(t.count, 1);
	assert_int_equal(exchange_lookup(&t, key_of(1), 2)->fingerprint, 2);
	exchange_table_fini(&t);
}

// Against the naive table: an array searched from end to end.
struct naive {
	uint64_t key;
	uint32_t fingerprint;
	bool live;
};

static void random_operations_agree_with_a_naive_table(void **) {
	struct exchange_table t;
	struct naive naive[200] = {0};
	uint64_t inserted[200] = {0};
	uint64_t clock = 0;

	srandom(7);
	assert_int_equal(exchange_table_init(&t, CAPACITY), 0);
	for (uint32_t step = 0; step < 200000; step++) {
		uint32_t i = (uint32_t)random() % 200;
		// Few different upper halves, so that home positions collide.
		uint64_t key = (uint64_t)(i % 23) << 59 | i;
		struct exchange *e = exchange_lookup(&t, key, 1);
		bool expect = naive[i].live;
		assert_int_equal(e != NULL, expect);
		if (e != NULL)
			assert_int_equal(e->fingerprint, naive[i].fingerprint);
		if (random() % 3 != 0)
			continue;
		if (!expect && t.count == CAPACITY) {
			// The oldest insertion makes room.
			uint32_t oldest = 0;
			uint64_t at = UINT64_MAX;
			for (uint32_t n = 0; n < 200; n++)
				if (naive[n].live && inserted[n] < at) {
					at = inserted[n];
					oldest = n;
				}
			naive[oldest].live = false;
		}
		if (!expect)
			inserted[i] = ++clock;
		naive[i] = (struct naive) {key, step, true};
		done(exchange_insert(&t, key, step, true, 1), 68);
	}
	exchange_table_fini(&t);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_and_index_fit_24_bytes),
		cmocka_unit_test(rfc7252_4_8_2_lifetimes),
		cmocka_unit_test(a_pending_entry_outlives_its_lifetime),
		cmocka_unit_test(when_full_the_oldest_completed_goes_first),
		cmocka_unit_test(an_entry_is_found_at_its_place_until_it_moves),
		cmocka_unit_test(when_all_are_pending_one_goes_and_is_counted),
		cmocka_unit_test(a_message_id_used_again_takes_the_entry_over),
		cmocka_unit_test(random_operations_agree_with_a_naive_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
