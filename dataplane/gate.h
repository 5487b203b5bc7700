// SPDX-License-Identifier: Apache-2.0
// A worker's door: the device table's answer to the pipeline's question who may send, and notes for
// the control plane. One per worker.
#pragma once

#include "dataplane/blocks.h"
#include "dataplane/claims.h"
#include "dataplane/device_table.h"
#include "dataplane/flow_book.h"
#include "pipelines/authorize.h"

#include <stdatomic.h>
#include <stdint.h>

#define GATE_NOTES 256

// Reasons of device_table_refused() that are no refusal of a message.
#define GATE_REASON_QUOTA (REFUSE_REASON_COUNT)
#define GATE_REASON_CONNECTIONS (REFUSE_REASON_COUNT + 1)
const char *gate_reason_label(uint8_t reason);

// A device that the table does not have: there is no slot to note it in.
struct gate_note {
	char name[CHANNEL_NAME_MAX];
	uint8_t name_len;
	uint8_t transport;
	bool pending; // enter it into the registry
	int64_t wall_ns;
	struct channel_address peer;
};

struct gate {
	// [fixed]
	struct device_table *table;
	struct blocks *blocks; // NULL: none
	struct claims *claims; // NULL: nobody may claim more than its own id
	struct flow_book *book; // this worker's; NULL: flows are not noted
	uint16_t worker;
	// [w>c] a ring: when it is full, notes are lost and counted, devices are refused all the
	// same
	alignas(64) _Atomic uint32_t head; // worker writes
	_Atomic uint64_t notes_lost;
	_Atomic uint64_t known, unknown, inactive, over_quota, claims_denied;
	// [c>w]
	alignas(64) _Atomic uint32_t tail;
	struct gate_note notes[GATE_NOTES];
};

// For struct authority, with a struct gate as owner. Worker only.
void gate_judge(void *gate, struct judgement *j, uint32_t n);

// Also for struct authority: what the registry says of the device.
struct device_facts gate_facts_of(void *gate, struct view device);

// Main thread: take up to `max` notes out.
uint32_t gate_notes_take(struct gate *g, struct gate_note *out, uint32_t max);
