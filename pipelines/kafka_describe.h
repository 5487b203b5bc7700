// SPDX-License-Identifier: Apache-2.0
// What Kafka says about topics: partitions and replication by a metadata request, which librdkafka
// only offers as a blocking call, so a short-lived thread makes it; then the settings the contract
// rests on by an admin request (an event on a queue of the caller; the embedded Kafka knows none,
// so it is not asked).
#pragma once

#include <librdkafka/rdkafka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A producer's batches shrink to what the topic takes, but not below BATCH_MIN.
#define BATCH_OVERHEAD 1024 // room for a batch header beside the records
#define BATCH_MIN 16384

struct config;

struct topic_facts {
	rd_kafka_resp_err_t error; // of the topic: unknown, not authorised
	uint32_t partitions;
	uint32_t replicas; // fewest of any partition
	bool settings_known; // false: Kafka would not say (old, no permission, embedded)
	uint32_t min_insync;
	bool unclean;
	uint32_t message_bytes_max; // 0 = unknown
};

// One question about all topics of a configuration; the same struct serves again and again.
struct kafka_describe {
	const struct config *config;
	struct topic_facts *facts; // by topic
	bool open; // the settings are still to come
	// The metadata request
	bool asking;
	pthread_t thread;
	rd_kafka_t *rk;
	unsigned wait_ms;
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t error;
	atomic_bool answered; // by the thread, after metadata and error
};

int kafka_describe_init(struct kafka_describe *d, const struct config *c);
void kafka_describe_fini(struct kafka_describe *d);

// Starts asking; Kafka has wait_ms to answer. Every topic must be known to `rk` by
// rd_kafka_topic_new(). -errno if there is no thread for it.
int kafka_describe_ask(struct kafka_describe *d, rd_kafka_t *rk, unsigned wait_ms);
// -EAGAIN: no answer yet. 0: the facts are there but for the settings, which come (or time out) as
// an event on `queue` within timeout_ms if d->open. -ETIMEDOUT: Kafka did not answer, d->error says
// why.
int kafka_describe_poll(struct kafka_describe *d, rd_kafka_queue_t *queue, unsigned timeout_ms);
// Before `rk` goes away: waits for the thread, forgets what was asked.
void kafka_describe_cancel(struct kafka_describe *d);
// True if the event was the answer about settings: the facts are complete.
bool kafka_describe_event(struct kafka_describe *d, rd_kafka_event_t *ev);

// Is it weaker than an acknowledgement promises? `why` names what: "replication factor 1 < 3, ...".
bool topic_weak(const struct topic_facts *f, char *why, size_t why_len);
