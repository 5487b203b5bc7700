// SPDX-License-Identifier: Apache-2.0
// One pipeline's memory, shared by the files that run it: pipeline.c (burst), admit.c (records
// into batches), settle.c (results). Private to pipelines/.
#pragma once

#include "pipelines/ack_table.h"
#include "pipelines/batch_set.h"
#include "pipelines/burst.h"
#include "pipelines/dead_letter.h"
#include "pipelines/decision.h"
#include "pipelines/envelope.h"
#include "pipelines/handover.h"
#include "pipelines/late_lane.h"
#include "pipelines/pipeline.h"
#include "pipelines/waiters.h"
#include "pipelines/watch.h"

#define VERDICTS_MAX 4096

// A verdict reached while the adapter may still be in the middle of its own burst.
struct verdict_due {
	uint64_t rx_ns;
	uint32_t token;
	enum transport transport;
	uint16_t remote;
	struct verdict v;
};

// A message we make ourselves.
struct derived {
	uint16_t topic;
	enum entry_kind kind;
	enum transport transport;
	struct view key; // of the Kafka message
	struct view spread; // what chooses the partition
	uint32_t bound; // of the value
	uint32_t (*encode)(const struct envelope *e, const void *what, uint8_t *at);
	const void *what;
	int64_t rx_wall_ns;
	uint64_t rx_ns;
};

struct pipeline {
	struct pipeline_env env;
	const struct config *config;
	uint8_t generation; // of it, counted modulo 256
	struct envelope envelope;
	struct batch_set batches;
	struct ack_table acks;
	struct waiters waiters;
	struct handover handover;
	struct late_lane late;
	struct watch watch;
	struct payload_decoder *decoder; // owned
	struct protobuf_scratch *protobuf; // owned
	struct matcher *matcher; // borrowed, NULL: no signatures
	uint64_t in_flight_records;
	uint64_t in_flight_bytes;
	uint64_t late_records; // of those, in the late lane
	uint64_t derived_bytes; // of derived entries in flight
	uint64_t now_ns; // the latest time anybody told us
	int64_t wall_ns; // of the last run
	uint32_t due_count;
	struct verdict_due due[VERDICTS_MAX];
	struct latency latency[TRANSPORT_COUNT];
	struct burst burst;
};

// admit.c: every item of [from, to) that is still going becomes records in batches, or is shed.
void admit_burst(struct pipeline *p, uint16_t from, uint16_t to);
// Put a message of our own on its way; false (counted as shed in `derived`) if there is no room.
bool admit_derived(struct pipeline *p, const struct derived *d);
bool admit_dead_letter(struct pipeline *p, const struct dead_letter *d, uint64_t rx_ns);
// Bytes that an entry keeps in flight.
static inline uint64_t entry_bytes(const struct batch_entry *e) {
	return (uint64_t)e->len + e->key_len + e->headers_len;
}

// settle.c: what came of a message, told to its adapter now or at the end of the burst.
void settle_later(struct pipeline *p, const struct message *m, const struct verdict *v);
// A copy: its door, and its verdict as far as there is one.
void settle_duplicate(struct pipeline *p, struct item *it);
// What became of a message that waiter `i` waits for at another worker.
void settle_waiter(struct pipeline *p, uint32_t i, const struct verdict *v);

// pipeline.c: a message that was parked, here or at another worker; and everything pushed so far.
void pipeline_push_parked(struct pipeline *p, const struct parked *k);
void pipeline_flush(struct pipeline *p);
void settle_due(struct pipeline *p, uint64_t now_ns);
