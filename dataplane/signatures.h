// SPDX-License-Identifier: Apache-2.0
// The signatures in force: loaded and compiled at the start, replaced while workers run, counted
// across replacements. Main thread, which compiles in a thread of its own: neither workers nor the
// control channel wait for Hyperscan.
#pragma once

#include "config/signature.h"
#include "dataplane/generation.h"
#include "dataplane/loading.h"

#include <stddef.h>
#include <stdint.h>

struct config;
struct match_set;
struct signatures;

// What c->match.signatures names, compiled (or taken from the cache in c->state_dir). Empty: no
// signatures until some are applied. 0; -EINVAL or -errno with the first mistake in `why`.
int signatures_create(
	const struct config *c,
	uint16_t workers,
	struct signatures **out,
	char *why,
	size_t why_len
);
// After the workers have ended. Accepts NULL.
void signatures_destroy(struct signatures *s);

// Takes files of GENERATION_SIGNATURES.
const struct generation_loader *signatures_loader(const struct signatures *s);
// Where a worker finds the set to use.
struct generation_seat *signatures_seat(struct signatures *s, uint16_t worker);
// The set in force; NULL: none.
const struct match_set *signatures_current(const struct signatures *s);

struct signature_figures {
	uint32_t id;
	const char *name; // until the next set is in force
	enum signature_action action;
	uint64_t hits, acted, unproven;
};
// Since the start, of the signature at `index` of the set in force, kept over replacements as long
// as its id stays. False beyond the last.
bool signatures_figures(const struct signatures *s, uint32_t index, struct signature_figures *out);
