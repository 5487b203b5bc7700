// SPDX-License-Identifier: Apache-2.0
// One worker's pipeline: messages in, sealed batches out, verdicts back to the protocol adapters.
//
//   pipeline_push()  x n        adapters, while a burst is processed
//   pipeline_run()              once, before the burst's buffers are freed: decode, dedup,
//                               validate, match, route, encode
//   pipeline_complete()         results from egress
//   pipeline_tick()             linger: seals batches that are due
//   pipeline_rest()             nothing more came in: no need to linger if egress is idle
//
// A verdict arrives through the adapter's `done` callback, possibly inside pipeline_run() (refused,
// shed, `ack: received`), later from pipeline_complete() otherwise. A callback never calls
// pipeline_push(). Adapters that push more than 4,096 messages between two runs may get verdicts of
// earlier messages inside pipeline_push().
// Thread: the worker's own. Nothing here allocates, locks, logs or makes a system call after
// pipeline_create().
#pragma once

#include "pipelines/authorize.h"
#include "pipelines/batch.h"
#include "pipelines/device_state.h"
#include "pipelines/latency.h"
#include "pipelines/ledger.h"
#include "pipelines/match.h"
#include "pipelines/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct pipeline;
struct pipeline_letter;

// What the pipeline needs from whoever runs it.
struct pipeline_env {
	uint16_t worker; // index
	uint16_t egress_count;
	struct batch *batches; // batch_count of them, buffers attached, owned by the caller
	uint16_t batch_count;
	uint32_t ack_slots; // messages that may wait at once, at most 2^26
	uint32_t in_flight_records_max;
	uint64_t in_flight_bytes_max;
	uint64_t appliance_epoch;
	struct ledger *ledger; // this worker's
	struct device_states *states; // shared by all workers; NULL: nothing is remembered
	// With more than one worker: letters between their pipelines (pipelines/handover.h). False
	// if there is no room now; letters from one worker to another arrive in their order.
	uint16_t workers;
	uint32_t park_bytes;
	// Of this start. Devices are known by the SipHash of their names under it, here and behind
	// `authority`; where there are states, it is theirs.
	uint64_t secret[2];
	bool (*mail)(void *owner, uint16_t to, const struct pipeline_letter *l);
	// Give a sealed batch to batch->egress. Must not fail: ring sized for all batches.
	void (*sealed)(void *owner, struct batch *b);
	void *owner;
	// Who may send; judge NULL: everybody.
	struct authority authority;
	// Who cuts senders off when a signature says so.
	struct match_enforcer enforcer;
	// Per transport: tell the adapter. `done` may be NULL if the transport never waits.
	struct {
		void (*done)(void *adapter, uint32_t token, const struct verdict *v);
		void *adapter;
	} adapters[TRANSPORT_COUNT];
};

// 0, -ENOMEM, or -EINVAL: more than 256 topics, or egress_count outside 1..EGRESS_MAX.
int pipeline_create(const struct pipeline_env *env, const struct config *c, struct pipeline **out);
void pipeline_destroy(struct pipeline *p); // accepts NULL

// Between bursts only: use this configuration generation from now on. Messages in flight finish
// under the one they were accepted with.
void pipeline_use(struct pipeline *p, const struct config *c);

// Between bursts only: this worker's share of the signatures from now on; NULL: none. The caller's.
void pipeline_match(struct pipeline *p, struct matcher *m);

// The generation in use.
const struct config *pipeline_config(const struct pipeline *p);

// What our wall clock is worth now; carried in every record from here on. Unknown until told.
// max_error_us is ignored with CLOCK_UNKNOWN.
void pipeline_clock(struct pipeline *p, enum clock_quality quality, uint64_t max_error_us);

// Copies *m, not what its views point to. Every pushed message is counted as received and gets
// exactly one verdict (if it has a token) and one door of the message ledger.
void pipeline_push(struct pipeline *p, const struct message *m);
void pipeline_run(struct pipeline *p, uint64_t now_ns, int64_t wall_ns);

// Entries [first, first+count) of batch `batch` of this worker have results.
void pipeline_complete(struct pipeline *p, struct completion c, uint64_t now_ns);

// No more input is waiting: give egress what there is, if it has nothing of ours to do.
void pipeline_rest(struct pipeline *p);
// Seal what has lingered long enough. Returns the monotonic time of the next due batch, or
// UINT64_MAX.
uint64_t pipeline_tick(struct pipeline *p, uint64_t now_ns);
void pipeline_seal_all(struct pipeline *p);

// Somebody of whom no message was taken, and when.
struct pipeline_peer {
	struct view address;
	uint16_t realm;
	enum transport transport;
	uint64_t now_ns;
	int64_t wall_ns;
};
// A packet came for a port nobody listens on: somebody may be looking for open ones.
void pipeline_unheard(struct pipeline *p, const struct pipeline_peer *peer, uint16_t port);
// A ban that `signature` wanted was not made, because so many devices in good standing send from
// that address as well. Between bursts.
void pipeline_ban_declined(
	struct pipeline *p,
	const struct pipeline_peer *peer,
	uint32_t signature,
	uint32_t devices
);

// A letter from another worker. Between bursts.
void pipeline_letter(struct pipeline *p, const struct pipeline_letter *l);

// Nothing is open or in flight any more.
bool pipeline_idle(const struct pipeline *p);

// How full the in-flight budget is, 0..100: adapters back off above a mark.
unsigned pipeline_pressure(const struct pipeline *p);

// Wire-to-ack: until the verdict where somebody waits, else until the record's result.
const struct latency *pipeline_latency(const struct pipeline *p, enum transport t);
