// SPDX-License-Identifier: Apache-2.0
// The selector against an oracle that tries every pattern of every profile in order.
#include "config/config.h"
#include "config/select.h"
#include "parsers/labels.h"

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

// "a=1 c=3" has "a=1"?
static bool text_has(const char *labels, const char *pair) {
	size_t n = strlen(pair);

	for (const char *at = labels; *at != '\0'; at += strcspn(at, " "), at += *at == ' ')
		if (strcspn(at, " ") == n && strncmp(at, pair, n) == 0)
			return true;
	return false;
}

static const struct profile *
oracle(const struct config *c, uint16_t listener, const char *path, const char *labels) {
	for (uint32_t i = 0; i < c->profile_count; i++) {
		const struct profile_match *m = &c->profiles[i].match;
		bool listed = m->listener_count == 0, on_path = m->path_count == 0;
		for (uint32_t k = 0; k < m->listener_count; k++)
			listed |= strcmp(m->listeners[k], c->listeners[listener].name) == 0;
		for (uint32_t k = 0; k < m->path_count; k++)
			on_path |= path_fits(m->paths[k], path);
		bool labelled = true;
		for (uint32_t k = 0; k < m->label_count; k++)
			labelled &= text_has(labels, m->labels[k]);
		if (m->path_count + m->listener_count + m->label_count > 0 && listed && on_path
		    && labelled)
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

// A random set as text, in order of its names, "" or "a=1 c=2".
static void random_labels(char *out) {
	char *p = out;

	*p = '\0';
	for (char name = 'a'; name <= 'd'; name++)
		if (below(2))
			p += sprintf(p, "%s%c=%u", p > out ? " " : "", name, below(2));
}

static struct view set_of(const char *labels, uint8_t room[LABELS_BYTES_MAX]) {
	struct view set = {0};

	for (const char *at = labels; *at != '\0'; at += strcspn(at, " "), at += *at == ' ')
		assert_true(labels_append(
			&set, room, (struct label) {view_of(at, 1), view_of(at + 2, 1)}
		));
	return set;
}

static struct config *random_config(bool labels) {
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
				"]\n      labels: [%s]\n      listeners: [%s]\n",
				!labels || below(2) ? ""
					: below(2)  ? "a=1"
						    : "c=0, a=1",
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
	char path[128], labels[64];
	uint8_t room[LABELS_BYTES_MAX];
	uint32_t found = 0, by_label = 0;

	for (int round = 0; round < 300; round++) {
		struct config *c = random_config(round % 3 > 0);
		for (int i = 0; i < 200; i++) {
			uint16_t listener = (uint16_t)below(LISTENERS);
			random_path(path, false);
			random_labels(labels);
			const struct profile *want = oracle(c, listener, path, labels);
			const struct profile *got = c->selector == NULL
				? NULL
				: profile_select(
					  c->selector,
					  listener,
					  view_of(path, (uint32_t)strlen(path)),
					  set_of(labels, room)
				  );
			if (got != want)
				fail_msg(
					"'%s' on l%u of '%s': %s, not %s",
					path,
					listener,
					labels,
					got ? got->name : "none",
					want ? want->name : "none"
				);
			found += got != NULL;
			by_label += got != NULL && got->match.label_count > 0;
		}
		config_free(c);
	}
	assert_in_range(found, 10000, 55000);
	assert_in_range(by_label, 2000, 30000);
}

static void names_of_the_registry_find_their_profile(void **) {
	for (int round = 0; round < 50; round++) {
		struct config *c = random_config(false);
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
	struct config *c = random_config(true);
	static char path[65535];

	memset(path, '/', sizeof(path));
	(void)profile_select(c->selector, 0, view_of(path, sizeof(path)), (struct view) {0});
	(void)profile_select(c->selector, 0, (struct view) {0}, (struct view) {0});
	config_free(c);
}

// Nobody looks a device up for a configuration that does not ask.
static void only_who_asks_asks_the_registry(void **) {
	static const struct {
		const char *match;
		bool asks;
	} cases[] = {
		{"{paths: ['t/#']}", false},
		{"{paths: ['t/#'], listeners: [l]}", false},
		{"{paths: ['t/#'], labels: []}", false},
		{"{paths: ['t/#'], labels: [a=1]}", true},
		{"{labels: [a=1]}", true},
		{"{registry: yes}", true},
	};
	struct config_error errors[4];
	struct config *c = NULL;
	char text[1024];
	uint32_t count;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(
			text,
			sizeof(text),
			"lab: yes\nports: [{name: w, devices: d, interfaces: [{addresses: "
			"[10.0.0.1/24]}]}]\n"
			"topics: [{name: dead-letter}]\nroutes: [{name: r, topic: dead-letter}]\n"
			"kafka: {brokers: 'k:1'}\nprofiles: [{name: p, route: r, match: %s}]\n"
			"listeners: [{name: l, protocol: mqtt, port: 1, profile: p, auth: none}]\n",
			cases[i].match
		);
		assert_int_equal(
			config_load_text("/x/y.yaml", text, strlen(text), &c, errors, 4, &count), 0
		);
		if (profile_select_asks_registry(c->selector) != cases[i].asks)
			fail_msg("%s", cases[i].match);
		config_free(c);
	}
}

// What `sluiced` warns of: those that a message is compared with one after the other.
static void profiles_of_one_pattern_are_counted(void **) {
	static const char head[] =
		"lab: yes\nports: [{name: w, devices: d, interfaces: [{addresses: "
		"[10.0.0.1/24]}]}]\n"
		"topics: [{name: dead-letter}]\nroutes: [{name: r, topic: dead-letter}]\n"
		"kafka: {brokers: 'k:1'}\n"
		"listeners: [{name: l, protocol: mqtt, port: 1, profile: p0, auth: none}]\n"
		"profiles:\n";
	static const char *const match[] = {
		"{paths: ['t/+/env'], labels: [n=%u]}",
		"{paths: ['t/%u/env']}",
		"{labels: [n=%u]}",
		"{paths: ['t/+/env', 'u/#'], labels: [m=%u]}",
		"{registry: yes, paths: ['r/%u']}",
	};
	struct config_error errors[4];
	struct config *c = NULL;
	char text[16384];
	uint32_t count;
	size_t n = (size_t)snprintf(text, sizeof(text), "%s", head);

	for (unsigned i = 0; i < 100; i++) {
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, "  - name: p%u\n    route: r\n    match: ", i
		);
		char line[80];
		const char *percent = strchr(match[i % 5], '%');
		snprintf(
			line,
			sizeof(line),
			"%.*s%u%s",
			(int)(percent - match[i % 5]),
			match[i % 5],
			i,
			percent + 2
		);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", line);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\n");
	}
	assert_true(n < sizeof(text));
	assert_int_equal(config_load_text("/x/y.yaml", text, n, &c, errors, 4, &count), 0);
	assert_int_equal(profile_select_shared(c->selector), 40); // of t/+/env
	assert_int_equal(profile_select_shared(NULL), 0);
	config_free(c);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_walk_finds_what_the_oracle_finds),
		cmocka_unit_test(names_of_the_registry_find_their_profile),
		cmocka_unit_test(long_paths_end),
		cmocka_unit_test(only_who_asks_asks_the_registry),
		cmocka_unit_test(profiles_of_one_pattern_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
