// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "parsers/mix_hash.h"
#include "pipelines/dedup.h"
#include "pipelines/pipeline_state.h"
#include "pipelines/waiters.h"

#include <assert.h>

#define STAGE "dedup"
#define KEY_SHIFT 16
#define TICK_SHIFT 2
#define MADE_IN_BURST (0x3fu << ORIGIN_SLOT_BITS) // by an item of this burst, which has no slot yet

// What is committed carries its place in the order of commits, modulo 2^16.
#define COMMITTED (MADE_IN_BURST | 1u << (ORIGIN_SLOT_BITS - 1))

static_assert(DEVICE_HOMES_MAX < 0x3f && (DEDUP_COMMITTED & COMMITTED) == COMMITTED);
static_assert(BURST_MESSAGES < 1u << (ORIGIN_SLOT_BITS - 1));

// --- one device's window

static bool named(const struct dedup_entry *e, const struct dedup_key *k) {
	return e->key >> KEY_SHIFT == k->hash;
}

// Ticks of 4 s modulo 2^16, which is three days.
static uint16_t tick_of(uint32_t now_s) {
	return (uint16_t)(now_s >> TICK_SHIFT);
}

static uint16_t age_of(const struct dedup_entry *e, uint32_t now_s) {
	return (uint16_t)(tick_of(now_s) - (uint16_t)e->key);
}

static bool committed(const struct dedup_entry *e) {
	return (e->pending & COMMITTED) == COMMITTED;
}

static bool over(const struct dedup_entry *e, uint32_t now_s, uint32_t window_s) {
	return committed(e) && age_of(e, now_s) > (window_s + (1 << TICK_SHIFT) - 1) >> TICK_SHIFT;
}

// An entry is looked at before its ticks come round again, or forgotten.
static void
sweep(const struct device_states *s, uint32_t place, uint32_t now_s, uint32_t window_s) {
	struct device_head *d = device_at(s, place);
	struct dedup_entry *entries = device_entries(s, place);
	bool all = now_s - d->swept_s > window_s;

	for (uint16_t i = 0; i < s->entries; i++)
		if (entries[i].key != 0
		    && (over(&entries[i], now_s, window_s) || (all && committed(&entries[i]))))
			entries[i] = (struct dedup_entry) {0};
	d->swept_s = now_s;
}

// A free entry, else the one that was committed first.
static struct dedup_entry *entry_take(const struct device_states *s, uint32_t place) {
	const struct device_head *d = device_at(s, place);
	struct dedup_entry *entries = device_entries(s, place);
	struct dedup_entry *best = nullptr;
	uint16_t best_age = 0;

	for (uint16_t i = 0; i < s->entries; i++) {
		struct dedup_entry *e = &entries[i];
		uint16_t age = (uint16_t)(d->commits - (uint16_t)e->pending);
		if (e->key == 0)
			return e;
		if (!committed(e) || (best != nullptr && age <= best_age))
			continue;
		best = e;
		best_age = age;
	}
	return best;
}

enum dedup_rc dedup_enter(
	const struct device_states *s,
	uint32_t place,
	const struct dedup_key *k,
	uint32_t now_s,
	uint32_t window_s,
	uint32_t made_by,
	uint32_t *pending
) {
	struct dedup_entry *entries = device_entries(s, place);
	bool conflict = false;

	sweep(s, place, now_s, window_s);
	for (uint16_t i = 0; i < s->entries; i++) {
		if (!named(&entries[i], k))
			continue;
		if (entries[i].payload == k->payload) {
			*pending = committed(&entries[i]) ? DEDUP_COMMITTED : entries[i].pending;
			return DEDUP_COPY;
		}
		conflict = true;
	}
	struct dedup_entry *e = entry_take(s, place);
	if (e == nullptr)
		return conflict ? DEDUP_CONFLICT_FULL : DEDUP_FULL;
	*e = (struct dedup_entry) {
		.key = k->hash << KEY_SHIFT | tick_of(now_s),
		.payload = k->payload,
		.pending = made_by,
	};
	device_at(s, place)->pending++;
	return conflict ? DEDUP_CONFLICT : DEDUP_NEW;
}

static struct dedup_entry *entry_of(
	const struct device_states *s,
	uint32_t place,
	const struct dedup_key *k,
	uint32_t made_by
) {
	struct dedup_entry *entries = device_entries(s, place);

	for (uint16_t i = 0; i < s->entries; i++)
		if (named(&entries[i], k) && entries[i].payload == k->payload
		    && (entries[i].pending == made_by
			|| (made_by == DEDUP_COMMITTED && committed(&entries[i]))))
			return &entries[i];
	return nullptr;
}

void dedup_rename(
	const struct device_states *s,
	uint32_t place,
	const struct dedup_key *k,
	uint32_t from,
	uint32_t to
) {
	struct dedup_entry *e = entry_of(s, place, k, from);

	assert(e != nullptr);
	device_at(s, place)->pending += from == DEDUP_COMMITTED;
	e->pending = to;
}

void dedup_close(
	const struct device_states *s,
	uint32_t place,
	const struct dedup_key *k,
	uint32_t made_by,
	bool durable,
	uint32_t now_s
) {
	struct dedup_entry *e = entry_of(s, place, k, made_by);

	assert(e != nullptr && device_at(s, place)->pending > 0);
	device_at(s, place)->pending--;
	if (durable) {
		e->key = k->hash << KEY_SHIFT | tick_of(now_s);
		e->pending = COMMITTED | ++device_at(s, place)->commits;
	} else {
		*e = (struct dedup_entry) {0};
	}
}

// --- keys

struct words {
	uint64_t secret[2];
	uint64_t hash;
};

static void words_add(struct words *w, uint64_t a, uint64_t b) {
	uint64_t in[3] = {w->hash, a, b};
	w->hash = mix_hash(w->secret, in, sizeof(in));
}

static bool every_record_says_when(const struct item *it, const struct record *r) {
	for (uint16_t i = 0; i < it->record_count; i++)
		if (!r[i].reading->has_time && !r[i].reading->has_seq)
			return false;
	return true;
}

// False: nothing tells copies of this message from new ones.
static bool key_hash(const struct item *it, const struct record *r, struct words *w) {
	const struct message *m = &it->m;

	w->hash = mix_hash(w->secret, m->path.p, m->path.len);
	if (m->profile->dedup == DEDUP_PAYLOAD) {
		words_add(w, mix_hash(w->secret, m->payload.p, m->payload.len), 1);
		return true;
	}
	if (every_record_says_when(it, r)) {
		for (uint16_t i = 0; i < it->record_count; i++) {
			const struct reading *g = r[i].reading;
			words_add(
				w,
				g->has_time ? (uint64_t)g->time_ns : UINT64_MAX,
				g->has_seq ? g->seq : UINT64_MAX
			);
		}
		return true;
	}
	if (m->packet_id == 0)
		return false;
	words_add(w, m->epoch, m->packet_id);
	return true;
}

static bool is_flow_key(const struct item *it, const struct record *r) {
	return it->m.profile->dedup == DEDUP_TIME_SEQ && !every_record_says_when(it, r);
}

static void key_make(const struct pipeline *p, struct item *it, const struct record *r) {
	const struct device_states *s = p->env.states;
	struct words w = {.secret = {s->secret[0], s->secret[1]}};

	// What the operator sends through again is meant to come again.
	if (it->m.replays > 0 || it->m.profile->dedup == DEDUP_OFF || s->entries == 0
	    || !key_hash(it, r, &w))
		return;
	it->key.hash = w.hash >> KEY_SHIFT | 1;
	it->key.payload = (uint32_t)mix_hash(w.secret, it->m.payload.p, it->m.payload.len);
}

// --- MQTT's packet ids

// Does DUP prove anything of this client? Only first transmissions are counted, when they arrive.
static bool ids_count_up(struct device_head *d, const struct item *it) {
	const struct message *m = &it->m;
	bool known = d->packet_run >= DEDUP_RUN;

	if (m->copy || m->packet_id == 0 || it->waited)
		return known;
	if (m->packet_id != (d->packet_id == UINT16_MAX ? 1 : d->packet_id + 1))
		d->packet_run = 0;
	else if (d->packet_run < UINT8_MAX)
		d->packet_run++;
	d->packet_id = m->packet_id;
	return known;
}

// --- the stage

static uint32_t place_of(const struct pipeline *p, const struct item *it) {
	return p->burst.records[it->first_record].state;
}

static uint32_t in_burst(const struct pipeline *p, const struct item *it) {
	return MADE_IN_BURST | (uint32_t)(it - p->burst.items);
}

static uint32_t seconds_of(const struct pipeline *p) {
	return (uint32_t)(p->now_ns / 1000000000);
}

static void count(const struct pipeline *p, enum stage_counter c) {
	p->env.ledger->stages.counters[c]++;
}

static void conflict(struct pipeline *p, struct item *it, struct record *r) {
	struct found what = {.finding = FINDING_CONFLICT};

	for (uint16_t i = 0; i < it->record_count; i++) {
		if (record_find(it, &r[i], what, STAGE))
			continue;
		dedup_withdrawn(p, it);
		return;
	}
}

static void duplicate(struct item *it) {
	it->state = ITEM_DUPLICATE;
}

// Without DUP it is something new, however much it looks like the last one; its own copies must
// find its own entry.
static void id_used_again(struct pipeline *p, struct item *it) {
	if (it->original == DEDUP_COMMITTED)
		dedup_rename(
			p->env.states, place_of(p, it), &it->key, DEDUP_COMMITTED, in_burst(p, it)
		);
	else
		it->key.hash = 0;
}

static void judge(struct pipeline *p, uint16_t index) {
	struct item *it = &p->burst.items[index];
	struct record *r = &p->burst.records[it->first_record];
	struct device_states *s = p->env.states;
	uint32_t place = r[0].state;

	// A dead letter is sent again on purpose: it was taken before, and held back.
	if (place == STATE_NONE || it->m.transport == TRANSPORT_REPLAY)
		return;
	bool flow = is_flow_key(it, r);
	bool counted = ids_count_up(device_at(s, place), it);
	if (flow && !counted)
		return;
	key_make(p, it, r);
	if (it->key.hash == 0)
		return;
	if (!it->waited)
		count(p, STAGE_DEDUP_KEYED);
	enum dedup_rc rc = dedup_enter(
		s,
		place,
		&it->key,
		seconds_of(p),
		it->m.profile->dedup_window_s,
		in_burst(p, it),
		&it->original
	);
	switch (rc) {
	case DEDUP_NEW:
		return;
	case DEDUP_COPY:
		if (flow && !it->m.copy)
			id_used_again(p, it);
		else
			duplicate(it);
		return;
	case DEDUP_FULL:
		count(p, STAGE_DEDUP_FULL);
		it->key.hash = 0;
		return;
	case DEDUP_CONFLICT_FULL:
		count(p, STAGE_DEDUP_FULL);
		it->key.hash = 0;
		break;
	case DEDUP_CONFLICT:
		break;
	}
	if (!flow)
		conflict(p, it, r);
}

void dedup_burst(struct pipeline *p, uint16_t from, uint16_t to) {
	if (p->env.states == nullptr)
		return;
	for (uint16_t i = from; i < to; i++)
		if (p->burst.items[i].state == ITEM_GOING)
			judge(p, i);
}

// --- what becomes of them

void dedup_admitted(struct pipeline *p, const struct item *it, uint32_t ack) {
	if (it->key.hash == 0)
		return;
	struct ack_slot *slot = &p->acks.slots[ack];
	slot->place = place_of(p, it);
	slot->key = it->key;
	dedup_rename(
		p->env.states, slot->place, &it->key, in_burst(p, it), origin_of(p->env.worker, ack)
	);
}

void dedup_withdrawn(struct pipeline *p, struct item *it) {
	if (it->key.hash == 0)
		return;
	dedup_close(p->env.states, place_of(p, it), &it->key, in_burst(p, it), false, 0);
	it->key.hash = 0;
}

void dedup_settled(struct pipeline *p, uint32_t ack, const struct ack_slot *slot) {
	if (slot->key.hash == 0)
		return;
	handover_close(p, slot->place, &slot->key, origin_of(p->env.worker, ack), !slot->refused);
}

const struct item *dedup_first(const struct pipeline *p, const struct item *it) {
	bool here = it->original != DEDUP_COMMITTED
		&& (it->original & ~ORIGIN_SLOT_MASK) == MADE_IN_BURST;

	return here ? &p->burst.items[it->original & ORIGIN_SLOT_MASK] : nullptr;
}
