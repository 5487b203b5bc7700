// SPDX-License-Identifier: Apache-2.0
// Files with one profile each, named by `profile_files`. Main thread, inside config_load().
#pragma once

#include "config/walk.h"

struct profile_paths {
	char **paths; // owned by the configuration
	uint32_t count;
};

// The files that `profile_files` of the document names, in order of the patterns, those of one
// pattern by name. A name without wildcards must be there.
void profile_paths_find(struct loader *l, struct profile_paths *out);
// Each becomes one more element of `profiles`.
void profile_files_load(struct loader *l, const struct profile_paths *files);
