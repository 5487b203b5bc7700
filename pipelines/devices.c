// SPDX-License-Identifier: Apache-2.0
#include "pipelines/devices.h"
#include "pipelines/pipeline_state.h"

// As many as there are prefetches worth having on their way.
#define LOOKUPS 32

struct lookup {
	uint64_t hash[2];
	struct record *rec; // the first of a run of one device's
	uint16_t run;
};

struct lookups {
	struct lookup all[LOOKUPS];
	uint32_t count;
};

static void count(const struct pipeline *p, enum stage_counter c) {
	p->env.ledger->stages.counters[c]++;
}

static uint32_t find(struct pipeline *p, const struct lookup *l, uint32_t now_s) {
	uint32_t place;
	enum device_rc rc = device_find(
		p->env.states, p->env.worker, l->hash, now_s, l->rec->registered, &place
	);

	switch (rc) {
	case DEVICE_HERE:
		return place;
	case DEVICE_NEW_EVICTED:
		count(p, STAGE_DEVICES_EVICTED);
		[[fallthrough]];
	case DEVICE_NEW:
		count(p, STAGE_DEVICES_NEW);
		return place;
	case DEVICE_AWAY:
		count(p, STAGE_DEVICES_ELSEWHERE);
		return STATE_NONE;
	case DEVICE_NO_ROOM:
		count(p, STAGE_DEVICES_NO_ROOM);
		return STATE_NONE;
	}
	return STATE_NONE;
}

static void resolve(struct pipeline *p, struct lookups *l) {
	uint32_t now_s = (uint32_t)(p->now_ns / 1000000000);

	for (uint32_t i = 0; i < l->count; i++) {
		uint32_t place = find(p, &l->all[i], now_s);
		for (uint16_t n = 0; n < l->all[i].run; n++)
			l->all[i].rec[n].state = place;
		if (place == STATE_NONE)
			continue;
		const char *slot = (const char *)device_at(p->env.states, place);
		for (uint32_t at = 64; at < p->env.states->slot_bytes; at += 64)
			__builtin_prefetch(slot + at);
	}
	l->count = 0;
}

static void add(struct pipeline *p, struct lookups *l, struct record *rec) {
	if (l->count == LOOKUPS)
		resolve(p, l);
	struct lookup *one = &l->all[l->count++];
	one->rec = rec;
	one->run = 1;
	device_hash(p->env.states, rec->device, one->hash);
	device_prefetch_words(p->env.states, one->hash);
}

void devices_burst(struct pipeline *p, uint16_t from, uint16_t to) {
	struct lookups l;

	if (p->env.states == nullptr)
		return;
	l.count = 0;
	for (uint16_t i = from; i < to; i++) {
		const struct item *it = &p->burst.items[i];
		struct record *r = &p->burst.records[it->first_record];
		if (it->state != ITEM_GOING)
			continue;
		for (uint16_t n = 0; n < it->record_count; n++) {
			if (n > 0 && l.count > 0 && view_equal(r[n].device, r[n - 1].device))
				l.all[l.count - 1].run++;
			else
				add(p, &l, &r[n]);
		}
	}
	resolve(p, &l);
}
