// SPDX-License-Identifier: Apache-2.0
// Protected frames for one worker (docs/protected-frame.md): authenticate, refuse replays, hand the
// payload to the pipeline under the device's proven identity, send receipts.
//
//   frame_owner()  which worker must process it: a device's replay window has one owner, so a
//                  worker that receives a frame it does not own hands the mbuf over
//   frame_input()  on the owner
//   frame_done()   the pipeline's verdict: marks the sequence as acknowledged, schedules a receipt
//   frame_poll()   receipts, and frames parked until the main thread has stored their mark. It may
//                  push: pipeline_run() must come between two calls of frame_poll(), because the
//                  second gives back the buffers that the first pushed from
//
// message.device is the id that the key authenticated, message.proven is true, epoch and seq are
// the frame's own: a copy has the same record id for ever.
// Ledger: a frame that its key authenticates is a message, accepted, refused as replayed (a copy by
// the network or by an attacker: nobody can tell) or shed (its mark could not be stored in time).
// What no key authenticates is refused. Receipt queries carry no telemetry: own counter.
// Thread: the worker's own, except frame_owner() (any). Nothing allocates after frame_create().
#pragma once

#include "dataplane/datagram.h"
#include "dataplane/frame/devices.h"

#include <stdint.h>

struct frame_adapter;
struct crypto;

#define FRAME_COUNTERS(X)                                                                          \
	X(FRAME_AUTHENTIC, "authentic")                                                            \
	X(FRAME_UNKNOWN_KEY, "unknown-key")                                                        \
	X(FRAME_BAD_TAG, "bad-tag")                                                                \
	X(FRAME_OLD, "replay-older-than-window")                                                   \
	X(FRAME_SEEN, "replay-seen")                                                               \
	X(FRAME_PARKED, "parked-for-mark")                                                         \
	X(FRAME_PARK_FULL, "park-full")                                                            \
	X(FRAME_PARK_EXPIRED, "park-expired")                                                      \
	X(FRAME_QUERY, "receipt-queries")                                                          \
	X(FRAME_RECEIPT, "receipts-sent")                                                          \
	X(FRAME_RECEIPT_TOO_LONG, "receipts-longer-than-request")                                  \
	X(FRAME_RECEIPT_NO_KEY, "receipts-without-key")                                            \
	X(FRAME_RECEIPT_NO_SLOT, "receipts-without-slot")

enum frame_counter {
#define X(id, label) id,
	FRAME_COUNTERS(X)
#undef X
		FRAME_COUNTER_COUNT
};

struct frame_stats {
	uint64_t count[FRAME_COUNTER_COUNT];
	uint64_t decoded[FRAME_RC_COUNT]; // datagrams by what the decoder said of them
};
const char *frame_counter_label(enum frame_counter c);

struct frame_env {
	struct adapter_env adapter; // ledger = messages[TRANSPORT_FRAME]
	struct frame_devices *devices; // shared by all workers, outlives the adapter
	struct crypto *crypto; // this worker's
	uint32_t pending; // receipts waiting for their contract
};

// 0 or -ENOMEM.
int frame_create(const struct frame_env *env, const struct config *c, struct frame_adapter **out);
void frame_destroy(struct frame_adapter *f); // accepts NULL
// Between bursts: use this generation's delays. What is parked under the old one is shed.
void frame_use(struct frame_adapter *f, const struct config *c);

// Index of the worker that owns the frame's device; 0 for what is not a frame at all.
uint16_t frame_owner(struct view datagram, uint16_t workers);

void frame_input(struct frame_adapter *f, const struct datagram *d);

// pipeline_env.adapters[TRANSPORT_FRAME].done, with the adapter as adapter.
void frame_done(void *adapter, uint32_t token, const struct verdict *v);

// Budgeted. Returns the monotonic time of the next due work, UINT64_MAX if none.
uint64_t frame_poll(struct frame_adapter *f, uint64_t now_ns);

uint32_t frame_waiting(const struct frame_adapter *f); // gauge: parked frames, receipts to come
const struct frame_stats *frame_stats(const struct frame_adapter *f);
