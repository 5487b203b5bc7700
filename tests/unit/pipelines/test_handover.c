// SPDX-License-Identifier: Apache-2.0
// Devices that hop between workers under load, copies and refusals among their messages: what Kafka
// gets, and what the devices are told.
#include "tests/unit/pipelines/remember_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEVICES 12
#define SEQS 4000

static struct rig rig;
static uint8_t delivered[DEVICES][SEQS];
static struct {
	uint16_t device, seq;
} sent[RIG_TOKENS];
static uint32_t tokens;

static int setup_two(void **) {
	rig_start(&rig, 2);
	memset(delivered, 0, sizeof(delivered));
	tokens = 0;
	return 0;
}

static int setup_three(void **state) {
	setup_two(state);
	rig_stop(&rig);
	rig_start(&rig, 3);
	return 0;
}

static int teardown(void **) {
	rig_stop(&rig);
	return 0;
}

static void
look(struct rig *, uint16_t worker, const struct batch *b, const struct batch_entry *e) {
	unsigned d, n;
	char text[1024];

	if (e->kind != ENTRY_RECORD)
		return;
	assert_true(e->len < sizeof(text));
	memcpy(text, b->buf + e->offset, e->len);
	text[e->len] = 0;
	const char *at = strstr(text, "\"d\":");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "\"d\":%u,\"n\":%u", &d, &n), 2);
	assert_true(d < DEVICES && n < SEQS);
	delivered[d][n]++;
}

static uint32_t send(uint16_t worker, uint16_t device, uint16_t seq, bool waits) {
	char text[160];
	uint32_t token = tokens++;

	assert_true(token < RIG_TOKENS);
	sent[token].device = device;
	sent[token].seq = seq;
	snprintf(
		text,
		sizeof(text),
		"{\"dev\":\"dev-%u\",\"seq\":%u,\"d\":%u,\"n\":%u}",
		device,
		seq,
		device,
		seq
	);
	struct message m = rig_message(&rig, text, waits ? token : TOKEN_NONE);
	rig_push(&rig, worker, &m);
	// What is parked must not point to what the adapter has freed.
	memset(text, 'X', sizeof(text));
	return token;
}

static uint32_t next_random(void) {
	static uint32_t random = 7;

	random = random * 1664525 + 1013904223;
	return random >> 4;
}

static void settle_all(void) {
	rig.delivered = look;
	for (uint32_t i = 0; i < 200; i++) {
		rig_letters(&rig, 100, next_random());
		for (uint16_t w = 0; w < rig.worker_count; w++)
			rig_complete(&rig, w, RESULT_DELIVERED);
	}
	for (uint16_t w = 0; w < rig.worker_count; w++) {
		pipeline_run(rig.workers[w].p, rig.now_ns, rig.wall_ns);
		assert_true(pipeline_idle(rig.workers[w].p));
	}
}

static void every_token_has_one_verdict(void) {
	for (uint32_t t = 0; t < tokens; t++)
		if (rig.verdicts[t] != 1)
			fail_msg("token %u: %u verdicts", t, rig.verdicts[t]);
}

// Acknowledged: Kafka has it, once.
static void what_is_acknowledged_was_delivered(void) {
	uint32_t acked = 0;

	for (uint32_t t = 0; t < tokens; t++) {
		if (rig.verdicts[t] == 0 || rig.outcome[t] != OUTCOME_ACKED)
			continue;
		acked++;
		if (delivered[sent[t].device][sent[t].seq] != 1)
			fail_msg(
				"device %u, %u: acknowledged, delivered %u times",
				sent[t].device,
				sent[t].seq,
				delivered[sent[t].device][sent[t].seq]
			);
	}
	assert_true(acked > tokens / 2);
}

static void the_state_comes_along(void **) {
	uint32_t first = send(0, 0, 5, true);
	uint32_t copy = send(1, 0, 5, true);

	assert_int_equal(rig.verdicts[first] + rig.verdicts[copy], 0);
	settle_all();
	assert_int_equal(rig.outcome[first], OUTCOME_ACKED);
	assert_int_equal(rig.outcome[copy], OUTCOME_ACKED);
	assert_int_equal(delivered[0][5], 1);
	send(0, 0, 6, true);
	send(1, 0, 8, true);
	settle_all();
	assert_int_equal(rig_found(&rig, FINDING_GAP), 1);
	assert_int_equal(rig_duplicates(&rig), 1);
	every_token_has_one_verdict();
}

static void a_refusal_finds_the_copy_elsewhere(void **) {
	uint32_t first = send(0, 0, 5, true);

	rig_letters(&rig, 200, 1); // home may be worker 1
	uint32_t copy = send(1, 0, 5, true);
	rig_letters(&rig, 200, 1);
	for (uint16_t w = 0; w < 2; w++)
		rig_complete(&rig, w, RESULT_REFUSED);
	settle_all();
	assert_int_equal(rig.outcome[first], OUTCOME_REFUSED);
	assert_int_equal(rig.outcome[copy], OUTCOME_REFUSED);
	uint32_t again = send(1, 0, 5, true);
	settle_all();
	assert_int_equal(rig.outcome[again], OUTCOME_ACKED);
	assert_int_equal(delivered[0][5], 1);
	every_token_has_one_verdict();
}

static uint64_t shed_in_all(void) {
	uint64_t n = 0;

	for (uint16_t w = 0; w < rig.worker_count; w++)
		for (enum shed_reason r = 0; r < SHED_REASON_COUNT; r++)
			n += rig.workers[w].ledger.messages[TRANSPORT_MQTT].shed[r];
	return n;
}

// Every message goes to any worker, with copies; letters and results take their time.
static void hop(bool refusals) {
	uint16_t next[DEVICES] = {0};

	rig.delivered = look;
	for (uint32_t step = 0; step < 20000; step++) {
		uint32_t r = next_random();
		uint16_t d = (uint16_t)(r % DEVICES);
		uint16_t w = (uint16_t)((r >> 8) % rig.worker_count);
		if ((r >> 12) % 2 == 0 && next[d] < SEQS)
			send(w, d, next[d]++, (r >> 20) % 8 != 0);
		else if (next[d] > 0 && (r >> 12) % 4 == 1)
			send(w, d, (uint16_t)(next[d] - 1 - r % (next[d] < 3 ? next[d] : 3)), true);
		rig_letters(&rig, (r >> 16) % 4 * (rig.worker_count - 1u), r);
		if ((r >> 18) % 8 == 0)
			rig_complete(
				&rig,
				w,
				refusals && (r >> 14) % 8 == 0 ? RESULT_REFUSED : RESULT_DELIVERED
			);
		rig.now_ns += 1000000;
		rig.wall_ns += 1000000;
	}
	settle_all();
	print_message(
		"%u messages, %llu copies, %llu attached, %llu handovers, %llu parked, %llu "
		"pinned, "
		"%llu copied to the owner, %llu without an entry, %llu shed\n",
		tokens,
		(unsigned long long)rig_duplicates(&rig),
		(unsigned long long)rig_counter(&rig, STAGE_DEDUP_ATTACHED),
		(unsigned long long)rig_counter(&rig, STAGE_HANDOVER_ASKED),
		(unsigned long long)rig_counter(&rig, STAGE_HANDOVER_PARKED),
		(unsigned long long)rig_counter(&rig, STAGE_HANDOVER_PINNED),
		(unsigned long long)rig_counter(&rig, STAGE_HANDOVER_COPIED),
		(unsigned long long)rig_counter(&rig, STAGE_DEDUP_FULL),
		(unsigned long long)shed_in_all()
	);
	assert_true(rig_duplicates(&rig) > 500);
	assert_true(rig_counter(&rig, STAGE_HANDOVER_ASKED) > 300);
	assert_true(rig_counter(&rig, STAGE_HANDOVER_COPIED) > 100);
	assert_int_equal(rig_counter(&rig, STAGE_DEDUP_FULL), 0);
	assert_int_equal(rig_counter(&rig, STAGE_DEVICES_STATELESS), 0);
}

static void none_lost_none_twice(void **) {
	hop(false);
	// What was shed, its device sends again.
	uint32_t until = tokens;
	for (uint32_t t = 0; t < until; t++) {
		if (delivered[sent[t].device][sent[t].seq] > 0)
			continue;
		assert_true(rig.verdicts[t] == 0 || rig.outcome[t] == OUTCOME_SHED);
		send(0, sent[t].device, sent[t].seq, true);
		settle_all();
	}
	assert_true(tokens - until < 100);
	for (uint32_t t = 0; t < tokens; t++)
		assert_int_equal(delivered[sent[t].device][sent[t].seq], 1);
	what_is_acknowledged_was_delivered();
}

// A device reconnects elsewhere while its last messages are on their way: order and sequence are
// judged as if it had stayed, copies of what the first worker has in flight are recognised.
static void order_is_kept_across_reconnects(void **) {
	uint16_t next[DEVICES] = {0}, at[DEVICES] = {0};

	rig.delivered = look;
	for (uint32_t step = 0; step < 8000; step++) {
		uint32_t r = next_random();
		uint16_t d = (uint16_t)(r % DEVICES);
		if ((r >> 8) % 8 == 0) {
			rig_letters(&rig, 500, r);
			at[d] = (uint16_t)((at[d] + 1) % rig.worker_count);
			if (next[d] > 0)
				send(at[d], d, next[d] - 1, true);
		}
		send(at[d], d, next[d]++, true);
		rig_letters(&rig, (r >> 16) % 4, r);
		if ((r >> 18) % 16 == 0)
			rig_complete(
				&rig, (uint16_t)((r >> 24) % rig.worker_count), RESULT_DELIVERED
			);
		rig.now_ns += 10000000;
	}
	settle_all();
	for (uint32_t t = 0; t < tokens; t++)
		assert_int_equal(delivered[sent[t].device][sent[t].seq], 1);
	every_token_has_one_verdict();
	assert_int_equal(rig_found(&rig, FINDING_ORDER), 0);
	assert_int_equal(rig_found(&rig, FINDING_GAP), 0);
	assert_int_equal(rig_duplicates(&rig), tokens - 8000);
	assert_int_equal(rig_counter(&rig, STAGE_HANDOVER_PINNED), 0);
	assert_true(rig_counter(&rig, STAGE_HANDOVER_ASKED) > 500);
}

static void none_acknowledged_in_vain(void **) {
	hop(true);
	for (uint32_t t = 0; t < tokens; t++)
		assert_true(delivered[sent[t].device][sent[t].seq] <= 1);
	what_is_acknowledged_was_delivered();
}

#define TWO(f) cmocka_unit_test_setup_teardown(f, setup_two, teardown)
#define THREE(f) cmocka_unit_test_setup_teardown(f, setup_three, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TWO(the_state_comes_along),
		TWO(a_refusal_finds_the_copy_elsewhere),
		TWO(none_lost_none_twice),
		TWO(none_acknowledged_in_vain),
		THREE(none_lost_none_twice),
		TWO(order_is_kept_across_reconnects),
		THREE(order_is_kept_across_reconnects),
		THREE(none_acknowledged_in_vain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
