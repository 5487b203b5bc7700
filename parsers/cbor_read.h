// SPDX-License-Identifier: Apache-2.0
// CBOR (RFC 8949) items as values of parsers/payload.h; private to parsers/. Our own reader of
// item heads over the bounded reader: through a general iterator a 90-byte map cost 1,260 cycles,
// four times the budget of the whole record (bench/parse_payload).
// Definite-length strings stay views of the payload, chunked ones are put together in the text
// buffer.
#pragma once

#include "parsers/readings.h"

enum cbor_major : uint8_t {
	CBOR_UNSIGNED,
	CBOR_NEGATIVE,
	CBOR_BYTES,
	CBOR_TEXT,
	CBOR_ARRAY,
	CBOR_MAP,
	CBOR_TAG,
	CBOR_SIMPLE, // and floating point
};

struct cbor_source {
	struct rd r;
	struct readings_filler *f;
};

// The first bytes of an item (section 3).
struct cbor_head {
	uint64_t argument;
	enum cbor_major major;
	uint8_t info; // 31: indefinite length, or "break"
};

// What is left of an array or map.
struct cbor_scope {
	uint64_t left; // items of an array, pairs of a map
	bool indefinite;
};

// Tags before the item are passed over; the last one is in *tag, or CBOR_NO_TAG.
#define CBOR_NO_TAG UINT64_MAX
#define CBOR_TAG_DECIMAL_FRACTION 4 // an array that is a number
enum payload_rc cbor_head(struct cbor_source *s, struct cbor_head *h, uint64_t *tag);

static inline bool cbor_is_container(const struct cbor_head *h) {
	return h->major == CBOR_ARRAY || h->major == CBOR_MAP;
}

static inline struct cbor_scope cbor_enter(const struct cbor_head *h) {
	return (struct cbor_scope) {.left = h->argument, .indefinite = h->info == 31};
}

// Is there one more? Consumes the "break" of an indefinite container. False at the end of the
// payload too: the reader has failed then.
bool cbor_more(struct cbor_source *s, struct cbor_scope *scope);

// PAYLOAD_TRUNCATED if a read went past the end.
static inline enum payload_rc cbor_rc(const struct cbor_source *s) {
	return s->r.failed ? PAYLOAD_TRUNCATED : PAYLOAD_OK;
}

// The scalar that `h` begins (or a tagged decimal fraction). PAYLOAD_BAD_TYPE for maps, arrays and
// simple values without meaning, PAYLOAD_BAD_NUMBER for what does not fit 64 bits.
enum payload_rc
cbor_scalar(struct cbor_source *s, const struct cbor_head *h, uint64_t tag, struct value *v);

// The text string that `h` begins, checked to be UTF-8.
struct view cbor_text(struct cbor_source *s, const struct cbor_head *h, enum payload_rc *rc);

// Pass over the item that `h` begins, nested no deeper than PAYLOAD_DEPTH_MAX.
enum payload_rc cbor_skip(struct cbor_source *s, const struct cbor_head *h);
