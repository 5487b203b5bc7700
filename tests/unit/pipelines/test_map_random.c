// SPDX-License-Identifier: Apache-2.0
// Random map programs over random records against a naive interpreter that works on copies of text,
// from the options as written.
#include "tests/unit/pipelines/map_rig.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct naive_field {
	char name[64];
	char unit[16];
	struct value v;
	char text[600];
};

struct naive {
	int count;
	struct naive_field f[64];
};

static uint64_t seed = 88172645463325252u;

static uint32_t below(uint32_t n) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % n;
}

static const char *const names[] = {"a", "b", "c", "d.x", "d.y", "e"};
#define NAMES 6
static const char *const dims[][4] = {
	{"Cel", "K", "degF", NULL},
	{"m", "km", "mi", NULL},
	{"Pa", "hPa", "bar", NULL},
	{"W", "kW", NULL},
};
static const long double factors[][3] =
	{{1, 1, 5.0L / 9}, {1, 1000, 1609.344L}, {1, 100, 100000}, {1, 1000, 0}};
static const long double zeros[] = {273.15L, 0, 459.67L};

static int named(const struct naive *n, const char *name) {
	for (int i = 0; i < n->count; i++)
		if (strcmp(n->f[i].name, name) == 0)
			return i;
	return -1;
}

static void removed(struct naive *n, int i) {
	for (; i + 1 < n->count; i++)
		n->f[i] = n->f[i + 1];
	n->count--;
}

static void textual(struct naive_field *f, const char *text) {
	if (text != f->text)
		snprintf(f->text, sizeof(f->text), "%s", text);
	f->v.kind = VALUE_STRING;
}

static bool number_of(const struct naive_field *f, long double *out) {
	*out = f->v.kind == VALUE_I64	 ? f->v.i
		: f->v.kind == VALUE_U64 ? (long double)f->v.u
					 : f->v.f;
	return f->v.kind == VALUE_I64 || f->v.kind == VALUE_U64 || f->v.kind == VALUE_F64;
}

static void number_set(struct naive_field *f, long double v) {
	f->v.kind = isfinite((double)v) ? VALUE_F64 : VALUE_NULL;
	f->v.f = (double)v;
}

static bool unit_place(const char *unit, int *dim, int *place) {
	for (int d = 0; d < 4; d++)
		for (int i = 0; dims[d][i] != NULL; i++)
			if (strcmp(dims[d][i], unit) == 0) {
				*dim = d;
				*place = i;
				return true;
			}
	return false;
}

static void naive_convert(struct naive_field *f, const struct step_source *s) {
	const char *from = f->unit[0] != '\0' ? f->unit
		: s->from.len > 0	      ? (const char *)s->from.p
					      : "";
	int dim, place, to_dim, to_place;
	long double v;

	if (!unit_place(from, &dim, &place)
	    || !unit_place((const char *)s->unit.p, &to_dim, &to_place) || dim != to_dim
	    || !number_of(f, &v))
		return;
	if (place != to_place) {
		if (dim == 0)
			v = (v + zeros[place]) * factors[0][place] / factors[0][to_place]
				- zeros[to_place];
		else
			v = v * factors[dim][place] / factors[dim][to_place];
		if (dim == 0 && fabsl(v) < 1e6L) // docs/profiles.md: nine decimals
			v = rintl(v * 1e9L) / 1e9L;
		number_set(f, v);
	}
	snprintf(f->unit, sizeof(f->unit), "%s", dims[to_dim][to_place]);
}

static void naive_mask(struct naive_field *f, int keep) {
	char out[600] = "";

	if (f->v.kind == VALUE_NULL)
		return;
	if (f->v.kind == VALUE_I64) {
		snprintf(f->text, sizeof(f->text), "%" PRId64, f->v.i);
	} else if (f->v.kind != VALUE_STRING) {
		textual(f, "****");
		return;
	}
	int n = (int)strlen(f->text); // the generator makes ASCII
	for (int i = 0; i < n; i++)
		out[i] = n > keep && i >= n - keep ? f->text[i] : '*';
	textual(f, out);
}

static void naive_cast(struct naive_field *f, enum cast_to type) {
	char number[64], *end;
	long double v;

	if (f->v.kind == VALUE_NULL)
		return;
	switch (type) {
	case CAST_TEXT:
		if (f->v.kind == VALUE_I64)
			snprintf(number, sizeof(number), "%" PRId64, f->v.i);
		else if (f->v.kind == VALUE_BOOL)
			snprintf(number, sizeof(number), "%s", f->v.b ? "true" : "false");
		else if (f->v.kind == VALUE_F64)
			snprintf(number, sizeof(number), "~%.17g", f->v.f); // compared as a number
		else
			return;
		textual(f, number);
		return;
	case CAST_BOOLEAN:
		if (f->v.kind == VALUE_STRING) {
			bool yes = strcmp(f->text, "on") == 0 || strcmp(f->text, "1") == 0;
			bool no = strcmp(f->text, "off") == 0 || strcmp(f->text, "0") == 0;
			yes |= strcmp(f->text, "true") == 0;
			no |= strcmp(f->text, "false") == 0;
			f->v.kind = yes || no ? VALUE_BOOL : VALUE_NULL;
			f->v.b = yes;
		} else if (number_of(f, &v)) {
			f->v.kind = VALUE_BOOL;
			f->v.b = v != 0;
		}
		return;
	default:
		break;
	}
	if (f->v.kind == VALUE_BOOL) {
		f->v.kind = VALUE_I64;
		f->v.i = f->v.b;
	} else if (f->v.kind == VALUE_STRING) {
		bool plain = f->text[0] != '\0' && f->text[strspn(f->text, "0123456789.-")] == '\0';
		double d = strtod(f->text, &end);
		if (!plain || *end != '\0') {
			f->v.kind = VALUE_NULL;
		} else if (strchr(f->text, '.') == NULL) {
			f->v.kind = VALUE_I64;
			f->v.i = strtoll(f->text, NULL, 10);
		} else {
			f->v.kind = VALUE_F64;
			f->v.f = d;
		}
	}
	if (type == CAST_INTEGER && f->v.kind == VALUE_F64) {
		double whole = rint(f->v.f);
		f->v.kind = fabs(whole) < 0x1p63 ? VALUE_I64 : VALUE_NULL;
		f->v.i = fabs(whole) < 0x1p63 ? (int64_t)whole : 0;
	}
}

static struct naive_field *naive_make(struct naive *n, const char *name) {
	int i = named(n, name);

	if (i < 0) {
		i = n->count++;
		snprintf(n->f[i].name, sizeof(n->f[i].name), "%s", name);
	}
	n->f[i].unit[0] = '\0';
	return &n->f[i];
}

static void naive_first_of(struct naive *n, const struct step_source *s) {
	int best = -1;

	for (uint32_t k = 0; k < s->of_count; k++) {
		int i = named(n, s->of[k]);
		if (i >= 0 && n->f[i].v.kind != VALUE_NULL) {
			best = i;
			break;
		}
		if (best < 0)
			best = i;
	}
	if (best < 0)
		return;
	struct naive_field f = n->f[best];
	for (uint32_t k = 0; k < s->of_count; k++)
		if (named(n, s->of[k]) >= 0)
			removed(n, named(n, s->of[k]));
	struct naive_field *to = naive_make(n, (const char *)s->field.p);
	to->v = f.v;
	memcpy(to->text, f.text, sizeof(f.text));
	memcpy(to->unit, f.unit, sizeof(f.unit));
}

static void naive_step(struct naive *n, const struct step_source *s) {
	const char *name = (const char *)s->field.p;
	int i = named(n, name);
	long double v;

	switch (s->op) {
	case STEP_ADD: {
		struct naive_field *f = naive_make(n, name);
		textual(f, (const char *)s->text.p);
		return;
	}
	case STEP_FIRST_OF:
		naive_first_of(n, s);
		return;
	case STEP_DROP:
		if (strcmp(name, "d.*") == 0) {
			while (named(n, "d.x") >= 0)
				removed(n, named(n, "d.x"));
			while (named(n, "d.y") >= 0)
				removed(n, named(n, "d.y"));
		} else if (i >= 0) {
			removed(n, i);
		}
		return;
	default:
		break;
	}
	if (i < 0)
		return;
	switch (s->op) {
	case STEP_RENAME: {
		int there = named(n, (const char *)s->to.p);
		snprintf(n->f[i].name, sizeof(n->f[i].name), "%s", (const char *)s->to.p);
		if (there >= 0 && there != i)
			removed(n, there);
		return;
	}
	case STEP_CONVERT:
		naive_convert(&n->f[i], s);
		return;
	case STEP_SCALE:
		if (number_of(&n->f[i], &v))
			number_set(
				&n->f[i],
				v * (isnan(s->factor) ? 1 : s->factor)
					+ (isnan(s->offset) ? 0 : s->offset)
			);
		return;
	case STEP_MASK:
		naive_mask(&n->f[i], s->keep);
		return;
	case STEP_CAST:
		naive_cast(&n->f[i], s->type);
		return;
	default:
		return;
	}
}

static int random_step(char *p) {
	static const char *const types[] = {"number", "integer", "boolean", "text"};
	static const char *const scales[] = {"0.1", "0.001", "-2", "1e10", "3.7"};
	const char *field = names[below(NAMES)];
	uint32_t d = below(4), u;

	switch (below(8)) {
	case 0:
		return sprintf(p, "{op: rename, field: %s, to: %s},\n", field, names[below(NAMES)]);
	case 1:
		u = below(d == 3 ? 2 : 3);
		if (below(2))
			return sprintf(
				p,
				"{op: convert, field: %s, from: %s, unit: %s},\n",
				field,
				dims[d][below(d == 3 ? 2 : 3)],
				dims[d][u]
			);
		return sprintf(p, "{op: convert, field: %s, unit: %s},\n", field, dims[d][u]);
	case 2:
		return sprintf(
			p,
			"{op: scale, field: %s, factor: %s, offset: %u},\n",
			field,
			scales[below(5)],
			below(3)
		);
	case 3:
		return sprintf(p, "{op: add, field: %s, text: t%u},\n", field, below(1000));
	case 4:
		return sprintf(p, "{op: drop, field: %s},\n", below(4) ? field : "d.*");
	case 5:
		return sprintf(p, "{op: mask, field: %s, keep: %u},\n", field, below(4));
	case 6:
		return sprintf(p, "{op: cast, field: %s, type: %s},\n", field, types[below(4)]);
	default:
		return sprintf(
			p,
			"{op: first-of, field: %s, of: [%s, %s]},\n",
			field,
			names[below(NAMES)],
			names[below(NAMES)]
		);
	}
}

// A SenML pack would give units to some; JSON has none: so units are put in by hand below.
static void random_payload(char *p) {
	static const char *const values[] = {
		"1", "-17", "2.5", "1e300", "true", "null", "\"17\"", "\"on\"", "\"text\"", "0"
	};
	int n = 0;

	n += sprintf(p, "{");
	for (int i = 0; i < NAMES; i++)
		if (below(3))
			n += sprintf(p + n, "\"%s\":%s,", names[i], values[below(10)]);
	sprintf(p + n, "\"z\":1}");
}

static void naive_of(struct naive *n, const struct record *rec) {
	n->count = rec->field_count;
	for (int i = 0; i < n->count; i++) {
		struct field *f = &rig_burst.readings.fields[rec->first_field + i];
		int d = (int)below(8);
		if (d < 4 && (f->v.kind == VALUE_I64 || f->v.kind == VALUE_F64)) {
			const char *unit = dims[d][below(2)];
			f->unit = view_of(unit, (uint32_t)strlen(unit));
		}
		n->f[i] = (struct naive_field) {.v = f->v};
		snprintf(
			n->f[i].name,
			sizeof(n->f[i].name),
			"%.*s",
			(int)f->name.len,
			(const char *)f->name.p
		);
		snprintf(
			n->f[i].unit,
			sizeof(n->f[i].unit),
			"%.*s",
			(int)f->unit.len,
			(const char *)f->unit.p
		);
		if (f->v.kind == VALUE_STRING)
			snprintf(
				n->f[i].text,
				sizeof(n->f[i].text),
				"%.*s",
				(int)f->v.s.len,
				(const char *)f->v.s.p
			);
	}
}

static bool near(double a, double b) {
	return fabs(a - b) <= 1e-8 + 1e-9 * fabs(b);
}

static bool same(const struct field *f, const struct naive_field *n) {
	if (!view_equal(f->name, view_of(n->name, (uint32_t)strlen(n->name)))
	    || !view_equal(f->unit, view_of(n->unit, (uint32_t)strlen(n->unit))))
		return false;
	if (f->v.kind != n->v.kind)
		return false;
	switch (f->v.kind) {
	case VALUE_STRING:
		if (n->text[0] == '~') {
			char text[64];
			snprintf(
				text, sizeof(text), "%.*s", (int)f->v.s.len, (const char *)f->v.s.p
			);
			return near(strtod(text, NULL), strtod(n->text + 1, NULL));
		}
		return view_equal(f->v.s, view_of(n->text, (uint32_t)strlen(n->text)));
	case VALUE_I64:
		return f->v.i == n->v.i;
	case VALUE_BOOL:
		return f->v.b == n->v.b;
	case VALUE_F64:
		return near(f->v.f, n->v.f);
	default:
		return true;
	}
}

// Text of a double is compared as a number, so nothing may be done with it afterwards.
static bool comparable(const struct naive *n) {
	for (int i = 0; i < n->count; i++)
		if (n->f[i].v.kind == VALUE_STRING && n->f[i].text[0] == '~')
			return false;
	return true;
}

static void random_programs_agree_with_the_oracle(void **) {
	static char map[8192], payload[1024], got[4096];
	int compared = 0;

	for (int round = 0; round < 3000; round++) {
		int n = 0;
		for (uint32_t k = 1 + below(12); k > 0; k--)
			n += random_step(map + n);
		struct config *c = rig_program(map);
		for (int i = 0; i < 10; i++) {
			struct naive want;
			random_payload(payload);
			rig_burst.item_count = 1;
			rig_burst.items[0] =
				(struct item) {.m = rig_message(c, PAYLOAD_JSON, payload)};
			assert_int_equal(decode_burst(rig_decoder, &rig_burst, 0), 1);
			assert_int_equal(rig_burst.items[0].state, ITEM_GOING);
			naive_of(&want, &rig_burst.records[0]);
			map_burst(&rig_burst, 0, 1, NULL);
			bool may_compare = true;
			for (uint32_t k = 0; k < c->profiles[0].map_count; k++) {
				may_compare &= comparable(&want);
				naive_step(&want, &c->profiles[0].map[k]);
			}
			if (!may_compare)
				continue;
			compared++;
			const struct record *rec = &rig_burst.records[0];
			bool agree = rec->field_count == want.count;
			for (int k = 0; agree && k < want.count; k++)
				agree =
					same(&rig_burst.readings.fields[rec->first_field + k],
					     &want.f[k]);
			if (agree)
				continue;
			rig_record_print(got, sizeof(got), rec);
			print_error("%s%s\n  is     %s\n  wanted", map, payload, got);
			for (int k = 0; k < want.count; k++) {
				want.f[k].v.s = want.f[k].v.kind == VALUE_STRING
					? view_of(want.f[k].text, (uint32_t)strlen(want.f[k].text))
					: want.f[k].v.s;
				rig_value_print(got, sizeof(got), &want.f[k].v);
				print_error(" %s=%s:%s", want.f[k].name, got, want.f[k].unit);
			}
			fail_msg("the oracle says otherwise");
		}
		config_free(c);
	}
	assert_true(compared > 20000);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_programs_agree_with_the_oracle),
	};
	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
