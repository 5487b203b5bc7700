// SPDX-License-Identifier: Apache-2.0
// What waits in the late lane is looked at once by each stage: when it arrives, or when it leaves.
// (test_late_random has order, gaps, fields and alerts.)
#include "tests/unit/pipelines/remember_rig.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOURS_MS INT64_C(7200000)

static struct rig rig;

static int setup(void **) {
	rig_start(&rig, 1);
	rig.profile.late_after_s = 3600;
	rig.config.pipeline.late_share = 1; // 40 records
	return 0;
}

static int teardown(void **) {
	rig_stop(&rig);
	return 0;
}

static const struct ledger_messages *messages(void) {
	return &rig.workers[0].ledger.messages[TRANSPORT_MQTT];
}

struct sent {
	const char *device;
	int64_t ago_ms; // 0: its one record has no time
	bool mixed; // with a second record that has none
	int value;
	uint8_t address; // last byte
	uint16_t packet_id;
	bool copy;
};

static void send(struct sent s, uint32_t token) {
	uint8_t peer[4] = {10, 77, 0, s.address};
	char text[192], time[48] = "";

	if (s.ago_ms > 0)
		snprintf(
			time, sizeof(time), "\"ts\":%" PRId64 ",", rig.wall_ns / 1000000 - s.ago_ms
		);
	size_t n = (size_t
	)snprintf(text, sizeof(text), "[{\"dev\":\"%s\",%s\"t\":%d}", s.device, time, s.value);
	if (s.mixed)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, ",{\"dev\":\"%s\",\"t\":%d}", s.device, s.value
		);
	snprintf(text + n, sizeof(text) - n, "]");
	struct message m = rig_message(&rig, text, token);
	m.peer = view_of(peer, 4);
	m.peer_port = 1000;
	m.packet_id = s.packet_id;
	m.copy = s.copy;
	rig_push(&rig, 0, &m);
}

// The share is used up, and one message waits.
static void lane_full(void) {
	for (uint32_t n = 0; n < 41; n++)
		send((struct sent) {.device = "other", .ago_ms = HOURS_MS + n}, 1000 + n);
	assert_int_equal(rig_counter(&rig, STAGE_LATE_PARKED), 1);
}

static void lane_empties(void) {
	while (!pipeline_idle(rig.workers[0].p)) {
		rig_complete(&rig, 0, RESULT_DELIVERED);
		pipeline_run(rig.workers[0].p, rig.now_ns, rig.wall_ns);
	}
}

static void packet(uint16_t id, bool copy, bool mixed, uint32_t token) {
	send(
		(struct sent) {
			.device = "d",
			.ago_ms = mixed ? HOURS_MS : 0,
			.mixed = mixed,
			.value = id,
			.packet_id = id,
			.copy = copy,
		},
		token
	);
}

// What has no time in every record is told apart by packet ids, as long as they count up.
static void packet_ids_count_up_as_they_arrive(void **) {
	for (uint16_t id = 1; id <= 12; id++)
		packet(id, false, false, id);
	lane_full();
	for (uint16_t id = 13; id <= 15; id++)
		packet(id, false, true, id);
	packet(16, false, false, 16);
	assert_int_equal(rig_counter(&rig, STAGE_LATE_PARKED), 4);
	lane_empties();
	assert_int_equal(messages()->duplicate, 0);
	packet(16, true, false, 17);
	packet(14, true, true, 18);
	assert_int_equal(messages()->duplicate, 2);
	packet(17, false, false, 19);
	packet(17, true, false, 20);
	assert_int_equal(messages()->duplicate, 3);
}

static void live(uint8_t address, uint32_t token) {
	send((struct sent) {.device = "d", .address = address, .value = (int)token}, token);
	rig_complete(&rig, 0, RESULT_DELIVERED);
	pipeline_run(rig.workers[0].p, rig.now_ns, rig.wall_ns);
}

// A device that moved while its messages wait: they leave in turn with those from its new address,
// and it is in one place all the same.
static void who_sends_from_where_is_seen_as_it_arrives(void **) {
	live(2, 1);
	lane_full();
	for (uint32_t n = 0; n < 200; n++)
		send((struct sent) {.device = "d", .address = 2, .ago_ms = HOURS_MS + n}, 100 + n);
	for (uint32_t n = 0; n < 10; n++)
		live(3, 2 + n);
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_RAISED), 0);
	lane_empties();
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_RAISED), 0);
}

// More than twice its ten messages in ten seconds is remarkable here; fifteen that waited are not.
static void a_message_that_waited_counts_once(void **) {
	rig.config.watch.rate_factor = 2;
	rig.config.watch.rate_min = 1;
	for (uint32_t n = 0; n < 80; n++) {
		rig.now_ns += 1000000000;
		live(2, n);
	}
	rig.now_ns += 10000000000;
	lane_full();
	for (uint32_t n = 0; n < 15; n++)
		send((struct sent) {.device = "d", .address = 2, .ago_ms = HOURS_MS + n}, 100 + n);
	lane_empties();
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_RAISED), 0);
	for (uint32_t n = 15; n < 25; n++)
		send((struct sent) {.device = "d", .address = 2, .ago_ms = HOURS_MS + n}, 100 + n);
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_RAISED), 1);
}

// What will be refused anyhow does not wait for it.
static void a_bad_one_is_refused_at_once(void **) {
	rig.fields[0] =
		(struct profile_field) {.name = VIEW_LITERAL("t"), .has_max = true, .max = 85};
	rig.profile.field_count = 1;
	rig.profile.on[FINDING_RANGE] = FINDING_REFUSE;
	assert_int_equal(profile_compile(&rig.profile), 0);
	lane_full();
	send((struct sent) {.device = "d", .ago_ms = HOURS_MS, .value = 99}, 1);
	assert_int_equal(rig.outcome[1], OUTCOME_REFUSED);
	send((struct sent) {.device = "d", .ago_ms = HOURS_MS, .value = 20}, 2);
	assert_int_equal(rig.verdicts[2], 0);
	lane_empties();
	assert_int_equal(rig.outcome[2], OUTCOME_ACKED);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(packet_ids_count_up_as_they_arrive),
		CASE(who_sends_from_where_is_seen_as_it_arrives),
		CASE(a_message_that_waited_counts_once),
		CASE(a_bad_one_is_refused_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
