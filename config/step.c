// SPDX-License-Identifier: Apache-2.0
// Compiles one operation of a map: from options, some of which do not go together, to a step.
#include "config/build.h"
#include "parsers/labels.h"

#include <math.h>
#include <string.h>

#define BIT(argument) (1u << (argument))

// The options of an operation beside `op` and `field`.
enum argument {
	ARG_TO,
	ARG_UNIT,
	ARG_FROM,
	ARG_FACTOR,
	ARG_OFFSET,
	ARG_TEXT,
	ARG_LABEL,
	ARG_NUMBER,
	ARG_ATTRIBUTE,
	ARG_SEGMENT,
	ARG_KEEP,
	ARG_KEY,
	ARG_TYPE,
	ARG_OF,
	ARG_COUNT
};

static const char *const argument_names[ARG_COUNT] = {
	[ARG_TO] = "to",
	[ARG_UNIT] = "unit",
	[ARG_FROM] = "from",
	[ARG_FACTOR] = "factor",
	[ARG_OFFSET] = "offset",
	[ARG_TEXT] = "text",
	[ARG_LABEL] = "label",
	[ARG_NUMBER] = "number",
	[ARG_ATTRIBUTE] = "attribute",
	[ARG_SEGMENT] = "segment",
	[ARG_KEEP] = "keep",
	[ARG_KEY] = "key",
	[ARG_TYPE] = "type",
	[ARG_OF] = "of",
};

static const struct {
	const char *name;
	uint32_t takes;
	uint32_t needs; // all of them
} ops[STEP_OP_COUNT] = {
	[STEP_RENAME] = {"rename", BIT(ARG_TO), BIT(ARG_TO)},
	[STEP_CONVERT] = {"convert", BIT(ARG_UNIT) | BIT(ARG_FROM), BIT(ARG_UNIT)},
	[STEP_SCALE] = {"scale", BIT(ARG_FACTOR) | BIT(ARG_OFFSET), 0},
	[STEP_ADD] =
		{"add",
		 BIT(ARG_TEXT) | BIT(ARG_NUMBER) | BIT(ARG_UNIT) | BIT(ARG_ATTRIBUTE)
			 | BIT(ARG_SEGMENT) | BIT(ARG_LABEL),
		 0},
	[STEP_DROP] = {"drop", 0, 0},
	[STEP_MASK] = {"mask", BIT(ARG_KEEP), 0},
	[STEP_HASH] = {"hash", BIT(ARG_KEY), BIT(ARG_KEY)},
	[STEP_CAST] = {"cast", BIT(ARG_TYPE), BIT(ARG_TYPE)},
	[STEP_FIRST_OF] = {"first-of", BIT(ARG_OF), BIT(ARG_OF)},
};

struct compilation {
	struct build *b;
	const char *shown;
	const struct step_source *source;
	uint32_t given; // arguments
	bool failed;
};

#define MISTAKE(c, what, ...)                                                                      \
	((c)->failed = true,                                                                       \
	 report_add((c)->b->report, build_line_in((c)->b, what, (c)->source), __VA_ARGS__))

static const void *argument_field(const struct step_source *s, enum argument a) {
	const void *const fields[ARG_COUNT] = {
		[ARG_TO] = &s->to,
		[ARG_UNIT] = &s->unit,
		[ARG_FROM] = &s->from,
		[ARG_FACTOR] = &s->factor,
		[ARG_OFFSET] = &s->offset,
		[ARG_TEXT] = &s->text,
		[ARG_LABEL] = &s->label,
		[ARG_NUMBER] = &s->number,
		[ARG_ATTRIBUTE] = &s->attribute,
		[ARG_SEGMENT] = &s->segment,
		[ARG_KEEP] = &s->keep,
		[ARG_KEY] = s->key,
		[ARG_TYPE] = &s->type,
		[ARG_OF] = (const void *)s->of,
	};
	return fields[a];
}

static void arguments_check(struct compilation *c) {
	enum step_op op = c->source->op;

	for (enum argument a = 0; a < ARG_COUNT; a++) {
		const void *field = argument_field(c->source, a);
		bool given = build_line(c->b, field) != 0;
		c->given |= given ? BIT(a) : 0;
		if (given && (ops[op].takes & BIT(a)) == 0)
			MISTAKE(c,
				field,
				"%s: op %s takes no '%s'",
				c->shown,
				ops[op].name,
				argument_names[a]);
		if (!given && (ops[op].needs & BIT(a)) != 0)
			MISTAKE(c,
				c->source,
				"%s: op %s needs '%s'",
				c->shown,
				ops[op].name,
				argument_names[a]);
	}
}

static const struct unit *
unit_of(struct compilation *c, const char *option, const struct view *name) {
	const struct unit *u = unit_find(*name);
	const char *near = u == NULL ? unit_nearest((const char *)name->p) : NULL;

	if (u != NULL)
		return u;
	if (near != NULL)
		MISTAKE(c,
			name,
			"%s.%s: '%.40s' is no unit; did you mean '%s'?",
			c->shown,
			option,
			(const char *)name->p,
			near);
	else
		MISTAKE(c,
			name,
			"%s.%s: '%.40s' is no unit",
			c->shown,
			option,
			(const char *)name->p);
	return NULL;
}

static void convert_compile(struct compilation *c, struct profile_step *out) {
	const struct step_source *s = c->source;
	const struct unit *to = unit_of(c, "unit", &s->unit);
	const struct unit *from =
		(c->given & BIT(ARG_FROM)) != 0 ? unit_of(c, "from", &s->from) : NULL;

	if (c->failed)
		return;
	if (from != NULL && strcmp(from->dimension, to->dimension) != 0) {
		MISTAKE(c,
			&s->from,
			"%s: %.20s measures %s, %.20s measures %s",
			c->shown,
			(const char *)s->from.p,
			from->dimension,
			(const char *)s->unit.p,
			to->dimension);
		return;
	}
	out->convert.units = unit_siblings(to);
	out->convert.to = to;
	out->convert.from = from;
}

static void scale_compile(struct compilation *c, struct profile_step *out) {
	double factor = isnan(c->source->factor) ? 1 : c->source->factor;
	double inverse = nearbyint(1 / factor);

	if (c->given == 0)
		MISTAKE(c, c->source, "%s: op scale needs 'factor' or 'offset'", c->shown);
	out->scale.offset = isnan(c->source->offset) ? 0 : c->source->offset;
	out->scale.factor = factor;
	// 0.1 is no binary fraction, and one tenth of a value is exact to the last digit only by
	// division.
	out->scale.divide = fabs(inverse) > 1 && fabs(inverse) < 9e15 && 1 / inverse == factor;
	if (out->scale.divide)
		out->scale.factor = inverse;
}

static void add_compile(struct compilation *c, struct profile_step *out) {
	const struct step_source *s = c->source;
	uint32_t kinds =
		c->given & (BIT(ARG_TEXT) | BIT(ARG_NUMBER) | BIT(ARG_ATTRIBUTE) | BIT(ARG_LABEL));

	if (__builtin_popcount(kinds) != 1) {
		MISTAKE(c,
			s,
			"%s: op add needs one of 'text', 'number', 'attribute' and 'label'",
			c->shown);
		return;
	}
	if ((c->given & BIT(ARG_UNIT)) != 0 && kinds != BIT(ARG_NUMBER))
		MISTAKE(c, &s->unit, "%s.unit: only a number has a unit", c->shown);
	if ((c->given & BIT(ARG_SEGMENT)) != 0 && s->attribute != ATTRIBUTE_SEGMENT)
		MISTAKE(c, &s->segment, "%s.segment: is for attribute: path-segment only", c->shown
		);
	if (kinds == BIT(ARG_ATTRIBUTE) && s->attribute == ATTRIBUTE_NONE)
		MISTAKE(c, &s->attribute, "%s.attribute: none adds nothing", c->shown);
	if (kinds == BIT(ARG_LABEL) && (s->label.len == 0 || s->label.len > LABEL_NAME_MAX))
		MISTAKE(c,
			&s->label,
			"%s.label: a label's name has 1 to %d bytes",
			c->shown,
			LABEL_NAME_MAX);
	if (s->unit.len > 0)
		(void)unit_of(c, "unit", &s->unit);
	out->add.unit = s->unit;
	out->add.attribute = s->attribute;
	out->add.segment = s->segment;
	out->add.label = s->label;
	if (kinds == BIT(ARG_TEXT))
		out->add.value = (struct value) {.kind = VALUE_STRING, .s = s->text};
	else if (kinds != BIT(ARG_NUMBER))
		return;
	else if (s->number == nearbyint(s->number) && fabs(s->number) < 9e15)
		out->add.value = (struct value) {.kind = VALUE_I64, .i = (int64_t)s->number};
	else
		out->add.value = (struct value) {.kind = VALUE_F64, .f = s->number};
}

static int hex_digit(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Little-endian words, as SipHash reads its key.
static void hash_compile(struct compilation *c, struct profile_step *out) {
	const char *key = c->source->key;

	if (c->failed)
		return;
	bool good = strlen(key) == STEP_KEY_HEX;
	for (uint32_t i = 0; good && i < STEP_KEY_HEX; i++) {
		int digit = hex_digit(key[i]);
		uint32_t shift = 8 * (i / 2 % 8) + (i % 2 == 0 ? 4 : 0);
		good = digit >= 0;
		out->key[i / 16] |= (uint64_t)(digit & 15) << shift;
	}
	if (!good)
		MISTAKE(c,
			key,
			"%s.key: must have 32 hexadecimal digits (openssl rand -hex 16)",
			c->shown);
}

static void first_of_compile(struct compilation *c, struct profile_step *out) {
	const struct step_source *s = c->source;

	if (c->failed)
		return;
	struct view *names = build_alloc(c->b, (s->of_count + 1) * sizeof(*names));
	if (names == NULL)
		return;
	if (s->of_count == 0)
		MISTAKE(c, (const void *)s->of, "%s.of: names no field", c->shown);
	for (uint32_t i = 0; i < s->of_count; i++)
		names[i] = view_of(s->of[i], (uint32_t)strlen(s->of[i]));
	out->first_of.names = names;
	out->first_of.count = s->of_count;
}

static uint32_t most(uint32_t a, uint32_t b) {
	return a > b ? a : b;
}

static void need_add(struct step_need *need, const struct profile_step *step) {
	switch (step->op) {
	case STEP_ADD:
		need->fields++;
		if (step->add.value.kind == VALUE_STRING)
			need->longest = most(need->longest, step->add.value.s.len);
		if (step->add.label.len > 0)
			need->longest = most(need->longest, LABEL_VALUE_MAX);
		need->registry |= step->add.label.len > 0
			|| step->add.attribute == ATTRIBUTE_REGISTRY_PROFILE;
		break;
	case STEP_FIRST_OF:
		need->fields++;
		break;
	case STEP_MASK:
		need->masks++;
		break;
	case STEP_HASH:
	case STEP_CAST:
		need->text += STEP_TEXT_MAX;
		need->longest = most(need->longest, STEP_TEXT_MAX);
		break;
	default:
		break;
	}
}

void step_compile(
	struct build *b,
	const char *shown,
	const struct step_source *source,
	struct profile_step *out,
	struct step_need *need
) {
	struct compilation c = {.b = b, .shown = shown, .source = source};

	*out = (struct profile_step) {.op = source->op, .field = source->field};
	arguments_check(&c);
	switch (source->op) {
	case STEP_RENAME:
		out->to = source->to;
		break;
	case STEP_CONVERT:
		if (!c.failed)
			convert_compile(&c, out);
		break;
	case STEP_SCALE:
		scale_compile(&c, out);
		break;
	case STEP_ADD:
		add_compile(&c, out);
		break;
	case STEP_MASK:
		out->keep = source->keep;
		break;
	case STEP_HASH:
		hash_compile(&c, out);
		break;
	case STEP_CAST:
		out->type = source->type;
		break;
	case STEP_FIRST_OF:
		first_of_compile(&c, out);
		break;
	default:
		break;
	}
	need_add(need, out);
}
