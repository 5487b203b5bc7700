// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/pipelines/field_oracle.h"

#include <math.h>
#include <stdlib.h>

#define SPAN_MS INT64_C(2147483647) // 24.8 days: longer is not remembered

void field_oracle_reset(struct field_oracle *o) {
	o->count = 0;
	o->numbers = 0;
	o->mean = 0;
	o->deviation = 0;
	o->mean_error = 0;
	o->deviation_error = 0;
	o->raised = 0;
}

void field_oracle_anew(struct field_oracle *o) {
	int raised = o->raised;

	field_oracle_reset(o);
	o->raised = raised; // until a sample clears it
}

static bool same(const struct oracle_sample *a, const struct oracle_sample *b) {
	if (a->kind != b->kind)
		return false;
	return a->kind == ORACLE_TEXT ? a->text == b->text : a->number == b->number;
}

static double deviation_used(const struct field_oracle *o) {
	double least = fabs(o->mean) / 1024 + 1e-6;
	double sigma = o->deviation * 1.2533;

	return sigma > least ? sigma : least;
}

// The code under test keeps mean and deviation as floats.
static double z_error(const struct field_oracle *o, double z) {
	double sigma = deviation_used(o);
	double sigma_error = 1.2533 * o->deviation_error + o->mean_error / 1024;

	if (sigma_error > sigma / 4)
		return INFINITY;
	return 1e-6 + 2 * (o->mean_error + fabs(z) * sigma_error) / sigma + 1e-5 * fabs(z);
}

static double z_of(struct field_oracle *o, const struct field_alert *a, double x, double *error) {
	bool judged = o->numbers >= a->warmup && o->numbers > 0;
	double weight = a->smoothing;
	double z = 0, x_error = 0;

	// Beyond what a sensor can mean, it is as good as the largest number that can be meant.
	if (x > 1e30)
		x = 1e30;
	if (x < -1e30)
		x = -1e30;
	if (judged) {
		double s = deviation_used(o);
		z = (x - o->mean) / s;
		*error = z_error(o, z);
		if (fabs(z) > 3 - *error)
			x_error = o->mean_error
				+ 3 * (1.2533 * o->deviation_error + o->mean_error / 1024);
		if (z > 3)
			x = o->mean + 3 * s;
		if (z < -3)
			x = o->mean - 3 * s;
	} else if (1.0 / (o->numbers + 1) > weight) {
		weight = 1.0 / (o->numbers + 1); // the first samples count alike
	}
	if (o->numbers == 0) {
		o->mean = x;
	} else {
		double away = fabs(x - o->mean);
		double away_error = o->mean_error + x_error;
		o->mean = (1 - weight) * o->mean + weight * x;
		o->deviation = (1 - weight) * o->deviation + weight * away;
		o->deviation_error = (1 - weight) * o->deviation_error + weight * away_error
			+ ldexp(o->deviation + away, -23);
		o->mean_error = (1 - weight) * o->mean_error + weight * x_error;
	}
	o->mean_error += ldexp(fabs(o->mean) + fabs(x), -23);
	o->numbers++;
	return z;
}

// Which condition holds at this sample. A threshold goes before unusual.
static int beyond(const struct field_alert *a, double x, double z) {
	if (a->above && x > a->raise_above)
		return 'a';
	if (a->below && x < a->raise_below)
		return 'b';
	return a->unusual && z != 0 && fabs(z) >= a->z_raise ? 'u' : 0;
}

static bool over(const struct field_alert *a, int raised, double x, double z) {
	switch (raised) {
	case 'a':
		return x < a->clear_below;
	case 'b':
		return x > a->clear_above;
	case 'u':
		return fabs(z) < a->z_clear;
	default:
		return false;
	}
}

static bool watches(const struct field_alert *a) {
	return a->above || a->below || a->unusual;
}

struct oracle_says field_oracle_sample(
	struct field_oracle *o,
	const struct profile_field *f,
	struct oracle_sample x,
	double z
) {
	const struct oracle_sample *last = o->count > 0 ? &o->past[o->count - 1] : NULL;
	struct oracle_says says = {0};

	if (o->count == ORACLE_SAMPLES)
		abort();
	if (last != NULL && x.at_ms < last->at_ms)
		x.at_ms = last->at_ms;
	if (last != NULL && x.at_ms - last->at_ms > SPAN_MS) {
		field_oracle_anew(o);
		last = NULL;
	}
	if (last != NULL && x.kind == ORACLE_NUMBER && last->kind == ORACLE_NUMBER
	    && f->rate_max > 0 && x.at_ms > last->at_ms)
		says.rate = fabs(x.number - last->number) * 1000
			> f->rate_max * (double)(x.at_ms - last->at_ms);
	if (f->stuck_after_s > 0) {
		int64_t since = x.at_ms;
		for (unsigned i = o->count; i > 0 && same(&o->past[i - 1], &x); i--)
			since = o->past[i - 1].at_ms;
		int64_t stood = x.at_ms - since < SPAN_MS ? x.at_ms - since : SPAN_MS;
		says.stuck =
			stood >= (int64_t)f->stuck_after_s * 1000 && last != NULL && same(last, &x);
	}
	says.judged = f->alert.unusual && x.kind == ORACLE_NUMBER && o->numbers >= f->alert.warmup;
	if (f->alert.unusual && x.kind == ORACLE_NUMBER)
		says.z = z_of(o, &f->alert, x.number, &says.z_error);
	if (x.kind == ORACLE_NUMBER && watches(&f->alert)) {
		int now = beyond(&f->alert, x.number, z);
		if (o->raised != 0 && over(&f->alert, o->raised, x.number, z)) {
			says.cleared = o->raised;
			o->raised = 0;
		}
		// One at a time, and unusual never instead of a threshold.
		if (now == o->raised || (now == 'u' && o->raised != 0))
			now = 0;
		x.candidate = now;
		int64_t since = x.at_ms;
		for (unsigned i = o->count; i > 0; i--) {
			if (o->past[i - 1].kind != ORACLE_NUMBER)
				continue;
			if (o->past[i - 1].candidate != now)
				break;
			since = o->past[i - 1].at_ms;
		}
		if (now != 0 && x.at_ms - since >= (int64_t)f->alert.for_ms) {
			if (o->raised != 0)
				says.cleared = o->raised;
			says.raised = o->raised = now;
			x.candidate = 0; // it waits no longer
		}
	}
	o->past[o->count++] = x;
	return says;
}
