// SPDX-License-Identifier: Apache-2.0
// Stage: has this message been taken before?
//
// A message with a key leaves an entry with its device: key, hash of the payload, when. It is
// pending until the last of its records is durable, then committed; if it is refused, shed or lost,
// the entry goes, and the device may send it again. A later message with the same key and the same
// payload is a copy:
//
//   of a pending one    it waits for that one's verdict and gets the same
//   of a committed one  acknowledged at once
//
// and leaves through the door `duplicate`. Same key, other payload: FINDING_CONFLICT, kept.
//
// Keys, by profile and transport:
//   time+seq  path, and device time and sequence of every record, as far as the payload has them
//   payload   path and payload
//   MQTT      session, packet id and path, where the payload has neither time nor sequence. A copy
//             must carry DUP, and its client must have been seen to count its packet ids up
//             (DEDUP_RUN times running): one that takes the lowest free id uses the same id for the
//             next message, of which DUP then proves nothing
//
// Entries that may be forgotten make room for new ones, the oldest first; pending ones are never
// forgotten. A message for which there is no room is taken without an entry, counted.
// Dead letters that are sent again are not looked at.
// Thread: the worker's own.
#pragma once

#include "pipelines/ack_table.h"
#include "pipelines/burst.h"
#include "pipelines/device_state.h"

#include <stdint.h>

struct pipeline;

#define DEDUP_COMMITTED UINT32_MAX
#define DEDUP_RUN 8

// What is known of a key.
enum dedup_rc : uint8_t {
	DEDUP_NEW, // an entry was made
	DEDUP_FULL, // the same, but every entry is pending: none was made
	DEDUP_COPY,
	DEDUP_CONFLICT, // an entry was made beside the one with another payload
	DEDUP_CONFLICT_FULL, // the same, but none was made
};

// Who knows what becomes of a pending message: a worker and its ack slot.
#define ORIGIN_SLOT_BITS 26
#define ORIGIN_SLOT_MASK ((1u << ORIGIN_SLOT_BITS) - 1)
static inline uint32_t origin_of(uint16_t worker, uint32_t ack) {
	return (uint32_t)worker << ORIGIN_SLOT_BITS | ack;
}

// One device's window. `*pending` of a copy: who knows what becomes of the first.
enum dedup_rc dedup_enter(
	const struct device_states *s,
	uint32_t place,
	const struct dedup_key *k,
	uint32_t now_s,
	uint32_t window_s,
	uint32_t made_by,
	uint32_t *pending
);
// The entry of `k` that `from` made belongs to `to` from now on.
void dedup_rename(
	const struct device_states *s,
	uint32_t place,
	const struct dedup_key *k,
	uint32_t from,
	uint32_t to
);
// What became of it: committed, or forgotten.
void dedup_close(
	const struct device_states *s,
	uint32_t place,
	const struct dedup_key *k,
	uint32_t made_by,
	bool durable,
	uint32_t now_s
);

// The stage. Copies become ITEM_DUPLICATE, item.original says of what.
void dedup_burst(struct pipeline *p, uint16_t from, uint16_t to);
// An item was admitted under ack slot `ack`; nothing happens if it has no entry.
void dedup_admitted(struct pipeline *p, const struct item *it, uint32_t ack);
// It was not: its entry goes.
void dedup_withdrawn(struct pipeline *p, struct item *it);
// Slot `ack` has its result; `slot` is what it was.
void dedup_settled(struct pipeline *p, uint32_t ack, const struct ack_slot *slot);
// The item of this burst that a duplicate is a copy of, if it is one.
const struct item *dedup_first(const struct pipeline *p, const struct item *it);
