// SPDX-License-Identifier: Apache-2.0
// Dead letters taken apart, and the file that remembers which went through again.
#include "dataplane/letters/letter.h"
#include "dataplane/letters/marks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct letter_slot slot;
static char path[] = "/tmp/letter-marks-XXXXXX";

static int setup(void **) {
	int fd = mkstemp(path);

	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **) {
	return unlink(path);
}

static struct view text(const char *s) {
	return view_of(s, (uint32_t)strlen(s));
}

static void a_letter_becomes_the_message_it_was(void **) {
	struct letter l;

	assert_true(letter_parse(
		text("{\"type\":\"dead-letter\",\"transport\":\"coap\",\"realm\":7,\"reason\":"
		     "\"malformed\","
		     "\"detail\":\"truncated\",\"stage\":\"decode\",\"profile\":\"by-path\","
		     "\"arrival_ns\":5,"
		     "\"epoch\":18446744073709551615,\"seq\":12,\"replays\":2,\"device\":\"d\","
		     "\"path\":\"t/d/"
		     "env\",\"peer\":\"fd77::2\",\"peer_port\":4711,\"format\":\"json\","
		     "\"original\":\"eyI=\"}"),
		&l
	));
	assert_null(letter_to_slot(&l, &slot));
	letter_free(&l);
	assert_string_equal(slot.profile, "by-path");
	assert_int_equal(slot.format, PAYLOAD_JSON);
	assert_int_equal(slot.realm, 7);
	assert_true(slot.epoch == UINT64_MAX && slot.seq == 12);
	assert_int_equal(slot.replays, 3);
	assert_int_equal(slot.peer_len, 16);
	assert_int_equal(slot.peer_port, 4711);
	assert_int_equal(slot.device_len, 1);
	assert_memory_equal(slot.path, "t/d/env", slot.path_len);
	assert_int_equal(slot.payload_len, 2);
	assert_memory_equal(slot.payload, "{\"", 2);
}

static void what_is_no_letter_is_not_taken(void **) {
	static const char *const others[] = {
		"",
		"{",
		"[]",
		"null",
		"{\"type\":\"record\",\"original\":\"\"}",
		"{\"type\":\"dead-letter\"}",
		"{\"type\":\"dead-letter\",\"original\":5}",
		"{\"type\":5,\"original\":\"\"}",
	};
	struct letter l;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (letter_parse(text(others[i]), &l))
			fail_msg("taken: %s", others[i]);
}

static void what_cannot_go_through_again_says_why(void **) {
	static const struct {
		const char *json, *why;
	} cases[] = {
		{"{\"type\":\"dead-letter\",\"format\":\"record\",\"original\":\"eyI=\"}", "encoded"
		},
		{"{\"type\":\"dead-letter\",\"format\":\"json\",\"original\":\"!\"}", "base64"},
		{"{\"type\":\"dead-letter\",\"format\":\"json\",\"original\":\"\","
		 "\"profile\":\"a-name-of-forty-bytes-which-is-too-long-here\"}",
		 "too long"},
	};
	struct letter l;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(letter_parse(text(cases[i].json), &l));
		const char *why = letter_to_slot(&l, &slot);
		if (why == NULL || strstr(why, cases[i].why) == NULL)
			fail_msg("%s: %s", cases[i].json, why != NULL ? why : "taken");
		letter_free(&l);
	}
}

static void marks_are_there_after_a_restart(void **) {
	struct letter_marks *m;

	assert_int_equal(marks_open(path, &m), 0);
	assert_false(marks_has(m, 0, 42));
	for (int64_t i = 0; i < 1000; i += 2)
		assert_int_equal(marks_add(m, (int32_t)(i % 3), i), 0);
	assert_int_equal(marks_flush(m), 0);
	marks_close(m);
	assert_int_equal(marks_open(path, &m), 0);
	for (int64_t i = 0; i < 1000; i++)
		assert_int_equal(marks_has(m, (int32_t)(i % 3), i), i % 2 == 0);
	marks_close(m);
}

// A crash may leave half a line: "12" of "1234" is another letter.
static void half_a_line_is_not_believed(void **) {
	struct letter_marks *m;
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "0 7\nx y\n-1 5\n3 -5\n0 12");
	fclose(f);
	assert_int_equal(marks_open(path, &m), 0);
	assert_true(marks_has(m, 0, 7));
	assert_false(marks_has(m, 0, 12));
	assert_false(marks_has(m, -1, 5));
	marks_close(m);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_letter_becomes_the_message_it_was),
		cmocka_unit_test(what_is_no_letter_is_not_taken),
		cmocka_unit_test(what_cannot_go_through_again_says_why),
		cmocka_unit_test(marks_are_there_after_a_restart),
		cmocka_unit_test(half_a_line_is_not_believed),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
