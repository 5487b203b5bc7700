// SPDX-License-Identifier: Apache-2.0
// What workers ask of the blocks. One lookup per prefix length in use.
#include "dataplane/blocks_private.h"
#include "parsers/siphash.h"

#include <string.h>

#define CHAIN_MAX 64 // keyed hash, chains are short: a longer one is being changed under us
#define TRIES 8
#define LIMIT_BURST_NS 1000000000ull // one second's worth at once

static uint32_t address_len(uint8_t family) {
	return family == 4 ? 4 : 16;
}

struct block_key block_key_address(
	uint8_t family,
	const uint8_t *address,
	uint16_t realm,
	uint8_t prefix_len,
	enum block_action action
) {
	struct block_key k = {
		.family = family,
		.prefix_len = prefix_len,
		.action = action,
		.realm = realm,
	};
	uint32_t whole = prefix_len / 8, rest = prefix_len % 8;

	if (whole > address_len(family))
		return k;
	memcpy(k.bytes, address, whole);
	if (rest > 0)
		k.bytes[whole] = (uint8_t)(address[whole] & (0xff00 >> rest));
	return k;
}

struct block_key block_key_device(struct view device, enum block_action action) {
	struct block_key k = {.device_len = (uint8_t)device.len, .action = action};

	memcpy(k.bytes, device.p, device.len);
	return k;
}

_Atomic uint32_t *block_chain(const struct blocks *b, const struct block_key *key) {
	return &b->heads[siphash13(b->secret, key, sizeof(*key)) % BLOCK_BUCKETS];
}

static bool entry_is(const struct block_entry *e, const struct block_key *key) {
	uint32_t before = atomic_load_explicit(&e->sequence, memory_order_acquire);

	if ((before & 1) != 0)
		return false;
	bool same = e->used != 0 && memcmp(&e->key, key, sizeof(*key)) == 0;
	atomic_thread_fence(memory_order_acquire);
	return same && atomic_load_explicit(&e->sequence, memory_order_relaxed) == before;
}

static struct block_entry *chain_walk(const struct blocks *b, const struct block_key *key) {
	uint32_t at = atomic_load_explicit(block_chain(b, key), memory_order_acquire);

	for (unsigned n = 0; at != 0 && at <= BLOCKS_MAX && n < CHAIN_MAX; n++) {
		struct block_entry *e = &b->entries[at - 1];
		if (entry_is(e, key))
			return e;
		at = atomic_load_explicit(&e->next, memory_order_acquire);
	}
	return nullptr;
}

static struct block_entry *lookup(const struct blocks *b, const struct block_key *key) {
	for (unsigned tries = 0; tries < TRIES; tries++) {
		uint32_t before = atomic_load_explicit(&b->changing, memory_order_acquire);
		struct block_entry *e = chain_walk(b, key);
		atomic_thread_fence(memory_order_acquire);
		if (e != nullptr
		    || ((before & 1) == 0
			&& atomic_load_explicit(&b->changing, memory_order_relaxed) == before))
			return e;
	}
	return nullptr;
}

struct source {
	const struct blocks *blocks;
	const uint8_t *address;
	uint16_t realm;
	uint8_t family;
	enum block_action action;
};

static struct block_entry *lengths_try(const struct source *s, uint64_t lengths, uint32_t base) {
	for (; lengths != 0; lengths &= lengths - 1) {
		uint32_t len = base + (uint32_t)__builtin_ctzll(lengths);
		struct block_key k =
			block_key_address(s->family, s->address, s->realm, (uint8_t)len, s->action);
		struct block_entry *e = lookup(s->blocks, &k);
		if (e != nullptr)
			return e;
	}
	return nullptr;
}

// The entry of the shortest prefix that covers the address.
static struct block_entry *source_entry(const struct source *s) {
	const struct blocks *b = s->blocks;

	if (s->family == 4)
		return lengths_try(
			s, atomic_load_explicit(&b->lengths4[s->action], memory_order_relaxed), 0
		);
	for (uint32_t i = 0; i < 3; i++) {
		struct block_entry *e = lengths_try(
			s,
			atomic_load_explicit(&b->lengths6[s->action][i], memory_order_relaxed),
			64 * i
		);
		if (e != nullptr)
			return e;
	}
	return nullptr;
}

// Whether any address has an entry of that action: mostly none has.
static inline bool no_source(const struct blocks *b, uint8_t family, enum block_action action) {
	const _Atomic uint64_t *l = b->lengths6[action];

	if (family == 4)
		return atomic_load_explicit(&b->lengths4[action], memory_order_relaxed) == 0;
	return (atomic_load_explicit(&l[0], memory_order_relaxed)
		| atomic_load_explicit(&l[1], memory_order_relaxed)
		| atomic_load_explicit(&l[2], memory_order_relaxed))
		== 0;
}

bool blocks_source_peek(
	const struct blocks *b,
	uint8_t family,
	const uint8_t *remote,
	uint16_t realm
) {
	struct source s = {b, remote, realm, family, BLOCK_ACTION_BLOCK};

	return !no_source(b, family, BLOCK_ACTION_BLOCK) && source_entry(&s) != nullptr;
}

bool blocks_source(const struct blocks *b, uint8_t family, const uint8_t *remote, uint16_t realm) {
	if (!blocks_source_peek(b, family, remote, realm))
		return false;
	atomic_fetch_add_explicit(
		&((struct blocks *)(uintptr_t)b)->frames, 1, memory_order_relaxed
	);
	return true;
}

static struct block_entry *
device_entry(const struct blocks *b, struct view device, enum block_action action) {
	if (atomic_load_explicit(&b->devices[action], memory_order_relaxed) == 0 || device.len == 0
	    || device.len > CHANNEL_NAME_MAX)
		return nullptr;
	struct block_key k = block_key_device(device, action);
	return lookup(b, &k);
}

bool blocks_device(const struct blocks *b, struct view device) {
	return device_entry(b, device, BLOCK_ACTION_BLOCK) != nullptr;
}

// GCRA with a second of burst. A race between two workers may let one message too many through.
static bool limit_take(struct block_entry *e, uint32_t records, uint64_t now_ns) {
	uint32_t per_s = atomic_load_explicit(&e->records_per_s, memory_order_relaxed);

	if (per_s == 0)
		return true;
	uint64_t was = atomic_load_explicit(&e->due_ns, memory_order_relaxed);
	uint64_t from = was > now_ns ? was : now_ns;
	if (from - now_ns > LIMIT_BURST_NS)
		return false;
	atomic_compare_exchange_strong_explicit(
		&e->due_ns,
		&was,
		from + records * (1000000000ull / per_s),
		memory_order_relaxed,
		memory_order_relaxed
	);
	return true;
}

static bool
limited(struct blocks *b,
	struct view device,
	const struct channel_address *peer,
	uint32_t records,
	uint64_t now_ns) {
	struct source s = {b, peer->bytes, peer->realm, peer->family, BLOCK_ACTION_LIMIT};
	struct block_entry *by_device = device_entry(b, device, BLOCK_ACTION_LIMIT);

	if (by_device != nullptr && !limit_take(by_device, records, now_ns))
		return true;
	if (peer->family == 0 || no_source(b, peer->family, BLOCK_ACTION_LIMIT))
		return false;
	struct block_entry *by_source = source_entry(&s);
	return by_source != nullptr && !limit_take(by_source, records, now_ns);
}

enum block_verdict blocks_judge(
	struct blocks *b,
	struct view device,
	const struct channel_address *peer,
	uint32_t records,
	uint64_t now_ns
) {
	enum block_verdict v = BLOCK_NONE;

	// Mostly nobody is.
	if ((atomic_load_explicit(&b->devices[BLOCK_ACTION_BLOCK], memory_order_relaxed)
	     | atomic_load_explicit(&b->devices[BLOCK_ACTION_LIMIT], memory_order_relaxed))
		    == 0
	    && (peer->family == 0 || no_source(b, peer->family, BLOCK_ACTION_LIMIT)))
		return BLOCK_NONE;
	if (blocks_device(b, device))
		v = BLOCK_REFUSED;
	else if (limited(b, device, peer, records, now_ns))
		v = BLOCK_LIMITED;
	if (v != BLOCK_NONE)
		atomic_fetch_add_explicit(&b->messages, 1, memory_order_relaxed);
	return v;
}

uint32_t blocks_generation(const struct blocks *b) {
	return atomic_load_explicit(&b->generation, memory_order_acquire);
}

bool blocks_ask(struct blocks *b, uint16_t worker, const struct block_ask *ask) {
	struct block_lane *l = &b->lanes[worker];
	uint32_t head = atomic_load_explicit(&l->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&l->tail, memory_order_acquire);

	if (head - tail == BLOCK_ASKS) {
		uint64_t lost = atomic_load_explicit(&l->lost, memory_order_relaxed);
		atomic_store_explicit(&l->lost, lost + 1, memory_order_relaxed); // one writer
		return false;
	}
	l->asks[head % BLOCK_ASKS] = *ask;
	atomic_store_explicit(&l->head, head + 1, memory_order_release);
	return true;
}

bool blocks_declined(struct blocks *b, uint16_t worker, struct block_decline *out) {
	struct block_lane *l = &b->lanes[worker];
	uint32_t tail = atomic_load_explicit(&l->declines_tail, memory_order_relaxed);

	if (atomic_load_explicit(&l->declines_head, memory_order_acquire) == tail)
		return false;
	*out = l->declines[tail % BLOCK_DECLINES];
	atomic_store_explicit(&l->declines_tail, tail + 1, memory_order_release);
	return true;
}
