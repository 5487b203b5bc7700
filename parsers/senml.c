// SPDX-License-Identifier: Apache-2.0
#include "parsers/number.h"
#include "parsers/senml.h"

#include <math.h>

// Times below 2^28 seconds count from now (section 4.5.3).
#define ABSOLUTE_FROM_NS (INT64_C(1) << 28) * 1000000000

#define BIT(label) (1u << (label))
#define VALUE_LABELS (BIT(SENML_V) | BIT(SENML_VS) | BIT(SENML_VB) | BIT(SENML_VD))

void senml_begin(struct senml_pack *p, struct readings_filler *f) {
	*p = (struct senml_pack) {.f = f, .version = SENML_VERSION};
}

// The bytes and their number: labels have at most four.
static inline uint64_t label_word(const char *text, uint32_t len) {
	return bytes_word((const uint8_t *)text, len) | (uint64_t)len << 32;
}

enum senml_label senml_label_text(struct view text) {
	if (text.len == 0 || text.len > 4)
		return SENML_UNKNOWN;
	uint64_t word = label_word((const char *)text.p, text.len);
#define X(id, label, number)                                                                       \
	static_assert(sizeof(label) <= 5);                                                         \
	if (word == label_word(label, sizeof(label) - 1))                                          \
		return id;
	SENML_LABELS(X)
#undef X
	return SENML_UNKNOWN;
}

enum senml_label senml_label_number(int64_t number) {
	switch (number) {
#define X(id, text, number)                                                                        \
	case number:                                                                               \
		return id;
		SENML_LABELS(X)
#undef X
	default:
		return SENML_UNKNOWN;
	}
}

bool senml_must_understand(struct view text) {
	return text.len > 0 && text.p[text.len - 1] == '_';
}

static bool is_number(const struct value *v) {
	return v->kind == VALUE_I64 || v->kind == VALUE_U64 || v->kind == VALUE_F64;
}

static bool type_fits(enum senml_label label, const struct value *v) {
	switch (label) {
	case SENML_BN:
	case SENML_BU:
	case SENML_N:
	case SENML_U:
	case SENML_VS:
		return v->kind == VALUE_STRING;
	case SENML_VB:
		return v->kind == VALUE_BOOL;
	case SENML_VD:
		return v->kind == VALUE_BYTES;
	case SENML_BVER:
		return v->kind == VALUE_I64;
	default:
		return is_number(v);
	}
}

enum payload_rc senml_placed(struct senml_record *r, enum senml_label label) {
	if ((r->present & BIT(label)) != 0)
		return PAYLOAD_DUPLICATE_KEY;
	if (!type_fits(label, &r->values[label]))
		return PAYLOAD_BAD_TYPE;
	r->present |= BIT(label);
	return PAYLOAD_OK;
}

enum payload_rc senml_set(struct senml_record *r, enum senml_label label, const struct value *v) {
	if ((r->present & BIT(label)) == 0)
		r->values[label] = *v;
	return senml_placed(r, label);
}

// One version for the whole pack, stated by the first record or not at all (section 4.4).
static enum payload_rc take_version(struct senml_pack *p, const struct senml_record *r) {
	if ((r->present & BIT(SENML_BVER)) != 0) {
		int64_t version = r->values[SENML_BVER].i;
		if (version < 1 || version > SENML_VERSION)
			return PAYLOAD_BAD_VERSION;
		if (p->version_fixed && version != p->version)
			return PAYLOAD_BAD_VERSION;
		p->version = version;
	}
	p->version_fixed = true;
	return PAYLOAD_OK;
}

static enum payload_rc take_bases(struct senml_pack *p, const struct senml_record *r) {
	if ((r->present & BIT(SENML_BN)) != 0)
		p->base_name = r->values[SENML_BN].s;
	if ((r->present & BIT(SENML_BU)) != 0)
		p->base_unit = r->values[SENML_BU].s;
	if ((r->present & BIT(SENML_BV)) != 0) {
		p->base_value = r->values[SENML_BV];
		p->has_base_value = true;
	}
	if ((r->present & BIT(SENML_BS)) != 0) {
		p->base_sum = r->values[SENML_BS];
		p->has_base_sum = true;
	}
	if ((r->present & BIT(SENML_BT)) == 0)
		return PAYLOAD_OK;
	p->has_base_time = true;
	return time_from_value(&r->values[SENML_BT], TIME_S, &p->base_time_ns);
}

static bool name_char(uint8_t c) {
	static const bool may[256] = {
		['a' ... 'z'] = true,
		['A' ... 'Z'] = true,
		['0' ... '9'] = true,
		['-'] = true,
		[':'] = true,
		['.'] = true,
		['/'] = true,
		['_'] = true,
	};

	return may[c];
}

static bool separator(uint8_t c) {
	return c == ':' || c == '/';
}

// Section 4.5.1: the characters of a name, of which the first is a letter or a digit.
static bool name_valid(struct view base, struct view name) {
	uint8_t first = base.len > 0 ? base.p[0] : name.len > 0 ? name.p[0] : '_';

	if (!name_char(first) || separator(first) || first == '-' || first == '.' || first == '_')
		return false;
	for (uint32_t i = 0; i < base.len; i++)
		if (!name_char(base.p[i]))
			return false;
	for (uint32_t i = 0; i < name.len; i++)
		if (!name_char(name.p[i]))
			return false;
	return true;
}

// Split base name and name into device and field name.
static enum payload_rc
split_name(struct senml_pack *p, struct view name, struct view *device, struct view *field) {
	struct view base = p->base_name;
	uint32_t cut = base.len;

	while (cut > 0 && !separator(base.p[cut - 1]))
		cut--;
	if (cut == 0) {
		// No separator in the base name: it is the device as a whole.
		*device = base;
		*field = name;
		if (base.len > 0 && name.len > 1 && separator(name.p[0]))
			*field = view_of(name.p + 1, name.len - 1);
	} else if (cut == base.len) {
		*device = view_of(base.p, cut - 1);
		*field = name;
	} else if (name.len > 1 && separator(name.p[0])) {
		*device = base;
		*field = view_of(name.p + 1, name.len - 1);
	} else {
		struct view rest = view_of(base.p + cut, base.len - cut);
		*device = view_of(base.p, cut - 1);
		*field = rest;
		if (name.len > 0) {
			uint8_t *text = readings_text(p->f, rest.len + name.len);
			if (text == nullptr)
				return PAYLOAD_TOO_LARGE;
			memcpy(text, rest.p, rest.len);
			memcpy(text + rest.len, name.p, name.len);
			*field = view_of(text, rest.len + name.len);
		}
	}
	if (field->len == 0)
		*field = VIEW_LITERAL("value");
	return PAYLOAD_OK;
}

static enum payload_rc resolve_time(
	const struct senml_pack *p,
	const struct senml_record *r,
	bool *has_time,
	int64_t *ns
) {
	bool has_own = (r->present & BIT(SENML_T)) != 0;

	*has_time = p->has_base_time || has_own;
	*ns = p->base_time_ns;
	if (has_own) {
		int64_t own;
		enum payload_rc rc = time_from_value(&r->values[SENML_T], TIME_S, &own);
		if (rc != PAYLOAD_OK)
			return rc;
		if (__builtin_add_overflow(*ns, own, ns))
			return PAYLOAD_BAD_TIME;
	}
	if (*has_time && *ns < ABSOLUTE_FROM_NS
	    && __builtin_add_overflow(*ns, p->f->hints->now_ns, ns))
		return PAYLOAD_BAD_TIME;
	return PAYLOAD_OK;
}

static double as_f64(const struct value *v) {
	return v->kind == VALUE_F64 ? v->f : v->kind == VALUE_U64 ? (double)v->u : (double)v->i;
}

static enum payload_rc
add_base(const struct value *base, const struct value *own, struct value *sum) {
	int64_t i;

	if (base->kind == VALUE_I64 && own->kind == VALUE_I64
	    && !__builtin_add_overflow(base->i, own->i, &i)) {
		*sum = (struct value) {.kind = VALUE_I64, .i = i};
		return PAYLOAD_OK;
	}
	*sum = (struct value) {.kind = VALUE_F64, .f = as_f64(base) + as_f64(own)};
	return isfinite(sum->f) ? PAYLOAD_OK : PAYLOAD_NOT_FINITE;
}

// The open reading if it is of this device and time, else a new one.
static enum payload_rc
reading_for(struct senml_pack *p, struct view device, bool has_time, int64_t ns) {
	struct reading *open = p->f->open;

	if (open != nullptr && open->has_time == has_time && (!has_time || open->time_ns == ns)
	    && view_equal(open->device, device))
		return PAYLOAD_OK;
	enum payload_rc rc = open != nullptr ? readings_close(p->f) : PAYLOAD_OK;
	if (rc == PAYLOAD_OK)
		rc = readings_open(p->f);
	if (rc != PAYLOAD_OK)
		return rc;
	if (device.len > 0 && !device_id_valid(device))
		return PAYLOAD_BAD_DEVICE;
	p->f->open->device = device;
	p->f->open->has_time = has_time;
	p->f->open->time_ns = ns;
	return PAYLOAD_OK;
}

static enum payload_rc
add_value(struct senml_pack *p, const struct senml_record *r, struct view field, struct view unit) {
	uint32_t label = (uint32_t)__builtin_ctz(r->present & VALUE_LABELS);
	struct value v = r->values[label];

	if (label == SENML_V && p->has_base_value) {
		enum payload_rc rc = add_base(&p->base_value, &r->values[SENML_V], &v);
		if (rc != PAYLOAD_OK)
			return rc;
	}
	return readings_field(p->f, field, unit, &v);
}

static enum payload_rc
add_sum(struct senml_pack *p, const struct senml_record *r, struct view field, struct view unit) {
	struct value zero = {.kind = VALUE_I64, .i = 0};
	struct value v;

	enum payload_rc rc =
		add_base(p->has_base_sum ? &p->base_sum : &zero, &r->values[SENML_S], &v);
	struct view name = readings_join(p->f, field, VIEW_LITERAL("sum"), &rc);
	return rc == PAYLOAD_OK ? readings_field(p->f, name, unit, &v) : rc;
}

enum payload_rc senml_resolve(struct senml_pack *p, const struct senml_record *r) {
	struct view name =
		(r->present & BIT(SENML_N)) != 0 ? r->values[SENML_N].s : (struct view) {0};
	struct view device;
	struct view field;
	bool has_time;
	int64_t ns;

	enum payload_rc rc = take_version(p, r);
	if (rc == PAYLOAD_OK)
		rc = take_bases(p, r);
	if (rc != PAYLOAD_OK)
		return rc;
	uint32_t values = r->present & VALUE_LABELS;
	bool has_sum = (r->present & BIT(SENML_S)) != 0;
	if (values == 0 && !has_sum)
		// Nothing but bases may stand in a record of its own.
		return (r->present & (BIT(SENML_N) | BIT(SENML_T) | BIT(SENML_U))) == 0
			? PAYLOAD_OK
			: PAYLOAD_BAD_SYNTAX;
	if ((values & (values - 1)) != 0)
		return PAYLOAD_BAD_SYNTAX; // two values in one record
	if (!name_valid(p->base_name, name))
		return PAYLOAD_BAD_DEVICE;
	rc = split_name(p, name, &device, &field);
	if (rc == PAYLOAD_OK)
		rc = resolve_time(p, r, &has_time, &ns);
	if (rc == PAYLOAD_OK)
		rc = reading_for(p, device, has_time, ns);
	if (rc != PAYLOAD_OK)
		return rc;
	struct view unit = (r->present & BIT(SENML_U)) != 0 ? r->values[SENML_U].s : p->base_unit;
	if (values != 0)
		rc = add_value(p, r, field, unit);
	if (rc == PAYLOAD_OK && has_sum)
		rc = add_sum(p, r, field, unit);
	return rc;
}

enum payload_rc senml_end(struct senml_pack *p) {
	return p->f->open != nullptr ? readings_close(p->f) : PAYLOAD_NO_FIELDS;
}
