// SPDX-License-Identifier: Apache-2.0
// References to secrets: the configuration names where a secret lies, never the secret itself.
//
//   file:PATH         contents of a file (relative to the configuration file), one trailing
//                     newline cut; refused if other users may read it
//   credential:NAME   contents of $CREDENTIALS_DIRECTORY/NAME (systemd)
//   env:NAME          an environment variable, for tests
//
// Main thread, at load.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum secret_source { SECRET_LITERAL, SECRET_FILE, SECRET_CREDENTIAL, SECRET_ENV };

// What kind of reference `text` is; *rest is what follows the prefix (the whole text of a literal).
enum secret_source secret_source(const char *text, const char **rest);

// Path of a file: or credential: reference. `base_dir` is prepended to relative file paths.
// 0; -EINVAL (not such a reference, or a credential name with '/'); -ENOENT (no credentials
// directory); -ENAMETOOLONG.
int secret_path(const char *text, const char *base_dir, char *path, size_t size);

// Fetch the secret into out[0..size), terminated. A literal is returned as it is: whether it may
// be one is the caller's rule. 0 or -errno with `why` filled: a sentence that does not contain the
// secret. Empty secrets and secrets with a NUL byte are refused.
int secret_read(
	const char *text,
	const char *base_dir,
	char *out,
	size_t size,
	char *why,
	size_t why_size
);
