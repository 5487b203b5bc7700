// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/sink.h"
#include "tests/support/batch_maker.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#define PARTITIONS 4
#define DEVICES 16

static rd_kafka_t *mock_handle;
static rd_kafka_mock_cluster_t *mock;
static struct config_topic topic = {.name = "t", .partitions = PARTITIONS};
static struct config config;
static _Atomic(int64_t) wall_offset;
static _Atomic(uint8_t) quality;

static uint64_t now(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int cluster_setup(void **) {
	char text[256];

	mock_handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof(text));
	mock = rd_kafka_mock_cluster_new(mock_handle, 1);
	rd_kafka_mock_topic_create(mock, "t", PARTITIONS, 1);
	config = (struct config) {
		.appliance = "test",
		.topics = &topic,
		.topic_count = 1,
		.dataplane.workers = 1,
		.egress =
			{.threads = 1,
			 .batches = 8,
			 .in_flight_records = 100000,
			 .in_flight_bytes = 64 << 20},
		.kafka.accept_weak_topic = true,
	};
	snprintf(
		config.kafka.brokers,
		sizeof(config.kafka.brokers),
		"%s",
		rd_kafka_mock_cluster_bootstraps(mock)
	);
	return 0;
}

static int cluster_teardown(void **) {
	rd_kafka_mock_cluster_destroy(mock);
	rd_kafka_destroy(mock_handle);
	return 0;
}

static struct sink *sink_start(void) {
	const struct sink_env env = {&config, 0, 7, &wall_offset, &quality};
	struct sink *s = NULL;
	char why[256] = "";

	if (sink_kafka_ops.create(&env, &s, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	return s;
}

static struct batch *batch_of(uint16_t index, uint64_t *n, unsigned count) {
	struct batch *b = batch_make(0, index, 1 << 20);

	batch_open(b, 0);
	for (unsigned i = 0; i < count; i++, (*n)++) {
		char key[16];
		sprintf(key, "dev-%u", (unsigned)(*n % DEVICES));
		batch_record(b, key, *n, (int32_t)(*n % PARTITIONS), 120);
	}
	return b;
}

// Polls until `count` entries have results or ten seconds have passed. Every entry exactly once.
static unsigned wait_for(struct sink *s, unsigned count) {
	struct sink_done done[64];
	uint64_t end = now() + 10000000000u;
	unsigned got = 0;

	while (got < count && now() < end) {
		unsigned n = sink_kafka_ops.poll(s, now(), 1000, done, 64);
		for (unsigned i = 0; i < n; i++)
			got += done[i].count;
	}
	return got;
}

static void every_record_gets_its_own_result(void **) {
	struct sink *s = sink_start();
	struct batch *b[8];
	uint64_t n = 0;

	for (uint16_t i = 0; i < 8; i++) {
		b[i] = batch_of(i, &n, 1000);
		assert_int_equal(sink_kafka_ops.submit(s, b[i], now()), 0);
	}
	assert_int_equal(wait_for(s, 8000), 8000);
	for (uint16_t i = 0; i < 8; i++)
		for (uint32_t k = 0; k < b[i]->count; k++) {
			const struct batch_entry *e = &b[i]->entries[k];
			assert_int_equal(e->result, RESULT_DELIVERED_WEAK);
			assert_int_equal(e->ledger_seq, (i * 1000 + k) / PARTITIONS + 1);
		}
	sink_kafka_ops.destroy(s);
	for (uint16_t i = 0; i < 8; i++)
		batch_unmake(b[i]);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_gets_its_own_result),
	};
	return cmocka_run_group_tests(tests, cluster_setup, cluster_teardown);
}
