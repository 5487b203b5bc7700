// SPDX-License-Identifier: Apache-2.0
// Signature files: what is read, and one sentence with file and line for every mistake.
#include "config/signature.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ERRORS 16

static const char good[] = "signatures:\n" // 1
			   "  - id: 7\n" // 2
			   "    name: log4shell\n" // 3
			   "    expression: '\\$\\{jndi:'\n" // 4
			   "    flags: [caseless, dotall]\n" // 5
			   "    scope: both\n" // 6
			   "    protocols: [mqtt, coap]\n" // 7
			   "    profiles: [meter, gateway]\n" // 8
			   "    severity: critical\n" // 9
			   "    action: ban\n" // 10
			   "    for: 2h\n" // 11
			   "    reference: CVE-2021-44228\n" // 12
			   "    match:\n" // 13
			   "      - '${jndi:x'\n" // 14
			   "      - {path: 't/${JNDI:'}\n" // 15
			   "      - {hex: '24 7b6a6e6469 3A'}\n" // 16
			   "    near_miss: 'jndi'\n"; // 17

static const struct {
	const char *find;
	const char *replace;
	uint32_t line;
	const char *text;
} cases[] = {
	{"severity:", "severitee:", 9, "severitee: unknown key; did you mean 'severity'?"},
	{"id: 7", "id: seven", 2, "id: 'seven' is not a number from 1 to 4294967295"},
	{"id: 7", "id: 0", 2, "id: '0' is not a number from 1 to 4294967295"},
	{"id: 7", "id: 4294967296", 2, "id: '4294967296' is not a number from 1 to 4294967295"},
	{"id: 7", "id: [7]", 2, "id: must be one value"},
	{"name: log4shell",
	 "name: log shell",
	 3,
	 "name: 'log shell' may have letters, digits, '-', '_' and '.' only"},
	{"expression: '\\$\\{jndi:'",
	 "expression: ''",
	 4,
	 "expression: must have 1 to 2048 characters"},
	{"expression: '\\$\\{jndi:'", "expression:", 4, "expression: must be one value"},
	{"expression: '\\$\\{jndi:'",
	 "expression: '(*UTF8)x'",
	 4,
	 "expression: '(*' verbs are not allowed; use `flags`"},
	{"expression: '\\$\\{jndi:'",
	 "expression: \"a\\0b\"",
	 4,
	 "expression: must not hold a zero byte"},
	{"[caseless, dotall]",
	 "[caselss]",
	 5,
	 "flags: 'caselss' is unknown; did you mean 'caseless'?"},
	{"[caseless, dotall]", "utf8", 5, "flags: 'utf8' is none of caseless, dotall, multiline"},
	{"[caseless, dotall]", "[]", 5, "flags: must have 1 to 8 elements"},
	{"scope: both", "scope: header", 6, "scope: 'header' is none of path, payload, both"},
	{"protocols: [mqtt, coap]",
	 "protocols: [mqtd]",
	 7,
	 "protocols: 'mqtd' is unknown; did you mean 'mqtt'?"},
	{"severity: critical",
	 "severity: 9",
	 9,
	 "severity: '9' is none of info, low, medium, high, critical"},
	{"action: ban",
	 "action: block",
	 10,
	 "action: 'block' is none of tag, quarantine, refuse, "
	 "disconnect, ban"},
	{"action: ban", "action: tag", 11, "for: belongs to 'action: ban' only"},
	{"    for: 2h\n", "", 2, "'for' is missing: every ban must end"},
	{"for: 2h", "for: 2", 11, "for: '2' is not a duration with a unit (10m, 2h)"},
	{"for: 2h", "for: 0s", 11, "for: '0s' is not a duration with a unit (10m, 2h)"},
	{"for: 2h", "for: 31d", 11, "for: a ban ends after 30d at the latest"},
	{"    reference: CVE-2021-44228\n", "    for: 1h\n", 12, "for: already given"},
	{"{hex: '24 7b6a6e6469 3A'}", "{hex: '24 7'}", 16, "match: hex: must be pairs of hex digits"
	},
	{"{hex: '24 7b6a6e6469 3A'}",
	 "{hexx: ''}",
	 16,
	 "match: 'hexx' is unknown; did you mean 'hex'?"},
	{"{hex: '24 7b6a6e6469 3A'}",
	 "[a]",
	 16,
	 "match: must be a text, {hex: ...}, {path: ...} or {payload: ...}"},
	{"scope: both", "scope: payload", 15, "match: the signature does not look there (scope)"},
	{"near_miss: 'jndi'", "near_miss: ''", 17, "near_miss: must be a text of 1 to 4096 bytes"},
	{"signatures:\n", "signature:\n", 1, "signature: unknown key; a file has 'signatures'"},
	{"  - id: 7\n    name", "  - 7\n  - name", 2, "a signature must hold keys ('id: ...')"},
	{"  - id: 7\n    name", "  - name", 2, "'id' is missing"},
	{"    reference", "   reference", 12, "not YAML: did not find expected '-' indicator"},
	{"near_miss: 'jndi'\n",
	 "near_miss: 'jndi'\n---\na: 1\n",
	 19,
	 "a second YAML document begins here; there must be one"},
};

static char *changed(const char *find, const char *replace) {
	const char *at = strstr(good, find);
	char *text;

	assert_non_null(at);
	assert_true(
		asprintf(&text, "%.*s%s%s", (int)(at - good), good, replace, at + strlen(find)) > 0
	);
	return text;
}

static int
load(const char *text, struct signature_set **set, struct config_error *errors, uint32_t *count) {
	return signatures_load_text("a.yaml", text, strlen(text), set, errors, ERRORS, count);
}

static void a_signature_is_read_whole(void **) {
	struct config_error errors[ERRORS];
	struct signature_set *set = NULL;
	uint32_t count;

	assert_int_equal(load(good, &set, errors, &count), 0);
	assert_int_equal(set->count, 1);
	const struct signature *s = &set->signatures[0];
	assert_int_equal(s->id, 7);
	assert_string_equal(s->name, "log4shell");
	assert_string_equal(s->expression, "\\$\\{jndi:");
	assert_int_equal(s->flags, SIGNATURE_CASELESS | SIGNATURE_DOTALL);
	assert_int_equal(s->scope, SIGNATURE_BOTH);
	assert_int_equal(s->protocols, 1u << LISTEN_MQTT | 1u << LISTEN_COAP);
	assert_int_equal(s->profile_count, 2);
	assert_string_equal(s->profiles[1], "gateway");
	assert_int_equal(s->severity, SEVERITY_CRITICAL);
	assert_int_equal(s->action, SIGNATURE_BAN);
	assert_int_equal(s->ban_s, 7200);
	assert_string_equal(s->reference, "CVE-2021-44228");
	assert_string_equal(s->file, "a.yaml");
	assert_int_equal(s->line, 4);
	assert_int_equal(s->vector_count, 4);
	assert_false(s->vectors[0].path);
	assert_true(s->vectors[1].path);
	assert_int_equal(s->vectors[2].len, 7);
	assert_memory_equal(s->vectors[2].bytes, "${jndi:", 7);
	assert_true(s->vectors[3].near_miss);
	signatures_free(set);
}

static void every_mistake_has_its_line(void **) {
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_error errors[ERRORS];
		struct signature_set *set = NULL;
		char *text = changed(cases[i].find, cases[i].replace);
		uint32_t count = 0;
		bool found = false;

		assert_int_equal(load(text, &set, errors, &count), -EINVAL);
		assert_null(set);
		for (uint32_t k = 0; k < count; k++)
			found |= errors[k].line == cases[i].line
				&& strcmp(errors[k].text, cases[i].text) == 0
				&& strcmp(errors[k].file, "a.yaml") == 0;
		if (!found)
			fail_msg(
				"'%s': wanted %u: %s, got %u: %s",
				cases[i].replace,
				cases[i].line,
				cases[i].text,
				errors[0].line,
				errors[0].text
			);
		free(text);
	}
}

static void an_empty_file_is_a_mistake(void **) {
	struct config_error errors[ERRORS];
	struct signature_set *set = NULL;
	uint32_t count;

	assert_int_equal(load("", &set, errors, &count), -EINVAL);
	assert_string_equal(errors[0].text, "the file is empty");
	assert_int_equal(load("# nothing\n", &set, errors, &count), -EINVAL);
	assert_string_equal(errors[0].text, "the file is empty");
}

static void write_file(const char *dir, const char *name, const char *text) {
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

// Two files of a directory: one bundle, lines counted per file, an id only once.
static void a_directory_is_one_set(void **) {
	char dir[] = "/tmp/signatures-XXXXXX", path[300];
	struct config_error errors[ERRORS];
	struct signature_set *set = NULL;
	struct signature_part part;
	uint32_t count;
	size_t size, at = 0;
	char *bundle;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(signatures_load(dir, &set, errors, ERRORS, &count), -ENOENT);
	write_file(dir, "b.yaml", good);
	char *other = changed("id: 7", "id: 8");
	other[strlen(other) - 1] = '\0'; // no line feed at the end
	write_file(dir, "a.yaml", other);
	write_file(dir, "ignored.txt", "x");
	assert_int_equal(signatures_load(dir, &set, errors, ERRORS, &count), 0);
	assert_int_equal(set->count, 2);
	assert_string_equal(set->signatures[0].file, "a.yaml");
	assert_int_equal(set->signatures[1].id, 7);
	assert_int_equal(set->signatures[1].line, 4);
	signatures_free(set);

	assert_int_equal(signatures_bundle(dir, &bundle, &size), 0);
	assert_true(signatures_part(bundle, size, &at, &part));
	assert_string_equal(part.name, "a.yaml");
	assert_true(signatures_part(bundle, size, &at, &part));
	assert_string_equal(part.name, "b.yaml");
	assert_int_equal(part.size, strlen(good));
	assert_memory_equal(part.text, good, part.size);
	assert_false(signatures_part(bundle, size, &at, &part));
	free(bundle);

	write_file(dir, "c.yaml", good);
	set = NULL;
	assert_int_equal(signatures_load(dir, &set, errors, ERRORS, &count), -EINVAL);
	assert_int_equal(count, 1);
	assert_string_equal(errors[0].file, "c.yaml");
	assert_string_equal(errors[0].text, "id: 7 is 'log4shell' already (b.yaml:4)");
	free(other);
	for (const char *const *n =
		     (const char *const[]) {"a.yaml", "b.yaml", "c.yaml", "ignored.txt", NULL};
	     *n != NULL;
	     n++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *n);
		unlink(path);
	}
	rmdir(dir);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signature_is_read_whole),
		cmocka_unit_test(every_mistake_has_its_line),
		cmocka_unit_test(an_empty_file_is_a_mistake),
		cmocka_unit_test(a_directory_is_one_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
