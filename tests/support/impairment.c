// SPDX-License-Identifier: Apache-2.0
#include "tests/support/impairment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ETHERNET_HEADER 14

// A mixing of 64 bits (the finaliser of splitmix64): a hash of what is asked, not a sequence, so
// that one decision more or less changes no other.
static uint64_t mix(uint64_t x) {
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

enum question { LOST, DUPLICATED, CORRUPTED, WHICH_BIT, LATE, JITTER };

static uint64_t
draw(const struct impairment *i, unsigned direction, uint64_t number, enum question q) {
	return mix(mix(mix(i->seed ^ direction) ^ number) ^ q);
}

struct fate impairment_fate(
	const struct impairment *i,
	unsigned direction,
	uint64_t number,
	uint32_t frame_len
) {
	struct fate f = {
		.lost = draw(i, direction, number, LOST) % PPM < i->loss_ppm,
		.duplicated = draw(i, direction, number, DUPLICATED) % PPM < i->duplicate_ppm,
		.late = draw(i, direction, number, LATE) % PPM < i->reorder_ppm,
		.corrupt_bit = -1,
	};

	if (i->jitter_ns > 0)
		f.jitter_ns = draw(i, direction, number, JITTER) % (i->jitter_ns + 1);
	if (frame_len > ETHERNET_HEADER
	    && draw(i, direction, number, CORRUPTED) % PPM < i->corrupt_ppm) {
		uint64_t bits = (frame_len - ETHERNET_HEADER) * 8ull;
		uint64_t bit = draw(i, direction, number, WHICH_BIT) % bits;
		f.corrupt_bit = (int32_t)(ETHERNET_HEADER * 8 + bit);
	}
	return f;
}

int impairment_queue_init(struct impairment_queue *q, uint32_t capacity) {
	*q = (struct impairment_queue) {
		.frames = malloc(sizeof(*q->frames) * capacity),
		.heap = malloc(sizeof(*q->heap) * capacity),
		.spare = malloc(sizeof(*q->spare) * capacity),
		.capacity = capacity,
	};
	if (q->frames == NULL || q->heap == NULL || q->spare == NULL) {
		impairment_queue_fini(q);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < capacity; i++)
		q->spare[i] = i;
	return 0;
}

void impairment_queue_fini(struct impairment_queue *q) {
	free(q->frames);
	free(q->heap);
	free(q->spare);
	*q = (struct impairment_queue) {0};
}

static bool before(const struct impairment_queue *q, uint32_t a, uint32_t b) {
	const struct held *x = &q->frames[q->heap[a]];
	const struct held *y = &q->frames[q->heap[b]];

	return x->due_ns != y->due_ns ? x->due_ns < y->due_ns : x->order < y->order;
}

static void swap(struct impairment_queue *q, uint32_t a, uint32_t b) {
	uint32_t t = q->heap[a];

	q->heap[a] = q->heap[b];
	q->heap[b] = t;
}

bool impairment_queue_put(
	struct impairment_queue *q,
	uint64_t due_ns,
	const uint8_t *bytes,
	uint32_t len
) {
	if (q->count == q->capacity || len > IMPAIRMENT_FRAME_MAX)
		return false;
	uint32_t index = q->spare[q->capacity - q->count - 1];
	struct held *h = &q->frames[index];

	h->due_ns = due_ns;
	h->order = q->order++;
	h->len = len;
	memcpy(h->bytes, bytes, len);
	uint32_t at = q->count++;
	q->heap[at] = index;
	for (; at > 0 && before(q, at, (at - 1) / 2); at = (at - 1) / 2)
		swap(q, at, (at - 1) / 2);
	return true;
}

const struct held *impairment_queue_peek(const struct impairment_queue *q, uint64_t now_ns) {
	return impairment_queue_due(q) <= now_ns && q->count > 0 ? &q->frames[q->heap[0]] : NULL;
}

void impairment_queue_drop(struct impairment_queue *q) {
	uint32_t at = 0;

	q->spare[q->capacity - q->count] = q->heap[0];
	q->heap[0] = q->heap[--q->count];
	for (;;) {
		uint32_t least = at, left = 2 * at + 1, right = 2 * at + 2;
		if (left < q->count && before(q, left, least))
			least = left;
		if (right < q->count && before(q, right, least))
			least = right;
		if (least == at)
			return;
		swap(q, at, least);
		at = least;
	}
}

uint64_t impairment_queue_due(const struct impairment_queue *q) {
	return q->count > 0 ? q->frames[q->heap[0]].due_ns : UINT64_MAX;
}
