// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dataplane/mqtt/one_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint8_t ask(uint32_t c, uint8_t version, const char *filter, uint8_t qos) {
	rig_flush_out(r, c);
	pk_subscribe(&p, version, 7, filter, qos);
	rig_send(r, c, &p);
	assert_int_equal(r->conns[c].out[0], 0x90); // mqtt_3_8_4_1
	assert_int_equal(r->conns[c].out[3], 7); // mqtt_3_8_4_2
	return r->conns[c].out[r->conns[c].out_len - 1];
}

static void mqtt_3_8_4_1_to_3_8_4_7_own_space_is_granted_at_the_asked_qos(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev-1", 60);
	assert_int_equal(ask(c, MQTT_V5, "cmd/dev-1/#", 0), 0);
	assert_int_equal(ask(c, MQTT_V5, "cmd/dev-1/reboot", 1), 1);
	assert_int_equal(ask(c, MQTT_V5, "cmd/dev-1/+/x", 2), 2);
	assert_int_equal(ask(c, MQTT_V5, "cmd/dev-1", 2), 2);
	assert_int_equal(mqtt_server_stats(r->m)->filters_granted, 4);
}

static void everything_else_is_refused_filter_by_filter(void **) {
	static const char *const filters[] = {
		"#",
		"cmd/#",
		"cmd/+/#",
		"cmd/dev-2/#",
		"cmd/dev-1x",
		"$SYS/#",
		"+",
		"other",
	};

	rig_start(r);
	uint32_t five = rig_connect(r, MQTT_V5, true, "dev-1", 60);
	for (unsigned i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		assert_int_equal(ask(five, MQTT_V5, filters[i], 1), 0x87);
	assert_int_equal(ask(five, MQTT_V5, "$share/g/cmd/dev-1/#", 1), 0x9e);
	uint32_t four = rig_connect(r, MQTT_V311, true, "dev-2", 60);
	assert_int_equal(ask(four, MQTT_V311, "cmd/dev-1/#", 1), 0x80); // mqtt_3_9_3_2
	assert_int_equal(ask(four, MQTT_V311, "cmd/dev-2/#", 1), 1);
	assert_false(r->conns[five].closed || r->conns[four].closed);
	assert_int_equal(mqtt_server_stats(r->m)->filters_refused, 10);
}

static void mqtt_3_9_3_1_codes_in_the_order_of_the_filters(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V311, true, "d", 60);
	static const char in[] = "\x82\x1a\x00\x09\x00\x07"
				 "cmd/d/a\x01\x00\x01#\x02\x00\x07"
				 "cmd/d/b\x02";
	rig_input(r, c, in, sizeof(in) - 1);
	assert_true(RIG_GOT(r, c, "\x90\x05\x00\x09\x01\x80\x02"));
}

static void client_ids_cannot_widen_their_own_space(void **) {
	static const char *const ids[] = {"+", "#", "a/b", "+/x"};

	rig_start(r);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t c = rig_connect(r, MQTT_V5, true, ids[i], 60);
		assert_int_equal(ask(c, MQTT_V5, "cmd/dev-1/#", 0), 0x87);
		assert_int_equal(ask(c, MQTT_V5, "cmd/+/#", 0), 0x87);
	}
}

static void policy_refuse(void **) {
	r->listeners[0].subscribe = MQTT_SUBSCRIBE_REFUSE;
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev-1", 60);
	assert_int_equal(ask(c, MQTT_V5, "cmd/dev-1/#", 0), 0x87);
}

static void mqtt_3_10_4_4_and_3_10_4_5_unsubscribe_is_always_answered(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V311, true, "d", 60);
	rig_input(r, c, "\xa2\x05\x00\x05\x00\x01t", 7);
	assert_true(RIG_GOT(r, c, "\xb0\x02\x00\x05"));
	c = rig_connect(r, MQTT_V5, true, "e", 60);
	static const char in[] = "\xa2\x0d\x00\x05\x00\x00\x05"
				 "cmd/e\x00\x01t";
	rig_input(r, c, in, sizeof(in) - 1);
	// mqtt_3_11_3_1, mqtt_3_11_3_2
	assert_true(RIG_GOT(r, c, "\xb0\x05\x00\x05\x00\x00\x11"));
}

static void a_granted_filter_stays_silent(void **) {
	rig_start(r);
	uint32_t c = rig_connect(r, MQTT_V5, true, "dev-1", 60);
	ask(c, MQTT_V5, "cmd/dev-1/#", 1);
	rig_flush_out(r, c);
	struct pk_publish k = {.version = MQTT_V5, .topic = "cmd/dev-1/x", .payload = "p"};
	pk_publish(&p, &k);
	rig_send(r, c, &p);
	rig_advance(r, 1000);
	assert_int_equal(r->conns[c].out_len, 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(mqtt_3_8_4_1_to_3_8_4_7_own_space_is_granted_at_the_asked_qos),
		T(everything_else_is_refused_filter_by_filter),
		T(mqtt_3_9_3_1_codes_in_the_order_of_the_filters),
		T(client_ids_cannot_widen_their_own_space),
		T(policy_refuse),
		T(mqtt_3_10_4_4_and_3_10_4_5_unsubscribe_is_always_answered),
		T(a_granted_filter_stays_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
