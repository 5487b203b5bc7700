// SPDX-License-Identifier: Apache-2.0
#include "parsers/payload.h"
#include "parsers/utf8.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

// RFC 3629, section 4, written the slow way: decode, then judge the code point.
static bool valid_slowly(const uint8_t *p, uint32_t len) {
	while (len > 0) {
		uint32_t n = p[0] < 0x80  ? 1
			: p[0] >> 5 == 6  ? 2
			: p[0] >> 4 == 14 ? 3
			: p[0] >> 3 == 30 ? 4
					  : 0;
		static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
		if (n == 0 || n > len)
			return false;
		uint32_t c = n == 1 ? p[0] : p[0] & (0x7f >> n);
		for (uint32_t i = 1; i < n; i++) {
			if (p[i] >> 6 != 2)
				return false;
			c = c << 6 | (p[i] & 63);
		}
		if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return false;
		p += n;
		len -= n;
	}
	return true;
}

static void agrees_with_the_definition(void **) {
	uint8_t bytes[24];

	// Every pair of leading bytes, and random ones behind them, at every distance from the
	// edge.
	srand(1);
	for (uint32_t i = 0; i < 0x10000 * 4; i++) {
		uint32_t len = 2 + (uint32_t)rand() % 20;
		uint32_t at = (uint32_t)rand() % (len - 1);
		memset(bytes, 'a', sizeof(bytes));
		for (uint32_t k = at + 2; k < len && k < at + 4; k++)
			bytes[k] = (uint8_t)(0x80 + rand() % 64);
		bytes[at] = (uint8_t)(i >> 8);
		bytes[at + 1] = (uint8_t)i;
		struct view v = guard_view(bytes, len);
		if (utf8_valid(v) != valid_slowly(bytes, len))
			fail_msg("%02x %02x at %u of %u", bytes[at], bytes[at + 1], at, len);
	}
	assert_true(utf8_valid(guard_view("", 0)));
}

static void device_ids(void **) {
	char longest[DEVICE_ID_MAX + 2];

	memset(longest, 'a', sizeof(longest));
	assert_true(device_id_valid(VIEW_LITERAL("urn:dev:mac:00")));
	assert_true(device_id_valid(VIEW_LITERAL("Z\xc3\xa4hler 4")));
	assert_true(device_id_valid(view_of(longest, DEVICE_ID_MAX)));
	assert_false(device_id_valid(view_of(longest, DEVICE_ID_MAX + 1)));
	assert_false(device_id_valid(VIEW_LITERAL("")));
	assert_false(device_id_valid(VIEW_LITERAL("a/b")));
	assert_false(device_id_valid(VIEW_LITERAL("a+")));
	assert_false(device_id_valid(VIEW_LITERAL("#")));
	assert_false(device_id_valid(VIEW_LITERAL("a\0")));
	assert_false(device_id_valid(VIEW_LITERAL("a\x7f")));
	assert_false(device_id_valid(VIEW_LITERAL("\xff")));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_definition),
		cmocka_unit_test(device_ids),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
