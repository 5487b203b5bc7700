// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/timer_wheel.h"

#include <assert.h>
#include <string.h>

// Far enough from a full turn that no node lands in the slot being moved down.
#define HORIZON ((1u << 24) - (1u << 17))

void wheel_init(struct wheel *w, void *first_node, uint32_t stride, uint32_t now) {
	memset(w, 0, sizeof(*w));
	w->nodes = first_node;
	w->stride = stride;
	w->now = now;
}

static uint16_t slot_of(const struct wheel *w, uint32_t expiry) {
	uint32_t ahead = expiry - w->now;

	if (ahead < WHEEL_SLOTS)
		return (uint16_t)(expiry % WHEEL_SLOTS);
	if (ahead < WHEEL_SLOTS * WHEEL_SLOTS)
		return (uint16_t)(WHEEL_SLOTS + (expiry >> 8) % WHEEL_SLOTS);
	return (uint16_t)(2 * WHEEL_SLOTS + (expiry >> 16) % WHEEL_SLOTS);
}

static void link_node(struct wheel *w, uint32_t i) {
	struct wheel_node *n = wheel_node(w, i);
	uint16_t slot = slot_of(w, n->expiry);

	n->slot = slot;
	n->prev = 0;
	n->next = w->head[slot];
	if (n->next != 0)
		wheel_node(w, n->next)->prev = i;
	w->head[slot] = i;
	if (slot < WHEEL_SLOTS)
		w->busy[slot / 64] |= UINT64_C(1) << slot % 64;
}

static void unlink_node(struct wheel *w, uint32_t i) {
	struct wheel_node *n = wheel_node(w, i);

	if (n->prev != 0)
		wheel_node(w, n->prev)->next = n->next;
	else
		w->head[n->slot] = n->next;
	if (n->next != 0)
		wheel_node(w, n->next)->prev = n->prev;
	if (n->slot < WHEEL_SLOTS && w->head[n->slot] == 0)
		w->busy[n->slot / 64] &= ~(UINT64_C(1) << n->slot % 64);
	n->slot = WHEEL_IDLE;
}

void wheel_set(struct wheel *w, uint32_t i, uint32_t expiry) {
	struct wheel_node *n = wheel_node(w, i);

	assert(i != 0);
	if (n->slot != WHEEL_IDLE)
		unlink_node(w, i);
	else
		w->armed++;
	if ((int32_t)(expiry - w->now) < 0)
		expiry = w->now;
	if (expiry - w->now > HORIZON)
		expiry = w->now + HORIZON;
	n->expiry = expiry;
	link_node(w, i);
}

void wheel_clear(struct wheel *w, uint32_t i) {
	if (wheel_node(w, i)->slot == WHEEL_IDLE)
		return;
	unlink_node(w, i);
	w->armed--;
}

// Move one node of an upper slot to where it belongs now. False if the slot is empty.
static bool move_down(struct wheel *w, uint32_t slot) {
	uint32_t i = w->head[slot];

	if (i == 0)
		return false;
	unlink_node(w, i);
	__builtin_prefetch(wheel_node(w, w->head[slot]));
	link_node(w, i);
	return true;
}

// The first tick in [w->now, now] that needs work: a busy slot or a turn of level 0; else now + 1.
static uint32_t next_stop(const struct wheel *w, uint32_t now) {
	uint32_t t = w->now;

	while ((int32_t)(now - t) >= 0) {
		uint32_t s = t % WHEEL_SLOTS;
		uint64_t rest = w->busy[s / 64] >> s % 64;
		uint32_t step = rest != 0 ? (uint32_t)__builtin_ctzll(rest) : 64 - s % 64;

		if (s == 0 || step == 0)
			return t;
		t += step;
	}
	return now + 1;
}

uint32_t wheel_pop(struct wheel *w, uint32_t now, unsigned *budget) {
	if (w->armed == 0) {
		if ((int32_t)(now - w->now) > 0)
			w->now = now;
		return 0;
	}
	while (*budget > 0 && (int32_t)(now - w->now) >= 0) {
		--*budget;
		// A turn of level 0: level 1's slot of this turn comes down first (and before it,
		// at a turn of level 1, level 2's). The slot is empty before time goes on.
		if (w->now % WHEEL_SLOTS == 0) {
			uint32_t turn = w->now >> 8;
			if (turn % WHEEL_SLOTS == 0
			    && move_down(w, 2 * WHEEL_SLOTS + (turn >> 8) % WHEEL_SLOTS))
				continue;
			if (move_down(w, WHEEL_SLOTS + turn % WHEEL_SLOTS))
				continue;
		}
		uint32_t i = w->head[w->now % WHEEL_SLOTS];
		if (i != 0) {
			unlink_node(w, i);
			w->armed--;
			return i;
		}
		w->now++;
		w->now = next_stop(w, now);
	}
	return 0;
}

uint64_t wheel_idle_ticks(const struct wheel *w, uint32_t now) {
	if (w->armed == 0)
		return UINT64_MAX;
	for (uint32_t ahead = 0; ahead <= WHEEL_SLOTS; ahead++) {
		uint32_t t = w->now + ahead;
		uint32_t s = t % WHEEL_SLOTS;
		bool stop = (w->busy[s / 64] >> s % 64 & 1) != 0;

		if (s == 0 && (ahead > 0 || w->head[WHEEL_SLOTS + (t >> 8) % WHEEL_SLOTS] != 0))
			stop = true;
		if (s == 0 && ahead == 0 && (t >> 8) % WHEEL_SLOTS == 0)
			stop = true;
		if (stop)
			return (int32_t)(t - now) > 0 ? t - now : 0;
	}
	return 0;
}
