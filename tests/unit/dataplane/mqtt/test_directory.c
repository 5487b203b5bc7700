// SPDX-License-Identifier: Apache-2.0
#include "dataplane/mqtt/directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct mqtt_holder holder(uint32_t slot) {
	return (struct mqtt_holder) {.slot = slot, .worker = 3, .generation = 9};
}

static void one_holder_per_key(void **) {
	struct mqtt_directory d;
	struct mqtt_holder was;

	assert_int_equal(mqtt_directory_init(&d, 8, false), 0);
	assert_int_equal(mqtt_directory_claim(&d, 77, 1, holder(5), &was), MQTT_CLAIM_NEW);
	assert_int_equal(mqtt_directory_claim(&d, 77, 1, holder(6), &was), MQTT_CLAIM_TAKEN);
	assert_true(mqtt_holder_equal(was, holder(5)));
	assert_int_equal(mqtt_directory_claim(&d, 77, 2, holder(7), &was), MQTT_CLAIM_REFUSED);
	assert_int_equal(mqtt_directory_claim(&d, 77, 1, holder(8), &was), MQTT_CLAIM_TAKEN);
	assert_true(mqtt_holder_equal(was, holder(6)));
	assert_false(mqtt_directory_release(&d, 77, holder(6)));
	assert_true(mqtt_directory_release(&d, 77, holder(8)));
	assert_int_equal(d.count, 0);
	mqtt_directory_fini(&d);
}

static void full(void **) {
	struct mqtt_directory d;
	struct mqtt_holder was;

	assert_int_equal(mqtt_directory_init(&d, 8, false), 0);
	for (uint64_t k = 1; k <= 8; k++)
		assert_int_equal(
			mqtt_directory_claim(&d, k << 40, 1, holder(0), &was), MQTT_CLAIM_NEW
		);
	assert_int_equal(mqtt_directory_claim(&d, 9ull << 40, 1, holder(0), &was), MQTT_CLAIM_FULL);
	assert_int_equal(
		mqtt_directory_claim(&d, 1ull << 40, 1, holder(1), &was), MQTT_CLAIM_TAKEN
	);
	mqtt_directory_fini(&d);
}

// Random claims and releases against an array, with keys that share few homes.
static void agrees_with_an_array(void **) {
	enum { KEYS = 64 };
	struct mqtt_directory d;
	struct mqtt_holder was;
	uint64_t x = 99;
	uint32_t held[KEYS] = {0}; // slot + 1

	assert_int_equal(mqtt_directory_init(&d, KEYS, false), 0);
	for (uint32_t step = 1; step < 200000; step++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		uint32_t k = (uint32_t)(x >> 40) % KEYS;
		uint64_t key = (uint64_t)(k % 5) << 60 | (k + 1);
		if ((x >> 33 & 1) != 0) {
			enum mqtt_claim c = mqtt_directory_claim(&d, key, 1, holder(step), &was);
			assert_int_equal(c, held[k] != 0 ? MQTT_CLAIM_TAKEN : MQTT_CLAIM_NEW);
			if (held[k] != 0)
				assert_int_equal(was.slot, held[k]);
			held[k] = step;
		} else {
			bool gone = mqtt_directory_release(&d, key, holder(held[k]));
			assert_int_equal(gone, held[k] != 0);
			held[k] = 0;
		}
	}
	mqtt_directory_fini(&d);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_holder_per_key),
		cmocka_unit_test(full),
		cmocka_unit_test(agrees_with_an_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
