// SPDX-License-Identifier: Apache-2.0
// Which expressions are refused to be compiled, with which words, and the cache of what was.
#include "tests/unit/pipelines/match_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// One expression, expected to be refused; the text of the first mistake.
static struct config_error refused(const char *expression, const char *more) {
	const struct match_options o = {.workers = 1, .vectors = true};
	struct config_error errors[RIG_ERRORS];
	struct signature_set *set = NULL;
	struct match_set *m = NULL;
	char yaml[8192];
	uint32_t count = 0;

	snprintf(
		yaml,
		sizeof(yaml),
		"signatures:\n  - id: 1\n    name: s\n    severity: low\n    action: tag\n"
		"    expression: '%s'\n    match: 'abc'\n%s",
		expression,
		more
	);
	assert_int_equal(
		signatures_load_text(
			"t.yaml", yaml, strlen(yaml), &set, errors, RIG_ERRORS, &count
		),
		0
	);
	assert_int_equal(match_compile(set, &o, &m, errors, RIG_ERRORS, &count), -EINVAL);
	assert_null(m);
	assert_int_equal(count, 1);
	assert_string_equal(errors[0].file, "t.yaml");
	signatures_free(set);
	return errors[0];
}

static void bad_expressions_name_their_line(void **) {
	struct config_error e = refused("a(b", "");
	assert_int_equal(e.line, 6);
	assert_non_null(strstr(e.text, "s: the expression does not compile: "));
	assert_non_null(strstr(e.text, "at index 1"));
	e = refused("a(?=b)", "");
	assert_non_null(strstr(e.text, "does not compile"));
	e = refused("(a|b)\\1", "");
	assert_non_null(strstr(e.text, "does not compile"));
	e = refused("a*", "");
	assert_non_null(strstr(e.text, "matches the empty text"));
	e = refused("abd", "");
	assert_string_equal(e.text, "s: this match is not hit");
	assert_int_equal(e.line, 7);
	e = refused("abc", "    near_miss: 'xabcx'\n");
	assert_string_equal(e.text, "s: this near miss is hit");
	assert_int_equal(e.line, 8);
}

static void bombs_in_expressions_are_refused_unseen(void **) {
	static const char *const bombs[] = {
		"((a{1,100}){1,100}){1,100}",
		"(x+x+){1,30000}y",
		"[a-z]{20000}",
		"(a{10}|b{10}){5000}",
		"(((((((((a{9}){9}){9}){9}){9}){9}){9}){9}){9}",
		"\\d{1,9999}",
		"([ab]\\]{3}){4000}",
	};

	for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++) {
		struct config_error e = refused(bombs[i], "");
		if (strstr(e.text, "positions; at most 8192") == NULL)
			fail_msg("%s: %s", bombs[i], e.text);
	}
	assert_int_equal(match_positions("abc"), 3);
	assert_int_equal(match_positions("a{3}b"), 4);
	assert_int_equal(match_positions("(ab){2,5}"), 10);
	assert_int_equal(match_positions("[]a{9}]{4}"), 4);
	assert_int_equal(match_positions("\\(a{2}\\)"), 4);
	assert_int_equal(match_positions("a{,3}x{y}"), 9); // literal braces
	assert_int_equal(match_positions("(((ab"), 2);
	assert_int_equal(match_positions("a\\"), 2);
}

// --- cache

static void flip(const char *path, off_t at) {
	uint8_t b;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x20;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

static void the_cache_is_used_and_never_trusted(void **) {
	char path[] = "/tmp/match-cache-XXXXXX";
	struct match_set *m;
	struct stat s;

	close(mkstemp(path));
	m = rig_compiled(rig_actions, path); // an empty file is a corrupt one
	assert_false(match_set_info(m)->cached);
	assert_int_equal(match_set_info(m)->cache_error, -EBADMSG);
	match_set_free(m);
	m = rig_compiled(rig_actions, path);
	assert_true(match_set_info(m)->cached);
	assert_int_equal(match_set_info(m)->cache_error, 0);
	rig_reset();
	assert_int_equal(rig_sent(m, "t", "RRR")->state, ITEM_REFUSED);
	match_set_free(m);

	assert_int_equal(stat(path, &s), 0);
	// Any byte of it: never used, always mended, and the set works.
	for (off_t at = 0; at < s.st_size; at += at < 100 ? 7 : s.st_size / 23) {
		flip(path, at);
		m = rig_compiled(rig_actions, path);
		assert_false(match_set_info(m)->cached);
		assert_int_equal(rig_sent(m, "t", "RRR")->state, ITEM_REFUSED);
		match_set_free(m);
		m = rig_compiled(rig_actions, path);
		assert_true(match_set_info(m)->cached);
		match_set_free(m);
	}
	assert_int_equal(truncate(path, s.st_size - 1), 0);
	m = rig_compiled(rig_actions, path);
	assert_false(match_set_info(m)->cached);
	match_set_free(m);
	// Other expressions, other key.
	m = rig_compiled("signatures:\n" SIG("1", "t", "ZZZ", "tag"), path);
	assert_false(match_set_info(m)->cached);
	assert_int_equal(match_set_info(m)->cache_error, 0);
	match_set_free(m);
	unlink(path);
	// Nowhere to write: works all the same, and says so.
	m = rig_compiled(rig_actions, "/nonexistent/cache");
	assert_int_equal(match_set_info(m)->cache_error, -ENOENT);
	match_set_free(m);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_expressions_name_their_line),
		cmocka_unit_test(bombs_in_expressions_are_refused_unseen),
		cmocka_unit_test(the_cache_is_used_and_never_trusted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
