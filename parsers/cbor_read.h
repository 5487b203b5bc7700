// SPDX-License-Identifier: Apache-2.0
// CBOR (RFC 8949) items as values of parsers/payload.h, over tinycbor; private to parsers/.
// Definite-length strings stay views of the payload, chunked ones are put together in the text
// buffer.
#pragma once

#include "parsers/readings.h"

#include <tinycbor/cbor.h>

struct cbor_source {
	CborParser parser;
	struct view payload;
	struct readings_filler *f;
};

enum payload_rc cbor_rc(CborError err);

enum payload_rc cbor_begin(struct cbor_source *s, CborValue *root);
// Nothing may follow the root item.
enum payload_rc cbor_end(const struct cbor_source *s, const CborValue *root);

// Tags before the item are passed over; the number of the last one is in *tag, or CBOR_NO_TAG.
#define CBOR_NO_TAG UINT64_MAX
enum payload_rc cbor_tags(CborValue *it, uint64_t *tag);

// Take one scalar (or tagged decimal fraction) and move behind it. PAYLOAD_BAD_TYPE for maps,
// arrays and simple values without meaning, PAYLOAD_BAD_NUMBER for what does not fit 64 bits.
enum payload_rc cbor_scalar(struct cbor_source *s, CborValue *it, struct value *v);
