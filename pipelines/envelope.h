// SPDX-License-Identifier: Apache-2.0
// The part of every JSON envelope that is the same for a whole generation, written once: who we
// are, the partition map, the state of the clock. docs/record.md describes each field.
// Thread: the worker's own.
#pragma once

#include "pipelines/batch.h"
#include "pipelines/record.h"

#include <stdint.h>

struct config;

#define ENVELOPE_ACKS 2 // enum ack_contract
#define ENVELOPE_PREFIX_MAX 512

struct envelope_prefix {
	uint32_t len;
	uint8_t text[ENVELOPE_PREFIX_MAX];
};

struct envelope {
	uint64_t appliance_epoch;
	enum clock_quality clock;
	uint64_t clock_error_us;
	uint32_t partition_map;
	struct view appliance; // points into the configuration
	uint32_t seq_at; // of the ledger-seq places in a record's prefix
	struct envelope_prefix record[TRANSPORT_COUNT][ENVELOPE_ACKS]; // ends before the realm
	struct envelope_prefix dead_letter[TRANSPORT_COUNT];
	struct envelope_prefix alert[TRANSPORT_COUNT];
};

// Write the prefixes for `c` and the clock state in *e; appliance_epoch is set by the caller.
void envelope_render(struct envelope *e, const struct config *c);

const char *clock_quality_label(enum clock_quality q);
const char *ack_contract_label(uint8_t ack);
