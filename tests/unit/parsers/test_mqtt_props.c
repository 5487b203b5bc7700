// SPDX-License-Identifier: Apache-2.0
#include "parsers/mqtt.h"
#include "parsers/mqtt_props.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct mqtt_props props;

static enum mqtt_rc decode(uint8_t place, const void *bytes, uint32_t n) {
	uint8_t block[256];
	struct rd r;

	block[0] = (uint8_t)n;
	memcpy(block + 1, bytes, n);
	r = rd_from(guard_view(block, n + 1));
	enum mqtt_rc rc = mqtt_props_decode(&r, place, &props);
	if (rc == MQTT_OK)
		assert_int_equal(rd_left(&r), 0);
	return rc;
}

// One good encoding of every property.
static const struct {
	uint8_t id;
	const char *bytes;
	uint32_t n;
} samples[] = {
	{1, "\x01\x01", 2},
	{2, "\x02\x00\x00\x00\x05", 5},
	{3, "\x03\x00\x01x", 4},
	{8, "\x08\x00\x01x", 4},
	{9, "\x09\x00\x01x", 4},
	{11, "\x0b\x05", 2},
	{17, "\x11\x00\x00\x00\x05", 5},
	{18, "\x12\x00\x01x", 4},
	{19, "\x13\x00\x05", 3},
	{21, "\x15\x00\x01x", 4},
	{22, "\x16\x00\x01x", 4},
	{23, "\x17\x01", 2},
	{24, "\x18\x00\x00\x00\x05", 5},
	{25, "\x19\x01", 2},
	{26, "\x1a\x00\x01x", 4},
	{28, "\x1c\x00\x01x", 4},
	{31, "\x1f\x00\x01x", 4},
	{33, "\x21\x00\x05", 3},
	{34, "\x22\x00\x05", 3},
	{35, "\x23\x00\x05", 3},
	{36, "\x24\x01", 2},
	{37, "\x25\x01", 2},
	{38, "\x26\x00\x01x\x00\x01y", 7},
	{39, "\x27\x00\x00\x00\x05", 5},
	{40, "\x28\x01", 2},
	{41, "\x29\x01", 2},
	{42, "\x2a\x01", 2},
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

// Table 2-4, written again by hand: which properties a client may put where.
static const struct {
	uint8_t place;
	const uint8_t *ids;
} allowed[] = {
	{MQTT_CONNECT, (const uint8_t[]) {17, 21, 22, 23, 25, 33, 34, 38, 39, 0}},
	{MQTT_PROPS_WILL, (const uint8_t[]) {1, 2, 3, 8, 9, 24, 38, 0}},
	{MQTT_PUBLISH, (const uint8_t[]) {1, 2, 3, 8, 9, 35, 38, 0}},
	{MQTT_PUBACK, (const uint8_t[]) {31, 38, 0}},
	{MQTT_PUBREC, (const uint8_t[]) {31, 38, 0}},
	{MQTT_PUBREL, (const uint8_t[]) {31, 38, 0}},
	{MQTT_PUBCOMP, (const uint8_t[]) {31, 38, 0}},
	{MQTT_SUBSCRIBE, (const uint8_t[]) {11, 38, 0}},
	{MQTT_UNSUBSCRIBE, (const uint8_t[]) {38, 0}},
	{MQTT_DISCONNECT, (const uint8_t[]) {17, 31, 38, 0}},
	{MQTT_AUTH, (const uint8_t[]) {21, 22, 31, 38, 0}},
};

static bool is_allowed(const uint8_t *ids, uint8_t id) {
	for (; *ids != 0; ids++)
		if (*ids == id)
			return true;
	return false;
}

static void each_property_only_where_table_2_4_has_it(void **) {
	for (size_t p = 0; p < sizeof(allowed) / sizeof(allowed[0]); p++) {
		for (size_t i = 0; i < SAMPLES; i++) {
			bool ok = is_allowed(allowed[p].ids, samples[i].id);
			enum mqtt_rc rc = decode(allowed[p].place, samples[i].bytes, samples[i].n);
			if (rc != (ok ? MQTT_OK : MQTT_PROPERTY_NOT_HERE))
				fail_msg(
					"property %u in packet %u: %s",
					samples[i].id,
					allowed[p].place,
					mqtt_rc_label(rc)
				);
		}
	}
}

static void only_user_properties_may_come_twice(void **) {
	for (size_t p = 0; p < sizeof(allowed) / sizeof(allowed[0]); p++) {
		for (size_t i = 0; i < SAMPLES; i++) {
			uint8_t twice[32];
			if (!is_allowed(allowed[p].ids, samples[i].id))
				continue;
			memcpy(twice, samples[i].bytes, samples[i].n);
			memcpy(twice + samples[i].n, samples[i].bytes, samples[i].n);
			enum mqtt_rc rc = decode(allowed[p].place, twice, 2 * samples[i].n);
			assert_int_equal(rc, samples[i].id == 38 ? MQTT_OK : MQTT_PROPERTY_TWICE);
		}
	}
}

static void every_cut_property_is_an_error(void **) {
	for (size_t p = 0; p < sizeof(allowed) / sizeof(allowed[0]); p++)
		for (size_t i = 0; i < SAMPLES; i++)
			for (uint32_t n = 1; n < samples[i].n; n++)
				if (is_allowed(allowed[p].ids, samples[i].id))
					assert_int_equal(
						decode(allowed[p].place, samples[i].bytes, n),
						MQTT_BAD_FIELD
					);
}

static void values(void **) {
	static const struct {
		const char *name;
		uint8_t place;
		const char *bytes;
		uint32_t n;
		enum mqtt_rc rc;
	} rows[] = {
		{"none", MQTT_PUBLISH, "", 0, MQTT_OK},
		{"unknown", MQTT_PUBLISH, "\x04\x00", 2, MQTT_BAD_PROPERTY},
		{"id in two bytes", MQTT_PUBLISH, "\x81\x00\x01", 3, MQTT_BAD_PROPERTY},
		{"far id", MQTT_PUBLISH, "\xff\x7f\x01", 3, MQTT_BAD_PROPERTY},
		{"format 2", MQTT_PUBLISH, "\x01\x02", 2, MQTT_PROPERTY_VALUE},
		{"alias 0", MQTT_PUBLISH, "\x23\x00\x00", 3, MQTT_BAD_ALIAS},
		{"receive maximum 0", MQTT_CONNECT, "\x21\x00\x00", 3, MQTT_PROPERTY_VALUE},
		{"maximum packet 0", MQTT_CONNECT, "\x27\x00\x00\x00\x00", 5, MQTT_PROPERTY_VALUE},
		{"alias maximum 0", MQTT_CONNECT, "\x22\x00\x00", 3, MQTT_OK},
		{"request problem 2", MQTT_CONNECT, "\x17\x02", 2, MQTT_PROPERTY_VALUE},
		{"request response 2", MQTT_CONNECT, "\x19\x02", 2, MQTT_PROPERTY_VALUE},
		{"subscription id 0", MQTT_SUBSCRIBE, "\x0b\x00", 2, MQTT_PROPERTY_VALUE},
		{"subscription id, greatest", MQTT_SUBSCRIBE, "\x0b\xff\xff\xff\x7f", 5, MQTT_OK},
		{"subscription id, five bytes",
		 MQTT_SUBSCRIBE,
		 "\x0b\xff\xff\xff\xff\x01",
		 6,
		 MQTT_BAD_VARINT},
		{"subscription id, padded", MQTT_SUBSCRIBE, "\x0b\x81\x00", 3, MQTT_BAD_VARINT},
		{"mqtt_1_5_7_1 name not UTF-8",
		 MQTT_PUBLISH,
		 "\x26\x00\x01\xff\x00\x01y",
		 7,
		 MQTT_BAD_UTF8},
		{"mqtt_1_5_7_1 value not UTF-8",
		 MQTT_PUBLISH,
		 "\x26\x00\x01x\x00\x01\xff",
		 7,
		 MQTT_BAD_UTF8},
		{"reason string not UTF-8", MQTT_PUBREL, "\x1f\x00\x01\xff", 4, MQTT_BAD_UTF8},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum mqtt_rc rc = decode(rows[i].place, rows[i].bytes, rows[i].n);
		if (rc != rows[i].rc)
			fail_msg("%s: %s", rows[i].name, mqtt_rc_label(rc));
	}
}

static void mqtt_3_3_2_18_user_properties_keep_their_order(void **) {
	static const char in[] = "\x26\x00\x01"
				 "a\x00\x01"
				 "1\x02\x00\x00\x00\x3c\x26\x00\x01"
				 "b\x00\x01"
				 "2\x26\x00\x01"
				 "a\x00\x01"
				 "3";

	assert_int_equal(decode(MQTT_PUBLISH, in, sizeof(in) - 1), MQTT_OK);
	assert_int_equal(props.user_count, 3);
	assert_int_equal(props.user[0].name.p[0], 'a');
	assert_int_equal(props.user[1].name.p[0], 'b');
	assert_int_equal(props.user[2].name.p[0], 'a');
	assert_int_equal(props.user[2].value.p[0], '3');
	assert_int_equal(mqtt_props_number(&props, MQTT_PROP_MESSAGE_EXPIRY, 0), 60);
	assert_int_equal(mqtt_props_number(&props, MQTT_PROP_PAYLOAD_FORMAT, 0), 0);
	assert_int_equal(mqtt_props_bytes(&props, MQTT_PROP_CONTENT_TYPE).len, 0);
}

static void user_properties_are_bounded(void **) {
	uint8_t in[5 * (MQTT_USER_PROPERTIES_MAX + 1)];

	for (unsigned i = 0; i <= MQTT_USER_PROPERTIES_MAX; i++)
		memcpy(in + 5 * i, "\x26\x00\x00\x00\x00", 5);
	static_assert(sizeof(in) > 127);
	struct rd r;
	uint8_t block[2 + sizeof(in)];
	for (unsigned n = MQTT_USER_PROPERTIES_MAX; n <= MQTT_USER_PROPERTIES_MAX + 1; n++) {
		block[0] = (uint8_t)((5 * n) | 0x80);
		block[1] = (uint8_t)(5 * n >> 7);
		memcpy(block + 2, in, 5 * n);
		r = rd_from(guard_view(block, 2 + 5 * n));
		assert_int_equal(
			mqtt_props_decode(&r, MQTT_PUBLISH, &props),
			n > MQTT_USER_PROPERTIES_MAX ? MQTT_TOO_MANY : MQTT_OK
		);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_property_only_where_table_2_4_has_it),
		cmocka_unit_test(only_user_properties_may_come_twice),
		cmocka_unit_test(every_cut_property_is_an_error),
		cmocka_unit_test(values),
		cmocka_unit_test(mqtt_3_3_2_18_user_properties_keep_their_order),
		cmocka_unit_test(user_properties_are_bounded),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
