// SPDX-License-Identifier: Apache-2.0
#include "parsers/mqtt_encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NO_LIMIT UINT32_MAX
#define NO_TEXT ((struct view) {0})
#define BYTES(s) s, sizeof(s) - 1

static uint8_t out[1024];

static void expect(uint32_t n, const char *bytes, uint32_t want) {
	assert_int_equal(n, want);
	assert_memory_equal(out, bytes, want);
}

static void mqtt_3_2_2_connack_before_5(void **) {
	struct mqtt_connack c = {.reason = 0, .session_present = true, .maximum_qos = 2};

	expect(mqtt_connack_encode(out, sizeof(out), MQTT_V311, NO_LIMIT, &c),
	       BYTES("\x20\x02\x01\x00"));
	expect(mqtt_connack_encode(out, sizeof(out), MQTT_V31, NO_LIMIT, &c),
	       BYTES("\x20\x02\x00\x00"));
	// mqtt_3_2_2_4: a refusal never says that a session is present
	c.reason = MQTT_CLIENT_ID_INVALID;
	expect(mqtt_connack_encode(out, sizeof(out), MQTT_V311, NO_LIMIT, &c),
	       BYTES("\x20\x02\x00\x02"));
	// mqtt_3_2_2_6: no return code for this one
	c.reason = MQTT_MALFORMED;
	assert_int_equal(mqtt_connack_encode(out, sizeof(out), MQTT_V311, NO_LIMIT, &c), 0);
}

static void legacy_return_codes(void **) {
	assert_int_equal(mqtt_connack_legacy(MQTT_UNSUPPORTED_VERSION), 1);
	assert_int_equal(mqtt_connack_legacy(MQTT_CLIENT_ID_INVALID), 2);
	assert_int_equal(mqtt_connack_legacy(MQTT_SERVER_BUSY), 3);
	assert_int_equal(mqtt_connack_legacy(MQTT_BAD_CREDENTIALS), 4);
	assert_int_equal(mqtt_connack_legacy(MQTT_NOT_AUTHORIZED), 5);
	assert_int_equal(mqtt_connack_legacy(MQTT_BAD_AUTH_METHOD), 0xff);
}

static void mqtt_3_2_2_connack_properties(void **) {
	struct mqtt_connack c = {.maximum_qos = 2};

	expect(mqtt_connack_encode(out, sizeof(out), MQTT_V5, NO_LIMIT, &c),
	       BYTES("\x20\x03\x00\x00\x00"));
	c = (struct mqtt_connack) {
		.session_present = true,
		.assigned_client_id = VIEW_LITERAL("id"),
		.has_session_expiry = true,
		.session_expiry_s = 60,
		.has_server_keep_alive = true,
		.server_keep_alive_s = 30,
		.receive_maximum = 20,
		.alias_maximum = 10,
		.maximum_qos = 1,
		.no_retain = true,
		.no_wildcard = true,
		.no_subscription_id = true,
		.no_shared = true,
		.maximum_packet = 65536,
	};
	expect(mqtt_connack_encode(out, sizeof(out), MQTT_V5, NO_LIMIT, &c),
	       BYTES("\x20\x25\x01\x00\x22"
		     "\x11\x00\x00\x00\x3c\x21\x00\x14\x24\x01\x25\x00"
		     "\x27\x00\x01\x00\x00\x12\x00\x02id\x22\x00\x0a\x28\x00\x29\x00\x2a\x00"
		     "\x13\x00\x1e"));
}

static void mqtt_3_2_2_6_a_refusal_has_no_session_and_no_limits(void **) {
	struct mqtt_connack c = {
		.reason = MQTT_NOT_AUTHORIZED,
		.session_present = true,
		.receive_maximum = 20,
		.reason_string = VIEW_LITERAL("no"),
	};

	expect(mqtt_connack_encode(out, sizeof(out), MQTT_V5, NO_LIMIT, &c),
	       BYTES("\x20\x08\x00\x87\x05\x1f\x00\x02no"));
}

static void mqtt_3_2_2_19_reason_string_goes_first_when_there_is_no_room(void **) {
	struct mqtt_connack c = {
		.reason = MQTT_NOT_AUTHORIZED,
		.reason_string = VIEW_LITERAL("no"),
	};

	expect(mqtt_connack_encode(out, sizeof(out), MQTT_V5, 9, &c),
	       BYTES("\x20\x03\x00\x87\x00"));
	assert_int_equal(mqtt_connack_encode(out, sizeof(out), MQTT_V5, 4, &c), 0);
}

static void mqtt_2_2_1_5_acks_carry_the_packet_id(void **) {
	expect(mqtt_ack_encode(
		       out, sizeof(out), MQTT_V311, NO_LIMIT, MQTT_PUBACK, 0x1234, 0, NO_TEXT
	       ),
	       BYTES("\x40\x02\x12\x34"));
	expect(mqtt_ack_encode(out, sizeof(out), MQTT_V5, NO_LIMIT, MQTT_PUBREC, 1, 0x99, NO_TEXT),
	       BYTES("\x50\x03\x00\x01\x99"));
	expect(mqtt_ack_encode(out, sizeof(out), MQTT_V5, NO_LIMIT, MQTT_PUBCOMP, 1, 0x92, NO_TEXT),
	       BYTES("\x70\x03\x00\x01\x92"));
	expect(mqtt_ack_encode(out, sizeof(out), MQTT_V5, NO_LIMIT, MQTT_PUBREL, 1, 0, NO_TEXT),
	       BYTES("\x62\x02\x00\x01"));
	expect(mqtt_ack_encode(
		       out, sizeof(out), MQTT_V5, NO_LIMIT, MQTT_PUBACK, 1, 0x97, VIEW_LITERAL("x")
	       ),
	       BYTES("\x40\x08\x00\x01\x97\x04\x1f\x00\x01x"));
}

static void mqtt_3_4_2_2_puback_without_reason_string_when_there_is_no_room(void **) {
	expect(mqtt_ack_encode(
		       out, sizeof(out), MQTT_V5, 9, MQTT_PUBACK, 1, 0x97, VIEW_LITERAL("x")
	       ),
	       BYTES("\x40\x03\x00\x01\x97"));
	assert_int_equal(
		mqtt_ack_encode(out, sizeof(out), MQTT_V5, 4, MQTT_PUBACK, 1, 0x97, NO_TEXT), 0
	);
}

static void mqtt_3_9_3_1_suback_codes_in_order(void **) {
	struct view codes = VIEW_LITERAL("\x01\x80\x02");

	expect(mqtt_suback_encode(out, sizeof(out), MQTT_V311, NO_LIMIT, MQTT_SUBACK, 7, codes),
	       BYTES("\x90\x05\x00\x07\x01\x80\x02"));
	expect(mqtt_suback_encode(out, sizeof(out), MQTT_V5, NO_LIMIT, MQTT_SUBACK, 7, codes),
	       BYTES("\x90\x06\x00\x07\x00\x01\x80\x02"));
	expect(mqtt_suback_encode(out, sizeof(out), MQTT_V311, NO_LIMIT, MQTT_UNSUBACK, 7, codes),
	       BYTES("\xb0\x02\x00\x07"));
	expect(mqtt_suback_encode(out, sizeof(out), MQTT_V5, NO_LIMIT, MQTT_UNSUBACK, 7, codes),
	       BYTES("\xb0\x06\x00\x07\x00\x01\x80\x02"));
}

static void pingresp_and_disconnect(void **) {
	expect(mqtt_pingresp_encode(out, sizeof(out)), BYTES("\xd0\x00"));
	expect(mqtt_disconnect_encode(out, sizeof(out), NO_LIMIT, 0x8e, NO_TEXT),
	       BYTES("\xe0\x01\x8e"));
	expect(mqtt_disconnect_encode(out, sizeof(out), NO_LIMIT, 0x8e, VIEW_LITERAL("x")),
	       BYTES("\xe0\x06\x8e\x04\x1f\x00\x01x"));
	// mqtt_3_14_2_3
	expect(mqtt_disconnect_encode(out, sizeof(out), 7, 0x8e, VIEW_LITERAL("x")),
	       BYTES("\xe0\x01\x8e"));
}

// No encoder writes past `cap`, and each needs exactly as many bytes as it returns.
static void capacity_is_kept(void **) {
	struct mqtt_connack c = {.assigned_client_id = VIEW_LITERAL("abcdef"), .maximum_qos = 2};
	uint32_t need = mqtt_connack_encode(out, sizeof(out), MQTT_V5, NO_LIMIT, &c);

	assert_true(need > 0);
	for (uint32_t cap = 0; cap <= need; cap++) {
		memset(out, 0xee, sizeof(out));
		uint32_t n = mqtt_connack_encode(out, cap, MQTT_V5, NO_LIMIT, &c);
		assert_int_equal(n, cap < need ? 0 : need);
		assert_int_equal(out[cap], 0xee);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mqtt_3_2_2_connack_before_5),
		cmocka_unit_test(legacy_return_codes),
		cmocka_unit_test(mqtt_3_2_2_connack_properties),
		cmocka_unit_test(mqtt_3_2_2_6_a_refusal_has_no_session_and_no_limits),
		cmocka_unit_test(mqtt_3_2_2_19_reason_string_goes_first_when_there_is_no_room),
		cmocka_unit_test(mqtt_2_2_1_5_acks_carry_the_packet_id),
		cmocka_unit_test(mqtt_3_4_2_2_puback_without_reason_string_when_there_is_no_room),
		cmocka_unit_test(mqtt_3_9_3_1_suback_codes_in_order),
		cmocka_unit_test(pingresp_and_disconnect),
		cmocka_unit_test(capacity_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
