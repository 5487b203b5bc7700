// SPDX-License-Identifier: Apache-2.0
// What a bad network does to each frame, as a pure function of seed, direction and the frame's
// number: the same seed and the same frames give the same losses, whatever the machine does. Plus
// the bounded queue that delays them. No I/O, no clock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMPAIRMENT_FRAME_MAX 9234 // MTU 9216 and an Ethernet header with a tag
#define PPM 1000000u

struct impairment {
	uint64_t seed;
	uint32_t loss_ppm;
	uint32_t duplicate_ppm;
	uint32_t corrupt_ppm; // one bit behind the Ethernet header
	uint32_t reorder_ppm; // held back for reorder_ns, so that later frames overtake it
	uint64_t reorder_ns;
	uint64_t delay_ns; // of every frame
	uint64_t jitter_ns; // up to this much more; frames keep their order
};

struct fate {
	bool lost;
	bool duplicated;
	bool late;
	int32_t corrupt_bit; // counted from the start of the frame; -1 = none
	uint64_t jitter_ns;
};

struct fate impairment_fate(
	const struct impairment *i,
	unsigned direction,
	uint64_t number,
	uint32_t frame_len
);

// Frames that wait, the earliest departure first, in order of arrival where that is equal.
struct held {
	uint64_t due_ns;
	uint64_t order;
	uint32_t len;
	uint8_t bytes[IMPAIRMENT_FRAME_MAX];
};

struct impairment_queue {
	struct held *frames; // storage of `capacity`
	uint32_t *heap; // indices of waiting frames
	uint32_t *spare; // indices of free ones
	uint32_t capacity;
	uint32_t count;
	uint64_t order;
};

int impairment_queue_init(struct impairment_queue *q, uint32_t capacity); // 0 or -ENOMEM
void impairment_queue_fini(struct impairment_queue *q);

// False if the queue is full or the frame too long.
bool impairment_queue_put(
	struct impairment_queue *q,
	uint64_t due_ns,
	const uint8_t *bytes,
	uint32_t len
);
// The frame to send next, or NULL if none is due. Valid until impairment_queue_drop().
const struct held *impairment_queue_peek(const struct impairment_queue *q, uint64_t now_ns);
void impairment_queue_drop(struct impairment_queue *q); // the one that peek showed
uint64_t impairment_queue_due(const struct impairment_queue *q); // UINT64_MAX if empty
