// SPDX-License-Identifier: Apache-2.0
#include "parsers/number.h"
#include "parsers/readings.h"

// Up to here a suspected name is compared with all before it; beyond, sorting is cheaper, and its
// worst case is not quadratic.
#define COMPARE_ALL_MAX 16

void readings_begin(
	struct readings_filler *f,
	struct readings *out,
	const struct payload_hints *hints
) {
	*f = (struct readings_filler) {
		.out = out,
		.hints = hints,
		.hint_lens = 1ull << (hints->device_key.len & 63)
			| 1ull << (hints->time_key.len & 63) | 1ull << (hints->seq_key.len & 63),
	};
}

enum payload_rc readings_open(struct readings_filler *f) {
	struct readings *out = f->out;

	if (out->reading_count == READINGS_MAX)
		return PAYLOAD_TOO_MANY;
	f->open = &out->readings[out->reading_count++];
	f->open->device = (struct view) {0};
	f->open->has_time = false;
	f->open->has_seq = false;
	f->open->first_field = out->field_count;
	f->open->field_count = 0;
	f->classes = 0;
	f->suspect = false;
	return PAYLOAD_OK;
}

uint8_t *readings_text(struct readings_filler *f, uint32_t n) {
	struct readings *out = f->out;

	if (n > PAYLOAD_TEXT_MAX - out->text_used)
		return nullptr;
	uint8_t *p = out->text + out->text_used;
	out->text_used += n;
	return p;
}

struct view
readings_join(struct readings_filler *f, struct view path, struct view name, enum payload_rc *rc) {
	uint32_t before = path.p != nullptr ? path.len + 1 : 0;
	uint8_t *text = readings_text(f, before + name.len);

	if (text == nullptr) {
		*rc = PAYLOAD_TOO_LARGE;
		return (struct view) {0};
	}
	if (before > 0) {
		memcpy(text, path.p, path.len);
		text[path.len] = '.';
	}
	if (name.len > 0)
		memcpy(text + before, name.p, name.len);
	return view_of(text, before + name.len);
}

struct view readings_join_i64(
	struct readings_filler *f,
	struct view path,
	int64_t number,
	enum payload_rc *rc
) {
	uint8_t digits[20];
	uint32_t first = sizeof(digits);
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do {
		digits[--first] = (uint8_t)('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	if (number < 0)
		digits[--first] = '-';
	return readings_join(f, path, view_of(digits + first, sizeof(digits) - first), rc);
}

// A number can be a device's name: meters have serial numbers.
static enum payload_rc device_from_u64(struct readings_filler *f, uint64_t v) {
	uint8_t digits[20];
	uint32_t n = 0;

	do {
		digits[n++] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	uint8_t *text = readings_text(f, n);
	if (text == nullptr)
		return PAYLOAD_TOO_LARGE;
	for (uint32_t i = 0; i < n; i++)
		text[i] = digits[n - 1 - i];
	f->open->device = view_of(text, n);
	return PAYLOAD_OK;
}

static enum payload_rc take_device(struct readings_filler *f, const struct value *v) {
	if (f->open->device.len > 0)
		return PAYLOAD_DUPLICATE_KEY;
	if (v->kind == VALUE_I64 && v->i >= 0)
		return device_from_u64(f, (uint64_t)v->i);
	if (v->kind == VALUE_U64)
		return device_from_u64(f, v->u);
	if (v->kind != VALUE_STRING || !device_id_valid(v->s))
		return PAYLOAD_BAD_DEVICE;
	f->open->device = v->s;
	return PAYLOAD_OK;
}

static enum payload_rc take_time(struct readings_filler *f, const struct value *v) {
	if (f->open->has_time)
		return PAYLOAD_DUPLICATE_KEY;
	f->open->has_time = true;
	return time_from_value(v, f->hints->time_unit, &f->open->time_ns);
}

static enum payload_rc take_seq(struct readings_filler *f, const struct value *v) {
	if (f->open->has_seq)
		return PAYLOAD_DUPLICATE_KEY;
	f->open->has_seq = true;
	if (v->kind == VALUE_I64 && v->i >= 0)
		f->open->seq = (uint64_t)v->i;
	else if (v->kind == VALUE_U64)
		f->open->seq = v->u;
	else
		return PAYLOAD_BAD_TYPE;
	return PAYLOAD_OK;
}

static bool named(struct view name, struct view key) {
	return key.len > 0 && view_equal(name, key);
}

static bool seen(const struct readings_filler *f, struct view name) {
	const struct field *fields = f->out->fields + f->open->first_field;

	for (uint32_t i = 0; i < f->open->field_count; i++)
		if (view_equal(fields[i].name, name))
			return true;
	return false;
}

enum payload_rc readings_field(
	struct readings_filler *f,
	struct view name,
	struct view unit,
	const struct value *v
) {
	struct readings *out = f->out;

	if ((f->hint_lens >> (name.len & 63) & 1) != 0) {
		if (named(name, f->hints->device_key))
			return take_device(f, v);
		if (named(name, f->hints->time_key))
			return take_time(f, v);
		if (named(name, f->hints->seq_key))
			return take_seq(f, v);
	}
	if (out->field_count == FIELDS_MAX)
		return PAYLOAD_TOO_MANY;

	uint64_t class = readings_class(name);
	if ((f->classes & class) != 0) {
		if (f->open->field_count > COMPARE_ALL_MAX)
			f->suspect = true;
		else if (seen(f, name))
			return PAYLOAD_DUPLICATE_KEY;
	}
	f->classes |= class;
	struct field *to = &out->fields[out->field_count++];
	to->name = name;
	to->unit = unit;
	if (v != &to->v)
		to->v = *v;
	f->open->field_count++;
	return PAYLOAD_OK;
}

static int name_order(struct view a, struct view b) {
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len == 0 ? 0 : memcmp(a.p, b.p, a.len);
}

// Heap sort: no recursion, no allocation, n log n on every input.
static void sift(const struct field *fields, uint16_t *order, uint32_t root, uint32_t n) {
	for (uint32_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
		if (child + 1 < n
		    && name_order(fields[order[child]].name, fields[order[child + 1]].name) < 0)
			child++;
		if (name_order(fields[order[root]].name, fields[order[child]].name) >= 0)
			return;
		uint16_t t = order[root];
		order[root] = order[child];
		order[child] = t;
		root = child;
	}
}

// Out of line: its array is no matter for small readings.
[[gnu::noinline]] static bool has_duplicate(const struct field *fields, uint32_t n) {
	uint16_t order[FIELDS_MAX];

	for (uint32_t i = 0; i < n; i++)
		order[i] = (uint16_t)i;
	for (uint32_t i = n / 2; i-- > 0;)
		sift(fields, order, i, n);
	for (uint32_t end = n; end-- > 1;) {
		uint16_t t = order[0];
		order[0] = order[end];
		order[end] = t;
		sift(fields, order, 0, end);
	}
	for (uint32_t i = 1; i < n; i++)
		if (view_equal(fields[order[i - 1]].name, fields[order[i]].name))
			return true;
	return false;
}

enum payload_rc readings_close(struct readings_filler *f) {
	const struct reading *r = f->open;

	if (r->field_count == 0)
		return PAYLOAD_NO_FIELDS;
	if (f->suspect && has_duplicate(f->out->fields + r->first_field, r->field_count))
		return PAYLOAD_DUPLICATE_KEY;
	return PAYLOAD_OK;
}
