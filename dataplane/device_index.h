// SPDX-License-Identifier: Apache-2.0
// Where the device table looks for a name: sets of twelve, each one cache line. A name's hash
// names two sets and it stands in either, so that nothing is ever deleted in part, no chain grows,
// and a table that is nearly full takes two lines as an empty one does.
//
//   tags    one byte per way, 0: free
//   words   slot, and six more bits of the hash
//
// One writer, the main thread. A reader sees a tag and a word that need not belong together: the
// slot says whose it is. Only an entry that has to make room moves, to its other set: it is written
// there first, then `generation` is counted up, then it goes. A reader that found nothing and sees
// another generation afterwards looks again.
#pragma once

#include <emmintrin.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_SET_WAYS 12
#define DEVICE_SET_FULL 11 // ways taken on average when the table is full
#define DEVICE_SLOT_BITS 26

struct device_set {
	_Atomic uint64_t tags[2]; // byte n: way n
	_Atomic uint32_t words[DEVICE_SET_WAYS];
};
static_assert(sizeof(struct device_set) == 64);

struct device_index {
	struct device_set *sets;
	uint32_t count;
};

static inline uint32_t device_sets_of(uint32_t capacity) {
	return capacity / DEVICE_SET_FULL + 1;
}

// The set that half `which` (0, 1) of the hash names.
static inline struct device_set *
device_set_at(const struct device_index *x, const uint64_t hash[2], unsigned which) {
	return &x->sets[(hash[which] >> 32) * x->count >> 32];
}

static inline uint8_t device_tag(const uint64_t hash[2]) {
	return (uint8_t)(hash[0] & 0xff) != 0 ? (uint8_t)(hash[0] & 0xff) : 1;
}

static inline uint32_t device_word(const uint64_t hash[2], uint32_t slot) {
	return (uint32_t)(hash[1] << DEVICE_SLOT_BITS) | slot;
}

static inline uint32_t device_word_slot(uint32_t word) {
	return word & ((1u << DEVICE_SLOT_BITS) - 1);
}

// Ways that may be the name's, one bit each. No tag of a name is 0, which stands behind the last.
static inline uint32_t device_set_candidates(const struct device_set *s, const uint64_t hash[2]) {
	uint64_t low = atomic_load_explicit(&s->tags[0], memory_order_acquire);
	uint64_t high = atomic_load_explicit(&s->tags[1], memory_order_acquire);
	__m128i same = _mm_cmpeq_epi8(
		_mm_set_epi64x((long long)high, (long long)low),
		_mm_set1_epi8((char)device_tag(hash))
	);
	uint32_t extra = device_word(hash, 0);
	uint32_t ways = 0;

	for (uint32_t m = (uint32_t)_mm_movemask_epi8(same); m != 0; m &= m - 1) {
		unsigned way = (unsigned)__builtin_ctz(m);
		uint32_t w = atomic_load_explicit(&s->words[way], memory_order_acquire);
		if (device_word_slot(w ^ extra) == (w ^ extra))
			ways |= 1u << way;
	}
	return ways;
}

static inline uint32_t device_set_slot(const struct device_set *s, unsigned way) {
	return device_word_slot(atomic_load_explicit(&s->words[way], memory_order_acquire));
}

// --- main thread (device_index.c)

// Hash of a slot that stands in the index, for one that has to move.
typedef void device_hash_of(const void *table, uint32_t slot, uint64_t hash[2]);

// False if there is no room: all 24 candidates to move would have to meet full sets, of which a
// full table has one in five. `generation` is counted up if an entry moved.
bool device_index_put(
	const struct device_index *x,
	const uint64_t hash[2],
	uint32_t slot,
	_Atomic uint32_t *generation,
	device_hash_of *hash_of,
	const void *table
);
void device_index_remove(struct device_set *set, unsigned way);
