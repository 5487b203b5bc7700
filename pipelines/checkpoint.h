// SPDX-License-Identifier: Apache-2.0
// What one partition can prove: every record Kafka acknowledged goes, in the order of ledger_seq,
// into a SHA-256 that a checkpoint record publishes and the next one starts from:
//
//   C0 = 32 zero bytes
//   Ck = SHA-256(C(k-1) | for each record: be64 seq | be32 key length | key | be32 value length |
//   value)
//
// Hashing happens when a record is acknowledged, not when it is offered, so a record that Kafka
// finally refused, or that had to be offered again, never was in the chain. Pure.
// Thread: the egress thread that owns the partition.
#pragma once

#include "parsers/rd.h"
#include "pipelines/record.h"
#include "pipelines/sha256.h"

#include <stddef.h>
#include <stdint.h>

#define CHECKPOINT_SKIPS_MAX 8
#define CHECKPOINT_BYTES_MAX 1536
#define CHECKPOINT_RECORD_OVERHEAD 16 // number and lengths

struct checkpoint_chain {
	uint64_t number; // of the next checkpoint, from 1
	uint64_t from; // first seq the next checkpoint covers
	uint64_t last; // highest acknowledged
	uint64_t records; // acknowledged since the last checkpoint
	uint64_t records_total; // in this epoch
	uint64_t bytes; // of values, since the last checkpoint
	// Numbers that will never appear, as inclusive ranges. Only if librdkafka refuses a record
	// after having taken it from us together with later ones; normally none.
	struct {
		uint64_t first, last;
	} skipped[CHECKPOINT_SKIPS_MAX];
	uint32_t skip_count;
	uint8_t chain[SHA256_BYTES]; // C(k-1)
	struct sha256 running;
};

// Where and when; the strings need no JSON escapes (names the configuration has checked).
struct checkpoint_origin {
	const char *appliance;
	uint64_t epoch;
	const char *topic;
	int32_t partition;
	uint32_t partition_map;
	int64_t wall_ns;
	enum clock_quality clock;
};

void checkpoint_init(struct checkpoint_chain *c);
// `seq` is above every seq added before. -ENOSPC if more gaps than a checkpoint can name are open:
// make one first.
int checkpoint_add(struct checkpoint_chain *c, uint64_t seq, struct view key, struct view value);
// Before a record of `bytes` is added to `c`: if it would not fit in what waits to be hashed, that
// is hashed together with what waits in `beside`, another chain.
static inline void
checkpoint_room(struct checkpoint_chain *c, struct checkpoint_chain *beside, size_t bytes) {
	if (!sha256_fits(&c->running, bytes + CHECKPOINT_RECORD_OVERHEAD))
		sha256_hash_pair(&c->running, &beside->running);
}
// Anything new since the last one?
static inline bool checkpoint_due(const struct checkpoint_chain *c) {
	return c->records > 0;
}
// The checkpoint record as JSON, without NUL; the chain goes on from it. Returns its length, which
// is at most CHECKPOINT_BYTES_MAX.
uint32_t checkpoint_make(
	struct checkpoint_chain *c,
	const struct checkpoint_origin *o,
	uint8_t out[CHECKPOINT_BYTES_MAX]
);
