// SPDX-License-Identifier: Apache-2.0
// CoAP requests that wait for their contract, and separate responses that wait for their ACK: a
// fixed pool, found by index (the pipeline's token), by exchange key (an ACK), or by time.
//
//   WAIT ──verdict──► answered, free
//     │ ack_delay
//     ├──► ACKED ──verdict──► RETRANSMIT ──ACK, RST, four times in vain──► free
//     └──► ANSWERED (5.03; `separate: no`) ──verdict──► free
//   LEISURE ──due──► multicast answered, free
//
// Timers lie in a wheel of 4,096 slots of 2^24 ns (16.8 ms), 68 s around, which covers the longest
// wait of section 4.8 (2 s x 1.5 x 16).
// Thread: one worker. Nothing allocates after pending_init().
#pragma once

#include "dataplane/net/net.h"
#include "dataplane/packet.h"
#include "parsers/coap.h"

#include <stdbool.h>
#include <stdint.h>

#define PENDING_NONE UINT32_MAX
#define WHEEL_SLOTS 4096
#define WHEEL_SHIFT 24

enum pending_state : uint8_t {
	PENDING_FREE,
	PENDING_WAIT,
	PENDING_ACKED,
	PENDING_ANSWERED,
	PENDING_RETRANSMIT,
	PENDING_LEISURE,
};

struct pending {
	uint64_t exchange; // key in the exchange table
	uint32_t exchange_place; // and where that entry stood at first
	uint64_t due_ns; // of its timer; 0 = none
	struct flow_key key;
	struct view diagnostic; // static text, for retransmissions too
	struct net_path path;
	uint16_t mid; // the request's
	uint16_t own_mid; // of a message that we start for it
	uint32_t fingerprint;
	uint32_t chain; // next with the same hash, or next free
	uint32_t before; // neighbours in the wheel slot
	uint32_t behind;
	uint32_t request_len;
	uint32_t timeout_ms; // of the current retransmission
	struct coap_block block1;
	enum pending_state state;
	enum coap_type type; // the request's
	uint8_t code; // of the response
	uint8_t no_response;
	uint8_t tries;
	uint8_t token_len;
	uint8_t token[COAP_TOKEN_MAX];
	bool separate;
	bool has_block1;
	bool proven;
};

struct pending_table {
	struct pending *slots;
	uint32_t *buckets;
	uint32_t capacity;
	uint32_t bucket_mask;
	uint32_t free;
	uint32_t used;
	uint64_t tick; // first wheel slot not yet run
	uint32_t timers;
	uint64_t occupied[WHEEL_SLOTS / 64];
	uint32_t wheel[WHEEL_SLOTS];
};

int pending_init(struct pending_table *t, uint32_t capacity); // 0 or -ENOMEM
void pending_fini(struct pending_table *t);

// NULL if the pool is empty. The caller fills in what it likes except chain, before, behind,
// exchange, due_ns.
struct pending *pending_take(struct pending_table *t, uint64_t exchange);
void pending_give(struct pending_table *t, struct pending *p); // stops its timer

struct pending *pending_lookup(struct pending_table *t, uint64_t exchange);

static inline uint32_t pending_index(const struct pending_table *t, const struct pending *p) {
	return (uint32_t)(p - t->slots);
}

void pending_timer_set(
	struct pending_table *t,
	struct pending *p,
	uint64_t now_ns,
	uint64_t due_ns
);
void pending_timer_stop(struct pending_table *t, struct pending *p);

// The next one whose time has come, its timer stopped; NULL if there is none (any more).
struct pending *pending_due(struct pending_table *t, uint64_t now_ns);
// When pending_due() will have something, UINT64_MAX if no timer runs.
uint64_t pending_next_due(const struct pending_table *t);
