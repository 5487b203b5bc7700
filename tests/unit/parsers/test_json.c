// SPDX-License-Identifier: Apache-2.0
#include "tests/support/payload_cases.h"

static const struct payload_case cases[] = {
	{"object",
	 CASE_TEXT("{\"dev\":\"d1\",\"ts\":1500,\"seq\":7,\"temp\":21.5}"),
	 PAYLOAD_OK,
	 "d1@1500000000#7{temp=~21.5}"},
	{"array of objects",
	 CASE_TEXT("[{\"dev\":\"a\",\"x\":1},{\"dev\":\"b\",\"x\":2}]"),
	 PAYLOAD_OK,
	 "a{x=1};b{x=2}"},
	{"white space", CASE_TEXT(" { \"x\" :\t1\r\n } "), PAYLOAD_OK, "{x=1}"},
	{"every type",
	 CASE_TEXT("{\"n\":null,\"t\":true,\"f\":false,\"i\":-5,\"u\":18446744073709551615,\"d\":0."
		   "25,\"s\":\"x\"}"),
	 PAYLOAD_OK,
	 "{n=null,t=true,f=false,i=-5,u=18446744073709551615u,d=~0.25,s=\"x\"}"},
	{"smallest integer",
	 CASE_TEXT("{\"i\":-9223372036854775808}"),
	 PAYLOAD_OK,
	 "{i=-9223372036854775808}"},
	{"inner containers are flattened",
	 CASE_TEXT("{\"a\":{\"x\":1,\"y\":{\"z\":2}},\"t\":[3,{\"k\":4},[5]]}"),
	 PAYLOAD_OK,
	 "{a.x=1,a.y.z=2,t.0=3,t.1.k=4,t.2.0=5}"},
	{"escapes",
	 CASE_TEXT("{\"a\\\"b\":\"x\\n\\u00e9\\ud83d\\ude00\"}"),
	 PAYLOAD_OK,
	 "{a\"b=\"x\n\xc3\xa9\xf0\x9f\x98\x80\"}"},
	{"string that is one quote", CASE_TEXT("{\"a\":\"\\\"\"}"), PAYLOAD_OK, "{a=\"\"\"}"},
	{"UTF-8",
	 CASE_TEXT("{\"\xc3\xa9\":\"\xe2\x82\xac\"}"),
	 PAYLOAD_OK,
	 "{\xc3\xa9=\"\xe2\x82\xac\"}"},
	{"empty inner containers say nothing",
	 CASE_TEXT("{\"a\":{},\"b\":[],\"c\":1}"),
	 PAYLOAD_OK,
	 "{c=1}"},
	{"device as a number", CASE_TEXT("{\"dev\":4711,\"x\":1}"), PAYLOAD_OK, "4711{x=1}"},
	{"device and time inside",
	 CASE_TEXT("{\"dev\":\"d\",\"ts\":1500.5,\"x\":1}"),
	 PAYLOAD_OK,
	 "d@1500500000{x=1}"},
	{"time as text",
	 CASE_TEXT("{\"ts\":\"2023-11-14T22:13:20.5Z\",\"x\":1}"),
	 PAYLOAD_OK,
	 "@1700000000500000000{x=1}"},
	{"time with an offset",
	 CASE_TEXT("{\"ts\":\"2023-11-15T00:13:20+02:00\",\"x\":1}"),
	 PAYLOAD_OK,
	 "@1700000000000000000{x=1}"},
	{"time before the epoch", CASE_TEXT("{\"ts\":-1,\"x\":1}"), PAYLOAD_OK, "@-1000000{x=1}"},
	{"largest double",
	 CASE_TEXT("{\"x\":1.7976931348623157e308}"),
	 PAYLOAD_OK,
	 "{x=~1.79769313486232e+308}"},
	{"empty name", CASE_TEXT("{\"\":1}"), PAYLOAD_OK, "{=1}"},
	{"depth 8", CASE_TEXT("{\"a\":[[[[[[[1]]]]]]]}"), PAYLOAD_OK, "{a.0.0.0.0.0.0.0=1}"},

	{"only white space", CASE_TEXT("  "), PAYLOAD_EMPTY, NULL},
	{"scalar", CASE_TEXT("21.4"), PAYLOAD_BAD_TYPE, NULL},
	{"array of scalars", CASE_TEXT("[1,2]"), PAYLOAD_BAD_TYPE, NULL},
	{"empty object", CASE_TEXT("{}"), PAYLOAD_NO_FIELDS, NULL},
	{"empty array", CASE_TEXT("[]"), PAYLOAD_NO_FIELDS, NULL},
	{"second object empty", CASE_TEXT("[{\"a\":1},{}]"), PAYLOAD_NO_FIELDS, NULL},
	{"nothing but device and time",
	 CASE_TEXT("{\"dev\":\"d\",\"ts\":1}"),
	 PAYLOAD_NO_FIELDS,
	 NULL},
	{"depth 9", CASE_TEXT("{\"a\":[[[[[[[[1]]]]]]]]}"), PAYLOAD_TOO_DEEP, NULL},
	{"duplicate key", CASE_TEXT("{\"a\":1,\"b\":2,\"a\":3}"), PAYLOAD_DUPLICATE_KEY, NULL},
	{"duplicate after flattening",
	 CASE_TEXT("{\"a.b\":1,\"a\":{\"b\":2}}"),
	 PAYLOAD_DUPLICATE_KEY,
	 NULL},
	{"duplicate by escape", CASE_TEXT("{\"a\":1,\"\\u0061\":2}"), PAYLOAD_DUPLICATE_KEY, NULL},
	{"device twice",
	 CASE_TEXT("{\"dev\":\"a\",\"dev\":\"a\",\"x\":1}"),
	 PAYLOAD_DUPLICATE_KEY,
	 NULL},
	{"time twice", CASE_TEXT("{\"ts\":1,\"ts\":2,\"x\":1}"), PAYLOAD_DUPLICATE_KEY, NULL},
	{"the same key in two objects is none",
	 CASE_TEXT("[{\"a\":1},{\"a\":1}]"),
	 PAYLOAD_OK,
	 "{a=1};{a=1}"},
	{"not a number", CASE_TEXT("{\"x\":NaN}"), PAYLOAD_NOT_FINITE, NULL},
	{"infinity", CASE_TEXT("{\"x\":-Infinity}"), PAYLOAD_NOT_FINITE, NULL},
	{"overflows a double", CASE_TEXT("{\"x\":1e999}"), PAYLOAD_NOT_FINITE, NULL},
	{"huge integer", CASE_TEXT("{\"x\":18446744073709551616}"), PAYLOAD_BAD_NUMBER, NULL},
	{"huge negative integer",
	 CASE_TEXT("{\"x\":-9223372036854775809}"),
	 PAYLOAD_BAD_NUMBER,
	 NULL},
	{"leading zero", CASE_TEXT("{\"x\":01}"), PAYLOAD_BAD_NUMBER, NULL},
	{"invalid UTF-8", BYTES("{\"x\":\"\xff\"}"), PAYLOAD_BAD_UTF8, NULL},
	{"overlong UTF-8", BYTES("{\"x\":\"\xc0\x80\"}"), PAYLOAD_BAD_UTF8, NULL},
	{"lone surrogate", CASE_TEXT("{\"x\":\"\\ud800\"}"), PAYLOAD_BAD_SYNTAX, NULL},
	{"control character", BYTES("{\"x\":\"\x01\"}"), PAYLOAD_BAD_SYNTAX, NULL},
	{"trailing comma", CASE_TEXT("{\"x\":1,}"), PAYLOAD_BAD_SYNTAX, NULL},
	{"trailing text", CASE_TEXT("{\"x\":1}x"), PAYLOAD_BAD_SYNTAX, NULL},
	{"byte order mark", BYTES("\xef\xbb\xbf{\"x\":1}"), PAYLOAD_BAD_SYNTAX, NULL},
	{"cut in a string", CASE_TEXT("{\"x\":\"ab"), PAYLOAD_TRUNCATED, NULL},
	{"cut after a comma", CASE_TEXT("{\"x\":1,"), PAYLOAD_TRUNCATED, NULL},
	{"device with a slash", CASE_TEXT("{\"dev\":\"a/b\",\"x\":1}"), PAYLOAD_BAD_DEVICE, NULL},
	{"device with a control character",
	 CASE_TEXT("{\"dev\":\"a\\u0000\",\"x\":1}"),
	 PAYLOAD_BAD_DEVICE,
	 NULL},
	{"empty device", CASE_TEXT("{\"dev\":\"\",\"x\":1}"), PAYLOAD_BAD_DEVICE, NULL},
	{"device is an object", CASE_TEXT("{\"dev\":true,\"x\":1}"), PAYLOAD_BAD_DEVICE, NULL},
	{"time is a boolean", CASE_TEXT("{\"ts\":true,\"x\":1}"), PAYLOAD_BAD_TIME, NULL},
	{"time does not fit",
	 CASE_TEXT("{\"ts\":9223372036854775807,\"x\":1}"),
	 PAYLOAD_BAD_TIME,
	 NULL},
	{"time text on February 30th",
	 CASE_TEXT("{\"ts\":\"2024-02-30T00:00:00Z\",\"x\":1}"),
	 PAYLOAD_BAD_TIME,
	 NULL},
	{"sequence is negative", CASE_TEXT("{\"seq\":-1,\"x\":1}"), PAYLOAD_BAD_TYPE, NULL},
};

static void table(void **) {
	run_cases(PAYLOAD_JSON, cases, sizeof(cases) / sizeof(cases[0]));
}

static void truncations(void **) {
	static const struct payload_case closed[] = {
		{"object",
		 CASE_TEXT("{\"dev\":\"d1\",\"a\":{\"x\":[1,true]},\"s\":\"\\u00e9\"}"),
		 PAYLOAD_OK,
		 ""},
		{"array", CASE_TEXT("[{\"a\":1e5},{\"b\":null}]"), PAYLOAD_OK, ""},
	};

	every_truncation_is_refused(PAYLOAD_JSON, closed, 2);
	every_truncation_is_safe(PAYLOAD_JSON, cases, sizeof(cases) / sizeof(cases[0]));
}

static char big[PAYLOAD_MAX + 64];

// `n` members with names of their own: the limit of fields, and no quadratic search behind it.
static uint32_t many_members(uint32_t n) {
	uint32_t len = (uint32_t)sprintf(big, "{");

	for (uint32_t i = 0; i < n; i++)
		len += (uint32_t)sprintf(big + len, "%s\"m%u\":1", i > 0 ? "," : "", i);
	return len + (uint32_t)sprintf(big + len, "}");
}

static void limit_of_fields(void **) {
	uint32_t len = many_members(FIELDS_MAX);

	assert_int_equal(case_decode(PAYLOAD_JSON, big, len), PAYLOAD_OK);
	assert_int_equal(case_readings.field_count, FIELDS_MAX);
	len = many_members(FIELDS_MAX + 1);
	assert_int_equal(case_decode(PAYLOAD_JSON, big, len), PAYLOAD_TOO_MANY);
}

static void duplicates_among_many(void **) {
	uint32_t len = many_members(1000);

	big[len - 1] = ',';
	len += (uint32_t)sprintf(big + len, "\"m500\":2}");
	assert_int_equal(case_decode(PAYLOAD_JSON, big, len), PAYLOAD_DUPLICATE_KEY);
}

static void limit_of_readings(void **) {
	uint32_t len = (uint32_t)sprintf(big, "[");

	for (uint32_t i = 0; i < READINGS_MAX; i++)
		len += (uint32_t)sprintf(big + len, "%s{\"x\":%u}", i > 0 ? "," : "", i);
	big[len] = ']';
	assert_int_equal(case_decode(PAYLOAD_JSON, big, len + 1), PAYLOAD_OK);
	len += (uint32_t)sprintf(big + len, ",{\"x\":1}]");
	assert_int_equal(case_decode(PAYLOAD_JSON, big, len), PAYLOAD_TOO_MANY);
}

static void limit_of_text(void **) {
	// Names of inner members are written out in full: the text buffer is the limit.
	uint32_t len = (uint32_t)sprintf(big, "{\"%0600d\":[", 1);

	for (int i = 0; i < 40; i++)
		len += (uint32_t)sprintf(big + len, "%s1", i > 0 ? "," : "");
	len += (uint32_t)sprintf(big + len, "]}");
	assert_int_equal(case_decode(PAYLOAD_JSON, big, len), PAYLOAD_TOO_LARGE);
}

static void limit_of_bytes(void **) {
	memset(big, ' ', sizeof(big));
	memcpy(big, "{\"x\":1}", 7);
	assert_int_equal(case_decode(PAYLOAD_JSON, big, PAYLOAD_MAX), PAYLOAD_OK);
	assert_int_equal(case_decode(PAYLOAD_JSON, big, PAYLOAD_MAX + 1), PAYLOAD_TOO_LARGE);
	memset(big, '[', sizeof(big));
	assert_int_not_equal(case_decode(PAYLOAD_JSON, big, PAYLOAD_MAX), PAYLOAD_OK);
	memset(big, '{', sizeof(big));
	assert_int_not_equal(case_decode(PAYLOAD_JSON, big, PAYLOAD_MAX), PAYLOAD_OK);
	for (uint32_t i = 0; i + 1 < PAYLOAD_MAX; i += 2)
		memcpy(big + i, "1,", 2);
	big[0] = '[';
	big[PAYLOAD_MAX - 2] = '1';
	big[PAYLOAD_MAX - 1] = ']';
	assert_int_not_equal(case_decode(PAYLOAD_JSON, big, PAYLOAD_MAX), PAYLOAD_OK);
}

// A second payload is appended; one that fails leaves the first as it was.
static void payloads_accumulate(void **) {
	readings_reset(&case_readings);
	const struct {
		const char *in;
		enum payload_rc rc;
	} steps[] = {
		{"{\"dev\":\"a\",\"x\":{\"y\":1}}", PAYLOAD_OK},
		{"[{\"dev\":\"b\",\"x\":2},{", PAYLOAD_TRUNCATED},
		{"[{\"dev\":\"b\",\"x\":2},{}]", PAYLOAD_NO_FIELDS},
		{"{\"dev\":\"c\",\"x\":3}", PAYLOAD_OK},
	};
	for (size_t i = 0; i < 4; i++) {
		struct view in = view_of(steps[i].in, (uint32_t)strlen(steps[i].in));
		assert_int_equal(
			payload_decode(
				case_decoder(), PAYLOAD_JSON, in, &case_hints, &case_readings
			),
			steps[i].rc
		);
	}
	assert_string_equal(readings_as_text(&case_readings), "a{x.y=1};c{x=3}");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(truncations),
		cmocka_unit_test(limit_of_fields),
		cmocka_unit_test(duplicates_among_many),
		cmocka_unit_test(limit_of_readings),
		cmocka_unit_test(limit_of_text),
		cmocka_unit_test(limit_of_bytes),
		cmocka_unit_test(payloads_accumulate),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
