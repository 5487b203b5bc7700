// SPDX-License-Identifier: Apache-2.0
#include "parsers/mqtt.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FRAME_MAX 4096

static enum mqtt_rc frame_at_edge(const void *bytes, uint32_t n, struct mqtt_frame *f) {
	return mqtt_frame(guard_view(bytes, n), FRAME_MAX, f);
}

#define BYTES(s) s, sizeof(s) - 1

static void framing(void **) {
	static const struct {
		const char *name;
		const char *in;
		uint32_t n;
		enum mqtt_rc rc;
		uint32_t len;
	} rows[] = {
		{"nothing", BYTES(""), MQTT_MORE, 0},
		{"type only", BYTES("\xc0"), MQTT_MORE, 0},
		{"pingreq", BYTES("\xc0\x00"), MQTT_OK, 2},
		{"pingreq and more", BYTES("\xc0\x00\xc0"), MQTT_OK, 2},
		{"body still to come", BYTES("\x30\x05\x00"), MQTT_MORE, 7},
		{"two bytes of length", BYTES("\x30\x80\x01"), MQTT_MORE, 131},
		{"length cut off", BYTES("\x30\x80"), MQTT_MORE, 0},
		{"five bytes of length", BYTES("\x30\xff\xff\xff\xff\x01"), MQTT_BAD_VARINT, 0},
		{"four bytes, all continued", BYTES("\x30\x80\x80\x80\x80"), MQTT_BAD_VARINT, 0},
		{"announces more than the limit", BYTES("\x30\xff\xff\x7f"), MQTT_BAD_SIZE, 0},
		{"largest announcement", BYTES("\x30\xff\xff\xff\x7f"), MQTT_BAD_SIZE, 0},
		{"type 0", BYTES("\x00\x00"), MQTT_BAD_TYPE, 0},
		{"exactly the limit", BYTES("\x30\xfd\x1f"), MQTT_MORE, 4096},
		{"one above the limit", BYTES("\x30\xfe\x1f"), MQTT_BAD_SIZE, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mqtt_frame f;
		enum mqtt_rc rc = frame_at_edge(rows[i].in, rows[i].n, &f);
		if (rc != rows[i].rc || f.len != rows[i].len)
			fail_msg("%s: %s, length %u", rows[i].name, mqtt_rc_label(rc), f.len);
	}
}

// Decode `n` bytes as one frame, in whatever way its type asks for.
static enum mqtt_rc decode_any(const struct mqtt_frame *f, enum mqtt_version v) {
	static struct mqtt_connect connect;
	static struct mqtt_publish publish;
	struct mqtt_subscribe subscribe;
	struct mqtt_disconnect disconnect;
	struct mqtt_ack ack;
	struct mqtt_auth auth;

	switch (f->type) {
	case MQTT_CONNECT:
		return mqtt_connect_decode(f, &connect);
	case MQTT_PUBLISH:
		return mqtt_publish_decode(f, v, &publish);
	case MQTT_PUBACK:
	case MQTT_PUBREC:
	case MQTT_PUBREL:
	case MQTT_PUBCOMP:
		return mqtt_ack_decode(f, v, &ack);
	case MQTT_SUBSCRIBE:
	case MQTT_UNSUBSCRIBE:
		return mqtt_subscribe_decode(f, v, &subscribe);
	case MQTT_PINGREQ:
		return mqtt_pingreq_decode(f);
	case MQTT_DISCONNECT:
		return mqtt_disconnect_decode(f, v, &disconnect);
	case MQTT_AUTH:
		return mqtt_auth_decode(f, &auth);
	default:
		return MQTT_BAD_TYPE;
	}
}

static enum mqtt_rc decode(const void *bytes, uint32_t n, enum mqtt_version v) {
	struct mqtt_frame f;
	enum mqtt_rc rc = frame_at_edge(bytes, n, &f);

	if (rc != MQTT_OK)
		return rc;
	assert_int_equal(f.len, n);
	return decode_any(&f, v);
}

struct row {
	const char *name;
	enum mqtt_version v;
	const char *in;
	uint32_t n;
	enum mqtt_rc rc;
};

static void check_rows(const struct row *rows, size_t n) {
	for (size_t i = 0; i < n; i++) {
		enum mqtt_rc rc = decode(rows[i].in, rows[i].n, rows[i].v);
		if (rc != rows[i].rc)
			fail_msg(
				"%s: got %s, expected %s",
				rows[i].name,
				mqtt_rc_label(rc),
				mqtt_rc_label(rows[i].rc)
			);
	}
}
#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof(rows[0]))

#define V5 MQTT_V5
#define V4 MQTT_V311
#define V3 MQTT_V31

#define NAME4 "\x00\x04MQTT\x04"
#define NAME5 "\x00\x04MQTT\x05"

static void mqtt_3_1_2_1_protocol_name_and_3_1_2_2_level(void **) {
	static const struct row rows[] = {
		{"3.1.1",
		 V4,
		 BYTES("\x10\x0d" NAME4 "\x02\x00\x3c\x00\x01"
		       "a"),
		 MQTT_OK},
		{"3.1",
		 V3,
		 BYTES("\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01"
		       "a"),
		 MQTT_OK},
		{"5.0",
		 V5,
		 BYTES("\x10\x0e" NAME5 "\x02\x00\x3c\x00\x00\x01"
		       "a"),
		 MQTT_OK},
		{"name in small letters",
		 V4,
		 BYTES("\x10\x0d\x00\x04mqtt\x04\x02\x00\x3c\x00\x01"
		       "a"),
		 MQTT_BAD_PROTOCOL},
		{"old name, new level",
		 V4,
		 BYTES("\x10\x0f\x00\x06MQIsdp\x04\x02\x00\x3c\x00\x01"
		       "a"),
		 MQTT_BAD_VERSION},
		{"level 6",
		 V4,
		 BYTES("\x10\x0d\x00\x04MQTT\x06\x02\x00\x3c\x00\x01"
		       "a"),
		 MQTT_BAD_VERSION},
		{"bridge bit",
		 V4,
		 BYTES("\x10\x0d\x00\x04MQTT\x84\x02\x00\x3c\x00\x01"
		       "a"),
		 MQTT_BAD_VERSION},
	};
	CHECK(rows);
}

static void mqtt_3_1_2_3_reserved_connect_flag(void **) {
	static const struct row rows[] = {
		{"3.1.1", V4, BYTES("\x10\x0c" NAME4 "\x03\x00\x3c\x00\x00"), MQTT_BAD_CONNECT_FLAGS
		},
		{"5.0",
		 V5,
		 BYTES("\x10\x0d" NAME5 "\x03\x00\x3c\x00\x00\x00"),
		 MQTT_BAD_CONNECT_FLAGS},
	};
	CHECK(rows);
}

static void mqtt_3_1_2_9_to_3_1_2_15_will_flags(void **) {
	static const struct row rows[] = {
		{"will",
		 V4,
		 BYTES("\x10\x13" NAME4 "\x26\x00\x00\x00\x01"
		       "a\x00\x01t\x00\x01p"),
		 MQTT_OK},
		{"will without topic",
		 V4,
		 BYTES("\x10\x0d" NAME4 "\x06\x00\x00\x00\x01"
		       "a"),
		 MQTT_BAD_FIELD},
		{"will without message",
		 V4,
		 BYTES("\x10\x10" NAME4 "\x06\x00\x00\x00\x01"
		       "a\x00\x01t"),
		 MQTT_BAD_FIELD},
		{"no will, QoS 1",
		 V4,
		 BYTES("\x10\x0c" NAME4 "\x0a\x00\x00\x00\x00"),
		 MQTT_BAD_CONNECT_FLAGS},
		{"no will, retain",
		 V4,
		 BYTES("\x10\x0c" NAME4 "\x22\x00\x00\x00\x00"),
		 MQTT_BAD_CONNECT_FLAGS},
		{"no will, but its fields",
		 V4,
		 BYTES("\x10\x13" NAME4 "\x02\x00\x00\x00\x01"
		       "a\x00\x01t\x00\x01p"),
		 MQTT_BAD_TRAILING},
		{"will QoS 3",
		 V4,
		 BYTES("\x10\x13" NAME4 "\x1e\x00\x00\x00\x01"
		       "a\x00\x01t\x00\x01p"),
		 MQTT_BAD_QOS},
		{"will topic with wildcard",
		 V4,
		 BYTES("\x10\x13" NAME4 "\x06\x00\x00\x00\x01"
		       "a\x00\x01#\x00\x01p"),
		 MQTT_BAD_TOPIC},
		{"empty will message",
		 V4,
		 BYTES("\x10\x12" NAME4 "\x06\x00\x00\x00\x01"
		       "a\x00\x01t\x00\x00"),
		 MQTT_OK},
		{"will delay",
		 V5,
		 BYTES("\x10\x1a" NAME5 "\x06\x00\x00\x00\x00\x01"
		       "a\x05\x18\x00\x00\x00\x07\x00\x01t\x00\x01p"),
		 MQTT_OK},
	};
	CHECK(rows);
}

static void mqtt_3_1_2_18_to_3_1_2_22_user_name_and_password(void **) {
	static const struct row rows[] = {
		{"both",
		 V4,
		 BYTES("\x10\x13" NAME4 "\xc2\x00\x00\x00\x01"
		       "a\x00\x01u\x00\x01p"),
		 MQTT_OK},
		{"flagged, absent",
		 V4,
		 BYTES("\x10\x0d" NAME4 "\x82\x00\x00\x00\x01"
		       "a"),
		 MQTT_BAD_FIELD},
		{"not flagged, present",
		 V4,
		 BYTES("\x10\x10" NAME4 "\x02\x00\x00\x00\x01"
		       "a\x00\x01u"),
		 MQTT_BAD_TRAILING},
		{"password flagged, absent",
		 V4,
		 BYTES("\x10\x10" NAME4 "\xc2\x00\x00\x00\x01"
		       "a\x00\x01u"),
		 MQTT_BAD_FIELD},
		{"password alone in 3.1.1",
		 V4,
		 BYTES("\x10\x10" NAME4 "\x42\x00\x00\x00\x01"
		       "a\x00\x01p"),
		 MQTT_BAD_CONNECT_FLAGS},
		{"password alone in 5",
		 V5,
		 BYTES("\x10\x11" NAME5 "\x42\x00\x00\x00\x00\x01"
		       "a\x00\x01p"),
		 MQTT_OK},
		{"3.1: flagged, absent",
		 V3,
		 BYTES("\x10\x0f\x00\x06MQIsdp\x03\xc2\x00\x3c\x00\x01"
		       "a"),
		 MQTT_OK},
	};
	CHECK(rows);
}

static void mqtt_3_1_3_1_to_3_1_3_4_payload_order_and_client_id(void **) {
	static const uint8_t in[] = "\x10\x23" NAME5 "\xf6\x00\x0a\x03\x21\x00\x09\x00\x02id"
				    "\x00\x00\x02wt\x00\x02wm\x00\x02un\x00\x02pw";
	static struct mqtt_connect c;
	struct mqtt_frame f;

	static_assert(sizeof(in) - 1 == 37);
	assert_int_equal(frame_at_edge(in, sizeof(in) - 1, &f), MQTT_OK);
	assert_int_equal(mqtt_connect_decode(&f, &c), MQTT_OK);
	assert_memory_equal(c.client_id.p, "id", 2);
	assert_memory_equal(c.will_topic.p, "wt", 2);
	assert_memory_equal(c.will_payload.p, "wm", 2);
	assert_memory_equal(c.username.p, "un", 2);
	assert_memory_equal(c.password.p, "pw", 2);
	assert_true(c.clean_start && c.has_will && c.will_retain);
	assert_int_equal(c.will_qos, 2);
	assert_int_equal(c.keep_alive_s, 10);
	assert_int_equal(mqtt_props_number(&c.props, MQTT_PROP_RECEIVE_MAXIMUM, 65535), 9);

	static const struct row rows[] = {
		{"no client id", V4, BYTES("\x10\x0a" NAME4 "\x02\x00\x3c"), MQTT_BAD_FIELD},
		{"client id cut off",
		 V4,
		 BYTES("\x10\x0d" NAME4 "\x02\x00\x3c\x00\x02"
		       "a"),
		 MQTT_BAD_FIELD},
		{"client id not UTF-8",
		 V4,
		 BYTES("\x10\x0d" NAME4 "\x02\x00\x3c\x00\x01\xff"),
		 MQTT_BAD_UTF8},
		{"empty client id", V4, BYTES("\x10\x0c" NAME4 "\x02\x00\x3c\x00\x00"), MQTT_OK},
	};
	CHECK(rows);
}

static void mqtt_1_5_3_1_and_1_5_4_1_strings_are_utf8_without_nul(void **) {
	static const struct row rows[] = {
		{"user name with surrogate",
		 V4,
		 BYTES("\x10\x12" NAME4 "\x82\x00\x00\x00\x01"
		       "a\x00\x03\xed\xa0\x80"),
		 MQTT_BAD_UTF8},
		{"topic with NUL",
		 V4,
		 BYTES("\x30\x05\x00\x03"
		       "a\x00"
		       "b"),
		 MQTT_BAD_UTF8},
		{"topic not UTF-8", V5, BYTES("\x30\x05\x00\x02\xc3\x28\x00"), MQTT_BAD_UTF8},
		{"filter not UTF-8",
		 V4,
		 BYTES("\x82\x07\x00\x01\x00\x02\xc0\x80\x00"),
		 MQTT_BAD_UTF8},
		{"will topic not UTF-8",
		 V4,
		 BYTES("\x10\x12" NAME4 "\x06\x00\x00\x00\x01"
		       "a\x00\x01\x80\x00\x00"),
		 MQTT_BAD_UTF8},
	};
	CHECK(rows);
}

static void mqtt_1_5_5_1_length_in_the_fewest_bytes(void **) {
	static const struct row rows[] = {
		{"5.0", V5, BYTES("\xd0\x80\x00"), MQTT_BAD_TYPE},
		{"publish 5.0", V5, BYTES("\x30\x84\x00\x00\x01t\x00"), MQTT_BAD_VARINT},
		{"publish 3.1.1 does not say", V4, BYTES("\x30\x83\x00\x00\x01t"), MQTT_OK},
		{"property length", V5, BYTES("\x30\x05\x00\x01t\x80\x00"), MQTT_BAD_VARINT},
	};
	CHECK(rows);
}

static void mqtt_2_1_3_1_and_2_2_2_2_fixed_header_flags(void **) {
	static const struct row rows[] = {
		{"connect", V4, BYTES("\x11\x0c" NAME4 "\x02\x00\x3c\x00\x00"), MQTT_BAD_FLAGS},
		{"pingreq", V4, BYTES("\xc1\x00"), MQTT_BAD_FLAGS},
		{"disconnect", V4, BYTES("\xe2\x00"), MQTT_BAD_FLAGS},
		{"disconnect 5", V5, BYTES("\xe1\x00"), MQTT_BAD_FLAGS},
		{"puback", V4, BYTES("\x42\x02\x00\x01"), MQTT_BAD_FLAGS},
		{"pubrec", V4, BYTES("\x51\x02\x00\x01"), MQTT_BAD_FLAGS},
		{"pubcomp", V4, BYTES("\x78\x02\x00\x01"), MQTT_BAD_FLAGS},
		{"auth", V5, BYTES("\xf2\x00"), MQTT_BAD_FLAGS},
	};
	CHECK(rows);
}

static void mqtt_3_6_1_1_pubrel_3_8_1_1_subscribe_3_10_1_1_unsubscribe_flags(void **) {
	static const struct row rows[] = {
		{"pubrel", V4, BYTES("\x62\x02\x00\x01"), MQTT_OK},
		{"pubrel 0", V4, BYTES("\x60\x02\x00\x01"), MQTT_BAD_FLAGS},
		{"pubrel with DUP", V4, BYTES("\x6a\x02\x00\x01"), MQTT_BAD_FLAGS},
		{"pubrel with DUP in 3.1", V3, BYTES("\x6a\x02\x00\x01"), MQTT_OK},
		{"subscribe", V4, BYTES("\x82\x06\x00\x01\x00\x01t\x00"), MQTT_OK},
		{"subscribe 0", V4, BYTES("\x80\x06\x00\x01\x00\x01t\x00"), MQTT_BAD_FLAGS},
		{"unsubscribe", V4, BYTES("\xa2\x05\x00\x01\x00\x01t"), MQTT_OK},
		{"unsubscribe 0", V5, BYTES("\xa0\x06\x00\x01\x00\x00\x01t"), MQTT_BAD_FLAGS},
	};
	CHECK(rows);
}

static void mqtt_2_2_1_2_to_2_2_1_3_and_2_3_1_1_packet_ids(void **) {
	static const struct row rows[] = {
		{"publish QoS 1, id 0", V4, BYTES("\x32\x05\x00\x01t\x00\x00"), MQTT_BAD_PACKET_ID},
		{"publish QoS 2, id 0",
		 V5,
		 BYTES("\x34\x06\x00\x01t\x00\x00\x00"),
		 MQTT_BAD_PACKET_ID},
		{"publish QoS 1 without id", V4, BYTES("\x32\x03\x00\x01t"), MQTT_BAD_FIELD},
		{"publish QoS 0: payload, not id", V4, BYTES("\x30\x05\x00\x01t\x00\x00"), MQTT_OK},
		{"subscribe, id 0", V4, BYTES("\x82\x06\x00\x00\x00\x01t\x00"), MQTT_BAD_PACKET_ID},
		{"unsubscribe, id 0", V4, BYTES("\xa2\x05\x00\x00\x00\x01t"), MQTT_BAD_PACKET_ID},
		{"pubrel, id 0", V4, BYTES("\x62\x02\x00\x00"), MQTT_BAD_PACKET_ID},
		{"pubrel, too long for 3.1.1", V4, BYTES("\x62\x03\x00\x01\x00"), MQTT_BAD_TRAILING
		},
	};
	CHECK(rows);
}

static void mqtt_3_3_1_publish_flags(void **) {
	static const struct row rows[] = {
		{"mqtt_3_3_1_4 both QoS bits", V4, BYTES("\x36\x05\x00\x01t\x00\x01"), MQTT_BAD_QOS
		},
		{"mqtt_3_3_1_4 both QoS bits, 5",
		 V5,
		 BYTES("\x36\x06\x00\x01t\x00\x01\x00"),
		 MQTT_BAD_QOS},
		{"mqtt_3_3_1_2 DUP with QoS 0", V4, BYTES("\x38\x03\x00\x01t"), MQTT_BAD_DUP},
		{"DUP with QoS 0 in 3.1", V3, BYTES("\x38\x03\x00\x01t"), MQTT_OK},
		{"DUP with QoS 1", V4, BYTES("\x3a\x05\x00\x01t\x00\x01"), MQTT_OK},
		{"retain", V4, BYTES("\x31\x03\x00\x01t"), MQTT_OK},
	};
	CHECK(rows);
}

static void mqtt_3_3_2_publish_topic_and_properties(void **) {
	static const struct row rows[] = {
		{"mqtt_3_3_2_1 no topic", V4, BYTES("\x30\x00"), MQTT_BAD_FIELD},
		{"mqtt_4_7_3_1 empty topic", V4, BYTES("\x30\x02\x00\x00"), MQTT_BAD_TOPIC},
		{"mqtt_3_3_2_2 hash", V4, BYTES("\x30\x05\x00\x03t/#"), MQTT_BAD_TOPIC},
		{"mqtt_3_3_2_2 plus", V4, BYTES("\x30\x05\x00\x03+/t"), MQTT_BAD_TOPIC},
		{"empty topic and no alias", V5, BYTES("\x30\x03\x00\x00\x00"), MQTT_BAD_TOPIC},
		{"empty topic with alias", V5, BYTES("\x30\x06\x00\x00\x03\x23\x00\x01"), MQTT_OK},
		{"mqtt_3_3_2_8 alias 0",
		 V5,
		 BYTES("\x30\x07\x00\x01t\x03\x23\x00\x00"),
		 MQTT_BAD_ALIAS},
		{"mqtt_3_3_4_6 subscription id",
		 V5,
		 BYTES("\x30\x06\x00\x01t\x02\x0b\x01"),
		 MQTT_PROPERTY_NOT_HERE},
		{"mqtt_3_3_2_14 response topic with wildcard",
		 V5,
		 BYTES("\x30\x08\x00\x01t\x04\x08\x00\x01#"),
		 MQTT_BAD_TOPIC},
		{"mqtt_3_3_2_13 response topic not UTF-8",
		 V5,
		 BYTES("\x30\x08\x00\x01t\x04\x08\x00\x01\xff"),
		 MQTT_BAD_UTF8},
		{"mqtt_3_3_2_19 content type not UTF-8",
		 V5,
		 BYTES("\x30\x08\x00\x01t\x04\x03\x00\x01\xff"),
		 MQTT_BAD_UTF8},
		{"correlation data may be anything",
		 V5,
		 BYTES("\x30\x08\x00\x01t\x04\x09\x00\x01\xff"),
		 MQTT_OK},
		{"properties longer than the packet",
		 V5,
		 BYTES("\x30\x04\x00\x01t\x05"),
		 MQTT_BAD_FIELD},
	};
	CHECK(rows);
}

static void publish_is_a_view_of_the_frame(void **) {
	static struct mqtt_publish p;
	struct mqtt_frame f;
	static const uint8_t good[] = "\x3d\x0e\x00\x03t/1\x00\x2a\x02\x01\x01"
				      "42.5";
	assert_int_equal(sizeof(good) - 1, 16);
	assert_int_equal(frame_at_edge(good, sizeof(good) - 1, &f), MQTT_OK);
	assert_int_equal(mqtt_publish_decode(&f, V5, &p), MQTT_OK);
	assert_int_equal(p.packet_id, 42);
	assert_int_equal(p.qos, 2);
	assert_true(p.dup && p.retain);
	assert_int_equal(mqtt_props_number(&p.props, MQTT_PROP_PAYLOAD_FORMAT, 0), 1);
	assert_int_equal(p.payload.len, 4);
	assert_ptr_equal(p.payload.p, guard_edge - 4);
}

static void mqtt_2_2_1_5_acknowledgements_and_reason_codes(void **) {
	static const struct row rows[] = {
		{"puback", V5, BYTES("\x40\x02\x00\x01"), MQTT_OK},
		{"puback with reason", V5, BYTES("\x40\x03\x00\x01\x10"), MQTT_OK},
		{"mqtt_3_4_2_1 puback reason", V5, BYTES("\x40\x03\x00\x01\x01"), MQTT_BAD_REASON},
		{"mqtt_3_5_2_1 pubrec reason", V5, BYTES("\x50\x03\x00\x01\x92"), MQTT_BAD_REASON},
		{"mqtt_3_6_2_1 pubrel reason", V5, BYTES("\x62\x03\x00\x01\x10"), MQTT_BAD_REASON},
		{"pubrel not found", V5, BYTES("\x62\x04\x00\x01\x92\x00"), MQTT_OK},
		{"mqtt_3_7_2_1 pubcomp reason", V5, BYTES("\x70\x03\x00\x01\x80"), MQTT_BAD_REASON},
		{"pubrel with reason string",
		 V5,
		 BYTES("\x62\x08\x00\x01\x00\x04\x1f\x00\x01x"),
		 MQTT_OK},
		{"pubrel with will delay",
		 V5,
		 BYTES("\x62\x09\x00\x01\x00\x05\x18\x00\x00\x00\x01"),
		 MQTT_PROPERTY_NOT_HERE},
		{"pubrel, properties cut off",
		 V5,
		 BYTES("\x62\x05\x00\x01\x00\x04\x1f"),
		 MQTT_BAD_FIELD},
		{"pubrel, half an id", V5, BYTES("\x62\x01\x00"), MQTT_BAD_FIELD},
	};
	CHECK(rows);
}

static void mqtt_3_8_3_subscribe(void **) {
	static const struct row rows[] = {
		{"mqtt_3_8_3_2 nothing", V5, BYTES("\x82\x03\x00\x01\x00"), MQTT_NO_FILTER},
		{"mqtt_3_8_3_3 nothing, 3.1.1", V4, BYTES("\x82\x02\x00\x01"), MQTT_NO_FILTER},
		{"no options", V4, BYTES("\x82\x05\x00\x01\x00\x01t"), MQTT_BAD_FIELD},
		{"mqtt_3_8_3_4 QoS 3", V4, BYTES("\x82\x06\x00\x01\x00\x01t\x03"), MQTT_BAD_QOS},
		{"mqtt_3_8_3_4 reserved",
		 V4,
		 BYTES("\x82\x06\x00\x01\x00\x01t\x04"),
		 MQTT_BAD_OPTIONS},
		{"QoS 3 in 5", V5, BYTES("\x82\x07\x00\x01\x00\x00\x01t\x03"), MQTT_BAD_OPTIONS},
		{"mqtt_3_8_3_5 reserved",
		 V5,
		 BYTES("\x82\x07\x00\x01\x00\x00\x01t\x40"),
		 MQTT_BAD_OPTIONS},
		{"retain handling 3",
		 V5,
		 BYTES("\x82\x07\x00\x01\x00\x00\x01t\x30"),
		 MQTT_PROPERTY_VALUE},
		{"all options", V5, BYTES("\x82\x07\x00\x01\x00\x00\x01t\x2e"), MQTT_OK},
		{"mqtt_3_8_3_4 no local on shared",
		 V5,
		 BYTES("\x82\x10\x00\x01\x00\x00\x0a$share/g/t\x04"),
		 MQTT_BAD_SHARE},
		{"mqtt_4_8_2_1 share without filter",
		 V5,
		 BYTES("\x82\x0e\x00\x01\x00\x00\x08$share/g\x00"),
		 MQTT_BAD_FILTER},
		{"subscription id 0",
		 V5,
		 BYTES("\x82\x09\x00\x01\x02\x0b\x00\x00\x01t\x00"),
		 MQTT_PROPERTY_VALUE},
		{"mqtt_4_7_1_1 bad wildcard",
		 V4,
		 BYTES("\x82\x09\x00\x01\x00\x04t/#x\x00"),
		 MQTT_BAD_FILTER},
		{"mqtt_4_7_3_1 empty filter",
		 V4,
		 BYTES("\x82\x05\x00\x01\x00\x00\x00"),
		 MQTT_BAD_FILTER},
	};
	CHECK(rows);
}

static void mqtt_3_8_4_5_filters_come_in_their_order(void **) {
	static const uint8_t in[] = "\x82\x0f\x00\x07\x02\x0b\x09\x00\x01"
				    "a\x01\x00\x03"
				    "b/#\x2e";
	struct mqtt_subscribe s;
	struct mqtt_filter t;
	struct mqtt_frame f;

	assert_int_equal(frame_at_edge(in, sizeof(in) - 1, &f), MQTT_OK);
	assert_int_equal(mqtt_subscribe_decode(&f, V5, &s), MQTT_OK);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.packet_id, 7);
	assert_int_equal(s.subscription_id, 9);
	assert_true(mqtt_filter_next(&s, &t));
	assert_true(view_equal(t.filter, VIEW_LITERAL("a")));
	assert_int_equal(t.qos, 1);
	assert_true(mqtt_filter_next(&s, &t));
	assert_true(view_equal(t.filter, VIEW_LITERAL("b/#")));
	assert_true(t.qos == 2 && t.no_local && t.retain_as_published && t.retain_handling == 2);
	assert_false(mqtt_filter_next(&s, &t));
}

static void mqtt_3_10_3_unsubscribe(void **) {
	static const struct row rows[] = {
		{"mqtt_3_10_3_1 not UTF-8", V4, BYTES("\xa2\x05\x00\x01\x00\x01\xff"), MQTT_BAD_UTF8
		},
		{"mqtt_3_10_3_2 nothing", V4, BYTES("\xa2\x02\x00\x01"), MQTT_NO_FILTER},
		{"two filters", V5, BYTES("\xa2\x09\x00\x01\x00\x00\x01t\x00\x01u"), MQTT_OK},
		{"subscription id",
		 V5,
		 BYTES("\xa2\x08\x00\x01\x02\x0b\x01\x00\x01t"),
		 MQTT_PROPERTY_NOT_HERE},
	};
	CHECK(rows);
}

static void filters_are_bounded(void **) {
	static uint8_t in[4 + 2 + 4 * (MQTT_FILTERS_MAX + 1)];

	for (uint32_t count = MQTT_FILTERS_MAX; count <= MQTT_FILTERS_MAX + 1; count++) {
		uint32_t body = 2 + 4 * count;
		uint32_t n = 0;

		in[n++] = 0x82;
		in[n++] = (uint8_t)(body | 0x80);
		in[n++] = (uint8_t)(body >> 7);
		in[n++] = 0;
		in[n++] = 1;
		for (uint32_t i = 0; i < count; i++) {
			memcpy(in + n, "\x00\x01t\x00", 4);
			n += 4;
		}
		assert_int_equal(
			decode(in, n, V4), count > MQTT_FILTERS_MAX ? MQTT_TOO_MANY : MQTT_OK
		);
	}
}

static void mqtt_3_14_disconnect_and_3_15_auth(void **) {
	static const struct row rows[] = {
		{"disconnect", V4, BYTES("\xe0\x00"), MQTT_OK},
		{"with a byte in 3.1.1", V4, BYTES("\xe0\x01\x00"), MQTT_BAD_TRAILING},
		{"with reason", V5, BYTES("\xe0\x01\x04"), MQTT_OK},
		{"mqtt_3_14_2_1 a server's reason", V5, BYTES("\xe0\x01\x8b"), MQTT_BAD_REASON},
		{"session expiry", V5, BYTES("\xe0\x07\x00\x05\x11\x00\x00\x00\x01"), MQTT_OK},
		{"server reference from a client",
		 V5,
		 BYTES("\xe0\x06\x00\x04\x1c\x00\x01x"),
		 MQTT_PROPERTY_NOT_HERE},
		{"auth", V5, BYTES("\xf0\x06\x18\x04\x15\x00\x01m"), MQTT_OK},
		{"mqtt_3_15_2_1 auth reason", V5, BYTES("\xf0\x01\x17"), MQTT_BAD_REASON},
		{"pingreq with a body", V4, BYTES("\xc0\x01\x00"), MQTT_BAD_TRAILING},
		{"a server's packet: connack", V4, BYTES("\x20\x02\x00\x00"), MQTT_BAD_TYPE},
		{"a server's packet: pingresp", V4, BYTES("\xd0\x00"), MQTT_BAD_TYPE},
		{"auth data without method",
		 V5,
		 BYTES("\x10\x12" NAME5 "\x02\x00\x3c\x04\x16\x00\x01x\x00\x01"
		       "a"),
		 MQTT_PROPERTY_NOT_HERE},
	};
	CHECK(rows);
}

static const struct row whole[] = {
	{"connect",
	 V5,
	 BYTES("\x10\x23" NAME5 "\xf6\x00\x0a\x03\x21\x00\x09\x00\x02id"
	       "\x00\x00\x02wt\x00\x02wm\x00\x02un\x00\x02pw"),
	 MQTT_OK},
	{"publish",
	 V5,
	 BYTES("\x3d\x0e\x00\x03t/1\x00\x2a\x02\x01\x01"
	       "42.5"),
	 MQTT_OK},
	{"publish 3.1.1",
	 V4,
	 BYTES("\x32\x09\x00\x03t/1\x00\x2a"
	       "42"),
	 MQTT_OK},
	{"subscribe",
	 V5,
	 BYTES("\x82\x0f\x00\x07\x02\x0b\x09\x00\x01"
	       "a\x01\x00\x03"
	       "b/#\x2e"),
	 MQTT_OK},
	{"unsubscribe", V5, BYTES("\xa2\x09\x00\x01\x00\x00\x01t\x00\x01u"), MQTT_OK},
	{"pubrel", V5, BYTES("\x62\x08\x00\x01\x00\x04\x1f\x00\x01x"), MQTT_OK},
	{"disconnect", V5, BYTES("\xe0\x07\x00\x05\x11\x00\x00\x00\x01"), MQTT_OK},
	{"auth", V5, BYTES("\xf0\x06\x18\x04\x15\x00\x01m"), MQTT_OK},
};

// Every proper prefix of a good frame asks for more and reads no further.
static void every_prefix_asks_for_more(void **) {
	CHECK(whole);
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		for (uint32_t n = 0; n < whole[i].n; n++) {
			struct mqtt_frame f;
			assert_int_equal(frame_at_edge(whole[i].in, n, &f), MQTT_MORE);
			assert_true(f.len == 0 || f.len == whole[i].n);
		}
	}
}

// The same packet with a length that ends too early: no decoder may read past the frame, and none
// may take a cut packet for a whole one unless the cut falls where the packet may end.
static void every_shortened_packet_is_judged_inside_its_frame(void **) {
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		for (uint32_t n = 2; n < whole[i].n; n++) {
			uint8_t cut[64];
			memcpy(cut, whole[i].in, n);
			cut[1] = (uint8_t)(n - 2);
			enum mqtt_rc rc = decode(cut, n, whole[i].v);
			assert_int_not_equal(rc, MQTT_MORE);
		}
	}
}

static void every_code_has_label_and_reason(void **) {
	for (unsigned rc = 0; rc < MQTT_RC_COUNT; rc++) {
		assert_non_null(mqtt_rc_label(rc));
		assert_true(rc <= MQTT_MORE || mqtt_rc_reason(rc) >= 0x80);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(framing),
		cmocka_unit_test(mqtt_3_1_2_1_protocol_name_and_3_1_2_2_level),
		cmocka_unit_test(mqtt_3_1_2_3_reserved_connect_flag),
		cmocka_unit_test(mqtt_3_1_2_9_to_3_1_2_15_will_flags),
		cmocka_unit_test(mqtt_3_1_2_18_to_3_1_2_22_user_name_and_password),
		cmocka_unit_test(mqtt_3_1_3_1_to_3_1_3_4_payload_order_and_client_id),
		cmocka_unit_test(mqtt_1_5_3_1_and_1_5_4_1_strings_are_utf8_without_nul),
		cmocka_unit_test(mqtt_1_5_5_1_length_in_the_fewest_bytes),
		cmocka_unit_test(mqtt_2_1_3_1_and_2_2_2_2_fixed_header_flags),
		cmocka_unit_test(mqtt_3_6_1_1_pubrel_3_8_1_1_subscribe_3_10_1_1_unsubscribe_flags),
		cmocka_unit_test(mqtt_2_2_1_2_to_2_2_1_3_and_2_3_1_1_packet_ids),
		cmocka_unit_test(mqtt_3_3_1_publish_flags),
		cmocka_unit_test(mqtt_3_3_2_publish_topic_and_properties),
		cmocka_unit_test(publish_is_a_view_of_the_frame),
		cmocka_unit_test(mqtt_2_2_1_5_acknowledgements_and_reason_codes),
		cmocka_unit_test(mqtt_3_8_3_subscribe),
		cmocka_unit_test(mqtt_3_8_4_5_filters_come_in_their_order),
		cmocka_unit_test(mqtt_3_10_3_unsubscribe),
		cmocka_unit_test(filters_are_bounded),
		cmocka_unit_test(mqtt_3_14_disconnect_and_3_15_auth),
		cmocka_unit_test(every_prefix_asks_for_more),
		cmocka_unit_test(every_shortened_packet_is_judged_inside_its_frame),
		cmocka_unit_test(every_code_has_label_and_reason),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
