// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/digest.h"
#include "dataplane/mqtt/auth_registry.h"
#include "dataplane/pages.h"
#include "parsers/siphash.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PLACES (2 * AUTH_REGISTRY_MAX)
#define NAME_MAX_LEN 64
#define COPY_TRIES 64

struct entry {
	_Atomic uint32_t sequence; // odd while the secret changes
	_Atomic uint32_t version; // 0: no password
	uint32_t doubted; // [m] next in the list of doubts + 1
	bool in_doubt; // [m]
	bool listed; // [m] in the list of doubts
	uint8_t name_len; // fixed once the entry is findable
	uint8_t len;
	uint8_t name[NAME_MAX_LEN];
	char secret[AUTH_REGISTRY_SECRET];
};
static_assert(AUTH_REGISTRY_SECRET <= UINT8_MAX);

struct auth_registry {
	struct entry *entries;
	_Atomic uint32_t *places; // index + 1, 0: free
	uint64_t key[2];
	// [m]
	uint32_t used; // entries
	uint32_t count; // with a password
	uint32_t versions;
	uint32_t doubts; // list, index + 1
};

int auth_registry_create(const uint64_t key[2], struct auth_registry **out) {
	struct auth_registry *r = calloc(1, sizeof(*r));

	if (r == nullptr)
		return -ENOMEM;
	memcpy(r->key, key, sizeof(r->key));
	r->entries = pages_reserve(AUTH_REGISTRY_MAX * sizeof(*r->entries), false);
	r->places = pages_reserve(PLACES * sizeof(*r->places), false);
	if (r->entries == nullptr || r->places == nullptr) {
		auth_registry_destroy(r);
		return -ENOMEM;
	}
	madvise(r->entries, AUTH_REGISTRY_MAX * sizeof(*r->entries), MADV_DONTDUMP);
	*out = r;
	return 0;
}

void auth_registry_destroy(struct auth_registry *r) {
	if (r == nullptr)
		return;
	if (r->entries != nullptr)
		digest_wipe(r->entries, r->used * sizeof(*r->entries));
	pages_unmap(r->entries, AUTH_REGISTRY_MAX * sizeof(*r->entries));
	pages_unmap((void *)r->places, PLACES * sizeof(*r->places));
	free(r);
}

// The place of that name, or the free one where it would go.
static uint32_t place_of(const struct auth_registry *r, struct view name) {
	uint32_t at = (uint32_t)siphash13(r->key, name.p, name.len) % PLACES;

	for (;; at = (at + 1) % PLACES) {
		uint32_t i = atomic_load_explicit(&r->places[at], memory_order_acquire);
		if (i == 0)
			return at;
		const struct entry *e = &r->entries[i - 1];
		if (view_equal(view_of(e->name, e->name_len), name))
			return at;
	}
}

static uint32_t index_of(const struct auth_registry *r, struct view name) {
	uint32_t i = atomic_load_explicit(&r->places[place_of(r, name)], memory_order_acquire);

	return i != 0 ? i - 1 : AUTH_REGISTRY_NONE;
}

uint32_t auth_registry_find(const struct auth_registry *r, struct view name) {
	uint32_t i = index_of(r, name);

	return auth_registry_version(r, i) != 0 ? i : AUTH_REGISTRY_NONE;
}

uint32_t auth_registry_version(const struct auth_registry *r, uint32_t index) {
	if (index >= AUTH_REGISTRY_MAX)
		return 0;
	return atomic_load_explicit(&r->entries[index].version, memory_order_acquire);
}

struct view auth_registry_name(const struct auth_registry *r, uint32_t index) {
	if (index >= AUTH_REGISTRY_MAX)
		return (struct view) {0};
	return view_of(r->entries[index].name, r->entries[index].name_len);
}

uint32_t auth_registry_secret(
	const struct auth_registry *r,
	uint32_t index,
	char out[AUTH_REGISTRY_SECRET + 1],
	uint32_t *version
) {
	const struct entry *e = &r->entries[index];

	if (index >= AUTH_REGISTRY_MAX)
		return 0;
	for (unsigned tries = 0; tries < COPY_TRIES; tries++) {
		uint32_t before = atomic_load_explicit(&e->sequence, memory_order_acquire);
		uint32_t len = e->len;
		*version = atomic_load_explicit(&e->version, memory_order_relaxed);
		if (len > AUTH_REGISTRY_SECRET)
			continue;
		memcpy(out, e->secret, len);
		out[len] = '\0';
		atomic_thread_fence(memory_order_acquire);
		if ((before & 1) == 0
		    && atomic_load_explicit(&e->sequence, memory_order_relaxed) == before)
			return *version != 0 ? len : 0;
	}
	return 0;
}

// --- main thread

static void secret_write(struct auth_registry *r, struct entry *e, struct view secret) {
	uint32_t n = atomic_load_explicit(&e->sequence, memory_order_relaxed);
	uint32_t had = atomic_load_explicit(&e->version, memory_order_relaxed);

	atomic_store_explicit(&e->sequence, n + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	digest_wipe(e->secret, sizeof(e->secret));
	e->len = (uint8_t)secret.len;
	if (secret.len > 0)
		memcpy(e->secret, secret.p, secret.len);
	if (++r->versions == 0)
		r->versions = 1;
	atomic_store_explicit(&e->version, secret.len > 0 ? r->versions : 0, memory_order_relaxed);
	atomic_store_explicit(&e->sequence, n + 2, memory_order_release);
	r->count += (secret.len > 0) - (had != 0);
}

int auth_registry_put(struct auth_registry *r, struct view name, struct view secret) {
	uint32_t i;

	if (name.len == 0 || name.len > NAME_MAX_LEN || secret.len == 0
	    || secret.len > AUTH_REGISTRY_SECRET)
		return -EINVAL;
	i = index_of(r, name);
	if (i == AUTH_REGISTRY_NONE) {
		if (r->used == AUTH_REGISTRY_MAX)
			return -ENOSPC;
		struct entry *e = &r->entries[i = r->used++];
		e->name_len = (uint8_t)name.len;
		memcpy(e->name, name.p, name.len);
		secret_write(r, e, secret);
		atomic_store_explicit(&r->places[place_of(r, name)], i + 1, memory_order_release);
		return 0;
	}
	struct entry *e = &r->entries[i];
	e->in_doubt = false;
	// The same again is no change: what workers remember of it stays good.
	if (e->len != secret.len || memcmp(e->secret, secret.p, secret.len) != 0)
		secret_write(r, e, secret);
	return 0;
}

bool auth_registry_remove(struct auth_registry *r, struct view name) {
	uint32_t i = auth_registry_find(r, name);

	if (i == AUTH_REGISTRY_NONE)
		return false;
	secret_write(r, &r->entries[i], (struct view) {0});
	return true;
}

static void doubt(struct auth_registry *r, uint32_t i) {
	struct entry *e = &r->entries[i];

	if (e->in_doubt || auth_registry_version(r, i) == 0)
		return;
	e->in_doubt = true;
	if (e->listed)
		return;
	e->listed = true;
	e->doubted = r->doubts;
	r->doubts = i + 1;
}

void auth_registry_doubt(struct auth_registry *r, struct view name) {
	uint32_t i = auth_registry_find(r, name);

	if (i != AUTH_REGISTRY_NONE)
		doubt(r, i);
}

void auth_registry_doubt_all(struct auth_registry *r) {
	for (uint32_t i = 0; i < r->used; i++)
		doubt(r, i);
}

uint32_t auth_registry_settle(struct auth_registry *r) {
	uint32_t gone = 0;

	for (uint32_t i = r->doubts; i != 0; i = r->entries[i - 1].doubted) {
		struct entry *e = &r->entries[i - 1];
		e->listed = false;
		if (!e->in_doubt)
			continue;
		e->in_doubt = false;
		secret_write(r, e, (struct view) {0});
		gone++;
	}
	r->doubts = 0;
	return gone;
}

bool auth_registry_next(
	const struct auth_registry *r,
	uint32_t *at,
	struct view *name,
	struct view *secret
) {
	while (*at < r->used) {
		const struct entry *e = &r->entries[(*at)++];
		if (atomic_load_explicit(&e->version, memory_order_relaxed) == 0)
			continue;
		*name = view_of(e->name, e->name_len);
		*secret = view_of((const uint8_t *)e->secret, e->len);
		return true;
	}
	return false;
}

uint32_t auth_registry_count(const struct auth_registry *r) {
	return r->count;
}
