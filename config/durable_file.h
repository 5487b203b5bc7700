// SPDX-License-Identifier: Apache-2.0
// Replace a file so that a crash at any moment leaves the old one or the new one, whole: write
// beside it, fsync, rename, fsync the directory.
//
//   durable_file_begin()    opens PATH.part
//   fwrite() to f.stream    as much as it takes
//   durable_file_commit()   on disk under its name, or an error and the old file is untouched
//
// Any thread that may wait for a disk; never a worker.
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#define DURABLE_PATH_MAX 512

struct durable_file {
	FILE *stream;
	char path[DURABLE_PATH_MAX];
	char part[DURABLE_PATH_MAX + 8];
};

// 0 or -errno. A part that an earlier crash left behind is overwritten.
int durable_file_begin(struct durable_file *f, const char *path, mode_t mode);
// 0 or -errno; what could not be written to the stream before counts. Closes either way; after an
// error there is no part left. If only the directory could not be synchronised the new file is in
// place and the error says that it may not survive a power cut.
int durable_file_commit(struct durable_file *f);
void durable_file_abandon(struct durable_file *f); // as if it had not begun

// The whole at once.
int durable_file_write(const char *path, const void *bytes, size_t len, mode_t mode);
// With the mode and owner of `like`, so far as we may and if it exists: what another user reads.
// `like` may be a directory, and the file itself.
int durable_file_write_like(
	const char *path,
	const void *bytes,
	size_t len,
	mode_t mode,
	const char *like
);

// Make the name of a file that exists as durable as its content.
int durable_name_sync(const char *path);
