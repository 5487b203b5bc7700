// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/devices.h"
#include "pipelines/handover.h"
#include "pipelines/parked.h"
#include "pipelines/pipeline_state.h"

#include <assert.h>

#define TRIES_MAX 6 // how often a message may wait before it is shed, or goes on without a state
#define STATELESS UINT8_MAX

static uint32_t seconds_of(const struct pipeline *p) {
	return (uint32_t)(p->now_ns / 1000000000);
}

// --- letters

static bool deliver(struct pipeline *p, uint16_t to, const struct pipeline_letter *l) {
	return p->env.mail(p->env.owner, to, l);
}

void handover_poll(struct pipeline *p) {
	struct handover *h = &p->handover;

	while (h->outbox_count > 0
	       && deliver(p, h->outbox_to[h->outbox_head], &h->outbox[h->outbox_head])) {
		h->outbox_head = (h->outbox_head + 1) % h->outbox_size;
		h->outbox_count--;
	}
}

void handover_send(struct pipeline *p, uint16_t to, const struct pipeline_letter *l) {
	struct handover *h = &p->handover;
	struct pipeline_letter out = *l;

	out.from = p->env.worker;
	if (h->outbox_count == 0 && deliver(p, to, &out))
		return;
	assert(h->outbox_count < h->outbox_size);
	uint32_t at = (h->outbox_head + h->outbox_count++) % h->outbox_size;
	h->outbox[at] = out;
	h->outbox_to[at] = to;
}

// --- devices waited for

static struct device_wait *set_of(struct handover *h, const uint64_t hash[2]) {
	return &h->waits[(uint32_t)(hash[0] >> 32) % (WAITS_MAX / WAIT_WAYS) * WAIT_WAYS];
}

static struct device_wait *wait_lookup(struct handover *h, const uint64_t hash[2]) {
	struct device_wait *w = set_of(h, hash);

	for (uint32_t i = 0; i < WAIT_WAYS; i++)
		if (w[i].used && w[i].hash[0] == hash[0] && w[i].hash[1] == hash[1])
			return &w[i];
	return nullptr;
}

static void wait_drop(struct handover *h, struct device_wait *w) {
	w->used = false;
	h->wait_count--;
}

// Pins that are over keep their places until somebody needs them.
static struct device_wait *wait_add(struct handover *h, const uint64_t hash[2], uint32_t now_s) {
	struct device_wait *w = set_of(h, hash);

	for (uint32_t i = 0; i < WAIT_WAYS; i++) {
		if (w[i].used && w[i].pinned && w[i].until_s <= now_s)
			wait_drop(h, &w[i]);
		if (w[i].used)
			continue;
		w[i] = (struct device_wait
		) {.hash = {hash[0], hash[1]}, .next_owner = WORKER_NONE, .used = true};
		h->wait_count++;
		return &w[i];
	}
	return nullptr;
}

static enum handover_rc append(struct pipeline *p, struct device_wait *w, const struct item *it) {
	struct parked *k = parked_store(&p->handover.parking, it, p->config);

	if (k == nullptr)
		return HANDOVER_FULL;
	k->next = nullptr;
	if (w->first == nullptr)
		w->first = k;
	else
		w->last->next = k;
	w->last = k;
	p->env.ledger->stages.counters[STAGE_HANDOVER_PARKED]++;
	return HANDOVER_PARKED;
}

// --- messages that go to the owner instead

static void run_there(struct pipeline *p, uint16_t owner, struct parked *k) {
	struct pipeline_letter l = {.kind = LETTER_RUN, .waiter = TOKEN_NONE, .parked = k};
	struct verdict none = {.outcome = OUTCOME_SHED, .shed = SHED_HANDOVER};

	if (k->m.token != TOKEN_NONE) {
		l.waiter = waiter_keep(&p->waiters, &k->m);
		if (l.waiter == WAITER_NONE) {
			struct ledger_messages *m = &p->env.ledger->messages[k->m.transport];
			m->received++;
			m->shed[SHED_HANDOVER]++;
			settle_later(p, &k->m, &none);
			parked_free(&p->handover.parking, k);
			return;
		}
	}
	p->env.ledger->stages.counters[STAGE_HANDOVER_COPIED]++;
	handover_send(p, owner, &l);
}

// --- asking

static void send_give(struct pipeline *p, uint16_t owner, uint32_t place, uint16_t to);

// The home counts how often a place changes hands.
static bool is_pinned(struct device_states *s, uint32_t place, uint32_t now_s) {
	struct device_home_note *n = &s->notes[place];

	if ((uint16_t)(n->pinned_s - (uint16_t)now_s) - 1u <= PINNED_S)
		return true;
	if (n->moved_s != (uint16_t)now_s) {
		n->moved_s = (uint16_t)now_s;
		n->moves = 0;
	}
	if (++n->moves <= MOVES_PER_S)
		return false;
	n->pinned_s = (uint16_t)(now_s + PINNED_S + 1);
	return true;
}

// At home: who has it now, or will have it, is to give it to the asker.
static void want(struct pipeline *p, uint16_t asker, const uint64_t hash[2], bool registered) {
	struct device_states *s = p->env.states;
	struct pipeline_letter answer = {.hash = {hash[0], hash[1]}};
	uint32_t now_s = seconds_of(p);
	uint32_t place;
	enum device_rc rc =
		device_find(s, p->env.worker, hash, DEVICE_PLACE_NONE, now_s, registered, &place);

	devices_count(p, rc);
	if (rc == DEVICE_NO_ROOM) {
		answer.kind = LETTER_NO_ROOM;
		handover_send(p, asker, &answer);
		return;
	}
	uint16_t owner = s->notes[place].promised;
	assert(owner != asker);
	if (is_pinned(s, place, now_s)) {
		answer.kind = LETTER_PINNED;
		answer.to = owner;
		if (asker == p->env.worker)
			handover_letter(p, &answer);
		else
			handover_send(p, asker, &answer);
		return;
	}
	s->notes[place].promised = (uint8_t)asker;
	send_give(p, owner, place, asker);
}

enum handover_rc handover_ask(
	struct pipeline *p,
	struct item *it,
	const uint64_t hash[2],
	bool registered,
	bool alone
) {
	struct handover *h = &p->handover;
	uint16_t home = device_home(p->env.states, hash);

	// Several workers may want the devices of several messages from each other for ever.
	if (it->tries >= TRIES_MAX)
		return alone && it->tries != STATELESS ? HANDOVER_FULL : HANDOVER_STATELESS;
	if (h->outbox_count > h->outbox_size / 2)
		return HANDOVER_FULL;
	struct device_wait *w = wait_add(h, hash, seconds_of(p));
	if (w == nullptr)
		return HANDOVER_FULL;
	it->registered = registered;
	enum handover_rc rc = append(p, w, it);
	if (rc != HANDOVER_PARKED) {
		wait_drop(h, w);
		return rc;
	}
	p->env.ledger->stages.counters[STAGE_HANDOVER_ASKED]++;
	if (home == p->env.worker) {
		want(p, home, hash, registered);
		return rc;
	}
	struct pipeline_letter l = {
		.kind = LETTER_WANT, .registered = registered, .hash = {hash[0], hash[1]}
	};
	handover_send(p, home, &l);
	return rc;
}

enum handover_rc
handover_join(struct pipeline *p, struct item *it, const uint64_t hash[2], uint32_t now_s) {
	struct handover *h = &p->handover;

	if (h->wait_count == 0)
		return HANDOVER_NOT_WAITING;
	struct device_wait *w = wait_lookup(h, hash);
	if (w == nullptr)
		return HANDOVER_NOT_WAITING;
	if (!w->pinned)
		return append(p, w, it);
	if (w->until_s <= now_s) {
		wait_drop(h, w);
		return HANDOVER_NOT_WAITING;
	}
	if (h->outbox_count > h->outbox_size / 2)
		return HANDOVER_FULL;
	struct parked *k = parked_store(&h->parking, it, p->config);
	if (k == nullptr)
		return HANDOVER_FULL;
	run_there(p, w->owner, k);
	return HANDOVER_PARKED;
}

// --- giving and getting

static void give(struct pipeline *p, uint32_t place, uint16_t to) {
	struct device_states *s = p->env.states;
	struct device_head *d = device_at(s, place);
	struct device_wait *w = wait_lookup(&p->handover, d->hash);
	struct pipeline_letter l = {
		.kind = LETTER_YOURS, .place = place, .hash = {d->hash[0], d->hash[1]}
	};

	if (w != nullptr && !w->pinned) { // it is on its way here, and goes on when it has come
		assert(w->next_owner == WORKER_NONE);
		w->next_owner = to;
		return;
	}
	assert(device_owner(s, place) == p->env.worker);
	device_give(s, place, to);
	handover_send(p, to, &l);
}

static void send_give(struct pipeline *p, uint16_t owner, uint32_t place, uint16_t to) {
	struct pipeline_letter l = {.kind = LETTER_GIVE, .place = place, .to = to};

	if (owner == p->env.worker)
		give(p, place, to);
	else
		handover_send(p, owner, &l);
}

static void run_parked(struct pipeline *p, struct parked *first) {
	for (struct parked *k = first; k != nullptr; k = k->next)
		pipeline_push_parked(p, k);
	pipeline_flush(p);
	for (struct parked *k = first, *next; k != nullptr; k = next) {
		next = k->next;
		parked_free(&p->handover.parking, k);
	}
}

static void got(struct pipeline *p, const struct pipeline_letter *l) {
	struct device_wait *w = wait_lookup(&p->handover, l->hash);

	assert(w != nullptr && !w->pinned);
	struct parked *first = w->first;
	uint16_t next_owner = w->next_owner;
	wait_drop(&p->handover, w);
	run_parked(p, first);
	if (next_owner != WORKER_NONE)
		give(p, l->place, next_owner);
}

static void no_room(struct pipeline *p, const struct pipeline_letter *l) {
	struct device_wait *w = wait_lookup(&p->handover, l->hash);

	assert(w != nullptr && w->next_owner == WORKER_NONE);
	struct parked *first = w->first;
	wait_drop(&p->handover, w);
	for (struct parked *k = first; k != nullptr; k = k->next)
		k->tries = STATELESS;
	run_parked(p, first);
}

static void pinned(struct pipeline *p, const struct pipeline_letter *l) {
	struct device_wait *w = wait_lookup(&p->handover, l->hash);

	assert(w != nullptr && w->next_owner == WORKER_NONE);
	p->env.ledger->stages.counters[STAGE_HANDOVER_PINNED]++;
	w->pinned = true;
	w->owner = l->to;
	w->until_s = seconds_of(p) + PINNED_S;
	for (struct parked *k = w->first, *next; k != nullptr; k = next) {
		next = k->next;
		run_there(p, w->owner, k);
	}
	w->first = nullptr;
}

// --- messages of others

static void run_here(struct pipeline *p, const struct pipeline_letter *l) {
	struct parked here = *l->parked; // the message; its bytes stay where they are
	struct pipeline_letter done = {.kind = LETTER_RAN, .parked = l->parked};

	here.m.token = l->waiter;
	here.m.remote = (uint8_t)(l->from + 1);
	pipeline_push_parked(p, &here);
	pipeline_flush(p);
	handover_send(p, l->from, &done);
}

void handover_verdict(struct pipeline *p, uint16_t to, uint32_t waiter, const struct verdict *v) {
	struct pipeline_letter l = {.kind = LETTER_VERDICT, .waiter = waiter, .verdict = *v};

	handover_send(p, to, &l);
}

// nullptr: it has been settled, and the letter that says so to the device's owner is on its way.
// The copy's sender is then told to try again, rather than told wrong.
static struct ack_slot *slot_of(struct pipeline *p, uint32_t origin, const struct dedup_key *key) {
	struct ack_slot *slot = &p->acks.slots[origin & ORIGIN_SLOT_MASK];
	bool there = slot->waiting > 0 && slot->key.hash == key->hash
		&& slot->key.payload == key->payload;

	return there ? slot : nullptr;
}

static void attached(struct pipeline *p, const struct pipeline_letter *l) {
	struct ack_slot *slot = slot_of(p, l->origin, &l->key);
	struct verdict later = {.outcome = OUTCOME_SHED, .shed = SHED_HANDOVER};

	if (slot == nullptr || !waiter_add_remote(&p->waiters, &slot->waiters, l->from, l->waiter))
		handover_verdict(p, l->from, l->waiter, &later);
}

bool handover_attach(struct pipeline *p, const struct item *it, uint32_t origin) {
	struct handover *h = &p->handover;
	struct pipeline_letter l = {.kind = LETTER_ATTACH, .origin = origin, .key = it->key};

	if (origin >> ORIGIN_SLOT_BITS == p->env.worker) {
		struct ack_slot *slot = slot_of(p, origin, &it->key);
		return slot != nullptr && waiter_add(&p->waiters, &slot->waiters, &it->m);
	}
	if (h->outbox_count > h->outbox_size / 2)
		return false;
	l.waiter = waiter_keep(&p->waiters, &it->m);
	if (l.waiter == WAITER_NONE)
		return false;
	handover_send(p, (uint16_t)(origin >> ORIGIN_SLOT_BITS), &l);
	return true;
}

void handover_close(
	struct pipeline *p,
	uint32_t place,
	const struct dedup_key *k,
	uint32_t origin,
	bool durable
) {
	uint16_t owner = device_owner(p->env.states, place);
	struct pipeline_letter l = {
		.kind = LETTER_CLOSE,
		.durable = durable,
		.place = place,
		.origin = origin,
		.key = *k
	};

	if (owner == p->env.worker)
		dedup_close(p->env.states, place, k, origin, durable, seconds_of(p));
	else
		handover_send(p, owner, &l);
}

void handover_letter(struct pipeline *p, const struct pipeline_letter *l) {
	switch (l->kind) {
	case LETTER_WANT:
		want(p, l->from, l->hash, l->registered);
		return;
	case LETTER_NO_ROOM:
		no_room(p, l);
		return;
	case LETTER_PINNED:
		pinned(p, l);
		return;
	case LETTER_GIVE:
		give(p, l->place, l->to);
		return;
	case LETTER_YOURS:
		got(p, l);
		return;
	case LETTER_CLOSE:
		handover_close(p, l->place, &l->key, l->origin, l->durable);
		return;
	case LETTER_ATTACH:
		attached(p, l);
		return;
	case LETTER_VERDICT:
		settle_waiter(p, l->waiter, &l->verdict);
		return;
	case LETTER_RUN:
		run_here(p, l);
		return;
	case LETTER_RAN:
		parked_free(&p->handover.parking, l->parked);
		return;
	}
}

bool handover_idle(const struct pipeline *p) {
	const struct handover *h = &p->handover;

	return h->outbox_count == 0 && h->parking.count == 0;
}
