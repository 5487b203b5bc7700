// SPDX-License-Identifier: Apache-2.0
// The Kafka sink against librdkafka's mock cluster, which answers with the errors it is told to.
#include "pipelines/kafka_properties.h"
#include "pipelines/kafka_topics.h"
#include "tests/unit/pipelines/sink_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static int cluster_setup(void **) {
	return cluster_start(1);
}

static int cluster_teardown(void **) {
	cluster_end();
	return 0;
}

struct records {
	unsigned count;
	uint64_t last[DEVICES]; // number of the device's last record, UINT64_MAX: none yet
	uint64_t seq[PARTITIONS];
};

static void record_check(void *owner, const rd_kafka_message_t *m) {
	struct records *r = owner;
	char json[4096];

	if (m->key == NULL)
		return;
	snprintf(json, sizeof(json), "%.*s", (int)m->len, (const char *)m->payload);
	uint64_t n = number_in(json, "\"n\":");
	uint64_t device = number_in(json, "\"dev-");
	if (r->last[device] != UINT64_MAX && n <= r->last[device])
		fail_msg("record %lu after %lu", n, r->last[device]);
	r->last[device] = n;
	assert_int_equal(number_in(json, "\"ledger_seq\":"), ++r->seq[m->partition]);
	r->count++;
}

// Reads the whole topic: every device in order, ledger_seq from 1 without a gap in each partition.
// Returns the number of records.
static unsigned topic_check(const char *topic) {
	struct records r = {0};

	for (unsigned i = 0; i < DEVICES; i++)
		r.last[i] = UINT64_MAX;
	topic_each(topic, 0, PARTITIONS, record_check, &r);
	return r.count;
}

static void every_record_gets_its_own_result(void **) {
	struct rig *r = rig_make("plain", 0);

	for (uint16_t i = 0; i < BATCHES; i++) {
		records_make(r, i, 1000);
		submit(r, i);
	}
	wait_for(r, BATCHES * 1000);
	for (uint16_t i = 0; i < BATCHES; i++)
		for (uint32_t k = 0; k < 1000; k++) {
			const struct batch_entry *e = &r->batch[i]->entries[k];
			assert_int_equal(e->result, RESULT_DELIVERED_WEAK);
			assert_int_equal(e->ledger_seq, (i * 1000 + k) / PARTITIONS + 1);
		}
	assert_int_equal(topic_check("plain"), BATCHES * 1000);
	rig_end(r);
}

// What Kafka may answer and mean "again": nothing is lost, repeated or passes another.
static void transient_errors_keep_the_order(void **) {
	struct rig *r = rig_make("transient", 0);

	rd_kafka_mock_push_request_errors(
		mock,
		API_PRODUCE,
		6,
		RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
		RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
		RD_KAFKA_RESP_ERR_NO_ERROR,
		RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
		RD_KAFKA_RESP_ERR__TRANSPORT,
		RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND
	);
	for (uint16_t i = 0; i < BATCHES; i++) {
		records_make(r, i, 500);
		submit(r, i);
	}
	wait_for(r, BATCHES * 500);
	rd_kafka_mock_clear_request_errors(mock, API_PRODUCE);
	assert_int_equal(topic_check("transient"), BATCHES * 500);
	rig_end(r);
}

// Not about the record: the producer dies of it, the next one goes on where it stood.
static void a_fatal_error_replaces_the_producer(void **) {
	struct rig *r = rig_make("fatal", 0);
	struct sink_stats stats;

	records_make(r, 0, 500);
	submit(r, 0);
	wait_for(r, 500);
	rd_kafka_mock_push_request_errors(
		mock,
		API_PRODUCE,
		2,
		RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
		RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
	);
	for (uint16_t i = 1; i < BATCHES; i++) {
		records_make(r, i, 500);
		submit(r, i);
	}
	wait_for(r, BATCHES * 500);
	sink_kafka_ops.stats(r->sink, &stats);
	assert_int_equal(stats.refused, 0);
	assert_true(stats.errors > 0);
	rd_kafka_mock_clear_request_errors(mock, API_PRODUCE);
	assert_int_equal(topic_check("fatal"), BATCHES * 500);
	rig_end(r);
}

// Refused in company, all are offered again one by one; only what is refused alone is refused. The
// numbers close up behind it.
static void only_the_culprit_is_refused(void **) {
	struct rig *r = rig_make("culprit", 0);
	unsigned refused = 0;

	struct batch *b = batch_next(r, 0);
	for (unsigned i = 0; i < 20; i++)
		batch_record(b, "dev-1", i, 1, 120);
	rd_kafka_mock_push_request_errors(
		mock,
		API_PRODUCE,
		3,
		RD_KAFKA_RESP_ERR_INVALID_RECORD, // the batch of 20
		RD_KAFKA_RESP_ERR_NO_ERROR, // the first alone
		RD_KAFKA_RESP_ERR_INVALID_RECORD // the second alone
	);
	submit(r, 0);
	wait_for(r, 20);
	for (unsigned i = 0; i < 20; i++)
		refused += b->entries[i].result == RESULT_REFUSED;
	assert_int_equal(refused, 1);
	assert_int_equal(b->entries[1].result, RESULT_REFUSED);
	rd_kafka_mock_clear_request_errors(mock, API_PRODUCE);
	assert_int_equal(topic_check("culprit"), 19);
	rig_end(r);
}

// Refused before it is offered: gets no number.
static void what_nobody_would_take_is_refused_here(void **) {
	struct rig *r = rig_make("unfit", 0);
	struct batch *b = batch_next(r, 0);

	batch_record(b, "dev-0", 0, 0, 120);
	batch_record(b, "dev-1", 1, 0, 1100000);
	batch_record(b, "dev-2", 2, PARTITIONS, 120);
	batch_record(b, "dev-3", 3, -1, 120);
	batch_record(b, "dev-4", 4, 0, 120);
	submit(r, 0);
	wait_for(r, 5);
	assert_int_equal(b->entries[0].ledger_seq, 1);
	assert_int_equal(b->entries[4].ledger_seq, 2);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(b->entries[i].result, RESULT_REFUSED);
	assert_int_equal(topic_check("unfit"), 2);
	rig_end(r);
}

// librdkafka takes a prefix and no more; the rest follows when there is room.
static void a_full_queue_keeps_the_order(void **) {
	struct rig *r = rig_make("full", 0);

	for (uint16_t i = 0; i < BATCHES; i++) {
		records_make(r, i, 3000); // 24,000 into a queue of 10,000
		submit(r, i);
	}
	wait_for(r, BATCHES * 3000);
	assert_int_equal(topic_check("full"), BATCHES * 3000);
	rig_end(r);
}

static void no_free_slot_says_later(void **) {
	struct rig *r = rig_make("slots", 0);

	for (uint16_t i = 0; i < BATCHES; i++) {
		records_make(r, i, 1);
		submit(r, i);
	}
	struct batch *more = batch_make(0, BATCHES, 4096);
	batch_open(more, 0);
	batch_record(more, "dev-0", 99, 0, 100);
	assert_int_equal(sink_kafka_ops.submit(r->sink, more, now()), -EAGAIN);
	wait_for(r, BATCHES);
	assert_int_equal(sink_kafka_ops.submit(r->sink, more, now()), 0);
	wait_for(r, BATCHES + 1);
	batch_unmake(more);
	rig_end(r);
}

// Records with headers take another call of librdkafka and keep their place in the order.
static void records_with_headers_are_numbered_in_order(void **) {
	struct rig *r = rig_make("headers", 0);
	struct batch *b = batch_next(r, 0);

	for (unsigned i = 0; i < 100; i++) {
		struct batch_entry *e = batch_record(b, "dev-0", i, 0, 120);
		if (i % 3 != 0)
			continue;
		static const uint8_t header[] = {0, 1, 0, 0, 0, 2, 'a', 'b', 'c'};
		memcpy(b->buf + b->used, header, sizeof(header));
		e->headers_offset = b->used;
		e->headers_len = sizeof(header);
		b->used += sizeof(header);
	}
	submit(r, 0);
	wait_for(r, 100);
	assert_int_equal(topic_check("headers"), 100);
	rig_end(r);
}

// `count` records of one partition as JSON lines.
static void packed_make(struct rig *r, uint16_t index, unsigned count, uint16_t pack_max) {
	struct batch *b = batch_next(r, index);

	b->packing = PACK_LINES;
	b->pack_max = pack_max;
	b->partition = 1;
	for (unsigned i = 0; i < count; i++, r->made++) {
		char key[16];
		snprintf(key, sizeof(key), "dev-%u", (unsigned)(r->made % DEVICES));
		struct batch_entry *e = batch_record(b, key, r->made, 1, 120);
		e->key_len = 0;
		e->key_offset = 0;
		b->buf[b->used++] = '\n';
	}
}

struct lines {
	unsigned messages, records;
	uint64_t seq;
};

static void lines_take(void *owner, const rd_kafka_message_t *m) {
	struct lines *out = owner;
	char *copy = strndup(m->payload, m->len), *rest = NULL;

	assert_int_equal(m->key_len, 0);
	out->messages++;
	for (char *line = strtok_r(copy, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		assert_int_equal(line[strlen(line) - 1], '}');
		assert_int_equal(number_in(line, "\"ledger_seq\":"), ++out->seq);
		out->records++;
	}
	free(copy);
}

// Every message of the topic is lines of JSON, each record numbered by one more than the last.
static void lines_check(const char *topic, struct lines *out) {
	*out = (struct lines) {0};
	topic_each(topic, 1, 1, lines_take, out);
}

static void packed_records_share_messages(void **) {
	struct rig *r = rig_make("packed", 0);
	struct sink_stats stats;
	struct lines lines;

	packed_make(r, 0, 250, 100);
	packed_make(r, 1, 3, 100);
	submit(r, 0);
	submit(r, 1);
	wait_for(r, 253);
	lines_check("packed", &lines);
	assert_int_equal(lines.records, 253);
	assert_int_equal(lines.messages, 4); // 100, 100, 50, 3
	sink_kafka_ops.stats(r->sink, &stats);
	assert_int_equal(stats.messages, 4);
	rig_end(r);
}

static void only_the_culprit_of_a_packed_message_is_refused(void **) {
	struct rig *r = rig_make("packed-culprit", 0);
	struct lines lines;

	// The first message of ten is refused, then each alone: the fourth is the culprit.
	rd_kafka_mock_push_request_errors(
		mock,
		API_PRODUCE,
		5,
		RD_KAFKA_RESP_ERR_INVALID_RECORD,
		RD_KAFKA_RESP_ERR_NO_ERROR,
		RD_KAFKA_RESP_ERR_NO_ERROR,
		RD_KAFKA_RESP_ERR_NO_ERROR,
		RD_KAFKA_RESP_ERR_INVALID_RECORD
	);
	packed_make(r, 0, 10, 10);
	submit(r, 0);
	wait_for(r, 10);
	lines_check("packed-culprit", &lines);
	assert_int_equal(lines.records, 9);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(
			r->batch[0]->entries[i].result,
			i == 3 ? RESULT_REFUSED : RESULT_DELIVERED_WEAK
		);
	rig_end(r);
}

static void transient_errors_keep_packed_records_in_order(void **) {
	struct rig *r = rig_make("packed-transient", 0);
	struct lines lines;

	rd_kafka_mock_push_request_errors(
		mock,
		API_PRODUCE,
		3,
		RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
		RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
		RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT
	);
	for (uint16_t i = 0; i < 4; i++) {
		packed_make(r, i, 100, 32);
		submit(r, i);
	}
	wait_for(r, 400);
	lines_check("packed-transient", &lines);
	assert_int_equal(lines.records, 400);
	rig_end(r);
}

static void active_partitions_get_checkpoints(void **) {
	struct rig *r = rig_make("checkpoints", 10000);
	struct sink_stats stats;

	records_make(r, 0, 400);
	submit(r, 0);
	wait_for(r, 400);
	sink_kafka_ops.flush(r->sink, 5000);
	sink_kafka_ops.stats(r->sink, &stats);
	assert_true(stats.checkpoints_made >= PARTITIONS);
	assert_int_equal(stats.checkpoints_delivered, stats.checkpoints_made);
	uint64_t before = stats.checkpoints_made;
	sink_kafka_ops.flush(r->sink, 5000);
	sink_kafka_ops.stats(r->sink, &stats);
	assert_int_equal(stats.checkpoints_made, before); // nothing new, nothing said
	rig_end(r);
}

struct proof {
	uint64_t covered; // records of partition 1 in its checkpoints
	unsigned with_gaps;
};

static void proof_take(void *owner, const rd_kafka_message_t *m) {
	struct proof *p = owner;
	char json[4096];

	if (m->key != NULL)
		return;
	snprintf(json, sizeof(json), "%.*s", (int)m->len, (const char *)m->payload);
	p->covered += number_in(json, "\"records\":");
	p->with_gaps += strstr(json, "\"skipped\":[]") == NULL;
}

// Several reports of one partition that are looked at together join its chain in order: out of it
// they would leave gaps.
static void reports_of_one_partition_join_its_chain_in_order(void **) {
	struct rig *r = rig_make("one-chain", 10000);
	struct proof p = {0};

	for (uint16_t i = 0; i < BATCHES; i++) {
		struct batch *b = batch_next(r, i);
		for (unsigned k = 0; k < 2000; k++)
			batch_record(b, "dev-1", r->made++, 1, 120);
		submit(r, i);
		if (i == 0) // leaders and the producer's identity are known after it
			wait_for(r, 2000);
		r->ahead_ns += NS_PER_S; // no round lasts that long, so each batch is offered
		usleep(50000); // and sent, and answered; nobody takes the reports
	}
	wait_for(r, BATCHES * 2000);
	sink_kafka_ops.flush(r->sink, 5000);
	topic_each("one-chain", 1, 1, proof_take, &p);
	assert_int_equal(p.covered, BATCHES * 2000);
	assert_int_equal(p.with_gaps, 0);
	rig_end(r);
}

static void properties_the_contract_rests_on_are_refused(void **) {
	static const struct {
		const char *name, *value;
		int ret;
	} table[] = {
		{"acks", "1", -EPERM},
		{"enable.idempotence", "false", -EPERM},
		{"message.timeout.ms", "1000", -EPERM},
		{"bootstrap.servers", "x", -EPERM},
		{"compression.type", "lz4", -EPERM},
		{"compression.level", "3", 0},
		{"compression.level", "nonsense", -EINVAL},
		{"no.such.property", "1", -ENOENT},
	};
	char why[256];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		why[0] = '\0';
		int ret = kafka_property_check(table[i].name, table[i].value, why, sizeof(why));
		if (ret != table[i].ret)
			fail_msg("%s=%s: %d, %s", table[i].name, table[i].value, ret, why);
		assert_int_equal(why[0] != '\0', ret != 0);
	}
}

// Found and pinned once, then a start without Kafka goes on from the map.
static void partition_counts_are_pinned(void **) {
	struct config_topic topic = {.name = "pinned"};
	struct config c = {.topics = &topic, .topic_count = 1, .kafka.accept_weak_topic = true};
	char dir[] = "/tmp/state-XXXXXX", path[64], why[512] = "";

	assert_non_null(mkdtemp(dir));
	snprintf(c.state_dir, sizeof(c.state_dir), "%s", dir);
	snprintf(path, sizeof(path), "%s/partitions", dir);
	rd_kafka_mock_topic_create(mock, "pinned", 6, 1);
	snprintf(c.kafka.brokers, sizeof(c.kafka.brokers), "embedded");
	snprintf(c.run_dir, sizeof(c.run_dir), "%s", dir);
	// No embedded Kafka yet: the sentence says what to start.
	assert_int_equal(kafka_topics_resolve(&c, 1000, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "embedded-kafka"));

	char address[64];
	snprintf(address, sizeof(address), "%s/kafka", dir);
	address_write(address, rd_kafka_mock_cluster_bootstraps(mock));
	if (kafka_topics_resolve(&c, 5000, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	assert_int_equal(topic.partitions, 6);
	assert_int_equal(c.partition_map, 1);

	address_write(address, "127.0.0.1:1");
	topic.partitions = 0;
	if (kafka_topics_resolve(&c, 300, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	assert_int_equal(topic.partitions, 6);
	// The configuration asks for another count than the pinned one.
	address_write(address, rd_kafka_mock_cluster_bootstraps(mock));
	topic.partitions = 12;
	assert_int_equal(kafka_topics_resolve(&c, 5000, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "pinned to 6"));
	unlink(address);
	unlink(path);
	rmdir(dir);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_gets_its_own_result),
		cmocka_unit_test(transient_errors_keep_the_order),
		cmocka_unit_test(a_fatal_error_replaces_the_producer),
		cmocka_unit_test(only_the_culprit_is_refused),
		cmocka_unit_test(what_nobody_would_take_is_refused_here),
		cmocka_unit_test(a_full_queue_keeps_the_order),
		cmocka_unit_test(no_free_slot_says_later),
		cmocka_unit_test(records_with_headers_are_numbered_in_order),
		cmocka_unit_test(packed_records_share_messages),
		cmocka_unit_test(only_the_culprit_of_a_packed_message_is_refused),
		cmocka_unit_test(transient_errors_keep_packed_records_in_order),
		cmocka_unit_test(active_partitions_get_checkpoints),
		cmocka_unit_test(reports_of_one_partition_join_its_chain_in_order),
		cmocka_unit_test(properties_the_contract_rests_on_are_refused),
		cmocka_unit_test(partition_counts_are_pinned),
	};
	return cmocka_run_group_tests(tests, cluster_setup, cluster_teardown);
}
