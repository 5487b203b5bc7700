// SPDX-License-Identifier: Apache-2.0
// Inside of the registry, for registry*.c only.
#pragma once

#include "controlplane/registry.h"
#include "controlplane/sql.h"

struct registry {
	struct sql sql;
	char path[512];
	uint64_t id;
};

// The next version, within the caller's transaction.
int registry_bump(struct registry *r, int64_t *version);
int64_t registry_now(void); // wall clock, s
