// SPDX-License-Identifier: Apache-2.0
// The late lane against a naive oracle: devices that send what is new and what is days old, in turn
// and in one message, while Kafka answers when it likes. What is late waits when its share is used
// up, or when something late waits already, and only then; what is not late never waits for it;
// nobody is told to come again; everything arrives once, in the order in which it was taken. Order,
// gaps, rate of change, stuck and alerts are as if each message had been looked at once, then.
//   test_late_random [SEED [EPISODES]]
#include "tests/unit/pipelines/field_oracle.h"
#include "tests/unit/pipelines/remember_rig.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include <cmocka.h>

#define DEVICES 6
#define MESSAGES 1000
#define RECORDS 48 // more than the smallest share, 1 % of the rig's
#define IN_FLIGHT 4096 // of the rig
#define HELD_MAX 64 // messages in flight: far less than the rig's batches take
#define MS INT64_C(1000000)

static uint64_t seed = 1, episodes = 100;
static uint64_t state;
static struct rig rig;

static uint64_t any(void) {
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 2685821657736338717u;
}

static uint32_t below(uint32_t n) {
	return (uint32_t)(any() >> 33) % n;
}

// What is in flight, oldest first.
struct held {
	unsigned device;
	unsigned count, late;
	uint32_t first; // number of its first record
	uint32_t token;
};
static struct held held[HELD_MAX + IN_FLIGHT];
static unsigned held_count;

// Of a message's records.
struct sent {
	bool late[RECORDS];
	int64_t times_ms[RECORDS];
	int values[RECORDS]; // of field t, in tenths
};

// What waits in the lane, first come first.
struct waiting {
	struct held h;
	struct sent s;
};
static struct waiting lane[MESSAGES];
static unsigned lane_at, lane_end;

static uint32_t next_number[DEVICES]; // of the records a device makes
static uint32_t next_token; // below RIG_TOKENS: one episode has no more messages
static uint32_t arrived; // records, in this completion
static struct {
	unsigned device;
	uint32_t number;
	char findings[96];
} coming[HELD_MAX * RECORDS]; // records in the order in which they were taken
static uint32_t coming_at, coming_end;
static struct {
	unsigned device;
	bool raise;
} alerts[HELD_MAX * RECORDS]; // the same
static uint32_t alert_at, alert_end;
static uint64_t taken, late_taken, waited, copies, refused, raised, found;
static uint64_t gap_numbers; // of one episode

// What is remembered of a device.
static struct {
	bool known;
	uint64_t seq;
	int64_t newest_ms;
	struct field_oracle *t;
} devices[DEVICES];
static int walk[DEVICES];

static unsigned late_in_flight(void) {
	unsigned n = 0;

	for (unsigned i = 0; i < held_count; i++)
		n += held[i].late;
	return n;
}

static void look_record(yyjson_val *root) {
	const char *device = yyjson_get_str(yyjson_obj_get(root, "device"));
	yyjson_val *fields = yyjson_obj_get(root, "fields");
	char findings[sizeof(coming[0].findings)] = "";
	size_t i, n, len = 0;
	yyjson_val *f;

	assert_true(device != NULL && arrived < coming_end - coming_at);
	unsigned at = (coming_at + arrived++) % (HELD_MAX * RECORDS);
	yyjson_arr_foreach(yyjson_obj_get(root, "findings"), i, n, f) len += (size_t)snprintf(
		findings + len,
		sizeof(findings) - len,
		"%s:%" PRIu64 ",",
		yyjson_get_str(yyjson_obj_get(f, "finding")),
		yyjson_get_uint(yyjson_obj_get(f, "detail"))
	);
	assert_int_equal(device[1] - '0', coming[at].device);
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(fields, "n")), coming[at].number);
	assert_string_equal(findings, coming[at].findings);
}

static void look_alert(yyjson_val *root) {
	const char *device = yyjson_get_str(yyjson_obj_get(root, "device"));
	const char *what = yyjson_get_str(yyjson_obj_get(root, "alert"));

	assert_true(device != NULL && alert_at != alert_end);
	unsigned at = alert_at++ % (HELD_MAX * RECORDS);
	assert_int_equal(device[1] - '0', alerts[at].device);
	assert_string_equal(what, alerts[at].raise ? "raise" : "clear");
}

static void look(struct rig *, uint16_t, const struct batch *b, const struct batch_entry *e) {
	yyjson_doc *doc = yyjson_read((const char *)b->buf + e->offset, e->len, 0);

	if (e->kind == ENTRY_RECORD)
		look_record(yyjson_doc_get_root(doc));
	else if (e->kind == ENTRY_ALERT)
		look_alert(yyjson_doc_get_root(doc));
	else
		fail_msg("neither a record nor an alert: %d", e->kind);
	yyjson_doc_free(doc);
}

// Everything that was taken up to now; with `refuse`, Kafka will have none of it.
static void kafka_answers(bool refuse) {
	arrived = 0;
	rig.delivered = look;
	rig_complete(&rig, 0, refuse ? RESULT_REFUSED : RESULT_DELIVERED);
	assert_int_equal(arrived, refuse ? 0 : coming_end - coming_at);
	coming_at = coming_end;
	if (!refuse)
		assert_int_equal(alert_at, alert_end);
	alert_at = alert_end;
	for (unsigned i = 0; i < held_count; i++) {
		assert_int_equal(rig.verdicts[held[i].token], 1);
		assert_int_equal(
			rig.outcome[held[i].token], refuse ? OUTCOME_REFUSED : OUTCOME_ACKED
		);
		refused += refuse;
	}
	held_count = 0;
	if (refuse) { // the dead letters
		rig.delivered = NULL;
		rig_complete(&rig, 0, RESULT_DELIVERED);
	}
}

static void write_message(char *text, size_t size, const struct held *h, const struct sent *s) {
	size_t n = 0;

	for (unsigned i = 0; i < h->count; i++)
		n += (size_t)snprintf(
			text + n,
			size - n,
			"%c{\"dev\":\"d%u\",\"ts\":%" PRId64 ",\"seq\":%u,\"n\":%u,\"t\":%d.%d}",
			i == 0 ? '[' : ',',
			h->device,
			s->times_ms[i],
			h->first + i,
			h->first + i,
			s->values[i] / 10,
			s->values[i] % 10
		);
	snprintf(text + n, size - n, "]");
}

static uint32_t send(const char *text) {
	uint32_t token = next_token++;
	struct message m = rig_message(&rig, text, token);

	rig_push(&rig, 0, &m);
	return token;
}

static void note(char *findings, enum finding f, uint64_t detail) {
	size_t len = strlen(findings);

	snprintf(
		findings + len,
		sizeof(coming[0].findings) - len,
		"%s:%" PRIu64 ",",
		finding_label(f),
		detail
	);
	found++;
}

static void tell(unsigned device, int what, bool raise) {
	if (what == 0)
		return;
	alerts[alert_end % (HELD_MAX * RECORDS)].device = device;
	alerts[alert_end++ % (HELD_MAX * RECORDS)].raise = raise;
	raised += raise;
}

// A record of the present, as docs/profiles.md reads.
static void judge(unsigned d, uint64_t seq, int64_t at_ms, int value, char *findings) {
	uint64_t missing = devices[d].known && seq > devices[d].seq ? seq - devices[d].seq - 1 : 0;

	if (!devices[d].known || seq > devices[d].seq || devices[d].seq - seq > 1024)
		devices[d].seq = seq;
	gap_numbers += missing;
	if (missing > 0)
		note(findings, FINDING_GAP, missing);
	if (devices[d].known && at_ms < devices[d].newest_ms) {
		note(findings, FINDING_ORDER, 0);
		return;
	}
	devices[d].newest_ms = at_ms;
	devices[d].known = true;
	struct oracle_sample x = {.at_ms = at_ms, .number = value / 10.0};
	struct oracle_says says = field_oracle_sample(devices[d].t, &rig.fields[0], x, 0);
	if (says.rate)
		note(findings, FINDING_RATE, 0);
	if (says.stuck)
		note(findings, FINDING_STUCK, 0);
	tell(d, says.cleared, false);
	tell(d, says.raised, true);
}

static void take(const struct held *h, const struct sent *s) {
	held[held_count++] = *h;
	taken += h->count;
	late_taken += h->late;
	for (unsigned i = 0; i < h->count; i++, coming_end++) {
		unsigned at = coming_end % (HELD_MAX * RECORDS);
		char *findings = coming[at].findings;
		uint32_t number = h->first + i;
		coming[at].device = h->device;
		coming[at].number = number;
		findings[0] = '\0';
		if (s->late[i])
			note(findings, FINDING_LATE, 0);
		else
			judge(h->device, number, s->times_ms[i], s->values[i], findings);
	}
}

static uint64_t share(void) {
	return (uint64_t)IN_FLIGHT * rig.config.pipeline.late_share / 100;
}

static bool fits(const struct held *h) {
	return late_in_flight() == 0 || late_in_flight() + h->late <= share();
}

static void lane_turn(void) {
	for (; lane_at != lane_end && fits(&lane[lane_at].h); lane_at++)
		take(&lane[lane_at].h, &lane[lane_at].s);
}

// Sends it and knows where it is now. Afterwards the lane has had its turn.
static bool send_as_naively(const char *text, struct held *h, const struct sent *s) {
	bool waits = h->late > 0 && (lane_at != lane_end || !fits(h));

	h->token = send(text);
	assert_int_equal(rig.verdicts[h->token], 0);
	if (waits) {
		lane[lane_end].h = *h;
		lane[lane_end++].s = *s;
		waited++;
	} else {
		take(h, s);
	}
	lane_turn();
	return waits;
}

static int walk_on(unsigned device) {
	int *at = &walk[device];

	*at += (int)below(5) * 10 - 20;
	*at = *at < 700 ? 700 : *at > 950 ? 950 : *at;
	return *at;
}

static void message(void) {
	static char text[8192];
	struct sent s = {0};
	struct held h = {.device = below(DEVICES), .count = 1 + below(8)};
	unsigned mix = below(4); // none late, all, some, or just at the limit

	if (below(20) == 0)
		h.count = RECORDS - below(4);
	h.first = next_number[h.device];
	for (unsigned i = 0; i < h.count; i++) {
		bool old = mix == 1 || (mix == 2 && below(2));
		int64_t age_ms = old ? 3600000 + 1 + below(3 * 86400000)
				     : below(below(4) == 0 ? 3600000 : 2000);
		if (mix == 3)
			age_ms = 3600000 + below(2);
		s.late[i] = age_ms > 3600000;
		h.late += s.late[i];
		s.times_ms[i] = rig.wall_ns / MS - age_ms;
		s.values[i] = old && below(3) == 0 ? 990 : walk_on(h.device);
	}
	write_message(text, sizeof(text), &h, &s);
	next_number[h.device] += h.count;
	if (send_as_naively(text, &h, &s) || below(30) != 0)
		return;
	// The device did not hear of it and says it again: it is told what becomes of the first.
	h.token = send(text);
	assert_int_equal(rig.verdicts[h.token], 0);
	lane_turn();
	bool refuse = below(4) == 0;
	kafka_answers(refuse);
	assert_int_equal(rig.outcome[h.token], refuse ? OUTCOME_REFUSED : OUTCOME_ACKED);
	copies++;
	if (refuse) { // what failed may be sent again, and goes by the same rules
		send_as_naively(text, &h, &s);
		return;
	}
	uint32_t again = send(text); // and a third time: Kafka has it
	assert_int_equal(rig.verdicts[again], 1);
	assert_int_equal(rig.outcome[again], OUTCOME_ACKED);
	lane_turn();
}

static void episode(void) {
	uint64_t raised_before = raised;

	rig_start(&rig, 1);
	rig.profile.late_after_s = 3600;
	rig.fields[0] = (struct profile_field) {
		.name = VIEW_LITERAL("t"),
		.rate_max = 20,
		.stuck_after_s = 2,
		.alert = {.above = true, .raise_above = 85, .clear_below = 80, .for_ms = 200},
	};
	rig.profile.field_count = 1;
	assert_int_equal(profile_compile(&rig.profile), 0);
	rig.config.pipeline.late_share = below(4) == 0 ? 100 : 1 + below(6);
	next_token = 0;
	gap_numbers = 0;
	for (unsigned d = 0; d < DEVICES; d++) {
		devices[d].known = false;
		field_oracle_reset(devices[d].t);
		walk[d] = 800;
	}
	held_count = 0;
	coming_at = coming_end = 0;
	lane_at = lane_end = 0;
	memset(next_number, 0, sizeof(next_number));
	for (unsigned n = 0; n < MESSAGES; n++) {
		int64_t passed = below(50) * MS;
		rig.now_ns += (uint64_t)passed;
		rig.wall_ns += passed;
		message();
		if (held_count > HELD_MAX - 3 || coming_end - coming_at > 1000 || below(40) == 0)
			kafka_answers(below(20) == 0);
	}
	kafka_answers(false);
	while (lane_at != lane_end) {
		pipeline_run(rig.workers[0].p, rig.now_ns, rig.wall_ns);
		lane_turn();
		kafka_answers(false);
	}
	assert_int_equal(rig.workers[0].ledger.messages[TRANSPORT_MQTT].shed[SHED_LATE], 0);
	assert_true(pipeline_idle(rig.workers[0].p));
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_RAISED), raised - raised_before);
	assert_int_equal(rig_counter(&rig, STAGE_GAP_NUMBERS), gap_numbers);
	assert_int_equal(rig_counter(&rig, STAGE_DEDUP_KEYED), next_token);
	rig_stop(&rig);
}

static void late_and_live_as_a_naive_reader_would_let_them_pass(void **) {
	for (unsigned d = 0; d < DEVICES; d++) {
		devices[d].t = calloc(1, sizeof(struct field_oracle));
		assert_non_null(devices[d].t);
	}
	for (uint64_t n = 0; n < episodes; n++) {
		state = (seed * 1000003 + n) * 0x9e3779b97f4a7c15u | 1;
		episode();
	}
	print_message(
		"%" PRIu64 " messages: records taken %" PRIu64 " late %" PRIu64
		", messages that waited %" PRIu64 ", sent again %" PRIu64 ", refused %" PRIu64
		", findings of the others %" PRIu64 ", alerts %" PRIu64 "\n",
		episodes * MESSAGES,
		taken,
		late_taken,
		waited,
		copies,
		refused,
		found - late_taken,
		raised
	);
	for (unsigned d = 0; d < DEVICES; d++)
		free(devices[d].t);
	assert_true(waited > episodes && copies > episodes && refused > episodes);
	assert_true(found - late_taken > 100 * episodes && raised > episodes);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_and_live_as_a_naive_reader_would_let_them_pass),
	};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		episodes = strtoull(argv[2], NULL, 10);
	print_message("seed %" PRIu64 "\n", seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
