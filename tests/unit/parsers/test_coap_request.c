// SPDX-License-Identifier: Apache-2.0
#include "parsers/coap_request.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
	const char *name;
	const char *options;
	uint32_t n;
	enum coap_request_rc rc;
} requests[] = {
	{"no option", "", 0, COAP_REQUEST_OK},
	{"RFC7252-5.4.1 unknown critical", "\x90", 1, COAP_REQUEST_BAD_OPTION},
	{"RFC7252-5.4.1 unknown elective", "\x80", 1, COAP_REQUEST_OK},
	{"RFC7252-5.10.8 if-match is not offered", "\x10", 1, COAP_REQUEST_BAD_OPTION},
	{"RFC7252-5.4.5 uri-host twice", "\x31h\x01h", 4, COAP_REQUEST_BAD_OPTION},
	{"RFC7252-5.4.3 empty uri-host", "\x30", 1, COAP_REQUEST_BAD_OPTION},
	{"RFC7252-5.4.3 uri-port of 3 bytes", "\x73\1\1\1", 4, COAP_REQUEST_BAD_OPTION},
	{"RFC7252-5.4.5 accept twice", "\xd1\x04\x28\x01\x28", 5, COAP_REQUEST_BAD_OPTION},
	{"RFC7252-5.7.2 proxy-uri", "\xd1\x16x", 3, COAP_REQUEST_PROXY},
	{"RFC7252-5.7.2 proxy-scheme",
	 "\xd4\x1a"
	 "coap",
	 6,
	 COAP_REQUEST_PROXY},
	{"RFC7959-2.2 reserved block size", "\xd1\x0e\x07", 3, COAP_REQUEST_BLOCK},
	{"RFC7959-2.2 block1 of 4 bytes", "\xd4\x0e\0\0\0\0", 6, COAP_REQUEST_BAD_OPTION},
	{"RFC7959-2.1 block1 twice", "\xd1\x0e\x06\x01\x16", 5, COAP_REQUEST_BAD_OPTION},
	{"nine path segments",
	 "\xb1"
	 "a\1b\1c\1d\1e\1f\1g\1h\1i",
	 18,
	 COAP_REQUEST_PATH},
};

static enum coap_request_rc decode(const char *options, uint32_t n, struct coap_request *out) {
	uint8_t datagram[512] = {0x40, COAP_POST, 0, 1};
	struct coap_message m;

	memcpy(datagram + 4, options, n);
	assert_int_equal(coap_decode(guard_view(datagram, 4 + n), &m), COAP_OK);
	return coap_request_decode(&m, out);
}

static void option_rules(void **) {
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct coap_request r;
		enum coap_request_rc rc = decode(requests[i].options, requests[i].n, &r);
		if (rc != requests[i].rc)
			fail_msg("%s: got %d", requests[i].name, rc);
	}
}

static void every_option_we_know(void **) {
	// Uri-Path t, Content-Format 112, Uri-Query q, Accept 40, Block2, Block1, Size1, Echo,
	// No-Response, Request-Tag
	static const char all[] = "\xb1t\x11\x70\x31q\x21\x28\x61\x02\x41\x1e\xd2\x14\x12\x34"
				  "\xd4\xb3"
				  "echo\x61\x1a\xd2\x15rt";
	struct coap_request r;

	assert_int_equal(decode(all, sizeof(all) - 1, &r), COAP_REQUEST_OK);
	assert_int_equal(r.segment_count, 1);
	assert_int_equal(r.content_format, 112);
	assert_int_equal(r.query_count, 1);
	assert_int_equal(r.accept, 40);
	assert_true(r.has_block2);
	assert_int_equal(coap_block_size(&r.block2), 64);
	assert_true(r.has_block1);
	assert_int_equal(r.block1.num, 1);
	assert_true(r.has_size1);
	assert_int_equal(r.size1, 0x1234);
	assert_true(view_equal(r.echo, VIEW_LITERAL("echo")));
	assert_true(r.has_no_response);
	assert_int_equal(r.no_response, 26);
	assert_true(view_equal(r.request_tag, VIEW_LITERAL("rt")));
}

static void rfc7252_5_4_bad_elective_options_are_ignored(void **) {
	// Content-Format of 3 bytes, then Content-Format 50 twice.
	static const char options[] = "\xc3\1\1\1\x01\x32\x01\x00";
	struct coap_request r;

	assert_int_equal(decode(options, sizeof(options) - 1, &r), COAP_REQUEST_OK);
	assert_int_equal(r.content_format, 50);
}

static void rfc7252_5_4_1_the_unknown_option_is_named(void **) {
	struct coap_request r;

	assert_int_equal(decode("\x90", 1, &r), COAP_REQUEST_BAD_OPTION);
	assert_int_equal(r.bad_option, 9);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(option_rules),
		cmocka_unit_test(every_option_we_know),
		cmocka_unit_test(rfc7252_5_4_bad_elective_options_are_ignored),
		cmocka_unit_test(rfc7252_5_4_1_the_unknown_option_is_named),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
