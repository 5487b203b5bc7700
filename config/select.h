// SPDX-License-Identifier: Apache-2.0
// Which profile a message has: one walk down its path's levels, whatever the number of profiles.
//
//   1. the profile that the registry gives the device, if that one has match.registry
//   2. of the profiles whose match.paths, match.listeners and match.labels all hold (what is not
//      given holds), the first: those of sluice.yaml in their order, then those of files
//   3. the listener's own
//
// Built with the configuration, read-only afterwards; any thread.
#pragma once

#include "parsers/rd.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

struct profile;
struct profile_selector;

#define SELECT_LEVELS_MAX 16 // of a pattern; the walk goes no deeper

// Rule 2: nullptr if no profile claims it. `listener` is an index into the configuration's, `path`
// empty where there is none, `labels` those of the device (parsers/labels.h). Profiles of one
// pattern that differ in listeners or labels are tried in their order. Hot.
const struct profile *profile_select(
	const struct profile_selector *s,
	uint16_t listener,
	struct view path,
	struct view labels
);

// The most profiles that one message may have to be compared with because they share a pattern.
// Beyond SELECT_SHARED_MANY an operator is told: each costs the message a comparison of labels.
#define SELECT_SHARED_MANY 32
#define SELECT_SHARED_WARNING                                                                      \
	"%" PRIu32 " profiles share one pattern of paths: a message there is compared with one "   \
	"after the other"
uint32_t profile_select_shared(const struct profile_selector *s); // accepts NULL

// Rule 1: the profile of that name, if it has match.registry.
const struct profile *profile_select_named(const struct profile_selector *s, struct view name);
// Does any rule ask what the registry says of the device? Else it need not be looked up.
bool profile_select_asks_registry(const struct profile_selector *s);
