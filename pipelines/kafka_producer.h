// SPDX-License-Identifier: Apache-2.0
// The inside of sink_kafka: what waits, what is in librdkafka's hands, what has its result.
//
//   topic FIFO of slots (one slot per batch, in order of submission)
//     head ... delivered, waiting for its report ... cursor ... not offered yet ... tail
//
// Everything offered and not reported is `outstanding`. When librdkafka gives anything back
// undelivered, its topic stalls: nothing more is offered, and once nothing of the topic is
// outstanding any more the cursor returns to the head and all that has no result is offered again,
// in order, with the numbers that follow the last acknowledged one. A fatal error stalls every
// topic, and the producer is replaced before they resume.
// Thread: the egress thread, unless said otherwise.
#pragma once

#include "pipelines/checkpoint.h"
#include "pipelines/kafka_describe.h"
#include "pipelines/ledger_seq.h"
#include "pipelines/sink_counters.h"

#include <librdkafka/rdkafka.h>

#define SLOT_NONE UINT16_MAX
#define OFFER_MAX 512

struct slot {
	struct batch *batch; // nullptr: free
	uint32_t left; // entries not yet reported to the worker
	uint16_t prev, next; // of the topic's FIFO; next also links the free list
	bool touched; // in the list of slots with unreported results
	uint64_t since_ns;
	uint64_t fresh[BATCH_ENTRIES_MAX / 64]; // results not yet reported
};

struct topic_state {
	rd_kafka_topic_t *rkt;
	uint16_t head, tail;
	uint16_t cursor; // slot to offer from, SLOT_NONE: all offered
	uint32_t entry; // in it
	uint32_t outstanding;
	bool ready; // Kafka has it with our partitions; nothing is offered otherwise
	bool used; // records went to it in this life of the program
	bool weak; // acknowledged, but weaker than the contract
	bool alarmed, grown; // said so already
	bool stalled;
	// Kafka refused records, perhaps only one of them: offered one at a time until all
	// those that were refused together have a result.
	uint32_t isolated; // entries left to try alone
	bool alone; // the one outstanding entry was offered that way
	uint32_t message_bytes_max; // the topic's own limit, 0 = unknown
	uint64_t retry_ns; // not before, while stalled
	uint32_t backoff_ms;
};

struct checkpoint_state {
	struct checkpoint_chain chain;
	uint16_t topic;
	int32_t partition;
	bool made; // text waits for its acknowledgement
	bool offered; // librdkafka has it
	uint32_t len;
	uint8_t text[CHECKPOINT_BYTES_MAX];
};

struct sink {
	struct sink_env env;
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	struct ledger_seq *seq;
	uint64_t *acked; // highest acknowledged ledger_seq, by flat partition index
	struct checkpoint_state *checkpoints; // by flat partition index
	struct checkpoint_state *chained, *beside; // added to last, and the other one before it
	uint64_t checkpoint_ns; // next tick
	struct kafka_describe describe;
	uint64_t check_ns; // next question about the topics
	uint64_t check_backoff_ns;
	struct topic_state *topics;
	struct slot *slots;
	uint16_t slot_count;
	uint16_t free; // list
	uint16_t *touched;
	uint32_t touched_count;
	uint32_t outstanding; // messages in librdkafka's hands
	uint32_t value_max; // key, value and headers together
	uint32_t batch_bytes; // largest batch the producer makes
	bool fatal; // the producer is dead, waiting for `outstanding` to become 0
	uint64_t fatal_ns;
	uint64_t now_ns;
	uint64_t rebuilds;
	struct sink_counters counters;
	rd_kafka_message_t messages[OFFER_MAX]; // scratch of one offer
	uint16_t at[OFFER_MAX]; // their entries
};

// What librdkafka gives back with a report: `count` entries of a slot from `entry` on. Checkpoints
// have CHECKPOINT_TAG and their index.
#define CHECKPOINT_TAG ((uintptr_t)1 << 40)

struct opaque {
	uint16_t slot;
	uint16_t entry;
	uint16_t count;
};

static inline void *opaque_make(struct opaque o) {
	return (void *)((uintptr_t)o.count << 48 | (uintptr_t)o.slot << 16 | o.entry);
}

static inline struct opaque opaque_read(const void *p) {
	uintptr_t v = (uintptr_t)p;

	return (struct opaque) {
		.slot = (uint16_t)(v >> 16),
		.entry = (uint16_t)v,
		.count = (uint16_t)(v >> 48),
	};
}

// Make the producer and its topics from the configuration.
int producer_open(struct sink *s, char *why, size_t why_len);
void producer_close(struct sink *s);

// Offer what the topic has beyond its cursor until the queue is full or the topic stalls.
void topic_offer(struct sink *s, struct topic_state *t);
void topic_stall(struct sink *s, struct topic_state *t);
// Replace a dead producer, resume stalled topics, each when its time has come.
void producer_recover(struct sink *s);
void producer_fatal(struct sink *s);

// The entry's result is known.
void entry_finish(struct sink *s, uint16_t slot, uint32_t entry, enum entry_result result);

// kafka_checkpoints.c
int checkpoints_create(struct sink *s); // -1: out of memory
void checkpoints_destroy(struct sink *s);
// An acknowledged record joins its partition's chain.
void checkpoints_add(struct sink *s, const struct batch *b, const struct batch_entry *e);
// Make and offer what is due; with `now`, before the interval has passed.
void checkpoints_tick(struct sink *s, bool now);
// True if the report was a checkpoint's.
bool checkpoints_report(struct sink *s, const rd_kafka_message_t *m);

// kafka_watch.c
void watch_tick(struct sink *s);
bool watch_event(struct sink *s, rd_kafka_event_t *ev);
// Something is wrong with the topic: nothing is offered until Kafka says it is fit.
void watch_topic(struct sink *s, struct topic_state *t);
