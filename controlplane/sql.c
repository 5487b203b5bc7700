// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sql.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS 2000

int sql_error(struct sql *s) {
	int code = sqlite3_extended_errcode(s->db);

	snprintf(s->why, sizeof(s->why), "%s", sqlite3_errmsg(s->db));
	switch (code) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
		return -EEXIST;
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return -ENOENT;
	case SQLITE_IOERR_WRITE:
	case SQLITE_IOERR_FSYNC:
		return -ENOSPC;
	}
	switch (code & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_IOERR:
		return -EIO;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		return -EROFS;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CONSTRAINT:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

int sql_open(struct sql *s, const char *path) {
	*s = (struct sql) {0};
	if (sqlite3_open_v2(
		    path,
		    &s->db,
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
		    NULL
	    )
	    == SQLITE_OK) {
		sqlite3_busy_timeout(s->db, BUSY_MS);
		sqlite3_extended_result_codes(s->db, 1);
		return 0;
	}
	int ret = s->db != NULL ? sql_error(s) : -ENOMEM;
	sql_close(s);
	return ret;
}

void sql_close(struct sql *s) {
	for (uint32_t i = 0; i < s->cached; i++)
		sqlite3_finalize(s->cache[i].statement);
	s->cached = 0;
	sqlite3_close(s->db);
	s->db = NULL;
}

int sql_script(struct sql *s, const char *text) {
	return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_error(s);
}

static struct sqlite3_stmt *prepared(struct sql *s, const char *text) {
	struct sqlite3_stmt *q = NULL;

	for (uint32_t i = 0; i < s->cached; i++)
		if (s->cache[i].text == text)
			return s->cache[i].statement;
	if (s->cached == SQL_CACHE) {
		snprintf(s->why, sizeof(s->why), "too many statements");
		return NULL;
	}
	if (sqlite3_prepare_v3(s->db, text, -1, SQLITE_PREPARE_PERSISTENT, &q, NULL) != SQLITE_OK) {
		(void)sql_error(s);
		return NULL;
	}
	s->cache[s->cached].text = text;
	s->cache[s->cached++].statement = q;
	return q;
}

static struct sqlite3_stmt *bound(struct sql *s, const char *text, const char *format, va_list ap) {
	struct sqlite3_stmt *q = prepared(s, text);

	if (q == NULL)
		return NULL;
	for (int i = 1; *format != '\0'; format++, i++) {
		if (*format == 'i') {
			sqlite3_bind_int64(q, i, va_arg(ap, int64_t));
		} else if (*format == 't') {
			sqlite3_bind_text(q, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
		} else {
			const void *p = va_arg(ap, const void *);
			size_t n = va_arg(ap, size_t);
			sqlite3_bind_blob64(q, i, p, n, SQLITE_TRANSIENT);
		}
	}
	return q;
}

struct sqlite3_stmt *sql_begin(struct sql *s, const char *text, const char *format, ...) {
	va_list ap;

	va_start(ap, format);
	struct sqlite3_stmt *q = bound(s, text, format, ap);
	va_end(ap);
	return q;
}

int sql_row(struct sql *s, struct sqlite3_stmt *q) {
	if (q == NULL)
		return -EINVAL;
	int rc = sqlite3_step(q);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : sql_error(s);
}

void sql_end(struct sqlite3_stmt *q) {
	if (q == NULL)
		return;
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
}

int sql_run(struct sql *s, const char *text, const char *format, ...) {
	va_list ap;
	int ret;

	va_start(ap, format);
	struct sqlite3_stmt *q = bound(s, text, format, ap);
	va_end(ap);
	while ((ret = sql_row(s, q)) > 0)
		;
	sql_end(q);
	return ret < 0 ? ret : sqlite3_changes(s->db);
}

int sql_number(struct sql *s, int64_t *out, const char *text, const char *format, ...) {
	va_list ap;

	va_start(ap, format);
	struct sqlite3_stmt *q = bound(s, text, format, ap);
	va_end(ap);
	int ret = sql_row(s, q);
	if (ret > 0)
		*out = sqlite3_column_int64(q, 0);
	sql_end(q);
	return ret > 0 ? 0 : ret == 0 ? -ENOENT : ret;
}

char *sql_text(struct sql *s, int *error, const char *text, const char *format, ...) {
	char *out = NULL;
	va_list ap;

	va_start(ap, format);
	struct sqlite3_stmt *q = bound(s, text, format, ap);
	va_end(ap);
	int ret = sql_row(s, q);
	*error = ret < 0 ? ret : -ENOENT;
	if (ret > 0 && sqlite3_column_type(q, 0) != SQLITE_NULL) {
		out = strdup((const char *)sqlite3_column_text(q, 0));
		*error = out != NULL ? 0 : -ENOMEM;
	}
	sql_end(q);
	return out;
}

int sql_transaction(struct sql *s) {
	if (s->in_transaction)
		return -EBUSY;
	int ret = sql_script(s, "BEGIN IMMEDIATE");
	s->in_transaction = ret == 0;
	return ret;
}

int sql_finish(struct sql *s, int ret) {
	s->in_transaction = false;
	if (ret >= 0) {
		int done = sql_script(s, "COMMIT");
		if (done == 0)
			return ret;
		ret = done;
	}
	// Keep the reason of the failure; a failing rollback means there was nothing to undo.
	char why[SQL_WHY_MAX];
	memcpy(why, s->why, sizeof(why));
	(void)sql_script(s, "ROLLBACK");
	memcpy(s->why, why, sizeof(why));
	return ret;
}
