// SPDX-License-Identifier: Apache-2.0
// Receipts to come: frames that asked for one and wait for their contract, then for the receipt
// delay, in which the receipts of one device become one.
//
//   WAIT ──contract met──► DUE (first of its device; later ones are folded into it) ──► sent, free
//     └──refused, shed──► free
//
// Thread: one worker. Nothing allocates after receipts_init().
#pragma once

#include "dataplane/datagram.h"
#include "dataplane/frame/devices.h"

enum receipt_state : uint8_t { RECEIPT_FREE, RECEIPT_WAIT, RECEIPT_DUE };

// Where a receipt goes: the latest frame that asked. Its (epoch, seq) is accepted once in all time,
// so a nonce made of it is used once in this direction too.
struct receipt_slot {
	struct flow_key key;
	struct net_path path;
	struct frame_device *dev;
	enum frame_algorithm algorithm; // with key_number: the key, looked up when it is sealed
	uint8_t key_number;
	struct frame_mark at;
	uint64_t due_ns;
	uint32_t request_len;
	uint32_t next; // free, or due after this one
	enum receipt_state state;
};

struct receipts {
	struct receipt_slot *slots;
	uint32_t capacity;
	uint32_t free;
	uint32_t used;
	uint32_t first_due; // the delay is the same for all, so the order of due times is that of
			    // arrival
	uint32_t last_due;
};

#define RECEIPT_NONE UINT32_MAX

int receipts_init(struct receipts *r, uint32_t capacity); // 0 or -ENOMEM
void receipts_fini(struct receipts *r);

// NULL if all slots are in use.
struct receipt_slot *receipt_take(struct receipts *r);
void receipt_give(struct receipts *r, struct receipt_slot *s);
// The contract of the frame in `s` is met. `s` may be gone afterwards.
void receipt_schedule(struct receipts *r, struct receipt_slot *s, uint64_t due_ns);
// Takes the first that is due out of the queue; the caller gives it back. NULL if none is.
struct receipt_slot *receipt_due(struct receipts *r, uint64_t now_ns);
uint64_t receipts_next_due(const struct receipts *r); // UINT64_MAX if none is

static inline uint32_t receipt_index(const struct receipts *r, const struct receipt_slot *s) {
	return (uint32_t)(s - r->slots);
}
