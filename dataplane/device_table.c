// SPDX-License-Identifier: Apache-2.0
#include "dataplane/device_table_private.h"
#include "parsers/siphash.h"

#include <string.h>

#define CLONE_WINDOW_NS (60 * 1000000000ll)
#define QUOTA_BURST_NS 1000000000ull // a device may send one second's worth at once
#define LOOKUP_TRIES 64 // a reader that lost its CPU may find entries moved behind it

// --- readers

struct view device_table_profile(const struct device_table *t, uint16_t profile) {
	const char *name = t->profiles[profile];

	return view_of(name, (uint32_t)strnlen(name, sizeof(t->profiles[0])));
}

struct label_sets *device_table_labels(const struct device_table *t) {
	return t->labels;
}

// True with *out filled if the slot belongs to that name. A slot that changes hands meanwhile did
// not belong to a device that stays.
static bool slot_read(const struct slot *s, const uint64_t hash[2], struct device_entry *out) {
	uint32_t before = atomic_load_explicit(&s->sequence, memory_order_acquire);

	if ((before & 1) != 0 || atomic_load_explicit(&s->hash[0], memory_order_relaxed) != hash[0]
	    || atomic_load_explicit(&s->hash[1], memory_order_relaxed) != hash[1])
		return false;
	device_limits_read(s, out);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&s->sequence, memory_order_relaxed) == before;
}

// The ways of both its sets that may be the name's: those of the second above those of the first.
static uint32_t candidates(const struct device_table *t, const uint64_t hash[2]) {
	return device_set_candidates(device_set_at(&t->index, hash, 0), hash)
		| device_set_candidates(device_set_at(&t->index, hash, 1), hash) << 16;
}

static uint32_t
candidate_slot(const struct device_table *t, const uint64_t hash[2], uint32_t ways) {
	unsigned at = (unsigned)__builtin_ctz(ways);

	static_assert(DEVICE_SET_WAYS <= 16);
	return device_set_slot(device_set_at(&t->index, hash, at / 16), at % 16);
}

static void
probe(const struct device_table *t, const uint64_t hash[2], uint32_t ways, struct device_entry *out
) {
	out->slot = DEVICE_NONE;
	for (; ways != 0; ways &= ways - 1) {
		uint32_t slot = candidate_slot(t, hash, ways);
		if (slot < t->capacity && slot_read(&t->slots[slot], hash, out)) {
			out->slot = slot;
			return;
		}
	}
}

// Three passes, so that the misses of a burst overlap: the sets, the slots, and then all is there.
static void prefetch_slots(const struct device_table *t, const uint64_t hash[2], uint32_t ways) {
	for (; ways != 0; ways &= ways - 1) {
		uint32_t slot = candidate_slot(t, hash, ways);
		if (slot >= t->capacity)
			continue;
		__builtin_prefetch(&t->slots[slot]);
		__builtin_prefetch((const void *)&t->slots[slot].records, 1);
	}
}

void device_table_find(
	const struct device_table *t,
	const uint64_t (*hash)[2],
	uint32_t n,
	struct device_entry *out
) {
	uint32_t generation = atomic_load_explicit(&t->generation, memory_order_acquire);
	uint32_t ways[DEVICE_BURST];

	for (uint32_t i = 0; i < n; i++) {
		__builtin_prefetch(device_set_at(&t->index, hash[i], 0));
		__builtin_prefetch(device_set_at(&t->index, hash[i], 1));
	}
	for (uint32_t i = 0; i < n; i++) {
		ways[i] = candidates(t, hash[i]);
		prefetch_slots(t, hash[i], ways[i]);
	}
	for (uint32_t i = 0; i < n; i++)
		probe(t, hash[i], ways[i], &out[i]);
	// If entries moved meanwhile, what was found is right and what was not may be there.
	for (unsigned tries = 0; tries < LOOKUP_TRIES; tries++) {
		atomic_thread_fence(memory_order_acquire);
		uint32_t now = atomic_load_explicit(&t->generation, memory_order_acquire);
		if (now == generation)
			return;
		generation = now;
		for (uint32_t i = 0; i < n; i++)
			if (out[i].slot == DEVICE_NONE)
				probe(t, hash[i], candidates(t, hash[i]), &out[i]);
	}
}

void device_table_lookup(
	const struct device_table *t,
	const struct view *names,
	uint32_t n,
	struct device_entry *out
) {
	uint64_t hash[DEVICE_BURST][2];

	for (uint32_t i = 0; i < n; i++)
		siphash13_128(t->secret, names[i].p, names[i].len, hash[i]);
	device_table_find(t, hash, n, out);
}

// --- what workers write

static void mark_dirty(struct device_table *t, uint32_t slot) {
	_Atomic uint64_t *word = &t->dirty[slot / 64];
	uint64_t bit = 1ull << (slot % 64);

	if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0)
		atomic_fetch_or_explicit(word, bit, memory_order_release);
}

// GCRA: `due` is when the next unit may come at the earliest, minus a second of burst.
static bool
rate_take(_Atomic uint64_t *due, uint32_t per_s, uint32_t units, uint64_t now_ns, bool commit) {
	uint64_t cost = units * (1000000000ull / per_s);
	uint64_t was = atomic_load_explicit(due, memory_order_relaxed);
	uint64_t from = was > now_ns ? was : now_ns;

	if (from - now_ns > QUOTA_BURST_NS)
		return false;
	if (commit)
		// A lost race lets one message through uncounted.
		atomic_compare_exchange_strong_explicit(
			due, &was, from + cost, memory_order_relaxed, memory_order_relaxed
		);
	return true;
}

bool device_quota_take(
	struct device_table *t,
	const struct device_entry *e,
	uint32_t records,
	uint32_t bytes,
	uint64_t now_ns
) {
	struct slot *s = &t->slots[e->slot];

	if (e->bytes_per_s != 0
	    && !rate_take(&s->bytes_due_ns, e->bytes_per_s, bytes, now_ns, false))
		return false;
	if (e->records_per_s != 0
	    && !rate_take(&s->records_due_ns, e->records_per_s, records, now_ns, true))
		return false;
	if (e->bytes_per_s != 0)
		(void)rate_take(&s->bytes_due_ns, e->bytes_per_s, bytes, now_ns, true);
	return true;
}

static void count16(_Atomic uint16_t *c) {
	if (atomic_load_explicit(c, memory_order_relaxed) < SLOT_COUNT16_MAX)
		atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

static uint16_t short_hash(uint32_t h) {
	uint16_t folded = (uint16_t)(h >> 16 ^ h);

	return folded != 0 ? folded : 1;
}

static void peer_write(struct slot *s, const struct channel_address *a) {
	uint64_t words[2];

	memcpy(words, a->bytes, sizeof(words));
	atomic_store_explicit(&s->peer[0], words[0], memory_order_relaxed);
	atomic_store_explicit(&s->peer[1], words[1], memory_order_relaxed);
	atomic_store_explicit(
		&s->peer_rest, (uint32_t)a->port << 16 | a->realm, memory_order_relaxed
	);
	atomic_store_explicit(&s->family, a->family, memory_order_relaxed);
}

// `heard`: SLOT_HEARD or 0.
static void contact(struct slot *s, const struct device_contact *c, uint8_t heard) {
	uint16_t last = atomic_load_explicit(&s->peer_hash, memory_order_relaxed);
	uint16_t here = short_hash(c->peer_hash);

	if (last != here) {
		uint16_t before = atomic_load_explicit(&s->peer_before, memory_order_relaxed);
		int64_t quiet =
			c->wall_ns - atomic_load_explicit(&s->seen_ns, memory_order_relaxed);
		uint8_t flips = atomic_load_explicit(&s->flips, memory_order_relaxed);
		if (last != 0 && before == here && quiet < CLONE_WINDOW_NS && flips < CLONE_FLIPS)
			atomic_store_explicit(&s->flips, flips + 1, memory_order_relaxed);
		atomic_store_explicit(&s->peer_before, last, memory_order_relaxed);
		atomic_store_explicit(&s->peer_hash, here, memory_order_relaxed);
	}
	peer_write(s, &c->peer);
	heard |= atomic_load_explicit(&s->transport, memory_order_relaxed) & SLOT_HEARD;
	atomic_store_explicit(&s->transport, c->transport | heard, memory_order_relaxed);
	atomic_store_explicit(&s->seen_ns, c->wall_ns, memory_order_relaxed);
}

void device_table_seen(
	struct device_table *t,
	uint32_t slot,
	const struct device_contact *c,
	uint32_t records,
	uint32_t bytes
) {
	struct slot *s = &t->slots[slot];

	contact(s, c, SLOT_HEARD);
	atomic_fetch_add_explicit(&s->records, records, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->bytes, bytes, memory_order_relaxed);
	mark_dirty(t, slot);
}

void device_table_refused(
	struct device_table *t,
	uint32_t slot,
	const struct device_contact *c,
	uint8_t reason
) {
	struct slot *s = &t->slots[slot];

	contact(s, c, 0);
	atomic_store_explicit(&s->refused_reason, reason, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->refusals, 1, memory_order_relaxed);
	mark_dirty(t, slot);
}

static bool live_add(struct slot *s, uint32_t most) {
	uint32_t live = atomic_fetch_add_explicit(&s->live, 1, memory_order_relaxed);

	if (most == 0 || live < most)
		return true;
	atomic_fetch_sub_explicit(&s->live, 1, memory_order_relaxed);
	return false;
}

bool device_connect(
	struct device_table *t,
	const struct device_entry *e,
	const struct device_contact *c,
	uint32_t *sequence
) {
	struct slot *s = &t->slots[e->slot];

	*sequence = atomic_load_explicit(&s->sequence, memory_order_acquire);
	contact(s, c, 0);
	if (!live_add(s, e->connections))
		return false;
	count16(&s->connects);
	mark_dirty(t, e->slot);
	return true;
}

void device_disconnect(struct device_table *t, uint32_t slot, uint32_t sequence, int64_t wall_ns) {
	struct slot *s = &t->slots[slot];

	if (atomic_load_explicit(&s->sequence, memory_order_acquire) != sequence)
		return;
	uint32_t live = atomic_load_explicit(&s->live, memory_order_relaxed);
	while (live > 0
	       && !atomic_compare_exchange_weak_explicit(
		       &s->live, &live, live - 1, memory_order_relaxed, memory_order_relaxed
	       ))
		;
	atomic_store_explicit(&s->seen_ns, wall_ns, memory_order_relaxed);
	count16(&s->disconnects);
	mark_dirty(t, slot);
}

uint32_t device_table_standing(const struct device_table *t) {
	return atomic_load_explicit(&t->standing, memory_order_acquire);
}
