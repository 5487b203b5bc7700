// SPDX-License-Identifier: Apache-2.0
// From profiles as written to profiles as workers use them.
#include "config/build.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FIELD_MISTAKE(b, f, what, ...)                                                             \
	report_add((b)->report, build_line_in(b, what, f), __VA_ARGS__)

// --- fields

static double given_or(double v, double otherwise) {
	return isnan(v) ? otherwise : v;
}

static void alert_finish(struct build *b, struct profile_field *f) {
	struct field_alert *a = &f->alert;
	const char *name = (const char *)f->name.p;

	a->above = !isnan(a->raise_above);
	a->below = !isnan(a->raise_below);
	a->unusual = !isnan(a->z_raise);
	if (!a->above && !isnan(a->clear_below))
		FIELD_MISTAKE(
			b, f, &a->clear_below, "field '%s': alert.above has no 'raise'", name
		);
	if (!a->below && !isnan(a->clear_above))
		FIELD_MISTAKE(
			b, f, &a->clear_above, "field '%s': alert.below has no 'raise'", name
		);
	if (!a->unusual && !isnan(a->z_clear))
		FIELD_MISTAKE(b, f, &a->z_clear, "field '%s': alert.unusual has no 'raise'", name);
	a->clear_below = given_or(a->clear_below, a->raise_above);
	a->clear_above = given_or(a->clear_above, a->raise_below);
	a->z_clear = given_or(a->z_clear, a->z_raise / 2);
	if (a->above && a->clear_below > a->raise_above)
		FIELD_MISTAKE(
			b,
			f,
			&a->clear_below,
			"field '%s': alert.above clears above the value that raises it",
			name
		);
	if (a->below && a->clear_above < a->raise_below)
		FIELD_MISTAKE(
			b,
			f,
			&a->clear_above,
			"field '%s': alert.below clears below the value that raises it",
			name
		);
	if (a->above && a->below && a->raise_below >= a->raise_above)
		FIELD_MISTAKE(
			b,
			f,
			&a->raise_below,
			"field '%s': every value is above %.15g or below %.15g",
			name,
			a->raise_above,
			a->raise_below
		);
	if (a->unusual && (a->z_raise <= 0 || a->z_clear < 0 || a->z_clear > a->z_raise))
		FIELD_MISTAKE(
			b,
			f,
			&a->z_raise,
			"field '%s': alert.unusual must be raised beyond more than 0 deviations, "
			"and cleared within no more",
			name
		);
	if (a->smoothing <= 0 || a->smoothing > 1)
		FIELD_MISTAKE(
			b,
			f,
			&a->smoothing,
			"field '%s': alert.unusual.smoothing must be above 0 and at most 1",
			name
		);
}

static void unit_check(struct build *b, const struct profile_field *f) {
	const char *name = (const char *)f->name.p;
	const char *unit = (const char *)f->unit.p;

	if (f->unit.len == 0 || unit_find(f->unit) != NULL)
		return;
	const char *near = unit_nearest(unit);
	if (near != NULL)
		FIELD_MISTAKE(
			b,
			f,
			&f->unit,
			"field '%s': '%.40s' is no unit; did you mean '%s'?",
			name,
			unit,
			near
		);
	else
		FIELD_MISTAKE(b, f, &f->unit, "field '%s': '%.40s' is no unit", name, unit);
}

static bool numeric(enum field_type t) {
	return t == FIELD_ANY || t == FIELD_NUMBER || t == FIELD_INTEGER;
}

static void field_finish(struct build *b, struct profile_field *f) {
	const char *name = (const char *)f->name.p;

	f->has_min = !isnan(f->min);
	f->has_max = !isnan(f->max);
	alert_finish(b, f);
	unit_check(b, f);
	if (f->has_min && f->has_max && f->min > f->max)
		FIELD_MISTAKE(b, f, &f->min, "field '%s': no value lies in its range", name);
	if (f->rate_max < 0)
		FIELD_MISTAKE(b, f, &f->rate_max, "field '%s': rate must not be negative", name);
	if (!numeric(f->type)
	    && (f->has_min || f->has_max || f->rate_max != 0 || f->alert.above || f->alert.below
		|| f->alert.unusual))
		FIELD_MISTAKE(
			b, f, &f->type, "field '%s': range, rate and alert are for numbers", name
		);
}

// Looks for the second of two fields of one name.
static void duplicate_report(struct build *b, const struct profile *p) {
	for (uint32_t i = 1; i < p->field_count; i++)
		for (uint32_t k = 0; k < i; k++)
			if (view_equal(p->fields[i].name, p->fields[k].name)) {
				FIELD_MISTAKE(
					b,
					&p->fields[i],
					&p->fields[i].name,
					"profile '%s': there is a field '%s' already",
					p->name,
					(const char *)p->fields[i].name.p
				);
				return;
			}
}

static void fields_finish(struct build *b, struct profile *p) {
	uint32_t size = profile_index_size(p->field_count);

	for (uint32_t i = 0; i < p->field_count; i++)
		field_finish(b, &p->fields[i]);
	p->index = build_alloc(b, size * sizeof(*p->index));
	p->required = build_alloc(b, (p->field_count + 1) * sizeof(*p->required));
	if (p->index == NULL || p->required == NULL)
		return;
	int ret = profile_compile(p);
	if (ret == -EEXIST)
		duplicate_report(b, p);
	else if (ret == -E2BIG)
		report_add(
			b->report,
			build_line_in(b, &p->fields, p),
			"profile '%s': more than %d fields have rate, stuck or alert",
			p->name,
			PROFILE_STATES_MAX
		);
}

// --- map

static void map_finish(struct build *b, struct profile *p) {
	char shown[96];

	if (p->map_count == 0)
		return;
	p->steps = build_alloc(b, p->map_count * sizeof(*p->steps));
	if (p->steps == NULL)
		return;
	for (uint32_t i = 0; i < p->map_count; i++) {
		snprintf(shown, sizeof(shown), "profile '%s': map[%" PRIu32 "]", p->name, i);
		step_compile(b, shown, &p->map[i], &p->steps[i], &p->need);
	}
	p->step_count = p->map_count;
}

// --- the whole

static bool claims_identity(const struct profile *p) {
	return p->claim.device_count > 0 && p->device_from == DEVICE_FROM_IDENTITY;
}

static void times_check(struct build *b, const struct profile *p) {
	if (p->past_max_s != 0 && p->late_after_s > p->past_max_s)
		report_add(
			b->report,
			build_line_in(b, &p->late_after_s, p),
			"profile '%s': late_after is beyond past_max: no record could be late",
			p->name
		);
}

void profiles_check(struct build *b) {
	struct config *c = b->config;

	for (uint32_t i = 0; i < c->profile_count; i++) {
		struct profile *p = &c->profiles[i];
		fields_finish(b, p);
		map_finish(b, p);
		times_check(b, p);
		if (claims_identity(p))
			report_add(
				b->report,
				build_line_in(b, (const void *)p->claim.devices, p),
				"profile '%s': claim.devices: with device.from: identity nothing "
				"else is claimed",
				p->name
			);
	}
	c->selector = selector_build(b);
}
