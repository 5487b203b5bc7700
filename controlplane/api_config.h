// SPDX-License-Identifier: Apache-2.0
// What the two files of the configuration's API share: api_config.c has it as a whole,
// api_options.c option by option. Main thread.
#pragma once

#include "controlplane/control.h"

// The file in force; the caller frees it. NULL with *error.
char *config_text(const struct control *c, int *error);

// Check whole, ask the data plane, store, tell the data plane; fills the reply. If a restart would
// be needed, the body must say restart_later.
void config_take(
	struct control *c,
	struct request *q,
	const char *text,
	const char *comment,
	struct reply *r
);

// A list of {option, was, is, restart}, without secrets.
json_t *config_differences(const char *before, const char *after);
bool config_needs_restart(const json_t *differences); // one of them does
