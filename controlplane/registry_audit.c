// SPDX-License-Identifier: Apache-2.0
// The audit log: each entry carries the hash of itself and of the entry before it.
#include "controlplane/ca/digest.h"
#include "controlplane/registry_state.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHAIN_START "0000000000000000000000000000000000000000000000000000000000000000"

struct entry {
	int64_t id;
	int64_t at_ns;
	const char *who;
	int64_t uid;
	const char *action, *object, *before, *after;
};

// Length before each text: no two different entries have the same bytes.
static int entry_hash(const char *previous, const struct entry *e, char out[DIGEST_TEXT]) {
	const char *texts[] = {previous, e->who, e->action, e->object, e->before, e->after};
	uint8_t digest[DIGEST_BYTES];
	char *bytes = NULL;
	size_t len = 0;

	FILE *f = open_memstream(&bytes, &len);
	if (f == NULL)
		return -ENOMEM;
	fprintf(f, "%" PRId64 " %" PRId64 " %" PRId64, e->id, e->at_ns, e->uid);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i] == NULL)
			fprintf(f, " -");
		else
			fprintf(f, " %zu:%s", strlen(texts[i]), texts[i]);
	}
	if (fclose(f) != 0) {
		free(bytes);
		return -ENOMEM;
	}
	digest_sha256(bytes, len, digest);
	digest_hex(digest, sizeof(digest), out);
	free(bytes);
	return 0;
}

int audit_append(
	struct sql *s,
	const struct author *by,
	const char *action,
	const char *object,
	const char *before,
	const char *after
) {
	char chain[DIGEST_TEXT], previous[DIGEST_TEXT] = CHAIN_START;
	struct timespec now;
	int64_t last = 0;

	struct sqlite3_stmt *q =
		sql_begin(s, "SELECT id, chain FROM audit ORDER BY id DESC LIMIT 1", "");
	int ret = sql_row(s, q);
	if (ret > 0) {
		last = sqlite3_column_int64(q, 0);
		snprintf(previous, sizeof(previous), "%s", sqlite3_column_text(q, 1));
	}
	sql_end(q);
	if (ret < 0)
		return ret;
	clock_gettime(CLOCK_REALTIME, &now);
	struct entry e = {
		.id = last + 1,
		.at_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec,
		.who = by->name,
		.uid = (int64_t)by->uid,
		.action = action,
		.object = object,
		.before = before,
		.after = after,
	};
	ret = entry_hash(previous, &e, chain);
	if (ret < 0)
		return ret;
	return sql_run(
		s,
		"INSERT INTO audit VALUES(?,?,?,?,?,?,?,?,?)",
		"iitittttt",
		e.id,
		e.at_ns,
		e.who,
		e.uid,
		e.action,
		e.object,
		e.before,
		e.after,
		chain
	);
}

int registry_audit(
	struct registry *r,
	const struct author *by,
	const char *action,
	const char *object,
	const char *before,
	const char *after
) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = audit_append(&r->sql, by, action, object, before, after);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

char *registry_audit_list(struct registry *r, int64_t before_id, int64_t limit, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('entries', json_group_array(json(e)),'next',CASE WHEN "
		"count(*)=?2 "
		"THEN min(id) END) FROM (SELECT id, "
		"json_object('id',id,'at_ns',at_ns,'who',who,'uid',uid,"
		"'action',action,'object',object,'before',json(before),'after',json(after),'chain',"
		"chain)"
		" AS e FROM audit WHERE id<?1 ORDER BY id DESC LIMIT ?2)",
		"ii",
		before_id > 0 ? before_id : INT64_MAX,
		limit
	);
}

int64_t registry_audit_last_s(struct registry *r) {
	int64_t ns = 0;

	(void)sql_number(&r->sql, &ns, "SELECT at_ns FROM audit ORDER BY id DESC LIMIT 1", "");
	return ns / 1000000000;
}

int registry_audit_verify(struct registry *r, uint64_t *entries) {
	char previous[DIGEST_TEXT] = CHAIN_START, chain[DIGEST_TEXT];
	uint64_t n = 0;
	int ret;

	struct sqlite3_stmt *q = sql_begin(
		&r->sql,
		"SELECT id,at_ns,who,uid,action,object,before,after,chain FROM audit ORDER BY id",
		""
	);
	while ((ret = sql_row(&r->sql, q)) > 0) {
		struct entry e = {
			.id = sqlite3_column_int64(q, 0),
			.at_ns = sqlite3_column_int64(q, 1),
			.who = (const char *)sqlite3_column_text(q, 2),
			.uid = sqlite3_column_int64(q, 3),
			.action = (const char *)sqlite3_column_text(q, 4),
			.object = (const char *)sqlite3_column_text(q, 5),
			.before = (const char *)sqlite3_column_text(q, 6),
			.after = (const char *)sqlite3_column_text(q, 7),
		};
		ret = entry_hash(previous, &e, chain);
		if (ret < 0)
			break;
		n++;
		if (e.id != (int64_t)n
		    || strcmp(chain, (const char *)sqlite3_column_text(q, 8)) != 0) {
			ret = -EBADMSG;
			break;
		}
		memcpy(previous, chain, sizeof(previous));
	}
	sql_end(q);
	*entries = n;
	return ret;
}
