// SPDX-License-Identifier: Apache-2.0
// SQLite with fewer words: statements prepared once, arguments bound by a format, errors as
// -errno with a sentence. One thread.
//
// Argument formats: i int64_t · t const char * (NULL is SQL NULL) · b const void *, size_t
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;
struct sqlite3_stmt;

#define SQL_CACHE 192
#define SQL_WHY_MAX 256

struct sql {
	struct sqlite3 *db;
	struct {
		const char *text; // a string literal: compared by address
		struct sqlite3_stmt *statement;
	} cache[SQL_CACHE];
	uint32_t cached;
	bool in_transaction;
	char why[SQL_WHY_MAX]; // of the last failure, for the operator
};

int sql_open(struct sql *s, const char *path);
void sql_close(struct sql *s);

// Several statements without arguments.
int sql_script(struct sql *s, const char *text);

// `text` must be a string literal. Rows are read between sql_begin() and sql_end(); a statement
// serves one reader at a time.
struct sqlite3_stmt *sql_begin(struct sql *s, const char *text, const char *format, ...);
int sql_row(struct sql *s, struct sqlite3_stmt *q); // 1 a row, 0 no more, -errno
void sql_end(struct sqlite3_stmt *q);

// Run to the end. Number of rows changed, or -errno.
int sql_run(struct sql *s, const char *text, const char *format, ...);
// First column of the first row. -ENOENT if there is none.
int sql_number(struct sql *s, int64_t *out, const char *text, const char *format, ...);
// The same as text the caller frees; NULL with *error set (-ENOENT: no row or NULL).
char *sql_text(struct sql *s, int *error, const char *text, const char *format, ...);

// BEGIN IMMEDIATE; nested calls are refused with -EBUSY.
int sql_transaction(struct sql *s);
// COMMIT if `ret` >= 0, else ROLLBACK. Returns `ret`, or the error of the commit.
int sql_finish(struct sql *s, int ret);

// What SQLite's last error means: -EEXIST, -ENOSPC, -EIO (corrupt), -EBUSY, -EINVAL...
int sql_error(struct sql *s);
