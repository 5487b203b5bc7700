// SPDX-License-Identifier: Apache-2.0
#include "dataplane/net/checksum.h"
#include "rig.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

// RFC 1071 section 3: the example, and the same bytes in the order of the wire.
static void the_example_of_rfc_1071(void **) {
	static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	assert_int_equal(ntohs(checksum_sum(bytes, 8)), 0xddf2);
}

static void every_length_and_alignment(void **) {
	static uint8_t bytes[2100];
	uint32_t state = 1;

	for (uint32_t i = 0; i < sizeof(bytes); i++) {
		state = state * 1103515245 + 12345;
		bytes[i] = (uint8_t)(state >> 16);
	}
	for (uint32_t at = 0; at < 9; at++)
		for (uint32_t len = 0; len < 2048; len++)
			if (ntohs(checksum_sum(bytes + at, len)) != sum16(bytes + at, len, 0))
				fail_msg("offset %u, %u bytes", at, len);
}

// Sums that carry at every step.
static void all_ones(void **) {
	static uint8_t bytes[65535];

	memset(bytes, 0xff, sizeof(bytes));
	for (uint32_t len = 2; len <= sizeof(bytes); len += len < 64 ? 2 : 4094)
		assert_int_equal(checksum_sum(bytes, len), 0xffff);
	assert_int_equal(ntohs(checksum_sum(bytes, 65535)), 0xff00);
	assert_int_equal(checksum_sum(bytes, 0), 0);
}

static void replacing_a_word(void **) {
	uint8_t bytes[8] = {8, 0, 0, 0, 0x12, 0x34, 0x56, 0x78};

	for (uint32_t v = 0; v < 0x10000; v++) {
		bytes[4] = (uint8_t)(v >> 8);
		bytes[5] = (uint8_t)v;
		bytes[0] = 8;
		uint16_t before = (uint16_t)~checksum_sum(bytes, 8);
		bytes[0] = 0;
		uint16_t after = checksum_replace(before, htons(0x0800), 0);
		assert_int_equal(checksum_fold(after + checksum_sum(bytes, 8)), 0xffff);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_1071),
		cmocka_unit_test(every_length_and_alignment),
		cmocka_unit_test(all_ones),
		cmocka_unit_test(replacing_a_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
