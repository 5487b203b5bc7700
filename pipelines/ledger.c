// SPDX-License-Identifier: Apache-2.0
#include "pipelines/ledger.h"

#include <inttypes.h>
#include <stdio.h>

#define LABELS(fn, type, list, count)                                                              \
	const char *fn(enum type r) {                                                              \
		static const char *const labels[count] = {list(LABEL)};                            \
		return r < count ? labels[r] : "?";                                                \
	}
#define LABEL(id, label) [id] = label,
LABELS(drop_reason_label, drop_reason, DROP_REASONS, DROP_REASON_COUNT)
LABELS(refuse_reason_label, refuse_reason, REFUSE_REASONS, REFUSE_REASON_COUNT)
LABELS(shed_reason_label, shed_reason, SHED_REASONS, SHED_REASON_COUNT)
LABELS(lost_reason_label, lost_reason, LOST_REASONS, LOST_REASON_COUNT)
LABELS(transport_label, transport, TRANSPORTS, TRANSPORT_COUNT)

#undef LABEL

static const struct {
	const char *stage;
	const char *label;
} stage_counters[STAGE_COUNTER_COUNT] = {
#define X(id, stage, label) [id] = {stage, label},
	STAGE_COUNTERS(X)
#undef X
};

const char *stage_counter_stage(enum stage_counter c) {
	return c < STAGE_COUNTER_COUNT ? stage_counters[c].stage : "?";
}

const char *stage_counter_label(enum stage_counter c) {
	return c < STAGE_COUNTER_COUNT ? stage_counters[c].label : "?";
}

// struct ledger is nothing but counters, so adding two of them is adding words.
static_assert(sizeof(struct ledger) % sizeof(uint64_t) == 0);

void ledger_add(struct ledger *sum, const struct ledger *one) {
	uint64_t *s = (uint64_t *)sum;
	const uint64_t *o = (const uint64_t *)one;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*s); i++)
		s[i] += o[i];
}

static uint64_t total(const uint64_t *counters, size_t n) {
	uint64_t t = 0;

	for (size_t i = 0; i < n; i++)
		t += counters[i];
	return t;
}

static bool check(const char *name, uint64_t left, uint64_t right, char *why, size_t why_len) {
	if (left == right)
		return true;
	snprintf(
		why,
		why_len,
		"%s: %" PRIu64 " came in, %" PRIu64 " accounted for",
		name,
		left,
		right
	);
	return false;
}

static bool
transport_balanced(const struct ledger *l, enum transport t, char *why, size_t why_len) {
	const struct ledger_messages *m = &l->messages[t];
	const struct ledger_records *r = &l->records[t];
	char name[64];

	snprintf(name, sizeof(name), "%s messages", transport_label(t));
	if (!check(name,
		   m->received,
		   m->accepted + m->duplicate + total(m->refused, REFUSE_REASON_COUNT)
			   + total(m->shed, SHED_REASON_COUNT),
		   why,
		   why_len))
		return false;
	snprintf(name, sizeof(name), "%s records", transport_label(t));
	return check(
		name,
		r->accepted,
		r->delivered + r->dead_lettered + r->in_spool + r->in_flight + r->reduced
			+ r->expired + total(r->lost, LOST_REASON_COUNT),
		why,
		why_len
	);
}

bool ledger_balanced(const struct ledger *l, char *why, size_t why_len) {
	const struct ledger_frames *f = &l->frames;
	const struct ledger_derived *d = &l->derived;

	if (!check("frames",
		   f->rx + f->taken_over + f->copied,
		   f->consumed + f->handed_over + f->punted + f->in_reassembly
			   + total(f->dropped, DROP_REASON_COUNT),
		   why,
		   why_len))
		return false;
	for (enum transport t = 0; t < TRANSPORT_COUNT; t++)
		if (!transport_balanced(l, t, why, why_len))
			return false;
	return check(
		"derived", d->made, d->delivered + d->in_flight + d->shed + d->lost, why, why_len
	);
}
