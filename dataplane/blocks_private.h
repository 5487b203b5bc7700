// SPDX-License-Identifier: Apache-2.0
// What blocks.c (workers), blocks_change.c (main thread) and blocks_file.c share.
#pragma once

#include "dataplane/blocks.h"

#include <stdalign.h>
#include <stdatomic.h>

#define BLOCK_BUCKETS (2 * BLOCKS_MAX)
#define BLOCK_ASKS 64 // per worker
#define BLOCK_DECLINES 32 // the same
#define LENGTHS6 129

// Hashed and compared as bytes: no holes, the rest of `bytes` is zero.
struct block_key {
	uint8_t bytes[CHANNEL_NAME_MAX]; // masked address, or device id
	uint8_t device_len; // 0: address
	uint8_t family;
	uint8_t prefix_len;
	uint8_t action; // enum block_action
	uint16_t realm;
	uint16_t zero;
};
static_assert(sizeof(struct block_key) == 72);

struct block_entry {
	// [c>w] odd while the key changes
	alignas(64) _Atomic uint32_t sequence;
	_Atomic uint32_t next; // in its chain: index + 1, 0 ends it
	_Atomic uint32_t records_per_s; // of a limit
	uint32_t used; // [c]
	struct block_key key;
	// [x] any worker, relaxed
	_Atomic uint64_t due_ns; // theoretical arrival time of the next record
};
static_assert(sizeof(struct block_entry) == 128);

// What only the main thread knows of an entry.
struct block_note {
	uint64_t id;
	int64_t until_s; // CLOCK_BOOTTIME, 0: for ever
	uint32_t signature;
	uint32_t mark; // whole transfer that mentioned it last
	bool reported; // a ban made here: the control plane was told
	char reason[64];
};

struct block_lane {
	alignas(64) _Atomic uint32_t head; // worker writes
	_Atomic uint64_t lost;
	alignas(64) _Atomic uint32_t tail; // main writes
	struct block_ask asks[BLOCK_ASKS];
	alignas(64) _Atomic uint32_t declines_head; // main writes
	struct block_decline declines[BLOCK_DECLINES];
	alignas(64) _Atomic uint32_t declines_tail; // worker writes
};

struct blocks {
	// [fixed]
	uint64_t secret[2];
	uint16_t workers;
	struct block_entry *entries;
	_Atomic uint32_t *heads; // of chains: index + 1
	struct block_note *notes;
	uint32_t *free;
	struct block_lane *lanes;
	// [c>w]
	alignas(64) _Atomic uint32_t changing; // odd while a chain changes
	_Atomic uint32_t generation;
	_Atomic uint32_t devices[BLOCK_ACTION_COUNT]; // how many entries go by device
	// Which prefix lengths occur, by action: a bit each.
	_Atomic uint64_t lengths4[BLOCK_ACTION_COUNT];
	_Atomic uint64_t lengths6[BLOCK_ACTION_COUNT][3];
	// [x] counted by any worker, rarely
	alignas(64) _Atomic uint64_t frames;
	_Atomic uint64_t messages;
	// [c]
	alignas(64) uint32_t high; // entries ever used
	uint32_t free_count;
	uint32_t count[BLOCK_ACTION_COUNT];
	uint32_t length_count4[BLOCK_ACTION_COUNT][33];
	uint32_t length_count6[BLOCK_ACTION_COUNT][LENGTHS6];
	uint32_t mark;
	uint32_t unreported;
	int64_t expiry_s; // of the first entry that ends
	bool dirty; // since the last blocks_turn()
	uint64_t asked, declined, table_full, untold, expired;
	uint32_t (*crowd)(void *owner, const struct block_ask *ask); // NULL: nobody is hit
	void *crowd_owner;
};

// The key of an address under a prefix length.
struct block_key block_key_address(
	uint8_t family,
	const uint8_t *address,
	uint16_t realm,
	uint8_t prefix_len,
	enum block_action action
);
struct block_key block_key_device(struct view device, enum block_action action);
_Atomic uint32_t *block_chain(const struct blocks *b, const struct block_key *key);
int64_t block_now_s(void); // CLOCK_BOOTTIME
