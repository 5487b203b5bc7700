// SPDX-License-Identifier: Apache-2.0
// JSON text as values of parsers/payload.h, over yyjson and a fixed pool; private to parsers/.
#pragma once

#include "parsers/decoder.h"
#include "parsers/readings.h"

struct yyjson_doc;
struct yyjson_val;

struct json_source {
	struct payload_decoder *d;
	struct view payload;
	struct readings_filler *f;
	bool escaped; // there is a backslash in the payload
};

static inline struct json_source
json_source(struct payload_decoder *d, struct view payload, struct readings_filler *f) {
	return (struct json_source) {
		.d = d,
		.payload = payload,
		.f = f,
		.escaped = memchr(payload.p, '\\', payload.len) != nullptr,
	};
}

// Parse a copy of `payload` with yyjson into the decoder's pool; the document lives until the next
// call. Strings point into d->copy at the offset they have in the payload.
enum payload_rc json_read(struct payload_decoder *d, struct view payload, struct yyjson_doc **doc);

// A string of the document: in the payload where it has no escapes, else in the text buffer. *rc
// is only written on failure (PAYLOAD_TOO_LARGE). Views are returned by value throughout: in
// registers, since a view read back from memory right after it was written stalls.
struct view
json_string_view(const struct json_source *s, struct yyjson_val *val, enum payload_rc *rc);

// PAYLOAD_BAD_TYPE for objects and arrays, PAYLOAD_BAD_NUMBER and PAYLOAD_NOT_FINITE for numbers
// that 64 bits do not hold.
enum payload_rc json_scalar(const struct json_source *s, struct yyjson_val *val, struct value *v);
