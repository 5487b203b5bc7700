// SPDX-License-Identifier: Apache-2.0
// Who has which MAC address: one bounded table per worker, keyed by interface (and so by realm) and
// address, for ARP and ND alike. Entries are made only by what we send; what others say without
// being asked makes none (no flooding) and changes none (a contradiction is looked into first).
// Thread: one worker.
#pragma once

#include <stdint.h>

struct net;
struct net_interface;
struct rte_mbuf;

#define NEIGHBOUR_WAYS 4 // entries of a bucket
#define NEIGHBOUR_PENDING_MAX 3 // frames that wait for one answer
#define NEIGHBOUR_ACTIVE_MAX 64 // questions open at a time

enum neighbour_state : uint8_t {
	NEIGHBOUR_FREE,
	NEIGHBOUR_INCOMPLETE, // asked, MAC unknown
	NEIGHBOUR_REACHABLE,
	NEIGHBOUR_PROBING, // asked again, the old MAC still serves
	NEIGHBOUR_FAILED, // did not answer; not asked again until due_ns
};

struct neighbour {
	uint8_t addr[16];
	uint16_t interface;
	uint8_t family;
	enum neighbour_state state;
	uint8_t mac[6];
	uint8_t tries;
	uint8_t pending_count;
	uint64_t used_ns;
	uint64_t due_ns; // next question, or until when the state holds
	struct rte_mbuf *pending[NEIGHBOUR_PENDING_MAX];
};

struct neighbours {
	struct neighbour *entries; // buckets of NEIGHBOUR_WAYS
	uint32_t buckets; // power of two
	uint32_t used;
	uint32_t active[NEIGHBOUR_ACTIVE_MAX]; // indices of INCOMPLETE and PROBING entries
	uint32_t active_count;
};

// Send `m`, which starts with its network header, to `destination` on the link or through the
// gateway. While the MAC is being asked for: to `fallback_mac` if given, else it waits (at most
// NEIGHBOUR_PENDING_MAX per neighbour) or is dropped and counted in stats.tx_unresolved. Takes
// ownership.
void neighbour_output(
	struct net *n,
	const struct net_interface *i,
	uint8_t family,
	const uint8_t *destination,
	const uint8_t *fallback_mac,
	struct rte_mbuf *m
);

// The neighbour answered: waiting frames leave. True if it had been asked.
bool neighbour_answered(
	struct net *n,
	const struct net_interface *i,
	uint8_t family,
	const void *addr,
	const uint8_t mac[6]
);

// It spoke without being asked. If we know it under another MAC, ask it.
void neighbour_heard(
	struct net *n,
	const struct net_interface *i,
	uint8_t family,
	const void *addr,
	const uint8_t mac[6]
);

// Questions that are due. Returns when the next one is, UINT64_MAX if none.
uint64_t neighbour_poll(struct net *n, uint64_t now_ns);
