// SPDX-License-Identifier: Apache-2.0
// dedup and validate inside a pipeline: verdicts, doors, findings.
#include "tests/unit/pipelines/remember_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct rig rig;

static int setup(void **) {
	rig_start(&rig, 1);
	return 0;
}

static int teardown(void **) {
	rig_stop(&rig);
	return 0;
}

static const struct ledger_messages *messages(void) {
	return &rig.workers[0].ledger.messages[TRANSPORT_MQTT];
}

// --- dedup

static void a_copy_waits_for_the_first(void **) {
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 1);
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 2);
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 3);
	assert_int_equal(messages()->accepted, 1);
	assert_int_equal(messages()->duplicate, 2);
	assert_int_equal(rig.verdicts[1] + rig.verdicts[2] + rig.verdicts[3], 0);
	rig_complete(&rig, 0, RESULT_DELIVERED);
	for (uint32_t t = 1; t <= 3; t++) {
		assert_int_equal(rig.verdicts[t], 1);
		assert_int_equal(rig.outcome[t], OUTCOME_ACKED);
	}
	// And of a committed one it is acknowledged at once.
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 4);
	assert_int_equal(rig.outcome[4], OUTCOME_ACKED);
	assert_int_equal(rig.verdicts[4], 1);
	assert_int_equal(messages()->duplicate, 3);
	assert_true(pipeline_idle(rig.workers[0].p));
}

static void a_copy_shares_the_refusal(void **) {
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 1);
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 2);
	rig_complete(&rig, 0, RESULT_REFUSED);
	assert_int_equal(rig.outcome[1], OUTCOME_REFUSED);
	assert_int_equal(rig.outcome[2], OUTCOME_REFUSED);
	assert_int_equal(rig.verdicts[2], 1);
	// What failed may be sent again.
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 3);
	assert_int_equal(messages()->accepted, 2);
}

static void copies_in_one_burst(void **) {
	struct message m = rig_message(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 1);

	for (m.token = 1; m.token <= 5; m.token++)
		pipeline_push(rig.workers[0].p, &m);
	pipeline_run(rig.workers[0].p, rig.now_ns, rig.wall_ns);
	assert_int_equal(messages()->accepted, 1);
	assert_int_equal(messages()->duplicate, 4);
	rig_complete(&rig, 0, RESULT_DELIVERED);
	for (uint32_t t = 1; t <= 5; t++)
		assert_int_equal(rig.verdicts[t], 1);
}

// The first is refused behind dedup: nothing of it may remain, and its copy is told the same.
static void a_refused_first_leaves_nothing(void **) {
	struct message m = rig_message(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":null}", 1);

	rig.profile.on[FINDING_NULL] = FINDING_REFUSE;
	rig.fields[0] = (struct profile_field) {.name = VIEW_LITERAL("x")};
	rig.profile.field_count = 1;
	assert_int_equal(profile_compile(&rig.profile), 0);
	pipeline_push(rig.workers[0].p, &m);
	m.token = 2;
	pipeline_push(rig.workers[0].p, &m);
	pipeline_run(rig.workers[0].p, rig.now_ns, rig.wall_ns);
	assert_int_equal(messages()->refused[REFUSE_VALIDATION], 2);
	assert_int_equal(rig.outcome[1], OUTCOME_REFUSED);
	assert_int_equal(rig.outcome[2], OUTCOME_REFUSED);
	rig.profile.on[FINDING_NULL] = FINDING_FLAG;
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":null}", 3);
	assert_int_equal(messages()->accepted, 1);
}

static void nothing_to_tell_by_is_never_a_copy(void **) {
	for (uint32_t t = 1; t <= 20; t++)
		rig_send(&rig, "{\"dev\":\"d\",\"x\":1}", t);
	assert_int_equal(messages()->accepted, 20);
	rig.profile.dedup = DEDUP_PAYLOAD;
	rig_send(&rig, "{\"dev\":\"d\",\"x\":1}", 21);
	rig_send(&rig, "{\"dev\":\"d\",\"x\":1}", 22);
	assert_int_equal(messages()->accepted, 21);
	rig.profile.dedup = DEDUP_OFF;
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 23);
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 24);
	assert_int_equal(messages()->accepted, 23);
}

static void other_path_device_time_or_sequence_is_another_message(void **) {
	struct message m = rig_message(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 2);

	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 1);
	m.path = VIEW_LITERAL("t/y");
	rig_push(&rig, 0, &m);
	rig_send(&rig, "{\"dev\":\"e\",\"ts\":1,\"x\":1}", 3);
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":2,\"x\":1}", 4);
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"seq\":1,\"x\":1}", 5);
	assert_int_equal(messages()->accepted, 5);
	assert_int_equal(rig_found(&rig, FINDING_CONFLICT), 0);
	rig_send(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":2}", 6);
	assert_int_equal(messages()->accepted, 6); // kept, and flagged
	assert_int_equal(rig_found(&rig, FINDING_CONFLICT), 1);
}

static void packet(uint16_t id, bool dup, const char *payload, uint32_t token) {
	struct message m = rig_message(&rig, payload, token);

	m.packet_id = id;
	m.copy = dup;
	rig_push(&rig, 0, &m);
}

static void dup_alone_proves_nothing(void **) {
	packet(1, false, "{\"dev\":\"d\",\"x\":1}", 1);
	packet(1, true, "{\"dev\":\"d\",\"x\":1}", 2); // nothing known of this client yet
	assert_int_equal(messages()->accepted, 2);
	for (uint16_t i = 2; i <= 12; i++)
		packet(i, false, "{\"dev\":\"d\",\"x\":1}", i + 1u);
	assert_int_equal(messages()->accepted, 13);
	packet(12, true, "{\"dev\":\"d\",\"x\":1}", 20); // it counts up: this is a copy
	assert_int_equal(messages()->duplicate, 1);
	packet(12, true, "{\"dev\":\"d\",\"x\":2}", 21); // other content: it is not
	assert_int_equal(messages()->duplicate, 1);
	rig_complete(&rig, 0, RESULT_DELIVERED);
	packet(12, false, "{\"dev\":\"d\",\"x\":1}", 22); // the id again, without DUP: new
	assert_int_equal(messages()->duplicate, 1);
	packet(12, true, "{\"dev\":\"d\",\"x\":1}", 23); // and now its ids prove nothing any more
	assert_int_equal(messages()->duplicate, 1);
}

// --- validate

static void each_finding_of_a_field(void **) {
	static const struct {
		const char *rest;
		enum finding f;
	} cases[] = {
		{"\"t\":20.5", FINDING_NONE},
		{"\"t\":20", FINDING_NONE},
		{"\"t\":null", FINDING_NULL},
		{"\"u\":1", FINDING_MISSING},
		{"\"t\":\"NaN\"", FINDING_NOT_FINITE},
		{"\"t\":\"-inf\"", FINDING_NOT_FINITE},
		{"\"t\":\"20\"", FINDING_TYPE},
		{"\"t\":true", FINDING_TYPE},
		{"\"t\":85.0", FINDING_NONE},
		{"\"t\":85.01", FINDING_RANGE},
		{"\"t\":-40", FINDING_NONE},
		{"\"t\":-40.5", FINDING_RANGE},
	};

	rig_field(
		&rig,
		(struct profile_field) {
			.name = VIEW_LITERAL("t"),
			.type = FIELD_NUMBER,
			.required = true,
			.has_min = true,
			.min = -40,
			.has_max = true,
			.max = 85,
		}
	);
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t before[FINDING_COUNT];
		for (enum finding f = 0; f < FINDING_COUNT; f++)
			before[f] = rig_found(&rig, f);
		rig_send_at(&rig, 1000 - i, cases[i].rest, i);
		for (enum finding f = 0; f < FINDING_COUNT; f++)
			assert_int_equal(rig_found(&rig, f) - before[f], f == cases[i].f);
	}
}

static void times_and_order(void **) {
	rig.profile.past_max_s = 30 * 86400;
	rig.profile.future_max_s = 60;
	rig_send_at(&rig, 0, "\"x\":1", 1);
	rig_send_at(&rig, 5000, "\"x\":1", 2); // out of order
	assert_int_equal(rig_found(&rig, FINDING_ORDER), 1);
	rig_send_at(&rig, 0, "\"x\":2", 3); // equal times are in order
	assert_int_equal(rig_found(&rig, FINDING_ORDER), 1);
	rig_send_at(&rig, -60000, "\"x\":1", 4);
	assert_int_equal(rig_found(&rig, FINDING_TIME_FUTURE), 0);
	rig_send_at(&rig, -60001, "\"x\":1", 5);
	assert_int_equal(rig_found(&rig, FINDING_TIME_FUTURE), 1);
	rig_send_at(&rig, 30ll * 86400 * 1000, "\"x\":1", 6);
	assert_int_equal(rig_found(&rig, FINDING_TIME_PAST), 0);
	rig_send_at(&rig, 30ll * 86400 * 1000 + 1, "\"x\":1", 7);
	assert_int_equal(rig_found(&rig, FINDING_TIME_PAST), 1);
	// The one from the future is not what the next ones are compared with.
	rig_send_at(&rig, -60000, "\"x\":3", 8);
	assert_int_equal(rig_found(&rig, FINDING_ORDER), 2); // 6 was, 7 and 8 are not
	assert_int_equal(messages()->accepted, 8);
}

static void seq(const char *dev, uint64_t n) {
	char text[128];
	static uint32_t x;

	snprintf(
		text,
		sizeof(text),
		"{\"dev\":\"%s\",\"seq\":%llu,\"x\":%u}",
		dev,
		(unsigned long long)n,
		x++
	);
	rig_send(&rig, text, 1);
}

static void gaps_are_counted_per_device(void **) {
	seq("a", 5);
	seq("a", 6);
	seq("b", 100);
	assert_int_equal(rig_found(&rig, FINDING_GAP), 0);
	seq("a", 10);
	assert_int_equal(rig_found(&rig, FINDING_GAP), 1);
	assert_int_equal(rig_counter(&rig, STAGE_GAP_NUMBERS), 3);
	seq("a", 8); // late, not new
	assert_int_equal(rig_found(&rig, FINDING_ORDER), 1);
	seq("a", 11);
	seq("b", 101);
	assert_int_equal(rig_found(&rig, FINDING_GAP), 1);
	seq("b", 100000);
	assert_int_equal(rig_found(&rig, FINDING_GAP), 2);
	seq("b", 0); // it starts anew
	seq("b", 1);
	assert_int_equal(rig_found(&rig, FINDING_GAP), 2);
	assert_int_equal(rig_found(&rig, FINDING_ORDER), 1);
}

static void rate_and_stuck_by_device_time(void **) {
	rig_field(
		&rig,
		(struct profile_field) {
			.name = VIEW_LITERAL("t"),
			.rate_max = 2,
			.stuck_after_s = 10,
		}
	);
	rig_value_at(&rig, 60000, 20);
	rig_value_at(&rig, 59000, 22); // 2 per second
	assert_int_equal(rig_found(&rig, FINDING_RATE), 0);
	rig_value_at(&rig, 58000, 24.1);
	assert_int_equal(rig_found(&rig, FINDING_RATE), 1);
	rig_value_at(&rig, 48001, 24.1);
	assert_int_equal(rig_found(&rig, FINDING_STUCK), 0);
	rig_value_at(&rig, 48000, 24.1);
	assert_int_equal(rig_found(&rig, FINDING_STUCK), 1);
	rig_value_at(&rig, 47000, 24.2);
	assert_int_equal(rig_found(&rig, FINDING_STUCK), 1);
	// Out of order: compared with nothing, and nothing is compared with it.
	rig_value_at(&rig, 55000, 90);
	rig_value_at(&rig, 46000, 24.3);
	assert_int_equal(rig_found(&rig, FINDING_RATE), 1);
	assert_int_equal(rig_found(&rig, FINDING_ORDER), 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(a_copy_waits_for_the_first),
		CASE(a_copy_shares_the_refusal),
		CASE(copies_in_one_burst),
		CASE(a_refused_first_leaves_nothing),
		CASE(nothing_to_tell_by_is_never_a_copy),
		CASE(other_path_device_time_or_sequence_is_another_message),
		CASE(dup_alone_proves_nothing),
		CASE(each_finding_of_a_field),
		CASE(times_and_order),
		CASE(gaps_are_counted_per_device),
		CASE(rate_and_stuck_by_device_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
