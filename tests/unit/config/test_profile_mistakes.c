// SPDX-License-Identifier: Apache-2.0
// Every mistake in a profile file gets one sentence with that file and its line.
#include "config/config.h"

#include <errno.h>
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

static const char main_file[] =
	"lab: yes\n"
	"ports: [{name: wan, devices: d, interfaces: [{addresses: [10.0.0.1/24]}]}]\n"
	"listeners: [{name: json, protocol: udp, port: 8095, profile: sensor, auth: none}]\n"
	"topics: [{name: t1}, {name: dead-letter}]\n"
	"routes: [{name: main, topic: t1}]\n"
	"profile_files: [p/*.yaml]\n"
	"kafka: {brokers: 'kafka:9092'}\n";

// A good profile; each case changes one place of it.
static const char good[] =
	"name: sensor\n" // 1
	"match: {paths: [t/+/env], listeners: [json]}\n" // 2
	"device: {from: payload, key: dev}\n" // 3
	"route: main\n" // 4
	"fields:\n" // 5
	"  - name: temp\n" // 6
	"    type: number\n" // 7
	"    unit: Cel\n" // 8
	"    range: {min: -40, max: 85}\n" // 9
	"    alert:\n" // 10
	"      above: {raise: 80, clear: 75}\n" // 11
	"      below: {raise: 0, clear: 2}\n" // 12
	"      unusual: {raise: 6, clear: 3, smoothing: 0.1}\n" // 13
	"  - {name: door, type: boolean}\n" // 14
	"map:\n" // 15
	"  - {op: rename, field: t, to: temp}\n" // 16
	"  - {op: convert, field: temp, from: degF, unit: Cel}\n" // 17
	"  - {op: add, field: site, text: basel}\n" // 18
	"  - {op: hash, field: user, key: 0123456789abcdef0123456789abcdef}\n" // 19
	"  - {op: first-of, field: x, of: [a, b]}\n" // 20
	"on: {stuck: quarantine}\n" // 21
	"late_after: 1h\n" // 22
	"dedup: {by: payload, window: 5m}\n"; // 23

static const struct {
	const char *find; // in `good`, first place
	const char *replace;
	uint32_t line;
	const char *text; // the whole sentence
} cases[] = {
	// names of options
	{"fields:", "fieds:", 5, "fieds: unknown option; did you mean 'fields'?"},
	{"    range:", "    ragne:", 9, "fields[0].ragne: unknown option; did you mean 'range'?"},
	{"{raise: 80,",
	 "{riase: 80,",
	 11,
	 "fields[0].alert.above.riase: unknown option; did you mean 'raise'?"},
	{"on: {stuck:", "on: {stuk:", 21, "on.stuk: unknown option; did you mean 'stuck'?"},
	{"route: main\n",
	 "route: main\ntopics: []\n",
	 5,
	 "topics: unknown option here; there is 'topics'"},
	{"name: sensor\n", "", 0, "'name' is missing"},
	{"route: main\n", "", 0, "'route' is missing"},
	{"  - name: temp\n    type", "  - type", 6, "fields[0]: 'name' is missing"},
	{"op: rename, ", "", 16, "map[0]: 'op' is missing"},
	{"field: t, ", "", 16, "map[0]: 'field' is missing"},
	{"route: main",
	 "route: mian",
	 4,
	 "route: there is no 'mian' in routes; did you mean 'main'?"},
	{"route: main", "route: main\nroute: main", 5, "route: already given in line 4"},
	// types
	{"min: -40", "min: cold", 9, "fields[0].range.min: 'cold' is not a number"},
	{"min: -40", "min: inf", 9, "fields[0].range.min: 'inf' is not a number"},
	{"min: -40", "min: 0x10", 9, "fields[0].range.min: '0x10' is not a number"},
	{"min: -40", "min: -", 9, "fields[0].range.min: '-' is not a number"},
	{"min: -40", "min: 1e999", 9, "fields[0].range.min: '1e999' is not a number"},
	{"type: number",
	 "type: float",
	 7,
	 "fields[0].type: 'float' is not one of any, number, integer, boolean, text, bytes"},
	{"op: rename",
	 "op: renmae",
	 16,
	 "map[0].op: 'renmae' is not one of rename, convert, scale, add, drop, mask, hash, cast, "
	 "first-of; did you mean 'rename'?"},
	{"stuck: quarantine",
	 "stuck: drop",
	 21,
	 "on.stuck: 'drop' is not one of ignore, flag, quarantine, refuse"},
	{"late_after: 1h",
	 "late_after: 1",
	 22,
	 "late_after: '1' is not a duration with a unit (500ms, 2s)"},
	// beyond what a field's state can tell
	{"smoothing: 0.1",
	 "smoothing: 0.1, warmup: 65536",
	 13,
	 "fields[0].alert.unusual.warmup: 65536 is outside 2..65535"},
	{"    unit: Cel\n", "    stuck: 25d\n", 8, "fields[0].stuck: 25d is outside 0..24d"},
	{"above: {raise: 80, clear: 75}",
	 "for: 25d",
	 11,
	 "fields[0].alert.for: 25d is outside 0..24d"},
	{"window: 5m", "window: 2d", 23, "dedup.window: 2d is outside 1s..1d"},
	{"by: payload",
	 "by: content",
	 23,
	 "dedup.by: 'content' is not one of time-seq, payload, off"},
	{"of: [a, b]",
	 "of: [a, b, c, d, e, f, g, h, i]",
	 20,
	 "map[4].of: has 9 elements, must have 0 to 8"},
	// labels
	{"listeners: [json]}",
	 "labels: [site]}",
	 2,
	 "profile 'sensor': match.labels: 'site' is no name=value (a name of 1 to 48, a value of "
	 "at "
	 "most 128 bytes)"},
	{"listeners: [json]}",
	 "labels: [b=1, =x]}",
	 2,
	 "profile 'sensor': match.labels: '=x' is no name=value (a name of 1 to 48, a value of at "
	 "most 128 bytes)"},
	{"listeners: [json]}",
	 "labels: [b=1, a=2, b=2]}",
	 2,
	 "profile 'sensor': match.labels: 'b' is given twice"},
	{"text: basel",
	 "text: basel, label: site",
	 18,
	 "profile 'sensor': map[2]: op add needs one of 'text', 'number', 'attribute' and 'label'"},
	{"text: basel",
	 "label: n234567890123456789012345678901234567890123456789",
	 18,
	 "profile 'sensor': map[2].label: a label's name has 1 to 48 bytes"},
	{"to: temp}",
	 "to: temp, label: site}",
	 16,
	 "profile 'sensor': map[0]: op rename takes no 'label'"},
	{"text: basel",
	 "label: site, unit: Cel",
	 18,
	 "profile 'sensor': map[2].unit: only a number has a unit"},
	// fields
	{"unit: Cel", "unit: Celsius", 8, "field 'temp': 'Celsius' is no unit; did you mean 'Cel'?"
	},
	{"unit: Cel", "unit: cell", 8, "field 'temp': 'cell' is no unit; did you mean 'Cel'?"},
	{"max: 85", "max: -85", 9, "field 'temp': no value lies in its range"},
	{"{raise: 80, clear: 75}", "{clear: 75}", 11, "field 'temp': alert.above has no 'raise'"},
	{"{raise: 0, clear: 2}", "{clear: 2}", 12, "field 'temp': alert.below has no 'raise'"},
	{"{raise: 6, clear: 3,", "{clear: 3,", 13, "field 'temp': alert.unusual has no 'raise'"},
	{"clear: 75",
	 "clear: 85",
	 11,
	 "field 'temp': alert.above clears above the value that raises it"},
	{"clear: 2",
	 "clear: -2",
	 12,
	 "field 'temp': alert.below clears below the value that raises it"},
	{"raise: 0,", "raise: 90,", 12, "field 'temp': every value is above 80 or below 90"},
	{"raise: 6",
	 "raise: 0",
	 13,
	 "field 'temp': alert.unusual must be raised beyond more than 0 deviations, and cleared "
	 "within no more"},
	{"smoothing: 0.1",
	 "smoothing: 1.1",
	 13,
	 "field 'temp': alert.unusual.smoothing must be above 0 and at most 1"},
	{"    unit: Cel\n",
	 "    unit: Cel\n    rate: -1\n",
	 9,
	 "field 'temp': rate must not be negative"},
	{"type: boolean}",
	 "type: boolean, rate: 2}",
	 14,
	 "field 'door': range, rate and alert are for numbers"},
	{"name: door", "name: temp", 14, "profile 'sensor': there is a field 'temp' already"},
	// map
	{"to: temp}",
	 "to: temp, keep: 3}",
	 16,
	 "profile 'sensor': map[0]: op rename takes no 'keep'"},
	{", to: temp", "", 16, "profile 'sensor': map[0]: op rename needs 'to'"},
	{", unit: Cel}", "}", 17, "profile 'sensor': map[1]: op convert needs 'unit'"},
	{"from: degF",
	 "from: degf2",
	 17,
	 "profile 'sensor': map[1].from: 'degf2' is no unit; did you mean 'degF'?"},
	{"from: degF",
	 "from: Pa",
	 17,
	 "profile 'sensor': map[1]: Pa measures pressure, Cel measures temperature"},
	{", text: basel",
	 "",
	 18,
	 "profile 'sensor': map[2]: op add needs one of 'text', 'number', 'attribute' and 'label'"},
	{"text: basel",
	 "text: basel, number: 1",
	 18,
	 "profile 'sensor': map[2]: op add needs one of 'text', 'number', 'attribute' and 'label'"},
	{"text: basel",
	 "text: basel, unit: m",
	 18,
	 "profile 'sensor': map[2].unit: only a number has a unit"},
	{"text: basel",
	 "attribute: none",
	 18,
	 "profile 'sensor': map[2].attribute: none adds nothing"},
	{"text: basel",
	 "attribute: device, segment: 1",
	 18,
	 "profile 'sensor': map[2].segment: is for attribute: path-segment only"},
	{"op: add, field: site, text: basel",
	 "op: scale, field: site",
	 18,
	 "profile 'sensor': map[2]: op scale needs 'factor' or 'offset'"},
	{"key: 0123456789abcdef0123456789abcdef",
	 "key: 0123456789abcdef",
	 19,
	 "profile 'sensor': map[3].key: must have 32 hexadecimal digits (openssl rand -hex 16)"},
	{"key: 0123456789abcdef0123456789abcdef",
	 "key: 0123456789abcdef0123456789abcdeg",
	 19,
	 "profile 'sensor': map[3].key: must have 32 hexadecimal digits (openssl rand -hex 16)"},
	{"key: 0123456789abcdef0123456789abcdef",
	 "key: 'file:/nonexistent/key'",
	 19,
	 "map[3].key: cannot open /nonexistent/key: No such file or directory"},
	{"of: [a, b]", "of: []", 20, "profile 'sensor': map[4].of: names no field"},
	// the whole
	{"paths: [t/+/env]",
	 "paths: [t/#/env]",
	 2,
	 "profile 'sensor': match.paths: 't/#/env' is no topic filter (t/+/env, t/#)"},
	{"paths: [t/+/env]",
	 "paths: [t/a+/env]",
	 2,
	 "profile 'sensor': match.paths: 't/a+/env' is no topic filter (t/+/env, t/#)"},
	{"paths: [t/+/env]",
	 "paths: [1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17]",
	 2,
	 "profile 'sensor': match.paths: '1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17' has more than "
	 "16 levels"},
	{"listeners: [json]",
	 "listeners: [jsno]",
	 2,
	 "profile 'sensor': match.listeners: there is no 'jsno' in listeners; did you mean 'json'?"
	},
	{"late_after: 1h",
	 "late_after: 60d",
	 22,
	 "profile 'sensor': late_after is beyond past_max: no record could be late"},
	{"late_after: 1h", "claim: {devices: [a]}\nlate_after: 1h\n", 0, NULL},
	// not YAML
	{"name: sensor", "name: [sensor", 2, NULL},
	{"name: sensor\n", "--- 1\n---\nname: sensor\n", 1, NULL},
};

static char dir[] = "/tmp/sluice-profiles-XXXXXX";

static void file_write(const char *name, const char *text) {
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static int load(const char *profile, struct config_error *errors, uint32_t max, uint32_t *count) {
	struct config *c = NULL;
	char path[256];

	file_write("p/a.yaml", profile);
	snprintf(path, sizeof(path), "%s/sluice.yaml", dir);
	int ret = config_load(path, &c, errors, max, count);
	config_free(c);
	return ret;
}

static int setup(void **) {
	char path[256];

	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/p", dir);
	if (mkdir(path, 0700) < 0)
		return -1;
	file_write("sluice.yaml", main_file);
	return 0;
}

static int teardown(void **) {
	static const char *const names[] = {"p/a.yaml", "p/b.yaml", "p", "sluice.yaml", ""};
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)remove(path);
	}
	return 0;
}

static void the_good_profile_is_good(void **) {
	struct config_error errors[4];
	uint32_t count;

	int ret = load(good, errors, 4, &count);
	for (uint32_t i = 0; i < count; i++)
		print_error("%s:%u: %s\n", errors[i].file, errors[i].line, errors[i].text);
	assert_int_equal(ret, 0);
}

static void replaced(char *out, size_t size, const char *find, const char *replace) {
	const char *at = strstr(good, find);

	if (at == NULL)
		fail_msg("no '%s' in the good profile", find);
	snprintf(out, size, "%.*s%s%s", (int)(at - good), good, replace, at + strlen(find));
}

static void each_mistake_has_its_file_line_and_sentence(void **) {
	struct config_error errors[8];
	char text[sizeof(good) + 512], path[256];
	uint32_t count;
	int wrong = 0;

	snprintf(path, sizeof(path), "%s/p/a.yaml", dir);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool found = false;
		bool good_after_all = cases[i].line == 0 && cases[i].text == NULL;
		replaced(text, sizeof(text), cases[i].find, cases[i].replace);
		int ret = load(text, errors, 8, &count);
		for (uint32_t k = 0; k < count; k++)
			if (errors[k].line == cases[i].line && strcmp(errors[k].file, path) == 0
			    && (cases[i].text == NULL || strcmp(errors[k].text, cases[i].text) == 0
			    ))
				found = true;
		if ((ret == -EINVAL && found) || (ret == 0 && good_after_all))
			continue;
		wrong++;
		print_error(
			"'%s' -> %d, wanted %u: %s\n",
			cases[i].replace,
			ret,
			cases[i].line,
			cases[i].text
		);
		for (uint32_t k = 0; k < count; k++)
			print_error(
				"      got %s:%u: %s\n",
				errors[k].file,
				errors[k].line,
				errors[k].text
			);
	}
	assert_int_equal(wrong, 0);
}

static void mistakes_name_the_right_file_of_several(void **) {
	struct config_error errors[8];
	uint32_t count;

	file_write("p/b.yaml", "name: sensor\nroute: main\nfields: [{name: x, unit: m}]\n");
	assert_int_equal(load(good, errors, 8, &count), -EINVAL);
	assert_int_equal(count, 1);
	assert_string_equal(errors[0].file + strlen(dir), "/p/b.yaml");
	assert_int_equal(errors[0].line, 1);
	assert_string_equal(errors[0].text, "profiles: the name 'sensor' is taken");
	file_write("p/b.yaml", "");
	assert_int_equal(load(good, errors, 8, &count), -EINVAL);
	assert_string_equal(errors[0].file + strlen(dir), "/p/b.yaml");
	assert_string_equal(errors[0].text, "the file is empty");
}

static void a_file_without_wildcards_must_be_there(void **) {
	struct config_error errors[2];
	struct config *c = NULL;
	uint32_t count;
	char text[sizeof(main_file) + 32], path[256];

	snprintf(text, sizeof(text), "%sprofile_files: [none.yaml, 'x*']\n", "lab: yes\n");
	snprintf(path, sizeof(path), "%s/sluice.yaml", dir);
	assert_int_equal(
		config_load_text(path, text, strlen(text), &c, errors, 2, &count), -EINVAL
	);
	assert_string_equal(
		errors[count > 1 && errors[0].line == 0].text,
		"profile_files: there is no 'none.yaml'"
	);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_good_profile_is_good),
		cmocka_unit_test(each_mistake_has_its_file_line_and_sentence),
		cmocka_unit_test(mistakes_name_the_right_file_of_several),
		cmocka_unit_test(a_file_without_wildcards_must_be_there),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
