// SPDX-License-Identifier: Apache-2.0
#include "dataplane/mqtt/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void items_are_taken_once_and_the_warm_one_first(void **) {
	struct mqtt_pool p;

	assert_int_equal(mqtt_pool_init(&p, 3, 16, "test", false), 0);
	assert_int_equal(mqtt_pool_take(&p), 0);
	assert_int_equal(mqtt_pool_take(&p), 1);
	mqtt_pool_give(&p, 0);
	mqtt_pool_give(&p, 1);
	assert_int_equal(mqtt_pool_take(&p), 1);
	assert_int_equal(mqtt_pool_take(&p), 0);
	assert_int_equal(mqtt_pool_take(&p), 2);
	assert_int_equal(mqtt_pool_take(&p), MQTT_NONE);
	assert_int_equal(mqtt_pool_memory(&p).reserved, 48);
	assert_int_equal(mqtt_pool_memory(&p).used, 3);
	mqtt_pool_give(&p, 1);
	assert_int_equal(mqtt_pool_take(&p), 1);
	assert_int_equal(p.free, 0);
	mqtt_pool_fini(&p);
}

// What was given back comes out clean.
static void items_are_zeroed(void **) {
	struct mqtt_pool p;

	assert_int_equal(mqtt_pool_init(&p, 1, 16, "test", true), 0);
	uint32_t i = mqtt_pool_take(&p);
	memset(mqtt_pool_at(&p, i), 0xff, 16);
	mqtt_pool_give(&p, i);
	assert_int_equal(mqtt_pool_take(&p), i);
	for (unsigned n = 0; n < 16; n++)
		assert_int_equal(((uint8_t *)mqtt_pool_at(&p, i))[n], 0);
	mqtt_pool_fini(&p);
}

// Strings of every length around the chunk borders come back whole, in any number of parts, and
// every chunk returns.
static void chains_keep_strings_of_every_length(void **) {
	struct mqtt_chain c;
	uint8_t in[300], out[300];

	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	assert_int_equal(mqtt_chain_init(&c, 16, 32, "test", false), 0);
	for (uint32_t n = 0; n <= 300; n++) {
		struct view parts[2] = {view_of(in, n / 3), view_of(in + n / 3, n - n / 3)};
		uint32_t h = mqtt_chain_store(&c, parts, 2);
		assert_int_not_equal(h, MQTT_NONE);
		assert_int_equal(mqtt_chain_len(&c, h), n);
		assert_int_equal(mqtt_chain_cost(&c, n), (uint64_t)(16 - c.chunks.free) * 32);
		mqtt_chain_load(&c, h, out);
		assert_memory_equal(in, out, n);
		mqtt_chain_drop(&c, h);
		assert_int_equal(c.chunks.free, 16);
	}
	mqtt_chain_fini(&c);
}

static void extended_byte_by_byte(void **) {
	struct mqtt_chain c;
	uint8_t in[200], out[200];

	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i ^ 0x5a);
	assert_int_equal(mqtt_chain_init(&c, 8, 32, "test", false), 0);
	uint32_t h = mqtt_chain_store(&c, NULL, 0);
	uint32_t tail = h;
	for (unsigned i = 0; i < sizeof(in); i++)
		assert_true(mqtt_chain_extend(&c, h, &tail, view_of(in + i, 1)));
	assert_int_equal(tail, mqtt_chain_tail(&c, h));
	mqtt_chain_load(&c, h, out);
	assert_memory_equal(in, out, sizeof(in));
	mqtt_chain_drop(&c, h);
	mqtt_chain_fini(&c);
}

static void without_room_nothing_is_taken(void **) {
	struct mqtt_chain c;
	uint8_t in[256] = {0};

	assert_int_equal(mqtt_chain_init(&c, 4, 32, "test", false), 0);
	assert_int_equal(mqtt_chain_store(&c, &(struct view) {in, 109}, 1), MQTT_NONE);
	assert_int_equal(c.chunks.free, 4);
	uint32_t h = mqtt_chain_store(&c, &(struct view) {in, 108}, 1);
	uint32_t tail = mqtt_chain_tail(&c, h);
	assert_int_not_equal(h, MQTT_NONE);
	assert_int_equal(c.chunks.free, 0);
	assert_false(mqtt_chain_extend(&c, h, &tail, view_of(in, 1)));
	assert_int_equal(mqtt_chain_len(&c, h), 108);
	mqtt_chain_drop(&c, h);
	mqtt_chain_drop(&c, MQTT_NONE);
	assert_int_equal(c.chunks.free, 4);
	mqtt_chain_fini(&c);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_are_taken_once_and_the_warm_one_first),
		cmocka_unit_test(items_are_zeroed),
		cmocka_unit_test(chains_keep_strings_of_every_length),
		cmocka_unit_test(extended_byte_by_byte),
		cmocka_unit_test(without_room_nothing_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
