// SPDX-License-Identifier: Apache-2.0
// A text of signatures while it is read: signature.c walks the documents, signature_fields.c knows
// what the value of each key may be. Private to config/signature*.
#pragma once

#include "config/report.h"
#include "config/signature.h"

#include <stddef.h>
#include <yaml.h>

#define KEYS(X)                                                                                    \
	X(KEY_ID, "id")                                                                            \
	X(KEY_NAME, "name")                                                                        \
	X(KEY_EXPRESSION, "expression")                                                            \
	X(KEY_FLAGS, "flags")                                                                      \
	X(KEY_SCOPE, "scope")                                                                      \
	X(KEY_PROTOCOLS, "protocols")                                                              \
	X(KEY_PROFILES, "profiles")                                                                \
	X(KEY_SEVERITY, "severity")                                                                \
	X(KEY_ACTION, "action")                                                                    \
	X(KEY_FOR, "for")                                                                          \
	X(KEY_REFERENCE, "reference")                                                              \
	X(KEY_MATCH, "match")                                                                      \
	X(KEY_NEAR_MISS, "near_miss")

enum signature_key {
#define X(id, label) id,
	KEYS(X)
#undef X
		KEY_COUNT
};

extern const char *const signature_key_labels[]; // KEY_COUNT of them and NULL

// Everything a set owns is one list of blocks behind it.
struct set_block {
	struct set_block *next;
	max_align_t bytes[];
};

struct owned_set {
	struct signature_set set;
	struct set_block *blocks;
	uint32_t room;
};

struct set_reader {
	struct owned_set *owned;
	struct report report;
	yaml_document_t *doc;
	const char *file; // of the part, owned
	bool out_of_memory;
};

// Zeroed memory of the set; NULL marks the reading as out of memory.
void *set_own(struct set_reader *r, size_t size);
const char *set_own_text(struct set_reader *r, const char *text); // never NULL

// The value of one key into the signature; mistakes go to the report. Vectors are left for
// signature_vectors_read(), when the scope is known.
void signature_field_read(
	struct set_reader *r,
	struct signature *s,
	enum signature_key k,
	yaml_node_t *value
);
// Both may be NULL.
void signature_vectors_read(
	struct set_reader *r,
	struct signature *s,
	yaml_node_t *match,
	yaml_node_t *near_miss
);
