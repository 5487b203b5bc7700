// SPDX-License-Identifier: Apache-2.0
// A key file and a marks file in a directory of their own, for one test.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEYS_DEFAULT                                                                               \
	"# two devices\n"                                                                          \
	"dev-1 aes-128-gcm 0 000102030405060708090a0b0c0d0e0f\n"                                   \
	"dev-2\thmac-sha-256  1 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f " \
	"# with a comment\n"                                                                       \
	"\n"                                                                                       \
	"dev-1 aes-128-gcm 1 ffeeddccbbaa99887766554433221100"

static char state_dir[32];
static char keys_path[96];
static char marks_path[96];

static inline int keys_write(const char *text) {
	FILE *f = fopen(keys_path, "w");

	if (f == NULL)
		return -1;
	fputs(text, f);
	return fclose(f);
}

static inline int state_make(void) {
	snprintf(state_dir, sizeof(state_dir), "/tmp/sluice-frame-XXXXXX");
	if (mkdtemp(state_dir) == NULL)
		return -1;
	snprintf(keys_path, sizeof(keys_path), "%s/keys", state_dir);
	snprintf(marks_path, sizeof(marks_path), "%s/marks", state_dir);
	return keys_write(KEYS_DEFAULT);
}

static inline void state_remove(void) {
	unlink(keys_path);
	unlink(marks_path);
	rmdir(state_dir);
}
