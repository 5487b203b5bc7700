// SPDX-License-Identifier: Apache-2.0
// Messages with late records whose senders wait, while the late lane's share of egress is used up
// (pipeline.late_share). "Later" would cost an MQTT session its connection, and when a site is back
// after days there are many of them; so the message waits here instead, and its sender for its
// answer.
//
//   validate: no share left   late_lane_take(): copied, behind all that wait already
//   completions make room     late_lane_run(): through the stages again, first come, first served
//
// The order of a device's late messages is kept: while one waits, all later ones go behind it. What
// nobody waits for, or finds no room here (pipeline.late_size), is shed as `late-share-used`.
//
// Each stage acts once. The share is asked when a message has been judged of itself, which
// remembers nothing, and before anything is judged by its device's past: that and all stages behind
// it see the message when it leaves, in the order in which its records reach Kafka. Who sends how
// much from where (watch), quotas and MQTT's packet ids are about its arrival: they see it only
// then (item.waited). Thread: the worker's own.
#pragma once

#include "pipelines/parked.h"

#include <stdint.h>

struct pipeline;

struct late_lane {
	struct parking parking;
	struct parked *first, *last;
	uint32_t passing; // late records of this burst that have their share and are not admitted
			  // yet
	bool running; // what is pushed comes from here
};

int late_lane_init(struct late_lane *l, uint32_t bytes); // 0 or -ENOMEM
void late_lane_fini(struct late_lane *l);

// A burst begins to ask.
static inline void late_lane_begin(struct late_lane *l) {
	l->passing = 0;
}

// May a message with so many late records go on? If not, it has been taken.
bool late_lane_pass(struct pipeline *p, struct item *it, uint16_t records);

// The item becomes ITEM_PARKED, and counts as nothing yet; or it is shed, if nobody waits for it or
// there is no room. `records` is how many of its records are late.
void late_lane_take(struct pipeline *p, struct item *it, uint16_t records);

// Run what may go now, a bounded number. Not from within a burst.
void late_lane_run(struct pipeline *p);
