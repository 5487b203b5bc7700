// SPDX-License-Identifier: Apache-2.0
#include "parsers/frame.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define TAG "0123456789abcdef"
// version, flags, key number, id length, epoch 2, sequence 7, "dev-1", payload "hi", tag
#define FRAME(version, flags, epoch, seq, len) version flags "\x03" len epoch seq "dev-1hi" TAG
#define E2 "\0\0\0\x02"
#define S7 "\0\0\0\0\0\0\0\x07"

static const struct {
	const char *name;
	const char *in;
	uint32_t n;
	bool replies;
	enum frame_rc rc;
} decoding[] = {
#define ROW(name, bytes, replies, rc) {name, bytes, sizeof(bytes) - 1, replies, rc}
	ROW("gcm", FRAME("\1", "\0", E2, S7, "\5"), false, FRAME_OK),
	ROW("hmac, receipt", FRAME("\1", "\3", E2, S7, "\5"), false, FRAME_OK),
	ROW("query, receipt", FRAME("\1", "\6", E2, S7, "\5"), false, FRAME_OK),
	ROW("receipt as expected", FRAME("\1", "\x80", E2, S7, "\5"), true, FRAME_OK),
	ROW("version 0", FRAME("\0", "\0", E2, S7, "\5"), false, FRAME_BAD_VERSION),
	ROW("version 2", FRAME("\2", "\0", E2, S7, "\5"), false, FRAME_BAD_VERSION),
	ROW("unknown flag", FRAME("\1", "\x08", E2, S7, "\5"), false, FRAME_BAD_FLAGS),
	ROW("query without receipt", FRAME("\1", "\x04", E2, S7, "\5"), false, FRAME_BAD_FLAGS),
	ROW("reply sent up", FRAME("\1", "\x80", E2, S7, "\5"), false, FRAME_BAD_FLAGS),
	ROW("request sent down", FRAME("\1", "\0", E2, S7, "\5"), true, FRAME_BAD_FLAGS),
	ROW("no device id", FRAME("\1", "\0", E2, S7, "\0"), false, FRAME_BAD_DEVICE),
	ROW("device id of 65", FRAME("\1", "\0", E2, S7, "\x41"), false, FRAME_BAD_DEVICE),
	ROW("device id past the end", FRAME("\1", "\0", E2, S7, "\x20"), false, FRAME_BAD_SHORT),
	ROW("direction bit in epoch",
	    FRAME("\1", "\0", "\x80\0\0\0", S7, "\5"),
	    false,
	    FRAME_BAD_EPOCH),
	ROW("sequence 0", FRAME("\1", "\0", E2, "\0\0\0\0\0\0\0\0", "\5"), false, FRAME_BAD_SEQUENCE
	),
	ROW("empty payload", "\1\0\0\1" E2 S7 "d" TAG, false, FRAME_OK),
#undef ROW
};

static void decode_table(void **) {
	for (size_t i = 0; i < sizeof(decoding) / sizeof(decoding[0]); i++) {
		struct frame f;
		enum frame_rc rc = frame_decode(
			guard_view(decoding[i].in, decoding[i].n), decoding[i].replies, &f
		);
		if (rc != decoding[i].rc)
			fail_msg("%s: got %s", decoding[i].name, frame_rc_label(rc));
	}
}

static const char good[] = FRAME("\1", "\3", E2, S7, "\5");

static void decode_cuts_the_parts(void **) {
	struct frame f;
	uint8_t nonce[12];

	assert_int_equal(frame_decode(guard_view(good, sizeof(good) - 1), false, &f), FRAME_OK);
	assert_int_equal(f.algorithm, FRAME_HMAC_SHA_256);
	assert_int_equal(f.key_number, 3);
	assert_int_equal(f.epoch, 2);
	assert_int_equal(f.seq, 7);
	assert_true(view_equal(f.device, VIEW_LITERAL("dev-1")));
	assert_true(view_equal(f.payload, VIEW_LITERAL("hi")));
	assert_true(view_equal(f.tag, VIEW_LITERAL(TAG)));
	assert_int_equal(f.header.len, 21);
	assert_int_equal(f.authenticated.len, 23);
	frame_nonce(&f, nonce);
	assert_memory_equal(nonce, E2 S7, 12);
	f.flags |= FRAME_FLAG_REPLY;
	frame_nonce(&f, nonce);
	assert_memory_equal(nonce, "\x80\0\0\x02" S7, 12);
}

// Whatever is cut off leaves too little for a tag, or shortens the payload; never an over-read.
static void every_truncation_is_judged(void **) {
	for (uint32_t n = 0; n < sizeof(good) - 1; n++) {
		struct frame f;
		enum frame_rc rc = frame_decode(guard_view(good, n), false, &f);
		assert_int_equal(rc, n < 16 + 5 + 16 ? FRAME_BAD_SHORT : FRAME_OK);
	}
}

static void header_encode_is_the_inverse(void **) {
	struct frame f;
	uint8_t out[32];

	assert_int_equal(frame_decode(guard_view(good, sizeof(good) - 1), false, &f), FRAME_OK);
	assert_int_equal(frame_header_encode(&f, out, sizeof(out)), 21);
	assert_memory_equal(out, good, 21);
	assert_int_equal(frame_header_encode(&f, out, 20), 0);
	f.seq = 0;
	assert_int_equal(frame_header_encode(&f, out, sizeof(out)), 0);
}

static void receipt_round_trip(void **) {
	struct frame_receipt in = {.highest = 0x0102030405060708, .bits = 0xf0e0d0c0b0a09080};
	struct frame_receipt out;
	uint8_t bytes[FRAME_RECEIPT_BYTES];

	frame_receipt_encode(&in, bytes);
	assert_int_equal(frame_receipt_decode(guard_view(bytes, 16), &out), FRAME_OK);
	assert_true(in.highest == out.highest && in.bits == out.bits);
	for (uint32_t n = 0; n < 16; n++)
		assert_int_equal(
			frame_receipt_decode(guard_view(bytes, n), &out), FRAME_BAD_RECEIPT
		);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decode_table),
		cmocka_unit_test(decode_cuts_the_parts),
		cmocka_unit_test(every_truncation_is_judged),
		cmocka_unit_test(header_encode_is_the_inverse),
		cmocka_unit_test(receipt_round_trip),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
