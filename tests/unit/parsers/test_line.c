// SPDX-License-Identifier: Apache-2.0
#include "tests/support/payload_cases.h"

static const struct payload_case cases[] = {
	{"tags, fields, time",
	 CASE_TEXT("env,dev=d1,site=north temp=21.5,hum=40i 1500"),
	 PAYLOAD_OK,
	 "d1@1500000000{_measurement=\"env\",site=\"north\",temp=~21.5,hum=40}"},
	{"no tags, no time", CASE_TEXT("env temp=21"), PAYLOAD_OK, "{_measurement=\"env\",temp=~21}"
	},
	{"many lines",
	 CASE_TEXT("a,dev=x v=1\na,dev=y v=2 2\n"),
	 PAYLOAD_OK,
	 "x{_measurement=\"a\",v=~1};y@2000000{_measurement=\"a\",v=~2}"},
	{"comments and blank lines",
	 CASE_TEXT("# hello\n\n a v=1\r\n\r\n#x\na v=2 3\r\n# end"),
	 PAYLOAD_OK,
	 "{_measurement=\"a\",v=~1};@3000000{_measurement=\"a\",v=~2}"},
	{"every type",
	 CASE_TEXT("m "
		   "i=-5i,u=18446744073709551615u,f=1e3,t=t,T=T,true=true,True=True,TRUE=TRUE,f0=f,"
		   "f1=F,f2=false,f3=False,f4=FALSE,s=\"x\""),
	 PAYLOAD_OK,
	 "{_measurement=\"m\",i=-5,u=18446744073709551615u,f=~1000,t=true,T=true,true=true,True="
	 "true,TRUE=true,f0=false,f1=false,f2=false,f3=false,f4=false,s=\"x\"}"},
	{"numbers",
	 CASE_TEXT("m a=1.,b=.5,c=-0.25,d=12345678901234567890,e=1E-3,f=0.1234567890123456789"),
	 PAYLOAD_OK,
	 "{_measurement=\"m\",a=~1,b=~0.5,c=~-0.25,d=~1.23456789012346e+19,e=~0.001,f=~0."
	 "123456789012346}"},
	{"escapes in names",
	 CASE_TEXT("my\\ m\\,x,t\\=a\\,g=v\\ a\\=l k\\ e\\=y=1i"),
	 PAYLOAD_OK,
	 "{_measurement=\"my m,x\",t=a,g=\"v a=l\",k e=y=1}"},
	{"backslash stands for itself",
	 CASE_TEXT("m,t=a\\b v=1i"),
	 PAYLOAD_OK,
	 "{_measurement=\"m\",t=\"a\\b\",v=1}"},
	{"strings",
	 CASE_TEXT("m s=\"a, b=c\",e=\"\",q=\"\\\"x\\\\y\\z\",n=\"two\nlines\" 7"),
	 PAYLOAD_OK,
	 "@7000000{_measurement=\"m\",s=\"a, b=c\",e=\"\",q=\"\"x\\y\\z\",n=\"two\nlines\"}"},
	{"equals in a measurement", CASE_TEXT("a=b v=1i"), PAYLOAD_OK, "{_measurement=\"a=b\",v=1}"
	},
	{"more than one space",
	 CASE_TEXT("m   v=1i   5  "),
	 PAYLOAD_OK,
	 "@5000000{_measurement=\"m\",v=1}"},
	{"time before the epoch",
	 CASE_TEXT("m v=1i -5"),
	 PAYLOAD_OK,
	 "@-5000000{_measurement=\"m\",v=1}"},
	{"time as a field",
	 CASE_TEXT("m v=1i,ts=1500i"),
	 PAYLOAD_OK,
	 "@1500000000{_measurement=\"m\",v=1}"},

	{"comment only", CASE_TEXT("# x"), PAYLOAD_EMPTY, NULL},
	{"no fields", CASE_TEXT("m,t=1"), PAYLOAD_TRUNCATED, NULL},
	{"no fields, line ended", CASE_TEXT("m,t=1\n"), PAYLOAD_BAD_SYNTAX, NULL},
	{"no fields, but a space", CASE_TEXT("m \n"), PAYLOAD_BAD_SYNTAX, NULL},
	{"empty measurement", CASE_TEXT(",t=1 v=1"), PAYLOAD_BAD_SYNTAX, NULL},
	{"empty tag value", CASE_TEXT("m,t= v=1"), PAYLOAD_BAD_SYNTAX, NULL},
	{"empty tag key", CASE_TEXT("m,=x v=1"), PAYLOAD_BAD_SYNTAX, NULL},
	{"empty field value", CASE_TEXT("m v=,w=1"), PAYLOAD_BAD_SYNTAX, NULL},
	{"field without value", CASE_TEXT("m v\n"), PAYLOAD_BAD_SYNTAX, NULL},
	{"trailing comma", CASE_TEXT("m v=1,\n"), PAYLOAD_BAD_SYNTAX, NULL},
	{"text after a string", CASE_TEXT("m v=\"a\"b\n"), PAYLOAD_BAD_SYNTAX, NULL},
	{"text after the time", CASE_TEXT("m v=1 5 x"), PAYLOAD_BAD_SYNTAX, NULL},
	{"string without end", CASE_TEXT("m v=\"a\n"), PAYLOAD_TRUNCATED, NULL},
	{"not a time", CASE_TEXT("m v=1 x"), PAYLOAD_BAD_TIME, NULL},
	{"time with a fraction", CASE_TEXT("m v=1 1.5"), PAYLOAD_BAD_TIME, NULL},
	{"time does not fit", CASE_TEXT("m v=1 9223372036854775807"), PAYLOAD_BAD_TIME, NULL},
	{"time twice", CASE_TEXT("m v=1i,ts=1500i 1500"), PAYLOAD_DUPLICATE_KEY, NULL},
	{"duplicate field", CASE_TEXT("m v=1,v=2"), PAYLOAD_DUPLICATE_KEY, NULL},
	{"tag and field of one name", CASE_TEXT("m,v=1 v=2"), PAYLOAD_DUPLICATE_KEY, NULL},
	{"not a number", CASE_TEXT("m v=nan"), PAYLOAD_NOT_FINITE, NULL},
	{"infinity", CASE_TEXT("m v=-inf"), PAYLOAD_NOT_FINITE, NULL},
	{"overflows a double", CASE_TEXT("m v=1e999"), PAYLOAD_NOT_FINITE, NULL},
	{"huge integer", CASE_TEXT("m v=9223372036854775808i"), PAYLOAD_BAD_NUMBER, NULL},
	{"smallest integer",
	 CASE_TEXT("m v=-9223372036854775808i"),
	 PAYLOAD_OK,
	 "{_measurement=\"m\",v=-9223372036854775808}"},
	{"huge unsigned", CASE_TEXT("m v=18446744073709551616u"), PAYLOAD_BAD_NUMBER, NULL},
	{"negative unsigned", CASE_TEXT("m v=-1u"), PAYLOAD_BAD_NUMBER, NULL},
	{"lone suffix", CASE_TEXT("m v=i"), PAYLOAD_BAD_NUMBER, NULL},
	{"word", CASE_TEXT("m v=hello"), PAYLOAD_BAD_NUMBER, NULL},
	{"number of 65 digits",
	 CASE_TEXT("m v=10000000000000000000000000000000000000000000000000000000000000000"),
	 PAYLOAD_BAD_NUMBER,
	 NULL},
	{"invalid UTF-8", BYTES("m v=\"\xff\""), PAYLOAD_BAD_UTF8, NULL},
	{"bad device", CASE_TEXT("m,dev=a/b v=1"), PAYLOAD_BAD_DEVICE, NULL},
	{"one bad line spoils all", CASE_TEXT("m v=1\nm v\n"), PAYLOAD_BAD_SYNTAX, NULL},
};

static void table(void **) {
	run_cases(PAYLOAD_LINE, cases, sizeof(cases) / sizeof(cases[0]));
}

// "v=2" is a good prefix of "v=21": a line cannot tell that it was cut. It must be safe.
static void truncations(void **) {
	every_truncation_is_safe(PAYLOAD_LINE, cases, sizeof(cases) / sizeof(cases[0]));
}

static void limit_of_readings(void **) {
	static char big[PAYLOAD_MAX];
	uint32_t len = 0;

	for (uint32_t i = 0; i < READINGS_MAX; i++)
		len += (uint32_t)sprintf(big + len, "m v=%ui\n", i);
	assert_int_equal(case_decode(PAYLOAD_LINE, big, len), PAYLOAD_OK);
	len += (uint32_t)sprintf(big + len, "m v=1\n");
	assert_int_equal(case_decode(PAYLOAD_LINE, big, len), PAYLOAD_TOO_MANY);
}

static void limit_of_text(void **) {
	static char big[PAYLOAD_MAX];

	memset(big, 'x', sizeof(big));
	memcpy(big, "m v=\"\\\"", 7);
	big[sizeof(big) - 1] = '"';
	assert_int_equal(case_decode(PAYLOAD_LINE, big, sizeof(big)), PAYLOAD_TOO_LARGE);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(truncations),
		cmocka_unit_test(limit_of_readings),
		cmocka_unit_test(limit_of_text),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
