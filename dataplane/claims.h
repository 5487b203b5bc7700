// SPDX-License-Identifier: Apache-2.0
// What devices may claim: patterns of topics, CoAP paths and other devices' ids, in sets that many
// devices share (struct device_entry.claims names the set).
//
// A device publishes to a topic only if one of its set's topic patterns fits, and posts to a path
// only if one of its path patterns fits; a set without patterns of a kind does not restrict that
// kind. It may speak for another device only if an id pattern fits. `%d` in a pattern is the device
// that claims. Topics and paths: `+` is one level, `#` at the end any number of levels. Ids: `*` is
// any run of bytes.
//
// Sets never change, so that workers read without locks: one is added behind the others and then
// entered. Only another registry replaces them all; who looks while that happens is denied.
// A set that is not here denies everything.
#pragma once

#include "controlplane/api/channel.h"
#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

struct claims;

#define CLAIM_PATTERNS_MAX 65536

int claims_create(struct claims **out); // 0 or -ENOMEM
void claims_destroy(struct claims *c); // accepts NULL

// --- workers; set 0 allows topics and paths, and no other id

bool claims_allow(
	const struct claims *c,
	uint32_t set,
	enum claim_kind kind,
	struct view device,
	struct view what
);

// --- main thread

// All sets, between begin and end: those that are known are left alone. -ENOSPC: full; what did not
// fit denies. `anew`: numbers mean something else from now on.
void claims_begin(struct claims *c, bool anew);
int claims_add(struct claims *c, const struct channel_claim *list, uint32_t count);
void claims_end(struct claims *c);
// For the snapshot: the next pattern from *at on (0 at first).
bool claims_next(const struct claims *c, uint32_t *at, struct channel_claim *out);

// Does `what` fit? Pure.
bool claim_topic_fits(struct view pattern, struct view device, struct view what);
bool claim_id_fits(struct view pattern, struct view device, struct view what);
