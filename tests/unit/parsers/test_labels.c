// SPDX-License-Identifier: Apache-2.0
// Sets of labels as bytes: what is appended is found, and hostile bytes are no set.
#include "parsers/labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t room[LABELS_BYTES_MAX];

static struct view text(const char *s) {
	return view_of(s, (uint32_t)strlen(s));
}

// "a=1 b=2", in order.
static struct view set_of(const char *pairs, uint8_t *at) {
	struct view set = {0};

	while (*pairs != '\0') {
		const char *equals = strchr(pairs, '=');
		size_t n = strcspn(pairs, " ");
		struct label l = {
			.name = view_of(pairs, (uint32_t)(equals - pairs)),
			.value = view_of(equals + 1, (uint32_t)(pairs + n - equals - 1)),
		};
		assert_true(labels_append(&set, at, l));
		pairs += n + (pairs[n] == ' ');
	}
	assert_true(labels_valid(set));
	return set;
}

static void what_is_appended_is_found(void **) {
	struct view set = set_of("floor=2 line= site=basel", room), v = {0};

	assert_true(labels_find(set, text("site"), &v));
	assert_true(view_equal(v, text("basel")));
	assert_true(labels_find(set, text("line"), &v));
	assert_int_equal(v.len, 0);
	assert_false(labels_find(set, text("sit"), &v));
	assert_false(labels_find(set, text("site2"), &v));
	assert_false(labels_find((struct view) {0}, text("site"), &v));
}

static void bounds_and_order_are_kept(void **) {
	static char long_text[LABEL_VALUE_MAX + 2];
	struct view set = set_of("b=1", room);
	char name[8];

	memset(long_text, 'x', sizeof(long_text) - 1);
	assert_false(labels_append(&set, room, (struct label) {text("b"), text("2")}));
	assert_false(labels_append(&set, room, (struct label) {text("a"), text("2")}));
	assert_false(labels_append(&set, room, (struct label) {text(""), text("2")}));
	assert_false(labels_append(&set, room, (struct label) {text("c"), text(long_text)}));
	assert_false(labels_append(
		&set, room, (struct label) {view_of(long_text, LABEL_NAME_MAX + 1), text("")}
	));
	assert_true(labels_append(
		&set, room, (struct label) {text("c"), view_of(long_text, LABEL_VALUE_MAX)}
	));
	uint32_t n = 2;
	for (char c = 'd'; c < 'd' + 20; c++) {
		name[0] = c;
		name[1] = '\0';
		n += labels_append(&set, room, (struct label) {text(name), text("")});
	}
	assert_int_equal(n, LABELS_MAX);
	assert_true(labels_valid(set));
	set = (struct view) {0};
	n = 0;
	for (char c = 'a'; c < 'a' + LABELS_MAX; c++) {
		name[0] = c;
		n += labels_append(
			&set,
			room,
			(struct label) {view_of(name, 1), view_of(long_text, LABEL_VALUE_MAX)}
		);
	}
	assert_int_equal(n, LABELS_BYTES_MAX / (3 + LABEL_VALUE_MAX));
	assert_true(labels_valid(set));
}

static void a_set_holds_what_it_has_all_of(void **) {
	static const struct {
		const char *set, *wanted;
		bool holds;
	} cases[] = {
		{"", "", true},
		{"a=1", "", true},
		{"", "a=1", false},
		{"a=1", "a=1", true},
		{"a=1", "a=2", false},
		{"a=1", "a=", false},
		{"a=1", "a=12", false},
		{"a=1 b=2 c=3", "a=1 c=3", true},
		{"a=1 b=2 c=3", "b=2", true},
		{"a=1 b=2 c=3", "c=3 d=4", false},
		{"a=1 c=3", "a=1 b=2", false},
		{"ab=1", "a=1", false},
		{"a=1", "ab=1", false},
		{"a=1 ab=2", "ab=2", true},
	};
	uint8_t other[LABELS_BYTES_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (labels_hold(set_of(cases[i].set, room), set_of(cases[i].wanted, other))
		    != cases[i].holds)
			fail_msg("'%s' holds '%s'", cases[i].set, cases[i].wanted);
}

// On the heap and no byte more, so that the sanitizer sees what reads past the end.
static void hostile_bytes_are_no_set(void **) {
	struct view set = set_of("floor=2 line= site=basel", room), v = {0};
	uint32_t good = 0;

	for (uint32_t n = 0; n < set.len; n++) {
		uint8_t *cut = malloc(n + 1);
		memcpy(cut, set.p, n);
		good += labels_valid(view_of(cut, n));
		(void)labels_find(view_of(cut, n), text("site"), &v);
		(void)labels_hold(view_of(cut, n), set);
		(void)labels_hold(set, view_of(cut, n));
		free(cut);
	}
	assert_int_equal(good, 3); // nothing, and behind either pair
	srand(4711);
	for (int i = 0; i < 200000; i++) {
		uint32_t n = (uint32_t)rand() % 40;
		uint8_t *bytes = malloc(n + 1);
		struct view was = view_of(bytes, n);
		struct label l;
		for (uint32_t k = 0; k < n; k++)
			bytes[k] = (uint8_t)(rand() % (rand() % 4 == 0 ? 256 : 8));
		(void)labels_find(was, text("\1"), &v);
		(void)labels_hold(was, set);
		if (labels_valid(was))
			for (struct view rest = was; labels_next(&rest, &l);)
				assert_true(labels_find(was, l.name, &v) && view_equal(v, l.value));
		free(bytes);
	}
	uint8_t twice[] = {1, 0, 'a', 1, 0, 'a'};
	assert_false(labels_valid(view_of(twice, sizeof(twice))));
	twice[5] = 'b';
	assert_true(labels_valid(view_of(twice, sizeof(twice))));
	twice[2] = 'c';
	assert_false(labels_valid(view_of(twice, sizeof(twice))));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_appended_is_found),
		cmocka_unit_test(bounds_and_order_are_kept),
		cmocka_unit_test(a_set_holds_what_it_has_all_of),
		cmocka_unit_test(hostile_bytes_are_no_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
