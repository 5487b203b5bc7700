// SPDX-License-Identifier: Apache-2.0
// CONNECT, CONNACK, keep alive, DISCONNECT, wills.
#include "tests/unit/dataplane/mqtt/one_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t send_connect(const struct pk_connect *c) {
	uint32_t conn = rig_open(r);

	pk_connect(&p, c);
	rig_send(r, conn, &p);
	return conn;
}

static void idle_connection_costs_what_it_may(void **) {
	rig_start(r);
	assert_true(mqtt_idle_bytes(13) <= 112);
	assert_true(mqtt_idle_bytes(24) <= 112);
	assert_true(mqtt_idle_bytes(25) > mqtt_idle_bytes(24));
}

static void mqtt_3_1_0_1_first_packet_is_connect(void **) {
	rig_start(r);
	uint32_t c = rig_open(r);
	rig_input(r, c, "\xc0\x00", 2);
	assert_true(r->conns[c].closed);
	assert_int_equal(r->conns[c].out_len, 0);
	assert_int_equal(stats()->ended[MQTT_END_NOT_CONNECT], 1);

	// even before that packet is whole
	c = rig_open(r);
	rig_input(r, c, "\x30", 1);
	assert_true(r->conns[c].closed);
	assert_int_equal(stats()->sessions, 0);
}

static void mqtt_3_1_0_2_second_connect_ends_the_connection(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "a", 60);
	pk_connect(&p, &(struct pk_connect) {.version = MQTT_V5, .clean = true, .id = "a"});
	rig_send(r, c, &p);
	assert_true(RIG_GOT(r, c, "\xe0\x01\x82"));
	assert_true(r->conns[c].closed);
}

static void mqtt_3_1_2_2_unacceptable_level_is_named_before_closing(void **) {
	rig_start(r);
	uint32_t c = send_connect(&(struct pk_connect) {.version = 6, .clean = true, .id = "a"});
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x84\x00"));
	assert_true(r->conns[c].closed);
	c = rig_open(r);
	rig_input(r, c, "\x10\x0d\x00\x04MQTT\x02\x02\x00\x3c\x00\x01x", 15);
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x01"));
	assert_true(r->conns[c].closed);
}

static void mqtt_3_1_2_1_wrong_protocol_name_is_closed_in_silence(void **) {
	rig_start(r);
	uint32_t c = rig_open(r);
	rig_input(r, c, "\x10\x0d\x00\x04MQTX\x04\x02\x00\x3c\x00\x01x", 15);
	assert_true(r->conns[c].closed);
	assert_int_equal(r->conns[c].out_len, 0);
}

static void mqtt_3_1_4_1_malformed_connect_is_closed_without_connack_in_3_1_1(void **) {
	rig_start(r);
	uint32_t c = rig_open(r);
	rig_input(r, c, "\x10\x0d\x00\x04MQTT\x04\x03\x00\x3c\x00\x01x", 15); // reserved flag
	assert_true(r->conns[c].closed);
	assert_int_equal(r->conns[c].out_len, 0);
	c = rig_open(r);
	rig_input(r, c, "\x10\x0e\x00\x04MQTT\x05\x03\x00\x3c\x00\x00\x01x", 16);
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x81\x00"));
	assert_true(r->conns[c].closed);
	assert_int_equal(stats()->bad[MQTT_BAD_CONNECT_FLAGS], 2);
}

static void mqtt_3_1_4_4_and_3_1_4_5_connect_is_acknowledged(void **) {
	rig_start(r);
	uint32_t c = send_connect(&(struct pk_connect
	) {.version = MQTT_V311, .clean = true, .id = "dev-1", .keep_alive = 60});
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x00"));
	c = send_connect(&(struct pk_connect
	) {.version = MQTT_V31, .clean = true, .id = "dev-2", .keep_alive = 60});
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x00"));
	// receive maximum, maximum packet, alias maximum, no shared subscriptions
	c = send_connect(&(struct pk_connect
	) {.version = MQTT_V5, .clean = true, .id = "dev-3", .keep_alive = 60});
	assert_true(
		RIG_GOT(r,
			c,
			"\x20\x10\x00\x00\x0d\x21\x00\x14\x27\x00\x01\x00\x00\x22\x00\x0a"
			"\x2a\x00")
	);
	assert_int_equal(stats()->connected, 3);
}

// Aliases keep a connection from being idle: without room for that they are not offered.
static void aliases_are_offered_while_there_is_room(void **) {
	r->config.active = 2;
	rig_start(r);
	rig_input(r, rig_open(r), "\x10", 1); // half received
	uint32_t c = send_connect(&(struct pk_connect
	) {.version = MQTT_V5, .clean = true, .id = "dev-1", .keep_alive = 60});
	assert_true(
		RIG_GOT(r,
			c,
			"\x20\x10\x00\x00\x0d\x21\x00\x14\x27\x00\x01\x00\x00\x22\x00\x0a"
			"\x2a\x00")
	);
	uint32_t half = rig_open(r);
	rig_input(r, half, "\x10", 1);
	c = send_connect(&(struct pk_connect
	) {.version = MQTT_V5, .clean = true, .id = "dev-2", .keep_alive = 60});
	assert_true(RIG_GOT(r, c, "\x20\x0d\x00\x00\x0a\x21\x00\x14\x27\x00\x01\x00\x00\x2a\x00"));
}

static void mqtt_3_1_3_5_ordinary_client_ids_are_allowed(void **) {
	static const char id[] = "0123456789abcdefghijklm";

	rig_start(r);
	assert_int_equal(sizeof(id) - 1, 23);
	rig_connect(r, MQTT_V311, true, id, 60);
	rig_connect(r, MQTT_V31, true, "nopqrstuvwxyzABCDEFGHIJ", 60);
	rig_connect(r, MQTT_V5, true, "KLMNOPQRSTUVWXYZ", 60);
	rig_publish(r, 0, MQTT_V311, 0, 0, "x");
	assert_string_equal(r->messages[0].device, id);
}

static void mqtt_3_1_3_6_and_3_1_3_7_empty_client_id_gets_one(void **) {
	rig_start(r);
	uint32_t c =
		send_connect(&(struct pk_connect) {.version = MQTT_V5, .clean = true, .id = ""});
	uint8_t *out = r->conns[c].out;
	static const uint8_t assigned[] = {MQTT_PROP_ASSIGNED_CLIENT_ID, 0, 21};
	assert_int_equal(out[3], 0);
	uint8_t *at = memmem(out, r->conns[c].out_len, assigned, sizeof(assigned));
	assert_non_null(at);
	char first[22] = {0};
	memcpy(first, at + 3, 21);
	rig_publish(r, c, MQTT_V5, 0, 0, "x");
	assert_string_equal(r->messages[0].device, first); // works as if it had been given

	c = send_connect(&(struct pk_connect) {.version = MQTT_V5, .clean = true, .id = ""});
	at = memmem(r->conns[c].out, r->conns[c].out_len, assigned, sizeof(assigned));
	assert_non_null(at);
	assert_memory_not_equal(at + 3, first, 21); // mqtt_3_2_2_16
	c = send_connect(&(struct pk_connect) {.version = MQTT_V311, .clean = true, .id = ""});
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x00"));
}

static void mqtt_3_1_3_8_empty_client_id_needs_a_clean_session_in_3_1_1(void **) {
	rig_start(r);
	uint32_t c = send_connect(&(struct pk_connect) {.version = MQTT_V311, .id = ""});
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x02"));
	assert_true(r->conns[c].closed);
	c = send_connect(&(struct pk_connect) {.version = MQTT_V31, .clean = true, .id = ""});
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x02"));
	c = send_connect(&(struct pk_connect) {.version = MQTT_V5, .id = ""});
	assert_int_equal(r->conns[c].out[3], 0);
}

static void mqtt_3_1_3_9_client_id_that_is_too_long(void **) {
	static char id[400];

	rig_start(r);
	memset(id, 'a', sizeof(id) - 1);
	uint32_t c =
		send_connect(&(struct pk_connect) {.version = MQTT_V311, .clean = true, .id = id});
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x02"));
	c = send_connect(&(struct pk_connect) {.version = MQTT_V5, .clean = true, .id = id});
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x85\x00"));
	assert_true(r->conns[c].closed);
	assert_int_equal(stats()->refused[MQTT_REFUSED_CLIENT_ID], 2);
	assert_int_equal(stats()->sessions, 0);
}

static void mqtt_3_1_4_6_nothing_after_a_refused_connect_is_processed(void **) {
	rig_start(r);
	uint32_t c = rig_open(r);
	pk_connect(&p, &(struct pk_connect) {.version = MQTT_V311, .id = ""});
	pk_publish(&p, &(struct pk_publish) {.version = MQTT_V311, .topic = "t", .payload = "x"});
	rig_send(r, c, &p);
	assert_true(r->conns[c].closed);
	assert_int_equal(r->message_count, 0);
}

static void packets_behind_the_connect_are_processed(void **) {
	rig_start(r);
	uint32_t c = rig_open(r);
	pk_connect(&p, &(struct pk_connect) {.version = MQTT_V311, .clean = true, .id = "a"});
	pk_publish(
		&p,
		&(struct pk_publish
		) {.version = MQTT_V311, .qos = 1, .id = 1, .topic = "t", .payload = "x"}
	);
	rig_send(r, c, &p);
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x00\x40\x02\x00\x01"));
}

static void mqtt_3_1_2_24_keep_alive_is_one_and_a_half_times_what_was_asked(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "a", 10);
	uint32_t old = rig_connect(r, MQTT_V311, true, "b", 10);
	rig_advance(r, 14900);
	assert_false(r->conns[c].closed);
	assert_false(r->conns[old].closed);
	rig_advance(r, 1200);
	assert_true(r->conns[c].closed);
	assert_true(RIG_GOT(r, c, "\xe0\x01\x8d"));
	assert_true(r->conns[old].closed);
	assert_int_equal(r->conns[old].out_len, 0); // 3.1.1 just closes
	assert_int_equal(stats()->ended[MQTT_END_KEEP_ALIVE], 2);
}

static void any_control_packet_keeps_alive_but_half_a_packet_does_not(void **) {
	rig_start(r);
	r->config.packet_timeout_ms = 60000;
	uint32_t a = rig_connect(r, MQTT_V311, true, "a", 10);
	uint32_t b = rig_connect(r, MQTT_V311, true, "b", 10);
	for (unsigned i = 0; i < 5; i++) {
		rig_advance(r, 8000);
		rig_input(r, a, "\xc0\x00", 2);
		if (!r->conns[b].closed)
			rig_input(r, b, i == 0 ? "\x30\x7f" : "x", i == 0 ? 2 : 1);
	}
	assert_false(r->conns[a].closed);
	assert_true(r->conns[b].closed);
}

static void keep_alive_0_is_no_keep_alive(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V311, true, "a", 0);
	rig_advance(r, 200000);
	assert_false(r->conns[c].closed);
}

static void mqtt_3_2_2_21_server_keep_alive_is_announced_and_used(void **) {
	r->config.keep_alive_max_s = 20;
	rig_start(r);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t c = send_connect(&(struct pk_connect) {
			.version = MQTT_V5,
			.clean = true,
			.id = i == 0 ? "a" : "b",
			.keep_alive = i == 0 ? 0 : 60000,
		});
		assert_non_null(memmem(r->conns[c].out, r->conns[c].out_len, "\x13\x00\x14", 3));
	}
	// mqtt_3_2_2_22: 3.1.1 has no way to be told, so its own value holds
	uint32_t old = rig_connect(r, MQTT_V311, true, "c", 60);
	rig_advance(r, 31500);
	assert_true(r->conns[0].closed && r->conns[1].closed);
	assert_false(r->conns[old].closed);
}

static void mqtt_3_12_4_1_pingreq_is_answered(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V311, true, "a", 10);
	rig_input(r, c, "\xc0\x00\xc0\x00", 4);
	assert_true(RIG_GOT(r, c, "\xd0\x00\xd0\x00"));
}

static void connect_has_a_deadline(void **) {
	rig_start(r);
	uint32_t c = rig_open(r);
	uint32_t d = rig_open(r);
	rig_input(r, d, "\x10\x0d\x00", 3);
	rig_advance(r, 11200);
	assert_true(r->conns[c].closed && r->conns[d].closed);
	assert_int_equal(stats()->ended[MQTT_END_CONNECT_TIMEOUT], 2);
	assert_int_equal(stats()->sessions, 0);
}

static void a_packet_has_a_deadline(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "a", 0);
	rig_input(r, c, "\x30\x7f\x00", 3);
	rig_advance(r, 9000);
	assert_false(r->conns[c].closed);
	rig_advance(r, 3000);
	assert_true(r->conns[c].closed);
	assert_int_equal(stats()->ended[MQTT_END_PACKET_TIMEOUT], 1);
}

static void before_connect_only_a_connects_worth_is_gathered(void **) {
	rig_start(r);
	uint32_t c = rig_open(r);
	rig_input(r, c, "\x10\x80\x80\x03", 4); // 48 KiB
	assert_true(r->conns[c].closed);
	assert_int_equal(stats()->bad[MQTT_BAD_SIZE], 1);
}

static void mqtt_3_14_4_3_disconnect_discards_the_will(void **) {
	rig_start(r);
	for (unsigned v = MQTT_V31; v <= MQTT_V5; v++) {
		uint32_t c = send_connect(&(struct pk_connect) {
			.version = (uint8_t)v,
			.clean = true,
			.id = "a",
			.will_topic = "w",
			.will_payload = "gone",
		});
		rig_input(r, c, "\xe0\x00", 2);
		assert_true(r->conns[c].closed);
	}
	assert_int_equal(r->message_count, 0);
	assert_int_equal(stats()->sessions, 0);
	assert_int_equal(stats()->ended[MQTT_END_DISCONNECT], 3);
}

static void disconnect_with_will_publishes_it(void **) {
	rig_start(r);
	uint32_t c = send_connect(&(struct pk_connect
	) {.version = MQTT_V5, .clean = true, .id = "a", .will_topic = "w", .will_payload = "gone"}
	);
	rig_input(r, c, "\xe0\x01\x04", 3);
	assert_int_equal(r->message_count, 1);
	assert_string_equal(r->messages[0].payload, "gone");
}

static void mqtt_3_1_2_8_will_is_published_when_the_connection_dies(void **) {
	rig_start(r);
	for (unsigned v = MQTT_V31; v <= MQTT_V5; v++) {
		struct pk_connect k = {
			.version = (uint8_t)v,
			.clean = true,
			.id = "dev",
			.keep_alive = 10,
			.will_topic = "w/t",
			.will_payload = "gone",
			.will_retain = v == MQTT_V311,
			.will_qos = 1,
		};
		if (v == MQTT_V5) {
			pp_text(&k.will_props, MQTT_PROP_CONTENT_TYPE, "text");
			pp_user(&k.will_props, "k", "v");
		}
		uint32_t c = send_connect(&k);
		if (v == MQTT_V31)
			rig_hang_up(r, c);
		else if (v == MQTT_V311)
			rig_advance(r, 16200); // keep alive
		else
			rig_input(r, c, "\x00\x00", 2); // protocol error
		assert_int_equal(r->message_count, v - MQTT_V31 + 1u);
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_string_equal(r->messages[i].topic, "w/t");
		assert_string_equal(r->messages[i].payload, "gone");
		assert_string_equal(r->messages[i].device, "dev");
		assert_int_equal(r->messages[i].realm, 5);
		assert_int_equal(r->messages[i].peer0, 1);
		// mqtt_3_1_2_16 and mqtt_3_1_2_17
		assert_int_equal(r->messages[i].retained, i == 1);
	}
	assert_string_equal(r->messages[2].content_type, "text");
	assert_string_equal(r->messages[2].property[0][0], "k");
	assert_string_equal(r->messages[0].property[0][0], "mqtt.will");
	assert_int_equal(stats()->wills, 3);
	assert_int_equal(stats()->sessions, 0); // mqtt_3_1_2_10: and nothing is left
}

static void mqtt_3_1_2_12_without_the_flag_there_is_no_will(void **) {
	rig_start(r);
	rig_hang_up(r, rig_connect(r, MQTT_V311, true, "a", 10));
	assert_int_equal(r->message_count, 0);
}

static void will_of_a_refused_connect_is_not_kept(void **) {
	rig_start(r);
	send_connect(&(struct pk_connect
	) {.version = MQTT_V311, .id = "", .will_topic = "w", .will_payload = "x"});
	assert_int_equal(r->message_count, 0);
	static char big[5000];
	memset(big, 'x', sizeof(big) - 1);
	uint32_t c = send_connect(&(struct pk_connect
	) {.version = MQTT_V5, .clean = true, .id = "a", .will_topic = "w", .will_payload = big});
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x97\x00"));
	assert_int_equal(stats()->refused[MQTT_REFUSED_WILL], 1);
}

static uint32_t connect_with_delay(uint32_t delay, uint32_t expiry, bool clean) {
	struct pk_connect k = {
		.version = MQTT_V5,
		.clean = clean,
		.id = "dev",
		.will_topic = "w",
		.will_payload = "x"
	};

	pp_number(&k.will_props, MQTT_PROP_WILL_DELAY, 4, delay);
	pp_number(&k.props, MQTT_PROP_SESSION_EXPIRY, 4, expiry);
	return send_connect(&k);
}

static void will_waits_for_its_delay_or_the_end_of_the_session(void **) {
	rig_start(r);
	rig_hang_up(r, connect_with_delay(5, 100, true));
	rig_advance(r, 4500);
	assert_int_equal(r->message_count, 0);
	rig_advance(r, 2000);
	assert_int_equal(r->message_count, 1);
	assert_int_equal(stats()->stored, 1); // the session stays

	rig_hang_up(r, connect_with_delay(50, 3, true));
	rig_advance(r, 4500);
	assert_int_equal(r->message_count, 2); // its session has ended before
	rig_hang_up(r, connect_with_delay(50, 0, true));
	assert_int_equal(r->message_count, 3);
}

static void mqtt_3_1_3_9_no_will_if_the_client_is_back_in_time(void **) {
	rig_start(r);
	rig_hang_up(r, connect_with_delay(5, 100, false));
	rig_advance(r, 3000);
	uint32_t c = connect_with_delay(5, 100, false);
	rig_advance(r, 10000);
	assert_int_equal(r->message_count, 0);
	rig_hang_up(r, c);
	rig_advance(r, 7000);
	assert_int_equal(r->message_count, 1);
}

static void will_of_a_session_that_a_clean_start_ends_is_published(void **) {
	rig_start(r);
	rig_hang_up(r, connect_with_delay(50, 100, false));
	connect_with_delay(50, 100, true);
	assert_int_equal(r->message_count, 1);
}

static void mqtt_3_1_2_5_and_3_2_2_3_session_is_resumed(void **) {
	rig_start(r);
	for (unsigned v = MQTT_V311; v <= MQTT_V5; v++) {
		struct pk_connect k = {.version = (uint8_t)v, .id = v == MQTT_V5 ? "five" : "four"};
		if (v == MQTT_V5)
			pp_number(&k.props, MQTT_PROP_SESSION_EXPIRY, 4, 100);
		uint32_t c = send_connect(&k);
		assert_int_equal(r->conns[c].out[2], 0); // mqtt_3_1_2_6: a new one
		rig_publish(r, c, (uint8_t)v, 0, 0, "1");
		rig_hang_up(r, c);
		assert_int_equal(stats()->stored, 1);
		rig_advance(r, 5000);
		c = send_connect(&k);
		assert_int_equal(r->conns[c].out[2], 1);
		rig_publish(r, c, (uint8_t)v, 0, 0, "2");
		// mqtt_3_1_2_4 of 5.0, mqtt_3_1_2_6 of 3.1.1
		rig_hang_up(r, c);
		k.clean = true;
		c = send_connect(&k);
		assert_int_equal(r->conns[c].out[2], 0); // mqtt_3_2_2_2
		rig_publish(r, c, (uint8_t)v, 0, 0, "3");
		k.clean = false;
		rig_input(r, c, "\xe0\x00", 2);
		assert_int_equal(stats()->stored, v == MQTT_V5 ? 1 : 0);
	}
	// one session, one epoch, counted on; a new one has a greater epoch
	for (unsigned i = 0; i < 6; i += 3) {
		assert_int_equal(r->messages[i].epoch, r->messages[i + 1].epoch);
		assert_int_equal(r->messages[i].seq + 1, r->messages[i + 1].seq);
		assert_true(r->messages[i + 2].epoch > r->messages[i + 1].epoch);
	}
	assert_int_equal(stats()->resumed, 2);
}

static void mqtt_3_1_2_23_and_4_1_0_2_stored_session_ends_when_it_expires(void **) {
	rig_start(r);
	struct pk_connect k = {.version = MQTT_V5, .id = "a"};
	pp_number(&k.props, MQTT_PROP_SESSION_EXPIRY, 4, 10);
	rig_hang_up(r, send_connect(&k));
	rig_advance(r, 9000);
	assert_int_equal(stats()->stored, 1);
	rig_advance(r, 2100);
	assert_int_equal(stats()->stored, 0);
	assert_int_equal(stats()->sessions, 0);
	uint32_t c = send_connect(&k);
	assert_int_equal(r->conns[c].out[2], 0);
}

static void session_expiry_is_bounded_and_the_client_told(void **) {
	r->config.session_expiry_max_s = 30;
	rig_start(r);
	struct pk_connect k = {.version = MQTT_V5, .id = "a"};
	pp_number(&k.props, MQTT_PROP_SESSION_EXPIRY, 4, UINT32_MAX);
	uint32_t c = send_connect(&k);
	assert_non_null(memmem(r->conns[c].out, r->conns[c].out_len, "\x11\x00\x00\x00\x1e", 5));
}

static void disconnect_may_change_the_expiry_but_not_raise_it_from_0(void **) {
	rig_start(r);
	struct pk_connect k = {.version = MQTT_V5, .id = "a"};
	pp_number(&k.props, MQTT_PROP_SESSION_EXPIRY, 4, 100);
	uint32_t c = send_connect(&k);
	rig_input(r, c, "\xe0\x07\x00\x05\x11\x00\x00\x00\x00", 9);
	assert_int_equal(stats()->sessions, 0);

	c = rig_connect(r, MQTT_V5, true, "b", 0);
	rig_input(r, c, "\xe0\x07\x00\x05\x11\x00\x00\x00\x01", 9);
	assert_true(RIG_GOT(r, c, "\xe0\x01\x82"));
	assert_int_equal(stats()->ended[MQTT_END_EXPIRY], 1);
}

static void mqtt_3_14_1_1_reserved_bits_of_disconnect(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "a", 0);
	rig_input(r, c, "\xe1\x00", 2);
	assert_true(RIG_GOT(r, c, "\xe0\x01\x81"));
	assert_true(r->conns[c].closed);
}

static void mqtt_4_12_0_1_enhanced_authentication_is_refused(void **) {
	rig_start(r);
	struct pk_connect k = {.version = MQTT_V5, .clean = true, .id = "a"};
	pp_text(&k.props, MQTT_PROP_AUTH_METHOD, "SCRAM-SHA-1");
	uint32_t c = send_connect(&k);
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x8c\x00"));
	assert_true(r->conns[c].closed);
}

static void mqtt_4_12_0_7_auth_packet_ends_the_connection(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "a", 0);
	rig_input(r, c, "\xf0\x00", 2);
	assert_true(RIG_GOT(r, c, "\xe0\x01\x82"));
	assert_true(r->conns[c].closed);
}

static void mqtt_4_13_1_1_every_malformed_packet_closes_with_its_reason(void **) {
	static const struct {
		const char *name;
		const char *in;
		uint32_t n;
		uint8_t reason;
	} rows[] = {
		{"type 0", "\x00\x00", 2, 0x82},
		{"server's packet", "\x20\x02\x00\x00", 4, 0x82},
		{"length of five bytes", "\x30\xff\xff\xff\xff", 5, 0x81},
		{"too large", "\x30\xff\xff\x7f", 4, 0x95},
		{"QoS 3", "\x36\x06\x00\x01t\x00\x01\x00", 8, 0x81},
		{"packet id 0", "\x32\x06\x00\x01t\x00\x00\x00", 8, 0x82},
		{"wildcard", "\x30\x04\x00\x01#\x00", 6, 0x90},
		{"not UTF-8", "\x30\x04\x00\x01\xff\x00", 6, 0x81},
		{"alias 0", "\x30\x07\x00\x01t\x03\x23\x00\x00", 9, 0x94},
		{"pubrel flags", "\x60\x02\x00\x01", 4, 0x81},
		{"subscribe flags", "\x80\x07\x00\x01\x00\x00\x01t\x00", 9, 0x81},
		{"no filter", "\x82\x03\x00\x01\x00", 5, 0x82},
		{"pingreq with flags", "\xc1\x00", 2, 0x81},
		{"padded length", "\x30\x84\x00\x00\x01t\x00", 7, 0x81},
	};

	rig_start(r);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t want[3] = {0xe0, 1, rows[i].reason};
		uint32_t c = rig_connect(r, MQTT_V5, true, "a", 0);
		rig_input(r, c, rows[i].in, rows[i].n);
		if (!r->conns[c].closed || !rig_got(r, c, want, 3))
			fail_msg("%s", rows[i].name);
	}
	assert_int_equal(stats()->sessions, 0);
}

static void mqtt_4_8_0_1_in_3_1_1_the_connection_is_closed(void **) {
	static const struct {
		const char *in;
		uint32_t n;
	} rows[] = {
		{"\x00\x00", 2},
		{"\xd0\x00", 2},
		{"\xf0\x00", 2},
		{"\x36\x05\x00\x01t\x00\x01", 7},
		{"\x30\x03\x00\x01+", 5},
		{"\x60\x02\x00\x01", 4},
		{"\x82\x02\x00\x01", 4},
		{"\xe0\x01\x00", 3},
	};

	rig_start(r);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t c = rig_connect(r, MQTT_V311, true, "a", 0);
		rig_input(r, c, rows[i].in, rows[i].n);
		assert_true(r->conns[c].closed);
		assert_int_equal(r->conns[c].out_len, 0);
	}
}

static void connect_rate_is_limited(void **) {
	r->config.connect_rate = 2;
	rig_start(r);
	rig_connect(r, MQTT_V5, true, "a", 0);
	rig_connect(r, MQTT_V5, true, "b", 0);
	uint32_t c =
		send_connect(&(struct pk_connect) {.version = MQTT_V5, .clean = true, .id = "c"});
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x9f\x00"));
	c = send_connect(&(struct pk_connect) {.version = MQTT_V311, .clean = true, .id = "c"});
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x03"));
	rig_advance(r, 500);
	rig_connect(r, MQTT_V5, true, "c", 0);
	assert_int_equal(stats()->refused[MQTT_REFUSED_RATE], 2);
}

static void sessions_are_bounded(void **) {
	r->config.sessions = 3;
	rig_start(r);
	for (unsigned i = 0; i < 3; i++)
		assert_int_not_equal(r->conns[rig_open(r)].session, MQTT_NONE);
	assert_int_equal(r->conns[rig_open(r)].session, MQTT_NONE);
	rig_hang_up(r, 1);
	assert_int_not_equal(r->conns[rig_open(r)].session, MQTT_NONE);
}

static void mqtt_3_1_2_24_nothing_larger_than_the_client_takes(void **) {
	rig_start(r);
	struct pk_connect k = {.version = MQTT_V5, .clean = true, .id = "a"};
	pp_number(&k.props, MQTT_PROP_MAXIMUM_PACKET, 4, 6);
	uint32_t c = send_connect(&k);
	assert_int_equal(r->conns[c].out_len, 0); // the CONNACK would have 18 bytes
	pk_subscribe(&p, MQTT_V5, 1, "a", 0);
	pk_append(&p, 0xc0, &(struct packet) {.len = 0});
	rig_send(r, c, &p);
	assert_true(RIG_GOT(r, c, "\x90\x04\x00\x01\x00\x87\xd0\x00"));
}

static void shutdown_ends_all_with_a_reason(void **) {
	rig_start(r);
	uint32_t a = rig_connect(r, MQTT_V5, true, "a", 0);
	uint32_t b = rig_connect(r, MQTT_V311, true, "b", 0);
	assert_false(mqtt_shutdown(r->m, 1));
	assert_true(mqtt_shutdown(r->m, 1));
	assert_true(RIG_GOT(r, a, "\xe0\x01\x8b"));
	assert_true(r->conns[b].closed);
	assert_int_equal(r->conns[b].out_len, 0);
}

static void every_pool_returns_to_its_initial_value(void **) {
	rig_start(r);
	uint64_t pool = stats()->pool_free;
	for (unsigned round = 0; round < 300; round++) {
		struct pk_connect k = {
			.version = round % 2 != 0 ? MQTT_V5 : MQTT_V311,
			.clean = true,
			.id = "a client id that takes more than a single chunk",
			.will_topic = "w",
			.will_payload = "x",
		};
		uint32_t c = send_connect(&k);
		rig_input(r, c, "\x30\x7f\x00", 3);
		rig_hang_up(r, c);
	}
	assert_int_equal(stats()->pool_free, pool);
	assert_int_equal(stats()->sessions, 0);
	assert_int_equal(stats()->connections, 0);
	assert_int_equal(stats()->in_flight, 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(idle_connection_costs_what_it_may),
		T(mqtt_3_1_0_1_first_packet_is_connect),
		T(mqtt_3_1_0_2_second_connect_ends_the_connection),
		T(mqtt_3_1_2_2_unacceptable_level_is_named_before_closing),
		T(mqtt_3_1_2_1_wrong_protocol_name_is_closed_in_silence),
		T(mqtt_3_1_4_1_malformed_connect_is_closed_without_connack_in_3_1_1),
		T(mqtt_3_1_4_4_and_3_1_4_5_connect_is_acknowledged),
		T(aliases_are_offered_while_there_is_room),
		T(mqtt_3_1_3_5_ordinary_client_ids_are_allowed),
		T(mqtt_3_1_3_6_and_3_1_3_7_empty_client_id_gets_one),
		T(mqtt_3_1_3_8_empty_client_id_needs_a_clean_session_in_3_1_1),
		T(mqtt_3_1_3_9_client_id_that_is_too_long),
		T(mqtt_3_1_4_6_nothing_after_a_refused_connect_is_processed),
		T(packets_behind_the_connect_are_processed),
		T(mqtt_3_1_2_24_keep_alive_is_one_and_a_half_times_what_was_asked),
		T(any_control_packet_keeps_alive_but_half_a_packet_does_not),
		T(keep_alive_0_is_no_keep_alive),
		T(mqtt_3_2_2_21_server_keep_alive_is_announced_and_used),
		T(mqtt_3_12_4_1_pingreq_is_answered),
		T(connect_has_a_deadline),
		T(a_packet_has_a_deadline),
		T(before_connect_only_a_connects_worth_is_gathered),
		T(mqtt_3_14_4_3_disconnect_discards_the_will),
		T(disconnect_with_will_publishes_it),
		T(mqtt_3_1_2_8_will_is_published_when_the_connection_dies),
		T(mqtt_3_1_2_12_without_the_flag_there_is_no_will),
		T(will_of_a_refused_connect_is_not_kept),
		T(will_waits_for_its_delay_or_the_end_of_the_session),
		T(mqtt_3_1_3_9_no_will_if_the_client_is_back_in_time),
		T(will_of_a_session_that_a_clean_start_ends_is_published),
		T(mqtt_3_1_2_5_and_3_2_2_3_session_is_resumed),
		T(mqtt_3_1_2_23_and_4_1_0_2_stored_session_ends_when_it_expires),
		T(session_expiry_is_bounded_and_the_client_told),
		T(disconnect_may_change_the_expiry_but_not_raise_it_from_0),
		T(mqtt_3_14_1_1_reserved_bits_of_disconnect),
		T(mqtt_4_12_0_1_enhanced_authentication_is_refused),
		T(mqtt_4_12_0_7_auth_packet_ends_the_connection),
		T(mqtt_4_13_1_1_every_malformed_packet_closes_with_its_reason),
		T(mqtt_4_8_0_1_in_3_1_1_the_connection_is_closed),
		T(connect_rate_is_limited),
		T(sessions_are_bounded),
		T(mqtt_3_1_2_24_nothing_larger_than_the_client_takes),
		T(shutdown_ends_all_with_a_reason),
		T(every_pool_returns_to_its_initial_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
