// SPDX-License-Identifier: Apache-2.0
#include "config/durable_file.h"
#include "controlplane/registry_state.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// WAL with synchronous=FULL: an answered change is on disk. The cache bounds memory.
static const char settings[] = "PRAGMA journal_mode=WAL;"
			       "PRAGMA synchronous=FULL;"
			       "PRAGMA foreign_keys=ON;"
			       "PRAGMA secure_delete=ON;"
			       "PRAGMA temp_store=MEMORY;"
			       "PRAGMA cache_size=-65536;"
			       "PRAGMA mmap_size=0;"
			       "PRAGMA trusted_schema=OFF;";

static int checked(struct sql *s, char *why, size_t why_len) {
	int ret = 0;
	char *answer = sql_text(s, &ret, "PRAGMA quick_check(1)", "");

	if (answer != NULL && strcmp(answer, "ok") != 0) {
		snprintf(why, why_len, "%s", answer);
		ret = -EIO;
	} else if (answer == NULL) {
		snprintf(why, why_len, "%s", s->why);
	}
	free(answer);
	if (ret != 0)
		return ret;
	struct sqlite3_stmt *q = sql_begin(s, "PRAGMA foreign_key_check", "");
	ret = sql_row(s, q);
	sql_end(q);
	if (ret > 0) {
		snprintf(why, why_len, "a row refers to one that is gone");
		return -EIO;
	}
	return ret;
}

int registry_open(const char *path, struct registry **out, char *why, size_t why_len) {
	struct registry *r = calloc(1, sizeof(*r));
	int64_t id = 0;

	if (r == NULL)
		return -ENOMEM;
	snprintf(r->path, sizeof(r->path), "%s", path);
	mode_t mask = umask(0077); // secrets: nobody else reads the file or its journal
	int ret = sql_open(&r->sql, path);
	if (ret == 0)
		ret = sql_script(&r->sql, settings);
	umask(mask);
	if (ret < 0) {
		snprintf(why, why_len, "%s", r->sql.db != NULL ? r->sql.why : "cannot open");
		goto err;
	}
	ret = checked(&r->sql, why, why_len);
	if (ret == 0)
		ret = registry_migrate(&r->sql, REGISTRY_SCHEMA, why, why_len);
	if (ret < 0)
		goto err;
	ret = sql_number(&r->sql, &id, "SELECT value FROM meta WHERE key='id'", "");
	if (ret < 0) {
		snprintf(why, why_len, "no identity: %s", r->sql.why);
		goto err;
	}
	r->id = (uint64_t)id;
	*out = r;
	return 0;
err:
	registry_close(r);
	return ret;
}

void registry_close(struct registry *r) {
	if (r == NULL)
		return;
	sql_close(&r->sql);
	free(r);
}

const char *registry_why(const struct registry *r) {
	return r->sql.why;
}

struct sql *registry_sql(struct registry *r) {
	return &r->sql;
}

int64_t registry_now(void) {
	return (int64_t)time(NULL);
}

int registry_bump(struct registry *r, int64_t *version) {
	return sql_number(
		&r->sql,
		version,
		"UPDATE meta SET value=value+1 WHERE key='version' RETURNING value",
		""
	);
}

int registry_one(struct registry *r, int ret, const char *what) {
	if (ret != 0)
		return ret;
	snprintf(r->sql.why, sizeof(r->sql.why), "there is no such %s", what);
	return -ENOENT;
}

uint64_t registry_version(struct registry *r) {
	int64_t v = 0;

	(void)sql_number(&r->sql, &v, "SELECT value FROM meta WHERE key='version'", "");
	return (uint64_t)v;
}

uint64_t registry_oldest(struct registry *r) {
	int64_t v = 0;

	(void)sql_number(&r->sql, &v, "SELECT value FROM meta WHERE key='oldest'", "");
	return (uint64_t)v;
}

uint64_t registry_id(struct registry *r) {
	return r->id;
}

int registry_acknowledged(struct registry *r, uint64_t version) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = sql_run(&r->sql, "DELETE FROM removals WHERE version<=?", "i", (int64_t)version);
	if (ret > 0)
		ret =
			sql_run(&r->sql,
				"UPDATE meta SET value=max(value,?) WHERE key='oldest'",
				"i",
				(int64_t)version);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

static int copy_to(struct registry *r, const char *path) {
	sqlite3 *to = NULL;
	int ret = -EIO;

	if (sqlite3_open(path, &to) != SQLITE_OK)
		goto out;
	sqlite3_backup *b = sqlite3_backup_init(to, "main", r->sql.db, "main");
	if (b == NULL)
		goto out;
	int rc = sqlite3_backup_step(b, -1);
	sqlite3_backup_finish(b);
	ret = rc == SQLITE_DONE ? 0 : rc == SQLITE_FULL ? -ENOSPC : -EIO;
	// A backup travels as one file.
	if (ret == 0
	    && sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) != SQLITE_OK)
		ret = -EIO;
out:
	if (ret < 0)
		snprintf(
			r->sql.why,
			sizeof(r->sql.why),
			"backup to %.180s: %s",
			path,
			to != NULL ? sqlite3_errmsg(to) : "out of memory"
		);
	sqlite3_close(to);
	return ret;
}

int registry_backup(struct registry *r, const char *path) {
	struct durable_file f;
	int ret = durable_file_begin(&f, path, 0600);

	if (ret == 0) {
		ret = copy_to(r, f.part);
		if (ret < 0) {
			durable_file_abandon(&f);
			return ret;
		}
		ret = durable_file_commit(&f);
	}
	if (ret < 0)
		snprintf(
			r->sql.why, sizeof(r->sql.why), "backup to %.180s: %s", path, strerror(-ret)
		);
	return ret;
}

int registry_check(struct registry *r, char *why, size_t why_len) {
	return checked(&r->sql, why, why_len);
}

int registry_check_file(const char *path, char *why, size_t why_len) {
	struct sql s;

	if (access(path, R_OK) < 0) {
		snprintf(why, why_len, "%s: %s", path, strerror(errno));
		return -errno;
	}
	int ret = sql_open(&s, path);
	if (ret < 0) {
		snprintf(why, why_len, "cannot open");
		return ret;
	}
	ret = checked(&s, why, why_len);
	int64_t id;
	if (ret == 0 && sql_number(&s, &id, "SELECT value FROM meta WHERE key='id'", "") < 0) {
		snprintf(why, why_len, "not a registry");
		ret = -EINVAL;
	}
	sql_close(&s);
	return ret;
}

// States change only with the version.
static int states_count(struct registry *r) {
	uint64_t version = registry_version(r);
	int error = 0;

	if (r->states[0] != '\0' && r->states_version == version)
		return 0;
	char *text = sql_text(
		&r->sql,
		&error,
		"SELECT json_object('pending',count(*) FILTER(WHERE state=0),'active',count(*) "
		"FILTER(WHERE state=1),'suspended',count(*) FILTER(WHERE state=2),'revoked',"
		"count(*) FILTER(WHERE state=3)) FROM devices",
		""
	);
	if (text == NULL)
		return error;
	snprintf(r->states, sizeof(r->states), "%s", text);
	r->states_version = version;
	free(text);
	return 0;
}

char *registry_summary(struct registry *r, int *error) {
	*error = states_count(r);
	if (*error < 0)
		return NULL;
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object("
		"'devices',json(?),"
		"'version',(SELECT value FROM meta WHERE key='version'),"
		"'blocks',(SELECT count(*) FROM blocks),"
		"'certificates',(SELECT count(*) FROM certificates INDEXED BY certificates_end)-"
		"(SELECT count(*) FROM certificates WHERE revoked_s IS NOT NULL),"
		"'audit_entries',(SELECT max(id) FROM audit),"
		"'config_version',(SELECT coalesce(max(id),0) FROM configs),"
		"'bytes',(SELECT page_count*page_size FROM pragma_page_count,pragma_page_size))",
		"t",
		r->states
	);
}
