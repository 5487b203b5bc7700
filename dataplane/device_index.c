// SPDX-License-Identifier: Apache-2.0
#include "dataplane/device_index.h"

static uint8_t tag_at(const struct device_set *s, unsigned way) {
	uint64_t tags = atomic_load_explicit(&s->tags[way / 8], memory_order_relaxed);

	return (uint8_t)(tags >> 8 * (way % 8));
}

static void tag_set(struct device_set *s, unsigned way, uint8_t tag) {
	uint64_t tags = atomic_load_explicit(&s->tags[way / 8], memory_order_relaxed);
	unsigned shift = 8 * (way % 8);

	tags = (tags & ~(0xffull << shift)) | (uint64_t)tag << shift;
	atomic_store_explicit(&s->tags[way / 8], tags, memory_order_release);
}

static void way_write(struct device_set *s, unsigned way, const uint64_t hash[2], uint32_t slot) {
	atomic_store_explicit(&s->words[way], device_word(hash, slot), memory_order_release);
	tag_set(s, way, device_tag(hash));
}

void device_index_remove(struct device_set *set, unsigned way) {
	tag_set(set, way, 0);
}

// How many ways are free, and one of them.
static unsigned free_ways(const struct device_set *s, unsigned *one) {
	unsigned n = 0;

	for (unsigned way = 0; way < DEVICE_SET_WAYS; way++) {
		if (tag_at(s, way) != 0)
			continue;
		*one = way;
		n++;
	}
	return n;
}

struct moving {
	const struct device_index *x;
	_Atomic uint32_t *generation;
	device_hash_of *hash_of;
	const void *table;
};

// Make room in a full set: one that has room in its other set goes there.
static bool make_way(const struct moving *m, struct device_set *full, unsigned *way) {
	for (*way = 0; *way < DEVICE_SET_WAYS; (*way)++) {
		uint32_t word = atomic_load_explicit(&full->words[*way], memory_order_relaxed);
		uint64_t hash[2];
		unsigned to;
		m->hash_of(m->table, device_word_slot(word), hash);
		struct device_set *other = device_set_at(m->x, hash, 0);
		if (other == full)
			other = device_set_at(m->x, hash, 1);
		if (other == full || free_ways(other, &to) == 0)
			continue;
		way_write(other, to, hash, device_word_slot(word));
		uint32_t g = atomic_load_explicit(m->generation, memory_order_relaxed);
		atomic_store_explicit(m->generation, g + 1, memory_order_release);
		device_index_remove(full, *way);
		return true;
	}
	return false;
}

bool device_index_put(
	const struct device_index *x,
	const uint64_t hash[2],
	uint32_t slot,
	_Atomic uint32_t *generation,
	device_hash_of *hash_of,
	const void *table
) {
	const struct moving m = {x, generation, hash_of, table};
	struct device_set *set[2];
	unsigned way[2] = {0, 0};
	unsigned left[2];

	for (unsigned which = 0; which < 2; which++) {
		set[which] = device_set_at(x, hash, which);
		left[which] = free_ways(set[which], &way[which]);
	}
	unsigned better = left[1] > left[0];
	if (left[better] == 0) {
		better = 0;
		if (!make_way(&m, set[0], &way[0])) {
			better = 1;
			if (!make_way(&m, set[1], &way[1]))
				return false;
		}
	}
	way_write(set[better], way[better], hash, slot);
	return true;
}
