// SPDX-License-Identifier: Apache-2.0
// The one-pass readers of plain payloads against the readers of everything: for the unit tests and
// the fuzz targets.
#pragma once

#include "parsers/cbor_plain.h"
#include "parsers/json_plain.h"
#include "parsers/payload.h"

#include <stdlib.h>
#include <string.h>

enum json_agreement {
	JSON_LEFT, // not plain: nothing was said
	JSON_SAME,
	JSON_DIFFERENT,
};

static inline bool json_same_value(const struct value *a, const struct value *b) {
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case VALUE_NULL:
		return true;
	case VALUE_BOOL:
		return a->b == b->b;
	case VALUE_STRING:
	case VALUE_BYTES:
		return a->s.len == b->s.len
			&& (a->s.len == 0 || memcmp(a->s.p, b->s.p, a->s.len) == 0);
	default: // the very bits: -0.0 is not 0.0
		return memcmp(&a->u, &b->u, sizeof(a->u)) == 0;
	}
}

static inline bool json_same_reading(const struct reading *a, const struct reading *b) {
	return view_equal(a->device, b->device) && a->has_time == b->has_time
		&& a->has_seq == b->has_seq && (!a->has_time || a->time_ns == b->time_ns)
		&& (!a->has_seq || a->seq == b->seq) && a->first_field == b->first_field
		&& a->field_count == b->field_count;
}

static inline bool json_same(const struct readings *a, const struct readings *b) {
	if (a->reading_count != b->reading_count || a->field_count != b->field_count)
		return false;
	for (uint32_t i = 0; i < a->reading_count; i++)
		if (!json_same_reading(&a->readings[i], &b->readings[i]))
			return false;
	for (uint32_t i = 0; i < a->field_count; i++)
		if (!view_equal(a->fields[i].name, b->fields[i].name)
		    || !view_equal(a->fields[i].unit, b->fields[i].unit)
		    || !json_same_value(&a->fields[i].v, &b->fields[i].v))
			return false;
	return true;
}

static inline enum json_agreement
json_agreement(struct payload_decoder *d, struct view payload, const struct payload_hints *hints) {
	static struct readings plain, whole;
	struct readings_filler f;

	readings_reset(&plain);
	readings_reset(&whole);
	readings_begin(&f, &plain, hints);
	if (payload.len == 0 || !json_plain(payload, &f))
		return JSON_LEFT;
	readings_begin(&f, &whole, hints);
	return json_document_decode(d, payload, &f) == PAYLOAD_OK && json_same(&plain, &whole)
		? JSON_SAME
		: JSON_DIFFERENT;
}

static inline enum json_agreement
senml_agreement(struct payload_decoder *d, struct view payload, const struct payload_hints *hints) {
	static struct readings plain, whole;
	struct readings_filler f;

	readings_reset(&plain);
	readings_reset(&whole);
	readings_begin(&f, &plain, hints);
	if (payload.len == 0 || !senml_json_plain(payload, &f))
		return JSON_LEFT;
	readings_begin(&f, &whole, hints);
	return senml_json_document_decode(d, payload, &f) == PAYLOAD_OK && json_same(&plain, &whole)
		? JSON_SAME
		: JSON_DIFFERENT;
}

static inline enum json_agreement
cbor_agreement(struct view payload, const struct payload_hints *hints) {
	static struct readings plain, whole;
	struct readings_filler f;

	readings_reset(&plain);
	readings_reset(&whole);
	readings_begin(&f, &plain, hints);
	if (payload.len == 0 || !cbor_plain(payload, &f))
		return JSON_LEFT;
	readings_begin(&f, &whole, hints);
	return cbor_document_decode(payload, &f) == PAYLOAD_OK && json_same(&plain, &whole)
		? JSON_SAME
		: JSON_DIFFERENT;
}

// With and without vectors: the same readings, or the same complaint.
static inline bool line_agreement(struct view payload, const struct payload_hints *hints) {
	static struct readings one, other;
	struct readings_filler f;

	readings_reset(&one);
	readings_reset(&other);
	readings_begin(&f, &one, hints);
	enum payload_rc rc = line_decode(payload, &f);
	readings_begin(&f, &other, hints);
	return line_bytewise_decode(payload, &f) == rc && json_same(&one, &other);
}
