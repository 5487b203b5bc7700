// SPDX-License-Identifier: Apache-2.0
#include "parsers/mix_hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t key[2] = {0x0123456789abcdef, 0xfedcba9876543210};

// Half of the result's bits, give or take, hang on every bit of what is hashed.
static void every_bit_counts(void **) {
	uint8_t bytes[96];

	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37);
	for (uint32_t len = 1; len <= sizeof(bytes); len++) {
		uint64_t before = mix_hash(key, bytes, len);
		for (uint32_t bit = 0; bit < 8 * len; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			int changed = __builtin_popcountll(before ^ mix_hash(key, bytes, len));
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_in_range(changed, 10, 54);
		}
	}
}

static void length_and_key_count(void **) {
	static const uint8_t zero[64];
	const uint64_t other[2] = {key[0] ^ 1, key[1]}, third[2] = {key[0], key[1] ^ 1};

	for (uint32_t a = 0; a < sizeof(zero); a++) {
		for (uint32_t b = 0; b < a; b++)
			assert_true(mix_hash(key, zero, a) != mix_hash(key, zero, b));
		assert_true(mix_hash(key, zero, a) != mix_hash(other, zero, a));
		assert_true(mix_hash(key, zero, a) != mix_hash(third, zero, a));
	}
}

static int by_value(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

// A device's counter: what is nearly alike is told apart in the 32 bits that are kept of a payload,
// too. Of n(n-1)/2 pairs one in 2^32 is expected to agree: two of a hundred thousand.
static void counters_do_not_collide(void **) {
	enum { COUNT = 100000 };
	uint64_t *seen = calloc(COUNT, sizeof(*seen));
	unsigned whole = 0, half = 0;

	assert_non_null(seen);
	for (uint64_t n = 0; n < COUNT; n++) {
		uint64_t in[3] = {7, n * 1000000, UINT64_MAX};
		seen[n] = mix_hash(key, in, sizeof(in));
	}
	qsort(seen, COUNT, sizeof(*seen), by_value);
	for (unsigned n = 1; n < COUNT; n++)
		whole += seen[n] == seen[n - 1];
	for (unsigned n = 0; n < COUNT; n++)
		seen[n] = (uint32_t)seen[n];
	qsort(seen, COUNT, sizeof(*seen), by_value);
	for (unsigned n = 1; n < COUNT; n++)
		half += seen[n] == seen[n - 1];
	free(seen);
	assert_int_equal(whole, 0);
	assert_in_range(half, 0, 10);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(length_and_key_count),
		cmocka_unit_test(counters_do_not_collide),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
