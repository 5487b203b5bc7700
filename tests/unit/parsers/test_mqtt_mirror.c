// SPDX-License-Identifier: Apache-2.0
#include "parsers/mqtt_mirror.h"
#include "tests/support/guard.h"
#include "tests/support/mqtt_packets.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PACKET_MAX 65536

static struct packet p;
static struct mqtt_mirror m;
static struct mqtt_publish out;

static int setup(void **) {
	p.len = 0;
	mqtt_mirror_init(&m);
	return 0;
}

static enum mqtt_mirror_rc next(struct view *in) {
	return mqtt_mirror_next(&m, in, PACKET_MAX, &out);
}

static void session(uint8_t version) {
	struct pk_publish k = {
		.version = version, .qos = 1, .id = 1, .topic = "t/1", .payload = "{\"a\":1}"
	};

	pk_connect(&p, &(struct pk_connect) {.version = version, .clean = true, .id = "dev-1"});
	pk_publish(&p, &k);
	pk_subscribe(&p, version, 3, "x", 0);
	pk_append(&p, 0xc0, &(struct packet) {.len = 0});
	k.payload = "{\"a\":2}";
	pk_publish(&p, &k);
}

static void publishes_with_their_context(void **) {
	for (uint8_t v = MQTT_V31; v <= MQTT_V5; v++) {
		setup(NULL);
		session(v);
		struct view in = guard_view(p.bytes, p.len);
		assert_int_equal(next(&in), MQTT_MIRROR_OTHER);
		assert_true(view_equal(mqtt_mirror_client_id(&m), VIEW_LITERAL("dev-1")));
		assert_int_equal(next(&in), MQTT_MIRROR_PUBLISH);
		assert_true(view_equal(out.topic, VIEW_LITERAL("t/1")));
		assert_true(view_equal(out.payload, VIEW_LITERAL("{\"a\":1}")));
		assert_int_equal(next(&in), MQTT_MIRROR_OTHER);
		assert_int_equal(next(&in), MQTT_MIRROR_OTHER);
		assert_int_equal(next(&in), MQTT_MIRROR_PUBLISH);
		assert_true(view_equal(out.payload, VIEW_LITERAL("{\"a\":2}")));
		assert_int_equal(in.len, 0);
		assert_int_equal(next(&in), MQTT_MIRROR_MORE);
	}
}

static void picked_up_in_the_middle(void **) {
	for (uint8_t v = MQTT_V311; v <= MQTT_V5; v++) {
		setup(NULL);
		pk_publish(
			&p,
			&(struct pk_publish) {.version = v, .topic = "t/1", .payload = "{\"a\":1}"}
		);
		struct view in = guard_view(p.bytes, p.len);
		assert_int_equal(next(&in), MQTT_MIRROR_PUBLISH);
		assert_int_equal(m.version, v);
		assert_true(view_equal(out.payload, VIEW_LITERAL("{\"a\":1}")));
		assert_int_equal(m.client_id_len, 0);
		assert_false(m.connected);
	}
}

static void what_is_no_client_packet_loses_the_stream(void **) {
	static const struct view rows[] = {
		VIEW_LITERAL("GET / HTTP/1.1\r\n\r\n and more bytes to make the frame whole, "
			     "and some more of them for good measure"),
		VIEW_LITERAL("\x20\x02\x00\x00"),
		VIEW_LITERAL("\xd0\x00"),
		VIEW_LITERAL("\x00\x00"),
		VIEW_LITERAL("\x36\x05\x00\x01t\x00\x01"),
		VIEW_LITERAL("\x30\xff\xff\xff\xff"),
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct view in = guard_view(rows[i].p, rows[i].len);
		setup(NULL);
		assert_int_equal(next(&in), MQTT_MIRROR_LOST);
		assert_int_equal(in.len, rows[i].len);
	}
}

static void aliases(void **) {
	struct pk_publish k = {.version = MQTT_V5, .topic = "a/topic", .payload = "1"};

	pp_number(&k.props, MQTT_PROP_ALIAS, 2, 3);
	pk_connect(&p, &(struct pk_connect) {.version = MQTT_V5, .clean = true, .id = "d"});
	k.topic = "";
	pk_publish(&p, &k); // not set yet
	k.topic = "a/topic";
	pk_publish(&p, &k);
	k.topic = "";
	pk_publish(&p, &k);
	struct view in = guard_view(p.bytes, p.len);
	assert_int_equal(next(&in), MQTT_MIRROR_OTHER);
	assert_int_equal(next(&in), MQTT_MIRROR_SKIPPED);
	assert_int_equal(next(&in), MQTT_MIRROR_PUBLISH);
	assert_int_equal(next(&in), MQTT_MIRROR_PUBLISH);
	assert_true(view_equal(out.topic, VIEW_LITERAL("a/topic")));
}

static void every_cut_asks_for_more(void **) {
	session(MQTT_V5);
	for (uint32_t n = 0; n < p.len; n++) {
		struct view in = guard_view(p.bytes, n);
		mqtt_mirror_init(&m);
		enum mqtt_mirror_rc rc = MQTT_MIRROR_OTHER;
		while (rc == MQTT_MIRROR_OTHER || rc == MQTT_MIRROR_PUBLISH)
			rc = next(&in);
		assert_int_equal(rc, MQTT_MIRROR_MORE);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(publishes_with_their_context, setup),
		cmocka_unit_test_setup(picked_up_in_the_middle, setup),
		cmocka_unit_test_setup(what_is_no_client_packet_loses_the_stream, setup),
		cmocka_unit_test_setup(aliases, setup),
		cmocka_unit_test_setup(every_cut_asks_for_more, setup),
	};
	return cmocka_run_group_tests(tests, guard_setup, NULL);
}
