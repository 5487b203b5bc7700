// SPDX-License-Identifier: Apache-2.0
// Sensor Measurement Lists (RFC 8428): labels, their types, and the resolution of base values,
// shared by the JSON and the CBOR representation. Private to parsers/.
//
// Records of the same device and time that follow each other become one reading. The device is
// the base name up to its last separator (':' or '/'); what follows it, and the name, name the
// field. A sum is the field "<name>.sum".
#pragma once

#include "parsers/readings.h"

#define SENML_VERSION 10

// Label, text, CBOR integer (RFC 8428, table 4).
#define SENML_LABELS(X)                                                                            \
	X(SENML_BN, "bn", -2)                                                                      \
	X(SENML_BT, "bt", -3)                                                                      \
	X(SENML_BU, "bu", -4)                                                                      \
	X(SENML_BV, "bv", -5)                                                                      \
	X(SENML_BS, "bs", -6)                                                                      \
	X(SENML_BVER, "bver", -1)                                                                  \
	X(SENML_N, "n", 0)                                                                         \
	X(SENML_U, "u", 1)                                                                         \
	X(SENML_V, "v", 2)                                                                         \
	X(SENML_VS, "vs", 3)                                                                       \
	X(SENML_VB, "vb", 4)                                                                       \
	X(SENML_VD, "vd", 8)                                                                       \
	X(SENML_S, "s", 5)                                                                         \
	X(SENML_T, "t", 6)                                                                         \
	X(SENML_UT, "ut", 7)

enum senml_label : uint8_t {
#define X(id, text, number) id,
	SENML_LABELS(X)
#undef X
		SENML_LABEL_COUNT,
	SENML_UNKNOWN = SENML_LABEL_COUNT,
};

// One record as it stands in the pack.
struct senml_record {
	uint32_t present; // bits by label
	struct value values[SENML_LABEL_COUNT];
};

// What is carried from record to record.
struct senml_pack {
	struct readings_filler *f;
	struct view base_name;
	struct view base_unit;
	struct value base_value;
	struct value base_sum;
	int64_t base_time_ns;
	int64_t version;
	bool has_base_time;
	bool has_base_value;
	bool has_base_sum;
	bool version_fixed; // by the first record
};

void senml_begin(struct senml_pack *p, struct readings_filler *f);

// SENML_UNKNOWN may be ignored unless senml_must_understand().
enum senml_label senml_label_text(struct view text);
enum senml_label senml_label_number(int64_t number);
bool senml_must_understand(struct view text); // section 4.4: ends in "_"

// PAYLOAD_DUPLICATE_KEY, PAYLOAD_BAD_TYPE if the label's value may not be that.
enum payload_rc senml_set(struct senml_record *r, enum senml_label label, const struct value *v);

// The same of a value that stands in r->values[label] already.
enum payload_rc senml_placed(struct senml_record *r, enum senml_label label);

// Section 4.6: apply the bases and add the resolved record to the readings.
enum payload_rc senml_resolve(struct senml_pack *p, const struct senml_record *r);
enum payload_rc senml_end(struct senml_pack *p);
