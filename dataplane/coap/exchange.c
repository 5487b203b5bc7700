// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coap/exchange.h"
#include "dataplane/pages.h"

#include <errno.h>

// How many pending entries an insertion moves out of its way before it takes one of them.
#define ROTATIONS_MAX 16
#define PREFETCH_AHEAD 4

int exchange_table_init(struct exchange_table *t, uint32_t capacity) {
	*t = (struct exchange_table) {.capacity = capacity > 0 ? capacity : 1};
	t->ring = pages_map(t->capacity * sizeof(*t->ring), "sluice coap exchanges", false);
	t->heads = pages_map(t->capacity * sizeof(*t->heads), "sluice coap heads", false);
	t->next = pages_map(t->capacity * sizeof(*t->next), "sluice coap chains", false);
	if (t->ring == nullptr || t->heads == nullptr || t->next == nullptr) {
		exchange_table_fini(t);
		return -ENOMEM;
	}
	return 0;
}

void exchange_table_fini(struct exchange_table *t) {
	pages_unmap(t->ring, t->capacity * sizeof(*t->ring));
	pages_unmap(t->heads, t->capacity * sizeof(*t->heads));
	pages_unmap(t->next, t->capacity * sizeof(*t->next));
	*t = (struct exchange_table) {0};
}

static uint32_t *head_of(const struct exchange_table *t, uint64_t key) {
	return &t->heads[(key >> 32) * t->capacity >> 32];
}

static struct exchange *find(const struct exchange_table *t, uint64_t key) {
	for (uint32_t i = *head_of(t, key); i != 0; i = t->next[i - 1])
		if (t->ring[i - 1].key == key)
			return &t->ring[i - 1];
	return nullptr;
}

void exchange_prefetch_head(const struct exchange_table *t, uint64_t key) {
	__builtin_prefetch(head_of(t, key), 1);
}

void exchange_prefetch_entry(const struct exchange_table *t, uint64_t key) {
	uint32_t i = *head_of(t, key);

	if (i != 0)
		__builtin_prefetch(&t->ring[i - 1]);
}

uint32_t exchange_place(const struct exchange_table *t, const struct exchange *e) {
	return (uint32_t)(e - t->ring);
}

struct exchange *exchange_at(const struct exchange_table *t, uint32_t place, uint64_t key) {
	return place < t->capacity && t->ring[place].key == key ? &t->ring[place] : nullptr;
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
	struct exchange *e = find(t, key);

	if (e == nullptr)
		return nullptr;
	// Past its lifetime the message id names another message, but a request that still waits
	// for its contract keeps its copies attached.
	return pending(e) || age_of(e, now_s) < lifetime_of(e) ? e : nullptr;
}

// The entries that leave next lie in a row, their heads do not: fetch a head some removals ahead.
static void head_prefetch(const struct exchange_table *t) {
	uint32_t i = t->oldest + PREFETCH_AHEAD;

	if (i < t->capacity)
		__builtin_prefetch(head_of(t, t->ring[i].key), 1);
}

static void oldest_remove(struct exchange_table *t) {
	uint32_t *link = head_of(t, t->ring[t->oldest].key);

	head_prefetch(t);
	while (*link != t->oldest + 1)
		link = &t->next[*link - 1];
	*link = t->next[t->oldest];
	t->ring[t->oldest].key = 0; // exchange_at() must not find what has moved
	t->oldest = t->oldest + 1 == t->capacity ? 0 : t->oldest + 1;
	t->count--;
}

static struct exchange *newest_add(struct exchange_table *t, const struct exchange *e) {
	uint64_t end = (uint64_t)t->oldest + t->count;
	uint32_t i = (uint32_t)(end < t->capacity ? end : end - t->capacity);
	uint32_t *head = head_of(t, e->key);

	t->ring[i] = *e;
	t->next[i] = *head;
	*head = i + 1;
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
	struct exchange *same = find(t, key);

	if (same != nullptr) {
		*same = e;
		return same;
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
