// SPDX-License-Identifier: Apache-2.0
#include "pipelines/field_alert.h"

#include <math.h>
#include <string.h>

#define MEAN_TO_SIGMA 1.2533f // square root of pi / 2
#define CLIP 3.0
#define FLOOR_OF_MEAN (1.0 / 1024)
#define FLOOR 1e-6
#define EXACT_MAX (INT64_C(1) << 53) // integers up to here are all doubles
#define LARGEST 1e30 // mean and deviation are floats, and their multiples must stay finite

bool sample_of(const struct value *v, struct sample *out) {
	uint64_t h = 14695981039346656037u;

	*out = (struct sample) {.is_number = true};
	switch (v->kind) {
	case VALUE_BOOL:
		out->number = v->b;
		break;
	case VALUE_I64:
		out->number = (double)v->i;
		out->rounded = v->i > EXACT_MAX || v->i < -EXACT_MAX;
		break;
	case VALUE_U64:
		out->number = (double)v->u;
		out->rounded = v->u > EXACT_MAX;
		break;
	case VALUE_F64:
		out->number = v->f;
		break;
	case VALUE_STRING:
	case VALUE_BYTES:
		for (uint32_t i = 0; i < v->s.len; i++)
			h = (h ^ v->s.p[i]) * 1099511628211u;
		*out = (struct sample) {.bits = h};
		return true;
	default:
		return false;
	}
	double normal = out->number + 0.0; // -0 is 0
	memcpy(&out->bits, &normal, sizeof(normal));
	return true;
}

static double number_in(const struct field_state *s) {
	double v;

	memcpy(&v, &s->last, sizeof(v));
	return v;
}

static bool too_fast(
	const struct profile_field *f,
	const struct field_state *s,
	const struct sample *x,
	uint32_t at_ms
) {
	uint32_t dt_ms = at_ms - s->at_ms;

	if (f->rate_max <= 0 || !s->seen || !s->number || !x->is_number || dt_ms == 0)
		return false;
	return fabs(x->number - number_in(s)) * 1000 > f->rate_max * dt_ms;
}

static bool
stands_still(const struct profile_field *f, struct field_state *s, bool same, uint32_t at_ms) {
	if (!same) {
		s->same_ms = at_ms;
		return false;
	}
	if (at_ms - s->same_ms > FIELD_SPAN_MS)
		s->same_ms = at_ms - FIELD_SPAN_MS;
	return f->stuck_after_s > 0
		&& (uint64_t)(at_ms - s->same_ms) >= (uint64_t)f->stuck_after_s * 1000;
}

static double sigma(const struct field_state *s) {
	double floor = fabs((double)s->mean) * FLOOR_OF_MEAN + FLOOR;
	double d = (double)(s->deviation * MEAN_TO_SIGMA);

	return d > floor ? d : floor;
}

// Where x stands among what was seen before it, which then takes it in.
static double z_of(const struct field_alert *a, struct field_state *s, double x) {
	bool warm = s->samples >= a->warmup && s->samples > 0;
	double weight = a->smoothing;

	if (x > LARGEST)
		x = LARGEST;
	if (x < -LARGEST)
		x = -LARGEST;
	double z = warm ? (x - (double)s->mean) / sigma(s) : 0;
	if (!warm && weight < 1.0 / (s->samples + 1))
		weight = 1.0 / (s->samples + 1);
	if (warm && z > CLIP)
		x = (double)s->mean + CLIP * sigma(s);
	else if (warm && z < -CLIP)
		x = (double)s->mean - CLIP * sigma(s);
	if (s->samples == 0) {
		s->mean = (float)x;
	} else {
		// Weighted, not moved by the difference: what is small must survive what was large.
		double off = fabs(x - (double)s->mean);
		s->mean = (float)((1 - weight) * (double)s->mean + weight * x);
		s->deviation = (float)((1 - weight) * (double)s->deviation + weight * off);
	}
	if (s->samples < UINT16_MAX)
		s->samples++;
	return z;
}

static enum alert_kind beyond(const struct field_alert *a, double x, bool unusual) {
	if (a->above && x > a->raise_above)
		return ALERT_ABOVE;
	if (a->below && x < a->raise_below)
		return ALERT_BELOW;
	return unusual ? ALERT_UNUSUAL : ALERT_NONE;
}

// Is what was raised still so? The clear bounds say.
static bool lasts(const struct field_alert *a, enum alert_kind raised, double x, double z) {
	switch (raised) {
	case ALERT_ABOVE:
		return a->above && x >= a->clear_below;
	case ALERT_BELOW:
		return a->below && x <= a->clear_above;
	case ALERT_UNUSUAL:
		return a->unusual && fabs(z) >= a->z_clear;
	default:
		return false;
	}
}

static void
follow(const struct field_alert *a,
       struct field_state *s,
       double x,
       uint32_t at_ms,
       struct field_judgement *j) {
	enum alert_kind now = beyond(a, x, j->unusual);
	enum alert_kind raised = (enum alert_kind)s->raised;

	if (raised != ALERT_NONE && !lasts(a, raised, x, j->z)) {
		j->cleared = raised;
		raised = ALERT_NONE;
	}
	if (now == raised || (now == ALERT_UNUSUAL && raised != ALERT_NONE))
		now = ALERT_NONE;
	if (now != (enum alert_kind)s->waiting)
		s->held_ms = at_ms;
	s->waiting = now;
	if (now != ALERT_NONE && at_ms - s->held_ms >= a->for_ms) {
		if (raised != ALERT_NONE)
			j->cleared = raised;
		j->raised = raised = now;
		s->waiting = ALERT_NONE;
	}
	s->raised = raised;
}

void field_anew(struct field_state *s) {
	*s = (struct field_state) {.raised = s->raised};
}

// Milliseconds from the last sample to that time.
static int64_t since(const struct field_state *s, int64_t now_ms) {
	uint64_t last = (uint64_t)s->at_high << 32 | s->at_ms;

	return (int64_t)(((uint64_t)now_ms - last) << 24) >> 24;
}

struct field_judgement field_sample(
	const struct profile_field *f,
	struct field_state *s,
	const struct sample *x,
	int64_t now_ms
) {
	const struct field_alert *a = &f->alert;
	struct field_judgement j = {};
	int64_t since_ms = s->seen ? since(s, now_ms) : 0;

	if (since_ms > FIELD_SPAN_MS)
		field_anew(s);
	uint32_t at_ms = since_ms < 0 ? s->at_ms : (uint32_t)now_ms;
	j.rate = too_fast(f, s, x, at_ms);
	bool same = s->seen && s->last == x->bits && !x->rounded;
	j.stuck = stands_still(f, s, same, at_ms);
	if (a->unusual && x->is_number) {
		j.z = z_of(a, s, x->number);
		j.unusual = fabs(j.z) >= a->z_raise && j.z != 0;
	}
	if (x->is_number && (a->above || a->below || a->unusual))
		follow(a, s, x->number, at_ms, &j);
	s->last = x->bits;
	s->number = x->is_number;
	s->at_ms = at_ms;
	if (since_ms >= 0)
		s->at_high = (uint8_t)(now_ms >> 32);
	s->seen = true;
	return j;
}
