// SPDX-License-Identifier: Apache-2.0
// A burst on its way through the stages: decode, authorize, dedup, map, validate, match, route,
// encode (docs/architecture.md has the drawing).
//
// A stage walks the items that are still ITEM_GOING and may end one: refused or shed. The readings
// of all items of a burst share one struct readings; a burst ends where it is full.
// Thread: the worker's own. Private to pipelines/.
#pragma once

#include "config/finding.h"
#include "parsers/payload.h"
#include "pipelines/record.h"

#include <stdint.h>

struct config;

#define BURST_MESSAGES 64
#define ADDRESS_TEXT_MAX 46

enum item_state : uint8_t {
	ITEM_GOING,
	ITEM_REFUSED,
	ITEM_SHED,
	ITEM_PARKED, // it waits for its device (pipelines/handover.h)
	ITEM_DUPLICATE, // of a message that was taken before, or stands before it in this burst
};

#define ITEM_NONE UINT16_MAX

// What names a message for its device (48 bits of a hash; 0: nothing does), and what it says.
struct dedup_key {
	uint64_t hash;
	uint32_t payload; // hash
};

// One message and where its records lie in the burst.
struct item {
	struct message m;
	enum item_state state;
	enum refuse_reason refuse;
	enum shed_reason shed;
	enum payload_rc payload;
	enum finding finding; // that refused it, FINDING_NONE if it was something else
	bool disconnect; // refused: and the sender's connection is to end
	uint32_t signature; // that refused it, or was found in what was malformed; 0: none
	const char *stage; // that refused it; a literal
	// Dedup: the entry it made (key.hash 0: none), with the first record's device; or, of a
	// duplicate, what became or becomes of the first.
	struct dedup_key key;
	uint32_t original; // DEDUP_COMMITTED, or who knows (pipelines/dedup.c)
	uint32_t ack; // slot, TOKEN_NONE: it has none
	uint8_t tries; // how often it has been parked; authorize has seen it then
	bool registered; // if so: the device is in the registry
	bool waited; // in the late lane: what looks at its arrival has seen it
	uint16_t first_record;
	uint16_t record_count;
	uint64_t peer; // siphash_peer() of the sender, beside the names of its records
	uint8_t address[ADDRESS_TEXT_MAX]; // text of the peer, where that names the device
};

#define RECORD_FINDINGS_MAX 8
#define STATE_NONE UINT32_MAX

// What a stage found, and where.
struct found {
	struct view field; // its name, in the readings or the profile; empty: the record as a
			   // whole; FINDING_SIGNATURE: the signature's name
	uint32_t detail; // FINDING_SIGNATURE: its id; FINDING_GAP: how many; else 0
	enum finding finding;
};

// One device's fields at one device time. Its fields are readings.fields[first_field, +
// field_count): those of the reading, until map writes others behind the last one.
struct record {
	const struct reading *reading;
	struct view device;
	uint64_t name[2]; // SipHash of `device` under the secret of this start, see pipeline_env
	struct view claimed; // device the payload names, if it does not decide and differs
	uint32_t state; // the device's place among the device states; STATE_NONE: it has none
	bool registered;
	bool late; // beyond late_after: takes the late lane
	bool live; // tells of the present: neither late nor too old nor from the future
	uint32_t findings; // bits, 1u << enum finding
	enum finding quarantine; // why it goes to the dead-letter topic; FINDING_NONE: it does not
	uint8_t found_count; // at most RECORD_FINDINGS_MAX are kept, findings has the rest
	struct found found[RECORD_FINDINGS_MAX];
	uint16_t first_field;
	uint16_t field_count;
	uint16_t topic;
	int32_t partition;
	uint16_t egress;
	uint16_t n; // place in its message
};

struct burst {
	uint16_t item_count;
	uint16_t record_count;
	uint16_t reserved_fields; // of the readings, for what map will write
	uint32_t reserved_text;
	struct item items[BURST_MESSAGES];
	struct record records[READINGS_MAX];
	struct readings readings;
};

static inline void
item_refuse(struct item *it, enum refuse_reason why, enum payload_rc payload, const char *stage) {
	it->state = ITEM_REFUSED;
	it->refuse = why;
	it->payload = payload;
	it->finding = FINDING_NONE;
	it->stage = stage;
}

// Note a finding; the profile's action for it decides what becomes of record and message. Returns
// false if that ended the item (refused).
bool record_find(struct item *it, struct record *rec, struct found what, const char *stage);
// The same with an action of the finder's own.
bool record_find_as(
	struct item *it,
	struct record *rec,
	struct found what,
	enum finding_action action,
	const char *stage
);

static inline void item_shed(struct item *it, enum shed_reason why) {
	it->state = ITEM_SHED;
	it->shed = why;
}
