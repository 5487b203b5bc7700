// SPDX-License-Identifier: Apache-2.0
// Encoding: a record as a protobuf message (pipelines/proto/record.proto, docs/record.md), packed
// by libprotobuf-c. Hot path, pure: the message is put together in the caller's scratch and points
// into the record's own views.
#pragma once

#include "pipelines/burst.h"
#include "pipelines/envelope.h"

struct protobuf_scratch;

// Place of the ledger-seq (fixed64, little-endian) from the start of an encoded record.
#define PROTOBUF_SEQ_AT 1
// Most user properties that are carried; further ones are left out.
#define PROTOBUF_PROPERTIES_MAX 256

// Caller's memory, 16-byte aligned, protobuf_scratch_size() bytes, not initialised.
size_t protobuf_scratch_size(void);

// Prepare the record in the scratch and return the exact length of its encoding.
uint32_t protobuf_prepare(
	struct protobuf_scratch *s,
	const struct envelope *e,
	const struct item *it,
	const struct record *rec,
	const struct readings *readings
);
// Write what was prepared last; returns its length.
uint32_t protobuf_write(const struct protobuf_scratch *s, uint8_t *at);

// `v` as a varint, at most 5 bytes; returns how many.
uint32_t varint_write(uint8_t *at, uint32_t v);
#define VARINT32_MAX_BYTES 5
