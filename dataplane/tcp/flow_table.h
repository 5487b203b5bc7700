// SPDX-License-Identifier: Apache-2.0
// Hash table from a 64-bit hash to 32-bit element indices; the key stays with the element and is
// compared by the caller. Buckets of one cache line hold ten 16-bit tags, two bucket choices per
// hash, overflow buckets from a small pool. Fixed size, no rehash. One thread.
//
// The hash must be keyed (SipHash with a secret seed): peers choose the keys.
// Bulk use: flow_table_prefetch() for the burst, flow_table_first() to prefetch the elements,
// flow_table_second() for those that it did not find, then flow_table_lookup() one by one.
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define FLOW_BUCKET_SLOTS 10

struct flow_bucket {
	uint16_t tag[FLOW_BUCKET_SLOTS]; // 0 = free
	uint32_t index[FLOW_BUCKET_SLOTS];
	uint32_t next; // overflow bucket, 0 = none
};
static_assert(sizeof(struct flow_bucket) == 64);

struct flow_table {
	struct flow_bucket *buckets; // 64-byte aligned
	struct flow_bucket *overflow; // element 0 unused
	uint32_t count; // of buckets
	uint32_t overflow_count;
	uint32_t overflow_free; // through `next`
	uint32_t overflow_used;
	uint32_t used;
};

// Bucket and overflow counts for `flows` elements at 75 % load.
uint32_t flow_table_buckets(uint32_t flows);
uint32_t flow_table_overflow(uint32_t flows);
#define FLOW_TABLE_BYTES_EACH 9 // for each of them, rounded up

// Both arrays zeroed and sized by the functions above (overflow + 1 elements).
void flow_table_init(
	struct flow_table *t,
	struct flow_bucket *buckets,
	struct flow_bucket *overflow,
	uint32_t flows
);

// False if there is no room in both buckets and no overflow bucket is left. The caller has made
// sure that the key is not in the table. index != 0.
bool flow_table_insert(struct flow_table *t, uint64_t hash, uint32_t index);
bool flow_table_remove(struct flow_table *t, uint64_t hash, uint32_t index);

static inline uint16_t flow_tag(uint64_t hash) {
	uint16_t tag = (uint16_t)(hash >> 48);
	return tag != 0 ? tag : 1;
}

// Any number of buckets will do: a power of two would cost up to twice the memory.
static inline uint32_t flow_scale(const struct flow_table *t, uint32_t random) {
	return (uint32_t)((uint64_t)random * t->count >> 32);
}

static inline uint32_t flow_first_bucket(const struct flow_table *t, uint64_t hash) {
	return flow_scale(t, (uint32_t)hash);
}

// Depends on first bucket and tag only, and is its own inverse.
static inline uint32_t
flow_second_bucket(const struct flow_table *t, uint32_t first, uint16_t tag) {
	uint32_t mirror = flow_scale(t, tag * 0x9e3779b1u);

	return mirror >= first ? mirror - first : mirror + t->count - first;
}

// Bit i set: slot i has this tag.
static inline uint32_t flow_bucket_match(const struct flow_bucket *b, uint16_t tag) {
#ifdef __SSE2__
	__m128i eq = _mm_cmpeq_epi16(
		_mm_load_si128((const __m128i *)b->tag), _mm_set1_epi16((short)tag)
	);
	uint32_t m = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(eq, _mm_setzero_si128()));
	return m | (uint32_t)(b->tag[8] == tag) << 8 | (uint32_t)(b->tag[9] == tag) << 9;
#else
	uint32_t m = 0;
	for (unsigned i = 0; i < FLOW_BUCKET_SLOTS; i++)
		m |= (uint32_t)(b->tag[i] == tag) << i;
	return m;
#endif
}

static inline void flow_table_prefetch(const struct flow_table *t, uint64_t hash) {
	__builtin_prefetch(&t->buckets[flow_first_bucket(t, hash)]);
}

static inline uint32_t flow_bucket_candidate(const struct flow_bucket *b, uint64_t hash) {
	uint32_t m = flow_bucket_match(b, flow_tag(hash));

	return m != 0 ? b->index[__builtin_ctz(m)] : 0;
}

// A candidate for prefetching. 0: none in the first bucket, the second one is being fetched.
static inline uint32_t flow_table_first(const struct flow_table *t, uint64_t hash) {
	uint32_t first = flow_first_bucket(t, hash);
	uint32_t candidate = flow_bucket_candidate(&t->buckets[first], hash);

	if (candidate == 0)
		__builtin_prefetch(&t->buckets[flow_second_bucket(t, first, flow_tag(hash))]);
	return candidate;
}

static inline uint32_t flow_table_second(const struct flow_table *t, uint64_t hash) {
	uint32_t first = flow_first_bucket(t, hash);

	return flow_bucket_candidate(
		&t->buckets[flow_second_bucket(t, first, flow_tag(hash))], hash
	);
}

// The element for which match() says yes; 0 = none.
static inline uint32_t flow_table_lookup(
	const struct flow_table *t,
	uint64_t hash,
	bool (*match)(const void *owner, uint32_t index, const void *key),
	const void *owner,
	const void *key
) {
	uint16_t tag = flow_tag(hash);
	uint32_t first = flow_first_bucket(t, hash);
	uint32_t second = flow_second_bucket(t, first, tag);
	const struct flow_bucket *b = &t->buckets[first];

	for (bool chain = true;;) {
		for (uint32_t m = flow_bucket_match(b, tag); m != 0; m &= m - 1) {
			uint32_t i = b->index[__builtin_ctz(m)];
			if (match(owner, i, key))
				return i;
		}
		if (chain && b->next != 0) {
			b = &t->overflow[b->next];
		} else if (chain) {
			chain = false;
			b = &t->buckets[second];
		} else {
			return 0;
		}
	}
}
