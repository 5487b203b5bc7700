// SPDX-License-Identifier: Apache-2.0
// Telemetry payloads: one datagram, request or publish in, readings out.
//
// A reading is one device's fields at one device time; a payload may hold many. Decoders are pure:
// no allocation, no clock, no log. What they need to keep (unescaped text, resolved SenML names)
// goes into the fixed buffers of struct readings; when those are full the payload is refused
// whole with PAYLOAD_TOO_MANY or PAYLOAD_TOO_LARGE.
// Thread: any, one struct readings per thread. Views point into the payload or into the struct
// readings they came from and live as long as both do.
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

#define PAYLOAD_FORMATS(X)                                                                         \
	X(PAYLOAD_JSON, "json")                                                                    \
	X(PAYLOAD_SENML_JSON, "senml-json")                                                        \
	X(PAYLOAD_SENML_CBOR, "senml-cbor")                                                        \
	X(PAYLOAD_CBOR, "cbor")                                                                    \
	X(PAYLOAD_LINE, "line")                                                                    \
	X(PAYLOAD_RAW, "raw")

enum payload_format : uint8_t {
#define X(id, label) id,
	PAYLOAD_FORMATS(X)
#undef X
		PAYLOAD_FORMAT_COUNT
};

// One list, three uses: return code, counter index, label (also the reason in the dead-letter
// topic).
#define PAYLOAD_RCS(X)                                                                             \
	X(PAYLOAD_OK, "ok")                                                                        \
	X(PAYLOAD_EMPTY, "empty")                                                                  \
	X(PAYLOAD_BAD_SYNTAX, "bad-syntax")                                                        \
	X(PAYLOAD_TRUNCATED, "truncated")                                                          \
	X(PAYLOAD_BAD_UTF8, "bad-utf8")                                                            \
	X(PAYLOAD_BAD_NUMBER, "bad-number")                                                        \
	X(PAYLOAD_NOT_FINITE, "not-finite")                                                        \
	X(PAYLOAD_DUPLICATE_KEY, "duplicate-key")                                                  \
	X(PAYLOAD_TOO_DEEP, "too-deep")                                                            \
	X(PAYLOAD_TOO_MANY, "too-many-fields")                                                     \
	X(PAYLOAD_TOO_LARGE, "too-large")                                                          \
	X(PAYLOAD_BAD_TYPE, "bad-type")                                                            \
	X(PAYLOAD_BAD_TIME, "bad-time")                                                            \
	X(PAYLOAD_BAD_VERSION, "bad-version")                                                      \
	X(PAYLOAD_NO_DEVICE, "no-device")                                                          \
	X(PAYLOAD_BAD_DEVICE, "bad-device")                                                        \
	X(PAYLOAD_NO_FIELDS, "no-fields")

enum payload_rc : uint8_t {
#define X(id, label) id,
	PAYLOAD_RCS(X)
#undef X
		PAYLOAD_RC_COUNT
};

const char *payload_rc_label(enum payload_rc rc);
const char *payload_format_label(enum payload_format format);

enum value_kind : uint8_t {
	VALUE_NULL,
	VALUE_BOOL,
	VALUE_I64,
	VALUE_U64, // only for integers above INT64_MAX
	VALUE_F64, // finite
	VALUE_STRING, // UTF-8, unescaped
	VALUE_BYTES,
};

struct value {
	enum value_kind kind;
	uint8_t decimals; // VALUE_F64: how many its text had, a hint for who writes it; 0: no hint
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double f;
		struct view s;
	};
};

// Nested objects and arrays are flattened: the name is the path joined with '.', array elements by
// their index ("accel.x", "temps.0").
struct field {
	struct view name;
	struct view unit; // SenML unit, empty if the format has none
	struct value v;
};

struct reading {
	struct view device; // what the payload says; empty if it does not say
	int64_t time_ns; // device time, UNIX epoch; only if has_time
	uint64_t seq; // device sequence; only if has_seq
	bool has_time;
	bool has_seq;
	uint16_t first_field; // index into readings.fields
	uint16_t field_count;
};

#define READINGS_MAX 256
#define FIELDS_MAX 1024
#define PAYLOAD_TEXT_MAX 16384
#define PAYLOAD_DEPTH_MAX 8
#define DEVICE_ID_MAX 64 // bytes; UTF-8 without control characters, '+', '#'

struct readings {
	uint16_t reading_count;
	uint16_t field_count;
	uint32_t text_used;
	struct reading readings[READINGS_MAX];
	struct field fields[FIELDS_MAX + 1]; // the spare one is for decoding into
	uint8_t text[PAYLOAD_TEXT_MAX];
};

static inline void readings_reset(struct readings *r) {
	r->reading_count = 0;
	r->field_count = 0;
	r->text_used = 0;
}

// How far readings are filled, to take back what came after.
struct readings_mark {
	uint16_t readings, fields;
	uint32_t text;
};

static inline struct readings_mark readings_marked(const struct readings *r) {
	return (struct readings_mark) {r->reading_count, r->field_count, r->text_used};
}

static inline void readings_back(struct readings *r, struct readings_mark to) {
	r->reading_count = to.readings;
	r->field_count = to.fields;
	r->text_used = to.text;
}

enum time_unit : uint8_t { TIME_S, TIME_MS, TIME_US, TIME_NS };

// Where the payload names its device, time and sequence. All names are flattened field names (a
// tag key in line protocol). An empty view means "not in the payload". The fields named here are
// taken out of the reading's fields.
// SenML takes the device from its base name up to the last separator (':' or '/'), the time from
// bt/t; line protocol takes its own time stamp, in `time_unit`.
struct payload_hints {
	struct view device_key;
	struct view time_key;
	struct view seq_key;
	enum time_unit time_unit;
	int64_t now_ns; // wall clock of arrival, for relative SenML times
};

struct payload_decoder; // per-thread scratch (the JSON pool); see payload_decoder_size

// The decoder's scratch is caller's memory: `payload_decoder_size()` bytes, 64-byte aligned.
uint32_t payload_decoder_size(void);
struct payload_decoder *payload_decoder_init(void *memory);

// Append the readings of `payload` to `out` (readings_reset() empties it): on PAYLOAD_OK at least
// one, each with at least one field. On anything else the counts of `out` are what they were.
// PAYLOAD_TOO_MANY and PAYLOAD_TOO_LARGE may only mean that `out` was not empty: the caller tries
// again with an empty one. Time is n log n in payload.len at worst, at most PAYLOAD_MAX bytes.
enum payload_rc payload_decode(
	struct payload_decoder *d,
	enum payload_format format,
	struct view payload,
	const struct payload_hints *hints,
	struct readings *out
);
#define PAYLOAD_MAX 65535

// Is this a device id we accept (1..DEVICE_ID_MAX bytes of UTF-8, no control character, '/', '+',
// '#')?
bool device_id_valid(struct view id);
