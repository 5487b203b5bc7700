// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/alert.h"
#include "pipelines/field_alert.h"
#include "pipelines/pipeline_state.h"
#include "pipelines/validate.h"

#include <math.h>
#include <string.h>

#define STAGE "validate"
#define SECOND_NS 1000000000ll
#define LATE_SEQ 1024 // numbers back that are still late, not a device that has started anew

// One record on its way through the stage.
struct trial {
	struct pipeline *p;
	struct item *it;
	struct record *rec;
	bool in_order; // and live: field states take it in
};

static bool find(struct trial *t, enum finding f, struct view field, uint32_t detail) {
	struct found what = {.field = field, .detail = detail, .finding = f};

	return record_find(t->it, t->rec, what, STAGE);
}

static void count(const struct pipeline *p, enum stage_counter c, uint64_t n) {
	p->env.ledger->stages.counters[c] += n;
}

static int64_t time_of(const struct trial *t) {
	const struct reading *g = t->rec->reading;

	return g->has_time ? g->time_ns : t->it->m.rx_wall_ns;
}

// a - b without overflow: device times are whatever the device says.
static int64_t difference(int64_t a, int64_t b) {
	int64_t d;

	if (!__builtin_sub_overflow(a, b, &d))
		return d;
	return a > b ? INT64_MAX : INT64_MIN;
}

// --- of its time

static bool judge_time(struct trial *t) {
	const struct profile *profile = t->it->m.profile;

	if (!t->rec->reading->has_time)
		return true;
	int64_t age = difference(t->it->m.rx_wall_ns, t->rec->reading->time_ns);
	t->rec->late = profile->late_after_s > 0 && age > profile->late_after_s * SECOND_NS;
	bool past = profile->past_max_s > 0 && age > profile->past_max_s * SECOND_NS;
	bool future = profile->future_max_s > 0 && age < -(profile->future_max_s * SECOND_NS);
	t->rec->live = !past && !future && !t->rec->late;
	if (past && !find(t, FINDING_TIME_PAST, (struct view) {0}, 0))
		return false;
	if (future && !find(t, FINDING_TIME_FUTURE, (struct view) {0}, 0))
		return false;
	return !t->rec->late || find(t, FINDING_LATE, (struct view) {0}, 0);
}

// --- of itself

static bool numeric(const struct value *v) {
	return v->kind == VALUE_I64 || v->kind == VALUE_U64 || v->kind == VALUE_F64;
}

static double number_of(const struct value *v) {
	return v->kind == VALUE_I64 ? (double)v->i : v->kind == VALUE_U64 ? (double)v->u : v->f;
}

static bool integral(const struct value *v) {
	return v->kind == VALUE_I64 || v->kind == VALUE_U64
		|| (v->kind == VALUE_F64 && v->f == floor(v->f));
}

static bool type_fits(const struct profile_field *f, const struct value *v) {
	switch (f->type) {
	case FIELD_NUMBER:
		return numeric(v);
	case FIELD_INTEGER:
		return integral(v);
	case FIELD_BOOLEAN:
		return v->kind == VALUE_BOOL;
	case FIELD_TEXT:
		return v->kind == VALUE_STRING;
	case FIELD_BYTES:
		return v->kind == VALUE_BYTES;
	default:
		return true;
	}
}

static bool text_is(struct view v, const char *lower) {
	uint32_t n = (uint32_t)strlen(lower);

	if (v.len != n)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if ((v.p[i] | 0x20) != lower[i])
			return false;
	return true;
}

// JSON has no NaN, so devices write it as text.
static bool spells_no_number(const struct value *v) {
	static const char *const words[] = {"nan", "inf", "infinity"};

	if (v->kind == VALUE_F64)
		return !isfinite(v->f);
	if (v->kind != VALUE_STRING)
		return false;
	struct view text = v->s;
	if (text.len > 0 && (text.p[0] == '-' || text.p[0] == '+'))
		text = view_of(text.p + 1, text.len - 1);
	for (uint32_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_is(text, words[i]))
			return true;
	return false;
}

static enum finding itself(const struct profile_field *f, const struct field *x) {
	bool wants_number = f->type == FIELD_NUMBER || f->type == FIELD_INTEGER;

	if (x->v.kind == VALUE_NULL)
		return f->nullable ? FINDING_NONE : FINDING_NULL;
	if ((wants_number || x->v.kind == VALUE_F64) && spells_no_number(&x->v))
		return FINDING_NOT_FINITE;
	if (!type_fits(f, &x->v))
		return FINDING_TYPE;
	if (f->unit.len > 0 && x->unit.len > 0 && !view_equal(f->unit, x->unit))
		return FINDING_UNIT;
	if (!numeric(&x->v))
		return FINDING_NONE;
	double v = number_of(&x->v);
	if ((f->has_min && v < f->min) || (f->has_max && v > f->max))
		return FINDING_RANGE;
	return FINDING_NONE;
}

static bool judge_missing(struct trial *t, const uint64_t there[PROFILE_FIELDS_MAX / 64]) {
	const struct profile *profile = t->it->m.profile;

	for (uint32_t i = 0; i < profile->required_count; i++) {
		uint16_t n = profile->required[i];
		if ((there[n / 64] >> n % 64 & 1) == 0
		    && !find(t, FINDING_MISSING, profile->fields[n].name, 0))
			return false;
	}
	return true;
}

static bool judge_fields(struct trial *t) {
	const struct profile *profile = t->it->m.profile;
	const struct field *x = &t->p->burst.readings.fields[t->rec->first_field];
	uint64_t there[PROFILE_FIELDS_MAX / 64] = {0};

	for (uint16_t i = 0; i < t->rec->field_count; i++) {
		const struct profile_field *f = profile_field_find(profile, x[i].name);
		if (f == nullptr)
			continue;
		uint32_t n = (uint32_t)(f - profile->fields);
		there[n / 64] |= 1ull << n % 64;
		enum finding what = itself(f, &x[i]);
		if (what != FINDING_NONE && !find(t, what, x[i].name, 0))
			return false;
	}
	return judge_missing(t, there);
}

// --- of its order

static bool judge_seq(struct trial *t, struct device_head *d, uint64_t seq, bool *back) {
	bool ahead = (d->flags & DEVICE_HAS_SEQ) == 0 || seq > d->newest_seq;
	bool first = (d->flags & DEVICE_HAS_SEQ) == 0;
	uint64_t missing = first || !ahead ? 0 : seq - d->newest_seq - 1;
	uint64_t behind = ahead ? 0 : d->newest_seq - seq;

	*back = behind > 0 && behind <= LATE_SEQ;
	if (!*back)
		d->newest_seq = seq; // also of a device that counts from the start again
	d->flags |= DEVICE_HAS_SEQ;
	if (missing == 0)
		return true;
	uint32_t told = missing < UINT32_MAX ? (uint32_t)missing : UINT32_MAX;
	d->gaps = d->gaps > UINT32_MAX - told ? UINT32_MAX : d->gaps + told;
	count(t->p, STAGE_GAP_NUMBERS, missing);
	return find(t, FINDING_GAP, (struct view) {0}, told);
}

static void forget_fields(const struct trial *t) {
	const struct device_states *s = t->p->env.states;

	memset(device_fields(s, t->rec->state), 0, s->fields * sizeof(struct field_state));
}

static void other_clock(const struct trial *t) {
	const struct device_states *s = t->p->env.states;

	for (uint16_t i = 0; i < s->fields; i++)
		field_anew(&device_fields(s, t->rec->state)[i]);
}

// The newest time moves on with this record, unless it is an older one. Times of arrival count for
// devices that give no time: what a clock of ours does is no device's fault.
static bool newest_moves(struct trial *t, struct device_head *d) {
	bool has_time = t->rec->reading->has_time;
	bool known = (d->flags & (has_time ? DEVICE_HAS_TIME : DEVICE_HAS_ARRIVAL)) != 0;
	int64_t time_ns = time_of(t);

	if (!has_time && (d->flags & DEVICE_HAS_TIME) != 0)
		return true;
	if (known && time_ns < d->newest_ns)
		return false;
	if (has_time && !known && (d->flags & DEVICE_HAS_ARRIVAL) != 0)
		other_clock(t);
	d->newest_ns = time_ns;
	d->flags |= has_time ? DEVICE_HAS_TIME : DEVICE_HAS_ARRIVAL;
	return true;
}

static bool judge_order(struct trial *t) {
	struct device_head *d = device_at(t->p->env.states, t->rec->state);
	const struct reading *g = t->rec->reading;
	bool back_seq = false;

	if (g->has_seq && !judge_seq(t, d, g->seq, &back_seq))
		return false;
	t->in_order = newest_moves(t, d) && !(back_seq && !g->has_time);
	// Arrival times do not go back because a device did anything.
	if (t->in_order || (!g->has_time && !back_seq))
		return true;
	return find(t, FINDING_ORDER, (struct view) {0}, 0);
}

// --- of its past

static double limit_of(const struct profile_field *f, enum alert_kind k, bool raise) {
	const struct field_alert *a = &f->alert;

	switch (k) {
	case ALERT_ABOVE:
		return raise ? a->raise_above : a->clear_below;
	case ALERT_BELOW:
		return raise ? a->raise_below : a->clear_above;
	default:
		return raise ? a->z_raise : a->z_clear;
	}
}

// `k` has begun, or ended.
static bool
tell(struct trial *t,
     const struct profile_field *f,
     const struct sample *x,
     double z,
     enum alert_kind k,
     bool raise) {
	const struct message *m = &t->it->m;
	struct alert a = {
		.raise = raise,
		.kind = alert_kind_label(k),
		.transport = m->transport,
		.realm = m->realm,
		.device = t->rec->device,
		.peer = m->peer,
		.profile = m->profile->name,
		.field = f->name,
		.value = x->number,
		.limit = limit_of(f, k, raise),
		.z = k == ALERT_UNUSUAL ? z : 0,
		.time_ns = time_of(t),
		.arrival_ns = m->rx_wall_ns,
		.rx_ns = m->rx_ns,
	};

	if (!alert_send(t->p, &a))
		return false;
	uint16_t number = (uint16_t)(f - m->profile->fields);
	decision_alert(t->p, t->it, t->rec->state, number, raise);
	return true;
}

// By which its fields change: a record without a time, of a device that gives times, is as old as
// the newest that had one. Two clocks cannot be compared.
static int64_t clock_ns(const struct trial *t) {
	const struct device_head *d = device_at(t->p->env.states, t->rec->state);
	bool timed = (d->flags & DEVICE_HAS_TIME) != 0;

	return t->rec->reading->has_time || !timed ? time_of(t) : d->newest_ns;
}

static bool judge_sample(
	struct trial *t,
	const struct profile_field *f,
	struct field_state *state,
	const struct field *x
) {
	struct sample sample;

	if (!sample_of(&x->v, &sample))
		return true;
	struct field_judgement j = field_sample(f, state, &sample, clock_ns(t) / 1000000);
	// What could not be told has not happened: the next sample tries again.
	if (j.cleared != ALERT_NONE && !tell(t, f, &sample, j.z, j.cleared, false)) {
		state->raised = j.cleared;
		state->waiting = j.raised;
	} else if (j.raised != ALERT_NONE && !tell(t, f, &sample, j.z, j.raised, true)) {
		state->raised = ALERT_NONE;
		state->waiting = j.raised;
	}
	if (j.rate && !find(t, FINDING_RATE, x->name, 0))
		return false;
	if (j.stuck && !find(t, FINDING_STUCK, x->name, 0))
		return false;
	return !j.unusual || find(t, FINDING_UNUSUAL, x->name, 0);
}

static void own_fields(const struct trial *t) {
	struct device_head *d = device_at(t->p->env.states, t->rec->state);

	if (d->print == t->it->m.profile->state_print)
		return;
	forget_fields(t);
	d->print = t->it->m.profile->state_print;
}

static bool judge_past(struct trial *t) {
	const struct profile *profile = t->it->m.profile;
	const struct device_states *s = t->p->env.states;
	const struct field *x = &t->p->burst.readings.fields[t->rec->first_field];

	if (!t->in_order || profile->state_count == 0)
		return true;
	own_fields(t);
	for (uint16_t i = 0; i < t->rec->field_count; i++) {
		const struct profile_field *f = profile_field_find(profile, x[i].name);
		if (f == nullptr || f->state == PROFILE_STATE_NONE)
			continue;
		if (f->state >= s->fields) {
			count(t->p, STAGE_FIELDS_NO_ROOM, 1);
			continue;
		}
		if (itself(f, &x[i]) != FINDING_NONE)
			continue; // not measured: it says nothing about the past either
		if (!judge_sample(t, f, &device_fields(s, t->rec->state)[f->state], &x[i]))
			return false;
	}
	return true;
}

// Everything that can end in a refusal without a look at the device comes first.
static bool judge_alone(struct trial *t) {
	if (!judge_time(t))
		return false;
	return t->it->m.profile->field_count == 0 || judge_fields(t);
}

static bool judge_with_device(struct trial *t) {
	if (t->rec->state == STATE_NONE || !t->rec->live)
		return true;
	return judge_order(t) && judge_past(t);
}

static void judge(struct pipeline *p, struct item *it) {
	struct record *records = &p->burst.records[it->first_record];
	struct trial t = {.p = p, .it = it};
	uint16_t late = 0;

	for (uint16_t i = 0; i < it->record_count; i++) {
		t.rec = &records[i];
		if (!judge_alone(&t))
			return;
		late += records[i].late;
	}
	if (late > 0 && !late_lane_pass(p, it, late))
		return;
	for (uint16_t i = 0; i < it->record_count; i++) {
		t.rec = &records[i];
		if (!judge_with_device(&t))
			return;
	}
}

void validate_burst(struct pipeline *p, uint16_t from, uint16_t to) {
	late_lane_begin(&p->late);
	for (uint16_t i = from; i < to; i++)
		if (p->burst.items[i].state == ITEM_GOING)
			judge(p, &p->burst.items[i]);
}
