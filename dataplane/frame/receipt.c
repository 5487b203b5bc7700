// SPDX-License-Identifier: Apache-2.0
#include "dataplane/frame/devices_private.h"
#include "dataplane/frame/receipt.h"

#include <errno.h>
#include <stdlib.h>

int receipts_init(struct receipts *r, uint32_t capacity) {
	*r = (struct receipts) {
		.capacity = capacity,
		.free = capacity > 0 ? 0 : RECEIPT_NONE,
		.first_due = RECEIPT_NONE,
		.last_due = RECEIPT_NONE,
	};
	r->slots = calloc(capacity > 0 ? capacity : 1, sizeof(*r->slots));
	if (r->slots == nullptr)
		return -ENOMEM;
	for (uint32_t i = 0; i < capacity; i++)
		r->slots[i].next = i + 1 < capacity ? i + 1 : RECEIPT_NONE;
	return 0;
}

void receipts_fini(struct receipts *r) {
	free(r->slots);
	*r = (struct receipts) {0};
}

struct receipt_slot *receipt_take(struct receipts *r) {
	if (r->free == RECEIPT_NONE)
		return nullptr;
	struct receipt_slot *s = &r->slots[r->free];

	r->free = s->next;
	r->used++;
	s->state = RECEIPT_WAIT;
	return s;
}

void receipt_give(struct receipts *r, struct receipt_slot *s) {
	s->state = RECEIPT_FREE;
	s->next = r->free;
	r->free = receipt_index(r, s);
	r->used--;
}

// The scheduled receipt answers the newer of the two frames.
static void
receipt_fold(struct receipts *r, struct receipt_slot *scheduled, struct receipt_slot *s) {
	if (mark_after(s->at, scheduled->at)) {
		scheduled->key = s->key;
		scheduled->path = s->path;
		scheduled->algorithm = s->algorithm;
		scheduled->key_number = s->key_number;
		scheduled->at = s->at;
		scheduled->request_len = s->request_len;
	}
	receipt_give(r, s);
}

void receipt_schedule(struct receipts *r, struct receipt_slot *s, uint64_t due_ns) {
	if (s->dev->receipt != 0) {
		receipt_fold(r, &r->slots[s->dev->receipt - 1], s);
		return;
	}
	uint32_t i = receipt_index(r, s);

	s->state = RECEIPT_DUE;
	s->due_ns = due_ns;
	s->next = RECEIPT_NONE;
	s->dev->receipt = i + 1;
	if (r->first_due == RECEIPT_NONE)
		r->first_due = i;
	else
		r->slots[r->last_due].next = i;
	r->last_due = i;
}

struct receipt_slot *receipt_due(struct receipts *r, uint64_t now_ns) {
	if (r->first_due == RECEIPT_NONE || r->slots[r->first_due].due_ns > now_ns)
		return nullptr;
	struct receipt_slot *s = &r->slots[r->first_due];

	r->first_due = s->next;
	s->dev->receipt = 0;
	return s;
}

uint64_t receipts_next_due(const struct receipts *r) {
	return r->first_due == RECEIPT_NONE ? UINT64_MAX : r->slots[r->first_due].due_ns;
}
