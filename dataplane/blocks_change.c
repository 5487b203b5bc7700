// SPDX-License-Identifier: Apache-2.0
// The main thread's side of the blocks: changes, deadlines, what workers asked for.
#include "dataplane/blocks_private.h"
#include "parsers/siphash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t block_now_s(void) {
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec + 1; // never 0, which means for ever
}

int blocks_create(uint16_t workers, const uint64_t secret[2], struct blocks **out) {
	struct blocks *b = aligned_alloc(64, sizeof(*b));

	if (b == nullptr)
		return -ENOMEM;
	memset(b, 0, sizeof(*b));
	b->workers = workers;
	b->secret[0] = secret[0];
	b->secret[1] = secret[1];
	b->entries = aligned_alloc(64, BLOCKS_MAX * sizeof(*b->entries));
	b->heads = calloc(BLOCK_BUCKETS, sizeof(*b->heads));
	b->notes = calloc(BLOCKS_MAX, sizeof(*b->notes));
	b->free = calloc(BLOCKS_MAX, sizeof(*b->free));
	b->lanes = aligned_alloc(64, workers * sizeof(*b->lanes));
	if (b->entries == nullptr || b->heads == nullptr || b->notes == nullptr
	    || b->free == nullptr || b->lanes == nullptr) {
		blocks_destroy(b);
		return -ENOMEM;
	}
	memset(b->entries, 0, BLOCKS_MAX * sizeof(*b->entries));
	memset(b->lanes, 0, workers * sizeof(*b->lanes));
	*out = b;
	return 0;
}

void blocks_destroy(struct blocks *b) {
	if (b == nullptr)
		return;
	free(b->entries);
	free((void *)b->heads);
	free(b->notes);
	free(b->free);
	free(b->lanes);
	free(b);
}

// --- the table

static void chains_change(struct blocks *b) {
	uint32_t n = atomic_load_explicit(&b->changing, memory_order_relaxed);

	atomic_store_explicit(&b->changing, n + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void chains_changed(struct blocks *b) {
	uint32_t n = atomic_load_explicit(&b->changing, memory_order_relaxed);

	atomic_store_explicit(&b->changing, n + 1, memory_order_release);
}

static uint32_t key_find(const struct blocks *b, const struct block_key *key) {
	uint32_t at = atomic_load_explicit(block_chain(b, key), memory_order_relaxed);

	while (at != 0 && memcmp(&b->entries[at - 1].key, key, sizeof(*key)) != 0)
		at = atomic_load_explicit(&b->entries[at - 1].next, memory_order_relaxed);
	return at;
}

static void key_write(struct block_entry *e, const struct block_key *key, bool used) {
	uint32_t n = atomic_load_explicit(&e->sequence, memory_order_relaxed);

	atomic_store_explicit(&e->sequence, n + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	e->key = *key;
	e->used = used;
	atomic_store_explicit(&e->sequence, n + 2, memory_order_release);
}

static void bit_set(_Atomic uint64_t *word, uint32_t bit, bool on) {
	uint64_t w = atomic_load_explicit(word, memory_order_relaxed);

	w = on ? w | 1ull << bit : w & ~(1ull << bit);
	atomic_store_explicit(word, w, memory_order_relaxed);
}

// Workers look only for the lengths that occur.
static void occurrence(struct blocks *b, const struct block_key *k, int by) {
	uint32_t len = k->prefix_len;

	b->count[k->action] += (uint32_t)by;
	if (k->device_len > 0) {
		uint32_t n = atomic_load_explicit(&b->devices[k->action], memory_order_relaxed);
		atomic_store_explicit(
			&b->devices[k->action], n + (uint32_t)by, memory_order_relaxed
		);
	} else if (k->family == 4) {
		b->length_count4[k->action][len] += (uint32_t)by;
		bit_set(&b->lengths4[k->action], len, b->length_count4[k->action][len] > 0);
	} else {
		b->length_count6[k->action][len] += (uint32_t)by;
		bit_set(&b->lengths6[k->action][len / 64],
			len % 64,
			b->length_count6[k->action][len] > 0);
	}
}

static uint32_t entry_add(struct blocks *b, const struct block_key *key) {
	uint32_t slot;

	if (b->free_count > 0)
		slot = b->free[--b->free_count];
	else if (b->high < BLOCKS_MAX)
		slot = b->high++;
	else
		return 0;
	struct block_entry *e = &b->entries[slot];
	_Atomic uint32_t *head = block_chain(b, key);
	atomic_store_explicit(&e->due_ns, 0, memory_order_relaxed);
	key_write(e, key, true);
	chains_change(b);
	atomic_store_explicit(
		&e->next, atomic_load_explicit(head, memory_order_relaxed), memory_order_relaxed
	);
	atomic_store_explicit(head, slot + 1, memory_order_release);
	chains_changed(b);
	occurrence(b, key, 1);
	b->notes[slot] = (struct block_note) {0};
	return slot + 1;
}

static void entry_remove(struct blocks *b, uint32_t at) {
	struct block_entry *e = &b->entries[at - 1];
	_Atomic uint32_t *link = block_chain(b, &e->key);
	static const struct block_key none;

	while (atomic_load_explicit(link, memory_order_relaxed) != at)
		link = &b->entries[atomic_load_explicit(link, memory_order_relaxed) - 1].next;
	occurrence(b, &e->key, -1);
	chains_change(b);
	atomic_store_explicit(
		link, atomic_load_explicit(&e->next, memory_order_relaxed), memory_order_release
	);
	key_write(e, &none, false);
	chains_changed(b);
	if (b->notes[at - 1].id == 0 && !b->notes[at - 1].reported)
		b->unreported--;
	b->free[b->free_count++] = at - 1;
	b->dirty = true;
}

static void expiry_note(struct blocks *b, int64_t until_s) {
	if (until_s != 0 && (b->expiry_s == 0 || until_s < b->expiry_s))
		b->expiry_s = until_s;
}

static void blocked_more(struct blocks *b) {
	uint32_t g = atomic_load_explicit(&b->generation, memory_order_relaxed);

	atomic_store_explicit(&b->generation, g + 1, memory_order_release);
}

static bool key_of(const struct channel_block *k, struct block_key *out) {
	if (k->action >= BLOCK_ACTION_COUNT || (k->device_len > 0) == (k->peer.family != 0))
		return false;
	if (k->device_len > 0)
		*out = block_key_device(
			(struct view) {(const uint8_t *)k->device, k->device_len},
			(enum block_action)k->action
		);
	else
		*out = block_key_address(
			k->peer.family,
			k->peer.bytes,
			k->peer.realm,
			k->peer.prefix_len,
			(enum block_action)k->action
		);
	return true;
}

static int block_put(struct blocks *b, const struct channel_block *k, const struct block_key *key) {
	uint32_t at = key_find(b, key);
	bool made = at == 0;

	if (made)
		at = entry_add(b, key);
	if (at == 0)
		return -ENOSPC;
	struct block_note *n = &b->notes[at - 1];
	if (!made && n->id == 0 && !n->reported)
		b->unreported--;
	n->id = k->id;
	n->until_s = k->for_s != 0 ? block_now_s() + (int64_t)k->for_s : 0;
	n->signature = k->signature;
	n->mark = b->mark;
	n->reported = k->id != 0;
	memcpy(n->reason, k->reason, sizeof(n->reason));
	if (!n->reported)
		b->unreported++;
	atomic_store_explicit(
		&b->entries[at - 1].records_per_s, k->records_per_s, memory_order_relaxed
	);
	expiry_note(b, n->until_s);
	b->dirty = true;
	if (made && key->action == BLOCK_ACTION_BLOCK)
		blocked_more(b);
	return 0;
}

int blocks_apply(struct blocks *b, const struct channel_block *k) {
	struct block_key key;

	if (!key_of(k, &key)
	    || (k->op == CHANNEL_PUT && k->action == BLOCK_ACTION_LIMIT && k->records_per_s == 0))
		return -EINVAL;
	if (k->op == CHANNEL_PUT)
		return block_put(b, k, &key);
	uint32_t at = key_find(b, &key);
	if (at == 0)
		return -ENOENT;
	entry_remove(b, at);
	return 0;
}

void blocks_whole_begin(struct blocks *b) {
	b->mark++;
}

uint32_t blocks_whole_end(struct blocks *b) {
	uint32_t gone = 0;

	for (uint32_t i = 0; i < b->high; i++) {
		const struct block_note *n = &b->notes[i];
		if (b->entries[i].used == 0 || n->mark == b->mark || n->id == 0)
			continue;
		entry_remove(b, i + 1);
		gone++;
	}
	return gone;
}

// --- what workers asked for, and what is over

void blocks_guard(
	struct blocks *b,
	uint32_t (*crowd)(void *owner, const struct block_ask *ask),
	void *owner
) {
	b->crowd = crowd;
	b->crowd_owner = owner;
}

static void
decline(struct blocks *b, const struct block_ask *a, const struct block_key *key, uint32_t devices
) {
	struct block_lane *l = &b->lanes[siphash13(b->secret, key, sizeof(*key)) % b->workers];
	uint32_t head = atomic_load_explicit(&l->declines_head, memory_order_relaxed);

	b->declined++;
	if (head - atomic_load_explicit(&l->declines_tail, memory_order_acquire)
	    == BLOCK_DECLINES) {
		b->untold++;
		return;
	}
	l->declines[head % BLOCK_DECLINES] = (struct block_decline) {
		.peer = a->peer,
		.signature = a->signature,
		.devices = devices,
		.transport = a->transport,
	};
	atomic_store_explicit(&l->declines_head, head + 1, memory_order_release);
}

static void ask_take(struct blocks *b, const struct block_ask *a) {
	struct channel_block k = {
		.op = CHANNEL_PUT,
		.action = BLOCK_ACTION_BLOCK,
		.for_s = a->for_s < BLOCK_FOR_MAX_S ? a->for_s : BLOCK_FOR_MAX_S,
		.signature = a->signature,
		.device_len = a->device_len,
		.peer = a->peer,
	};
	struct block_key key;

	if (a->device_len > 0)
		k.peer = (struct channel_address) {0};
	memcpy(k.device, a->device, sizeof(k.device));
	memcpy(k.reason, a->reason, sizeof(k.reason));
	k.reason[sizeof(k.reason) - 1] = '\0';
	if (a->for_s == 0 || a->device_len > CHANNEL_NAME_MAX || !key_of(&k, &key))
		return;
	b->asked++;
	uint32_t at = key_find(b, &key);
	int64_t until = block_now_s() + (int64_t)k.for_s;
	if (at != 0 && (b->notes[at - 1].until_s == 0 || b->notes[at - 1].until_s >= until))
		return; // as long already, an operator's most of all
	uint32_t devices = b->crowd != NULL ? b->crowd(b->crowd_owner, a) : 0;
	if (devices > 0)
		decline(b, a, &key, devices);
	else if (block_put(b, &k, &key) < 0)
		b->table_full++;
}

static void lane_drain(struct blocks *b, struct block_lane *l) {
	uint32_t tail = atomic_load_explicit(&l->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&l->head, memory_order_acquire);

	for (; tail != head; tail++)
		ask_take(b, &l->asks[tail % BLOCK_ASKS]);
	atomic_store_explicit(&l->tail, tail, memory_order_release);
}

static void expire(struct blocks *b) {
	int64_t now = block_now_s();

	if (b->expiry_s == 0 || now < b->expiry_s)
		return;
	b->expiry_s = 0;
	for (uint32_t i = 0; i < b->high; i++) {
		if (b->entries[i].used == 0 || b->notes[i].until_s == 0)
			continue;
		if (now < b->notes[i].until_s) {
			expiry_note(b, b->notes[i].until_s);
			continue;
		}
		entry_remove(b, i + 1);
		b->expired++;
	}
}

bool blocks_turn(struct blocks *b) {
	for (uint16_t w = 0; w < b->workers; w++)
		lane_drain(b, &b->lanes[w]);
	expire(b);
	bool dirty = b->dirty;
	b->dirty = false;
	return dirty;
}

// --- telling

static void entry_show(const struct blocks *b, uint32_t i, struct channel_block *out) {
	const struct block_entry *e = &b->entries[i];
	const struct block_note *n = &b->notes[i];
	int64_t left = n->until_s - block_now_s();

	*out = (struct channel_block) {
		.id = n->id,
		.for_s = n->until_s == 0 ? 0
			: left > 0	 ? (uint64_t)left
					 : 1,
		.records_per_s = atomic_load_explicit(&e->records_per_s, memory_order_relaxed),
		.signature = n->signature,
		.op = CHANNEL_PUT,
		.action = e->key.action,
		.device_len = e->key.device_len,
	};
	if (e->key.device_len > 0) {
		memcpy(out->device, e->key.bytes, sizeof(out->device));
	} else {
		out->peer.family = e->key.family;
		out->peer.prefix_len = e->key.prefix_len;
		out->peer.realm = e->key.realm;
		memcpy(out->peer.bytes, e->key.bytes, sizeof(out->peer.bytes));
	}
	memcpy(out->reason, n->reason, sizeof(out->reason));
}

bool blocks_next(const struct blocks *b, uint32_t *at, struct channel_block *out) {
	while (*at < b->high) {
		uint32_t i = (*at)++;
		if (b->entries[i].used == 0)
			continue;
		entry_show(b, i, out);
		return true;
	}
	return false;
}

uint32_t blocks_report(struct blocks *b, struct channel_block *out, uint32_t max) {
	uint32_t n = 0;

	for (uint32_t i = 0; b->unreported > 0 && i < b->high && n < max; i++) {
		if (b->entries[i].used == 0 || b->notes[i].id != 0 || b->notes[i].reported)
			continue;
		entry_show(b, i, &out[n++]);
		b->notes[i].reported = true;
		b->unreported--;
	}
	return n;
}

void blocks_report_again(struct blocks *b) {
	b->unreported = 0;
	for (uint32_t i = 0; i < b->high; i++) {
		if (b->entries[i].used == 0 || b->notes[i].id != 0)
			continue;
		b->notes[i].reported = false;
		b->unreported++;
	}
}

void blocks_stats(const struct blocks *b, struct blocks_stats *out) {
	*out = (struct blocks_stats) {
		.blocked = b->count[BLOCK_ACTION_BLOCK],
		.limited = b->count[BLOCK_ACTION_LIMIT],
		.frames = atomic_load_explicit(&b->frames, memory_order_relaxed),
		.messages = atomic_load_explicit(&b->messages, memory_order_relaxed),
		.asked = b->asked,
		.declined = b->declined,
		.asks_lost = b->table_full + b->untold,
		.expired = b->expired,
	};
	for (uint16_t w = 0; w < b->workers; w++)
		out->asks_lost += atomic_load_explicit(&b->lanes[w].lost, memory_order_relaxed);
}
