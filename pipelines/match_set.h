// SPDX-License-Identifier: Apache-2.0
// A compiled set's memory, shared by match.c (scan), match_compile.c and match_cache.c. Private to
// pipelines/match*.
#pragma once

#include "config/signature.h"
#include "pipelines/match.h"
#include "pipelines/match_compile.h"

#include <hs/hs.h>

// Databases by where they look. A signature of scope `both` is in both: a scan costs what the
// signatures for that place cost, not what all of them do. Those of the payload that need a long
// run of digits are in one of their own, for payloads that have one (match_digits_needed()).
enum match_place : uint8_t { MATCH_PATH, MATCH_PAYLOAD, MATCH_PAYLOAD_NUMBERS, MATCH_PLACES };

struct match_set {
	struct signature_set *source; // owned
	const struct signature *signatures; // of source; Hyperscan's ids are their indices
	hs_database_t *databases[MATCH_PLACES]; // owned; NULL: no signature looks there
	uint32_t digits_least; // in a row, that MATCH_PAYLOAD_NUMBERS asks for
	struct matcher *matchers; // owned, one per worker
	uint16_t matcher_count;
	struct match_info info;
};

// match.c. False if nothing of that place can hit this text, whatever it holds.
bool match_worth_a_scan(const struct match_set *m, enum match_place place, struct view text);

// match_cache.c. Key of what would be compiled: expressions, their order, Hyperscan and this CPU.
void match_cache_key(
	const struct signature_set *s,
	const hs_platform_info_t *platform,
	uint8_t key[32]
);
// Fill in `databases` from the file. 0, -ENOENT, -ESTALE (other key), -EBADMSG (corrupt: hash or
// Hyperscan's own check), -errno.
int match_cache_load(const char *path, const uint8_t key[32], hs_database_t **databases);
// Replace the file atomically. 0 or -errno.
int match_cache_save(const char *path, const uint8_t key[32], hs_database_t *const *databases);
