// SPDX-License-Identifier: Apache-2.0
#include "tests/support/payload_cases.h"

static const struct payload_case cases[] = {
	// {"dev": "d1", "ts": 1500, "seq": 7, "t": 21.5}
	{"map",
	 BYTES("\xa4\x63"
	       "dev\x62"
	       "d1\x62ts\x19\x05\xdc\x63seq\x07\x61t\xf9\x4d\x60"),
	 PAYLOAD_OK,
	 "d1@1500000000#7{t=~21.5}"},
	{"array of maps",
	 BYTES("\x82\xa2\x63"
	       "dev\x61"
	       "a\x61x\x01\xa1\x61x\x02"),
	 PAYLOAD_OK,
	 "a{x=1};{x=2}"},
	{"every type",
	 BYTES("\xac\x61n\xf6\x61u\xf7\x61t\xf5\x61"
	       "f\xf4\x61i\x24\x61U\x1b\xff\xff\xff\xff\xff\xff\xff\xff"
	       "\x61h\xf9\x3c\x00\x61s\xfa\x3f\x80\x00\x00\x61"
	       "d\xfb\x3f\xb9\x99\x99\x99\x99\x99\x9a"
	       "\x62tx\x62hi\x61"
	       "b\x42\x01\xff\x61m\x3b\x7f\xff\xff\xff\xff\xff\xff\xff"),
	 PAYLOAD_OK,
	 "{n=null,u=null,t=true,f=false,i=-5,U=18446744073709551615u,h=~1,s=~1,d=~0.1,tx=\"hi\",b=<"
	 "01ff>,m=-9223372036854775808}"},
	{"inner containers",
	 BYTES("\xa2\x61"
	       "a\xa1\x61x\x01\x61t\x82\x03\xa1\x61k\x04"),
	 PAYLOAD_OK,
	 "{a.x=1,t.0=3,t.1.k=4}"},
	{"integer keys", BYTES("\xa2\x01\x02\x20\xa1\x18\x64\x05"), PAYLOAD_OK, "{1=2,-1.100=5}"},
	{"indefinite lengths",
	 BYTES("\xbf\x61"
	       "a\x9f\x01\x02\xff\x61s\x7f\x62he\x61y\xff\xff"),
	 PAYLOAD_OK,
	 "{a.0=1,a.1=2,s=\"hey\"}"},
	{"chunked bytes",
	 BYTES("\xa1\x61"
	       "b\x5f\x41\x01\x40\x42\x02\x03\xff"),
	 PAYLOAD_OK,
	 "{b=<010203>}"},
	{"self-described",
	 BYTES("\xd9\xd9\xf7\xa1\x61"
	       "a\x01"),
	 PAYLOAD_OK,
	 "{a=1}"},
	{"tagged values",
	 BYTES("\xa2\x61"
	       "a\xc1\x1a\x65\x53\xf1\x00\x61"
	       "b\xd8\x64\x82\x01\x02"),
	 PAYLOAD_OK,
	 "{a=1700000000,b.0=1,b.1=2}"},
	{"decimal fraction",
	 BYTES("\xa1\x61"
	       "a\xc4\x82\x21\x19\x6a\xb3"),
	 PAYLOAD_OK,
	 "{a=~273.15}"},
	{"time as text",
	 BYTES("\xa2\x62ts\xc0\x74"
	       "2023-11-14T22:13:20Z\x61x\x01"),
	 PAYLOAD_OK,
	 "@1700000000000000000{x=1}"},
	{"empty text",
	 BYTES("\xa1\x61"
	       "a\x60"),
	 PAYLOAD_OK,
	 "{a=\"\"}"},

	{"container in a decimal fraction",
	 BYTES("\xa1\x61"
	       "a\xc4\x82\xa1\x01\x02\x03"),
	 PAYLOAD_BAD_TYPE,
	 NULL},
	{"scalar", BYTES("\x01"), PAYLOAD_BAD_TYPE, NULL},
	{"empty map", BYTES("\xa0"), PAYLOAD_NO_FIELDS, NULL},
	{"empty array", BYTES("\x80"), PAYLOAD_NO_FIELDS, NULL},
	{"array of scalars", BYTES("\x81\x01"), PAYLOAD_BAD_TYPE, NULL},
	{"trailing byte",
	 BYTES("\xa1\x61"
	       "a\x01\x00"),
	 PAYLOAD_BAD_SYNTAX,
	 NULL},
	{"key without value",
	 BYTES("\xbf\x61"
	       "a\xff"),
	 PAYLOAD_BAD_SYNTAX,
	 NULL},
	{"key is an array", BYTES("\xa1\x80\x01"), PAYLOAD_BAD_TYPE, NULL},
	{"key is a boolean", BYTES("\xa1\xf5\x01"), PAYLOAD_BAD_TYPE, NULL},
	{"duplicate key",
	 BYTES("\xa2\x61"
	       "a\x01\x61"
	       "a\x02"),
	 PAYLOAD_DUPLICATE_KEY,
	 NULL},
	{"text and integer key of one name",
	 BYTES("\xa2\x61"
	       "1\x01\x01\x02"),
	 PAYLOAD_DUPLICATE_KEY,
	 NULL},
	{"depth 8",
	 BYTES("\xa1\x61"
	       "a\x81\x81\x81\x81\x81\x81\x81\x01"),
	 PAYLOAD_OK,
	 "{a.0.0.0.0.0.0.0=1}"},
	{"depth 9",
	 BYTES("\xa1\x61"
	       "a\x81\x81\x81\x81\x81\x81\x81\x81\x01"),
	 PAYLOAD_TOO_DEEP,
	 NULL},
	{"not a number",
	 BYTES("\xa1\x61"
	       "a\xf9\x7e\x00"),
	 PAYLOAD_NOT_FINITE,
	 NULL},
	{"infinity",
	 BYTES("\xa1\x61"
	       "a\xfa\x7f\x80\x00\x00"),
	 PAYLOAD_NOT_FINITE,
	 NULL},
	{"infinity, double",
	 BYTES("\xa1\x61"
	       "a\xfb\xff\xf0\x00\x00\x00\x00\x00\x00"),
	 PAYLOAD_NOT_FINITE,
	 NULL},
	{"bignum",
	 BYTES("\xa1\x61"
	       "a\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00"),
	 PAYLOAD_BAD_NUMBER,
	 NULL},
	{"beyond the smallest integer",
	 BYTES("\xa1\x61"
	       "a\x3b\x80\x00\x00\x00\x00\x00\x00\x00"),
	 PAYLOAD_BAD_NUMBER,
	 NULL},
	{"invalid UTF-8",
	 BYTES("\xa1\x61"
	       "a\x61\xff"),
	 PAYLOAD_BAD_UTF8,
	 NULL},
	{"invalid UTF-8 in a key", BYTES("\xa1\x61\xff\x01"), PAYLOAD_BAD_UTF8, NULL},
	{"reserved head",
	 BYTES("\xa1\x61"
	       "a\x1c"),
	 PAYLOAD_BAD_SYNTAX,
	 NULL},
	{"simple value",
	 BYTES("\xa1\x61"
	       "a\xe0"),
	 PAYLOAD_BAD_TYPE,
	 NULL},
	{"text longer than the payload",
	 BYTES("\xa1\x61"
	       "a\x7a\xff\xff\xff\xff"),
	 PAYLOAD_TRUNCATED,
	 NULL},
	{"text of 2^63 bytes",
	 BYTES("\xa1\x61"
	       "a\x7b\x80\x00\x00\x00\x00\x00\x00\x00"),
	 PAYLOAD_TRUNCATED,
	 NULL},
	{"bad device",
	 BYTES("\xa2\x63"
	       "dev\x61/\x61x\x01"),
	 PAYLOAD_BAD_DEVICE,
	 NULL},
};

static void table(void **) {
	run_cases(PAYLOAD_CBOR, cases, sizeof(cases) / sizeof(cases[0]));
}

static void truncations(void **) {
	every_truncation_is_refused(PAYLOAD_CBOR, cases, sizeof(cases) / sizeof(cases[0]));
	every_truncation_is_safe(PAYLOAD_CBOR, cases, sizeof(cases) / sizeof(cases[0]));
}

// Heads that promise much more than there is must cost nothing.
static void promises(void **) {
	static const char *const heads[] = {
		"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
		"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
		"\xba\xff\xff\xff\xff",
		"\x9a\xff\xff\xff\xff",
		"\xbf\xbf\xbf\xbf\xbf\xbf\xbf\xbf\xbf",
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		for (uint32_t n = 1; n <= strlen(heads[i]); n++)
			assert_int_not_equal(case_decode(PAYLOAD_CBOR, heads[i], n), PAYLOAD_OK);
}

static void deep_nesting(void **) {
	static uint8_t big[PAYLOAD_MAX];

	static const uint8_t heads[] = {0x81, 0xa1, 0x9f, 0xbf, 0xc1};
	for (size_t i = 0; i < sizeof(heads); i++) {
		memset(big, heads[i], sizeof(big));
		assert_int_not_equal(case_decode(PAYLOAD_CBOR, big, sizeof(big)), PAYLOAD_OK);
		assert_int_not_equal(case_decode(PAYLOAD_SENML_CBOR, big, sizeof(big)), PAYLOAD_OK);
		// As the value of a label that SenML ignores.
		memcpy(big, "\x81\xa1\x61x", 4);
		assert_int_not_equal(case_decode(PAYLOAD_SENML_CBOR, big, sizeof(big)), PAYLOAD_OK);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(truncations),
		cmocka_unit_test(promises),
		cmocka_unit_test(deep_nesting),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
