// SPDX-License-Identifier: Apache-2.0
#include "parsers/siphash.h"
#include "pipelines/device_state.h"

#include <emmintrin.h>
#include <string.h>

#define WORD_USED (1u << 31)
#define WORD_OWNER_SHIFT 16
#define WORD_OWNER_MASK (0x3fu << WORD_OWNER_SHIFT)
#define WORD_TAG_MASK 0xffffu

static_assert(DEVICE_HOMES_MAX <= 0x40);

void device_hash(const struct device_states *s, struct view name, uint64_t hash[2]) {
	siphash13_128(s->secret, name.p, name.len, hash);
}

static uint32_t scaled(uint32_t random, uint32_t range) {
	return (uint32_t)((uint64_t)random * range >> 32);
}

uint16_t device_home(const struct device_states *s, const uint64_t hash[2]) {
	return (uint16_t)scaled((uint32_t)hash[0], s->homes);
}

// The first place of one of the two sets.
static uint32_t set_of(const struct device_states *s, const uint64_t hash[2], unsigned which) {
	uint32_t set = scaled((uint32_t)(hash[which] >> 32), s->sets);

	return (device_home(s, hash) * s->sets + set) * DEVICE_WAYS;
}

static uint32_t word_of(const uint64_t hash[2], uint16_t owner) {
	return WORD_USED | (uint32_t)owner << WORD_OWNER_SHIFT | (hash[1] & WORD_TAG_MASK);
}

static uint16_t owner_in(uint32_t word) {
	return (uint16_t)((word & WORD_OWNER_MASK) >> WORD_OWNER_SHIFT);
}

void device_prefetch_words(const struct device_states *s, const uint64_t hash[2]) {
	__builtin_prefetch((const void *)&s->words[set_of(s, hash, 0)]);
	__builtin_prefetch((const void *)&s->words[set_of(s, hash, 1)]);
}

// Which places of the set may be the device's, whoever owns it: a bit each. What others write at
// the same time may be seen or not; device_find() looks again.
static uint32_t likely_ways(const struct device_states *s, uint32_t first, uint32_t any) {
	const __m128i mask = _mm_set1_epi32((int)~WORD_OWNER_MASK);
	const __m128i want = _mm_set1_epi32((int)any);
	__m128i same[4];

	static_assert(DEVICE_WAYS == 16);
	for (unsigned i = 0; i < 4; i++) {
		__m128i words =
			_mm_loadu_si128((const __m128i *)(const void *)&s->words[first + 4 * i]);
		same[i] = _mm_cmpeq_epi32(_mm_and_si128(words, mask), want);
	}
	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(
		_mm_packs_epi32(same[0], same[1]), _mm_packs_epi32(same[2], same[3])
	));
}

uint32_t device_prefetch_head(const struct device_states *s, const uint64_t hash[2]) {
	uint32_t any = word_of(hash, 0);

	for (unsigned which = 0; which < 2; which++) {
		uint32_t first = set_of(s, hash, which);
		uint32_t ways = likely_ways(s, first, any);
		if (ways == 0)
			continue;
		uint32_t at = first + (uint32_t)__builtin_ctz(ways);
		__builtin_prefetch(device_at(s, at));
		return at;
	}
	return DEVICE_PLACE_NONE;
}

static bool is_named(const struct device_head *d, const uint64_t hash[2]) {
	return d->hash[0] == hash[0] && d->hash[1] == hash[1];
}

struct wanted {
	const uint64_t *hash;
	uint32_t word, mask; // a worker sees its own devices; the home sees all of them
};

static struct wanted wanted(const uint64_t hash[2], uint16_t worker, bool home) {
	return (struct wanted) {hash, word_of(hash, worker), home ? ~WORD_OWNER_MASK : UINT32_MAX};
}

static bool stands_at(const struct device_states *s, const struct wanted *x, uint32_t at) {
	uint32_t w = atomic_load_explicit(&s->words[at], memory_order_acquire);

	return ((w ^ x->word) & x->mask) == 0 && is_named(device_at(s, at), x->hash);
}

static uint32_t search(const struct device_states *s, const struct wanted *x) {
	for (unsigned which = 0; which < 2; which++) {
		uint32_t first = set_of(s, x->hash, which);
		for (uint32_t at = first; at < first + DEVICE_WAYS; at++)
			if (stands_at(s, x, at))
				return at;
	}
	return DEVICE_PLACE_NONE;
}

static uint32_t free_places(const struct device_states *s, uint32_t first, uint32_t *one) {
	uint32_t n = 0;

	for (uint32_t at = first; at < first + DEVICE_WAYS; at++) {
		if (atomic_load_explicit(&s->words[at], memory_order_relaxed) != 0)
			continue;
		*one = at;
		n++;
	}
	return n;
}

struct victim {
	uint32_t place;
	uint32_t age_s;
	bool registered;
};

static void consider(
	const struct device_states *s,
	uint32_t place,
	uint32_t now_s,
	bool registered,
	struct victim *v
) {
	const struct device_head *d = device_at(s, place);
	bool is_registered = (d->flags & DEVICE_REGISTERED) != 0;
	uint32_t age_s = now_s - d->used_s;

	if (d->pending > 0 || age_s == 0 || (is_registered && !registered))
		return;
	if (v->place != DEVICE_PLACE_NONE && is_registered != v->registered) {
		if (is_registered)
			return;
	} else if (v->place != DEVICE_PLACE_NONE && age_s <= v->age_s) {
		return;
	}
	*v = (struct victim) {place, age_s, is_registered};
}

// Of both sets; only what the home owns itself, whose headers nobody else writes.
static uint32_t evictable(
	const struct device_states *s,
	uint16_t home,
	const uint64_t hash[2],
	uint32_t now_s,
	bool registered
) {
	struct victim v = {.place = DEVICE_PLACE_NONE};

	for (unsigned which = 0; which < 2; which++) {
		uint32_t first = set_of(s, hash, which);
		for (uint32_t at = first; at < first + DEVICE_WAYS; at++)
			__builtin_prefetch(device_at(s, at));
	}
	for (unsigned which = 0; which < 2; which++) {
		uint32_t first = set_of(s, hash, which);
		for (uint32_t at = first; at < first + DEVICE_WAYS; at++) {
			uint32_t w = atomic_load_explicit(&s->words[at], memory_order_acquire);
			if (owner_in(w) == home && s->notes[at].promised == home)
				consider(s, at, now_s, registered, &v);
		}
	}
	return v.place;
}

static enum device_rc
enter(struct device_states *s,
      uint16_t home,
      const uint64_t hash[2],
      uint32_t now_s,
      bool registered,
      uint32_t *place) {
	uint32_t at[2] = {DEVICE_PLACE_NONE, DEVICE_PLACE_NONE};
	uint32_t left[2];
	enum device_rc rc = DEVICE_NEW;

	for (unsigned which = 0; which < 2; which++)
		left[which] = free_places(s, set_of(s, hash, which), &at[which]);
	*place = left[0] >= left[1] ? at[0] : at[1];
	if (*place == DEVICE_PLACE_NONE) {
		*place = evictable(s, home, hash, now_s, registered);
		rc = DEVICE_NEW_EVICTED;
	}
	if (*place == DEVICE_PLACE_NONE)
		return DEVICE_NO_ROOM;
	struct device_head *d = device_at(s, *place);
	memset(d, 0, s->slot_bytes);
	d->hash[0] = hash[0];
	d->hash[1] = hash[1];
	s->notes[*place] = (struct device_home_note) {.promised = (uint8_t)home};
	atomic_store_explicit(&s->words[*place], word_of(hash, home), memory_order_release);
	return rc;
}

enum device_rc device_find(
	struct device_states *s,
	uint16_t worker,
	const uint64_t hash[2],
	uint32_t likely,
	uint32_t now_s,
	bool registered,
	uint32_t *place
) {
	bool home = device_home(s, hash) == worker;
	const struct wanted x = wanted(hash, worker, home);
	enum device_rc rc = DEVICE_HERE;

	*place = likely != DEVICE_PLACE_NONE && stands_at(s, &x, likely) ? likely : search(s, &x);
	if (*place == DEVICE_PLACE_NONE) {
		if (!home)
			return DEVICE_AWAY;
		rc = enter(s, worker, hash, now_s, registered, place);
		if (rc == DEVICE_NO_ROOM)
			return rc;
	} else if (home && device_owner(s, *place) != worker) {
		return DEVICE_AWAY;
	}
	struct device_head *d = device_at(s, *place);
	d->used_s = now_s;
	if (registered)
		d->flags |= DEVICE_REGISTERED;
	else
		d->flags &= (uint8_t)~DEVICE_REGISTERED;
	return rc;
}

bool device_own(
	const struct device_states *s,
	uint16_t worker,
	const uint64_t hash[2],
	uint32_t *place
) {
	const struct wanted x = wanted(hash, worker, false);

	*place = search(s, &x);
	return *place != DEVICE_PLACE_NONE;
}

uint16_t device_owner(const struct device_states *s, uint32_t place) {
	return owner_in(atomic_load_explicit(&s->words[place], memory_order_acquire));
}

void device_give(struct device_states *s, uint32_t place, uint16_t to) {
	uint32_t w = atomic_load_explicit(&s->words[place], memory_order_relaxed);

	w = (w & ~WORD_OWNER_MASK) | (uint32_t)to << WORD_OWNER_SHIFT;
	atomic_store_explicit(&s->words[place], w, memory_order_release);
}
