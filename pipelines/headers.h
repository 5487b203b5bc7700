// SPDX-License-Identifier: Apache-2.0
// Kafka headers as they lie in a batch buffer: a sequence of
//
//   name length (16 bits, big-endian) | value length (32 bits, big-endian) | name | value
//
// Written by the original-bytes encoding on a worker, read by the sinks on an egress thread. Names
// are not NUL-terminated. Pure; the views point into the batch buffer.
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>

#define HEADER_PREFIX_BYTES 6

// Advance `r` over the next header; false at the end. The writer is this program, so a short
// header is our bug and also ends the sequence.
static inline bool header_next(struct rd *r, struct view *name, struct view *value) {
	*name = *value = (struct view) {0};
	if (rd_left(r) < HEADER_PREFIX_BYTES)
		return false;
	uint32_t name_len = rd_be16(r);
	uint32_t value_len = rd_be32(r);

	*name = rd_take(r, name_len);
	*value = rd_take(r, value_len);
	return !r->failed;
}

// Decimal digits of `v`, right-aligned in `places` bytes, filled with spaces on the left: still a
// valid JSON number where a value is expected.
static inline void digits_patch(uint8_t *at, uint32_t places, uint64_t v) {
	uint32_t i = places;

	do {
		at[--i] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v != 0 && i > 0);
	while (i > 0)
		at[--i] = ' ';
}
