// SPDX-License-Identifier: Apache-2.0
#include "parsers/coap.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

// POST coap://.../t/dev-1/env, token "ab", Content-Format 50, payload "{}".
static const char post[] = "\x42\x02\x12\x34"
			   "ab"
			   "\xb1t\x05"
			   "dev-1\x03"
			   "env\x11\x32\xff{}";
#define POST_LEN (sizeof(post) - 1)

static const struct {
	const char *name;
	const char *in;
	uint32_t n;
	enum coap_rc rc;
} decoding[] = {
	{"RFC7252-3 empty datagram", "", 0, COAP_BAD_SHORT},
	{"RFC7252-3 three bytes", "\x40\x01\x00", 3, COAP_BAD_SHORT},
	{"RFC7252-3 version 0 is ignored", "\x00\x01\x00\x01", 4, COAP_BAD_VERSION},
	{"RFC7252-3 version 2 is ignored", "\x80\x01\x00\x01", 4, COAP_BAD_VERSION},
	{"RFC7252-3 get without options", "\x40\x01\x00\x01", 4, COAP_OK},
	{"RFC7252-3 token length 9",
	 "\x49\x01\x00\x01"
	 "123456789",
	 13,
	 COAP_BAD_TOKEN},
	{"RFC7252-3 token length 15",
	 "\x4f\x01\x00\x01"
	 "123456789012345",
	 19,
	 COAP_BAD_TOKEN},
	{"RFC7252-3 token past the end",
	 "\x44\x01\x00\x01"
	 "123",
	 7,
	 COAP_BAD_TOKEN},
	{"RFC7252-3 token of 8",
	 "\x48\x01\x00\x01"
	 "12345678",
	 12,
	 COAP_OK},
	{"RFC7252-4.1 ping", "\x40\x00\x00\x01", 4, COAP_OK},
	{"RFC7252-4.1 empty with token", "\x41\x00\x00\x01x", 5, COAP_BAD_EMPTY},
	{"RFC7252-4.1 empty with options", "\x40\x00\x00\x01\xb1t", 6, COAP_BAD_EMPTY},
	{"RFC7252-4.2 reserved class 1", "\x40\x20\x00\x01", 4, COAP_BAD_CLASS},
	{"RFC7252-4.2 reserved class 6", "\x40\xc0\x00\x01", 4, COAP_BAD_CLASS},
	{"RFC7252-4.2 reserved class 7", "\x40\xff\x00\x01", 4, COAP_BAD_CLASS},
	{"RFC7252-3.1 delta 15 is no option", "\x40\x01\x00\x01\xf1x", 6, COAP_BAD_OPTION},
	{"RFC7252-3.1 length 15", "\x40\x01\x00\x01\x1fx", 6, COAP_BAD_OPTION},
	{"RFC7252-3.1 value past the end", "\x40\x01\x00\x01\xb5t", 6, COAP_BAD_LENGTH},
	{"RFC7252-3.1 delta byte missing", "\x40\x01\x00\x01\xd0", 5, COAP_BAD_LENGTH},
	{"RFC7252-3.1 delta bytes missing", "\x40\x01\x00\x01\xe0\x01", 6, COAP_BAD_LENGTH},
	{"RFC7252-3.1 length bytes missing", "\x40\x01\x00\x01\x1e\x01", 6, COAP_BAD_LENGTH},
	{"RFC7252-3.1 extended delta", "\x40\x01\x00\x01\xd1\x02x", 7, COAP_OK},
	{"RFC7252-3.1 number 65535", "\x40\x01\x00\x01\xe0\xfe\xf2", 7, COAP_OK},
	{"RFC7252-3.1 number 65536", "\x40\x01\x00\x01\xe0\xfe\xf3", 7, COAP_BAD_NUMBER},
	{"RFC7252-3.1 numbers add up past 65535",
	 "\x40\x01\x00\x01\xe0\xff\x00\xe0\xff\x00",
	 10,
	 COAP_BAD_NUMBER},
	{"RFC7252-3 marker without payload", "\x40\x01\x00\x01\xff", 5, COAP_BAD_MARKER},
	{"RFC7252-3 marker and payload", "\x40\x02\x00\x01\xffx", 6, COAP_OK},
};

static void rfc7252_decode_table(void **) {
	for (size_t i = 0; i < sizeof(decoding) / sizeof(decoding[0]); i++) {
		struct coap_message m;
		enum coap_rc rc = coap_decode(guard_view(decoding[i].in, decoding[i].n), &m);
		if (rc != decoding[i].rc)
			fail_msg("%s: got %s", decoding[i].name, coap_rc_label(rc));
	}
}

static void rfc7252_decode_post(void **) {
	struct coap_message m;
	struct coap_option o;

	assert_int_equal(coap_decode(guard_view(post, POST_LEN), &m), COAP_OK);
	assert_int_equal(m.type, COAP_CON);
	assert_int_equal(m.code, COAP_POST);
	assert_int_equal(m.mid, 0x1234);
	assert_true(view_equal(m.token, VIEW_LITERAL("ab")));
	assert_ptr_equal(m.payload.p, guard_edge - 2); // a view, not a copy

	static const struct {
		uint16_t number;
		struct view value;
	} want[] = {
		{COAP_URI_PATH, VIEW_LITERAL("t")},
		{COAP_URI_PATH, VIEW_LITERAL("dev-1")},
		{COAP_URI_PATH, VIEW_LITERAL("env")},
		{COAP_CONTENT_FORMAT, VIEW_LITERAL("\x32")},
	};
	struct coap_options it = coap_options_of(&m);
	for (size_t i = 0; i < 4; i++) {
		assert_true(coap_option_next(&it, &o));
		assert_int_equal(o.number, want[i].number);
		assert_true(view_equal(o.value, want[i].value));
	}
	assert_false(coap_option_next(&it, &o));
}

// Truncation never reads past the end, and what is left of a valid message is valid only where a
// whole option or the payload ends.
static void every_truncation_is_judged(void **) {
	for (uint32_t n = 0; n <= POST_LEN; n++) {
		struct coap_message m;
		struct coap_option o;
		if (coap_decode(guard_view(post, n), &m) != COAP_OK)
			continue;
		uint32_t walked = 0;
		struct coap_options it = coap_options_of(&m);
		while (coap_option_next(&it, &o))
			walked++;
		assert_true(walked <= 4);
		assert_int_equal(rd_left(&it.rd), 0);
	}
}

// Section 4.2: a Confirmable message that cannot be understood is rejected with a Reset, for which
// its type and message id are needed.
static void rfc7252_4_2_bad_messages_keep_type_and_mid(void **) {
	struct coap_message m;

	assert_int_equal(coap_decode(guard_view("\x50\x01\xab\xcd\xf0", 5), &m), COAP_BAD_OPTION);
	assert_int_equal(m.type, COAP_NON);
	assert_int_equal(m.mid, 0xabcd);
}

static void option_bomb_is_refused(void **) {
	uint8_t bomb[4 + COAP_OPTIONS_MAX + 1] = {0x40, 0x01};
	struct coap_message m;

	// One-byte options: delta 0, length 0.
	assert_int_equal(coap_decode(guard_view(bomb, sizeof(bomb) - 1), &m), COAP_OK);
	assert_int_equal(coap_decode(guard_view(bomb, sizeof(bomb)), &m), COAP_TOO_MANY);
}

static void rfc7252_5_4_6_option_classes(void **) {
	assert_true(coap_option_critical(COAP_URI_PATH));
	assert_true(coap_option_critical(COAP_BLOCK1));
	assert_false(coap_option_critical(COAP_CONTENT_FORMAT));
	assert_false(coap_option_critical(COAP_NO_RESPONSE));
	assert_true(coap_option_unsafe(COAP_URI_HOST));
	assert_true(coap_option_unsafe(COAP_NO_RESPONSE));
	assert_false(coap_option_unsafe(COAP_ETAG));
	assert_true(coap_option_no_cache_key(COAP_SIZE1));
	assert_false(coap_option_no_cache_key(COAP_ACCEPT));
}

static void rfc7252_3_2_uint_values(void **) {
	uint32_t v = 9;

	assert_true(coap_option_uint((struct view) {0}, 2, &v));
	assert_int_equal(v, 0);
	assert_true(coap_option_uint(VIEW_LITERAL("\0\x32"), 2, &v));
	assert_int_equal(v, 0x32);
	assert_false(coap_option_uint(VIEW_LITERAL("\0\0\x32"), 2, &v));
	assert_true(coap_option_uint(VIEW_LITERAL("\xff\xff\xff\xff"), 4, &v));
	assert_int_equal(v, UINT32_MAX);
}

static void rfc7959_2_2_block_values(void **) {
	struct coap_block b;

	assert_true(coap_block_decode((struct view) {0}, &b));
	assert_int_equal(b.num, 0);
	assert_false(b.more);
	assert_int_equal(coap_block_size(&b), 16);
	assert_true(coap_block_decode(VIEW_LITERAL("\x1e"), &b));
	assert_int_equal(b.num, 1);
	assert_true(b.more);
	assert_int_equal(coap_block_size(&b), 1024);
	assert_int_equal(coap_block_offset(&b), 1024);
	assert_true(coap_block_decode(VIEW_LITERAL("\xff\xff\xf6"), &b));
	assert_int_equal(b.num, 0xfffff);
	assert_int_equal(coap_block_offset(&b), 0xfffffu << 10);
	assert_false(coap_block_decode(VIEW_LITERAL("\x07"), &b));
	assert_false(coap_block_decode(VIEW_LITERAL("\0\0\0\0"), &b));
}

static void writer_makes_what_the_decoder_reads(void **) {
	uint8_t out[64];
	struct coap_writer w = coap_write(
		out, sizeof(out), COAP_ACK, COAP_UNAVAILABLE, 0xbeef, VIEW_LITERAL("tok")
	);
	struct coap_message m;
	struct coap_option o;

	coap_write_uint(&w, COAP_MAX_AGE, 300);
	coap_write_block(
		&w, COAP_BLOCK1, &(struct coap_block) {.num = 70000, .more = true, .szx = 6}
	);
	coap_write_uint(&w, COAP_SIZE1, 0);
	coap_write_option(&w, COAP_ECHO, VIEW_LITERAL("0123456789abcdef"));
	coap_write_option(&w, 2000, VIEW_LITERAL(""));
	coap_write_payload(&w, VIEW_LITERAL("later"));
	assert_int_not_equal(coap_writer_len(&w), 0);

	assert_int_equal(coap_decode(guard_view(out, coap_writer_len(&w)), &m), COAP_OK);
	assert_int_equal(m.type, COAP_ACK);
	assert_int_equal(m.code, COAP_UNAVAILABLE);
	assert_int_equal(m.mid, 0xbeef);
	assert_true(view_equal(m.token, VIEW_LITERAL("tok")));
	assert_true(view_equal(m.payload, VIEW_LITERAL("later")));
	struct coap_options it = coap_options_of(&m);
	assert_true(coap_option_next(&it, &o));
	assert_int_equal(o.number, COAP_MAX_AGE);
	assert_true(view_equal(o.value, VIEW_LITERAL("\x01\x2c")));
	assert_true(coap_option_next(&it, &o));
	struct coap_block b;
	assert_true(coap_block_decode(o.value, &b));
	assert_int_equal(b.num, 70000);
	assert_true(coap_option_next(&it, &o));
	assert_int_equal(o.number, COAP_SIZE1);
	assert_int_equal(o.value.len, 0);
	assert_true(coap_option_next(&it, &o));
	assert_int_equal(o.number, COAP_ECHO);
	assert_int_equal(o.value.len, 16);
	assert_true(coap_option_next(&it, &o));
	assert_int_equal(o.number, 2000);
	assert_false(coap_option_next(&it, &o));
}

static void writer_fails_whole(void **) {
	uint8_t out[16];

	for (uint32_t room = 0; room < 12; room++) {
		struct coap_writer w =
			coap_write(out, room, COAP_CON, COAP_CHANGED, 1, VIEW_LITERAL("12345678"));
		assert_int_equal(coap_writer_len(&w), 0);
	}
	struct coap_writer w = coap_write(out, 16, COAP_CON, COAP_CHANGED, 1, VIEW_LITERAL(""));
	coap_write_uint(&w, COAP_SIZE1, 1);
	coap_write_uint(&w, COAP_MAX_AGE, 1); // out of order
	assert_int_equal(coap_writer_len(&w), 0);
	w = coap_write(out, 16, COAP_CON, COAP_CHANGED, 1, VIEW_LITERAL("123456789"));
	assert_int_equal(coap_writer_len(&w), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc7252_decode_table),
		cmocka_unit_test(rfc7252_decode_post),
		cmocka_unit_test(every_truncation_is_judged),
		cmocka_unit_test(rfc7252_4_2_bad_messages_keep_type_and_mid),
		cmocka_unit_test(option_bomb_is_refused),
		cmocka_unit_test(rfc7252_5_4_6_option_classes),
		cmocka_unit_test(rfc7252_3_2_uint_values),
		cmocka_unit_test(rfc7959_2_2_block_values),
		cmocka_unit_test(writer_makes_what_the_decoder_reads),
		cmocka_unit_test(writer_fails_whole),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
