// SPDX-License-Identifier: Apache-2.0
// How the decoders fill struct readings: one reading open at a time, field by field.
//
// readings_field() takes out what the hints name, refuses a name that comes twice, and keeps every
// limit of parsers/payload.h. Pure; the decoder's thread.
#pragma once

#include "parsers/payload.h"

struct readings_filler {
	struct readings *out;
	const struct payload_hints *hints;
	struct reading *open;
	// One bit per class of names seen in the open reading. Only a second name of a class can be
	// a duplicate, so most fields are compared with nothing.
	uint64_t classes;
	uint64_t hint_lens; // bit per length of a name in `hints`, modulo 64
	bool suspect; // many fields, and two in one class: compare all when the reading closes
};

void readings_begin(
	struct readings_filler *f,
	struct readings *out,
	const struct payload_hints *hints
);
enum payload_rc readings_open(struct readings_filler *f);
// Where the value of the next field will lie: a decoder that writes it there and then gives it to
// readings_field() saves a copy, which would have to wait for the bytes just written.
static inline struct value *readings_slot(struct readings_filler *f) {
	return &f->out->fields[f->out->field_count].v;
}

enum payload_rc readings_field(
	struct readings_filler *f,
	struct view name,
	struct view unit,
	const struct value *v
);

// Any function of the name will do; a peer that makes all names collide meets the sort.
static inline uint64_t readings_class(struct view name) {
	if (name.len == 0)
		return 1;
	uint32_t h = name.p[0] * 3u + name.p[name.len - 1] * 11u + name.p[name.len / 2] * 5u
		+ name.len * 17u;
	return UINT64_C(1) << (h & 63);
}

// The same as readings_field() of a value in readings_slot() without a unit, and inline for most
// names.
static inline enum payload_rc readings_field_here(struct readings_filler *f, struct view name) {
	struct readings *out = f->out;
	struct field *to = &out->fields[out->field_count];
	uint64_t class = readings_class(name);

	if ((f->hint_lens >> (name.len & 63) & 1) != 0 || (f->classes & class) != 0
	    || out->field_count == FIELDS_MAX)
		return readings_field(f, name, (struct view) {0}, &to->v);
	f->classes |= class;
	out->field_count++;
	f->open->field_count++;
	to->name = name;
	to->unit = (struct view) {0};
	return PAYLOAD_OK;
}

// PAYLOAD_NO_FIELDS if nothing but device, time and sequence was in it.
enum payload_rc readings_close(struct readings_filler *f);

// `n` bytes of the text buffer, nullptr if they are not there (PAYLOAD_TOO_LARGE).
uint8_t *readings_text(struct readings_filler *f, uint32_t n);

// The name of a part of a container: `path`, '.', `name` (or a number: the index of an array
// element, a CBOR key). With path.p == nullptr it is the name alone. *rc is only written on failure
// (PAYLOAD_TOO_LARGE).
struct view
readings_join(struct readings_filler *f, struct view path, struct view name, enum payload_rc *rc);
struct view
readings_join_i64(struct readings_filler *f, struct view path, int64_t number, enum payload_rc *rc);

// Try a reader of plain payloads; what it did not take is as if it had not been tried.
static inline bool readings_plain(
	bool (*plain)(struct view payload, struct readings_filler *f),
	struct view payload,
	struct readings_filler *f
) {
	struct readings_filler before = *f;
	struct readings_mark mark = readings_marked(f->out);

	if (plain(payload, f))
		return true;
	*f = before;
	readings_back(f->out, mark);
	return false;
}

// The decoders, one per format. Contract: payload_decode().
struct payload_decoder;
enum payload_rc
json_decode(struct payload_decoder *d, struct view payload, struct readings_filler *f);
// The same by yyjson alone: what json_decode() falls back to, and the oracle of what it does not.
enum payload_rc
json_document_decode(struct payload_decoder *d, struct view payload, struct readings_filler *f);
// The same of SenML and of CBOR, by the readers of everything, and of lines, byte by byte.
enum payload_rc line_bytewise_decode(struct view payload, struct readings_filler *f);
enum payload_rc senml_json_document_decode(
	struct payload_decoder *d,
	struct view payload,
	struct readings_filler *f
);
enum payload_rc cbor_document_decode(struct view payload, struct readings_filler *f);
enum payload_rc
senml_json_decode(struct payload_decoder *d, struct view payload, struct readings_filler *f);
enum payload_rc senml_cbor_decode(struct view payload, struct readings_filler *f);
enum payload_rc cbor_decode(struct view payload, struct readings_filler *f);
enum payload_rc line_decode(struct view payload, struct readings_filler *f);
enum payload_rc raw_decode(struct view payload, struct readings_filler *f);
