// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coap/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define S 1000000000ull

static const char text[] = "0123456789abcdef0123456789ABCDEFtail";
static struct uploads u;
static struct view body;

static int setup(void **) {
	return uploads_init(&u, 2, 64, 10 * S);
}

static int teardown(void **) {
	uploads_fini(&u);
	return 0;
}

// Block `num` of `text` in blocks of 16.
static enum upload_rc send(uint64_t key, uint32_t num, uint64_t now) {
	uint32_t left = (uint32_t)sizeof(text) - 1 - num * 16;
	struct coap_block b = {.num = num, .more = left > 16, .szx = 0};

	return upload_add(
		&u, key, &b, view_of(text + num * 16, left > 16 ? 16 : left), 0, now, &body
	);
}

static void rfc7959_2_5_a_body_in_three_blocks(void **) {
	assert_int_equal(send(1, 0, 0), UPLOAD_MORE);
	assert_int_equal(send(1, 1, 0), UPLOAD_MORE);
	assert_int_equal(send(1, 2, 0), UPLOAD_COMPLETE);
	assert_true(view_equal(body, view_of(text, sizeof(text) - 1)));
	// The buffer stays until it is released.
	assert_int_equal(send(2, 0, 0), UPLOAD_MORE);
	assert_int_equal(send(3, 0, 0), UPLOAD_FULL);
	uploads_release(&u);
	assert_int_equal(send(3, 0, 0), UPLOAD_MORE);
}

static void rfc7959_2_9_2_a_missing_block_is_incomplete(void **) {
	assert_int_equal(send(1, 1, 0), UPLOAD_GAP);
	assert_int_equal(send(1, 0, 0), UPLOAD_MORE);
	assert_int_equal(send(1, 2, 0), UPLOAD_GAP);
	assert_int_equal(send(1, 1, 0), UPLOAD_GAP); // the upload is gone
}

static void rfc7959_2_9_3_too_large_is_said_early(void **) {
	struct coap_block first = {.num = 0, .more = true, .szx = 0};
	struct coap_block far = {.num = 4, .more = true, .szx = 0};

	assert_int_equal(
		upload_add(&u, 1, &first, view_of(text, 16), 65, 0, &body), UPLOAD_TOO_LARGE
	);
	assert_int_equal(upload_add(&u, 1, &first, view_of(text, 16), 64, 0, &body), UPLOAD_MORE);
	assert_int_equal(upload_add(&u, 1, &far, view_of(text, 16), 0, 0, &body), UPLOAD_TOO_LARGE);
}

static void rfc7959_2_2_a_block_has_the_size_it_says(void **) {
	struct coap_block more = {.num = 0, .more = true, .szx = 0};
	struct coap_block last = {.num = 0, .more = false, .szx = 0};

	assert_int_equal(upload_add(&u, 1, &more, view_of(text, 15), 0, 0, &body), UPLOAD_BAD_SIZE);
	assert_int_equal(upload_add(&u, 1, &last, view_of(text, 17), 0, 0, &body), UPLOAD_BAD_SIZE);
}

static void rfc7959_2_3_the_block_size_may_shrink(void **) {
	struct coap_block wide = {.num = 0, .more = true, .szx = 1}; // 32 bytes
	struct coap_block narrow = {.num = 2, .more = false, .szx = 0};

	assert_int_equal(upload_add(&u, 1, &wide, view_of(text, 32), 0, 0, &body), UPLOAD_MORE);
	assert_int_equal(
		upload_add(&u, 1, &narrow, view_of(text + 32, 4), 0, 0, &body), UPLOAD_COMPLETE
	);
	assert_true(view_equal(body, view_of(text, 36)));
}

static void the_latest_block_may_come_again(void **) {
	assert_int_equal(send(1, 0, 0), UPLOAD_MORE);
	assert_int_equal(send(1, 0, 0), UPLOAD_MORE);
	assert_int_equal(u.replaced, 0);
	assert_int_equal(send(1, 1, 0), UPLOAD_MORE);
	assert_int_equal(send(1, 1, 0), UPLOAD_MORE);
	assert_int_equal(send(1, 2, 0), UPLOAD_COMPLETE);
	assert_int_equal(body.len, sizeof(text) - 1);
}

static void block_0_starts_again(void **) {
	assert_int_equal(send(1, 0, 0), UPLOAD_MORE);
	assert_int_equal(send(1, 1, 0), UPLOAD_MORE);
	assert_int_equal(send(1, 0, 0), UPLOAD_MORE);
	assert_int_equal(u.replaced, 1);
	assert_int_equal(send(1, 1, 0), UPLOAD_MORE);
	assert_int_equal(send(1, 2, 0), UPLOAD_COMPLETE);
}

static void uploads_are_bounded_in_number_and_age(void **) {
	assert_int_equal(send(1, 0, 0), UPLOAD_MORE);
	assert_int_equal(send(2, 0, 5 * S), UPLOAD_MORE);
	assert_int_equal(send(3, 0, 9 * S), UPLOAD_FULL);
	assert_true(uploads_expire(&u, 9 * S) == 10 * S);
	assert_true(uploads_expire(&u, 10 * S) == 15 * S);
	assert_int_equal(u.expired, 1);
	assert_int_equal(send(3, 0, 10 * S), UPLOAD_MORE);
	assert_int_equal(send(1, 1, 10 * S), UPLOAD_GAP);
	assert_true(uploads_expire(&u, 100 * S) == UINT64_MAX);
	assert_int_equal(u.expired, 3);
}

// A block in time keeps an upload alive, but not for ever.
static void a_slow_upload_lives_and_an_endless_one_does_not(void **) {
	uint8_t zeros[16] = {0};
	uint64_t now = 0;

	for (uint32_t num = 0; num < 3; num++, now += 9 * S) {
		assert_int_equal(send(1, num, now), num < 2 ? UPLOAD_MORE : UPLOAD_COMPLETE);
		uploads_expire(&u, now + 8 * S);
	}
	uploads_release(&u);

	struct coap_block again = {.num = 0, .more = true, .szx = 0};
	assert_int_equal(upload_add(&u, 2, &again, view_of(zeros, 16), 0, 0, &body), UPLOAD_MORE);
	for (now = 0; now < UPLOAD_AGE_MAX * 10 * S; now += 5 * S) {
		uploads_expire(&u, now);
		assert_int_equal(u.expired, 0);
		upload_add(&u, 2, &again, view_of(zeros, 16), 0, now, &body);
	}
	uploads_expire(&u, now);
	assert_int_equal(u.expired, 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			rfc7959_2_5_a_body_in_three_blocks, setup, teardown
		),
		cmocka_unit_test_setup_teardown(
			rfc7959_2_9_2_a_missing_block_is_incomplete, setup, teardown
		),
		cmocka_unit_test_setup_teardown(
			rfc7959_2_9_3_too_large_is_said_early, setup, teardown
		),
		cmocka_unit_test_setup_teardown(
			rfc7959_2_2_a_block_has_the_size_it_says, setup, teardown
		),
		cmocka_unit_test_setup_teardown(
			rfc7959_2_3_the_block_size_may_shrink, setup, teardown
		),
		cmocka_unit_test_setup_teardown(the_latest_block_may_come_again, setup, teardown),
		cmocka_unit_test_setup_teardown(block_0_starts_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			uploads_are_bounded_in_number_and_age, setup, teardown
		),
		cmocka_unit_test_setup_teardown(
			a_slow_upload_lives_and_an_endless_one_does_not, setup, teardown
		),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
