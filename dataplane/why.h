// SPDX-License-Identifier: Apache-2.0
// The question of `sluicectl why`, one at a time: the main thread writes a device's name, every
// worker looks at its next turn, and the one that owns the device's state copies what it remembers.
//
//   main: why_ask()    [c>w] name, number      worker: why_answer()   [w>c] decisions, number
//   main: why_answered()
#pragma once

#include "parsers/payload.h"
#include "pipelines/decision.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// One per worker.
struct why_box {
	// [c>w]
	alignas(64) _Atomic uint32_t asked; // number of the question
	uint32_t device_len; // written before it
	uint8_t device[DEVICE_ID_MAX];
	// [w>c]
	alignas(64) _Atomic uint32_t answered; // number of the last question answered
	int count; // written before it: decisions, or -ENOENT: not this worker's device
	struct decision_shown decisions[DEVICE_DECISIONS];
};

// Worker, between turns: a load where nothing is asked.
static inline bool why_asked(struct why_box *b) {
	return atomic_load_explicit(&b->asked, memory_order_acquire)
		!= atomic_load_explicit(&b->answered, memory_order_relaxed);
}
void why_answer(struct why_box *b, const struct pipeline *p);

// Main thread. A question that was not answered by all is given up by asking the next.
void why_ask(struct why_box *boxes, uint16_t workers, struct view device);
bool why_answered(const struct why_box *boxes, uint16_t workers);
// {"device":...,"decisions":[...]}, free it; nullptr: out of memory. Once answered by all.
char *why_json(const struct why_box *boxes, uint16_t workers);
