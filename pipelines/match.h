// SPDX-License-Identifier: Apache-2.0
// Stage: signatures against path and payload of every message, between validate and route.
//
// A message is scanned whole, once for its path and once for its payload; what hits is a finding of
// each of its records. The gravest action of all hits holds. What decode refused as malformed is
// scanned as well: attacks are rarely good JSON. `disconnect` and `ban` hurt a sender only if its
// address or identity is proven (message.proven); else the message is quarantined and counted.
// Work per message is bounded by its length and the number of signatures: every signature reports
// once per scan, and MATCH_KEPT of them are named in the records.
// Hot path: hs_scan() with this worker's scratch, nothing else of Hyperscan.
#pragma once

#include "config/signature.h"
#include "pipelines/burst.h"

#include <stdatomic.h>
#include <stdint.h>

struct match_set; // pipelines/match_compile.h

#define MATCH_KEPT 4 // hits of one message that its records name, the gravest

// What one worker saw of one signature. One writer.
struct match_count {
	_Atomic(uint64_t) hits; // messages
	_Atomic(uint64_t) acted; // of these: held back, refused or worse because of it
	_Atomic(uint64_t) unproven; // of these: asked for disconnect or ban, sender not proven
};

// One worker's share of a set. Made with the set, used by that worker between two bursts only.
struct matcher {
	const struct match_set *set;
	struct hs_scratch *scratch;
	struct match_count *counts; // one per signature
	_Atomic(uint64_t) scanned_bytes;
	_Atomic(uint64_t) errors; // scans that Hyperscan refused: a bug, counted
};

// A sender to be cut off. Views live until the callback returns.
struct match_order {
	const struct message *message;
	struct view device; // proven identity, empty: the address is all we know
	struct view name; // of the signature
	uint32_t signature;
	uint32_t ban_s; // 0: disconnect only
};

// Whoever carries orders out. Called by the worker, in the middle of a burst; neither waits nor
// fails.
struct match_enforcer {
	void (*enforce)(void *owner, const struct match_order *o); // NULL: nobody
	void *owner;
};

// Items [from, to). `m` NULL: no signatures. Items end as REFUSE_SIGNATURE.
void match_burst(
	struct burst *b,
	uint16_t from,
	uint16_t to,
	struct matcher *m,
	const struct match_enforcer *e
);
