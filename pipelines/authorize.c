// SPDX-License-Identifier: Apache-2.0
#include "pipelines/authorize.h"
#include "pipelines/burst.h"
#include "pipelines/claim.h"

#define STAGE "authorize"

struct docket {
	struct burst *burst;
	const struct authority *authority;
	struct judgement cases[JUDGEMENTS_MAX];
	uint16_t items[JUDGEMENTS_MAX];
	struct record *records[JUDGEMENTS_MAX]; // the first of each
	uint32_t count;
};

static void verdict_apply(struct item *it, enum judgement_rc rc) {
	if (it->state != ITEM_GOING)
		return;
	switch (rc) {
	case JUDGED_OK:
		return;
	case JUDGED_UNKNOWN:
		item_refuse(it, REFUSE_DEVICE_UNKNOWN, PAYLOAD_OK, STAGE);
		return;
	case JUDGED_STATE:
		item_refuse(it, REFUSE_DEVICE_STATE, PAYLOAD_OK, STAGE);
		return;
	case JUDGED_CLAIM:
		item_refuse(it, REFUSE_CLAIM, PAYLOAD_OK, STAGE);
		return;
	case JUDGED_BLOCKED:
		item_refuse(it, REFUSE_BLOCKED, PAYLOAD_OK, STAGE);
		return;
	case JUDGED_QUOTA:
		item_shed(it, SHED_QUOTA);
		return;
	}
}

static void docket_judge(struct docket *d) {
	if (d->count == 0)
		return;
	d->authority->judge(d->authority->owner, d->cases, d->count);
	for (uint32_t i = 0; i < d->count; i++) {
		verdict_apply(&d->burst->items[d->items[i]], d->cases[i].rc);
		for (uint32_t n = 0; n < d->cases[i].records; n++)
			d->records[i][n].registered = d->cases[i].registered;
	}
	d->count = 0;
}

// The transport has established another device than the record's, and the profile allows that.
static bool granted(const struct item *it, struct view device) {
	struct view sender = it->m.device;

	return sender.len > 0 && !view_equal(sender, device)
		&& claim_device(it->m.profile, sender, device);
}

static void docket_add(struct docket *d, uint16_t item, struct record *rec, bool first) {
	const struct item *it = &d->burst->items[item];

	if (d->count == JUDGEMENTS_MAX)
		docket_judge(d);
	d->items[d->count] = item;
	d->records[d->count] = rec;
	d->cases[d->count++] = (struct judgement) {
		.message = &it->m,
		.device = rec->device,
		.name = {rec->name[0], rec->name[1]},
		.peer = it->peer,
		.records = 1,
		.bytes = first ? it->m.payload.len : 0,
		.granted = granted(it, rec->device),
	};
}

static void item_add(struct docket *d, uint16_t item) {
	const struct item *it = &d->burst->items[item];
	struct record *r = &d->burst->records[it->first_record];

	for (uint16_t i = 0; i < it->record_count && it->tries > 0; i++)
		r[i].registered = it->registered;
	if (it->tries > 0)
		return;
	for (uint16_t i = 0; i < it->record_count; i++) {
		// Records of one device mostly stand together: one question for all of them.
		if (i > 0 && d->count > 0 && view_equal(r[i].device, r[i - 1].device))
			d->cases[d->count - 1].records++;
		else
			docket_add(d, item, &r[i], i == 0);
	}
}

static bool speaks_for_another(const struct burst *b, const struct item *it) {
	const struct record *r = &b->records[it->first_record];

	for (uint16_t i = 0; it->m.device.len > 0 && i < it->record_count; i++)
		if (!view_equal(r[i].device, it->m.device) && !granted(it, r[i].device))
			return true;
	return false;
}

void authorize_burst(struct burst *b, uint16_t from, uint16_t to, const struct authority *a) {
	struct docket d;

	if (a->judge == NULL) {
		for (uint16_t i = from; i < to; i++)
			if (b->items[i].state == ITEM_GOING && speaks_for_another(b, &b->items[i]))
				verdict_apply(&b->items[i], JUDGED_CLAIM);
		return;
	}
	d.burst = b;
	d.authority = a;
	d.count = 0;
	for (uint16_t i = from; i < to; i++)
		if (b->items[i].state == ITEM_GOING)
			item_add(&d, i);
	docket_judge(&d);
}
