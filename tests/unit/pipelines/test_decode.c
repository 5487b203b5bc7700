// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/decode.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct burst burst;
static struct payload_decoder *decoder;
static struct config_route route;
static struct profile profile;

static int setup(void **) {
	decoder = payload_decoder_init(aligned_alloc(64, payload_decoder_size()));
	profile.route = &route;
	profile.hints.device_key = VIEW_LITERAL("dev");
	return 0;
}

static struct item *decode_one(const struct message *m) {
	burst.item_count = 1;
	burst.items[0] = (struct item) {.m = *m};
	assert_int_equal(decode_burst(decoder, &burst, 0), 1);
	return &burst.items[0];
}

static struct message message(enum device_from from, const char *payload) {
	profile.device_from = from;
	return (struct message) {
		.profile = &profile,
		.format = PAYLOAD_JSON,
		.payload = view_of(payload, (uint32_t)strlen(payload)),
		.token = TOKEN_NONE,
	};
}

static void assert_device(const char *want) {
	struct view got = burst.records[0].device;

	assert_int_equal(burst.record_count, 1);
	if (!view_equal(got, view_of(want, (uint32_t)strlen(want))))
		fail_msg("got %.*s, want %s", (int)got.len, (const char *)got.p, want);
}

static void device_from_a_path_segment(void **) {
	static const struct {
		const char *path;
		uint8_t segment;
		const char *device; // NULL: refused
	} cases[] = {
		{"/t/dev-1/env", 1, "dev-1"},
		{"t/dev-1/env", 1, "dev-1"},
		{"t/dev-1", 1, "dev-1"},
		{"/dev-1", 0, "dev-1"},
		{"dev-1/", 0, "dev-1"},
		{"t", 1, NULL},
		{"t//env", 1, NULL},
		{"", 0, NULL},
		{"a/b", 200, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message m = message(DEVICE_FROM_PATH, "{\"x\":1}");
		m.path = view_of(cases[i].path, (uint32_t)strlen(cases[i].path));
		profile.device_segment = cases[i].segment;
		struct item *it = decode_one(&m);
		if ((it->state == ITEM_GOING) != (cases[i].device != NULL))
			fail_msg("%s", cases[i].path);
		if (cases[i].device != NULL)
			assert_device(cases[i].device);
		else
			assert_int_equal(it->refuse, REFUSE_NO_DEVICE);
	}
}

// As inet_ntop writes them, which follows RFC 5952 for all but mapped addresses.
static void device_from_the_address(void **) {
	static const char *const addresses[] = {
		"10.77.0.2",
		"255.255.255.255",
		"0.0.0.0",
		"fd77::2",
		"::",
		"::1",
		"2001:db8:0:1:1:1:1:1",
		"2001:db8::1:0:0:1",
		"1:0:0:2::3",
		"fe80::",
		"1::2:0:0:3:4",
		"abcd:ef01:2345:6789:abcd:ef01:2345:6789",
	};

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		uint8_t bytes[16];
		bool six = strchr(addresses[i], ':') != NULL;
		assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, addresses[i], bytes), 1);
		struct message m = message(DEVICE_FROM_ADDRESS, "{\"x\":1}");
		m.peer = view_of(bytes, six ? 16 : 4);
		assert_int_equal(decode_one(&m)->state, ITEM_GOING);
		assert_device(addresses[i]);
	}
	srand(1);
	for (int i = 0; i < 10000; i++) {
		uint8_t bytes[16];
		uint8_t text[ADDRESS_TEXT_MAX];
		char want[INET6_ADDRSTRLEN];
		for (int k = 0; k < 16; k++)
			bytes[k] = rand() % 3 == 0 ? (uint8_t)rand() : 0;
		bytes[0] = 0x20; // not the ranges that inet_ntop writes with dots
		inet_ntop(AF_INET6, bytes, want, sizeof(want));
		uint32_t len = address_text(view_of(bytes, 16), text);
		if (len != strlen(want) || memcmp(text, want, len) != 0)
			fail_msg("got %.*s, want %s", (int)len, (const char *)text, want);
	}
}

static void a_payload_that_names_another_device_is_noted(void **) {
	struct message m = message(DEVICE_FROM_PATH, "{\"dev\":\"other\",\"x\":1}");

	m.path = VIEW_LITERAL("dev-1");
	profile.device_segment = 0;
	decode_one(&m);
	assert_device("dev-1");
	assert_true(view_equal(burst.records[0].claimed, VIEW_LITERAL("other")));
	m.path = VIEW_LITERAL("other");
	decode_one(&m);
	assert_int_equal(burst.records[0].claimed.len, 0);
}

static void texts_that_are_no_utf8_are_refused(void **) {
	struct property user = {VIEW_LITERAL("a"), VIEW_LITERAL("\xff")};
	struct message m = message(DEVICE_FROM_PAYLOAD, "{\"dev\":\"d\",\"x\":1}");

	m.properties = &user;
	m.property_count = 1;
	assert_int_equal(decode_one(&m)->payload, PAYLOAD_BAD_UTF8);
	m.property_count = 0;
	m.path = VIEW_LITERAL("\xc0");
	assert_int_equal(decode_one(&m)->payload, PAYLOAD_BAD_UTF8);
	m.path = VIEW_LITERAL("ok");
	m.content_type = VIEW_LITERAL("\x80");
	assert_int_equal(decode_one(&m)->payload, PAYLOAD_BAD_UTF8);
}

// What does not fit the readings of a burst any more waits for the next one and is decoded then.
static void a_full_burst_goes_on_later(void **) {
	static char many[8192];
	uint32_t len = (uint32_t)sprintf(many, "[");

	for (int i = 0; i < 200; i++)
		len += (uint32_t
		)sprintf(many + len, "%s{\"dev\":\"d\",\"x\":%d}", i > 0 ? "," : "", i);
	sprintf(many + len, "]");
	struct message m = message(DEVICE_FROM_PAYLOAD, many);
	burst.item_count = 3;
	for (int i = 0; i < 3; i++)
		burst.items[i] = (struct item) {.m = m};
	for (uint16_t i = 0; i < 3; i++) {
		assert_int_equal(decode_burst(decoder, &burst, i), i + 1);
		assert_int_equal(burst.items[i].state, ITEM_GOING);
		assert_int_equal(burst.items[i].record_count, 200);
	}
}

static void one_bad_device_refuses_the_whole_message(void **) {
	struct message m = message(DEVICE_FROM_PAYLOAD, "[{\"dev\":\"a\",\"x\":1},{\"x\":2}]");
	struct item *it = decode_one(&m);

	assert_int_equal(it->refuse, REFUSE_NO_DEVICE);
	assert_int_equal(it->payload, PAYLOAD_NO_DEVICE);
	assert_int_equal(burst.record_count, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_from_a_path_segment),
		cmocka_unit_test(device_from_the_address),
		cmocka_unit_test(a_payload_that_names_another_device_is_noted),
		cmocka_unit_test(texts_that_are_no_utf8_are_refused),
		cmocka_unit_test(a_full_burst_goes_on_later),
		cmocka_unit_test(one_bad_device_refuses_the_whole_message),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
