// SPDX-License-Identifier: Apache-2.0
// The last decisions about each device, for `sluicectl why`: a ring of DEVICE_DECISIONS in its
// device state. The same decision again only counts up, so that a thousand accepted records do not
// push out the one that was not.
// Thread: the worker that owns the device's state. Nothing here allocates, locks or waits.
#pragma once

#include "config/finding.h"
#include "parsers/rd.h"
#include "pipelines/device_state.h"
#include "pipelines/ledger.h"

#include <stdbool.h>
#include <stdint.h>

struct item;
struct pipeline;

#define DECISION_KINDS(X)                                                                          \
	X(DECISION_NONE, "")                                                                       \
	X(DECISION_ACCEPTED, "accepted")                                                           \
	X(DECISION_FLAGGED, "flagged")                                                             \
	X(DECISION_QUARANTINED, "quarantined")                                                     \
	X(DECISION_REFUSED, "refused")                                                             \
	X(DECISION_SHED, "shed")                                                                   \
	X(DECISION_DUPLICATE, "duplicate")                                                         \
	X(DECISION_RAISED, "alert-raised")                                                         \
	X(DECISION_CLEARED, "alert-cleared")

enum decision_kind : uint8_t {
#define X(id, label) id,
	DECISION_KINDS(X)
#undef X
		DECISION_KIND_COUNT
};
const char *decision_kind_label(enum decision_kind k);

// As it lies in the device state.
struct decision {
	uint32_t at_s; // wall clock of the last time
	uint32_t detail; // signature's id; numbers missing; of a duplicate its sequence number
	uint16_t field; // number in the profile + 1; 0: none
	uint8_t kind : 4; // enum decision_kind
	uint8_t transport : 4;
	uint8_t reason; // enum refuse_reason or shed_reason, by kind
	uint8_t finding; // enum finding, FINDING_NONE
	uint8_t profile; // index in the configuration, UINT8_MAX: beyond
	uint8_t generation; // of the configuration, modulo 256: what field and profile count in
	uint8_t times; // up to UINT8_MAX
};
static_assert(sizeof(struct decision) == DEVICE_DECISION_BYTES);

// For an operator: labels and names, copied.
struct decision_shown {
	int64_t at_s;
	const char *decision; // literals
	const char *reason;
	const char *class;
	const char *transport;
	uint32_t detail;
	uint32_t times;
	char profile[32]; // "" if the configuration has changed since
	char field[64];
};

// What became of an item's records, one decision per device and finding. Of an item that was
// refused or shed before its devices had a state, only devices that have one are told.
void decision_item(struct pipeline *p, const struct item *it, enum decision_kind kind);
// An alert about field `number` of the item's profile.
void decision_alert(
	struct pipeline *p,
	const struct item *it,
	uint32_t place,
	uint16_t number,
	bool raised
);

// The device's decisions, newest first. Returns how many, -ENOENT if this worker does not own it.
int decision_list(
	const struct pipeline *p,
	struct view device,
	struct decision_shown out[DEVICE_DECISIONS]
);
