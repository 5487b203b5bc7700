// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/time_wait.h"

#include <string.h>

uint32_t time_wait_buckets(uint32_t capacity) {
	uint32_t n = 16;

	while (n < capacity)
		n *= 2;
	return n;
}

void time_wait_init(
	struct time_wait *w,
	struct tw_record *records,
	uint32_t *buckets,
	uint32_t capacity
) {
	*w = (struct time_wait) {
		.records = records,
		.buckets = buckets,
		.mask = time_wait_buckets(capacity) - 1,
		.capacity = capacity,
		.fresh = 1,
	};
}

struct tw_record *time_wait_lookup(
	const struct time_wait *w,
	uint32_t hash,
	const uint8_t remote[16],
	uint16_t remote_port,
	uint16_t service
) {
	for (uint32_t i = w->buckets[hash & w->mask]; i != 0; i = w->records[i].chain) {
		struct tw_record *r = &w->records[i];
		if (r->hash == hash && r->remote_port == remote_port && r->service == service
		    && memcmp(r->remote, remote, 16) == 0)
			return r;
	}
	return nullptr;
}

static void age_append(struct time_wait *w, uint32_t i) {
	struct tw_record *r = &w->records[i];

	r->next = 0;
	r->prev = w->newest[r->kind];
	if (r->prev != 0)
		w->records[r->prev].next = i;
	else
		w->oldest[r->kind] = i;
	w->newest[r->kind] = i;
}

static void age_remove(struct time_wait *w, uint32_t i) {
	struct tw_record *r = &w->records[i];

	if (r->prev != 0)
		w->records[r->prev].next = r->next;
	else
		w->oldest[r->kind] = r->next;
	if (r->next != 0)
		w->records[r->next].prev = r->prev;
	else
		w->newest[r->kind] = r->prev;
}

void time_wait_remove(struct time_wait *w, struct tw_record *r) {
	uint32_t i = (uint32_t)(r - w->records);
	uint32_t *link = &w->buckets[r->hash & w->mask];

	while (*link != i)
		link = &w->records[*link].chain;
	*link = r->chain;
	age_remove(w, i);
	r->chain = w->free;
	w->free = i;
	w->used--;
}

// Tombstones go first: without them a duplicate ACK may open a connection that dies of silence,
// without TIME_WAIT a new connection may receive old bytes.
static bool make_room(struct time_wait *w, bool *evicted) {
	if (w->free != 0 || w->fresh <= w->capacity)
		return true;
	uint32_t i =
		w->oldest[TW_TOMBSTONE] != 0 ? w->oldest[TW_TOMBSTONE] : w->oldest[TW_TIME_WAIT];
	if (i == 0)
		return false;
	time_wait_remove(w, &w->records[i]);
	*evicted = true;
	return true;
}

void time_wait_add(struct time_wait *w, const struct tw_record *r, uint32_t tick, bool *evicted) {
	*evicted = false;
	if (!make_room(w, evicted))
		return;

	uint32_t i = w->free;
	if (i != 0)
		w->free = w->records[i].chain;
	else
		i = w->fresh++;
	w->records[i] = *r;
	w->records[i].expiry = tick + w->ticks[r->kind];
	w->records[i].chain = w->buckets[r->hash & w->mask];
	w->buckets[r->hash & w->mask] = i;
	age_append(w, i);
	w->used++;
}

void time_wait_restart(struct time_wait *w, struct tw_record *r, uint32_t tick) {
	uint32_t i = (uint32_t)(r - w->records);

	age_remove(w, i);
	r->expiry = tick + w->ticks[r->kind];
	age_append(w, i);
}

bool time_wait_expire(struct time_wait *w, uint32_t tick, unsigned budget) {
	for (unsigned kind = 0; kind < TW_KINDS; kind++) {
		while (w->oldest[kind] != 0) {
			struct tw_record *r = &w->records[w->oldest[kind]];
			if ((int32_t)(tick - r->expiry) < 0)
				break;
			if (budget-- == 0)
				return true;
			time_wait_remove(w, r);
		}
	}
	return false;
}

uint64_t time_wait_idle_ticks(const struct time_wait *w, uint32_t tick) {
	uint64_t best = UINT64_MAX;

	for (unsigned kind = 0; kind < TW_KINDS; kind++) {
		if (w->oldest[kind] == 0)
			continue;
		int32_t left = (int32_t)(w->records[w->oldest[kind]].expiry - tick);
		uint64_t ticks = left > 0 ? (uint64_t)left : 0;
		if (ticks < best)
			best = ticks;
	}
	return best;
}
