// SPDX-License-Identifier: Apache-2.0
// PUBLISH at all QoS levels: answers, copies, sessions, aliases, properties.
#include "tests/unit/dataplane/mqtt/one_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void mqtt_3_3_4_1_each_qos_gets_its_answer(void **) {
	rig_start(r);
	for (unsigned v = MQTT_V31; v <= MQTT_V5; v++) {
		uint32_t c = rig_connect(r, (uint8_t)v, true, "dev", 60);
		rig_publish(r, c, (uint8_t)v, 0, 0, "zero");
		assert_int_equal(r->conns[c].out_len, 0);
		rig_publish(r, c, (uint8_t)v, 1, 7, "one");
		assert_true(RIG_GOT(r, c, "\x40\x02\x00\x07"));
		rig_publish(r, c, (uint8_t)v, 2, 8, "two");
		assert_true(RIG_GOT(r, c, "\x50\x02\x00\x08"));
		pk_ack(&p, MQTT_PUBREL, 8);
		rig_send(r, c, &p);
		assert_true(RIG_GOT(r, c, "\x70\x02\x00\x08")); // mqtt_4_3_3_11
	}
	assert_int_equal(r->message_count, 9);
	assert_string_equal(r->messages[1].payload, "one");
	assert_string_equal(r->messages[1].topic, "t/x");
	assert_string_equal(r->messages[1].device, "dev");
	assert_int_equal(stats()->acked, 6);
	assert_int_equal(r->ledger.acked, 0); // the pipeline counts its verdicts
}

static void mqtt_4_3_2_4_no_acknowledgement_before_the_contract_is_met(void **) {
	r->hold = true;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	rig_publish(r, c, MQTT_V5, 1, 1, "a");
	rig_publish(r, c, MQTT_V5, 2, 2, "b"); // mqtt_4_3_3_8
	rig_advance(r, 5000);
	assert_int_equal(r->conns[c].out_len, 0);
	rig_answer(r, 0, OUTCOME_ACKED);
	assert_true(RIG_GOT(r, c, "\x40\x02\x00\x01"));
	rig_answer(r, 1, OUTCOME_ACKED);
	assert_true(RIG_GOT(r, c, "\x50\x02\x00\x02"));
}

static void mqtt_4_6_0_2_acknowledgements_come_in_the_order_of_the_publishes(void **) {
	r->hold = true;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	for (uint16_t id = 1; id <= 5; id++)
		rig_publish(r, c, MQTT_V5, id % 2 != 0 ? 1 : 2, id, "x");
	rig_answer(r, 2, OUTCOME_ACKED);
	rig_answer(r, 1, OUTCOME_ACKED);
	rig_answer(r, 4, OUTCOME_ACKED);
	assert_int_equal(r->conns[c].out_len, 0);
	rig_answer(r, 0, OUTCOME_ACKED);
	// mqtt_4_6_0_3 as well: PUBREC in order
	assert_true(RIG_GOT(r, c, "\x40\x02\x00\x01\x50\x02\x00\x02\x40\x02\x00\x03"));
	rig_answer(r, 3, OUTCOME_ACKED);
	assert_true(RIG_GOT(r, c, "\x50\x02\x00\x04\x40\x02\x00\x05"));
}

static void a_message_refused_for_good_gets_a_reason_code_in_5(void **) {
	static const struct {
		enum refuse_reason refuse;
		uint8_t reason;
	} rows[] = {
		{REFUSE_MALFORMED, 0x99},
		{REFUSE_FORMAT, 0x99},
		{REFUSE_TOO_LARGE, 0x97},
		{REFUSE_DEVICE_UNKNOWN, 0x87},
		{REFUSE_CLAIM, 0x87},
		{REFUSE_PATH, 0x90},
		{REFUSE_VALIDATION, 0x83},
		{REFUSE_SIGNATURE, 0x83},
		{REFUSE_SINK, 0x80},
	};

	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	r->outcome = OUTCOME_REFUSED;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t want[5] = {0x40, 3, 0, 9, rows[i].reason};
		r->refuse = rows[i].refuse;
		rig_publish(r, c, MQTT_V5, 1, 9, "x");
		assert_true(rig_got(r, c, want, 5));
		want[0] = 0x50;
		rig_publish(r, c, MQTT_V5, 2, 9, "x");
		assert_true(rig_got(r, c, want, 5));
	}
	assert_false(r->conns[c].closed);
}

static void mqtt_4_3_3_9_after_a_refused_pubrec_the_id_is_new(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	r->outcome = OUTCOME_REFUSED;
	rig_publish(r, c, MQTT_V5, 2, 9, "x");
	rig_flush_out(r, c);
	r->outcome = OUTCOME_ACKED;
	rig_publish(r, c, MQTT_V5, 2, 9, "x");
	assert_true(RIG_GOT(r, c, "\x50\x02\x00\x09"));
	assert_int_equal(r->message_count, 2);
}

static void mqtt_3_3_5_2_a_refused_message_is_acknowledged_in_3_1_1(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V311, true, "dev", 60);
	r->outcome = OUTCOME_REFUSED;
	rig_publish(r, c, MQTT_V311, 1, 9, "x");
	assert_true(RIG_GOT(r, c, "\x40\x02\x00\x09"));
	rig_publish(r, c, MQTT_V311, 2, 10, "x");
	assert_true(RIG_GOT(r, c, "\x50\x02\x00\x0a"));
	pk_ack(&p, MQTT_PUBREL, 10);
	rig_send(r, c, &p);
	assert_true(RIG_GOT(r, c, "\x70\x02\x00\x0a"));
	assert_int_equal(stats()->refused_acked, 2);
	assert_int_equal(stats()->acked, 0);
}

static void mqtt_4_3_3_10_a_second_qos_2_publish_is_acknowledged_not_delivered(void **) {
	rig_start(r);
	for (unsigned v = MQTT_V311; v <= MQTT_V5; v++) {
		uint32_t c = rig_connect(r, (uint8_t)v, true, "dev", 60);
		struct pk_publish k = {
			.version = (uint8_t)v, .qos = 2, .id = 3, .topic = "t", .payload = "x"
		};
		uint32_t seen = r->message_count;
		publish(c, &k);
		k.dup = true;
		publish(c, &k);
		k.dup = false;
		publish(c, &k);
		assert_true(RIG_GOT(r, c, "\x50\x02\x00\x03\x50\x02\x00\x03\x50\x02\x00\x03"));
		assert_int_equal(r->message_count, seen + 1);
		pk_ack(&p, MQTT_PUBREL, 3);
		rig_send(r, c, &p);
		rig_flush_out(r, c);
		publish(c, &k); // mqtt_4_3_3_12: after PUBCOMP it is a new one
		assert_int_equal(r->message_count, seen + 2);
	}
	assert_int_equal(stats()->duplicates, 4);
	assert_int_equal(r->ledger.duplicate, 4);
}

static void a_copy_of_a_pending_message_is_answered_with_it(void **) {
	r->hold = true;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V311, true, "dev", 60);
	struct pk_publish k = {
		.version = MQTT_V311, .qos = 1, .id = 3, .topic = "t", .payload = "x"
	};
	publish(c, &k);
	k.dup = true;
	publish(c, &k);
	assert_int_equal(r->message_count, 1);
	rig_answer(r, 0, OUTCOME_ACKED);
	assert_true(RIG_GOT(r, c, "\x40\x02\x00\x03"));
	// DUP alone proves nothing: another content is another message
	publish(c, &k);
	k.payload = "y";
	publish(c, &k);
	assert_int_equal(r->message_count, 3);
}

static void mqtt_4_3_2_5_after_puback_the_id_is_a_new_publication(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	struct pk_publish k = {.version = MQTT_V5, .qos = 1, .id = 3, .topic = "t", .payload = "x"};
	publish(c, &k);
	k.dup = true;
	publish(c, &k);
	assert_true(RIG_GOT(r, c, "\x40\x02\x00\x03\x40\x02\x00\x03"));
	assert_int_equal(r->message_count, 2);
}

static void pubrel_of_an_unknown_id(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	pk_ack(&p, MQTT_PUBREL, 77);
	rig_send(r, c, &p);
	assert_true(RIG_GOT(r, c, "\x70\x03\x00\x4d\x92"));
	c = rig_connect(r, MQTT_V311, true, "dev2", 60);
	pk_ack(&p, MQTT_PUBREL, 77);
	rig_send(r, c, &p);
	assert_true(RIG_GOT(r, c, "\x70\x02\x00\x4d"));
}

static void acks_from_a_client_that_gets_no_publishes_are_ignored(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	pk_ack(&p, MQTT_PUBACK, 1);
	pk_ack(&p, MQTT_PUBREC, 1);
	pk_ack(&p, MQTT_PUBCOMP, 1);
	rig_send(r, c, &p);
	assert_false(r->conns[c].closed);
	assert_int_equal(r->conns[c].out_len, 0);
}

static void qos_2_ids_survive_a_reconnect(void **) {
	rig_start(r);
	for (unsigned v = MQTT_V311; v <= MQTT_V5; v++) {
		const char *id = v == MQTT_V5 ? "five" : "four";
		uint32_t c = rig_connect(r, (uint8_t)v, false, id, 60);
		struct pk_publish k = {
			.version = (uint8_t)v, .qos = 2, .id = 3, .topic = "t", .payload = "x"
		};
		uint32_t seen = r->message_count;
		publish(c, &k);
		rig_hang_up(r, c);
		c = rig_connect(r, (uint8_t)v, false, id, 60);
		k.dup = true;
		publish(c, &k);
		assert_true(RIG_GOT(r, c, "\x50\x02\x00\x03"));
		assert_int_equal(r->message_count, seen + 1);
		pk_ack(&p, MQTT_PUBREL, 3);
		rig_send(r, c, &p);
		assert_true(RIG_GOT(r, c, "\x70\x02\x00\x03"));
	}
}

static void what_a_lost_connection_left_pending_is_answered_on_the_next(void **) {
	r->hold = true;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, false, "dev", 60);
	struct pk_publish a = {.version = MQTT_V5, .qos = 1, .id = 1, .topic = "t", .payload = "a"};
	struct pk_publish b = {.version = MQTT_V5, .qos = 2, .id = 2, .topic = "t", .payload = "b"};
	publish(c, &a);
	publish(c, &b);
	rig_hang_up(r, c);
	rig_answer(r, 0, OUTCOME_ACKED);
	c = rig_connect(r, MQTT_V5, false, "dev", 60);
	a.dup = b.dup = true;
	publish(c, &a);
	assert_true(RIG_GOT(r, c, "\x40\x02\x00\x01"));
	publish(c, &b);
	assert_int_equal(r->conns[c].out_len, 0);
	rig_answer(r, 1, OUTCOME_ACKED);
	assert_true(RIG_GOT(r, c, "\x50\x02\x00\x02"));
	assert_int_equal(r->message_count, 2);
}

static void a_new_session_knows_nothing_of_the_old_one(void **) {
	r->hold = true;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, false, "dev", 60);
	struct pk_publish a = {.version = MQTT_V5, .qos = 2, .id = 1, .topic = "t", .payload = "a"};
	publish(c, &a);
	rig_hang_up(r, c);
	c = rig_connect(r, MQTT_V5, true, "dev", 60);
	a.dup = true;
	publish(c, &a);
	assert_int_equal(r->message_count, 2);
	rig_answer(r, 0, OUTCOME_ACKED); // nobody waits for it any more
	assert_int_equal(r->conns[c].out_len, 0);
	rig_answer(r, 1, OUTCOME_ACKED);
	assert_true(RIG_GOT(r, c, "\x50\x02\x00\x01"));
}

// Across a crash of ours all counters are lost: a copy must still name the same record.
static void a_qos_2_copy_after_a_crash_carries_the_same_record_id(void **) {
	struct pk_publish k = {.version = MQTT_V5, .qos = 2, .id = 5, .topic = "t", .payload = "x"};

	rig_start(r);
	publish(rig_connect(r, MQTT_V5, false, "dev", 60), &k);
	struct rig_message first = r->messages[0];
	rig_stop(r);

	setup(NULL);
	r->config.secret[0] = 99; // of another start
	r->config.appliance_epoch = 4;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, false, "dev", 60);
	k.dup = true;
	publish(c, &k);
	assert_int_equal(r->messages[0].epoch, first.epoch);
	assert_int_equal(r->messages[0].seq, first.seq);
	k.payload = "y";
	k.id = 6;
	publish(c, &k);
	assert_int_not_equal(r->messages[1].seq, first.seq);
}

static void mqtt_3_3_2_12_topic_aliases(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	struct pk_publish k = {.version = MQTT_V5, .topic = "a/very/long/topic", .payload = "1"};
	pp_number(&k.props, MQTT_PROP_ALIAS, 2, 10); // the greatest
	publish(c, &k);
	k.topic = "";
	k.payload = "2";
	publish(c, &k);
	k.topic = "other";
	publish(c, &k);
	k.topic = "";
	publish(c, &k);
	assert_string_equal(r->messages[1].topic, "a/very/long/topic");
	assert_string_equal(r->messages[1].payload, "2");
	assert_string_equal(r->messages[3].topic, "other");
	assert_int_equal(r->messages[1].properties, 0); // the alias itself is not carried on
}

static void mqtt_3_3_2_9_an_alias_beyond_the_maximum_or_unknown(void **) {
	rig_start(r);
	struct pk_publish k = {.version = MQTT_V5, .topic = "t", .payload = "1"};
	pp_number(&k.props, MQTT_PROP_ALIAS, 2, 11);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	publish(c, &k);
	assert_true(RIG_GOT(r, c, "\xe0\x01\x94"));
	c = rig_connect(r, MQTT_V5, true, "dev", 60);
	k = (struct pk_publish) {.version = MQTT_V5, .topic = "", .payload = "1"};
	pp_number(&k.props, MQTT_PROP_ALIAS, 2, 3);
	publish(c, &k);
	assert_true(RIG_GOT(r, c, "\xe0\x01\x94"));
	assert_int_equal(stats()->ended[MQTT_END_ALIAS], 2);
}

static void mqtt_3_3_2_7_aliases_do_not_outlive_their_connection(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, false, "dev", 60);
	struct pk_publish k = {.version = MQTT_V5, .topic = "t", .payload = "1"};
	pp_number(&k.props, MQTT_PROP_ALIAS, 2, 1);
	publish(c, &k);
	rig_hang_up(r, c);
	c = rig_connect(r, MQTT_V5, false, "dev", 60);
	k.topic = "";
	publish(c, &k);
	assert_true(r->conns[c].closed);
}

static void mqtt_3_3_2_17_to_3_3_2_20_properties_are_carried_into_the_record(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	struct pk_publish k = {.version = MQTT_V5, .topic = "t", .payload = "{}", .retain = true};
	pp_user(&k.props, "site", "north");
	pp_number(&k.props, MQTT_PROP_MESSAGE_EXPIRY, 4, 3600);
	pp_text(&k.props, MQTT_PROP_CONTENT_TYPE, "application/json");
	pp_user(&k.props, "site", "again");
	pp_number(&k.props, MQTT_PROP_PAYLOAD_FORMAT, 1, 1);
	pp_text(&k.props, MQTT_PROP_RESPONSE_TOPIC, "r/t");
	pp_text(&k.props, MQTT_PROP_CORRELATION, "c-1");
	publish(c, &k);
	struct rig_message *m = &r->messages[0];
	assert_string_equal(m->content_type, "application/json");
	assert_true(m->retained);
	static const char *const want[][2] = {
		{"site", "north"},
		{"site", "again"},
		{"mqtt.message-expiry", "3600"},
		{"mqtt.payload-format", "utf-8"},
		{"mqtt.response-topic", "r/t"},
		{"mqtt.correlation-data", "c-1"},
	};
	assert_int_equal(m->properties, 6);
	for (unsigned i = 0; i < 6; i++) {
		assert_string_equal(m->property[i][0], want[i][0]);
		assert_string_equal(m->property[i][1], want[i][1]);
	}
}

static void payload_format_is_checked(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	struct pk_publish k = {
		.version = MQTT_V5, .qos = 1, .id = 4, .topic = "t", .payload = "\xff\xfe"
	};
	pp_number(&k.props, MQTT_PROP_PAYLOAD_FORMAT, 1, 1);
	publish(c, &k);
	assert_true(RIG_GOT(r, c, "\x40\x03\x00\x04\x99"));
	k.qos = 0;
	publish(c, &k);
	assert_int_equal(r->message_count, 0);
	assert_int_equal(r->ledger.refused[REFUSE_MALFORMED], 2);
	assert_int_equal(r->ledger.received, 2);
	assert_false(r->conns[c].closed);
}

static void mqtt_3_3_1_8_retain_is_recorded_not_stored(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V311, true, "dev", 60);
	publish(c,
		&(struct pk_publish
		) {.version = MQTT_V311, .topic = "t", .payload = "x", .retain = true});
	publish(c, &(struct pk_publish) {.version = MQTT_V311, .topic = "t", .payload = "y"});
	publish(c,
		&(struct pk_publish
		) {.version = MQTT_V311, .topic = "t", .payload = "", .retain = true});
	assert_true(r->messages[0].retained);
	assert_false(r->messages[1].retained);
	assert_true(r->messages[2].retained);
	assert_int_equal(stats()->retained, 2);
}

static void device_is_what_the_profile_asks_for(void **) {
	r->profile.device_from = DEVICE_FROM_PATH;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V311, true, "any-client", 60);
	rig_publish(r, c, MQTT_V311, 0, 0, "x");
	assert_string_equal(r->messages[0].device, "");
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(mqtt_3_3_4_1_each_qos_gets_its_answer),
		T(mqtt_4_3_2_4_no_acknowledgement_before_the_contract_is_met),
		T(mqtt_4_6_0_2_acknowledgements_come_in_the_order_of_the_publishes),
		T(a_message_refused_for_good_gets_a_reason_code_in_5),
		T(mqtt_4_3_3_9_after_a_refused_pubrec_the_id_is_new),
		T(mqtt_3_3_5_2_a_refused_message_is_acknowledged_in_3_1_1),
		T(mqtt_4_3_3_10_a_second_qos_2_publish_is_acknowledged_not_delivered),
		T(a_copy_of_a_pending_message_is_answered_with_it),
		T(mqtt_4_3_2_5_after_puback_the_id_is_a_new_publication),
		T(pubrel_of_an_unknown_id),
		T(acks_from_a_client_that_gets_no_publishes_are_ignored),
		T(qos_2_ids_survive_a_reconnect),
		T(what_a_lost_connection_left_pending_is_answered_on_the_next),
		T(a_new_session_knows_nothing_of_the_old_one),
		T(a_qos_2_copy_after_a_crash_carries_the_same_record_id),
		T(mqtt_3_3_2_12_topic_aliases),
		T(mqtt_3_3_2_9_an_alias_beyond_the_maximum_or_unknown),
		T(mqtt_3_3_2_7_aliases_do_not_outlive_their_connection),
		T(mqtt_3_3_2_17_to_3_3_2_20_properties_are_carried_into_the_record),
		T(payload_format_is_checked),
		T(mqtt_3_3_1_8_retain_is_recorded_not_stored),
		T(device_is_what_the_profile_asks_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
