// SPDX-License-Identifier: Apache-2.0
// What can be the matter with one record, and what a profile wants done about it.
//
// One list, four uses: bit in a record's `findings`, counter index, label in the envelope and the
// dead-letter topic, key of `profiles[].on`. A malfunction is a value the sensor cannot have
// measured; an anomaly is plausible but unusual; a note concerns order and time, not the value.
#pragma once

#include <stdint.h>

// id, label, class, action unless the profile says otherwise
#define FINDINGS(X)                                                                                \
	X(FINDING_NULL, "null-value", MALFUNCTION, QUARANTINE)                                     \
	X(FINDING_MISSING, "missing-field", MALFUNCTION, QUARANTINE)                               \
	X(FINDING_NOT_FINITE, "not-finite", MALFUNCTION, QUARANTINE)                               \
	X(FINDING_TYPE, "wrong-type", MALFUNCTION, QUARANTINE)                                     \
	X(FINDING_RANGE, "out-of-range", MALFUNCTION, QUARANTINE)                                  \
	X(FINDING_UNIT, "wrong-unit", MALFUNCTION, QUARANTINE)                                     \
	X(FINDING_RATE, "rate-of-change", MALFUNCTION, FLAG)                                       \
	X(FINDING_STUCK, "stuck", MALFUNCTION, FLAG)                                               \
	X(FINDING_UNUSUAL, "unusual", ANOMALY, FLAG)                                               \
	X(FINDING_TIME_PAST, "time-too-old", NOTE, FLAG)                                           \
	X(FINDING_TIME_FUTURE, "time-in-future", NOTE, FLAG)                                       \
	X(FINDING_ORDER, "out-of-order", NOTE, FLAG)                                               \
	X(FINDING_GAP, "sequence-gap", NOTE, FLAG)                                                 \
	X(FINDING_LATE, "late", NOTE, FLAG)                                                        \
	X(FINDING_CONFLICT, "key-conflict", NOTE, FLAG)                                            \
	X(FINDING_SIGNATURE, "signature", ATTACK, FLAG)

enum finding : uint8_t {
#define X(id, label, class, action) id,
	FINDINGS(X)
#undef X
		FINDING_COUNT,
	FINDING_NONE = 255
};
static_assert(FINDING_COUNT <= 32); // bits of struct record's `findings`

enum finding_class : uint8_t {
	FINDING_MALFUNCTION,
	FINDING_ANOMALY,
	FINDING_NOTE,
	FINDING_ATTACK,
	FINDING_CLASS_COUNT
};

// In order of severity: of several findings the gravest action holds.
enum finding_action : uint8_t {
	FINDING_IGNORE, // as if it had not been looked for
	FINDING_FLAG, // delivered, with the finding in the envelope
	FINDING_QUARANTINE, // delivered to the dead-letter topic instead, and acknowledged
	FINDING_REFUSE, // the whole message is refused for good
	FINDING_ACTION_COUNT
};

const char *finding_label(enum finding f);
const char *finding_class_label(enum finding_class c);
enum finding_class finding_class_of(enum finding f);
enum finding_action finding_default(enum finding f);
