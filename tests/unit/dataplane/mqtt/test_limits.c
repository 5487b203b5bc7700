// SPDX-License-Identifier: Apache-2.0
// Publishers that go beyond what they may, and what happens when the pipeline is slow.
#include "tests/unit/dataplane/mqtt/one_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void mqtt_3_3_4_7_receive_maximum_is_enforced(void **) {
	r->hold = true;
	r->config.inflight_max = 2;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	rig_publish(r, c, MQTT_V5, 1, 1, "x");
	rig_publish(r, c, MQTT_V5, 2, 2, "x");
	rig_publish(r, c, MQTT_V5, 0, 0, "x"); // QoS 0 does not count
	assert_false(r->conns[c].closed);
	rig_publish(r, c, MQTT_V5, 1, 3, "x");
	assert_true(RIG_GOT(r, c, "\xe0\x01\x93"));
	assert_true(r->conns[c].closed);
}

static void qos_2_counts_until_pubcomp(void **) {
	r->config.inflight_max = 2;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	rig_publish(r, c, MQTT_V5, 2, 1, "x");
	rig_publish(r, c, MQTT_V5, 2, 2, "x");
	pk_ack(&p, MQTT_PUBREL, 1);
	rig_send(r, c, &p);
	rig_publish(r, c, MQTT_V5, 2, 3, "x");
	assert_false(r->conns[c].closed);
	rig_publish(r, c, MQTT_V5, 2, 4, "x");
	assert_true(r->conns[c].closed);
}

// A client of 3.1.1 knows no Receive Maximum: it is not read until there is room again.
static void without_a_receive_maximum_reading_stops(void **) {
	r->hold = true;
	r->config.inflight_max = 2;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V311, true, "dev", 60);
	for (uint16_t id = 1; id <= 4; id++)
		rig_publish(r, c, MQTT_V311, 1, id, "x");
	rig_input(r, c, "\xc0\x00", 2);
	assert_int_equal(r->message_count, 2);
	assert_true(r->conns[c].left_len > 0);
	assert_false(r->conns[c].closed);
	rig_answer(r, 0, OUTCOME_ACKED);
	rig_poll(r);
	rig_answer(r, 1, OUTCOME_ACKED);
	rig_poll(r);
	assert_int_equal(r->message_count, 4);
	assert_int_equal(r->conns[c].left_len, 0);
	assert_true(RIG_GOT(r, c, "\x40\x02\x00\x01\x40\x02\x00\x02\xd0\x00"));
}

static char long_topic[2000];
static char long_payload[2100];

static void topic_too_long(uint32_t c, uint8_t version) {
	memset(long_topic, 't', sizeof(long_topic) - 1);
	publish(c, &(struct pk_publish) {.version = version, .topic = long_topic, .payload = ""});
}

static void packet_too_large(uint32_t c, uint8_t version) {
	memset(long_payload, 'p', sizeof(long_payload) - 1);
	publish(c,
		&(struct pk_publish) {.version = version, .topic = "t", .payload = long_payload});
}

static void too_many_user_properties(uint32_t c, uint8_t version) {
	struct pk_publish k = {.version = version, .topic = "t", .payload = ""};

	for (unsigned i = 0; i < 3; i++)
		pp_user(&k.props, "a", "b");
	publish(c, &k);
}

static void alias_too_great(uint32_t c, uint8_t version) {
	struct pk_publish k = {.version = version, .topic = "t", .payload = ""};

	pp_number(&k.props, MQTT_PROP_ALIAS, 2, 3);
	publish(c, &k);
}

// Never a PUBREL. 3.1.1 is not told a number and has the greatest.
static void too_many_qos_2_ids(uint32_t c, uint8_t version) {
	uint16_t most = version == MQTT_V5 ? 4 : MQTT_MAIL_IDS;

	for (uint16_t id = 1; id <= most; id++)
		rig_publish(r, c, version, 2, id, "x");
	assert_false(r->conns[c].closed);
	assert_int_equal(r->conns[c].out_len, most * 4);
	rig_flush_out(r, c);
	rig_publish(r, c, version, 2, most + 1, "x");
}

static void too_many_a_second(uint32_t c, uint8_t version) {
	for (unsigned i = 0; i < 101; i++)
		rig_publish(r, c, version, 0, 0, "x");
}

// Each ends the connection, is counted, and has its reason code, where the version has reason
// codes. The connect rate is in test_connect.c.
static void limits_have_a_reason_and_a_counter(void **) {
	static const struct {
		void (*exceed)(uint32_t c, uint8_t version);
		enum mqtt_end end;
		uint8_t reason;
		bool only_5; // the older protocol has no such thing
	} rows[] = {
		{topic_too_long, MQTT_END_TOPIC, 0x90, false},
		{packet_too_large, MQTT_END_PACKET, 0x95, false},
		{too_many_user_properties, MQTT_END_USER_PROPERTIES, 0x97, true},
		{alias_too_great, MQTT_END_ALIAS, 0x94, true},
		{too_many_qos_2_ids, MQTT_END_RECEIVE_MAXIMUM, 0x93, false},
		{too_many_a_second, MQTT_END_RATE, 0x96, false},
	};

	r->config.user_properties_max = 2;
	r->config.alias_max = 2;
	r->config.packet_max = 2048;
	r->config.topic_max = 1000;
	r->config.inflight_max = 4;
	r->config.publish_rate = 100;
	rig_start(r);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (uint8_t v = MQTT_V311; v <= MQTT_V5; v++) {
			if (v != MQTT_V5 && rows[i].only_5)
				continue;
			uint64_t before = stats()->ended[rows[i].end];
			uint32_t c = rig_connect(r, v, true, "dev", 60);
			r->message_count = 0;
			rows[i].exceed(c, v);
			assert_true(r->conns[c].closed);
			assert_int_equal(stats()->ended[rows[i].end], before + 1);
			if (v != MQTT_V5)
				assert_int_equal(r->conns[c].out_len, 0);
			else if (!rig_got(r, c, (uint8_t[]) {0xe0, 1, rows[i].reason}, 3))
				fail_msg("limit %u: not told reason %#x", i, rows[i].reason);
		}
	}
	assert_int_equal(stats()->bad[MQTT_BAD_SIZE], 2);
	assert_int_equal(r->ledger.refused[REFUSE_PATH], 2);
}

// A 3.1.1 client that sends 60 publishes of QoS 2 at once sends its PUBRELs behind them: reading
// stops at what has no answer yet, never at what a PUBREL would settle.
static void pipelined_qos_2_is_read_to_its_pubrels(void **) {
	r->hold = true;
	r->config.inflight_max = 4;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V311, true, "dev", 60);
	struct packet all = {0};
	for (uint16_t id = 1; id <= 60; id++) {
		pk_publish(
			&p,
			&(struct pk_publish
			) {.version = MQTT_V311, .qos = 2, .id = id, .topic = "t/x", .payload = "x"}
		);
		memcpy(all.bytes + all.len, p.bytes, p.len);
		all.len += p.len;
		p.len = 0;
	}
	rig_send(r, c, &all);
	assert_true(r->conns[c].left_len > 0);
	for (uint32_t i = 0; i < 60; i++) {
		rig_answer(r, i, OUTCOME_ACKED);
		rig_poll(r);
	}
	assert_int_equal(r->message_count, 60);
	assert_int_equal(r->conns[c].left_len, 0);
	assert_int_equal(r->conns[c].out_len, 60 * 4);
	rig_flush_out(r, c);
	for (uint16_t id = 1; id <= 60; id++) {
		pk_ack(&p, MQTT_PUBREL, id);
		rig_send(r, c, &p);
	}
	assert_int_equal(r->conns[c].out_len, 60 * 4);
	assert_false(r->conns[c].closed);
}

static void publish_rate_is_limited(void **) {
	r->config.publish_rate = 5;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev", 60);
	for (unsigned i = 0; i < 5; i++)
		rig_publish(r, c, MQTT_V5, 0, 0, "x");
	rig_advance(r, 1000);
	rig_input(r, c, "\xc0\x00", 2); // a ping does not eat what a second has filled
	rig_flush_out(r, c);
	for (unsigned i = 0; i < 5; i++)
		rig_publish(r, c, MQTT_V5, 0, 0, "x");
	assert_false(r->conns[c].closed);
	rig_publish(r, c, MQTT_V5, 0, 0, "x");
	assert_true(RIG_GOT(r, c, "\xe0\x01\x96"));
	assert_int_equal(stats()->ended[MQTT_END_RATE], 1);
}

static void a_shed_message_ends_the_connection_unacknowledged(void **) {
	r->hold = true;
	rig_start(r);
	uint32_t five = rig_connect(r, MQTT_V5, false, "five", 60);
	uint32_t four = rig_connect(r, MQTT_V311, false, "four", 60);
	rig_publish(r, five, MQTT_V5, 1, 1, "x");
	rig_publish(r, four, MQTT_V311, 1, 1, "x");
	rig_answer(r, 0, OUTCOME_SHED);
	rig_answer(r, 1, OUTCOME_SHED);
	rig_poll(r);
	assert_true(RIG_GOT(r, five, "\xe0\x01\x97"));
	assert_int_equal(r->conns[four].out_len, 0);
	assert_true(r->conns[five].closed && r->conns[four].closed);
	// The client sends it again, and it is not taken for a duplicate.
	five = rig_connect(r, MQTT_V5, false, "five", 60);
	publish(five,
		&(struct pk_publish) {.version = MQTT_V5,
				      .qos = 1,
				      .id = 1,
				      .dup = true,
				      .topic = "t/x",
				      .payload = "x"});
	assert_int_equal(r->message_count, 3);
}

static void when_the_pipeline_is_full_messages_wait_and_pings_are_answered(void **) {
	rig_start(r);
	uint32_t a = rig_connect(r, MQTT_V5, true, "a", 10);
	uint32_t b = rig_connect(r, MQTT_V311, true, "b", 10);
	r->pressure = 95;
	rig_publish(r, a, MQTT_V5, 1, 1, "a1");
	rig_publish(r, b, MQTT_V311, 0, 0, "b1");
	rig_publish(r, a, MQTT_V5, 2, 2, "a2");
	assert_int_equal(r->message_count, 0);
	for (unsigned i = 0; i < 12; i++) { // a minute
		rig_advance(r, 5000);
		rig_input(r, a, "\xc0\x00", 2);
		rig_input(r, b, "\xc0\x00", 2);
		assert_true(RIG_GOT(r, a, "\xd0\x00"));
		assert_true(RIG_GOT(r, b, "\xd0\x00"));
	}
	r->pressure = 80; // between the marks nothing new begins, nothing parked goes on
	rig_publish(r, b, MQTT_V311, 1, 9, "b2");
	rig_poll(r);
	assert_int_equal(r->message_count, 0);
	r->pressure = 10;
	rig_poll(r);
	assert_int_equal(r->message_count, 4); // in the order they came
	assert_string_equal(r->messages[0].payload, "a1");
	assert_string_equal(r->messages[1].payload, "b1");
	assert_string_equal(r->messages[2].payload, "a2");
	assert_string_equal(r->messages[3].payload, "b2");
	assert_string_equal(r->messages[3].device, "b");
	assert_true(RIG_GOT(r, a, "\x40\x02\x00\x01\x50\x02\x00\x02"));
	assert_true(RIG_GOT(r, b, "\x40\x02\x00\x09"));
	assert_int_equal(stats()->parked, 4);
	assert_false(r->conns[a].closed || r->conns[b].closed);
}

static void when_the_pool_is_full_reading_stops_then_the_connection_ends(void **) {
	static char big[4000];
	struct pk_publish k = {.version = MQTT_V5, .qos = 1, .topic = "t", .payload = big};

	r->config.pool_bytes = 32 * 1024;
	rig_start(r);
	uint64_t pool = stats()->pool_free;
	uint32_t c = rig_connect(r, MQTT_V5, true, "a", 20);
	memset(big, 'x', sizeof(big) - 1);
	r->pressure = 100;
	for (k.id = 1; k.id <= 8; k.id++)
		publish(c, &k);
	assert_true(r->conns[c].left_len > 0);
	assert_int_equal(stats()->paused, 1);
	rig_advance(r, 9500);
	assert_false(r->conns[c].closed);
	rig_advance(r, 1800); // half the keep alive
	assert_true(r->conns[c].closed);
	assert_true(RIG_GOT(r, c, "\xe0\x01\x97"));
	assert_int_equal(stats()->ended[MQTT_END_BACKPRESSURE], 1);
	r->pressure = 0;
	rig_poll(r);
	assert_true(r->message_count > 0); // what was taken is not lost
	assert_int_equal(stats()->pool_free, pool);
	assert_int_equal(stats()->in_flight, 0);
}

static void a_paused_connection_goes_on_when_there_is_room(void **) {
	static char big[4000];
	struct pk_publish k = {.version = MQTT_V5, .qos = 1, .topic = "t", .payload = big};

	r->config.pool_bytes = 32 * 1024;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "a", 20);
	memset(big, 'x', sizeof(big) - 1);
	r->pressure = 100;
	for (k.id = 1; k.id <= 8; k.id++)
		publish(c, &k);
	assert_true(r->message_count < 8);
	r->pressure = 0;
	rig_advance(r, 300);
	assert_int_equal(r->message_count, 8);
	assert_int_equal(r->conns[c].left_len, 0);
	assert_false(r->conns[c].closed);
}

static void deliberate_closes_are_paced(void **) {
	static char big[4000];

	r->config.pool_bytes = 16 * 1024;
	r->config.close_rate = 2;
	rig_start(r);
	memset(big, 'x', sizeof(big) - 1);
	r->pressure = 100;
	for (unsigned i = 0; i < 12; i++) {
		char id[8];
		snprintf(id, sizeof(id), "c%u", i);
		uint32_t c = rig_connect(r, MQTT_V311, true, id, 20);
		for (uint16_t n = 1; n <= 6; n++)
			rig_publish(r, c, MQTT_V311, 1, n, big);
	}
	assert_true(stats()->paused >= 10);
	rig_advance(r, 10500);
	uint64_t first = stats()->ended[MQTT_END_BACKPRESSURE];
	assert_true(first <= 4);
	rig_advance(r, 2000);
	assert_true(stats()->ended[MQTT_END_BACKPRESSURE] - first <= 5);
	assert_true(stats()->ended[MQTT_END_BACKPRESSURE] > first);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(mqtt_3_3_4_7_receive_maximum_is_enforced),
		T(qos_2_counts_until_pubcomp),
		T(without_a_receive_maximum_reading_stops),
		T(limits_have_a_reason_and_a_counter),
		T(pipelined_qos_2_is_read_to_its_pubrels),
		T(publish_rate_is_limited),
		T(a_shed_message_ends_the_connection_unacknowledged),
		T(when_the_pipeline_is_full_messages_wait_and_pings_are_answered),
		T(when_the_pool_is_full_reading_stops_then_the_connection_ends),
		T(a_paused_connection_goes_on_when_there_is_room),
		T(deliberate_closes_are_paced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
