// SPDX-License-Identifier: Apache-2.0
// Signatures become databases and scratch space: the part of matching that takes seconds and
// memory. Never on a worker; a thread of its own, or before the workers start.
#pragma once

#include "config/signature.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct match_set;
struct matcher;

struct match_options {
	uint16_t workers;
	const char *cache; // file of serialised databases; NULL: none
	bool vectors; // also run every test vector: one that fails is a mistake
};

struct match_info {
	uint32_t signatures;
	uint32_t compile_ms;
	bool cached; // the databases came from the cache
	int cache_error; // -errno of reading or writing the cache, 0: none
	uint64_t database_bytes;
	uint64_t scratch_bytes; // per worker
	uint32_t vectors; // that were run
};

// Owns `s` if it succeeds. 0 and *out; -EINVAL with up to `max` mistakes in errors[0..*count):
// expressions that do not compile, that match the empty text, whose repetitions or compiled size
// are beyond bounds, vectors that fail; -ENOMEM.
int match_compile(
	struct signature_set *s,
	const struct match_options *o,
	struct match_set **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
);
void match_set_free(struct match_set *m); // accepts NULL; no worker may use it any more

const struct match_info *match_set_info(const struct match_set *m);
const struct signature_set *match_set_source(const struct match_set *m);
struct matcher *match_set_matcher(struct match_set *m, uint16_t worker);

// Sums over all workers; any thread.
struct match_total {
	uint64_t hits;
	uint64_t acted;
	uint64_t unproven;
};
struct match_total match_set_total(const struct match_set *m, uint32_t index);

// Positions an expression's bounded repetitions unfold to, about; what the bound is on.
uint64_t match_positions(const char *expression);
#define MATCH_POSITIONS_MAX 8192

// Digits in a row that every match has, as each branch of the expression says with \d{n} or
// [0-9]{n} outside of any group; 0 if it cannot be told, or if they are fewer than
// MATCH_DIGITS_MIN. Telemetry is full of digits, so that Hyperscan counts all the time for such an
// expression: it is tried only on payloads that have the digits.
uint32_t match_digits_needed(const char *expression);
#define MATCH_DIGITS_MIN 32

// Does this signature hit these bytes, by a scan of its own? For vectors and the test oracle.
bool match_hits(const struct match_set *m, uint32_t index, bool path, const void *bytes, size_t n);
