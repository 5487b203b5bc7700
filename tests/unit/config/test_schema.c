// SPDX-License-Identifier: Apache-2.0
// Promises of the option table itself, on which parser, manual and command line rest.
#include "config/config.h"
#include "config/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t element_size(const struct option *o) {
	char parent[160];
	const char *list = strstr(o->path, "[]");

	if (list == NULL || (o->flags & OPTION_IN_ROOT) != 0)
		return sizeof(struct config);
	for (const char *next = list; next != NULL; next = strstr(list + 2, "[]"))
		list = next;
	memcpy(parent, o->path, (size_t)(list - o->path));
	parent[list - o->path] = '\0';
	return option_find(parent)->width;
}

static void paths_are_unique_and_parents_come_first(void **) {
	char parent[160];

	for (size_t i = 0; i < config_option_count; i++) {
		const char *path = config_options[i].path;
		assert_ptr_equal(option_find(path), &config_options[i]);
		const char *dot = strrchr(path, '.');
		if (dot == NULL)
			continue;
		size_t n = (size_t)(dot - path);
		bool list = path[n - 1] == ']';
		memcpy(parent, path, n);
		parent[list ? n - 2 : n] = '\0';
		const struct option *p = option_find(parent);
		if (p == NULL || p > &config_options[i]
		    || p->type != (list ? OPTION_LIST : OPTION_MAP))
			fail_msg("%s: no parent %s before it", path, parent);
	}
}

static void every_option_is_explained(void **) {
	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		if (o->help == NULL || o->help[0] == '\0' || o->help[strlen(o->help) - 1] != '.')
			fail_msg("%s: help must be a sentence", o->path);
		if (o->type == OPTION_NUMBER && (o->unit == NULL || o->min > o->max))
			fail_msg("%s: a number has a unit and a range", o->path);
		if (o->type == OPTION_REFERENCE)
			assert_int_equal(option_find(o->target)->type, OPTION_LIST);
	}
}

static void fields_lie_inside_their_struct(void **) {
	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		if (o->type == OPTION_MAP || o->type == OPTION_LIST)
			continue;
		if (o->offset + o->width > element_size(o))
			fail_msg("%s: ends beyond its struct", o->path);
		if (o->type == OPTION_NUMBER && o->width < 8)
			assert_true(o->max >> (8 * o->width) == 0);
	}
}

// The default is one of the values the operator could have written, and reads back as written.
static void every_default_is_a_legal_value(void **) {
	char why[192], text[256], again[256];

	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		if (o->default_text == NULL)
			continue;
		void *a = calloc(1, element_size(o)), *b = calloc(1, element_size(o));
		assert_non_null(a);
		assert_non_null(b);
		if (option_set(o, a, o->default_text, why, sizeof(why)) != 0)
			fail_msg("%s: %s", o->path, why);
		assert_int_equal(option_get(o, a, text, sizeof(text)), 0);
		assert_string_equal(text, o->default_text);
		assert_int_equal(option_set(o, b, text, why, sizeof(why)), 0);
		assert_int_equal(option_get(o, b, again, sizeof(again)), 0);
		assert_string_equal(again, text);
		free(a);
		free(b);
	}
}

static void a_refused_value_changes_nothing(void **) {
	struct config *c = calloc(1, sizeof(*c)), *before = calloc(1, sizeof(*c));
	char why[192];

	assert_non_null(c);
	assert_non_null(before);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		if (strstr(o->path, "[]") != NULL)
			continue;
		if (o->type != OPTION_BOOL && o->type != OPTION_NUMBER && o->type != OPTION_ENUM)
			continue;
		assert_true(option_set(o, c, "no such value", why, sizeof(why)) < 0);
	}
	assert_memory_equal(c, before, sizeof(*c));
	free(c);
	free(before);
}

static void children_are_found_by_their_parent(void **) {
	assert_string_equal(option_name_below(option_find("ports[].mtu"), "ports[]"), "mtu");
	assert_string_equal(option_name_below(option_find("ports"), ""), "ports");
	assert_null(option_name_below(option_find("ports[].mtu"), ""));
	assert_null(option_name_below(option_find("ports[].exception.tap"), "ports[]"));
	assert_string_equal(
		option_field_of(option_find("ports[].exception.tap"), "ports[]"), "exception.tap"
	);
	assert_null(option_field_of(option_find("ports[].interfaces[].vlan"), "ports[]"));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_unique_and_parents_come_first),
		cmocka_unit_test(every_option_is_explained),
		cmocka_unit_test(fields_lie_inside_their_struct),
		cmocka_unit_test(every_default_is_a_legal_value),
		cmocka_unit_test(a_refused_value_changes_nothing),
		cmocka_unit_test(children_are_found_by_their_parent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
