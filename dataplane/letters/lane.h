// SPDX-License-Identifier: Apache-2.0
// Dead letters on their way through the pipeline again: a fixed number of slots that go from the
// letters thread to worker 0 and come back with the pipeline's verdict.
//
//   letters thread                         worker
//   lane_take_free()  fill
//   lane_send()      ---- ring t>w --->   lane_poll(): pipeline_push()
//   lane_take_done() <--- ring w>t ----   lane_done(): the verdict
#pragma once

#include "parsers/payload.h"
#include "pipelines/pipeline.h"

#include <stdint.h>

#define LANE_SLOTS 16
#define LANE_PATH_MAX 65535

struct letter_lane;

struct letter_slot {
	// [t] until sent
	int32_t partition; // where the letter lies in the dead-letter topic
	int64_t offset;
	char profile[32];
	enum payload_format format;
	uint8_t replays; // of the message that goes through now
	uint16_t realm;
	uint16_t peer_port;
	uint8_t peer_len;
	uint8_t peer[16];
	int64_t arrival_ns;
	uint64_t epoch;
	uint64_t seq;
	uint32_t device_len;
	uint32_t path_len;
	uint32_t payload_len;
	uint8_t device[DEVICE_ID_MAX];
	uint8_t path[LANE_PATH_MAX];
	uint8_t payload[PAYLOAD_MAX];
	// [w] when done
	bool no_profile; // the configuration has no profile of that name any more
	struct verdict verdict;
	// [fixed]
	uint16_t index;
};

// Main thread, after EAL is up. 0 or -ENOMEM.
int lane_create(struct letter_lane **out);
void lane_destroy(struct letter_lane *l); // accepts NULL; neither thread uses it any more

// --- letters thread

struct letter_slot *lane_take_free(struct letter_lane *l); // nullptr: all are on their way
void lane_give(struct letter_lane *l, struct letter_slot *s); // free again
void lane_send(struct letter_lane *l, struct letter_slot *s);
struct letter_slot *lane_take_done(struct letter_lane *l); // nullptr: none has come back

// --- worker

// Push what has come; returns how much. The pipeline runs afterwards.
unsigned lane_poll(struct letter_lane *l, struct pipeline *p, uint64_t now_ns);
// For struct pipeline_env, with the lane as adapter and the slot's index as token.
void lane_done(void *lane, uint32_t token, const struct verdict *v);
