// SPDX-License-Identifier: Apache-2.0
// A stream means the same however it is cut.
#include "tests/support/mqtt_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct rig a, b;
static struct packet stream;

static void build(uint8_t version) {
	static char big[600];
	struct pk_publish k = {.version = version, .topic = "t/1", .payload = "one"};

	stream.len = 0;
	memset(big, 'z', sizeof(big) - 1);
	pk_connect(
		&stream,
		&(struct pk_connect) {
			.version = version,
			.clean = true,
			.id = "dev",
			.keep_alive = 60,
			.will_topic = "w",
			.will_payload = "gone",
		}
	);
	pk_publish(&stream, &k);
	k = (struct pk_publish
	) {.version = version, .qos = 1, .id = 1, .topic = "t/2", .payload = big};
	if (version == MQTT_V5) {
		pp_user(&k.props, "n", "v");
		pp_number(&k.props, MQTT_PROP_ALIAS, 2, 3);
	}
	pk_publish(&stream, &k);
	if (version == MQTT_V5) {
		k.topic = "";
		k.id = 2;
		k.payload = "by alias";
		pk_publish(&stream, &k);
	}
	pk_subscribe(&stream, version, 5, "cmd/dev/#", 1);
	stream.bytes[stream.len++] = 0xc0;
	stream.bytes[stream.len++] = 0;
	pk_publish(
		&stream,
		&(struct pk_publish
		) {.version = version, .qos = 2, .id = 9, .topic = "t/3", .payload = ""}
	);
}

static void begin(struct rig *r) {
	rig_init(r);
	rig_start(r);
	rig_open(r);
}

// The answers as a set: a SUBACK may pass a PUBACK that waits for its message.
static uint64_t answers(const struct rig *r) {
	struct view rest = view_of(r->conns[0].out, r->conns[0].out_len);
	struct mqtt_frame f;
	uint64_t sum = 0;

	while (rest.len > 0) {
		assert_int_equal(mqtt_frame(rest, 4096, &f), MQTT_OK);
		uint64_t h = 14695981039346656037u;
		for (uint32_t i = 0; i < f.len; i++)
			h = (h ^ rest.p[i]) * 1099511628211u;
		sum += h;
		rest = view_of(rest.p + f.len, rest.len - f.len);
	}
	return sum;
}

static void compare(const char *what, uint32_t at) {
	bool same = a.message_count == b.message_count && answers(&a) == answers(&b);

	for (uint32_t i = 0; same && i < a.message_count; i++)
		same = strcmp(a.messages[i].topic, b.messages[i].topic) == 0
			&& strcmp(a.messages[i].payload, b.messages[i].payload) == 0
			&& strcmp(a.messages[i].device, b.messages[i].device) == 0
			&& a.messages[i].properties == b.messages[i].properties
			&& a.messages[i].seq == b.messages[i].seq;
	if (!same)
		fail_msg("%s %u", what, at);
}

static void every_cut_in_two(void **) {
	for (uint8_t v = MQTT_V31; v <= MQTT_V5; v++) {
		build(v);
		begin(&a);
		rig_input(&a, 0, stream.bytes, stream.len);
		assert_int_equal(a.message_count, v == MQTT_V5 ? 4 : 3);
		for (uint32_t cut = 0; cut <= stream.len; cut++) {
			begin(&b);
			rig_input(&b, 0, stream.bytes, cut);
			rig_input(&b, 0, stream.bytes + cut, stream.len - cut);
			compare("cut at", cut);
			assert_int_equal(
				mqtt_server_stats(a.m)->pool_free, mqtt_server_stats(b.m)->pool_free
			);
			rig_stop(&b);
		}
		rig_stop(&a);
	}
}

static void every_size_of_segment(void **) {
	for (uint8_t v = MQTT_V31; v <= MQTT_V5; v++) {
		build(v);
		begin(&a);
		rig_input(&a, 0, stream.bytes, stream.len);
		for (uint32_t size = 1; size < 80; size++) {
			begin(&b);
			for (uint32_t at = 0; at < stream.len; at += size)
				rig_input(
					&b,
					0,
					stream.bytes + at,
					size < stream.len - at ? size : stream.len - at
				);
			compare("segments of", size);
			rig_stop(&b);
		}
		rig_stop(&a);
	}
}

static void random_segments(void **) {
	uint64_t x = 7;

	build(MQTT_V5);
	begin(&a);
	rig_input(&a, 0, stream.bytes, stream.len);
	for (uint32_t round = 0; round < 300; round++) {
		begin(&b);
		for (uint32_t at = 0; at < stream.len;) {
			x = x * 6364136223846793005 + 1442695040888963407;
			uint32_t n = 1 + (uint32_t)(x >> 33) % ((x >> 60) == 0 ? 700 : 20);
			if (n > stream.len - at)
				n = stream.len - at;
			rig_input(&b, 0, stream.bytes + at, n);
			at += n;
		}
		compare("round", round);
		rig_stop(&b);
	}
	rig_stop(&a);
}

// The greatest packet arrives in small pieces; memory for it comes from the pool and goes back.
static void a_great_packet_in_pieces(void **) {
	static char payload[65000];
	static struct packet p;

	begin(&a);
	a.conn_count = 0;
	uint64_t pool = mqtt_server_stats(a.m)->pool_free;
	uint32_t c = rig_connect(&a, MQTT_V311, true, "dev", 60);
	memset(payload, 'p', sizeof(payload) - 1);
	p.len = 0;
	pk_publish(
		&p,
		&(struct pk_publish
		) {.version = MQTT_V311, .qos = 1, .id = 1, .topic = "t", .payload = payload}
	);
	for (uint32_t at = 0; at < p.len; at += 1400) {
		rig_input(&a, c, p.bytes + at, p.len - at < 1400 ? p.len - at : 1400);
		if (at + 1400 < p.len)
			assert_true(mqtt_server_stats(a.m)->pool_free < pool);
	}
	assert_true(RIG_GOT(&a, c, "\x40\x02\x00\x01"));
	assert_int_equal(mqtt_server_stats(a.m)->pool_free, pool);
	rig_stop(&a);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_in_two),
		cmocka_unit_test(every_size_of_segment),
		cmocka_unit_test(random_segments),
		cmocka_unit_test(a_great_packet_in_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
