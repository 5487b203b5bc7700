// SPDX-License-Identifier: Apache-2.0
#include "config/address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void text_and_back(void **) {
	static const char *const texts[] = {
		"10.77.0.1",
		"10.77.0.1/24",
		"0.0.0.0/0",
		"255.255.255.255",
		"fd77::1/64",
		"::",
		"::/0",
		"fe80::1:2:3:4/128",
	};
	char text[IP_PREFIX_TEXT_MAX];
	struct ip_prefix p;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(ip_prefix_parse(texts[i], &p), 0);
		ip_prefix_format(&p, text);
		if (strcmp(texts[i], "fe80::1:2:3:4/128") == 0)
			assert_string_equal(text, "fe80::1:2:3:4"); // one host needs no length
		else
			assert_string_equal(text, texts[i]);
	}
}

static void nonsense_is_refused_and_nothing_written(void **) {
	static const char *const texts[] = {
		"",
		"/",
		"/24",
		"10.77.0",
		"10.77.0.256",
		"10.77.0.1/",
		"10.77.0.1/33",
		"10.77.0.1/-1",
		"10.77.0.1/+8",
		"10.77.0.1/ 8",
		"10.77.0.1/0x8",
		"10.77.0.1/0024",
		"10.77.0.1/24/24",
		"fd77::1/129",
		"fd77::1%eth0",
		":::",
		"1:2:3:4:5:6:7:8:9",
		"a-very-long-text-that-is-no-address-whatever-one-may-think-of-it",
	};
	const struct ip_prefix before = {.family = 99};
	struct ip_prefix p = before;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (ip_prefix_parse(texts[i], &p) != -EINVAL)
			fail_msg("'%s' was accepted", texts[i]);
		assert_memory_equal(&p, &before, sizeof(p));
	}
}

static bool contains(const char *prefix, const char *host) {
	struct ip_prefix p, h;

	assert_int_equal(ip_prefix_parse(prefix, &p), 0);
	assert_int_equal(ip_prefix_parse(host, &h), 0);
	return ip_prefix_contains(&p, h.family, h.addr);
}

static void a_prefix_contains_its_hosts_and_no_other(void **) {
	assert_true(contains("10.77.0.1/24", "10.77.0.255"));
	assert_false(contains("10.77.0.1/24", "10.77.1.0"));
	assert_true(contains("10.77.0.0/23", "10.77.1.0"));
	assert_false(contains("10.77.0.0/23", "10.77.2.0"));
	assert_true(contains("0.0.0.0/0", "1.2.3.4"));
	assert_true(contains("10.0.0.1", "10.0.0.1"));
	assert_false(contains("10.0.0.1", "10.0.0.2"));
	assert_true(contains("fd77::/63", "fd77:0:0:1::9"));
	assert_false(contains("fd77::/63", "fd77:0:0:2::9"));
	assert_false(contains("0.0.0.0/0", "::1")); // families do not mix
	assert_false(contains("::/0", "1.2.3.4"));
}

// Against the definition, bit by bit, for every length.
static void every_length_agrees(uint8_t family, unsigned bits) {
	for (unsigned len = 0; len <= bits; len++) {
		struct ip_prefix p = {.family = family, .prefix_len = (uint8_t)len};
		memset(p.addr, 0xa5, bits / 8);
		assert_true(ip_prefix_contains(&p, family, p.addr));
		for (unsigned bit = 0; bit < bits; bit++) {
			uint8_t host[16];
			memcpy(host, p.addr, sizeof(host));
			host[bit / 8] ^= (uint8_t)(0x80 >> (bit % 8));
			assert_int_equal(ip_prefix_contains(&p, family, host), bit >= len);
		}
	}
}

static void every_length_agrees_with_the_definition(void **) {
	every_length_agrees(4, 32);
	every_length_agrees(6, 128);
}

static void no_family_contains_nothing(void **) {
	struct ip_prefix none = {};
	uint8_t host[16] = {};

	assert_false(ip_prefix_contains(&none, 0, host));
	assert_false(ip_prefix_contains(&none, 4, host));
}

static void equal_means_the_same_network(void **) {
	struct ip_prefix a, b;

	ip_prefix_parse("10.77.0.1/24", &a);
	ip_prefix_parse("10.77.0.9/24", &b);
	assert_true(ip_prefix_equal(&a, &b));
	ip_prefix_parse("10.77.0.1/25", &b);
	assert_false(ip_prefix_equal(&a, &b));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back),
		cmocka_unit_test(nonsense_is_refused_and_nothing_written),
		cmocka_unit_test(a_prefix_contains_its_hosts_and_no_other),
		cmocka_unit_test(every_length_agrees_with_the_definition),
		cmocka_unit_test(no_family_contains_nothing),
		cmocka_unit_test(equal_means_the_same_network),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
