// SPDX-License-Identifier: Apache-2.0
// dedup, validate and alerts inside a pipeline: verdicts, doors, findings, what reaches which
// topic.
#include "pipelines/watch.h"
#include "tests/unit/pipelines/remember_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include <cmocka.h>

static struct rig rig;

static struct {
	uint32_t raised, cleared;
	char kind[32], peer[46];
	uint64_t count, signature;
} watched;

static int setup(void **) {
	rig_start(&rig, 1);
	memset(&watched, 0, sizeof(watched));
	return 0;
}

static int teardown(void **) {
	rig_stop(&rig);
	return 0;
}

static void send(const char *payload, uint32_t token) {
	struct message m = rig_message(&rig, payload, token);

	rig_push(&rig, 0, &m);
}

static const struct ledger_messages *messages(void) {
	return &rig.workers[0].ledger.messages[TRANSPORT_MQTT];
}

static int64_t wall_ms(void) {
	return rig.wall_ns / 1000000;
}

static void reading(char *out, size_t size, int64_t ago_ms, const char *rest) {
	snprintf(
		out, size, "{\"dev\":\"d\",\"ts\":%lld,%s}", (long long)(wall_ms() - ago_ms), rest
	);
}

static void send_at(int64_t ago_ms, const char *rest, uint32_t token) {
	static char text[256];

	reading(text, sizeof(text), ago_ms, rest);
	send(text, token);
}

// --- dedup

static void a_copy_waits_for_the_first(void **) {
	send("{\"dev\":\"d\",\"ts\":1,\"x\":1}", 1);
	send("{\"dev\":\"d\",\"ts\":1,\"x\":1}", 2);
	send("{\"dev\":\"d\",\"ts\":1,\"x\":1}", 3);
	assert_int_equal(messages()->accepted, 1);
	assert_int_equal(messages()->duplicate, 2);
	assert_int_equal(rig.verdicts[1] + rig.verdicts[2] + rig.verdicts[3], 0);
	rig_complete(&rig, 0, RESULT_DELIVERED);
	for (uint32_t t = 1; t <= 3; t++) {
		assert_int_equal(rig.verdicts[t], 1);
		assert_int_equal(rig.outcome[t], OUTCOME_ACKED);
	}
	// And of a committed one it is acknowledged at once.
	send("{\"dev\":\"d\",\"ts\":1,\"x\":1}", 4);
	assert_int_equal(rig.outcome[4], OUTCOME_ACKED);
	assert_int_equal(rig.verdicts[4], 1);
	assert_int_equal(messages()->duplicate, 3);
	assert_true(pipeline_idle(rig.workers[0].p));
}

static void a_copy_shares_the_refusal(void **) {
	send("{\"dev\":\"d\",\"ts\":1,\"x\":1}", 1);
	send("{\"dev\":\"d\",\"ts\":1,\"x\":1}", 2);
	rig_complete(&rig, 0, RESULT_REFUSED);
	assert_int_equal(rig.outcome[1], OUTCOME_REFUSED);
	assert_int_equal(rig.outcome[2], OUTCOME_REFUSED);
	assert_int_equal(rig.verdicts[2], 1);
	// What failed may be sent again.
	send("{\"dev\":\"d\",\"ts\":1,\"x\":1}", 3);
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
	send("{\"dev\":\"d\",\"ts\":1,\"x\":null}", 3);
	assert_int_equal(messages()->accepted, 1);
}

static void nothing_to_tell_by_is_never_a_copy(void **) {
	for (uint32_t t = 1; t <= 20; t++)
		send("{\"dev\":\"d\",\"x\":1}", t);
	assert_int_equal(messages()->accepted, 20);
	rig.profile.dedup = DEDUP_PAYLOAD;
	send("{\"dev\":\"d\",\"x\":1}", 21);
	send("{\"dev\":\"d\",\"x\":1}", 22);
	assert_int_equal(messages()->accepted, 21);
	rig.profile.dedup = DEDUP_OFF;
	send("{\"dev\":\"d\",\"ts\":1,\"x\":1}", 23);
	send("{\"dev\":\"d\",\"ts\":1,\"x\":1}", 24);
	assert_int_equal(messages()->accepted, 23);
}

static void other_path_device_time_or_sequence_is_another_message(void **) {
	struct message m = rig_message(&rig, "{\"dev\":\"d\",\"ts\":1,\"x\":1}", 2);

	send("{\"dev\":\"d\",\"ts\":1,\"x\":1}", 1);
	m.path = VIEW_LITERAL("t/y");
	rig_push(&rig, 0, &m);
	send("{\"dev\":\"e\",\"ts\":1,\"x\":1}", 3);
	send("{\"dev\":\"d\",\"ts\":2,\"x\":1}", 4);
	send("{\"dev\":\"d\",\"ts\":1,\"seq\":1,\"x\":1}", 5);
	assert_int_equal(messages()->accepted, 5);
	assert_int_equal(rig_found(&rig, FINDING_CONFLICT), 0);
	send("{\"dev\":\"d\",\"ts\":1,\"x\":2}", 6);
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

static void one_field(struct profile_field f) {
	rig.fields[0] = f;
	rig.profile.field_count = 1;
	assert_int_equal(profile_compile(&rig.profile), 0);
}

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

	one_field((struct profile_field) {
		.name = VIEW_LITERAL("t"),
		.type = FIELD_NUMBER,
		.required = true,
		.has_min = true,
		.min = -40,
		.has_max = true,
		.max = 85,
	});
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t before[FINDING_COUNT];
		for (enum finding f = 0; f < FINDING_COUNT; f++)
			before[f] = rig_found(&rig, f);
		send_at(1000 - i, cases[i].rest, i);
		for (enum finding f = 0; f < FINDING_COUNT; f++)
			assert_int_equal(rig_found(&rig, f) - before[f], f == cases[i].f);
	}
}

static void times_and_order(void **) {
	rig.profile.past_max_s = 30 * 86400;
	rig.profile.future_max_s = 60;
	send_at(0, "\"x\":1", 1);
	send_at(5000, "\"x\":1", 2); // out of order
	assert_int_equal(rig_found(&rig, FINDING_ORDER), 1);
	send_at(0, "\"x\":2", 3); // equal times are in order
	assert_int_equal(rig_found(&rig, FINDING_ORDER), 1);
	send_at(-60000, "\"x\":1", 4);
	assert_int_equal(rig_found(&rig, FINDING_TIME_FUTURE), 0);
	send_at(-60001, "\"x\":1", 5);
	assert_int_equal(rig_found(&rig, FINDING_TIME_FUTURE), 1);
	send_at(30ll * 86400 * 1000, "\"x\":1", 6);
	assert_int_equal(rig_found(&rig, FINDING_TIME_PAST), 0);
	send_at(30ll * 86400 * 1000 + 1, "\"x\":1", 7);
	assert_int_equal(rig_found(&rig, FINDING_TIME_PAST), 1);
	// The one from the future is not what the next ones are compared with.
	send_at(-60000, "\"x\":3", 8);
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
	send(text, 1);
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

static void value_at(int64_t ago_ms, double v) {
	char rest[64];

	snprintf(rest, sizeof(rest), "\"t\":%.3f", v);
	send_at(ago_ms, rest, 1);
}

static void rate_and_stuck_by_device_time(void **) {
	one_field((struct profile_field) {
		.name = VIEW_LITERAL("t"),
		.rate_max = 2,
		.stuck_after_s = 10,
	});
	value_at(60000, 20);
	value_at(59000, 22); // 2 per second
	assert_int_equal(rig_found(&rig, FINDING_RATE), 0);
	value_at(58000, 24.1);
	assert_int_equal(rig_found(&rig, FINDING_RATE), 1);
	value_at(48001, 24.1);
	assert_int_equal(rig_found(&rig, FINDING_STUCK), 0);
	value_at(48000, 24.1);
	assert_int_equal(rig_found(&rig, FINDING_STUCK), 1);
	value_at(47000, 24.2);
	assert_int_equal(rig_found(&rig, FINDING_STUCK), 1);
	// Out of order: compared with nothing, and nothing is compared with it.
	value_at(55000, 90);
	value_at(46000, 24.3);
	assert_int_equal(rig_found(&rig, FINDING_RATE), 1);
	assert_int_equal(rig_found(&rig, FINDING_ORDER), 1);
}

// --- alerts

static struct {
	uint32_t records, late, alerts, raised, cleared;
	char last_kind[32];
	double last_value;
	int64_t last_time_ns;
} seen;

// Readings of the returned device: each once, in their order.
static void look_late(const struct batch *b, const struct batch_entry *e) {
	yyjson_doc *doc = yyjson_read((const char *)b->buf + e->offset, e->len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);

	assert_non_null(doc);
	if (strcmp(yyjson_get_str(yyjson_obj_get(root, "device")), "returned") == 0)
		assert_int_equal(yyjson_get_uint(yyjson_obj_get(root, "seq")), seen.late++);
	yyjson_doc_free(doc);
}

static void look(struct rig *, uint16_t, const struct batch *b, const struct batch_entry *e) {
	if (e->kind == ENTRY_RECORD) {
		seen.records++;
		look_late(b, e);
		return;
	}
	if (e->kind != ENTRY_ALERT)
		return;
	yyjson_doc *doc = yyjson_read((const char *)b->buf + e->offset, e->len, 0);
	assert_non_null(doc);
	assert_int_equal(b->topic, 2);
	yyjson_val *root = yyjson_doc_get_root(doc);
	assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "type")), "alert");
	assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "device")), "d");
	assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "field")), "t");
	const char *what = yyjson_get_str(yyjson_obj_get(root, "alert"));
	seen.alerts++;
	seen.raised += strcmp(what, "raise") == 0;
	seen.cleared += strcmp(what, "clear") == 0;
	const char *kind = yyjson_get_str(yyjson_obj_get(root, "kind"));
	assert_non_null(kind);
	memccpy(seen.last_kind, kind, '\0', sizeof(seen.last_kind) - 1);
	seen.last_value = yyjson_get_num(yyjson_obj_get(root, "value"));
	seen.last_time_ns = yyjson_get_sint(yyjson_obj_get(root, "time_ns"));
	yyjson_doc_free(doc);
}

static void settle(void) {
	rig.delivered = look;
	rig_complete(&rig, 0, RESULT_DELIVERED);
}

static void one_raise_one_clear(void **) {
	static const double values[] = {70, 84, 85, 85.1, 90, 84, 81, 80, 85, 82, 79.9, 80, 84};

	memset(&seen, 0, sizeof(seen));
	one_field((struct profile_field) {
		.name = VIEW_LITERAL("t"),
		.alert = {.above = true, .raise_above = 85, .clear_below = 80},
	});
	for (uint32_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		value_at(60000 - 1000 * i, values[i]);
	settle();
	assert_int_equal(seen.raised, 1);
	assert_int_equal(seen.cleared, 1);
	assert_string_equal(seen.last_kind, "above");
	assert_true(seen.last_value == 79.9);
	assert_int_equal(seen.last_time_ns, rig.wall_ns - 50ll * 1000000000);
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_RAISED), 1);
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_CLEARED), 1);
}

static void it_must_hold_for_its_time(void **) {
	memset(&seen, 0, sizeof(seen));
	one_field((struct profile_field) {
		.name = VIEW_LITERAL("t"),
		.alert = {.below = true, .raise_below = 5, .clear_above = 8, .for_ms = 3000},
	});
	value_at(60000, 4);
	value_at(58000, 4);
	value_at(57500, 6); // ended: it begins anew
	value_at(57000, 4);
	value_at(54001, 3);
	settle();
	assert_int_equal(seen.alerts, 0);
	value_at(54000, 3);
	settle();
	assert_int_equal(seen.raised, 1);
	assert_string_equal(seen.last_kind, "below");
}

// No room in the batches: nothing is told, and told later instead of never.
static void an_alert_that_finds_no_room_comes_later(void **) {
	memset(&seen, 0, sizeof(seen));
	one_field((struct profile_field) {
		.name = VIEW_LITERAL("t"),
		.alert = {.above = true, .raise_above = 85, .clear_below = 80},
	});
	rig.topics[2].partitions = 0; // not known yet
	value_at(60000, 90);
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_HELD), 1);
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_RAISED), 0);
	rig.topics[2].partitions = 1;
	value_at(59000, 91);
	rig.topics[2].partitions = 0;
	value_at(58000, 70);
	rig.topics[2].partitions = 1;
	value_at(57000, 70);
	settle();
	assert_int_equal(seen.raised, 1);
	assert_int_equal(seen.cleared, 1);
}

static void unusual_after_the_warm_up(void **) {
	static const double noise[] = {0, 1, -1, 0.5, -0.5, 0.8, -0.8, 0.2};

	memset(&seen, 0, sizeof(seen));
	one_field((struct profile_field) {
		.name = VIEW_LITERAL("t"),
		.alert =
			{.unusual = true,
			 .z_raise = 6,
			 .z_clear = 3,
			 .warmup = 30,
			 .smoothing = 0.05},
	});
	value_at(500000, 20);
	value_at(499000, 50); // during the warm-up nothing is unusual
	for (uint32_t i = 2; i < 200; i++)
		value_at(500000 - 1000 * i, 20 + noise[i % 8]);
	settle();
	assert_int_equal(seen.alerts, 0);
	value_at(200000, 30);
	value_at(199000, 20.3);
	settle();
	assert_int_equal(seen.raised, 1);
	assert_int_equal(seen.cleared, 1);
	assert_string_equal(seen.last_kind, "unusual");
	assert_int_equal(rig_found(&rig, FINDING_UNUSUAL), 1);
	// The outlier has not widened what is usual.
	value_at(198000, 30);
	assert_int_equal(rig_found(&rig, FINDING_UNUSUAL), 2);
}

// --- who sends

static void
look_watched(struct rig *, uint16_t, const struct batch *b, const struct batch_entry *e) {
	if (e->kind != ENTRY_ALERT)
		return;
	yyjson_doc *doc = yyjson_read((const char *)b->buf + e->offset, e->len, 0);
	assert_non_null(doc);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *kind = yyjson_get_str(yyjson_obj_get(root, "kind"));
	const char *what = yyjson_get_str(yyjson_obj_get(root, "alert"));
	assert_true(kind != NULL && what != NULL);
	memccpy(watched.kind, kind, '\0', sizeof(watched.kind) - 1);
	watched.raised += strcmp(what, "raise") == 0;
	watched.cleared += strcmp(what, "clear") == 0;
	assert_true(yyjson_is_uint(yyjson_obj_get(root, "count")));
	watched.count = yyjson_get_uint(yyjson_obj_get(root, "count"));
	watched.signature = yyjson_get_uint(yyjson_obj_get(root, "signature"));
	memccpy(watched.peer,
		yyjson_get_str(yyjson_obj_get(root, "peer")),
		'\0',
		sizeof(watched.peer) - 1);
	yyjson_doc_free(doc);
}

static void from(uint8_t last, uint16_t port, uint64_t later_ms) {
	uint8_t peer[4] = {10, 77, 0, last};
	struct message m = rig_message(&rig, "{\"dev\":\"d\",\"x\":1}", TOKEN_NONE);

	rig.now_ns += later_ms * 1000000;
	m.rx_ns = rig.now_ns;
	m.peer = view_of(peer, 4);
	m.peer_port = port;
	rig_push(&rig, 0, &m);
	rig.delivered = look_watched;
	rig_complete(&rig, 0, RESULT_DELIVERED);
}

static void quiet_for(uint64_t s) {
	rig.now_ns += s * 1000000000;
	pipeline_run(rig.workers[0].p, rig.now_ns, rig.wall_ns);
	pipeline_tick(rig.workers[0].p, rig.now_ns);
	rig.delivered = look_watched;
	rig_complete(&rig, 0, RESULT_DELIVERED);
}

static void raised_once_and_cleared_when_over(const char *kind) {
	assert_int_equal(watched.raised, 1);
	assert_string_equal(watched.kind, kind);
	assert_int_equal(watched.cleared, 0);
	quiet_for(rig.config.watch.quiet_s - 1);
	assert_int_equal(watched.cleared, 0);
	quiet_for(1);
	assert_int_equal(watched.cleared, 1);
	quiet_for(100);
	assert_int_equal(watched.raised + watched.cleared, 2);
}

static void a_device_that_reconnects_for_ever(void **) {
	for (uint16_t n = 0; n < 11; n++)
		from(2, 1000 + n, 1000);
	assert_int_equal(watched.raised, 0);
	for (uint16_t n = 11; n < 20; n++)
		from(2, 1000 + n, 1000);
	raised_once_and_cleared_when_over("flapping-connections");
}

static void a_device_in_two_places(void **) {
	from(2, 1000, 1000);
	from(3, 1000, 1000); // it moved
	from(3, 1000, 1000);
	from(2, 1000, 1000); // and back
	assert_int_equal(watched.raised, 0);
	from(3, 1000, 1000);
	raised_once_and_cleared_when_over("cloned-identity");
}

static void a_device_that_sends_ten_times_as_much(void **) {
	for (uint32_t n = 0; n < 100; n++)
		from(2, 1000, 1000); // ten in a window
	for (uint32_t n = 0; n < 90; n++)
		from(2, 1000, 10);
	assert_int_equal(watched.raised, 0);
	for (uint32_t n = 0; n < 100; n++)
		from(2, 1000, 10);
	raised_once_and_cleared_when_over("rate");
}

static struct pipeline_peer stranger(void) {
	static const uint8_t address[4] = {10, 77, 0, 66};

	return (struct pipeline_peer) {
		.address = view_of(address, 4),
		.transport = TRANSPORT_UDP,
		.now_ns = rig.now_ns,
		.wall_ns = rig.wall_ns,
	};
}

static void try_port(uint16_t port) {
	struct pipeline_peer s = stranger();

	pipeline_unheard(rig.workers[0].p, &s, port);
}

static void a_peer_that_looks_for_open_ports(void **) {
	for (uint32_t n = 0; n < 100; n++) // one port tried for ever is no scan
		try_port(9999);
	quiet_for(0);
	assert_int_equal(watched.raised, 0);
	for (uint16_t port = 1; port < 200; port++)
		try_port(port);
	quiet_for(0);
	raised_once_and_cleared_when_over("port-scan");
}

// Nothing came for minutes: the scan is of now, and its alert no older.
static void a_scan_that_wakes_an_idle_worker(void **) {
	rig.now_ns += 600ull * 1000000000;
	for (uint16_t port = 1; port < 200; port++)
		try_port(port);
	quiet_for(0);
	raised_once_and_cleared_when_over("port-scan");
}

static void decline(uint32_t signature, uint32_t devices) {
	struct pipeline_peer s = stranger();

	pipeline_ban_declined(rig.workers[0].p, &s, signature, devices);
}

static void a_ban_that_would_hit_a_crowd(void **) {
	decline(5, 41);
	quiet_for(0);
	assert_int_equal(watched.raised, 1);
	assert_int_equal(watched.count, 41);
	assert_int_equal(watched.signature, 5);
	assert_string_equal(watched.peer, "10.77.0.66");
	for (uint32_t n = 0; n < 100; n++) { // it goes on, with others in between
		quiet_for(59);
		decline(5 + n % 3, 40 + n);
	}
	quiet_for(0);
	raised_once_and_cleared_when_over("ban-declined");
	assert_int_equal(watched.signature, 5);
	assert_int_equal(watched.count, 0);
	assert_true(pipeline_tick(rig.workers[0].p, rig.now_ns) == UINT64_MAX);
}

// A worker with nothing else to do has to come back for it.
static void an_alert_that_finds_no_room_is_told_within_a_second(void **) {
	rig.topics[2].partitions = 0; // not known yet
	decline(5, 41);
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_HELD), 1);
	uint64_t due = pipeline_tick(rig.workers[0].p, rig.now_ns);
	assert_in_range(due, rig.now_ns + 1, rig.now_ns + 1000000000);
	rig.topics[2].partitions = 1;
	quiet_for(1);
	decline(5, 41);
	raised_once_and_cleared_when_over("ban-declined");
	// And one that nobody was told of in its time goes without a word.
	rig.topics[2].partitions = 0;
	decline(5, 41);
	for (uint32_t s = 0; s < 70; s++)
		quiet_for(1);
	rig.topics[2].partitions = 1;
	for (uint32_t s = 0; s < 70; s++)
		quiet_for(1);
	assert_int_equal(watched.raised + watched.cleared, 2);
}

static void limits_are_the_configurations(void **) {
	rig.config.watch.connections = 0;
	rig.config.watch.returns = 3;
	rig.config.watch.rate_factor = 0;
	rig.config.watch.ports = 40;
	for (uint16_t n = 0; n < 300; n++) // reconnects and floods, which nobody is to be told of
		from(2, 1000 + n, n < 100 ? 1000 : 1);
	for (uint16_t port = 1; port < 31; port++)
		try_port(port);
	quiet_for(60);
	for (uint8_t n = 0; n < 4; n++)
		from(2 + n % 2, 1000, 1000);
	assert_int_equal(watched.raised, 0);
	from(2, 1000, 1000);
	assert_int_equal(watched.raised, 1);
	assert_string_equal(watched.kind, "cloned-identity");
	for (uint16_t port = 1; port < 200; port++)
		try_port(port);
	quiet_for(0);
	assert_int_equal(watched.raised, 2);
	assert_string_equal(watched.kind, "port-scan");
	// Longer quiet, changed while they are raised.
	rig.config.watch.quiet_s = 300;
	quiet_for(299);
	assert_int_equal(watched.cleared, 0);
	quiet_for(2);
	assert_int_equal(watched.cleared, 2);
}

// --- late lane

// A device returns after three days with 10,000 readings, hot ones among them, while others go on.
static void late_readings_come_once_in_order_and_alarm_nobody(void **) {
	char text[160];
	uint32_t live = 0;
	uint64_t waited = 0;

	memset(&seen, 0, sizeof(seen));
	rig.profile.late_after_s = 3600;
	one_field((struct profile_field) {
		.name = VIEW_LITERAL("t"),
		.rate_max = 1,
		.stuck_after_s = 10,
		.alert = {.above = true, .raise_above = 85, .clear_below = 80},
	});
	send_at(1000, "\"t\":20", 0);
	uint64_t share = 4096 / 4;
	for (uint64_t n = 0; n < 10000;) {
		snprintf(
			text,
			sizeof(text),
			"{\"dev\":\"returned\",\"ts\":%lld,\"seq\":%llu,\"t\":%u}",
			(long long)(wall_ms() - 3ll * 86400 * 1000 + (int64_t)n * 1000),
			(unsigned long long)n,
			n % 7 == 0 ? 99u : 20u
		);
		send(text, 1);
		if (rig_counter(&rig, STAGE_LATE_PARKED) > waited) {
			// Its share is used up; it waits without an answer. Live ones still pass.
			waited = rig_counter(&rig, STAGE_LATE_PARKED);
			uint64_t before = messages()->accepted;
			rig.now_ns += 1000000;
			rig.wall_ns += 1000000;
			send_at(0, "\"t\":20.1", 2);
			assert_true(messages()->accepted > before);
			live++;
			if (waited % 100 == 0)
				settle();
			n++;
			continue;
		}
		assert_true(rig.workers[0].ledger.records[TRANSPORT_MQTT].in_flight <= share + 2);
		n++;
		if (n > 5000)
			continue; // from here on it has more on its way than its window has entries
		if (n % 50 == 0)
			send(text, 3); // a copy of what is still on its way
		if (n % 5 == 0)
			settle();
		if (n % 50 == 0)
			send(text, 3); // and of what Kafka has
	}
	do {
		settle();
		pipeline_run(rig.workers[0].p, rig.now_ns, rig.wall_ns);
	} while (!pipeline_idle(rig.workers[0].p));
	assert_true(waited > 200);
	assert_int_equal(messages()->shed[SHED_LATE], 0);
	assert_int_equal(seen.records, 10000 + live + 1);
	assert_int_equal(seen.alerts, 0);
	assert_int_equal(rig_found(&rig, FINDING_LATE), 10000);
	assert_int_equal(rig_found(&rig, FINDING_RATE), 0);
	assert_int_equal(rig_found(&rig, FINDING_STUCK), 0);
	assert_int_equal(rig_found(&rig, FINDING_ORDER), 0);
	assert_int_equal(rig_found(&rig, FINDING_GAP), 0);
	assert_int_equal(messages()->duplicate, 200);
	assert_int_equal(seen.late, 10000);
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
		CASE(one_raise_one_clear),
		CASE(it_must_hold_for_its_time),
		CASE(an_alert_that_finds_no_room_comes_later),
		CASE(unusual_after_the_warm_up),
		CASE(a_device_that_reconnects_for_ever),
		CASE(a_device_in_two_places),
		CASE(a_device_that_sends_ten_times_as_much),
		CASE(a_peer_that_looks_for_open_ports),
		CASE(a_scan_that_wakes_an_idle_worker),
		CASE(a_ban_that_would_hit_a_crowd),
		CASE(an_alert_that_finds_no_room_is_told_within_a_second),
		CASE(limits_are_the_configurations),
		CASE(late_readings_come_once_in_order_and_alarm_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
