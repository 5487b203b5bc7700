// SPDX-License-Identifier: Apache-2.0
#include "dataplane/frame/devices_private.h"
#include "dataplane/frame/registry_keys.h"
#include "dataplane/pages.h"
#include "parsers/payload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COPY_TRIES 64
#define KEY_WORDS (FRAME_KEY_MAX / sizeof(uint64_t))
#define REGISTRY_IDS (1ull << 63) // the key file's ids are below

struct key_slot {
	_Atomic(uint32_t) sequence; // odd while the key changes
	_Atomic(uint32_t) next; // slot + 1 of the same device, 0 at the end; fixed
	_Atomic(uint64_t) id; // 0: no key to be found here
	_Atomic(uint32_t) name; // algorithm and number, as name_of() makes it
	_Atomic(uint32_t) len;
	_Atomic(uint64_t) words[KEY_WORDS];
	// [m]
	uint64_t held; // the id it will have once its device's window has started
	uint32_t device;
	uint32_t doubted; // next in the list of doubts + 1
	bool in_doubt;
	bool listed; // in the list of doubts
};

struct registry_keys {
	struct key_slot *slots; // out of core dumps
	_Atomic(uint32_t) *first; // by device: slot + 1, 0 without
	size_t slots_bytes, first_bytes;
	// [m]
	uint32_t max;
	uint32_t used; // slots
	uint32_t count; // keys
	uint32_t doubts; // list, slot + 1
};

static uint32_t name_of(uint8_t number, enum frame_algorithm algorithm) {
	return (uint32_t)algorithm << 8 | number;
}

int registry_keys_create(uint32_t devices, struct registry_keys **out) {
	struct registry_keys *r = calloc(1, sizeof(*r));

	if (r == nullptr)
		return -ENOMEM;
	r->max = devices * REGISTRY_KEYS_PER_DEVICE;
	r->slots_bytes = (size_t)r->max * sizeof(*r->slots);
	r->first_bytes = ((size_t)devices + 1) * sizeof(*r->first);
	r->slots = pages_reserve(r->slots_bytes, true);
	r->first = pages_reserve(r->first_bytes, false);
	if (r->slots == nullptr || r->first == nullptr) {
		registry_keys_destroy(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void registry_keys_destroy(struct registry_keys *r) {
	if (r == nullptr)
		return;
	if (r->slots != nullptr)
		explicit_bzero(r->slots, r->used * sizeof(*r->slots));
	pages_unmap(r->slots, r->slots_bytes);
	pages_unmap((void *)r->first, r->first_bytes);
	free(r);
}

// --- workers

static bool stable(const struct key_slot *s, uint32_t before) {
	atomic_thread_fence(memory_order_acquire);
	return before % 2 == 0
		&& atomic_load_explicit(&s->sequence, memory_order_relaxed) == before;
}

static void words_get(const struct key_slot *s, uint8_t out[FRAME_KEY_MAX]) {
	for (uint32_t i = 0; i < KEY_WORDS; i++) {
		uint64_t word = atomic_load_explicit(&s->words[i], memory_order_relaxed);
		memcpy(out + i * sizeof(word), &word, sizeof(word));
	}
}

// True if the slot has that key.
static bool slot_copy(const struct key_slot *s, uint32_t name, struct frame_key *out) {
	for (unsigned tries = 0; tries < COPY_TRIES; tries++) {
		uint32_t before = atomic_load_explicit(&s->sequence, memory_order_acquire);
		out->id = atomic_load_explicit(&s->id, memory_order_relaxed);
		bool hit = out->id != 0
			&& atomic_load_explicit(&s->name, memory_order_relaxed) == name;
		out->len = (uint8_t)atomic_load_explicit(&s->len, memory_order_relaxed);
		if (hit)
			words_get(s, out->bytes);
		if (stable(s, before))
			return hit;
	}
	return false; // being changed all the time: what it was is over
}

bool registry_key_copy(
	const struct registry_keys *r,
	uint32_t device,
	uint8_t number,
	enum frame_algorithm algorithm,
	struct frame_key *out
) {
	uint32_t at = atomic_load_explicit(&r->first[device], memory_order_acquire);

	while (at != 0) {
		const struct key_slot *s = &r->slots[at - 1];
		if (slot_copy(s, name_of(number, algorithm), out)) {
			out->device = device;
			out->next = INDEX_NONE;
			out->algorithm = algorithm;
			out->number = number;
			return true;
		}
		at = atomic_load_explicit(&s->next, memory_order_acquire);
	}
	return false;
}

// --- main thread

static bool has_key(const struct key_slot *s) {
	return s->held != 0 || atomic_load_explicit(&s->id, memory_order_relaxed) != 0;
}

// NULL `key` wipes the slot.
static void
slot_write(struct registry_keys *r, struct key_slot *s, const struct frame_key *key, bool hold) {
	static _Atomic(uint64_t) ids;
	uint32_t n = atomic_load_explicit(&s->sequence, memory_order_relaxed);
	uint64_t id = key != nullptr ? REGISTRY_IDS | (atomic_fetch_add(&ids, 1) + 1) : 0;

	r->count += (key != nullptr) - has_key(s);
	s->held = hold ? id : 0;
	atomic_store_explicit(&s->sequence, n + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&s->id, hold ? 0 : id, memory_order_relaxed);
	if (key != nullptr)
		atomic_store_explicit(
			&s->name, name_of(key->number, key->algorithm), memory_order_relaxed
		);
	atomic_store_explicit(&s->len, key != nullptr ? key->len : 0, memory_order_relaxed);
	for (uint32_t i = 0; i < KEY_WORDS; i++) {
		uint64_t word = 0;
		if (key != nullptr)
			memcpy(&word, key->bytes + i * sizeof(word), sizeof(word));
		atomic_store_explicit(&s->words[i], word, memory_order_relaxed);
	}
	atomic_store_explicit(&s->sequence, n + 2, memory_order_release);
}

static struct key_slot *slot_after(const struct registry_keys *r, uint32_t at) {
	return at != 0 ? &r->slots[at - 1] : nullptr;
}

static struct key_slot *slots_of(const struct registry_keys *r, uint32_t device) {
	return slot_after(r, atomic_load_explicit(&r->first[device], memory_order_relaxed));
}

static struct key_slot *next_of(const struct registry_keys *r, const struct key_slot *s) {
	return slot_after(r, atomic_load_explicit(&s->next, memory_order_relaxed));
}

static struct key_slot *slot_find(const struct registry_keys *r, uint32_t device, uint32_t name) {
	for (struct key_slot *s = slots_of(r, device); s != nullptr; s = next_of(r, s))
		if (has_key(s) && atomic_load_explicit(&s->name, memory_order_relaxed) == name)
			return s;
	return nullptr;
}

static struct key_slot *slot_free(const struct registry_keys *r, uint32_t device) {
	for (struct key_slot *s = slots_of(r, device); s != nullptr; s = next_of(r, s))
		if (!has_key(s))
			return s;
	return nullptr;
}

// The bytes of `key` beyond its length are zero.
static bool same_key(const struct key_slot *s, const struct frame_key *key) {
	uint8_t bytes[FRAME_KEY_MAX];

	words_get(s, bytes);
	bool same = atomic_load_explicit(&s->len, memory_order_relaxed) == key->len
		&& memcmp(bytes, key->bytes, sizeof(bytes)) == 0;
	explicit_bzero(bytes, sizeof(bytes));
	return same;
}

static int
key_take(struct registry_keys *r, uint32_t device, const struct frame_key *k, bool hold) {
	struct key_slot *s = slot_find(r, device, name_of(k->number, k->algorithm));

	if (s != nullptr) {
		s->in_doubt = false;
		// The same again is no change: what workers have expanded of it stays good.
		if (!same_key(s, k))
			slot_write(r, s, k, hold);
		return 0;
	}
	s = slot_free(r, device);
	if (s != nullptr) {
		slot_write(r, s, k, hold);
		return 0;
	}
	if (r->used == r->max)
		return -ENOSPC;
	s = &r->slots[r->used++];
	s->device = device;
	slot_write(r, s, k, hold);
	atomic_store_explicit(
		&s->next,
		atomic_load_explicit(&r->first[device], memory_order_relaxed),
		memory_order_relaxed
	);
	atomic_store_explicit(&r->first[device], r->used, memory_order_release);
	return 0;
}

int frame_registry_put(struct frame_devices *d, struct view device, const struct frame_key *key) {
	struct frame_key k = *key;
	int ret = -ENOSPC;

	if (!device_id_valid(device) || !frame_key_len_valid(key->algorithm, key->len))
		return -EINVAL;
	memset(k.bytes + k.len, 0, sizeof(k.bytes) - k.len);
	struct frame_device *dev = frame_device_add(d, device);
	if (dev != nullptr)
		ret = key_take(d->registry, dev->index, &k, dev->index >= d->started);
	explicit_bzero(&k, sizeof(k));
	return ret;
}

bool frame_registry_remove(
	struct frame_devices *d,
	struct view device,
	uint8_t number,
	enum frame_algorithm algorithm
) {
	const struct frame_device *dev = frame_device_lookup(d, device);
	struct key_slot *s = nullptr;

	if (dev != nullptr)
		s = slot_find(d->registry, dev->index, name_of(number, algorithm));
	if (s == nullptr)
		return false;
	slot_write(d->registry, s, nullptr, false);
	return true;
}

void registry_keys_release(struct registry_keys *r, uint32_t from, uint32_t to) {
	for (uint32_t device = from; device < to; device++)
		for (struct key_slot *s = slots_of(r, device); s != nullptr; s = next_of(r, s)) {
			if (s->held == 0)
				continue;
			// The key is in place already; its id makes it findable.
			atomic_store_explicit(&s->id, s->held, memory_order_release);
			s->held = 0;
		}
}

static void doubt(struct registry_keys *r, struct key_slot *s) {
	if (s->in_doubt || !has_key(s))
		return;
	s->in_doubt = true;
	if (s->listed)
		return;
	s->listed = true;
	s->doubted = r->doubts;
	r->doubts = (uint32_t)(s - r->slots) + 1;
}

void frame_registry_doubt(struct frame_devices *d, struct view device) {
	const struct frame_device *dev = frame_device_lookup(d, device);

	if (dev == nullptr)
		return;
	for (struct key_slot *s = slots_of(d->registry, dev->index); s != nullptr;
	     s = next_of(d->registry, s))
		doubt(d->registry, s);
}

void frame_registry_doubt_all(struct frame_devices *d) {
	for (uint32_t i = 0; i < d->registry->used; i++)
		doubt(d->registry, &d->registry->slots[i]);
}

int frame_registry_settle(struct frame_devices *d) {
	struct registry_keys *r = d->registry;
	int gone = 0;

	while (r->doubts != 0) {
		struct key_slot *s = &r->slots[r->doubts - 1];
		r->doubts = s->doubted;
		s->listed = false;
		if (!s->in_doubt)
			continue;
		s->in_doubt = false;
		if (!has_key(s))
			continue;
		slot_write(r, s, nullptr, false);
		gone++;
	}
	int ret = frame_devices_start(d);
	return ret < 0 ? ret : gone;
}

bool frame_registry_next(
	const struct frame_devices *d,
	uint32_t *at,
	struct view *device,
	struct frame_key *key
) {
	const struct registry_keys *r = d->registry;

	while (*at < r->used) {
		const struct key_slot *s = &r->slots[(*at)++];
		if (!has_key(s))
			continue;
		uint32_t name = atomic_load_explicit(&s->name, memory_order_relaxed);
		const struct frame_device *dev = &d->devices[s->device];
		*device = view_of(dev->id, dev->id_len);
		*key = (struct frame_key) {
			.device = s->device,
			.next = INDEX_NONE,
			.algorithm = (enum frame_algorithm)(name >> 8),
			.number = (uint8_t)name,
			.len = (uint8_t)atomic_load_explicit(&s->len, memory_order_relaxed),
		};
		words_get(s, key->bytes);
		return true;
	}
	return false;
}

uint32_t frame_registry_count(const struct frame_devices *d) {
	return d->registry->count;
}
