// SPDX-License-Identifier: Apache-2.0
// Encoding: the payload as it came, with what the JSON envelope would say as Kafka headers
// (docs/record.md). Hot path, pure.
#pragma once

#include "pipelines/burst.h"
#include "pipelines/envelope.h"

uint32_t
encode_original_bound(const struct envelope *e, const struct item *it, const struct record *rec);

// Write headers and value at entry->offset of `buf` and fill in where they lie. Of *e it only
// writes what it keeps for the next record.
void encode_original(
	struct envelope *e,
	const struct item *it,
	const struct record *rec,
	uint8_t *buf,
	struct batch_entry *entry
);
