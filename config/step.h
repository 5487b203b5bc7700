// SPDX-License-Identifier: Apache-2.0
// The operations of a profile's `map`: as the operator writes them, and as workers run them.
//
// The language is total: every operation is defined on every record, none loops, none jumps, and
// what a program may need at most is known when it is compiled. docs/profiles.md says what each
// does; pipelines/map.c runs them. Compiled by step_compile() at load, read-only afterwards.
#pragma once

#include "config/unit.h"
#include "parsers/payload.h"
#include "parsers/rd.h"

#include <stdint.h>

#define STEP_NAMES_MAX 8 // of first-of
#define STEP_KEY_HEX 32 // digits of the key of `hash`
#define STEP_MASK_KEEP_MAX 32

#define STEP_OPS(X)                                                                                \
	X(STEP_RENAME, "rename")                                                                   \
	X(STEP_CONVERT, "convert")                                                                 \
	X(STEP_SCALE, "scale")                                                                     \
	X(STEP_ADD, "add")                                                                         \
	X(STEP_DROP, "drop")                                                                       \
	X(STEP_MASK, "mask")                                                                       \
	X(STEP_HASH, "hash")                                                                       \
	X(STEP_CAST, "cast")                                                                       \
	X(STEP_FIRST_OF, "first-of")

enum step_op : uint8_t {
#define X(id, label) id,
	STEP_OPS(X)
#undef X
		STEP_OP_COUNT
};

// What `add` can take from the message, or of its device from the registry, instead of a constant.
#define STEP_ATTRIBUTES(X)                                                                         \
	X(ATTRIBUTE_NONE, "none")                                                                  \
	X(ATTRIBUTE_DEVICE, "device")                                                              \
	X(ATTRIBUTE_PROFILE, "profile")                                                            \
	X(ATTRIBUTE_TRANSPORT, "transport")                                                        \
	X(ATTRIBUTE_REALM, "realm")                                                                \
	X(ATTRIBUTE_PATH, "path")                                                                  \
	X(ATTRIBUTE_SEGMENT, "path-segment")                                                       \
	X(ATTRIBUTE_REGISTRY_PROFILE, "registry-profile")

enum step_attribute : uint8_t {
#define X(id, label) id,
	STEP_ATTRIBUTES(X)
#undef X
		ATTRIBUTE_COUNT
};

enum cast_to : uint8_t { CAST_NUMBER, CAST_INTEGER, CAST_BOOLEAN, CAST_TEXT, CAST_BYTES };

// As written: the options of profiles[].map[].
struct step_source {
	enum step_op op;
	enum step_attribute attribute;
	enum cast_to type;
	uint8_t segment;
	uint8_t keep;
	struct view field;
	struct view to;
	struct view unit;
	struct view from;
	struct view text;
	struct view label;
	double number, factor, offset; // NaN: not given
	char key[STEP_KEY_HEX + 1];
	char *of[STEP_NAMES_MAX];
	uint32_t of_count;
};

struct profile_step {
	enum step_op op;
	struct view field; // drop: a name that ends in ".*" stands for all fields below it
	union {
		struct view to; // rename
		struct {
			struct unit_range units; // of the dimension
			const struct unit *from; // nullptr: only fields that say their unit
			const struct unit *to;
		} convert;
		struct {
			double factor; // or, if `divide`, its inverse
			double offset;
			bool divide;
		} scale;
		struct {
			struct value value; // unless an attribute or a label
			struct view label; // its name; empty: none
			struct view unit;
			enum step_attribute attribute;
			uint8_t segment;
		} add;
		uint8_t keep; // mask: so many characters at the end stay
		uint64_t key[2]; // hash
		enum cast_to type; // cast
		struct {
			struct view *names;
			uint32_t count;
		} first_of;
	};
};

// What one record may need beyond what it has.
struct step_need {
	uint16_t fields; // added
	uint32_t text; // bytes, whatever the record holds
	uint16_t masks; // each may need as much text again as the longest value
	uint32_t longest; // value that the program itself makes
	bool registry; // a step asks what the registry says of the device
};

#define STEP_TEXT_MAX 32 // longest text that `cast` and `hash` make
