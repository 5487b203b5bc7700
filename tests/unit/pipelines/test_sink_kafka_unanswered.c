// SPDX-License-Identifier: Apache-2.0
// The one case in which a record may be in Kafka twice (docs/egress.md): the producer dies while a
// request is on the wire, Kafka has taken it, and its answer does not come while the sink waits.
// Two brokers, so that one can be silent while the other one's answer is fatal.
#include "tests/unit/pipelines/sink_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define RECORDS 40 // ten in each partition
#define SILENT 1 // the broker that does not answer: partitions 0 to 2
#define DEADLY 2 // partition 3
#define SILENT_PARTITIONS 3
#define LONGER_THAN_THE_GRACE (75 * NS_PER_S)

static int cluster_setup(void **) {
	return cluster_start(2);
}

static int cluster_teardown(void **) {
	cluster_end();
	return 0;
}

static struct rig *silent_and_deadly(const char *topic) {
	struct rig *r = rig_make(topic, 0);

	for (int32_t p = 0; p < PARTITIONS; p++)
		rd_kafka_mock_partition_set_leader(
			mock, topic, p, p < SILENT_PARTITIONS ? SILENT : DEADLY
		);
	records_make(r, 0, 4); // leaders and the producer's identity are known after it
	submit(r, 0);
	wait_for(r, 4);
	return r;
}

// The records of the silent broker get to Kafka, whose answer takes `answer_ms`; meanwhile the
// other broker's answer ends the producer.
static void fatal_while_unanswered(struct rig *r, int answer_ms) {
	struct sink_stats stats = {0};

	rd_kafka_mock_broker_push_request_error_rtts(
		mock,
		SILENT,
		API_PRODUCE,
		SILENT_PARTITIONS,
		RD_KAFKA_RESP_ERR_NO_ERROR,
		answer_ms,
		RD_KAFKA_RESP_ERR_NO_ERROR,
		answer_ms,
		RD_KAFKA_RESP_ERR_NO_ERROR,
		answer_ms
	);
	// Late enough for the silent broker to have been sent its records.
	rd_kafka_mock_broker_push_request_error_rtts(
		mock, DEADLY, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 2500
	);
	records_make(r, 1, RECORDS);
	submit(r, 1);
	for (unsigned i = 0; i < 200 && stats.errors == 0; i++) {
		collect(r, UINT32_MAX, 100);
		sink_kafka_ops.stats(r->sink, &stats);
	}
	assert_true(stats.errors > 0);
	rd_kafka_mock_clear_request_errors(mock, API_PRODUCE);
}

struct copies {
	unsigned of[4 + RECORDS]; // by the record's number
	uint64_t seq[4 + RECORDS]; // ledger_seq of the first copy
};

static void copy_take(void *owner, const rd_kafka_message_t *m) {
	struct copies *c = owner;
	char json[4096];

	snprintf(json, sizeof(json), "%.*s", (int)m->len, (const char *)m->payload);
	uint64_t n = number_in(json, "\"n\":"), seq = number_in(json, "\"ledger_seq\":");
	assert_true(n < 4 + RECORDS);
	if (c->of[n]++ == 0)
		c->seq[n] = seq;
	assert_int_equal(seq, c->seq[n]); // a consumer sees the repetition by its number
	assert_int_equal(seq, n / PARTITIONS + 1);
}

static void all_delivered(const struct rig *r) {
	for (unsigned i = 0; i < RECORDS; i++)
		assert_int_equal(r->batch[1]->entries[i].result, RESULT_DELIVERED_WEAK);
}

// Within the 70 s the answer counts: nothing is offered again before it, and nothing is twice.
static void an_answer_in_time_repeats_nothing(void **) {
	struct rig *r = silent_and_deadly("late");
	struct copies c = {0};

	fatal_while_unanswered(r, 10000);
	assert_int_equal(r->got, 4); // nobody can know yet, so nobody was told
	r->ahead_ns += 60 * NS_PER_S;
	collect(r, UINT32_MAX, 500);
	assert_int_equal(r->got, 4);
	wait_for(r, 4 + RECORDS);
	all_delivered(r);
	topic_each("late", 0, PARTITIONS, copy_take, &c);
	for (unsigned n = 0; n < 4 + RECORDS; n++)
		assert_int_equal(c.of[n], 1);
	rig_end(r);
}

// Beyond them the records are offered again: none is lost, those that Kafka had are there twice
// with the same bytes, and the others once.
static void no_answer_loses_nothing_and_repeats_with_the_same_number(void **) {
	struct rig *r = silent_and_deadly("never");
	struct copies c = {0};

	fatal_while_unanswered(r, 30000);
	assert_int_equal(r->got, 4);
	r->ahead_ns += LONGER_THAN_THE_GRACE;
	wait_for(r, 4 + RECORDS);
	all_delivered(r);
	topic_each("never", 0, PARTITIONS, copy_take, &c);
	for (unsigned n = 0; n < 4 + RECORDS; n++)
		assert_int_equal(c.of[n], n >= 4 && n % PARTITIONS < SILENT_PARTITIONS ? 2 : 1);
	rig_end(r);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_in_time_repeats_nothing),
		cmocka_unit_test(no_answer_loses_nothing_and_repeats_with_the_same_number),
	};
	return cmocka_run_group_tests(tests, cluster_setup, cluster_teardown);
}
