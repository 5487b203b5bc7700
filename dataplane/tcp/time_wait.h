// SPDX-License-Identifier: Apache-2.0
// What remains of closed connections: TIME_WAIT (RFC 9293 section 3.6) where we closed first, and
// tombstones of connections so young that a duplicate of their handshake's ACK would still carry a
// valid cookie and revive them. 64-byte records, a bounded number, the oldest goes first. One
// thread.
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum tw_kind : uint8_t { TW_TIME_WAIT, TW_TOMBSTONE, TW_KINDS };

struct tw_record {
	uint8_t remote[16];
	uint16_t remote_port;
	uint16_t service;
	enum tw_kind kind;
	bool has_ts;
	uint16_t pad;
	uint32_t rcv_nxt;
	uint32_t snd_nxt;
	uint32_t ts_recent;
	uint32_t expiry; // tick
	uint32_t hash;
	uint32_t chain; // next of the same bucket; of the free list
	uint32_t prev, next; // by age, within its kind
};
static_assert(sizeof(struct tw_record) <= 64);

struct time_wait {
	struct tw_record *records; // element 0 unused
	uint32_t *buckets;
	uint32_t mask;
	uint32_t capacity;
	uint32_t used;
	uint32_t free;
	uint32_t fresh;
	uint32_t oldest[TW_KINDS];
	uint32_t newest[TW_KINDS];
	uint32_t ticks[TW_KINDS]; // how long each kind stays
};

uint32_t time_wait_buckets(uint32_t capacity);
// Zeroed arrays: capacity + 1 records, time_wait_buckets(capacity) buckets.
void time_wait_init(
	struct time_wait *w,
	struct tw_record *records,
	uint32_t *buckets,
	uint32_t capacity
);

struct tw_record *time_wait_lookup(
	const struct time_wait *w,
	uint32_t hash,
	const uint8_t remote[16],
	uint16_t remote_port,
	uint16_t service
);
// Copies what describes the connection and its kind; *evicted says whether an older one had to go.
void time_wait_add(struct time_wait *w, const struct tw_record *r, uint32_t tick, bool *evicted);
void time_wait_restart(struct time_wait *w, struct tw_record *r, uint32_t tick);
void time_wait_remove(struct time_wait *w, struct tw_record *r);
// Drops what has expired, at most `budget` records; true if there is more.
bool time_wait_expire(struct time_wait *w, uint32_t tick, unsigned budget);
// Ticks until the next expiry, UINT64_MAX if there is none.
uint64_t time_wait_idle_ticks(const struct time_wait *w, uint32_t tick);
