// SPDX-License-Identifier: Apache-2.0
// A Kafka sink on librdkafka's mock cluster, for tests of the sink: batches in, results out, and
// the topic read back. Thread: the test's. Errors fail the test.
#pragma once

#include "config/config.h"
#include "pipelines/sink.h"
#include "tests/support/batch_maker.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <stdatomic.h>

#define PARTITIONS 4
#define DEVICES 16
#define BATCHES 8
#define API_PRODUCE 0
#define NS_PER_S 1000000000ull

struct rig {
	struct config_topic topic;
	struct config config;
	struct sink *sink;
	struct batch *batch[BATCHES];
	uint64_t made;
	unsigned got; // entries with results
	uint64_t ahead_ns; // the sink's clock is ahead of the machine's by so much
};

extern rd_kafka_mock_cluster_t *mock;

// A cluster for all tests of a program; -1 if there is none. Its address lies in run_dir, as
// embedded-kafka leaves it.
int cluster_start(int brokers);
void cluster_end(void);
extern char run_dir[];
void address_write(const char *path, const char *address);

uint64_t now(void); // monotonic, ns

// A topic of its own for every test, and a sink for it.
struct rig *rig_make(const char *topic, uint32_t checkpoint_ms);
void rig_end(struct rig *r);
// An empty batch in place `index`.
struct batch *batch_next(struct rig *r, uint16_t index);
// `count` more records in it, device by device, each device in one partition.
void records_make(struct rig *r, uint16_t index, unsigned count);
void submit(struct rig *r, uint16_t index);
// Collect results for at most `ms`, or until `count` entries in all have theirs.
void collect(struct rig *r, unsigned count, unsigned ms);
// Until `count` entries in all have results. Fails after twenty seconds.
void wait_for(struct rig *r, unsigned count);

// Every message of the partitions [first, first + n), each partition from its beginning to its end.
void topic_each(
	const char *topic,
	int32_t first,
	unsigned n,
	void (*take)(void *owner, const rd_kafka_message_t *m),
	void *owner
);
// The number behind `name` in `json`, UINT64_MAX if `name` is not there.
uint64_t number_in(const char *json, const char *name);
