// SPDX-License-Identifier: Apache-2.0
// The selector against an oracle that tries every pattern of every profile in order.
#include "config/config.h"
#include "config/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LISTENERS 3

static uint64_t seed = 88172645463325252u;

static uint32_t below(uint32_t n) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % n;
}

// MQTT's rules, written as a recursion over the text.
static bool fits(const char *pattern, const char *path) {
	if (strcmp(pattern, "#") == 0)
		return true;
	if (path == NULL)
		return pattern[0] == '\0';
	size_t n = strcspn(pattern, "/"), k = strcspn(path, "/");
	bool level = (n == 1 && pattern[0] == '+') || (n == k && strncmp(pattern, path, n) == 0);
	if (!level)
		return false;
	bool pattern_ends = pattern[n] == '\0', path_ends = path[k] == '\0';
	if (pattern_ends || path_ends)
		return (pattern_ends && path_ends) || (path_ends && strcmp(pattern + n, "/#") == 0);
	return fits(pattern + n + 1, path + k + 1);
}

static bool path_fits(const char *pattern, const char *path) {
	if (pattern[0] == '/')
		pattern++;
	if (path[0] == '/')
		path++;
	if (path[0] == '\0')
		return strcmp(pattern, "#") == 0 || pattern[0] == '\0';
	return fits(pattern, path);
}

static const struct profile *oracle(const struct config *c, uint16_t listener, const char *path) {
	for (uint32_t i = 0; i < c->profile_count; i++) {
		const struct profile_match *m = &c->profiles[i].match;
		bool listed = m->listener_count == 0, on_path = m->path_count == 0;
		for (uint32_t k = 0; k < m->listener_count; k++)
			listed |= strcmp(m->listeners[k], c->listeners[listener].name) == 0;
		for (uint32_t k = 0; k < m->path_count; k++)
			on_path |= path_fits(m->paths[k], path);
		if (m->path_count + m->listener_count > 0 && listed && on_path)
			return &c->profiles[i];
	}
	return NULL;
}

static void random_path(char *out, bool pattern) {
	static const char *const levels[] = {"a", "b", "t", "dev-1", "", "+"};
	uint32_t n = below(5);
	char *p = out;

	if (below(4) == 0)
		*p++ = '/';
	for (uint32_t i = 0; i <= n; i++)
		p += sprintf(p, "%s%s", i > 0 ? "/" : "", levels[below(pattern ? 6 : 5)]);
	if (pattern && below(4) == 0)
		sprintf(p, "/#");
	if (pattern && below(20) == 0)
		snprintf(out, 2, "#");
	if (pattern && (out[0] == '\0' || strcmp(out, "/") == 0))
		snprintf(out, 2, "a");
}

static struct config *random_config(void) {
	static char text[65536];
	struct config_error errors[4];
	struct config *c = NULL;
	uint32_t count, profiles = 1 + below(20);
	char path[128], *p = text;

	p +=
		sprintf(p,
			"lab: yes\nports: [{name: w, devices: d, interfaces: [{addresses: "
			"[10.0.0.1/24]}]}]\n"
			"topics: [{name: dead-letter}]\nroutes: [{name: r, topic: dead-letter}]\n"
			"kafka: {brokers: 'k:1'}\nlisteners:\n");
	for (int i = 0; i < LISTENERS; i++)
		p += sprintf(
			p,
			"  - {name: l%d, protocol: mqtt, port: %d, profile: p0, auth: none}\n",
			i,
			i + 1
		);
	p += sprintf(p, "profiles:\n");
	for (uint32_t i = 0; i < profiles; i++) {
		p +=
			sprintf(p,
				"  - name: p%u\n    route: r\n    match:\n      registry: %s\n     "
				" paths: [",
				i,
				i % 3 == 0 ? "yes" : "no");
		for (uint32_t k = below(4); k > 0; k--) {
			random_path(path, true);
			p += sprintf(p, "'%s'%s", path, k > 1 ? ", " : "");
		}
		p +=
			sprintf(p,
				"]\n      listeners: [%s]\n",
				below(2)	   ? ""
					: below(2) ? "l1"
						   : "l0, l2");
	}
	int ret = config_load_text("/x/y.yaml", text, strlen(text), &c, errors, 4, &count);
	for (uint32_t i = 0; i < count; i++)
		print_error("%u: %s\n", errors[i].line, errors[i].text);
	if (ret != 0)
		print_error("%s", text);
	assert_int_equal(ret, 0);
	return c;
}

static void the_walk_finds_what_the_oracle_finds(void **) {
	char path[128];
	uint32_t found = 0;

	for (int round = 0; round < 300; round++) {
		struct config *c = random_config();
		for (int i = 0; i < 200; i++) {
			uint16_t listener = (uint16_t)below(LISTENERS);
			random_path(path, false);
			const struct profile *want = oracle(c, listener, path);
			const struct profile *got = c->selector == NULL
				? NULL
				: profile_select(
					  c->selector,
					  listener,
					  view_of(path, (uint32_t)strlen(path))
				  );
			if (got != want)
				fail_msg(
					"'%s' on l%u: %s, not %s",
					path,
					listener,
					got ? got->name : "none",
					want ? want->name : "none"
				);
			found += got != NULL;
		}
		config_free(c);
	}
	assert_in_range(found, 10000, 50000);
}

static void names_of_the_registry_find_their_profile(void **) {
	for (int round = 0; round < 50; round++) {
		struct config *c = random_config();
		assert_non_null(c->selector);
		assert_true(profile_select_asks_registry(c->selector));
		for (uint32_t i = 0; i < c->profile_count; i++) {
			const char *name = c->profiles[i].name;
			const struct profile *got = profile_select_named(
				c->selector, view_of(name, (uint32_t)strlen(name))
			);
			assert_ptr_equal(got, i % 3 == 0 ? &c->profiles[i] : NULL);
		}
		assert_null(profile_select_named(c->selector, VIEW_LITERAL("p")));
		assert_null(profile_select_named(c->selector, VIEW_LITERAL("")));
		config_free(c);
	}
}

// A path of any length costs the depth of the deepest pattern.
static void long_paths_end(void **) {
	struct config *c = random_config();
	static char path[65535];

	memset(path, '/', sizeof(path));
	(void)profile_select(c->selector, 0, view_of(path, sizeof(path)));
	(void)profile_select(c->selector, 0, (struct view) {0});
	config_free(c);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_walk_finds_what_the_oracle_finds),
		cmocka_unit_test(names_of_the_registry_find_their_profile),
		cmocka_unit_test(long_paths_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
