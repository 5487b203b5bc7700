// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_book.h"
#include "dataplane/pages.h"
#include "parsers/siphash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct flow_book {
	struct flow_entry *entries;
	uint32_t *tags; // of the entries; 0: free
	uint32_t capacity; // a power of two
	uint64_t secret[2];
	uint64_t forgotten;
};

int flow_book_create(uint32_t flows, const uint64_t secret[2], struct flow_book **out) {
	struct flow_book *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return -ENOMEM;
	b->capacity = 64;
	while (b->capacity < flows)
		b->capacity *= 2;
	b->secret[0] = secret[0];
	b->secret[1] = secret[1];
	b->entries = pages_map(b->capacity * sizeof(*b->entries), "sluice flows", false);
	b->tags = pages_map(b->capacity * sizeof(*b->tags), "sluice flow tags", false);
	if (b->entries == NULL || b->tags == NULL) {
		flow_book_destroy(b);
		return -ENOMEM;
	}
	*out = b;
	return 0;
}

void flow_book_destroy(struct flow_book *b) {
	if (b == NULL)
		return;
	pages_unmap(b->entries, b->capacity * sizeof(*b->entries));
	pages_unmap(b->tags, b->capacity * sizeof(*b->tags));
	free(b);
}

// The first place of its set.
static uint32_t set_of(const struct flow_book *b, uint64_t hash) {
	return (uint32_t)hash & (b->capacity - 1) & ~(FLOW_WAYS - 1u);
}

static uint32_t tag_of(uint64_t hash) {
	return (uint32_t)(hash >> 32) | 1;
}

void flow_book_id(const struct flow_book *b, struct flow_id *id) {
	const struct channel_address *a = &id->peer;
	uint64_t name[2];

	siphash13_128(b->secret, id->device.p, id->device.len, name);
	id->name = name[0];
	id->address = siphash_peer(b->secret, a->bytes, a->family == 4 ? 4 : 16, a->realm);
}

// Two hashes that nobody outside can foretell, put together so that neither undoes the other; a
// transport more is one of a few.
uint64_t flow_book_hash(const struct flow_book *b, const struct flow_id *id) {
	uint64_t hash = id->name + id->transport * UINT64_C(0x9e3779b97f4a7c15);

	hash ^= id->address << 17 | id->address >> 47;
	__builtin_prefetch(&b->tags[set_of(b, hash)]);
	return hash;
}

void flow_book_prefetch(const struct flow_book *b, uint64_t hash) {
	uint32_t set = set_of(b, hash);

	for (uint32_t at = set; at < set + FLOW_WAYS; at++) {
		if (b->tags[at] != tag_of(hash))
			continue;
		__builtin_prefetch(&b->entries[at], 1);
		__builtin_prefetch((const char *)&b->entries[at] + 64, 1);
	}
}

static bool entry_is(const struct flow_entry *e, const struct flow_id *id) {
	return e->family == id->peer.family && e->transport == id->transport
		&& e->realm == id->peer.realm && e->device_len == id->device.len
		&& memcmp(e->address, id->peer.bytes, 16) == 0
		&& (id->device.len == 0 || memcmp(e->device, id->device.p, id->device.len) == 0);
}

static uint32_t find(const struct flow_book *b, uint64_t hash, const struct flow_id *id) {
	uint32_t set = set_of(b, hash);

	for (uint32_t at = set; at < set + FLOW_WAYS; at++)
		if (b->tags[at] == tag_of(hash) && entry_is(&b->entries[at], id))
			return at;
	return UINT32_MAX;
}

// A free one was never seen.
static uint32_t silent_longest(const struct flow_book *b, uint32_t set) {
	uint32_t best = set;

	for (uint32_t at = set + 1; at < set + FLOW_WAYS; at++)
		if (b->entries[at].seen_ns < b->entries[best].seen_ns)
			best = at;
	return best;
}

struct flow_entry *flow_book_entry(struct flow_book *b, uint64_t hash, const struct flow_id *id) {
	uint32_t at = find(b, hash, id);

	if (at != UINT32_MAX)
		return &b->entries[at];
	at = silent_longest(b, set_of(b, hash));
	struct flow_entry *e = &b->entries[at];
	b->forgotten += e->family != 0;
	*e = (struct flow_entry) {
		.family = id->peer.family,
		.transport = id->transport,
		.realm = id->peer.realm,
		.device_len = (uint8_t)id->device.len,
	};
	memcpy(e->address, id->peer.bytes, 16);
	if (id->device.len > 0)
		memcpy(e->device, id->device.p, id->device.len);
	b->tags[at] = tag_of(hash);
	return e;
}

const struct flow_entry *flow_book_find(const struct flow_book *b, const struct flow_id *id) {
	uint32_t at = find(b, flow_book_hash(b, id), id);

	return at != UINT32_MAX ? &b->entries[at] : NULL;
}

uint32_t flow_book_capacity(const struct flow_book *b) {
	return b->capacity;
}

const struct flow_entry *flow_book_at(const struct flow_book *b, uint32_t at) {
	return &b->entries[at];
}

uint64_t flow_book_forgotten(const struct flow_book *b) {
	return b->forgotten;
}
