// SPDX-License-Identifier: Apache-2.0
// A profile as it is in force, as YAML that a profile file could hold: defaults filled in, options
// without effect left out, secrets hidden. Any thread.
#pragma once

#include "config/profile.h"

#include <stdio.h>

void profile_print(FILE *f, const struct profile *p);
