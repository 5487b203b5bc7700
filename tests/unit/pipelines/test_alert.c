// SPDX-License-Identifier: Apache-2.0
// Alerts of fields: what is told to the alert topic, once, and what readings of yesterday tell:
// nothing.
#include "tests/unit/pipelines/remember_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include <cmocka.h>

static struct rig rig;

static struct {
	uint32_t records, late, alerts, raised, cleared;
	char last_kind[32];
	double last_value;
	int64_t last_time_ns;
} seen;

static int setup(void **) {
	rig_start(&rig, 1);
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static int teardown(void **) {
	rig_stop(&rig);
	return 0;
}

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

	rig_field(
		&rig,
		(struct profile_field) {
			.name = VIEW_LITERAL("t"),
			.alert = {.above = true, .raise_above = 85, .clear_below = 80},
		}
	);
	for (uint32_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		rig_value_at(&rig, 60000 - 1000 * i, values[i]);
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
	rig_field(
		&rig,
		(struct profile_field) {
			.name = VIEW_LITERAL("t"),
			.alert =
				{.below = true, .raise_below = 5, .clear_above = 8, .for_ms = 3000},
		}
	);
	rig_value_at(&rig, 60000, 4);
	rig_value_at(&rig, 58000, 4);
	rig_value_at(&rig, 57500, 6); // ended: it begins anew
	rig_value_at(&rig, 57000, 4);
	rig_value_at(&rig, 54001, 3);
	settle();
	assert_int_equal(seen.alerts, 0);
	rig_value_at(&rig, 54000, 3);
	settle();
	assert_int_equal(seen.raised, 1);
	assert_string_equal(seen.last_kind, "below");
}

// No room in the batches: nothing is told, and told later instead of never.
static void an_alert_that_finds_no_room_comes_later(void **) {
	rig_field(
		&rig,
		(struct profile_field) {
			.name = VIEW_LITERAL("t"),
			.alert = {.above = true, .raise_above = 85, .clear_below = 80},
		}
	);
	rig.topics[2].partitions = 0; // not known yet
	rig_value_at(&rig, 60000, 90);
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_HELD), 1);
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_RAISED), 0);
	rig.topics[2].partitions = 1;
	rig_value_at(&rig, 59000, 91);
	rig.topics[2].partitions = 0;
	rig_value_at(&rig, 58000, 70);
	rig.topics[2].partitions = 1;
	rig_value_at(&rig, 57000, 70);
	settle();
	assert_int_equal(seen.raised, 1);
	assert_int_equal(seen.cleared, 1);
}

static void unusual_after_the_warm_up(void **) {
	static const double noise[] = {0, 1, -1, 0.5, -0.5, 0.8, -0.8, 0.2};

	rig_field(
		&rig,
		(struct profile_field) {
			.name = VIEW_LITERAL("t"),
			.alert =
				{.unusual = true,
				 .z_raise = 6,
				 .z_clear = 3,
				 .warmup = 30,
				 .smoothing = 0.05},
		}
	);
	rig_value_at(&rig, 500000, 20);
	rig_value_at(&rig, 499000, 50); // during the warm-up nothing is unusual
	for (uint32_t i = 2; i < 200; i++)
		rig_value_at(&rig, 500000 - 1000 * i, 20 + noise[i % 8]);
	settle();
	assert_int_equal(seen.alerts, 0);
	rig_value_at(&rig, 200000, 30);
	rig_value_at(&rig, 199000, 20.3);
	settle();
	assert_int_equal(seen.raised, 1);
	assert_int_equal(seen.cleared, 1);
	assert_string_equal(seen.last_kind, "unusual");
	assert_int_equal(rig_found(&rig, FINDING_UNUSUAL), 1);
	// The outlier has not widened what is usual.
	rig_value_at(&rig, 198000, 30);
	assert_int_equal(rig_found(&rig, FINDING_UNUSUAL), 2);
}

static const struct ledger_messages *messages(void) {
	return &rig.workers[0].ledger.messages[TRANSPORT_MQTT];
}

// A device returns after three days with 10,000 readings, hot ones among them, while others go on.
static void late_readings_come_once_in_order_and_alarm_nobody(void **) {
	char text[160];
	uint32_t live = 0;
	uint64_t waited = 0;

	rig.profile.late_after_s = 3600;
	rig_field(
		&rig,
		(struct profile_field) {
			.name = VIEW_LITERAL("t"),
			.rate_max = 1,
			.stuck_after_s = 10,
			.alert = {.above = true, .raise_above = 85, .clear_below = 80},
		}
	);
	rig_send_at(&rig, 1000, "\"t\":20", 0);
	uint64_t share = 4096 / 4;
	for (uint64_t n = 0; n < 10000;) {
		snprintf(
			text,
			sizeof(text),
			"{\"dev\":\"returned\",\"ts\":%lld,\"seq\":%llu,\"t\":%u}",
			(long long)(rig.wall_ns / 1000000 - 3ll * 86400 * 1000 + (int64_t)n * 1000),
			(unsigned long long)n,
			n % 7 == 0 ? 99u : 20u
		);
		rig_send(&rig, text, 1);
		if (rig_counter(&rig, STAGE_LATE_PARKED) > waited) {
			// Its share is used up; it waits without an answer. Live ones still pass.
			waited = rig_counter(&rig, STAGE_LATE_PARKED);
			uint64_t before = messages()->accepted;
			rig.now_ns += 1000000;
			rig.wall_ns += 1000000;
			rig_send_at(&rig, 0, "\"t\":20.1", 2);
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
			rig_send(&rig, text, 3); // a copy of what is still on its way
		if (n % 5 == 0)
			settle();
		if (n % 50 == 0)
			rig_send(&rig, text, 3); // and of what Kafka has
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
		CASE(one_raise_one_clear),
		CASE(it_must_hold_for_its_time),
		CASE(an_alert_that_finds_no_room_comes_later),
		CASE(unusual_after_the_warm_up),
		CASE(late_readings_come_once_in_order_and_alarm_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
