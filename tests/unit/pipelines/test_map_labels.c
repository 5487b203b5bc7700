// SPDX-License-Identifier: Apache-2.0
// The map's steps that ask what the registry says of a record's device.
#include "parsers/labels.h"
#include "tests/unit/pipelines/map_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint8_t label_room[LABELS_BYTES_MAX];
static struct device_facts facts;
static uint32_t asked;

static struct device_facts facts_of(void *, struct view) {
	asked++;
	return facts;
}

static const struct authority registry = {.facts_of = facts_of};

static const struct record *
run(const struct config *c, const char *payload, const struct authority *a) {
	rig_burst.item_count = 1;
	rig_burst.items[0] = (struct item) {.m = rig_message(c, PAYLOAD_JSON, payload)};
	assert_int_equal(decode_burst(rig_decoder, &rig_burst, 0), 1);
	assert_int_equal(rig_burst.items[0].state, ITEM_GOING);
	map_burst(&rig_burst, 0, 1, a);
	return &rig_burst.records[0];
}

static void labels_become_fields(void **) {
	static const struct {
		const char *map, *fields;
	} list[] = {
		{"{op: add, field: s, label: site}", "x=1 s='basel'"},
		{"{op: add, field: x, label: site}", "x='basel'"},
		{"{op: add, field: x, label: none}", "x=1"},
		{"{op: add, field: x, label: sit}", "x=1"},
		{"{op: add, field: x, label: empty}", "x=1"},
		{"{op: add, field: k, attribute: registry-profile}", "x=1 k='meter'"},
		{"{op: add, field: f, label: floor}, {op: cast, field: f, type: number}", "x=1 f=-2"
		},
		{"{op: add, field: s, label: site}, {op: mask, field: s, keep: 2}", "x=1 s='***el'"
		},
		{"{op: add, field: s, label: site}, {op: first-of, field: x, of: [none, s]}",
		 "x='basel'"},
	};
	struct view set = {0};
	char text[512];

	assert_true(labels_append(&set, label_room, (struct label) {VIEW_LITERAL("empty"), {0}}));
	assert_true(labels_append(
		&set, label_room, (struct label) {VIEW_LITERAL("floor"), VIEW_LITERAL("-2")}
	));
	assert_true(labels_append(
		&set, label_room, (struct label) {VIEW_LITERAL("site"), VIEW_LITERAL("basel")}
	));
	facts = (struct device_facts) {.profile = VIEW_LITERAL("meter"), .labels = set};
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct config *c = rig_program(list[i].map);
		rig_record_print(text, sizeof(text), run(c, "{\"x\":1}", &registry));
		if (strcmp(text, list[i].fields) != 0)
			fail_msg("%s: %s, not %s", list[i].map, text, list[i].fields);
		// Without a registry there are none.
		rig_record_print(text, sizeof(text), run(c, "{\"x\":1}", NULL));
		assert_null(strstr(text, "basel"));
		config_free(c);
	}
}

// The longest label, masked as often as a program may, fits into what was reserved.
static void the_longest_label_has_room(void **) {
	static char value[LABEL_VALUE_MAX], map[8192];
	struct view set = {0};
	char *p = map;

	memset(value, 'v', sizeof(value));
	assert_true(labels_append(
		&set, label_room, (struct label) {VIEW_LITERAL("l"), view_of(value, sizeof(value))}
	));
	facts = (struct device_facts) {.labels = set};
	for (int i = 0; i < 80; i++)
		p += sprintf(
			p,
			"{op: add, field: f%d, label: l}, {op: mask, field: f%d, keep: 5}, ",
			i,
			i
		);
	struct config *c = rig_program(map);
	const struct record *rec = run(c, "{\"x\":1}", &registry);
	assert_int_equal(rec->field_count, 81);
	for (uint16_t i = 1; i < 81; i++) {
		struct view s = rig_burst.readings.fields[rec->first_field + i].v.s;
		assert_int_equal(s.len, LABEL_VALUE_MAX);
		assert_memory_equal(s.p + s.len - 7, "**vvvvv", 7);
	}
	config_free(c);
}

static void only_programs_that_need_it_ask(void **) {
	struct config *c = rig_program("{op: add, field: s, attribute: device}");

	asked = 0;
	(void)run(c, "{\"x\":1}", &registry);
	assert_int_equal(asked, 0);
	config_free(c);
	c = rig_program("{op: add, field: s, label: site}");
	(void)run(c, "[{\"x\":1},{\"x\":2},{\"x\":3}]", &registry);
	assert_int_equal(asked, 1); // three records of one device
	assert_int_equal(rig_burst.items[0].record_count, 3);
	config_free(c);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_become_fields),
		cmocka_unit_test(the_longest_label_has_room),
		cmocka_unit_test(only_programs_that_need_it_ask),
	};
	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
