// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/devices.h"
#include "pipelines/pipeline_state.h"

// As many as there are prefetches worth having on their way.
#define LOOKUPS 32

struct lookup {
	uint64_t hash[2];
	struct item *it;
	struct record *rec; // the first of a run of one device's
	uint16_t run;
	uint32_t likely; // place
};

struct lookups {
	struct lookup all[LOOKUPS];
	uint32_t count;
};

void devices_count(struct pipeline *p, enum device_rc rc) {
	uint64_t *counters = p->env.ledger->stages.counters;

	counters[STAGE_DEVICES_NEW] += rc == DEVICE_NEW || rc == DEVICE_NEW_EVICTED;
	counters[STAGE_DEVICES_EVICTED] += rc == DEVICE_NEW_EVICTED;
	counters[STAGE_DEVICES_NO_ROOM] += rc == DEVICE_NO_ROOM;
}

// True if the item goes on, stateless if need be.
static bool goes_on(struct pipeline *p, struct item *it, enum handover_rc rc) {
	if (rc == HANDOVER_PARKED)
		it->state = ITEM_PARKED;
	else if (rc == HANDOVER_FULL)
		item_shed(it, SHED_HANDOVER);
	p->env.ledger->stages.counters[STAGE_DEVICES_STATELESS] += rc == HANDOVER_STATELESS;
	return it->state == ITEM_GOING;
}

static uint32_t find(struct pipeline *p, const struct lookup *l, uint32_t now_s) {
	uint32_t place;

	if (p->env.workers > 1) {
		enum handover_rc joined = handover_join(p, l->it, l->hash, now_s);
		if (joined != HANDOVER_NOT_WAITING) {
			goes_on(p, l->it, joined);
			return STATE_NONE;
		}
	}
	enum device_rc rc = device_find(
		p->env.states, p->env.worker, l->hash, l->likely, now_s, l->rec->registered, &place
	);
	devices_count(p, rc);
	if (rc == DEVICE_AWAY)
		goes_on(p,
			l->it,
			handover_ask(
				p, l->it, l->hash, l->rec->registered, l->run == l->it->record_count
			));
	return rc == DEVICE_AWAY || rc == DEVICE_NO_ROOM ? STATE_NONE : place;
}

// What dedup and validate are going to look at, and who writes the decision down.
static void prefetch(const struct device_states *s, uint32_t place, const struct profile *profile) {
	const char *slot = (const char *)device_at(s, place);
	uint32_t fields = profile->state_count < s->fields ? profile->state_count : s->fields;
	uint32_t end = s->fields_at + fields * (uint32_t)sizeof(struct field_state);

	for (uint32_t at = sizeof(struct device_head); at < end; at += 64)
		__builtin_prefetch(slot + at);
	for (uint32_t at = s->decisions_at; at < s->slot_bytes; at += 64)
		__builtin_prefetch(slot + at, 1);
}

static void resolve(struct pipeline *p, struct lookups *l) {
	uint32_t now_s = (uint32_t)(p->now_ns / 1000000000);

	for (uint32_t i = 0; i < l->count; i++)
		l->all[i].likely = device_prefetch_head(p->env.states, l->all[i].hash);
	for (uint32_t i = 0; i < l->count; i++) {
		struct lookup *one = &l->all[i];
		if (one->it->state != ITEM_GOING)
			continue;
		uint32_t place = find(p, one, now_s);
		for (uint16_t n = 0; n < one->run; n++)
			one->rec[n].state = place;
		if (place == STATE_NONE)
			continue;
		prefetch(p->env.states, place, one->it->m.profile);
	}
	l->count = 0;
}

static void add(struct pipeline *p, struct lookups *l, struct item *it, struct record *rec) {
	if (l->count == LOOKUPS)
		resolve(p, l);
	struct lookup *one = &l->all[l->count++];
	one->it = it;
	one->rec = rec;
	one->run = 1;
	one->hash[0] = rec->name[0];
	one->hash[1] = rec->name[1];
	device_prefetch_words(p->env.states, one->hash);
}

void devices_burst(struct pipeline *p, uint16_t from, uint16_t to) {
	struct lookups l;

	if (p->env.states == nullptr)
		return;
	l.count = 0;
	for (uint16_t i = from; i < to; i++) {
		struct item *it = &p->burst.items[i];
		struct record *r = &p->burst.records[it->first_record];
		if (it->state != ITEM_GOING)
			continue;
		for (uint16_t n = 0; n < it->record_count; n++) {
			if (n > 0 && l.count > 0 && view_equal(r[n].device, r[n - 1].device))
				l.all[l.count - 1].run++;
			else
				add(p, &l, it, &r[n]);
		}
	}
	resolve(p, &l);
}
