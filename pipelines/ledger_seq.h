// SPDX-License-Identifier: Apache-2.0
// ledger_seq: the number of a record within (appliance epoch, topic, partition), gap-free from 1.
//
// Given when a record is offered to the sink, in the order of offering, and written into the place
// the encoder left. What the sink could not take is untaken in reverse order, so its number is
// given again. Thread: the egress thread that owns the partitions.
#pragma once

#include "pipelines/batch.h"

#include <stdint.h>

struct config;
struct ledger_seq;

// Counters for every topic of `c` and its pinned partitions (at least one per topic).
int ledger_seq_create(const struct config *c, struct ledger_seq **out);
void ledger_seq_destroy(struct ledger_seq *s); // accepts NULL

// Flat index of a partition, dense over all topics: 0..ledger_seq_partitions(). A partition outside
// the pinned count is UINT32_MAX.
uint32_t ledger_seq_index(const struct ledger_seq *s, uint16_t topic, int32_t partition);
uint32_t ledger_seq_partitions(const struct ledger_seq *s);
uint32_t ledger_seq_topic_partitions(const struct ledger_seq *s, uint16_t topic);

// Only entries with a place for it (seq_at) and records are numbered; others get 0.
void ledger_seq_give(struct ledger_seq *s, const struct batch *b, struct batch_entry *e);
// The last given number of the entry's partition was not used.
void ledger_seq_ungive(struct ledger_seq *s, const struct batch *b, struct batch_entry *e);
// Nothing after `last` is in the sink: the next record of the partition gets last + 1.
void ledger_seq_rewind(struct ledger_seq *s, uint32_t index, uint64_t last);
