// SPDX-License-Identifier: Apache-2.0
#include "config/profile.h"
#include "parsers/labels.h"
#include "parsers/number.h"
#include "parsers/utf8.h"
#include "pipelines/decode.h"
#include "pipelines/json_writer.h"
#include "pipelines/map.h"
#include "pipelines/siphash128.h"

#include <assert.h>
#include <string.h>

#define INTEGER_TEXT_MAX 20
#define MASKED VIEW_LITERAL("****") // what has no characters

static_assert(STEP_TEXT_MAX >= JSON_F64_MAX_BYTES);
static_assert(STEP_TEXT_MAX >= 2 * sizeof(struct siphash128));

// One record being rewritten: its fields are the last ones of the burst.
struct mapping {
	struct readings *readings;
	struct field *fields;
	uint32_t count;
	const struct item *item;
	const struct record *record;
	struct device_facts facts; // if a step asks for them
};

#define NOT_THERE UINT32_MAX

static uint32_t find(const struct mapping *m, struct view name) {
	for (uint32_t i = 0; i < m->count; i++)
		if (view_equal(m->fields[i].name, name))
			return i;
	return NOT_THERE;
}

static void take_out(struct mapping *m, uint32_t i) {
	memmove(&m->fields[i], &m->fields[i + 1], (m->count - i - 1) * sizeof(*m->fields));
	m->count--;
}

// Room for it was reserved.
static uint8_t *text_take(struct mapping *m, uint32_t n) {
	uint8_t *p = m->readings->text + m->readings->text_used;

	assert(n <= PAYLOAD_TEXT_MAX - m->readings->text_used);
	m->readings->text_used += n;
	return p;
}

// --- numbers

static bool as_double(const struct value *v, double *out) {
	switch (v->kind) {
	case VALUE_I64:
		*out = (double)v->i;
		return true;
	case VALUE_U64:
		*out = (double)v->u;
		return true;
	case VALUE_F64:
		*out = v->f;
		return true;
	default:
		return false;
	}
}

// What no double can hold is null: validate says so.
static struct value value_f64(double v) {
	if (!__builtin_isfinite(v))
		return (struct value) {.kind = VALUE_NULL};
	return (struct value) {.kind = VALUE_F64, .f = v};
}

static void convert(struct field *f, const struct profile_step *s) {
	const struct unit *from = s->convert.from;
	double v;

	if (f->unit.len > 0)
		from = unit_find_in(s->convert.units, f->unit);
	if (from == nullptr || !as_double(&f->v, &v))
		return;
	if (from != s->convert.to)
		f->v = value_f64(unit_convert(v, from, s->convert.to));
	f->unit = s->convert.to->name;
}

static void scale(struct field *f, const struct profile_step *s) {
	double v;

	if (!as_double(&f->v, &v))
		return;
	v = s->scale.divide ? v / s->scale.factor : v * s->scale.factor;
	f->v = value_f64(v + s->scale.offset);
}

// --- text

// The value as text, where it has one: numbers as JSON writes them. Bytes and null have none.
static bool as_text(struct mapping *m, const struct value *v, struct view *out) {
	if (v->kind == VALUE_STRING) {
		*out = v->s;
		return true;
	}
	if (v->kind == VALUE_BYTES || v->kind == VALUE_NULL)
		return false;
	uint8_t *p = m->readings->text + m->readings->text_used;
	uint32_t n = (uint32_t)(json_value(p, v) - p);
	*out = view_of(text_take(m, n), n);
	return true;
}

static uint32_t characters(struct view s) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < s.len; i++)
		n += (s.p[i] & 0xc0) != 0x80;
	return n;
}

// Where the last `keep` characters begin.
static uint32_t tail_begin(struct view s, uint32_t keep) {
	uint32_t i = s.len;

	while (i > 0 && keep > 0)
		keep -= (s.p[--i] & 0xc0) != 0x80;
	return i;
}

// A value no longer than what may stay is hidden altogether.
static struct view masked(struct mapping *m, struct view s, uint32_t keep) {
	uint32_t n = characters(s);

	if (n <= keep)
		keep = 0;
	uint32_t from = tail_begin(s, keep), stars = n - keep;
	uint8_t *p = text_take(m, stars + s.len - from);
	memset(p, '*', stars);
	if (from < s.len)
		memcpy(p + stars, s.p + from, s.len - from);
	return view_of(p, stars + s.len - from);
}

static void mask(struct mapping *m, struct field *f, uint32_t keep) {
	struct view text = MASKED;

	if (f->v.kind == VALUE_NULL)
		return;
	if (f->v.kind == VALUE_STRING)
		text = masked(m, f->v.s, keep);
	else if (f->v.kind == VALUE_I64 || f->v.kind == VALUE_U64)
		if (as_text(m, &f->v, &text))
			text = masked(m, text, keep);
	f->v = (struct value) {.kind = VALUE_STRING, .s = text};
}

static uint8_t *hex64(uint8_t *p, uint64_t v) {
	for (uint32_t i = 0; i < 8; i++, v >>= 8) {
		*p++ = (uint8_t)"0123456789abcdef"[v >> 4 & 15];
		*p++ = (uint8_t)"0123456789abcdef"[v & 15];
	}
	return p;
}

// 17 and "17" have one pseudonym: firmware changes its mind about quotes.
static void hash(struct mapping *m, struct field *f, const uint64_t key[2]) {
	uint32_t before = m->readings->text_used;
	struct view text;

	if (f->v.kind == VALUE_NULL)
		return;
	if (f->v.kind == VALUE_BYTES)
		text = f->v.s;
	else if (!as_text(m, &f->v, &text))
		return;
	struct siphash128 h = siphash128(key, text);
	m->readings->text_used = before; // the text was needed for the hash only
	uint8_t *p = text_take(m, 2 * sizeof(h));
	hex64(hex64(p, h.lo), h.hi);
	f->v = (struct value) {.kind = VALUE_STRING, .s = view_of(p, 2 * sizeof(h))};
}

// --- cast

static const struct value null_value = {.kind = VALUE_NULL};

static struct value text_to_number(struct view text) {
	struct value v = {.kind = VALUE_I64};

	if (number_i64(text, &v.i) == PAYLOAD_OK)
		return v;
	v.kind = VALUE_U64;
	if (number_u64(text, &v.u) == PAYLOAD_OK)
		return v;
	v.kind = VALUE_F64;
	return number_f64(text, &v.f) == PAYLOAD_OK ? v : null_value;
}

static struct value to_number(const struct value *v) {
	if (v->kind == VALUE_BOOL)
		return (struct value) {.kind = VALUE_I64, .i = v->b};
	if (v->kind == VALUE_STRING)
		return text_to_number(v->s);
	return v->kind == VALUE_BYTES ? null_value : *v;
}

// To the nearest, halves to even.
static struct value to_integer(const struct value *v) {
	struct value n = to_number(v);

	if (n.kind != VALUE_F64)
		return n;
	double whole = __builtin_nearbyint(n.f);
	if (whole >= -0x1p63 && whole < 0x1p63)
		return (struct value) {.kind = VALUE_I64, .i = (int64_t)whole};
	if (whole >= 0x1p63 && whole < 0x1p64)
		return (struct value) {.kind = VALUE_U64, .u = (uint64_t)whole};
	return null_value;
}

static struct value text_to_boolean(struct view text) {
	static const char *const words[] = {"false", "true", "0", "1", "off", "on", "no", "yes"};

	for (uint32_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (view_equal(text, view_of(words[i], (uint32_t)strlen(words[i]))))
			return (struct value) {.kind = VALUE_BOOL, .b = i % 2 == 1};
	return null_value;
}

static struct value to_boolean(const struct value *v) {
	double n;

	if (v->kind == VALUE_BOOL)
		return *v;
	if (v->kind == VALUE_STRING)
		return text_to_boolean(v->s);
	if (as_double(v, &n))
		return (struct value) {.kind = VALUE_BOOL, .b = n != 0};
	return null_value;
}

static struct value to_text(struct mapping *m, const struct value *v) {
	struct value out = {.kind = VALUE_STRING};

	if (v->kind == VALUE_BYTES && utf8_valid(v->s)) {
		out.s = v->s;
		return out;
	}
	return as_text(m, v, &out.s) ? out : null_value;
}

static struct value cast(struct mapping *m, const struct value *v, enum cast_to type) {
	switch (type) {
	case CAST_NUMBER:
		return to_number(v);
	case CAST_INTEGER:
		return to_integer(v);
	case CAST_BOOLEAN:
		return to_boolean(v);
	case CAST_TEXT:
		return to_text(m, v);
	case CAST_BYTES:
		if (v->kind == VALUE_STRING || v->kind == VALUE_BYTES)
			return (struct value) {.kind = VALUE_BYTES, .s = v->s};
		return null_value;
	}
	return null_value;
}

// --- names

static void rename_field(struct mapping *m, struct view from, struct view to) {
	uint32_t i = find(m, from);
	uint32_t there = find(m, to);

	if (i == NOT_THERE || i == there)
		return;
	m->fields[i].name = to;
	if (there != NOT_THERE)
		take_out(m, there);
}

static struct field *field_make(struct mapping *m, struct view name) {
	uint32_t i = find(m, name);

	if (i == NOT_THERE) {
		assert(m->fields + m->count < m->readings->fields + FIELDS_MAX);
		i = m->count++;
		m->fields[i].name = name;
	}
	m->fields[i].unit = (struct view) {0};
	return &m->fields[i];
}

// The registry's views outlive the record: they live until pipeline_run() returns.
static struct value label_of(const struct mapping *m, struct view name) {
	struct value v = {.kind = VALUE_STRING};

	return labels_find(m->facts.labels, name, &v.s) && v.s.len > 0 ? v : null_value;
}

static struct value attribute(const struct mapping *m, const struct profile_step *s) {
	const struct message *msg = &m->item->m;
	struct value v = {.kind = VALUE_STRING};
	const char *label = nullptr;

	if (s->add.label.len > 0)
		return label_of(m, s->add.label);
	switch (s->add.attribute) {
	case ATTRIBUTE_DEVICE:
		v.s = m->record->device;
		break;
	case ATTRIBUTE_PROFILE:
		label = msg->profile->name;
		break;
	case ATTRIBUTE_TRANSPORT:
		label = transport_label(msg->transport);
		break;
	case ATTRIBUTE_REALM:
		return (struct value) {.kind = VALUE_I64, .i = msg->realm};
	case ATTRIBUTE_PATH:
		v.s = msg->path;
		break;
	case ATTRIBUTE_SEGMENT:
		v.s = path_segment(msg->path, s->add.segment);
		break;
	case ATTRIBUTE_REGISTRY_PROFILE:
		v.s = m->facts.profile;
		break;
	default:
		return s->add.value;
	}
	if (label != nullptr)
		v.s = view_of(label, (uint32_t)strlen(label));
	return v.s.len > 0 ? v : null_value;
}

// What the message does not have adds nothing.
static void add(struct mapping *m, const struct profile_step *s) {
	struct value v = attribute(m, s);

	if (v.kind == VALUE_NULL)
		return;
	struct field *f = field_make(m, s->field);
	f->v = v;
	f->unit = s->add.unit;
}

static bool begins_with(struct view s, struct view start) {
	return s.len >= start.len && memcmp(s.p, start.p, start.len) == 0;
}

static void drop(struct mapping *m, struct view name) {
	bool below = name.len > 2 && name.p[name.len - 1] == '*' && name.p[name.len - 2] == '.';
	struct view start = view_of(name.p, name.len - 1);
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->count; i++) {
		struct view n = m->fields[i].name;
		if (below ? begins_with(n, start) : view_equal(n, name))
			continue;
		if (kept != i)
			m->fields[kept] = m->fields[i];
		kept++;
	}
	m->count = kept;
}

static void first_of(struct mapping *m, const struct profile_step *s) {
	uint32_t best = NOT_THERE;

	for (uint32_t k = 0; k < s->first_of.count; k++) {
		uint32_t i = find(m, s->first_of.names[k]);
		if (i == NOT_THERE)
			continue;
		bool null = m->fields[i].v.kind == VALUE_NULL;
		if (best == NOT_THERE || !null)
			best = i;
		if (!null)
			break;
	}
	if (best == NOT_THERE)
		return;
	struct field taken = m->fields[best];
	for (uint32_t k = 0; k < s->first_of.count; k++) {
		uint32_t i = find(m, s->first_of.names[k]);
		if (i != NOT_THERE)
			take_out(m, i);
	}
	struct field *f = field_make(m, s->field);
	f->unit = taken.unit;
	f->v = taken.v;
}

// --- programs

static void on_field(struct mapping *m, const struct profile_step *s) {
	uint32_t i = find(m, s->field);

	if (i == NOT_THERE)
		return;
	struct field *f = &m->fields[i];
	switch (s->op) {
	case STEP_CONVERT:
		convert(f, s);
		break;
	case STEP_SCALE:
		scale(f, s);
		break;
	case STEP_MASK:
		mask(m, f, s->keep);
		break;
	case STEP_HASH:
		hash(m, f, s->key);
		break;
	case STEP_CAST:
		f->v = cast(m, &f->v, s->type);
		break;
	default:
		break;
	}
}

static void step(struct mapping *m, const struct profile_step *s) {
	switch (s->op) {
	case STEP_RENAME:
		rename_field(m, s->field, s->to);
		break;
	case STEP_ADD:
		add(m, s);
		break;
	case STEP_DROP:
		drop(m, s->field);
		break;
	case STEP_FIRST_OF:
		first_of(m, s);
		break;
	default:
		on_field(m, s);
	}
}

static void record_map(
	struct burst *b,
	const struct item *it,
	struct record *rec,
	const struct device_facts *facts
) {
	const struct profile *p = it->m.profile;
	struct readings *r = &b->readings;
	struct mapping m = {
		.readings = r,
		.fields = &r->fields[r->field_count],
		.count = rec->field_count,
		.item = it,
		.record = rec,
		.facts = *facts,
	};

	assert(r->field_count + m.count <= FIELDS_MAX);
	memcpy(m.fields, &r->fields[rec->first_field], m.count * sizeof(*m.fields));
	for (uint32_t i = 0; i < p->step_count; i++)
		step(&m, &p->steps[i]);
	rec->first_field = r->field_count;
	rec->field_count = (uint16_t)m.count;
	r->field_count += (uint16_t)m.count;
}

static void item_map(struct burst *b, const struct item *it, const struct authority *a, bool asks) {
	struct device_facts facts = {0};
	struct view known = {0};

	for (uint16_t k = 0; k < it->record_count; k++) {
		struct record *rec = &b->records[it->first_record + k];
		// Records of one device mostly stand together: one question for all of them.
		if (asks && !view_equal(rec->device, known)) {
			known = rec->device;
			facts = a->facts_of(a->owner, known);
		}
		record_map(b, it, rec, &facts);
	}
}

void map_burst(struct burst *b, uint16_t from, uint16_t to, const struct authority *a) {
	bool registry = a != nullptr && a->facts_of != nullptr;

	for (uint16_t i = from; i < to; i++) {
		const struct item *it = &b->items[i];
		if (it->state != ITEM_GOING || it->m.profile->step_count == 0)
			continue;
		item_map(b, it, a, registry && it->m.profile->need.registry);
	}
}

// The longest text that a step could meet in the record.
static uint32_t longest(const struct burst *b, const struct item *it, const struct record *rec) {
	const struct field *fields = &b->readings.fields[rec->first_field];
	uint32_t most = it->m.profile->need.longest;

	if (most < INTEGER_TEXT_MAX)
		most = INTEGER_TEXT_MAX;
	if (most < it->m.path.len)
		most = it->m.path.len;
	if (most < rec->device.len)
		most = rec->device.len;
	if (most < PROFILE_NAME_MAX)
		most = PROFILE_NAME_MAX;
	for (uint32_t i = 0; i < rec->field_count; i++) {
		const struct value *v = &fields[i].v;
		if ((v->kind == VALUE_STRING || v->kind == VALUE_BYTES) && v->s.len > most)
			most = v->s.len;
	}
	return most;
}

struct map_room map_room(const struct burst *b, const struct item *it) {
	const struct step_need *need = &it->m.profile->need;
	struct map_room room = {0};

	if (it->m.profile->step_count == 0)
		return room;
	for (uint16_t k = 0; k < it->record_count; k++) {
		const struct record *rec = &b->records[it->first_record + k];
		room.fields += rec->field_count + need->fields;
		room.text += need->text;
		// An integer is written out before it is masked.
		if (need->masks > 0)
			room.text += need->masks * (INTEGER_TEXT_MAX + longest(b, it, rec));
	}
	return room;
}
