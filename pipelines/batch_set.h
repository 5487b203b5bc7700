// SPDX-License-Identifier: Apache-2.0
// A worker's batches: which are free, which is open for an (egress, topic), which wait to be
// sealed. A message's records are added one by one and then kept or taken back as a whole.
//
//   batch_set_room() / batch_set_added()  x records, then
//   batch_set_commit()   seal what is full, or
//   batch_set_rollback() as if nothing had been added
//
// Thread: the worker's own.
#pragma once

#include "pipelines/batch.h"

#include <stdint.h>

#define BATCH_NONE UINT16_MAX
#define BATCH_TOPICS_MAX 256
#define BATCH_EGRESS_MAX 8

// Where a record goes. With packing, a batch is of one partition.
struct batch_target {
	uint16_t egress;
	uint16_t topic;
	enum packing packing;
	uint16_t pack_max; // of the route; batches of another are not joined
	int32_t partition; // only looked at with packing
};

// Where the open batch of a packed partition is looked for first: places, not limits.
#define BATCH_PACKED_PLACES 1024

struct batch_mark {
	uint16_t batch;
	uint32_t count;
	uint32_t used;
};

struct batch_set {
	struct batch *batches; // borrowed
	uint16_t count;
	uint16_t entries_max; // per batch
	uint64_t linger_ns;
	uint64_t next_due_ns;
	void (*sealed)(void *owner, struct batch *b);
	void *owner;

	uint16_t free_count;
	uint16_t out_count; // sealed and not yet given back
	uint16_t opened_count;
	uint16_t full_count;
	uint16_t *free; // owned, as are the next two; `count` places each
	uint16_t *opened; // all open ones
	uint16_t *full; // no longer open, sealed at the next commit
	uint16_t open[BATCH_EGRESS_MAX][BATCH_TOPICS_MAX];
	uint16_t packed[BATCH_PACKED_PLACES]; // hint, by hash of topic and partition

	uint16_t mark_count;
	struct batch_mark *marks; // owned: state before each record of the message in hand
	uint16_t marks_max;
};

// `marks_max` records may belong to one message. 0 or -ENOMEM; fini understands what init left.
int batch_set_init(
	struct batch_set *s,
	struct batch *batches,
	uint16_t count,
	uint16_t marks_max,
	void (*sealed)(void *owner, struct batch *b),
	void *owner
);
void batch_set_fini(struct batch_set *s);

// The open batch of the target with room for one more entry of up to `bytes`, opened if need be.
// nullptr: no batch is free, or no batch could ever hold so much.
struct batch *
batch_set_room(struct batch_set *s, const struct batch_target *to, uint32_t bytes, uint64_t now_ns);

// Count the entry that the caller has filled in: b->entries[b->count], `bytes` from b->used.
void batch_set_added(struct batch_set *s, struct batch *b, uint32_t bytes);

void batch_set_commit(struct batch_set *s);
void batch_set_rollback(struct batch_set *s);

// Seal open batches that have lingered. While more than half of all batches are out at egress,
// which means that a sink is slow, they linger on and fill up instead of using up the buffers a
// few records at a time. Returns when the next is due, UINT64_MAX if none is open.
uint64_t batch_set_seal_due(struct batch_set *s, uint64_t now_ns);
void batch_set_seal_all(struct batch_set *s);
// Lingering gathers records while egress is at work. If it has none of ours it would only add
// delay: seal what is open and not packed (a packed one is worth waiting for).
void batch_set_seal_unless_busy(struct batch_set *s);

// All entries of a sealed batch have come back.
void batch_set_give(struct batch_set *s, struct batch *b);
