// SPDX-License-Identifier: Apache-2.0
#include "pipelines/siphash128.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

// The designers' vectors: key 00..0f, input 00, 00 01, ...
static void the_designers_vectors(void **) {
	static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	static const char *const want[] = {
		"\xa3\x81\x7f\x04\xba\x25\xa8\xe6\x6d\xf6\x72\x14\xc7\x55\x02\x93",
		"\xda\x87\xc1\xd8\x6b\x99\xaf\x44\x34\x76\x59\x11\x9b\x22\xfc\x45",
		"\x81\x77\x22\x8d\xa4\xa4\x5d\xc7\xfc\xa3\x8b\xde\xf6\x0a\xff\xe4",
	};
	static const uint8_t input[3] = {0, 1, 2};

	for (uint32_t i = 0; i < 3; i++) {
		struct siphash128 h = siphash128(key, view_of(input, i));
		assert_memory_equal(&h, want[i], 16);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_designers_vectors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
