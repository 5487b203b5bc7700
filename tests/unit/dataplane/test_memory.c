// SPDX-License-Identifier: Apache-2.0
// The account of memory, and the pages behind it.
#include "dataplane/memory.h"
#include "dataplane/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static size_t resident(void *p, size_t bytes) {
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
	unsigned char in[2048];

	assert_true(bytes / page <= sizeof(in));
	assert_int_equal(mincore(p, bytes, in), 0);
	for (size_t i = 0; i < bytes / page; i++)
		n += in[i] & 1;
	return n * page;
}

static void pages_are_there_from_the_start(void **) {
	size_t bytes = 3u << 20;
	uint8_t *p = pages_map(bytes, "test", true);

	assert_non_null(p);
	assert_int_equal((uintptr_t)p % (2u << 20), 0);
	assert_int_equal(resident(p, bytes), bytes);
	for (size_t i = 0; i < bytes; i += 4096)
		assert_int_equal(p[i], 0);
	pages_unmap(p, bytes);
}

static void pages_come_with_their_use(void **) {
	size_t bytes = 1u << 20;
	uint8_t *p = pages_map(bytes, "test", false);

	assert_non_null(p);
	assert_int_equal(resident(p, bytes), 0);
	p[12345] = 1;
	assert_true(resident(p, bytes) > 0);
	pages_unmap(p, bytes);
	pages_unmap(NULL, 1);
}

static void of_a_reservation_only_what_is_touched_is_there(void **) {
	size_t bytes = 8u << 20;
	uint8_t *p = pages_reserve(bytes, true);

	assert_non_null(p);
	p[5u << 20] = 1;
	assert_true(resident(p, bytes) > 0 && resident(p, bytes) < bytes);
	pages_wipe(p, bytes);
	pages_wipe(NULL, 1);
}

static void more_than_there_is_is_refused(void **) {
	assert_null(pages_map(SIZE_MAX / 2, "test", false));
	assert_null(pages_reserve(SIZE_MAX / 2, false));
}

// Only what scales with connections and sessions is in the price of an idle one, and a fraction of
// a byte counts as one.
static void an_idle_connection(void **) {
	struct memory_account a = {0}, sum = {0};

	assert_int_equal(memory_idle_bytes(&a), 0);
	a.part[MEMORY_TCP_BLOCKS] = (struct memory_use) {1920, 10, 4};
	a.part[MEMORY_MQTT_SESSIONS] = (struct memory_use) {1000, 16, 16};
	a.part[MEMORY_MQTT_BUSY] = (struct memory_use) {99999, 7, 1};
	a.part[MEMORY_DPDK] = (struct memory_use) {1 << 20, 1 << 20, 512};
	assert_int_equal(memory_idle_bytes(&a), 192 + 63);
	assert_int_equal(memory_used(&a.part[MEMORY_TCP_BLOCKS]), 768);
	assert_int_equal(memory_used(&a.part[MEMORY_DPDK]), 512);
	assert_int_equal(memory_used(&a.part[MEMORY_DEVICES]), 0);
	assert_int_equal(memory_reserved(&a), 1920 + 1000 + 99999 + (1 << 20));

	// Two workers: the price of one connection is not twice as high.
	memory_add(&sum, &a);
	memory_add(&sum, &a);
	assert_int_equal(memory_idle_bytes(&sum), 192 + 63);
	assert_int_equal(memory_reserved(&sum), 2 * memory_reserved(&a));
}

static void every_part_has_a_name(void **) {
	for (enum memory_part p = 0; p < MEMORY_PART_COUNT; p++) {
		assert_non_null(memory_part_label(p));
		assert_non_null(memory_scale_label(memory_part_scale(p)));
		for (enum memory_part q = 0; q < p; q++)
			assert_string_not_equal(memory_part_label(p), memory_part_label(q));
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_there_from_the_start),
		cmocka_unit_test(pages_come_with_their_use),
		cmocka_unit_test(of_a_reservation_only_what_is_touched_is_there),
		cmocka_unit_test(more_than_there_is_is_refused),
		cmocka_unit_test(an_idle_connection),
		cmocka_unit_test(every_part_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
