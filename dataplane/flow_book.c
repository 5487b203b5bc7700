// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_book.h"
#include "parsers/siphash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct flow_book {
	struct flow_entry *entries;
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
	void *p =
		mmap(NULL,
		     b->capacity * sizeof(*b->entries),
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1,
		     0);
	if (p == MAP_FAILED) {
		free(b);
		return -ENOMEM;
	}
	b->entries = p;
	*out = b;
	return 0;
}

void flow_book_destroy(struct flow_book *b) {
	if (b == NULL)
		return;
	munmap(b->entries, b->capacity * sizeof(*b->entries));
	free(b);
}

static struct flow_entry *set_of(const struct flow_book *b, uint64_t hash) {
	return &b->entries[hash & (b->capacity - 1) & ~(uint64_t)(FLOW_WAYS - 1)];
}

uint64_t flow_book_hash(const struct flow_book *b, const struct flow_id *id) {
	uint8_t in[16 + 4 + CHANNEL_NAME_MAX];

	memcpy(in, id->peer.bytes, 16);
	memcpy(in + 16, &id->peer.realm, 2);
	in[18] = id->peer.family;
	in[19] = id->transport;
	if (id->device.len > 0)
		memcpy(in + 20, id->device.p, id->device.len);
	uint64_t hash = siphash13(b->secret, in, 20 + id->device.len);
	const char *set = (const char *)set_of(b, hash);
	for (unsigned i = 0; i < FLOW_WAYS; i++)
		__builtin_prefetch(set + i * sizeof(struct flow_entry), 1);
	return hash;
}

static bool entry_is(const struct flow_entry *e, const struct flow_id *id) {
	return e->family == id->peer.family && e->transport == id->transport
		&& e->realm == id->peer.realm && e->device_len == id->device.len
		&& memcmp(e->address, id->peer.bytes, 16) == 0
		&& (id->device.len == 0 || memcmp(e->device, id->device.p, id->device.len) == 0);
}

struct flow_entry *flow_book_entry(struct flow_book *b, uint64_t hash, const struct flow_id *id) {
	struct flow_entry *set = set_of(b, hash), *e = &set[0];

	for (unsigned i = 0; i < FLOW_WAYS; i++) {
		if (entry_is(&set[i], id))
			return &set[i];
		// A free one was never seen.
		if (set[i].seen_ns < e->seen_ns)
			e = &set[i];
	}
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
	return e;
}

const struct flow_entry *flow_book_find(const struct flow_book *b, const struct flow_id *id) {
	const struct flow_entry *set = set_of(b, flow_book_hash(b, id));

	for (unsigned i = 0; i < FLOW_WAYS; i++)
		if (entry_is(&set[i], id))
			return &set[i];
	return NULL;
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
