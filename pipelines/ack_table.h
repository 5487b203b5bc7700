// SPDX-License-Identifier: Apache-2.0
// Messages that wait for the results of their records. Fixed size; a slot is taken when a message
// is accepted and given back when its last record has a result.
// Thread: the worker's own.
#pragma once

#include "pipelines/burst.h"
#include "pipelines/record.h"

#include <stdbool.h>
#include <stdint.h>

#define WAITER_NONE UINT32_MAX

struct ack_slot {
	uint64_t rx_ns;
	uint32_t token; // the adapter's; next free slot while the slot is free
	uint16_t waiting; // records without a result
	uint8_t transport;
	bool refused : 1; // at least one record was
	bool silent : 1; // nobody waits: the slot is there for its dedup entry
	uint16_t remote; // as in the message
	uint32_t place; // of the device with the entry
	uint32_t waiters; // copies that wait as well, WAITER_NONE: none (pipelines/waiters.h)
	struct dedup_key key; // hash 0: no entry
};

struct ack_table {
	struct ack_slot *slots; // owned
	uint32_t count;
	uint32_t used;
	uint32_t first_free;
};

int ack_table_init(struct ack_table *t, uint32_t count); // 0 or -ENOMEM
void ack_table_fini(struct ack_table *t);

// TOKEN_NONE if every slot is taken.
uint32_t ack_table_take(struct ack_table *t, const struct message *m, uint16_t records);

// One record of the slot has its result. True if it was the last: `*done` is then a copy of the
// slot, which is free again.
bool ack_table_count(struct ack_table *t, uint32_t slot, bool refused, struct ack_slot *done);

// Give back a slot whose message was not accepted after all.
void ack_table_give(struct ack_table *t, uint32_t slot);
