// SPDX-License-Identifier: Apache-2.0
#include "dataplane/device_table_private.h"
#include "parsers/siphash.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BUCKET_EMPTY 0ull
#define BUCKET_DELETED UINT64_MAX
#define CLONE_WINDOW_NS (60 * 1000000000ll)
#define QUOTA_BURST_NS 1000000000ull // a device may send one second's worth at once
#define LOOKUP_TRIES 64 // a reader that lost its CPU may find several rebuilds behind it

static void *reserve(struct device_table *t, size_t bytes) {
	void *p =
		mmap(NULL,
		     bytes,
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1,
		     0);

	if (p == MAP_FAILED)
		return NULL;
	t->bytes += bytes;
	return p;
}

static size_t buckets_of(const struct device_table *t) {
	return (size_t)t->bucket_mask + 1;
}

int device_table_create(uint32_t capacity, const uint64_t secret[2], struct device_table **out) {
	struct device_table *t = aligned_alloc(64, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	t->capacity = capacity;
	t->secret[0] = secret[0];
	t->secret[1] = secret[1];
	t->bucket_mask = 63;
	while (t->bucket_mask + 1 < 2ull * capacity)
		t->bucket_mask = 2 * t->bucket_mask + 1;
	t->slots = reserve(t, capacity * sizeof(struct slot));
	t->index[0] = reserve(t, buckets_of(t) * sizeof(uint64_t));
	t->index[1] = reserve(t, buckets_of(t) * sizeof(uint64_t));
	t->free = reserve(t, capacity * sizeof(uint32_t));
	t->dirty = reserve(t, (capacity + 63) / 64 * sizeof(uint64_t));
	if (t->slots == NULL || t->index[0] == NULL || t->index[1] == NULL || t->free == NULL
	    || t->dirty == NULL) {
		device_table_destroy(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void device_table_destroy(struct device_table *t) {
	if (t == NULL)
		return;
	if (t->slots != NULL)
		munmap(t->slots, t->capacity * sizeof(struct slot));
	for (int i = 0; i < 2; i++)
		if (t->index[i] != NULL)
			munmap((void *)t->index[i], buckets_of(t) * sizeof(uint64_t));
	if (t->free != NULL)
		munmap(t->free, t->capacity * sizeof(uint32_t));
	if (t->dirty != NULL)
		munmap((void *)t->dirty, (t->capacity + 63) / 64 * sizeof(uint64_t));
	free(t);
}

// Tag and slot in one word, so that a reader gets both or neither. Never BUCKET_EMPTY (slot + 1)
// nor BUCKET_DELETED (slot + 1 stays below UINT32_MAX).
static uint64_t bucket_of(uint64_t hash, uint32_t slot) {
	return (hash & 0xffffffff00000000u) | (slot + 1);
}

// --- readers

struct view device_table_profile(const struct device_table *t, uint16_t profile) {
	const char *name = t->profiles[profile];

	return view_of(name, (uint32_t)strnlen(name, sizeof(t->profiles[0])));
}

// True with *out filled if the slot belongs to that name. A slot that changes hands meanwhile did
// not belong to a device that stays.
static bool slot_read(const struct slot *s, struct view name, struct device_entry *out) {
	uint32_t before = atomic_load_explicit(&s->sequence, memory_order_acquire);

	if ((before & 1) != 0)
		return false;
	bool same =
		s->used != 0 && s->name_len == name.len && memcmp(s->name, name.p, name.len) == 0;
	device_limits_read(s, out);
	atomic_thread_fence(memory_order_acquire);
	return same && atomic_load_explicit(&s->sequence, memory_order_relaxed) == before;
}

static void
probe(const struct device_table *t,
      const _Atomic uint64_t *index,
      struct view name,
      uint64_t hash,
      struct device_entry *out) {
	uint64_t at = hash & t->bucket_mask;

	out->slot = DEVICE_NONE;
	for (uint64_t n = 0; n <= t->bucket_mask; n++, at = (at + 1) & t->bucket_mask) {
		uint64_t b = atomic_load_explicit(&index[at], memory_order_acquire);
		if (b == BUCKET_EMPTY)
			return;
		if (b == BUCKET_DELETED || (b ^ hash) >> 32 != 0)
			continue;
		uint32_t slot = (uint32_t)b - 1;
		if (slot < t->capacity && slot_read(&t->slots[slot], name, out)) {
			out->slot = slot;
			return;
		}
	}
}

void device_table_lookup(
	const struct device_table *t,
	const struct view *names,
	uint32_t n,
	struct device_entry *out
) {
	uint64_t hash[DEVICE_BURST];
	uint32_t generation = atomic_load_explicit(&t->generation, memory_order_acquire);
	const _Atomic uint64_t *index = t->index[generation & 1];

	for (uint32_t i = 0; i < n; i++) {
		hash[i] = siphash13(t->secret, names[i].p, names[i].len);
		__builtin_prefetch((const void *)&index[hash[i] & t->bucket_mask]);
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t b = atomic_load_explicit(
			&index[hash[i] & t->bucket_mask], memory_order_relaxed
		);
		if (b != BUCKET_EMPTY && b != BUCKET_DELETED && (uint32_t)b - 1 < t->capacity) {
			const char *line = (const char *)&t->slots[(uint32_t)b - 1];
			__builtin_prefetch(line);
			__builtin_prefetch(line + 64);
		}
	}
	for (uint32_t i = 0; i < n; i++)
		probe(t, index, names[i], hash[i], &out[i]);
	// If the index changed meanwhile, what was found is right and what was not may be there.
	// Rebuilds are at least a quarter of the table's capacity in removals apart.
	for (unsigned tries = 0; tries < LOOKUP_TRIES; tries++) {
		atomic_thread_fence(memory_order_acquire);
		uint32_t now = atomic_load_explicit(&t->generation, memory_order_acquire);
		if (now == generation)
			return;
		generation = now;
		index = t->index[generation & 1];
		for (uint32_t i = 0; i < n; i++)
			if (out[i].slot == DEVICE_NONE)
				probe(t, index, names[i], hash[i], &out[i]);
	}
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

static void contact(struct slot *s, const struct device_contact *c) {
	uint32_t last = atomic_load_explicit(&s->peer_hash, memory_order_relaxed);

	if (last != c->peer_hash) {
		uint32_t before = atomic_load_explicit(&s->peer_before, memory_order_relaxed);
		int64_t quiet =
			c->wall_ns - atomic_load_explicit(&s->seen_ns, memory_order_relaxed);
		if (last != 0 && before == c->peer_hash && quiet < CLONE_WINDOW_NS)
			atomic_fetch_add_explicit(&s->flips, 1, memory_order_relaxed);
		atomic_store_explicit(&s->peer_before, last, memory_order_relaxed);
		atomic_store_explicit(&s->peer_hash, c->peer_hash, memory_order_relaxed);
	}
	s->peer = c->peer;
	atomic_store_explicit(&s->transport, c->transport, memory_order_relaxed);
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

	contact(s, c);
	atomic_fetch_add_explicit(&s->records, records, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->bytes, bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->records_total, records, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->bytes_total, bytes, memory_order_relaxed);
	mark_dirty(t, slot);
}

void device_table_refused(
	struct device_table *t,
	uint32_t slot,
	const struct device_contact *c,
	uint8_t reason
) {
	struct slot *s = &t->slots[slot];

	contact(s, c);
	atomic_store_explicit(&s->refused_reason, reason, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->refusals, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->drops_total, 1, memory_order_relaxed);
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
	contact(s, c);
	if (!live_add(s, e->connections))
		return false;
	atomic_fetch_add_explicit(&s->connects, 1, memory_order_relaxed);
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
	atomic_fetch_add_explicit(&s->disconnects, 1, memory_order_relaxed);
	mark_dirty(t, slot);
}

uint32_t device_table_standing(const struct device_table *t) {
	return atomic_load_explicit(&t->standing, memory_order_acquire);
}

// --- the main thread's changes

void device_table_standing_bump(struct device_table *t) {
	uint32_t n = atomic_load_explicit(&t->standing, memory_order_relaxed);

	atomic_store_explicit(&t->standing, n + 1, memory_order_release);
}

static _Atomic uint64_t *index_now(struct device_table *t) {
	return t->index[atomic_load_explicit(&t->generation, memory_order_relaxed) & 1];
}

// The bucket of that name, or NULL.
static _Atomic uint64_t *
bucket_find(struct device_table *t, const char *name, uint8_t len, uint64_t hash) {
	_Atomic uint64_t *index = index_now(t);
	uint64_t at = hash & t->bucket_mask;

	for (;; at = (at + 1) & t->bucket_mask) {
		uint64_t b = atomic_load_explicit(&index[at], memory_order_relaxed);
		if (b == BUCKET_EMPTY)
			return NULL;
		if (b == BUCKET_DELETED || (b ^ hash) >> 32 != 0)
			continue;
		const struct slot *s = &t->slots[(uint32_t)b - 1];
		if (s->name_len == len && memcmp(s->name, name, len) == 0)
			return &index[at];
	}
}

static void bucket_put(
	struct device_table *t,
	_Atomic uint64_t *index,
	uint64_t hash,
	uint32_t slot,
	bool count
) {
	uint64_t at = hash & t->bucket_mask;
	uint64_t b;

	for (;; at = (at + 1) & t->bucket_mask) {
		b = atomic_load_explicit(&index[at], memory_order_relaxed);
		if (b == BUCKET_EMPTY || b == BUCKET_DELETED)
			break;
	}
	if (count && b == BUCKET_DELETED)
		t->deleted--;
	atomic_store_explicit(&index[at], bucket_of(hash, slot), memory_order_release);
}

// Deleted buckets make chains long, and full ones endless: build the other index.
static void index_rebuild(struct device_table *t) {
	uint32_t generation = atomic_load_explicit(&t->generation, memory_order_relaxed);
	_Atomic uint64_t *other = t->index[(generation + 1) & 1];

	memset((void *)other, 0, buckets_of(t) * sizeof(uint64_t));
	for (uint32_t i = 0; i < t->high; i++)
		if (t->slots[i].used != 0)
			bucket_put(t, other, t->slots[i].hash, i, false);
	t->deleted = 0;
	atomic_store_explicit(&t->generation, generation + 1, memory_order_release);
}

static void slot_write_begin(struct slot *s) {
	uint32_t seq = atomic_load_explicit(&s->sequence, memory_order_relaxed);

	atomic_store_explicit(&s->sequence, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void slot_write_end(struct slot *s) {
	uint32_t seq = atomic_load_explicit(&s->sequence, memory_order_relaxed);

	atomic_store_explicit(&s->sequence, seq + 1, memory_order_release);
}

// Profiles are few (the configuration has at most 1,024): a name seen once keeps its number. One
// too many is kept as none; the profile is the control plane's business, the table only carries it.
static uint16_t profile_number(struct device_table *t, const char *name) {
	if (name[0] == '\0')
		return 0;
	for (uint16_t i = 1; i <= t->profile_count; i++)
		if (strncmp(t->profiles[i], name, sizeof(t->profiles[i])) == 0)
			return i;
	if (t->profile_count + 1 == PROFILES_MAX)
		return 0;
	memcpy(t->profiles[++t->profile_count], name, sizeof(t->profiles[0]) - 1);
	return t->profile_count;
}

static void slot_limits(struct device_table *t, struct slot *s, const struct channel_device *d) {
	atomic_store_explicit(
		&s->standing,
		(uint64_t)d->claims << 32 | (uint64_t)d->connections << 16 | d->state,
		memory_order_relaxed
	);
	atomic_store_explicit(
		&s->rates, (uint64_t)d->bytes_per_s << 32 | d->records_per_s, memory_order_relaxed
	);
	// Releases the name, if it is a new one.
	atomic_store_explicit(&s->profile, profile_number(t, d->profile), memory_order_release);
}

static int device_put(struct device_table *t, const struct channel_device *d, uint64_t hash) {
	_Atomic uint64_t *b = bucket_find(t, d->name, d->name_len, hash);
	uint32_t slot;

	if (b != NULL) {
		struct slot *s =
			&t->slots[(uint32_t)atomic_load_explicit(b, memory_order_relaxed) - 1];
		slot_limits(t, s, d);
		s->mark = t->mark;
		if (d->state != DEVICE_ACTIVE)
			device_table_standing_bump(t);
		return 0;
	}
	if (t->free_count > 0)
		slot = t->free[--t->free_count];
	else if (t->high < t->capacity)
		slot = t->high++;
	else
		return -ENOSPC;
	struct slot *s = &t->slots[slot];
	slot_write_begin(s);
	s->hash = hash;
	s->used = 1;
	s->name_len = d->name_len;
	memcpy(s->name, d->name, sizeof(s->name));
	slot_limits(t, s, d);
	slot_write_end(s);
	s->mark = t->mark;
	t->count++;
	bucket_put(t, index_now(t), hash, slot, true);
	return 0;
}

static void slot_release(struct device_table *t, uint32_t slot, _Atomic uint64_t *bucket) {
	struct slot *s = &t->slots[slot];

	atomic_store_explicit(bucket, BUCKET_DELETED, memory_order_release);
	device_table_standing_bump(t);
	slot_write_begin(s);
	s->used = 0;
	memset(s->name, 0, sizeof(s->name));
	s->name_len = 0;
	slot_write_end(s);
	atomic_store_explicit(&s->records, 0, memory_order_relaxed);
	atomic_store_explicit(&s->bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&s->refusals, 0, memory_order_relaxed);
	atomic_store_explicit(&s->flips, 0, memory_order_relaxed);
	atomic_store_explicit(&s->live, 0, memory_order_relaxed);
	atomic_store_explicit(&s->connects, 0, memory_order_relaxed);
	atomic_store_explicit(&s->disconnects, 0, memory_order_relaxed);
	atomic_store_explicit(&s->seen_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&s->records_total, 0, memory_order_relaxed);
	atomic_store_explicit(&s->bytes_total, 0, memory_order_relaxed);
	atomic_store_explicit(&s->drops_total, 0, memory_order_relaxed);
	atomic_store_explicit(&s->records_due_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&s->bytes_due_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&s->peer_hash, 0, memory_order_relaxed);
	atomic_store_explicit(&s->peer_before, 0, memory_order_relaxed);
	t->free[t->free_count++] = slot;
	t->count--;
	t->deleted++;
	// At least a quarter of all buckets stays empty, which bounds every chain.
	if (t->deleted > buckets_of(t) / 4)
		index_rebuild(t);
}

int device_table_apply(struct device_table *t, const struct channel_device *d, uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		uint64_t hash = siphash13(t->secret, d[i].name, d[i].name_len);
		if (d[i].op == CHANNEL_PUT) {
			int ret = device_put(t, &d[i], hash);
			if (ret < 0)
				return ret;
			continue;
		}
		_Atomic uint64_t *b = bucket_find(t, d[i].name, d[i].name_len, hash);
		if (b != NULL)
			slot_release(
				t, (uint32_t)atomic_load_explicit(b, memory_order_relaxed) - 1, b
			);
	}
	return 0;
}

void device_table_whole_begin(struct device_table *t) {
	t->mark++;
}

uint32_t device_table_whole_end(struct device_table *t) {
	uint32_t dropped = 0;

	for (uint32_t i = 0; i < t->high; i++) {
		struct slot *s = &t->slots[i];
		if (s->used == 0 || s->mark == t->mark)
			continue;
		slot_release(t, i, bucket_find(t, s->name, s->name_len, s->hash));
		dropped++;
	}
	return dropped;
}

uint32_t device_table_count(const struct device_table *t) {
	return t->count;
}

uint32_t device_table_capacity(const struct device_table *t) {
	return t->capacity;
}

size_t device_table_bytes(const struct device_table *t) {
	return t->bytes;
}

void device_table_at(struct device_table *t, uint64_t registry_id, uint64_t version) {
	t->registry_id = registry_id;
	t->version = version;
}

uint64_t device_table_version(const struct device_table *t) {
	return t->version;
}

uint64_t device_table_registry(const struct device_table *t) {
	return t->registry_id;
}
