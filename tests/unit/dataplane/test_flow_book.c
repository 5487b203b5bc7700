// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t secret[2] = {3, 4};
static struct flow_book *b;
static char name[CHANNEL_NAME_MAX];

static int setup(void **) {
	return flow_book_create(64, secret, &b);
}

static int teardown(void **) {
	flow_book_destroy(b);
	return 0;
}

static struct flow_id id_of(uint32_t n) {
	struct flow_id id = {
		.peer = {.family = 4, .bytes = {10, 0, (uint8_t)(n >> 8), (uint8_t)n}}
	};

	snprintf(name, sizeof(name), "dev-%u", n);
	id.device = (struct view) {(const uint8_t *)name, (uint32_t)strlen(name)};
	flow_book_id(b, &id);
	return id;
}

static struct flow_entry *note(uint32_t n, int64_t at_ns) {
	struct flow_id id = id_of(n);
	struct flow_entry *e = flow_book_entry(b, flow_book_hash(b, &id), &id);

	e->records++;
	e->seen_ns = at_ns;
	return e;
}

static void a_flow_is_found_again_whatever_its_port(void **) {
	struct flow_id id = id_of(1);

	note(1, 10);
	id.peer.port = 99;
	assert_int_equal(flow_book_entry(b, flow_book_hash(b, &id), &id)->records, 1);
	id.peer.realm = 1;
	assert_null(flow_book_find(b, &id));
	id.peer.realm = 0;
	id.transport = 1;
	assert_null(flow_book_find(b, &id));
	id = id_of(2);
	assert_null(flow_book_find(b, &id));
}

// Against the plainest of tables: who was heard of last is never forgotten for one heard of before.
static void a_flood_forgets_the_longest_silent(void **) {
	uint32_t kept = 0;

	for (uint32_t n = 0; n < 1000; n++)
		note(n, 1 + n);
	for (uint32_t n = 0; n < 1000; n++) {
		struct flow_id id = id_of(n);
		kept += flow_book_find(b, &id) != NULL;
	}
	assert_int_equal(kept, flow_book_capacity(b));
	assert_int_equal(flow_book_forgotten(b), 1000 - kept);
	struct flow_id last = id_of(999);
	assert_non_null(flow_book_find(b, &last));
	for (uint32_t i = 0; i < flow_book_capacity(b); i++) {
		uint32_t older = 0, set = i / FLOW_WAYS * FLOW_WAYS;
		for (uint32_t w = 0; w < FLOW_WAYS; w++)
			older += flow_book_at(b, set + w)->seen_ns > 0;
		assert_int_equal(older, FLOW_WAYS);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_flow_is_found_again_whatever_its_port, setup, teardown
		),
		cmocka_unit_test_setup_teardown(
			a_flood_forgets_the_longest_silent, setup, teardown
		),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
