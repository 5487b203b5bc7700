// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coap/exchange.h"

#include <errno.h>
#include <stdlib.h>

// How many pending entries an insertion moves out of its way before it takes one of them.
#define ROTATIONS_MAX 16

int exchange_table_init(struct exchange_table *t, uint32_t capacity) {
	*t = (struct exchange_table) {.capacity = capacity > 0 ? capacity : 1};
	t->ring = calloc(t->capacity, sizeof(*t->ring));
	t->index = calloc(2 * (size_t)t->capacity, sizeof(*t->index));
	if (t->ring == nullptr || t->index == nullptr) {
		exchange_table_fini(t);
		return -ENOMEM;
	}
	return 0;
}

void exchange_table_fini(struct exchange_table *t) {
	free(t->ring);
	free(t->index);
	*t = (struct exchange_table) {0};
}

static uint32_t index_size(const struct exchange_table *t) {
	return 2 * t->capacity;
}

static uint32_t home_of(const struct exchange_table *t, uint64_t key) {
	return (uint32_t)((key >> 32) * index_size(t) >> 32);
}

static uint32_t after(const struct exchange_table *t, uint32_t i) {
	return i + 1 == index_size(t) ? 0 : i + 1;
}

// The index slot that holds `key`, or the free one where it belongs.
static uint32_t slot_of(const struct exchange_table *t, uint64_t key) {
	uint32_t i = home_of(t, key);

	while (t->index[i] != 0 && t->ring[t->index[i] - 1].key != key)
		i = after(t, i);
	return i;
}

// Close the gap at `hole`, so that no probe sequence is interrupted.
static void index_remove(struct exchange_table *t, uint32_t hole) {
	uint32_t size = index_size(t);

	for (uint32_t i = after(t, hole); t->index[i] != 0; i = after(t, i)) {
		uint32_t home = home_of(t, t->ring[t->index[i] - 1].key);
		uint32_t to_hole = (hole + size - home) % size;
		uint32_t to_here = (i + size - home) % size;
		if (to_hole > to_here)
			continue;
		t->index[hole] = t->index[i];
		hole = i;
	}
	t->index[hole] = 0;
}

static uint16_t age_of(const struct exchange *e, uint32_t now_s) {
	return (uint16_t)((uint16_t)now_s - e->arrived_s);
}

static uint16_t lifetime_of(const struct exchange *e) {
	return e->confirmable ? EXCHANGE_LIFETIME_S : NON_LIFETIME_S;
}

static bool pending(const struct exchange *e) {
	return e->state == EXCHANGE_PENDING || e->state == EXCHANGE_PENDING_ACKED;
}

struct exchange *exchange_lookup(struct exchange_table *t, uint64_t key, uint32_t now_s) {
	uint32_t i = t->index[slot_of(t, key)];

	if (i == 0)
		return nullptr;
	struct exchange *e = &t->ring[i - 1];
	// Past its lifetime the message id names another message, but a request that still waits
	// for its contract keeps its copies attached.
	return pending(e) || age_of(e, now_s) < lifetime_of(e) ? e : nullptr;
}

static void oldest_remove(struct exchange_table *t) {
	struct exchange *e = &t->ring[t->oldest];
	uint32_t slot = slot_of(t, e->key);

	index_remove(t, slot);
	t->oldest = t->oldest + 1 == t->capacity ? 0 : t->oldest + 1;
	t->count--;
}

static struct exchange *newest_add(struct exchange_table *t, const struct exchange *e) {
	uint32_t i = (t->oldest + t->count) % t->capacity;

	t->index[slot_of(t, e->key)] = i + 1;
	t->ring[i] = *e;
	t->count++;
	return &t->ring[i];
}

static void oldest_to_newest(struct exchange_table *t, uint32_t now_s) {
	struct exchange e = t->ring[t->oldest];

	oldest_remove(t);
	e.arrived_s = (uint16_t)now_s;
	newest_add(t, &e);
}

static void room_make(struct exchange_table *t, uint32_t now_s) {
	for (unsigned i = 0; i < ROTATIONS_MAX && pending(&t->ring[t->oldest]); i++)
		oldest_to_newest(t, now_s);
	if (age_of(&t->ring[t->oldest], now_s) < lifetime_of(&t->ring[t->oldest]))
		t->evicted++;
	oldest_remove(t);
}

struct exchange *exchange_insert(
	struct exchange_table *t,
	uint64_t key,
	uint32_t fingerprint,
	bool confirmable,
	uint32_t now_s
) {
	struct exchange e = {
		.key = key,
		.fingerprint = fingerprint,
		.arrived_s = (uint16_t)now_s,
		.state = EXCHANGE_PENDING,
		.confirmable = confirmable,
	};
	uint32_t i = t->index[slot_of(t, key)];

	if (i != 0) {
		t->ring[i - 1] = e;
		return &t->ring[i - 1];
	}
	if (t->count == t->capacity)
		room_make(t, now_s);
	return newest_add(t, &e);
}

uint32_t exchange_expire(struct exchange_table *t, uint32_t now_s, unsigned budget) {
	for (; t->count > 0; budget--) {
		struct exchange *e = &t->ring[t->oldest];
		uint16_t age = age_of(e, now_s);
		if (age < EXCHANGE_LIFETIME_S)
			return now_s + EXCHANGE_LIFETIME_S - age;
		if (budget == 0)
			return now_s;
		if (pending(e))
			oldest_to_newest(t, now_s);
		else
			oldest_remove(t);
	}
	return UINT32_MAX;
}
