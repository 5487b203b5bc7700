// SPDX-License-Identifier: Apache-2.0
// Stage: may this device send, and how much? Stands behind decode, where every record has its
// device. The answer is somebody else's: the pipeline knows no registry.
#pragma once

#include "pipelines/record.h"

#include <stdint.h>

struct burst;

enum judgement_rc : uint8_t {
	JUDGED_OK,
	JUDGED_UNKNOWN, // REFUSE_DEVICE_UNKNOWN
	JUDGED_STATE, // REFUSE_DEVICE_STATE: pending, suspended, revoked
	JUDGED_CLAIM, // REFUSE_CLAIM: not this topic, path or other device
	JUDGED_BLOCKED, // REFUSE_BLOCKED
	JUDGED_QUOTA, // SHED_QUOTA: later
};

#define JUDGEMENTS_MAX 64

// One device's share of one message.
struct judgement {
	const struct message *message;
	struct view device;
	uint64_t name[2]; // record.name
	uint64_t peer; // siphash_peer() of the sender under the same secret
	uint32_t records;
	uint32_t bytes; // of the payload, with the message's first device
	bool granted; // the profile lets message.device speak for it, whatever the registry says
	enum judgement_rc rc; // the answer
	bool registered; // and whether the device is in the registry
};

// What the registry says of a device; the views live until pipeline_run() returns.
struct device_facts {
	struct view profile; // its profile's name; empty: none
	struct view labels; // parsers/labels.h; empty: none
};

struct authority {
	// Answers n <= JUDGEMENTS_MAX. Hot: no allocation, lock, log or system call.
	void (*judge)(void *owner, struct judgement *j, uint32_t n);
	// Of a device that the registry does not have: nothing. NULL: there is no registry. Hot,
	// too.
	struct device_facts (*facts_of)(void *owner, struct view device);
	void *owner;
};

// Ends the items of [from, to) whose devices may not send. A message is refused if any of its
// devices is. A message whose transport has established another device than its records are of
// (message.device) needs a profile (claim.devices) or an authority that allows it.
void authorize_burst(struct burst *b, uint16_t from, uint16_t to, const struct authority *a);
