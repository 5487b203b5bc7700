// SPDX-License-Identifier: Apache-2.0
// The main thread's side of the device table: memory, names, changes in place.
#include "dataplane/device_table_private.h"
#include "dataplane/pages.h"
#include "parsers/siphash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// --- names

static const uint8_t class_bytes[NAME_CLASS_COUNT] = {
#define X(bytes) bytes,
	NAME_CLASSES(X)
#undef X
};

static unsigned class_of(uint8_t name_len) {
	unsigned c = 0;

	while (class_bytes[c] < name_len)
		c++;
	return c;
}

static uint8_t *name_at(const struct device_table *t, unsigned class, uint32_t place) {
	return t->names[class].at + (size_t)place * class_bytes[class];
}

const char *device_name(const struct device_table *t, const struct slot *s) {
	return (const char *)name_at(t, class_of(s->name_len), s->name);
}

static void name_put(struct device_table *t, struct slot *s, const struct channel_device *d) {
	unsigned class = class_of(d->name_len);
	struct name_class *c = &t->names[class];
	uint32_t place = c->free > 0 ? c->free - 1 : c->high;

	if (c->free > 0)
		memcpy(&c->free, name_at(t, class, place), sizeof(c->free));
	else
		c->high++;
	s->name = place;
	s->name_len = d->name_len;
	memcpy(name_at(t, class, place), d->name, d->name_len);
}

static void name_drop(struct device_table *t, struct slot *s) {
	unsigned class = class_of(s->name_len);
	struct name_class *c = &t->names[class];

	memcpy(name_at(t, class, s->name), &c->free, sizeof(c->free));
	c->free = s->name + 1;
	s->name_len = 0;
}

// --- memory

static size_t device_bits_bytes(uint32_t capacity) {
	return ((size_t)capacity + 63) / 64 * sizeof(uint64_t);
}

static size_t index_bytes(const struct device_table *t) {
	return t->index.count * sizeof(struct device_set);
}

int device_table_create(uint32_t capacity, const uint64_t secret[2], struct device_table **out) {
	struct device_table *t;
	bool all;

	if (capacity > 1u << DEVICE_SLOT_BITS)
		return -ENOMEM;
	t = aligned_alloc(64, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	t->capacity = capacity;
	t->secret[0] = secret[0];
	t->secret[1] = secret[1];
	t->index.count = device_sets_of(capacity);
	t->slots = pages_map(capacity * sizeof(struct slot), "device slots", false);
	t->index.sets = pages_map(index_bytes(t), "device index", false);
	t->mentioned = pages_map(device_bits_bytes(capacity), "devices mentioned", false);
	t->dirty = pages_map(device_bits_bytes(capacity), "devices to report", false);
	all = t->slots != NULL && t->index.sets != NULL && t->mentioned != NULL && t->dirty != NULL;
	for (unsigned c = 0; c < NAME_CLASS_COUNT; c++) {
		t->names[c].at =
			pages_map((size_t)capacity * class_bytes[c], "device names", false);
		all = all && t->names[c].at != NULL;
	}
	// Twice: when all change at once, those before wait until no worker sees them.
	if (!all || label_sets_create(2 * capacity, &t->labels) < 0) {
		device_table_destroy(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void device_table_destroy(struct device_table *t) {
	if (t == NULL)
		return;
	pages_unmap(t->slots, t->capacity * sizeof(struct slot));
	pages_unmap(t->index.sets, index_bytes(t));
	pages_unmap(t->mentioned, device_bits_bytes(t->capacity));
	pages_unmap((void *)t->dirty, device_bits_bytes(t->capacity));
	for (unsigned c = 0; c < NAME_CLASS_COUNT; c++)
		pages_unmap(t->names[c].at, (size_t)t->capacity * class_bytes[c]);
	label_sets_destroy(t->labels);
	free(t);
}

size_t device_table_bytes(const struct device_table *t) {
	return sizeof(*t) + index_bytes(t) + 2 * device_bits_bytes(t->capacity)
		+ (size_t)t->capacity * (sizeof(struct slot) + NAME_BYTES)
		+ label_sets_bytes(t->labels);
}

// --- changes

void device_table_standing_bump(struct device_table *t) {
	uint32_t n = atomic_load_explicit(&t->standing, memory_order_relaxed);

	atomic_store_explicit(&t->standing, n + 1, memory_order_release);
}

static void hash_of(const void *table, uint32_t slot, uint64_t hash[2]) {
	const struct slot *s = &((const struct device_table *)table)->slots[slot];

	hash[0] = atomic_load_explicit(&s->hash[0], memory_order_relaxed);
	hash[1] = atomic_load_explicit(&s->hash[1], memory_order_relaxed);
}

struct standing_place {
	struct device_set *set;
	unsigned way;
	uint32_t slot;
};

// Where the name with that hash stands in the index.
static bool find(const struct device_table *t, const uint64_t hash[2], struct standing_place *p) {
	for (unsigned which = 0; which < 2; which++) {
		p->set = device_set_at(&t->index, hash, which);
		uint32_t ways = device_set_candidates(p->set, hash);
		for (; ways != 0; ways &= ways - 1) {
			uint64_t there[2];
			p->way = (unsigned)__builtin_ctz(ways);
			p->slot = device_set_slot(p->set, p->way);
			hash_of(t, p->slot, there);
			if (there[0] == hash[0] && there[1] == hash[1])
				return true;
		}
	}
	return false;
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

static void slot_labels(struct device_table *t, struct slot *s, uint32_t set) {
	uint32_t before = atomic_load_explicit(&s->labels, memory_order_relaxed);

	label_sets_take(t->labels, set);
	atomic_store_explicit(&s->labels, set, memory_order_release);
	label_sets_give(t->labels, before);
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
	slot_labels(t, s, d->labels != 0 ? label_sets_find(t->labels, d->labels) : 0);
}

static void slot_name(struct slot *s, const uint64_t hash[2]) {
	uint32_t seq = atomic_load_explicit(&s->sequence, memory_order_relaxed);

	atomic_store_explicit(&s->sequence, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&s->hash[0], hash[0], memory_order_relaxed);
	atomic_store_explicit(&s->hash[1], hash[1], memory_order_relaxed);
}

static void slot_named(struct slot *s) {
	uint32_t seq = atomic_load_explicit(&s->sequence, memory_order_relaxed);

	atomic_store_explicit(&s->sequence, seq + 1, memory_order_release);
}

// It belongs to nobody, and nothing of what the device did stays.
static void slot_clear(struct device_table *t, struct slot *s) {
	static const uint64_t nobody[2] = {0, 0};

	slot_name(s, nobody);
	slot_named(s);
	name_drop(t, s);
	slot_labels(t, s, 0);
	atomic_store_explicit(&s->records_due_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&s->bytes_due_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&s->records, 0, memory_order_relaxed);
	atomic_store_explicit(&s->bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&s->seen_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&s->transport, 0, memory_order_relaxed);
	atomic_store_explicit(&s->flips, 0, memory_order_relaxed);
	atomic_store_explicit(&s->peer_hash, 0, memory_order_relaxed);
	atomic_store_explicit(&s->peer_before, 0, memory_order_relaxed);
	atomic_store_explicit(&s->connects, 0, memory_order_relaxed);
	atomic_store_explicit(&s->disconnects, 0, memory_order_relaxed);
	atomic_store_explicit(&s->refusals, 0, memory_order_relaxed);
	atomic_store_explicit(&s->live, 0, memory_order_relaxed);
}

// A slot for a new device, or the table's capacity.
static uint32_t slot_take(struct device_table *t) {
	if (t->free == 0)
		return t->high < t->capacity ? t->high++ : t->capacity;
	uint32_t slot = t->free - 1;
	t->free = t->slots[slot].name;
	return slot;
}

static void slot_put_back(struct device_table *t, uint32_t slot) {
	t->slots[slot].name = t->free;
	t->free = slot + 1;
}

static void mention(struct device_table *t, uint32_t slot) {
	t->mentioned[slot / 64] |= 1ull << (slot % 64);
}

static bool is_mentioned(const struct device_table *t, uint32_t slot) {
	return (t->mentioned[slot / 64] >> (slot % 64) & 1) != 0;
}

static int
device_add(struct device_table *t, const struct channel_device *d, const uint64_t hash[2]) {
	uint32_t slot = slot_take(t);

	if (slot == t->capacity)
		return -ENOSPC;
	struct slot *s = &t->slots[slot];
	slot_name(s, hash);
	name_put(t, s, d);
	slot_limits(t, s, d);
	slot_named(s);
	if (!device_index_put(&t->index, hash, slot, &t->generation, hash_of, t)) {
		slot_clear(t, s);
		slot_put_back(t, slot);
		return -ENOSPC;
	}
	mention(t, slot);
	t->count++;
	return 0;
}

static int
device_put(struct device_table *t, const struct channel_device *d, const uint64_t hash[2]) {
	struct standing_place p;

	if (!find(t, hash, &p))
		return device_add(t, d, hash);
	slot_limits(t, &t->slots[p.slot], d);
	mention(t, p.slot);
	if (d->state != DEVICE_ACTIVE)
		device_table_standing_bump(t);
	return 0;
}

static void device_remove(struct device_table *t, const uint64_t hash[2]) {
	struct standing_place p;

	if (!find(t, hash, &p))
		return;
	device_index_remove(p.set, p.way);
	device_table_standing_bump(t);
	slot_clear(t, &t->slots[p.slot]);
	slot_put_back(t, p.slot);
	t->count--;
}

int device_table_apply(struct device_table *t, const struct channel_device *d, uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		uint64_t hash[2];
		siphash13_128(t->secret, d[i].name, d[i].name_len, hash);
		if (d[i].op != CHANNEL_PUT) {
			device_remove(t, hash);
			continue;
		}
		int ret = device_put(t, &d[i], hash);
		if (ret < 0)
			return ret;
	}
	return 0;
}

void device_table_whole_begin(struct device_table *t) {
	memset(t->mentioned, 0, device_bits_bytes(t->capacity));
}

uint32_t device_table_whole_end(struct device_table *t) {
	uint32_t dropped = 0;

	for (uint32_t i = 0; i < t->high; i++) {
		uint64_t hash[2];
		if (t->slots[i].name_len == 0 || is_mentioned(t, i))
			continue;
		hash_of(t, i, hash);
		device_remove(t, hash);
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
