// SPDX-License-Identifier: Apache-2.0
// The lane's memory: lane.c is what runs, lane_create.c what allocates.
#pragma once

#include "dataplane/letters/lane.h"

struct rte_ring;

#define LANE_PER_TURN 4

struct letter_lane {
	struct rte_ring *to_worker, *to_thread; // one producer, one consumer each
	struct letter_slot *free[LANE_SLOTS]; // [t]
	uint32_t free_count;
	struct letter_slot slots[LANE_SLOTS];
};
