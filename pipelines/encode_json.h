// SPDX-License-Identifier: Apache-2.0
// Encoding: a record as one JSON object (docs/record.md). Hot path, pure.
#pragma once

#include "pipelines/burst.h"
#include "pipelines/envelope.h"

// An upper bound of what encode_json() writes.
uint32_t encode_json_bound(
	const struct envelope *e,
	const struct item *it,
	const struct record *rec,
	const struct readings *readings
);

// Write the object at `at`, which has room for the bound; returns its length. The ledger-seq places
// lie at e->seq_at from `at`. Of *e it only writes what it keeps for the next record.
uint32_t encode_json(
	struct envelope *e,
	const struct item *it,
	const struct record *rec,
	const struct readings *readings,
	uint8_t *at
);
