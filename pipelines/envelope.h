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
#define ENVELOPE_HEAD_MORE 96 // realm and time of arrival

struct envelope_prefix {
	uint32_t len;
	uint8_t text[ENVELOPE_PREFIX_MAX];
};

// What the records of a burst begin with, kept from one to the next: all that is the same for one
// transport and contract, realm and time of arrival.
struct envelope_head {
	struct {
		int64_t arrival_ns;
		uint16_t realm;
		enum transport transport;
		uint8_t ack;
	} of;
	uint32_t len; // 0: nothing is kept
	uint8_t text[ENVELOPE_PREFIX_MAX + ENVELOPE_HEAD_MORE];
};

// A session's epoch as it stands in a record, twice. Read in whole: the places are always there.
#define ENVELOPE_EPOCH_PLACES 48
struct envelope_epoch {
	uint64_t of;
	uint8_t id_len, member_len; // 0: nothing is kept
	uint8_t id[ENVELOPE_EPOCH_PLACES]; // /EPOCH/
	uint8_t member[ENVELOPE_EPOCH_PLACES]; // ,"epoch":EPOCH,"seq":
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
	struct envelope_head json, original; // of the record before, by encoding
	struct envelope_epoch epoch; // the same, JSON
};

// Write the prefixes for `c` and the clock state in *e; appliance_epoch is set by the caller.
void envelope_render(struct envelope *e, const struct config *c);

// Is that what `h` keeps? Otherwise it keeps nothing any more, and is to be written.
static inline bool envelope_head_is(struct envelope_head *h, const struct message *m, uint8_t ack) {
	if (h->len > 0 && h->of.arrival_ns == m->rx_wall_ns && h->of.realm == m->realm
	    && h->of.transport == m->transport && h->of.ack == ack)
		return true;
	h->of.arrival_ns = m->rx_wall_ns;
	h->of.realm = m->realm;
	h->of.transport = m->transport;
	h->of.ack = ack;
	h->len = 0;
	return false;
}

const char *clock_quality_label(enum clock_quality q);
const char *ack_contract_label(uint8_t ack);
