// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coap/pending.h"

#include <errno.h>
#include <stdlib.h>

int pending_init(struct pending_table *t, uint32_t capacity) {
	uint32_t buckets = 16;

	while (buckets < capacity)
		buckets *= 2;
	*t = (struct pending_table) {.capacity = capacity, .bucket_mask = buckets - 1};
	t->slots = calloc(capacity > 0 ? capacity : 1, sizeof(*t->slots));
	t->buckets = malloc(buckets * sizeof(*t->buckets));
	if (t->slots == nullptr || t->buckets == nullptr) {
		pending_fini(t);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < buckets; i++)
		t->buckets[i] = PENDING_NONE;
	for (uint32_t i = 0; i < WHEEL_SLOTS; i++)
		t->wheel[i] = PENDING_NONE;
	for (uint32_t i = 0; i < capacity; i++)
		t->slots[i].chain = i + 1 < capacity ? i + 1 : PENDING_NONE;
	t->free = capacity > 0 ? 0 : PENDING_NONE;
	return 0;
}

void pending_fini(struct pending_table *t) {
	free(t->slots);
	free(t->buckets);
	*t = (struct pending_table) {0};
}

static uint32_t *bucket_of(struct pending_table *t, uint64_t exchange) {
	return &t->buckets[(uint32_t)exchange & t->bucket_mask];
}

struct pending *pending_take(struct pending_table *t, uint64_t exchange) {
	if (t->free == PENDING_NONE)
		return nullptr;
	uint32_t i = t->free;
	struct pending *p = &t->slots[i];
	uint32_t *bucket = bucket_of(t, exchange);

	t->free = p->chain;
	t->used++;
	*p = (struct pending) {.exchange = exchange, .chain = *bucket};
	*bucket = i;
	return p;
}

void pending_give(struct pending_table *t, struct pending *p) {
	uint32_t i = pending_index(t, p);
	uint32_t *link = bucket_of(t, p->exchange);

	pending_timer_stop(t, p);
	while (*link != i)
		link = &t->slots[*link].chain;
	*link = p->chain;
	p->state = PENDING_FREE;
	p->chain = t->free;
	t->free = i;
	t->used--;
}

struct pending *pending_lookup(struct pending_table *t, uint64_t exchange) {
	for (uint32_t i = *bucket_of(t, exchange); i != PENDING_NONE; i = t->slots[i].chain)
		if (t->slots[i].exchange == exchange)
			return &t->slots[i];
	return nullptr;
}

static uint32_t wheel_slot(uint64_t due_ns) {
	return (uint32_t)(due_ns >> WHEEL_SHIFT) & (WHEEL_SLOTS - 1);
}

void pending_timer_set(
	struct pending_table *t,
	struct pending *p,
	uint64_t now_ns,
	uint64_t due_ns
) {
	uint64_t now = now_ns >> WHEEL_SHIFT;

	pending_timer_stop(t, p);
	// With no timer running, the wheel need not be turned through the time that has passed.
	if (t->timers == 0)
		t->tick = now;
	if (due_ns >> WHEEL_SHIFT < t->tick)
		due_ns = t->tick << WHEEL_SHIFT;
	if ((due_ns >> WHEEL_SHIFT) - t->tick >= WHEEL_SLOTS)
		due_ns = (t->tick + WHEEL_SLOTS - 1) << WHEEL_SHIFT;
	if (due_ns == 0)
		due_ns = 1;

	uint32_t slot = wheel_slot(due_ns);
	uint32_t i = pending_index(t, p);
	p->due_ns = due_ns;
	p->before = PENDING_NONE;
	p->behind = t->wheel[slot];
	if (p->behind != PENDING_NONE)
		t->slots[p->behind].before = i;
	t->wheel[slot] = i;
	t->occupied[slot / 64] |= 1ull << slot % 64;
	t->timers++;
}

void pending_timer_stop(struct pending_table *t, struct pending *p) {
	if (p->due_ns == 0)
		return;
	uint32_t slot = wheel_slot(p->due_ns);

	if (p->before != PENDING_NONE)
		t->slots[p->before].behind = p->behind;
	else
		t->wheel[slot] = p->behind;
	if (p->behind != PENDING_NONE)
		t->slots[p->behind].before = p->before;
	if (t->wheel[slot] == PENDING_NONE)
		t->occupied[slot / 64] &= ~(1ull << slot % 64);
	p->due_ns = 0;
	t->timers--;
}

// Tick of the first occupied slot at or after t->tick; there is one.
static uint64_t tick_next(const struct pending_table *t) {
	uint32_t start = (uint32_t)t->tick & (WHEEL_SLOTS - 1);
	uint32_t w = start / 64;
	uint64_t word = t->occupied[w] & ~0ull << start % 64;

	while (word == 0) {
		w = (w + 1) % (WHEEL_SLOTS / 64);
		word = t->occupied[w];
	}
	uint32_t slot = w * 64 + (uint32_t)__builtin_ctzll(word);
	return t->tick + ((slot - start) & (WHEEL_SLOTS - 1));
}

uint64_t pending_next_due(const struct pending_table *t) {
	if (t->timers == 0)
		return UINT64_MAX;
	// A slot is run when it lies wholly in the past.
	return (tick_next(t) + 1) << WHEEL_SHIFT;
}

struct pending *pending_due(struct pending_table *t, uint64_t now_ns) {
	if (t->timers == 0)
		return nullptr;
	uint64_t tick = tick_next(t);
	if (tick >= now_ns >> WHEEL_SHIFT)
		return nullptr;
	t->tick = tick;
	struct pending *p = &t->slots[t->wheel[tick & (WHEEL_SLOTS - 1)]];
	pending_timer_stop(t, p);
	return p;
}
