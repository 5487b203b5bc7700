// SPDX-License-Identifier: Apache-2.0
#include "pipelines/partition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

// The vectors of Kafka's own test of murmur2 (UtilsTest): any consumer that partitions with the
// Java default agrees with us.
static void murmur2_as_kafka_has_it(void **) {
	static const struct {
		const char *key;
		int32_t hash;
	} vectors[] = {
		{"21", -973932308},
		{"foobar", -790332482},
		{"a-little-bit-long-string", -985981536},
		{"a-little-bit-longer-string", -1486304829},
		{"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
		{"abc", 479470107},
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint32_t h = murmur2(view_of(vectors[i].key, (uint32_t)strlen(vectors[i].key)));
		if ((int32_t)h != vectors[i].hash)
			fail_msg("%s: %d", vectors[i].key, (int32_t)h);
	}
}

static void partitions_are_never_negative(void **) {
	// murmur2("21") is negative: its sign bit is cleared, not its value negated.
	assert_int_equal(partition_of(VIEW_LITERAL("21"), 7), (-973932308 & 0x7fffffff) % 7);
	for (uint32_t i = 0; i < 1000; i++) {
		int32_t p = partition_of(view_of(&i, sizeof(i)), 12);
		assert_in_range(p, 0, 11);
	}
	assert_int_equal(partition_of(VIEW_LITERAL(""), 1), 0);
}

// Each egress thread gets its share of the partitions of every topic, to within one.
static void egress_shares_are_even(void **) {
	for (uint16_t topic = 0; topic < 20; topic++) {
		uint32_t count[4] = {0};
		for (int32_t p = 0; p < 102; p++)
			count[egress_of(topic, p, 4)]++;
		for (int e = 0; e < 4; e++)
			assert_in_range(count[e], 25, 26);
	}
	assert_int_equal(egress_of(3, 5, 1), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(murmur2_as_kafka_has_it),
		cmocka_unit_test(partitions_are_never_negative),
		cmocka_unit_test(egress_shares_are_even),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
