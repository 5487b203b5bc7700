// SPDX-License-Identifier: Apache-2.0
// RFC 8428: the section numbers stand in the names.
#include "tests/support/payload_cases.h"

static const struct payload_case json[] = {
	{"5.1.1 single datapoint",
	 CASE_TEXT("[{\"n\":\"urn:dev:ow:10e2073a01080063\",\"u\":\"Cel\",\"v\":23.1}]"),
	 PAYLOAD_OK,
	 "{urn:dev:ow:10e2073a01080063[Cel]=~23.1}"},
	{"5.1.2 multiple datapoints",
	 CASE_TEXT("[{\"bn\":\"urn:dev:ow:10e2073a01080063:\",\"n\":\"voltage\",\"u\":\"V\",\"v\":"
		   "120.1},"
		   "{\"n\":\"current\",\"u\":\"A\",\"v\":1.2}]"),
	 PAYLOAD_OK,
	 "urn:dev:ow:10e2073a01080063{voltage[V]=~120.1,current[A]=~1.2}"},
	{"5.1.2 base time, unit, version; relative to the base",
	 CASE_TEXT("[{\"bn\":\"urn:dev:ow:10e2073a0108006:\",\"bt\":1.276020076001e+09,\"bu\":"
		   "\"A\",\"bver\":5,"
		   "\"n\":\"voltage\",\"u\":\"V\",\"v\":120.1},{\"n\":\"current\",\"t\":-5,\"v\":1."
		   "2},"
		   "{\"n\":\"current\",\"t\":-4,\"v\":1.3}]"),
	 PAYLOAD_OK,
	 "urn:dev:ow:10e2073a0108006@1276020076001000000{voltage[V]=~120.1};"
	 "urn:dev:ow:10e2073a0108006@1276020071001000000{current[A]=~1.2};"
	 "urn:dev:ow:10e2073a0108006@1276020072001000000{current[A]=~1.3}"},
	{"4.5.3 times below 2^28 count from now",
	 CASE_TEXT("[{\"n\":\"a\",\"t\":-2,\"v\":1}]"),
	 PAYLOAD_OK,
	 "@1699999998000000000{a=1}"},
	{"4.5.3 2^28 is absolute",
	 CASE_TEXT("[{\"n\":\"a\",\"t\":268435456,\"v\":1}]"),
	 PAYLOAD_OK,
	 "@268435456000000000{a=1}"},
	{"4.5.3 the sum decides",
	 CASE_TEXT("[{\"bt\":268435455,\"t\":1,\"n\":\"a\",\"v\":1}]"),
	 PAYLOAD_OK,
	 "@268435456000000000{a=1}"},
	{"4.5.3 no time is no time", CASE_TEXT("[{\"n\":\"a\",\"v\":1}]"), PAYLOAD_OK, "{a=1}"},
	{"4.1 base value",
	 CASE_TEXT("[{\"bv\":20,\"n\":\"a\",\"v\":1},{\"n\":\"b\",\"v\":0.5},{\"bv\":-1,\"n\":"
		   "\"c\",\"v\":1}]"),
	 PAYLOAD_OK,
	 "{a=21,b=~20.5,c=0}"},
	{"4.1 base sum; a sum needs no value",
	 CASE_TEXT("[{\"bs\":100,\"n\":\"a\",\"s\":5,\"v\":1},{\"n\":\"b\",\"s\":6}]"),
	 PAYLOAD_OK,
	 "{a=1,a.sum=105,b.sum=106}"},
	{"4.2 value kinds",
	 CASE_TEXT("[{\"bn\":\"d:\",\"n\":\"s\",\"vs\":\"open\"},{\"n\":\"b\",\"vb\":true},{\"n\":"
		   "\"d\",\"vd\":\"aGk_-w\"}]"),
	 PAYLOAD_OK,
	 "d{s=\"open\",b=true,d=<68693ffb>}"},
	{"base record of its own",
	 CASE_TEXT("[{\"bn\":\"d1/\",\"bt\":1700000000},{\"n\":\"a\",\"v\":1}]"),
	 PAYLOAD_OK,
	 "d1@1700000000000000000{a=1}"},
	{"base name changes",
	 CASE_TEXT("[{\"bn\":\"d1/\",\"n\":\"a\",\"v\":1},{\"bn\":\"d2/\",\"n\":\"a\",\"v\":2}]"),
	 PAYLOAD_OK,
	 "d1{a=1};d2{a=2}"},
	{"base name with a rest",
	 CASE_TEXT("[{\"bn\":\"d1/env-\",\"n\":\"t\",\"v\":1},{\"n\":\"h\",\"v\":2}]"),
	 PAYLOAD_OK,
	 "d1{env-t=1,env-h=2}"},
	{"base name is all", CASE_TEXT("[{\"bn\":\"d1/temp\",\"v\":1}]"), PAYLOAD_OK, "d1{temp=1}"},
	{"base name without separator",
	 CASE_TEXT("[{\"bn\":\"d1\",\"n\":\"/t\",\"v\":1},{\"n\":\"h\",\"v\":2},{\"v\":3}]"),
	 PAYLOAD_OK,
	 "d1{t=1,h=2,value=3}"},
	{"4.4 unknown labels are ignored",
	 CASE_TEXT("[{\"n\":\"a\",\"v\":1,\"foo\":{\"x\":[1]}}]"),
	 PAYLOAD_OK,
	 "{a=1}"},
	{"update time is accepted",
	 CASE_TEXT("[{\"n\":\"a\",\"v\":1,\"ut\":30}]"),
	 PAYLOAD_OK,
	 "{a=1}"},
	{"4.4 version 10", CASE_TEXT("[{\"bver\":10,\"n\":\"a\",\"v\":1}]"), PAYLOAD_OK, "{a=1}"},

	{"4.4 version 11",
	 CASE_TEXT("[{\"bver\":11,\"n\":\"a\",\"v\":1}]"),
	 PAYLOAD_BAD_VERSION,
	 NULL},
	{"4.4 version 0", CASE_TEXT("[{\"bver\":0,\"n\":\"a\",\"v\":1}]"), PAYLOAD_BAD_VERSION, NULL
	},
	{"4.4 version changes",
	 CASE_TEXT("[{\"bver\":9,\"n\":\"a\",\"v\":1},{\"bver\":10,\"n\":\"b\",\"v\":1}]"),
	 PAYLOAD_BAD_VERSION,
	 NULL},
	{"4.4 version is no integer",
	 CASE_TEXT("[{\"bver\":5.5,\"n\":\"a\",\"v\":1}]"),
	 PAYLOAD_BAD_TYPE,
	 NULL},
	{"4.4 a label to be understood",
	 CASE_TEXT("[{\"n\":\"a\",\"v\":1,\"foo_\":1}]"),
	 PAYLOAD_BAD_VERSION,
	 NULL},
	{"an object is no pack", CASE_TEXT("{\"n\":\"a\",\"v\":1}"), PAYLOAD_BAD_TYPE, NULL},
	{"empty pack", CASE_TEXT("[]"), PAYLOAD_NO_FIELDS, NULL},
	{"only bases", CASE_TEXT("[{\"bn\":\"d1/\"}]"), PAYLOAD_NO_FIELDS, NULL},
	{"4.2 a name without value", CASE_TEXT("[{\"n\":\"a\"}]"), PAYLOAD_BAD_SYNTAX, NULL},
	{"4.2 two values",
	 CASE_TEXT("[{\"n\":\"a\",\"v\":1,\"vs\":\"x\"}]"),
	 PAYLOAD_BAD_SYNTAX,
	 NULL},
	{"4.5.1 no name", CASE_TEXT("[{\"v\":1}]"), PAYLOAD_BAD_DEVICE, NULL},
	{"4.5.1 bad character", CASE_TEXT("[{\"n\":\"a b\",\"v\":1}]"), PAYLOAD_BAD_DEVICE, NULL},
	{"4.5.1 bad first character",
	 CASE_TEXT("[{\"n\":\"_a\",\"v\":1}]"),
	 PAYLOAD_BAD_DEVICE,
	 NULL},
	{"device with a slash",
	 CASE_TEXT("[{\"bn\":\"site/d1/\",\"n\":\"a\",\"v\":1}]"),
	 PAYLOAD_BAD_DEVICE,
	 NULL},
	{"label twice", CASE_TEXT("[{\"n\":\"a\",\"v\":1,\"v\":2}]"), PAYLOAD_DUPLICATE_KEY, NULL},
	{"name twice at one time",
	 CASE_TEXT("[{\"n\":\"a\",\"v\":1},{\"n\":\"a\",\"v\":2}]"),
	 PAYLOAD_DUPLICATE_KEY,
	 NULL},
	{"value is a text", CASE_TEXT("[{\"n\":\"a\",\"v\":\"1\"}]"), PAYLOAD_BAD_TYPE, NULL},
	{"name is a number", CASE_TEXT("[{\"n\":1,\"v\":1}]"), PAYLOAD_BAD_TYPE, NULL},
	{"value is an object", CASE_TEXT("[{\"n\":\"a\",\"v\":{}}]"), PAYLOAD_BAD_TYPE, NULL},
	{"value is null", CASE_TEXT("[{\"n\":\"a\",\"v\":null}]"), PAYLOAD_BAD_TYPE, NULL},
	{"data is no base64url",
	 CASE_TEXT("[{\"n\":\"a\",\"vd\":\"a+b\"}]"),
	 PAYLOAD_BAD_SYNTAX,
	 NULL},
	{"data of one digit", CASE_TEXT("[{\"n\":\"a\",\"vd\":\"a\"}]"), PAYLOAD_BAD_SYNTAX, NULL},
	{"not finite", CASE_TEXT("[{\"n\":\"a\",\"v\":1e999}]"), PAYLOAD_NOT_FINITE, NULL},
	{"sum of bases overflows",
	 CASE_TEXT("[{\"bv\":1.7e308,\"n\":\"a\",\"v\":1.7e308}]"),
	 PAYLOAD_NOT_FINITE,
	 NULL},
	{"time does not fit",
	 CASE_TEXT("[{\"n\":\"a\",\"t\":1e30,\"v\":1}]"),
	 PAYLOAD_BAD_TIME,
	 NULL},
	{"base time plus time does not fit",
	 CASE_TEXT("[{\"bt\":9000000000,\"t\":9000000000,\"n\":\"a\",\"v\":1}]"),
	 PAYLOAD_BAD_TIME,
	 NULL},
};

// RFC 8428, table 4: the labels as integers.
static const struct payload_case cbor[] = {
	// [{-2: "urn:d:", -3: 1700000000, -4: "A", 0: "v", 1: "V", 2: 120.5}, {0: "c", 6: -5,
	// 2: 1.5}]
	{"6 integer labels",
	 BYTES("\x82\xa6\x21\x66urn:d:\x22\x1a\x65\x53\xf1\x00\x23\x61"
	       "A\x00\x61v\x01\x61V\x02\xf9\x57\x88"
	       "\xa3\x00\x61"
	       "c\x06\x24\x02\xf9\x3e\x00"),
	 PAYLOAD_OK,
	 "urn:d@1700000000000000000{v[V]=~120.5};urn:d@1699999995000000000{c[A]=~1.5}"},
	{"text labels",
	 BYTES("\x81\xa2\x61n\x61"
	       "a\x61v\x01"),
	 PAYLOAD_OK,
	 "{a=1}"},
	{"6 decimal fraction",
	 BYTES("\x81\xa2\x00\x61"
	       "a\x02\xc4\x82\x21\x19\x6a\xb3"),
	 PAYLOAD_OK,
	 "{a=~273.15}"},
	{"data is bytes",
	 BYTES("\x81\xa2\x00\x61"
	       "a\x08\x42\x01\x02"),
	 PAYLOAD_OK,
	 "{a=<0102>}"},
	{"version",
	 BYTES("\x81\xa3\x20\x0a\x00\x61"
	       "a\x02\x01"),
	 PAYLOAD_OK,
	 "{a=1}"},
	{"indefinite",
	 BYTES("\x9f\xbf\x00\x61"
	       "a\x04\xf5\xff\xff"),
	 PAYLOAD_OK,
	 "{a=true}"},
	{"unknown labels",
	 BYTES("\x81\xa4\x18\x63\x81\x01\x61x\xa0\x00\x61"
	       "a\x02\x01"),
	 PAYLOAD_OK,
	 "{a=1}"},

	{"version 11",
	 BYTES("\x81\xa3\x20\x0b\x00\x61"
	       "a\x02\x01"),
	 PAYLOAD_BAD_VERSION,
	 NULL},
	{"must be understood",
	 BYTES("\x81\xa3\x62x_\x01\x00\x61"
	       "a\x02\x01"),
	 PAYLOAD_BAD_VERSION,
	 NULL},
	{"text and integer label are one",
	 BYTES("\x81\xa3\x61v\x01\x00\x61"
	       "a\x02\x01"),
	 PAYLOAD_DUPLICATE_KEY,
	 NULL},
	{"data is text",
	 BYTES("\x81\xa2\x00\x61"
	       "a\x08\x62hi"),
	 PAYLOAD_BAD_TYPE,
	 NULL},
	{"a map is no pack",
	 BYTES("\xa2\x00\x61"
	       "a\x02\x01"),
	 PAYLOAD_BAD_TYPE,
	 NULL},
	{"label is bytes", BYTES("\x81\xa1\x41\x00\x01"), PAYLOAD_BAD_TYPE, NULL},
	{"trailing byte",
	 BYTES("\x81\xa2\x00\x61"
	       "a\x02\x01\x00"),
	 PAYLOAD_BAD_SYNTAX,
	 NULL},
	{"label without value", BYTES("\x81\xbf\x00\xff"), PAYLOAD_BAD_SYNTAX, NULL},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void json_table(void **) {
	run_cases(PAYLOAD_SENML_JSON, json, COUNT(json));
}

static void cbor_table(void **) {
	run_cases(PAYLOAD_SENML_CBOR, cbor, COUNT(cbor));
}

static void truncations(void **) {
	every_truncation_is_refused(PAYLOAD_SENML_JSON, json, COUNT(json));
	every_truncation_is_refused(PAYLOAD_SENML_CBOR, cbor, COUNT(cbor));
	every_truncation_is_safe(PAYLOAD_SENML_JSON, json, COUNT(json));
	every_truncation_is_safe(PAYLOAD_SENML_CBOR, cbor, COUNT(cbor));
}

static void limit_of_readings(void **) {
	static char big[PAYLOAD_MAX];
	uint32_t len = (uint32_t)sprintf(big, "[");

	for (uint32_t i = 0; i < READINGS_MAX; i++)
		len += (uint32_t)sprintf(
			big + len,
			"%s{\"n\":\"a\",\"t\":%u,\"v\":1}",
			i > 0 ? "," : "",
			1700000000 + i
		);
	big[len] = ']';
	assert_int_equal(case_decode(PAYLOAD_SENML_JSON, big, len + 1), PAYLOAD_OK);
	len += (uint32_t)sprintf(big + len, ",{\"n\":\"a\",\"v\":1}]");
	assert_int_equal(case_decode(PAYLOAD_SENML_JSON, big, len), PAYLOAD_TOO_MANY);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_table),
		cmocka_unit_test(cbor_table),
		cmocka_unit_test(truncations),
		cmocka_unit_test(limit_of_readings),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
