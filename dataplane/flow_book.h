// SPDX-License-Identifier: Apache-2.0
// Who sent to this worker: one entry per device at an address over a transport, with counters. The
// ports are not told apart: a device behind a NAT or with a fresh socket per message is one flow.
//
//   sets of FLOW_WAYS entries; a flow that finds its set full takes the place of the one that has
//   been silent longest, so that a flood of invented sources forgets only what is idle
//   tags, 16 B per set: which entry may be the flow's, without touching the others
//
// Thread: the worker's, except create and destroy. All memory is reserved by create.
#pragma once

#include "controlplane/api/channel.h"
#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

struct flow_book;

#define FLOW_WAYS 4

struct flow_id {
	struct channel_address peer; // its port and prefix_len are not part of the id
	struct view device; // at most CHANNEL_NAME_MAX bytes; may be empty
	uint8_t transport;
	// Both under the book's secret: flow_book_id(), or the first word of a record's name and
	// the siphash_peer() of who sent it.
	uint64_t name, address;
};

struct flow_entry {
	uint8_t address[16];
	uint16_t realm;
	uint16_t port; // of the last message
	uint8_t family; // 0: free
	uint8_t transport;
	uint8_t device_len;
	uint8_t reserved;
	char device[CHANNEL_NAME_MAX];
	uint64_t records;
	uint64_t bytes;
	int64_t seen_ns; // wall clock of the last message
	uint32_t drops; // messages refused or shed
	uint32_t reserved2;
	uint64_t reserved3;
};
static_assert(sizeof(struct flow_entry) == 128);

// `flows` is rounded up to a power of two. 0 or -ENOMEM.
int flow_book_create(uint32_t flows, const uint64_t secret[2], struct flow_book **out);
void flow_book_destroy(struct flow_book *b); // accepts NULL

// Fill in the hashes of device and peer.
void flow_book_id(const struct flow_book *b, struct flow_id *id);
// The id's hash; the tags of its set are on the way into the cache afterwards.
uint64_t flow_book_hash(const struct flow_book *b, const struct flow_id *id);
// For the next lookup: the entry of that hash, if there is one, is on the way into the cache.
void flow_book_prefetch(const struct flow_book *b, uint64_t hash);
// The entry of that id, made if there is none.
struct flow_entry *flow_book_entry(struct flow_book *b, uint64_t hash, const struct flow_id *id);
// NULL if there is none.
const struct flow_entry *flow_book_find(const struct flow_book *b, const struct flow_id *id);

uint32_t flow_book_capacity(const struct flow_book *b);
const struct flow_entry *flow_book_at(const struct flow_book *b, uint32_t at); // family 0: free
uint64_t flow_book_forgotten(const struct flow_book *b); // entries whose place another took
