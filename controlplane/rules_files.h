// SPDX-License-Identifier: Apache-2.0
// Signature sets on disk: the one in force where the configuration says, and every version that was
// applied in the state directory. Main thread.
#pragma once

#include "controlplane/registry.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

// Where `config` says that signatures are: "" if it names none. -EINVAL: the file has mistakes.
int rules_path(const char *config, char *out, size_t room);

// A bundle for sluiced to read, beside `path` and with its owner and mode. Its name in `out`.
int rules_announce(const char *path, const char *text, char *out, size_t room);

// Replace the file or the directory `path` by a bundle, whole or not at all.
int rules_swap(const char *path, const char *text);

// Versions, from 1. add: 0 and *version. text: NULL with *error; the caller frees it.
int rules_version_add(
	const char *state_dir,
	const struct author *by,
	const char *comment,
	const char *text,
	int64_t *version
);
int64_t rules_version_last(const char *state_dir); // 0: none
char *rules_version_text(const char *state_dir, int64_t version, int *error);
json_t *rules_history(const char *state_dir, int64_t limit); // newest first
