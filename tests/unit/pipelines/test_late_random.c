// SPDX-License-Identifier: Apache-2.0
// The late lane against a naive oracle: devices that send what is new and what is days old, in turn
// and in one message, while Kafka answers when it likes. What is late waits when its share is used
// up, or when something late waits already, and only then; what is not late never waits for it;
// nobody is told to come again; everything arrives once, in the order in which it was taken.
//   test_late_random [SEED [EPISODES]]
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

// What waits in the lane, first come first.
struct waiting {
	struct held h;
	bool is_late[RECORDS];
};
static struct waiting lane[MESSAGES];
static unsigned lane_at, lane_end;

static uint32_t next_number[DEVICES]; // of the records a device makes
static uint32_t next_token; // below RIG_TOKENS: one episode has no more messages
static uint32_t arrived; // records, in this completion
static struct {
	unsigned device;
	uint32_t number;
	bool late;
} coming[HELD_MAX * RECORDS]; // records in the order in which they were taken
static uint32_t coming_at, coming_end;
static uint64_t taken, late_taken, waited, copies, refused;

static unsigned late_in_flight(void) {
	unsigned n = 0;

	for (unsigned i = 0; i < held_count; i++)
		n += held[i].late;
	return n;
}

static void look(struct rig *, uint16_t, const struct batch *b, const struct batch_entry *e) {
	if (e->kind != ENTRY_RECORD)
		fail_msg("something else than a record: %d", e->kind);
	yyjson_doc *doc = yyjson_read((const char *)b->buf + e->offset, e->len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *device = yyjson_get_str(yyjson_obj_get(root, "device"));
	yyjson_val *fields = yyjson_obj_get(root, "fields");
	bool late = false;
	size_t i, n;
	yyjson_val *f;

	assert_true(device != NULL && arrived < coming_end - coming_at);
	unsigned at = (coming_at + arrived++) % (HELD_MAX * RECORDS);
	yyjson_arr_foreach(yyjson_obj_get(root, "findings"), i, n, f) late |=
		strcmp(yyjson_get_str(yyjson_obj_get(f, "finding")), "late") == 0;
	assert_int_equal(device[1] - '0', coming[at].device);
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(fields, "n")), coming[at].number);
	assert_int_equal(late, coming[at].late);
	yyjson_doc_free(doc);
}

// Everything that was taken up to now; with `refuse`, Kafka will have none of it.
static void kafka_answers(bool refuse) {
	arrived = 0;
	rig.delivered = look;
	rig_complete(&rig, 0, refuse ? RESULT_REFUSED : RESULT_DELIVERED);
	assert_int_equal(arrived, refuse ? 0 : coming_end - coming_at);
	coming_at = coming_end;
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

static void write_message(char *text, size_t size, const struct held *h, const int64_t *times_ms) {
	size_t n = 0;

	for (unsigned i = 0; i < h->count; i++)
		n += (size_t)snprintf(
			text + n,
			size - n,
			"%c{\"dev\":\"d%u\",\"ts\":%" PRId64 ",\"seq\":%u,\"n\":%u}",
			i == 0 ? '[' : ',',
			h->device,
			times_ms[i],
			h->first + i,
			h->first + i
		);
	snprintf(text + n, size - n, "]");
}

static uint32_t send(const char *text) {
	uint32_t token = next_token++;
	struct message m = rig_message(&rig, text, token);

	rig_push(&rig, 0, &m);
	return token;
}

static void take(const struct held *h, const bool *is_late) {
	held[held_count++] = *h;
	taken += h->count;
	late_taken += h->late;
	for (unsigned i = 0; i < h->count; i++, coming_end++) {
		unsigned at = coming_end % (HELD_MAX * RECORDS);
		coming[at].device = h->device;
		coming[at].number = h->first + i;
		coming[at].late = is_late[i];
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
		take(&lane[lane_at].h, lane[lane_at].is_late);
}

// Sends it and knows where it is now. Afterwards the lane has had its turn.
static bool send_as_naively(const char *text, struct held *h, const bool *is_late) {
	bool waits = h->late > 0 && (lane_at != lane_end || !fits(h));

	h->token = send(text);
	assert_int_equal(rig.verdicts[h->token], 0);
	if (waits) {
		lane[lane_end].h = *h;
		memcpy(lane[lane_end].is_late, is_late, sizeof(lane[0].is_late));
		lane_end++;
		waited++;
	} else {
		take(h, is_late);
	}
	lane_turn();
	return waits;
}

static void message(void) {
	static char text[8192];
	int64_t times_ms[RECORDS];
	bool is_late[RECORDS] = {0};
	struct held h = {.device = below(DEVICES), .count = 1 + below(8)};
	unsigned mix = below(4); // none late, all, some, or just at the limit

	if (below(20) == 0)
		h.count = RECORDS - below(4);
	h.first = next_number[h.device];
	for (unsigned i = 0; i < h.count; i++) {
		bool old = mix == 1 || (mix == 2 && below(2));
		int64_t age_ms = old ? 3600000 + 1 + below(3 * 86400000) : below(3600000);
		if (mix == 3)
			age_ms = 3600000 + below(2);
		is_late[i] = age_ms > 3600000;
		h.late += is_late[i];
		times_ms[i] = rig.wall_ns / MS - age_ms;
	}
	write_message(text, sizeof(text), &h, times_ms);
	next_number[h.device] += h.count;
	if (send_as_naively(text, &h, is_late) || below(30) != 0)
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
		send_as_naively(text, &h, is_late);
		return;
	}
	uint32_t again = send(text); // and a third time: Kafka has it
	assert_int_equal(rig.verdicts[again], 1);
	assert_int_equal(rig.outcome[again], OUTCOME_ACKED);
	lane_turn();
}

static void episode(void) {
	rig_start(&rig, 1);
	rig.profile.late_after_s = 3600;
	rig.profile.on[FINDING_GAP] = FINDING_IGNORE; // a refused message leaves one
	rig.config.pipeline.late_share = below(4) == 0 ? 100 : 1 + below(6);
	next_token = 0;
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
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_RAISED), 0);
	rig_stop(&rig);
}

static void late_and_live_as_a_naive_reader_would_let_them_pass(void **) {
	for (uint64_t n = 0; n < episodes; n++) {
		state = (seed * 1000003 + n) * 0x9e3779b97f4a7c15u | 1;
		episode();
	}
	print_message(
		"%" PRIu64 " messages: records taken %" PRIu64 " late %" PRIu64
		", messages that waited %" PRIu64 ", sent again %" PRIu64 ", refused %" PRIu64 "\n",
		episodes * MESSAGES,
		taken,
		late_taken,
		waited,
		copies,
		refused
	);
	assert_true(waited > episodes && copies > episodes && refused > episodes);
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
