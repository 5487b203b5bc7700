// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/dedup.h"
#include "pipelines/late_lane.h"
#include "pipelines/pipeline_state.h"

#define RUNS 64 // messages per call
#define PRESSURE_MAX 75 // percent: beyond it the room is for what arrives now

int late_lane_init(struct late_lane *l, uint32_t bytes) {
	*l = (struct late_lane) {0};
	return parking_init(&l->parking, bytes);
}

void late_lane_fini(struct late_lane *l) {
	parking_fini(&l->parking);
}

// A device that returns with days of readings gets a share of what may be in flight, so that live
// records find their way as short as ever. One message may always be on its way, however large.
static bool share_fits(const struct pipeline *p, uint32_t records) {
	uint64_t used = p->late_records + p->late.passing;
	uint64_t share =
		(uint64_t)p->env.in_flight_records_max * p->config->pipeline.late_share / 100;

	return used == 0 || used + records <= share;
}

static bool park(struct pipeline *p, struct item *it, uint16_t records) {
	struct late_lane *l = &p->late;

	if (it->m.token == TOKEN_NONE || l->running)
		return false;
	// It has been authorized, and is not asked again; its copies will find it when it runs.
	it->registered = p->burst.records[it->first_record].registered;
	it->waited = true;
	struct parked *k = parked_store(&l->parking, it, p->config);
	if (k == nullptr)
		return false;
	dedup_withdrawn(p, it);
	it->state = ITEM_PARKED;
	k->late = records;
	k->next = nullptr;
	if (l->first == nullptr)
		l->first = k;
	else
		l->last->next = k;
	l->last = k;
	p->env.ledger->stages.counters[STAGE_LATE_PARKED]++;
	return true;
}

void late_lane_take(struct pipeline *p, struct item *it, uint16_t records) {
	if (!park(p, it, records))
		item_shed(it, SHED_LATE);
}

bool late_lane_pass(struct pipeline *p, struct item *it, uint16_t records) {
	struct late_lane *l = &p->late;
	bool others = l->first != nullptr && !l->running; // which wait already

	if (!others && share_fits(p, records)) {
		l->passing += records;
		return true;
	}
	late_lane_take(p, it, records);
	return false;
}

void late_lane_run(struct pipeline *p) {
	struct late_lane *l = &p->late;

	for (unsigned n = 0; n < RUNS && l->first != nullptr; n++) {
		struct parked *k = l->first;
		l->passing = 0;
		if (!share_fits(p, k->late) || pipeline_pressure(p) >= PRESSURE_MAX)
			return;
		l->first = k->next;
		l->running = true;
		pipeline_push_parked(p, k);
		pipeline_flush(p); // its bytes lie here
		l->running = false;
		parked_free(&l->parking, k);
	}
}
