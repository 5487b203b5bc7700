// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/pipelines/sink_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static rd_kafka_t *mock_handle;
rd_kafka_mock_cluster_t *mock;
char run_dir[] = "/tmp/sink-kafka-XXXXXX";
static _Atomic(int64_t) wall_offset;
static _Atomic(uint8_t) quality;

uint64_t now(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void quiet(const rd_kafka_t *, int, const char *, const char *) {}

static rd_kafka_conf_t *quiet_conf(void) {
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	rd_kafka_conf_set_log_cb(conf, quiet);
	return conf;
}

void address_write(const char *path, const char *address) {
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "%s\n", address);
	fclose(f);
}

int cluster_start(int brokers) {
	char text[256];

	mock_handle = rd_kafka_new(RD_KAFKA_PRODUCER, quiet_conf(), text, sizeof(text));
	mock = rd_kafka_mock_cluster_new(mock_handle, brokers);
	if (mock == NULL || mkdtemp(run_dir) == NULL)
		return -1;
	snprintf(text, sizeof(text), "%s/kafka", run_dir);
	address_write(text, rd_kafka_mock_cluster_bootstraps(mock));
	return 0;
}

void cluster_end(void) {
	char path[64];

	snprintf(path, sizeof(path), "%s/kafka", run_dir);
	unlink(path);
	rmdir(run_dir);
	rd_kafka_mock_cluster_destroy(mock);
	rd_kafka_destroy(mock_handle);
}

struct rig *rig_make(const char *topic, uint32_t checkpoint_ms) {
	struct rig *r = calloc(1, sizeof(*r));
	char why[256] = "";

	rd_kafka_mock_topic_create(mock, topic, PARTITIONS, 1);
	snprintf(r->topic.name, sizeof(r->topic.name), "%s", topic);
	r->topic.partitions = PARTITIONS;
	r->config = (struct config) {
		.appliance = "test",
		.topics = &r->topic,
		.topic_count = 1,
		.dataplane.workers = 1,
		// The least a producer's queue can be (10,000 messages) is what this gives.
		.egress = {.threads = 1, .batches = BATCHES, .checkpoint_ms = checkpoint_ms},
		.kafka = {.accept_weak_topic = true, .brokers = "embedded"},
	};
	snprintf(r->config.run_dir, sizeof(r->config.run_dir), "%s", run_dir);
	const struct sink_env env = {&r->config, 0, 7, &wall_offset, &quality};
	if (sink_kafka_ops.create(&env, &r->sink, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	return r;
}

void rig_end(struct rig *r) {
	sink_kafka_ops.destroy(r->sink);
	for (unsigned i = 0; i < BATCHES; i++)
		batch_unmake(r->batch[i]);
	free(r);
}

struct batch *batch_next(struct rig *r, uint16_t index) {
	r->batch[index] = batch_make(0, index, 2 << 20);
	batch_open(r->batch[index], 0);
	return r->batch[index];
}

void records_make(struct rig *r, uint16_t index, unsigned count) {
	struct batch *b = batch_next(r, index);

	for (unsigned i = 0; i < count; i++, r->made++) {
		char key[16];
		snprintf(key, sizeof(key), "dev-%u", (unsigned)(r->made % DEVICES));
		batch_record(b, key, r->made, (int32_t)(r->made % PARTITIONS), 120);
	}
}

void submit(struct rig *r, uint16_t index) {
	assert_int_equal(sink_kafka_ops.submit(r->sink, r->batch[index], now() + r->ahead_ns), 0);
}

void collect(struct rig *r, unsigned count, unsigned ms) {
	uint64_t end = now() + ms * 1000000ull;
	struct sink_done done[7]; // few, so that results wait for the next call

	while (r->got < count && now() < end) {
		unsigned n = sink_kafka_ops.poll(r->sink, now() + r->ahead_ns, 1000, done, 7);
		for (unsigned i = 0; i < n; i++)
			r->got += done[i].count;
	}
}

void wait_for(struct rig *r, unsigned count) {
	struct sink_stats stats;

	collect(r, count, 20000);
	assert_int_equal(r->got, count);
	sink_kafka_ops.stats(r->sink, &stats);
	assert_int_equal(stats.acknowledged + stats.refused, count);
}

uint64_t number_in(const char *json, const char *name) {
	const char *at = strstr(json, name);

	return at != NULL ? strtoull(at + strlen(name), NULL, 10) : UINT64_MAX;
}

void topic_each(
	const char *topic,
	int32_t first,
	unsigned n,
	void (*take)(void *owner, const rd_kafka_message_t *m),
	void *owner
) {
	rd_kafka_conf_t *conf = quiet_conf();
	const char *const settings[][2] = {
		{"bootstrap.servers", rd_kafka_mock_cluster_bootstraps(mock)},
		{"group.id", topic},
		{"enable.partition.eof", "true"},
		{"fetch.wait.max.ms", "5"},
	};
	unsigned ends = 0;
	char text[256];

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof(text));
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
	rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new((int)n);
	for (unsigned p = 0; p < n; p++)
		rd_kafka_topic_partition_list_add(all, topic, first + (int32_t)p)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_assign(rk, all);
	rd_kafka_topic_partition_list_destroy(all);
	for (uint64_t end = now() + 20 * NS_PER_S; ends < n && now() < end;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
		if (m == NULL)
			continue;
		ends += m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
		if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			take(owner, m);
		rd_kafka_message_destroy(m);
	}
	assert_int_equal(ends, n);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}
