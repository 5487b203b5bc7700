// SPDX-License-Identifier: Apache-2.0
// The one-pass reader of plain JSON against yyjson: for the unit test and the fuzz target.
#pragma once

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
