// SPDX-License-Identifier: Apache-2.0
// A device profile as the workers use it: flat tables, compiled when the configuration is loaded.
//
// Everything is owned by the configuration generation and read-only after loading. A profile
// without `fields` judges nothing; one without `steps` changes nothing; so the profiles of a
// plain configuration cost nothing. docs/profiles.md explains each member to the operator.
#pragma once

#include "config/finding.h"
#include "config/step.h"
#include "parsers/payload.h"
#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

#define PROFILE_NAME_MAX 32
#define PROFILE_FIELDS_MAX 256
#define PROFILE_STATES_MAX 16 // fields of one profile with state per device (rate, stuck, alerts)
#define PROFILE_STEPS_MAX 256
#define PROFILE_STATE_NONE 255
#define PROFILE_PATTERNS_MAX 16 // of one list in `match` and `claim`

struct config_route;

// How a device is named.
enum device_from : uint8_t {
	DEVICE_FROM_IDENTITY, // the transport established it (protected frame, MQTT, certificate)
	DEVICE_FROM_PAYLOAD, // hints.device_key, SenML base name, line-protocol tag
	DEVICE_FROM_PATH, // path segment number `device_segment` (CoAP /t/{device}/{stream} = 1)
	DEVICE_FROM_ADDRESS, // the peer's IP address in text form
};

enum mqtt_subscribe_policy : uint8_t { MQTT_SUBSCRIBE_OWN, MQTT_SUBSCRIBE_REFUSE };

enum field_type : uint8_t {
	FIELD_ANY,
	FIELD_NUMBER, // integer or double
	FIELD_INTEGER,
	FIELD_BOOLEAN,
	FIELD_TEXT,
	FIELD_BYTES,
	FIELD_TYPE_COUNT
};

// Thresholds with hysteresis and a robust z-score over EWMA mean and deviation.
struct field_alert {
	bool above, below, unusual; // which of them are on
	double raise_above, clear_below; // raise above 85, clear below 80
	double raise_below, clear_above;
	uint32_t for_ms; // device time the condition must last before it is raised
	double z_raise, z_clear; // deviations
	uint32_t warmup; // samples before z means anything
	double smoothing; // weight of a new sample, 0 < s <= 1
};

struct profile_field {
	struct view name; // flattened, as struct field has it
	struct view unit; // SenML unit it must come in, if it comes with one; empty: any
	enum field_type type;
	bool required;
	bool nullable;
	bool has_min, has_max;
	double min, max; // NaN without has_min, has_max; the same goes for an alert that is off
	double rate_max; // per second of device time; 0: not looked at
	uint32_t stuck_after_s; // the very same value for so long; 0: not looked at
	uint8_t state; // 0..PROFILE_STATES_MAX-1, PROFILE_STATE_NONE: keeps none
	struct field_alert alert;
};

// What tells copies of one message apart from new messages, beside the transport's own ids.
enum dedup_by : uint8_t {
	DEDUP_TIME_SEQ, // device time and sequence, as far as the payload has them; else nothing
	DEDUP_PAYLOAD, // hash of path and payload: for devices that never send the same twice
	DEDUP_OFF,
};

// Which messages the profile is for; profile_select() has the rules.
struct profile_match {
	char *paths[PROFILE_PATTERNS_MAX]; // MQTT filters, over topic or CoAP path
	uint32_t path_count;
	char *listeners[PROFILE_PATTERNS_MAX];
	uint32_t listener_count;
	char *labels[PROFILE_PATTERNS_MAX]; // "name=value"; all of them must be the device's
	uint32_t label_count;
	bool registry; // devices whose profile in the registry has this one's name
};

// What a device may claim beyond being itself. `%d` stands for the device.
struct profile_claim {
	char *devices[PROFILE_PATTERNS_MAX]; // names; '*' is any run of characters
	uint32_t device_count;
	char *paths[PROFILE_PATTERNS_MAX]; // MQTT filters; none: any path
	uint32_t path_count;
};

struct profile {
	char name[PROFILE_NAME_MAX]; // first: references look for it
	uint32_t schema_version;
	enum device_from device_from;
	uint8_t device_segment;
	uint8_t format; // 0: as protocol or listener say; else enum payload_format + 1
	struct payload_hints hints; // device/time/seq keys; now_ns unused here
	const struct config_route *route;
	enum mqtt_subscribe_policy subscribe;
	char commands[128]; // MQTT: own command space, a filter with %d and %c
	bool separate; // CoAP: empty ACK and separate response (else 5.03)
	bool partial; // refuse bad records of a message one by one instead of the whole message

	// fields: open addressing by the hash of the name, index_mask + 1 entries of field number
	// + 1 (0: empty); profile_field_find() is one hash and mostly one compare.
	struct profile_field *fields;
	uint32_t field_count;
	uint16_t *index;
	uint32_t index_mask;
	uint16_t *required; // numbers of the fields that must be there
	uint32_t required_count;
	uint8_t state_count; // fields that keep state per device
	uint32_t state_print; // of their names in order: whose state a device's field states are

	struct profile_step *steps;
	uint32_t step_count;
	struct step_need need; // of the steps, per record

	enum finding_action on[FINDING_COUNT];
	uint32_t past_max_s; // older device times are FINDING_TIME_PAST; 0: never
	uint32_t future_max_s;
	uint32_t late_after_s; // older device times take the late lane; 0: never
	enum dedup_by dedup;
	uint32_t dedup_window_s;

	// as written
	struct profile_match match;
	struct profile_claim claim;
	struct step_source *map;
	uint32_t map_count;
};

// The field of that name; nullptr if the profile does not know it. Hot.
const struct profile_field *profile_field_find(const struct profile *p, struct view name);

// Fills in index, required, state numbers from fields[0..field_count). `index` has room for
// profile_index_size(field_count) entries, `required` for field_count. -EEXIST: two fields of one
// name; -E2BIG: more than PROFILE_STATES_MAX fields keep state. Loading only.
int profile_compile(struct profile *p);
uint32_t profile_index_size(uint32_t field_count);
