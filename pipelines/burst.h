// SPDX-License-Identifier: Apache-2.0
// A burst on its way through the stages: decode, route, encode.
//
// A stage walks the items that are still ITEM_GOING and may end one: refused or shed. The readings
// of all items of a burst share one struct readings; a burst ends where it is full.
// Thread: the worker's own. Private to pipelines/.
#pragma once

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
};

// One message and where its records lie in the burst.
struct item {
	struct message m;
	enum item_state state;
	enum refuse_reason refuse;
	enum shed_reason shed;
	enum payload_rc payload;
	const char *stage; // that refused it; a literal
	uint16_t first_record;
	uint16_t record_count;
	uint16_t topic;
	uint8_t address[ADDRESS_TEXT_MAX]; // text of the peer, where that names the device
};

// One device's fields at one device time.
struct record {
	const struct reading *reading;
	struct view device;
	struct view claimed; // device the payload names, if it does not decide and differs
	int32_t partition;
	uint16_t egress;
	uint16_t n; // place in its message
};

struct burst {
	uint16_t item_count;
	uint16_t record_count;
	struct item items[BURST_MESSAGES];
	struct record records[READINGS_MAX];
	struct readings readings;
};

static inline void
item_refuse(struct item *it, enum refuse_reason why, enum payload_rc payload, const char *stage) {
	it->state = ITEM_REFUSED;
	it->refuse = why;
	it->payload = payload;
	it->stage = stage;
}

static inline void item_shed(struct item *it, enum shed_reason why) {
	it->state = ITEM_SHED;
	it->shed = why;
}
