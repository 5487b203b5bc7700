// SPDX-License-Identifier: Apache-2.0
// Hierarchical timing wheel over an array of structs that each contain one node. Three levels of
// 256 slots: with 4 ms ticks 1.02 s, 4.4 min and 18.6 h; later expiries are clamped to the horizon
// and the owner re-arms when it finds nothing due. Ticks are 32-bit and wrap. One thread.
#pragma once

#include <stdint.h>

#define WHEEL_SLOTS 256u
#define WHEEL_LEVELS 3
#define WHEEL_IDLE UINT16_MAX

struct wheel_node {
	uint32_t prev, next; // element index, 0 = end
	uint32_t expiry;
	uint16_t slot; // WHEEL_IDLE: not armed
};

struct wheel {
	uint8_t *nodes; // address of element 0's node; element 0 is never armed
	uint32_t stride;
	uint32_t now; // every tick before this one is done
	uint32_t armed;
	uint32_t head[WHEEL_LEVELS * WHEEL_SLOTS];
	uint64_t busy[WHEEL_SLOTS / 64]; // level 0 slots that are not empty
};

static inline struct wheel_node *wheel_node(const struct wheel *w, uint32_t i) {
	return (struct wheel_node *)(w->nodes + (uint64_t)i * w->stride);
}

void wheel_init(struct wheel *w, void *first_node, uint32_t stride, uint32_t now);

// Arm or move element i to `expiry`; the past means the next advance.
void wheel_set(struct wheel *w, uint32_t i, uint32_t expiry);
void wheel_clear(struct wheel *w, uint32_t i); // no effect if not armed

// Take out and return one element whose expiry is at or before `now`; 0 if there is none. Moving
// elements down and stepping over time are paid from *budget, too: 0 with *budget 0 means that
// there may be more.
uint32_t wheel_pop(struct wheel *w, uint32_t now, unsigned *budget);

// The element that the next wheel_pop() is likely to return, for prefetching; 0 = not known.
static inline uint32_t wheel_next(const struct wheel *w) {
	return w->head[w->now % WHEEL_SLOTS];
}

// A tick at or before which nothing expires; UINT64_MAX ticks away if nothing is armed.
uint64_t wheel_idle_ticks(const struct wheel *w, uint32_t now);
