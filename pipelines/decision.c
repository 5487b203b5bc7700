// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/decision.h"
#include "pipelines/pipeline_state.h"

#include <errno.h>
#include <string.h>

#define FOUND_TOLD 3 // findings of one record that get a line of their own

const char *decision_kind_label(enum decision_kind k) {
	static const char *const labels[DECISION_KIND_COUNT] = {
#define X(id, label) [id] = label,
		DECISION_KINDS(X)
#undef X
	};
	return k < DECISION_KIND_COUNT ? labels[k] : "?";
}

// What is told of, without when and how often.
static uint64_t subject(const struct decision *d) {
	uint64_t word;

	static_assert(
		offsetof(struct decision, field) == 8 && offsetof(struct decision, times) == 15
	);
	memcpy(&word, (const uint8_t *)d + 8, sizeof(word));
	return word << 8; // little-endian: `times` is the highest byte
}

static void note(struct pipeline *p, uint32_t place, const struct decision *d) {
	struct device_head *head = device_at(p->env.states, place);
	struct decision *ring = device_decisions(p->env.states, place);

	// Not only the last one: a device whose messages are accepted and flagged in turn has two
	// lines, not eight.
	// An empty place has no kind, so that it is never the same.
	uint64_t wanted = subject(d);
	for (unsigned i = 0; i < DEVICE_DECISIONS; i++) {
		struct decision *r = &ring[i];
		if (subject(r) != wanted)
			continue;
		r->at_s = d->at_s;
		r->detail = d->detail;
		r->times += r->times < UINT8_MAX;
		return;
	}
	ring[head->decision++ % DEVICE_DECISIONS] = *d;
}

static struct decision
about(const struct pipeline *p, const struct item *it, enum decision_kind kind) {
	const struct profile *profile = it->m.profile;
	ptrdiff_t number = profile - p->config->profiles;

	return (struct decision) {
		.at_s = (uint32_t)(it->m.rx_wall_ns / 1000000000),
		.kind = kind,
		.transport = it->m.transport,
		.reason = kind == DECISION_SHED	   ? it->shed
			: kind == DECISION_REFUSED ? it->refuse
						   : 0,
		.finding = FINDING_NONE,
		.profile = number >= 0 && number < UINT8_MAX ? (uint8_t)number : UINT8_MAX,
		.generation = p->generation,
		.times = 1,
	};
}

static uint16_t field_number(const struct profile *profile, struct view name) {
	const struct profile_field *f = profile_field_find(profile, name);

	return f != nullptr ? (uint16_t)(f - profile->fields + 1) : 0;
}

static void
note_found(struct pipeline *p, const struct item *it, const struct record *rec, struct decision d) {
	for (uint8_t i = 0; i < rec->found_count && i < FOUND_TOLD; i++) {
		const struct found *f = &rec->found[i];
		bool held = it->m.profile->on[f->finding] >= FINDING_QUARANTINE
			|| f->finding == rec->quarantine;
		if (d.kind == DECISION_QUARANTINED && !held)
			continue; // found as well, but not why it is held back
		d.finding = f->finding;
		d.detail = f->detail;
		d.field = field_number(it->m.profile, f->field);
		note(p, rec->state, &d);
	}
}

static void note_record(
	struct pipeline *p,
	const struct item *it,
	const struct record *rec,
	enum decision_kind kind
) {
	struct decision d;

	if (kind == DECISION_ACCEPTED && rec->found_count > 0)
		kind = rec->quarantine != FINDING_NONE ? DECISION_QUARANTINED : DECISION_FLAGGED;
	d = about(p, it, kind);
	if (kind == DECISION_DUPLICATE)
		d.detail = (uint32_t)(rec->reading->has_seq ? rec->reading->seq : it->m.seq);
	if (rec->found_count > 0 && kind != DECISION_DUPLICATE)
		note_found(p, it, rec, d);
	else
		note(p, rec->state, &d);
}

// Refused or shed before the stage that looks devices up.
static uint32_t place_of(const struct pipeline *p, const struct record *rec) {
	uint32_t place;

	if (rec->state != STATE_NONE)
		return rec->state;
	return device_own(p->env.states, p->env.worker, rec->name, &place) ? place : STATE_NONE;
}

void decision_item(struct pipeline *p, const struct item *it, enum decision_kind kind) {
	bool turned_away = kind == DECISION_REFUSED || kind == DECISION_SHED;

	if (p->env.states == nullptr)
		return;
	for (uint16_t i = 0; i < it->record_count; i++) {
		struct record *rec = &p->burst.records[it->first_record + i];
		// Of a message of many records, what became of all of them is said once.
		if (i > 0 && rec->found_count == 0 && view_equal(rec->device, rec[-1].device))
			continue;
		if (turned_away)
			rec->state = place_of(p, rec);
		if (rec->state != STATE_NONE)
			note_record(p, it, rec, kind);
	}
}

void decision_alert(
	struct pipeline *p,
	const struct item *it,
	uint32_t place,
	uint16_t number,
	bool raised
) {
	struct decision d = about(p, it, raised ? DECISION_RAISED : DECISION_CLEARED);

	d.field = (uint16_t)(number + 1);
	note(p, place, &d);
}

static void text_copy(char *to, size_t room, const void *from, size_t len) {
	size_t n = len < room - 1 ? len : room - 1;

	memcpy(to, from, n);
	to[n] = '\0';
}

static void show(const struct pipeline *p, const struct decision *d, struct decision_shown *out) {
	const struct config *c = p->config;
	enum finding finding = (enum finding)d->finding;

	*out = (struct decision_shown) {
		.at_s = d->at_s,
		.decision = decision_kind_label((enum decision_kind)d->kind),
		.reason = "",
		.class = "",
		.transport = transport_label((enum transport)d->transport),
		.detail = d->detail,
		.times = d->times,
	};
	if (finding != FINDING_NONE) {
		out->reason = finding_label(finding);
		out->class = finding_class_label(finding_class_of(finding));
	} else if (d->kind == DECISION_REFUSED) {
		out->reason = refuse_reason_label((enum refuse_reason)d->reason);
	} else if (d->kind == DECISION_SHED) {
		out->reason = shed_reason_label((enum shed_reason)d->reason);
	}
	if (d->generation != p->generation || d->profile >= c->profile_count)
		return;
	const struct profile *profile = &c->profiles[d->profile];
	text_copy(out->profile, sizeof(out->profile), profile->name, strlen(profile->name));
	if (d->field > 0 && d->field <= profile->field_count) {
		struct view name = profile->fields[d->field - 1].name;
		text_copy(out->field, sizeof(out->field), name.p, name.len);
	}
}

int decision_list(
	const struct pipeline *p,
	struct view device,
	struct decision_shown out[DEVICE_DECISIONS]
) {
	uint64_t hash[2];
	uint32_t place;
	int n = 0;

	if (p->env.states == nullptr)
		return -ENOENT;
	device_hash(p->env.states, device, hash);
	if (!device_own(p->env.states, p->env.worker, hash, &place))
		return -ENOENT;
	const struct decision *ring = device_decisions(p->env.states, place);
	uint32_t told = 0; // bits
	for (; n < DEVICE_DECISIONS; n++) {
		int newest = -1;
		for (int i = 0; i < DEVICE_DECISIONS; i++)
			if (ring[i].kind != DECISION_NONE && (told >> i & 1) == 0
			    && (newest < 0 || ring[i].at_s > ring[newest].at_s))
				newest = i;
		if (newest < 0)
			break;
		told |= 1u << newest;
		show(p, &ring[newest], &out[n]);
	}
	return n;
}
