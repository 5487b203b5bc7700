// SPDX-License-Identifier: Apache-2.0
// The map language: what each operation does, and what there is room for.
#include "tests/unit/pipelines/map_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *map;
	const char *payload;
	const char *fields;
} cases[] = {
	{"{op: rename, field: t, to: temp}", "{\"t\":1,\"x\":2}", "temp=1 x=2"},
	{"{op: rename, field: t, to: temp}", "{\"x\":2}", "x=2"},
	{"{op: rename, field: t, to: temp}", "{\"temp\":9,\"t\":1}", "temp=1"},
	{"{op: rename, field: t, to: t}", "{\"t\":1}", "t=1"},
	{"{op: convert, field: t, from: degF, unit: Cel}", "{\"t\":212}", "t=100f:Cel"},
	{"{op: convert, field: t, from: Cel, unit: Cel}", "{\"t\":21}", "t=21:Cel"},
	{"{op: convert, field: t, unit: Cel}", "{\"t\":212}", "t=212"},
	{"{op: convert, field: t, from: degF, unit: Cel}", "{\"t\":\"hot\"}", "t='hot'"},
	{"{op: convert, field: p, from: hPa, unit: Pa}", "{\"p\":1013.25}", "p=101325f:Pa"},
	{"{op: convert, field: p, from: kPa, unit: Pa}", "{\"p\":1e308}", "p=null:Pa"},
	{"{op: scale, field: t, factor: 0.1}", "{\"t\":215}", "t=21.5f"},
	{"{op: scale, field: t, factor: 0.1}", "{\"t\":3}", "t=0.29999999999999999f"},
	{"{op: scale, field: t, factor: 2, offset: -1}", "{\"t\":1.5}", "t=2f"},
	{"{op: scale, field: t, offset: 40}",
	 "{\"t\":18446744073709551615}",
	 "t=1.8446744073709552e+19f"},
	{"{op: scale, field: t, factor: 1e300}", "{\"t\":1e300}", "t=null"},
	{"{op: scale, field: t, factor: 2}", "{\"t\":true}", "t=true"},
	{"{op: add, field: site, text: basel}", "{\"t\":1}", "t=1 site='basel'"},
	{"{op: add, field: t, text: basel}", "{\"t\":1,\"x\":2}", "t='basel' x=2"},
	{"{op: add, field: h, number: 2.5, unit: m}", "{\"t\":1}", "t=1 h=2.5f:m"},
	{"{op: add, field: h, number: -7}", "{\"t\":1}", "t=1 h=-7"},
	{"{op: add, field: d, attribute: device}", "{\"t\":1}", "t=1 d='dev-1'"},
	{"{op: add, field: d, attribute: profile}", "{\"t\":1}", "t=1 d='p'"},
	{"{op: add, field: d, attribute: transport}", "{\"t\":1}", "t=1 d='mqtt'"},
	{"{op: add, field: d, attribute: realm}", "{\"t\":1}", "t=1 d=3"},
	{"{op: add, field: d, attribute: path}", "{\"t\":1}", "t=1 d='plant/dev-1/temp'"},
	{"{op: add, field: d, attribute: path-segment, segment: 2}", "{\"t\":1}", "t=1 d='temp'"},
	{"{op: add, field: d, attribute: path-segment, segment: 3}", "{\"t\":1}", "t=1"},
	{"{op: drop, field: t}", "{\"t\":1,\"x\":2,\"t2\":3}", "x=2 t2=3"},
	{"{op: drop, field: t}", "{\"t\":1}", ""},
	{"{op: drop, field: 'd.*'}",
	 "{\"d\":{\"a\":1,\"b\":{\"c\":2}},\"d2\":3,\"x\":4}",
	 "d2=3 x=4"},
	{"{op: mask, field: t, keep: 4}", "{\"t\":\"228012345678901\"}", "t='***********8901'"},
	{"{op: mask, field: t, keep: 4}", "{\"t\":228012345678901}", "t='***********8901'"},
	{"{op: mask, field: t, keep: 4}", "{\"t\":\"abcd\"}", "t='****'"},
	{"{op: mask, field: t, keep: 1}",
	 "{\"t\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"}",
	 "t='**\xf0\x9f\x98\x80'"},
	{"{op: mask, field: t}", "{\"t\":1.5,\"x\":null}", "t='****' x=null"},
	{"{op: mask, field: x}", "{\"t\":1.5,\"x\":null}", "t=1.5f x=null"},
	{"{op: cast, field: t, type: integer}", "{\"t\":\"17\"}", "t=17"},
	{"{op: cast, field: t, type: integer}", "{\"t\":2.5}", "t=2"},
	{"{op: cast, field: t, type: integer}", "{\"t\":-1e30}", "t=null"},
	{"{op: cast, field: t, type: integer}", "{\"t\":1e19}", "t=10000000000000000000"},
	{"{op: cast, field: t, type: integer}", "{\"t\":\"warm\"}", "t=null"},
	{"{op: cast, field: t, type: number}", "{\"t\":\"-1.5e3\"}", "t=-1500f"},
	{"{op: cast, field: t, type: number}",
	 "{\"t\":\"18446744073709551615\"}",
	 "t=18446744073709551615"},
	{"{op: cast, field: t, type: number}", "{\"t\":\"inf\"}", "t=null"},
	{"{op: cast, field: t, type: number}", "{\"t\":true}", "t=1"},
	{"{op: cast, field: t, type: boolean}", "{\"t\":\"off\"}", "t=false"},
	{"{op: cast, field: t, type: boolean}", "{\"t\":0.5}", "t=true"},
	{"{op: cast, field: t, type: boolean}", "{\"t\":\"maybe\"}", "t=null"},
	{"{op: cast, field: t, type: text}", "{\"t\":-12}", "t='-12'"},
	{"{op: cast, field: t, type: text}", "{\"t\":false}", "t='false'"},
	{"{op: cast, field: t, type: text}", "{\"t\":0.1}", "t='0.1'"},
	{"{op: cast, field: t, type: text}", "{\"t\":null}", "t=null"},
	{"{op: cast, field: t, type: bytes}", "{\"t\":\"ab\"}", "t=<ab>"},
	{"{op: cast, field: t, type: bytes}", "{\"t\":1}", "t=null"},
	{"{op: first-of, field: t, of: [a, b]}", "{\"b\":2,\"x\":0,\"a\":1}", "x=0 t=1"},
	{"{op: first-of, field: t, of: [a, b]}", "{\"b\":2,\"a\":null}", "t=2"},
	{"{op: first-of, field: t, of: [a, b]}", "{\"b\":null}", "t=null"},
	{"{op: first-of, field: t, of: [a, b]}", "{\"c\":1}", "c=1"},
	{"{op: first-of, field: t, of: [t, b]}", "{\"b\":2,\"t\":1}", "t=1"},
	{"{op: first-of, field: t, of: [a, b]}", "{\"t\":9,\"b\":2}", "t=2"},
	// one after the other
	{"{op: rename, field: t, to: temp}, {op: convert, field: temp, from: degF, unit: K}",
	 "{\"t\":-459.67}",
	 "temp=0f:K"},
	{"{op: cast, field: t, type: text}, {op: mask, field: t, keep: 1}",
	 "{\"t\":1234}",
	 "t='***4'"},
};

static void each_operation_does_what_the_manual_says(void **) {
	char got[2048];
	int wrong = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *c = rig_program(cases[i].map);
		rig_record_print(got, sizeof(got), rig_run(c, PAYLOAD_JSON, cases[i].payload));
		if (strcmp(got, cases[i].fields) != 0) {
			print_error(
				"%s of %s\n  is     %s\n  wanted %s\n",
				cases[i].map,
				cases[i].payload,
				got,
				cases[i].fields
			);
			wrong++;
		}
		config_free(c);
	}
	assert_int_equal(wrong, 0);
}

static void units_of_the_payload_come_first(void **) {
	static const char senml[] =
		"[{\"n\":\"t\",\"u\":\"K\",\"v\":300},{\"n\":\"p\",\"u\":\"m\",\"v\":1}]";
	struct config *c = rig_program(
		"{op: convert, field: t, from: degF, unit: Cel}, {op: convert, field: p, unit: Pa}"
	);
	char got[256];

	rig_record_print(got, sizeof(got), rig_run(c, PAYLOAD_SENML_JSON, senml));
	assert_string_equal(got, "t=26.850000000000001f:Cel p=1:m"); // metres are no pressure
	config_free(c);
}

static void a_hash_depends_on_key_and_value_only(void **) {
	static const char *const payloads[] = {
		"{\"u\":17}", "{\"u\":\"17\"}", "{\"u\":18}", "{\"u\":true}"
	};
	char seen[4][256], other[256];
	struct config *c =
		rig_program("{op: hash, field: u, key: 000102030405060708090a0b0c0d0e0f}");

	for (int i = 0; i < 4; i++)
		rig_record_print(seen[i], sizeof(seen[i]), rig_run(c, PAYLOAD_JSON, payloads[i]));
	assert_string_equal(seen[0], seen[1]);
	assert_string_not_equal(seen[0], seen[2]);
	assert_string_not_equal(seen[0], seen[3]);
	assert_int_equal(strlen(seen[0]), strlen("u=''") + 32);
	config_free(c);
	c = rig_program("{op: hash, field: u, key: 100102030405060708090a0b0c0d0e0f}");
	rig_record_print(other, sizeof(other), rig_run(c, PAYLOAD_JSON, payloads[0]));
	assert_string_not_equal(seen[0], other);
	config_free(c);
}

// --- room

static void large(char *out, uint32_t fields, uint32_t text) {
	char *p = out;

	*p++ = '{';
	for (uint32_t i = 0; i < fields; i++) {
		p += sprintf(p, "%s\"f%u\":\"", i > 0 ? "," : "", i);
		memset(p, 'x', text);
		p += text;
		*p++ = '"';
	}
	memcpy(p, "}", 2);
}

// Alone or in a full burst, the same message has the same result.
static void the_burst_does_not_matter(void **) {
	static char payload[60000];
	struct config *c =
		rig_program("{op: add, field: a, text: b}, {op: mask, field: f0, keep: 2}");

	for (uint32_t fields = 1; fields < 600; fields += 31) {
		large(payload, fields, 40);
		struct message m = rig_message(c, PAYLOAD_JSON, payload);
		rig_burst.item_count = 1;
		rig_burst.items[0] = (struct item) {.m = m};
		(void)decode_burst(rig_decoder, &rig_burst, 0);
		enum item_state alone = rig_burst.items[0].state;
		if (alone == ITEM_REFUSED) {
			assert_int_equal(rig_burst.items[0].refuse, REFUSE_TOO_LARGE);
			assert_int_equal(rig_burst.items[0].payload, PAYLOAD_TOO_MANY);
			assert_string_equal(rig_burst.items[0].stage, "map");
		}
		rig_burst.item_count = BURST_MESSAGES;
		for (int i = 0; i < BURST_MESSAGES; i++)
			rig_burst.items[i] = (struct item) {.m = m};
		for (uint16_t from = 0; from < BURST_MESSAGES;) {
			uint16_t to = decode_burst(rig_decoder, &rig_burst, from);
			assert_true(to > from);
			map_burst(&rig_burst, from, to, NULL);
			for (; from < to; from++) {
				assert_int_equal(rig_burst.items[from].state, alone);
				if (alone == ITEM_GOING)
					assert_int_equal(
						rig_burst
							.records[rig_burst.items[from].first_record]
							.field_count,
						fields + 1
					);
			}
			assert_true(rig_burst.readings.field_count <= FIELDS_MAX);
			assert_true(rig_burst.readings.text_used <= PAYLOAD_TEXT_MAX);
		}
	}
	config_free(c);
}

static void too_much_text_is_refused_by_name(void **) {
	static char payload[60000];
	struct config *c =
		rig_program("{op: mask, field: f0}, {op: mask, field: f0}, {op: mask, field: f0}");

	large(payload, 1, 6000);
	rig_burst.item_count = 1;
	rig_burst.items[0] = (struct item) {.m = rig_message(c, PAYLOAD_JSON, payload)};
	assert_int_equal(decode_burst(rig_decoder, &rig_burst, 0), 1);
	assert_int_equal(rig_burst.items[0].state, ITEM_REFUSED);
	assert_int_equal(rig_burst.items[0].refuse, REFUSE_TOO_LARGE);
	assert_int_equal(rig_burst.items[0].payload, PAYLOAD_TOO_LARGE);
	config_free(c);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_operation_does_what_the_manual_says),
		cmocka_unit_test(units_of_the_payload_come_first),
		cmocka_unit_test(a_hash_depends_on_key_and_value_only),
		cmocka_unit_test(the_burst_does_not_matter),
		cmocka_unit_test(too_much_text_is_refused_by_name),
	};
	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
