// SPDX-License-Identifier: Apache-2.0
// Workers without a network: pipelines with shared device states, whose sealed batches and letters
// wait until the test delivers them.
#pragma once

#include "config/config.h"
#include "pipelines/handover.h"
#include "pipelines/pipeline.h"

#define RIG_WORKERS 3
#define RIG_BATCHES 16
#define RIG_BATCH_BYTES 65536
#define RIG_TOKENS 65536

#define RIG_RING 4 // letters: small, so that outboxes are used

struct rig;

struct rig_ring {
	struct pipeline_letter letters[RIG_RING];
	uint32_t head, count;
};

struct rig_worker {
	struct rig *rig;
	struct ledger ledger;
	struct pipeline *p;
	struct batch *batches;
	struct batch *sealed[RIG_BATCHES];
	uint32_t sealed_count;
};

struct rig {
	struct config config;
	struct config_topic topics[3]; // telemetry, dead letters, alerts
	struct config_route route;
	struct profile profile;
	struct profile_field fields[8];
	uint16_t index[16];
	uint16_t required[8];
	struct device_states *states;
	struct rig_worker workers[RIG_WORKERS];
	uint16_t worker_count;
	struct rig_ring rings[RIG_WORKERS][RIG_WORKERS]; // from, to
	uint64_t now_ns;
	int64_t wall_ns;
	uint8_t verdicts[RIG_TOKENS]; // how many
	uint8_t outcome[RIG_TOKENS];
	struct verdict last;
	// Everything a sink would have: called with each entry that is delivered.
	void (*delivered)(
		struct rig *rig,
		uint16_t worker,
		const struct batch *b,
		const struct batch_entry *e
	);
};

// One profile "p", JSON with dev, ts (ms) and seq, dedup time+seq, the actions of the shipped list.
void rig_start(struct rig *rig, uint16_t workers);
void rig_stop(struct rig *rig);
struct message rig_message(const struct rig *rig, const char *payload, uint32_t token);
// Push, run, and check the ledgers.
void rig_push(struct rig *rig, uint16_t worker, const struct message *m);
// Messages of worker 0. A payload; `rest` of a reading of device "d", made so long ago; its field
// t.
void rig_send(struct rig *rig, const char *payload, uint32_t token);
void rig_send_at(struct rig *rig, int64_t ago_ms, const char *rest, uint32_t token);
void rig_value_at(struct rig *rig, int64_t ago_ms, double t);
// The only field of the profile.
void rig_field(struct rig *rig, struct profile_field f);
// Seal all and give every sealed entry this result.
void rig_complete(struct rig *rig, uint16_t worker, enum entry_result result);
// Deliver up to `n` letters, each from the rings that `random` chooses. Returns how many there
// were.
uint32_t rig_letters(struct rig *rig, uint32_t n, uint32_t random);
uint64_t rig_found(const struct rig *rig, enum finding f); // all workers
uint64_t rig_counter(const struct rig *rig, enum stage_counter c);
uint64_t rig_duplicates(const struct rig *rig);
