// SPDX-License-Identifier: Apache-2.0
// What Kafka says about our topics.
#pragma once

#include <stddef.h>

struct config;
struct kafka_describe;
struct rd_kafka_s;

// Control path, once, before workers and sinks run: finds the partition count of every topic, pins
// it in state_dir/partitions (pipelines/partition_map.h) and sets topics[].partitions and
// partition_map. For other sinks than Kafka unknown counts become 1.
// If Kafka does not answer within timeout_ms and the map on disk knows every topic, the start goes
// on from the map. Otherwise -errno, and `why` says what to do: -ENOENT (a topic is missing),
// -ERANGE (a topic shrank), -EPERM (a topic is weaker than the contract and
// kafka.accept_weak_topic is not set), -ETIMEDOUT.
int kafka_topics_resolve(struct config *c, unsigned timeout_ms, char *why, size_t why_len);

// Any thread that may wait (not a worker): everything Kafka has to say about the topics, into
// d->facts. 0, -ETIMEDOUT if it does not answer, -EINVAL, -ENOMEM.
int kafka_topics_describe(
	const struct config *c,
	struct kafka_describe *d,
	unsigned timeout_ms,
	char *why,
	size_t why_len
);
// A client with the configuration's settings, for questions: rd_kafka_destroy() it.
int kafka_client_create(const struct config *c, struct rd_kafka_s **out, char *why, size_t why_len);
