// SPDX-License-Identifier: Apache-2.0
// Trusted issuers, their revocation lists, provisioning templates.
#include "controlplane/ca/digest.h"
#include "controlplane/registry_certificates.h"
#include "controlplane/registry_state.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int registry_trust_add(struct registry *r, const struct author *by, const struct trust_row *t) {
	char hex[DIGEST_TEXT], after[160];
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret =
		sql_run(&r->sql,
			"INSERT INTO trust VALUES(?,?,?,?,?,?)",
			"ttttii",
			t->name,
			t->subject,
			digest_hex(t->sha256, DIGEST_BYTES, hex),
			t->pem,
			registry_now(),
			(int64_t)t->anchor);
	if (ret == -EEXIST)
		snprintf(
			r->sql.why,
			sizeof(r->sql.why),
			"there is a trusted issuer '%.60s', or that certificate is trusted already",
			t->name
		);
	snprintf(
		after,
		sizeof(after),
		"{\"sha256\":\"%s\",\"anchor\":%s}",
		hex,
		t->anchor ? "true" : "false"
	);
	if (ret >= 0)
		ret = audit_append(&r->sql, by, "trust.add", t->name, NULL, after);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

static int trust_delete(struct registry *r, const struct author *by, const char *name) {
	int ret = 0;
	char *before = sql_text(
		&r->sql,
		&ret,
		"SELECT json_object('subject',subject,'sha256',sha256) FROM trust WHERE name=?",
		"t",
		name
	);

	if (before == NULL)
		return ret == -ENOENT ? registry_one(r, 0, "trusted issuer") : ret;
	// Its list goes with it: a list is only as good as the trust in who signed it.
	static const char *const tables[] = {
		"DELETE FROM revocations WHERE authority=(SELECT sha256 FROM trust WHERE name=?)",
		"DELETE FROM crls WHERE authority=(SELECT sha256 FROM trust WHERE name=?)",
		"DELETE FROM templates WHERE issuer=?",
		"DELETE FROM trust WHERE name=?",
	};
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && ret >= 0; i++)
		ret = sql_run(&r->sql, tables[i], "t", name);
	if (ret >= 0)
		ret = audit_append(&r->sql, by, "trust.remove", name, before, NULL);
	free(before);
	return ret;
}

int registry_trust_remove(struct registry *r, const struct author *by, const char *name) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = trust_delete(r, by, name);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

char *registry_trust_list(struct registry *r, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('issuers',json_group_array(json_object('name',name,"
		"'subject',subject,'sha256',t.sha256,'at_s',t.at_s,'anchor',"
		"json(iif(anchor,'true','false')),'crl',iif(l.number IS NULL,NULL,"
		"json_object('number',l.number,'this_s',this_s,'next_s',next_s,'entries',entries)),"
		"'pem',pem) ORDER BY name)) FROM trust t LEFT JOIN crls l ON l.authority=t.sha256",
		""
	);
}

char *registry_trust_affected(struct registry *r, const char *name, int64_t now_s, int *error) {
	int64_t known = 0;

	*error = sql_number(&r->sql, &known, "SELECT count(*) FROM trust WHERE name=?", "t", name);
	if (*error == 0 && known == 0)
		*error = registry_one(r, 0, "trusted issuer");
	if (*error < 0)
		return NULL;
	return sql_text(
		&r->sql,
		error,
		"WITH hit(id) AS (SELECT p.id FROM paths p,json_each(p.issuers) i WHERE i.value="
		"(SELECT sha256 FROM trust WHERE name=?1)),"
		"gone(device) AS (SELECT DISTINCT c.device FROM certificates c WHERE "
		"c.device IS NOT NULL AND c.revoked_s IS NULL AND c.not_after_s>?2 AND c.path IN "
		"hit "
		"AND NOT EXISTS(SELECT 1 FROM certificates n WHERE n.device=c.device AND "
		"n.revoked_s IS NULL AND n.not_after_s>?2 AND coalesce(n.path,0) NOT IN hit)) "
		"SELECT json_object('devices',(SELECT json_group_array(device) FROM (SELECT device "
		"FROM gone ORDER BY device LIMIT 1000)),'count',(SELECT count(*) FROM gone))",
		"ti",
		name,
		now_s
	);
}

// --- revocation lists

static int number_order(const char *a, const char *b) {
	size_t n = strlen(a), m = strlen(b);

	return n != m ? (n < m ? -1 : 1) : strcmp(a, b);
}

// 0 go on, 1 the same list, -EPERM older than what is there.
static int crl_compare(struct registry *r, const struct crl_head *h) {
	struct sqlite3_stmt *q = sql_begin(
		&r->sql,
		"SELECT number,this_s,sha256 FROM crls WHERE authority=?",
		"t",
		h->authority
	);
	int ret = sql_row(&r->sql, q);

	if (ret > 0) {
		const char *number = (const char *)sqlite3_column_text(q, 0);
		int order = number_order(h->number, number);
		ret = 0;
		if (strcmp((const char *)sqlite3_column_text(q, 2), h->sha256) == 0)
			ret = 1;
		else if (order < 0 || h->this_s < sqlite3_column_int64(q, 1)
			 || (order == 0 && h->number[0] != '\0')) {
			snprintf(
				r->sql.why,
				sizeof(r->sql.why),
				"list number 0x%.40s does not come after number 0x%.40s, which is "
				"in force",
				h->number[0] != '\0' ? h->number : "0",
				number[0] != '\0' ? number : "0"
			);
			ret = -EPERM;
		}
	}
	sql_end(q);
	return ret;
}

static int entries_store(
	struct registry *r,
	const struct crl_head *h,
	crl_next next,
	void *owner,
	struct crl_result *out
) {
	struct crl_entry e;
	int ret = sql_run(&r->sql, "DELETE FROM revocations WHERE authority=?", "t", h->authority);

	while (ret >= 0 && next(owner, &e)) {
		out->entries++;
		ret =
			sql_run(&r->sql,
				"INSERT INTO revocations VALUES(?,?,?,?) ON CONFLICT DO NOTHING",
				"ttit",
				h->authority,
				e.serial,
				e.at_s,
				e.reason);
	}
	return ret < 0 ? ret
		       : sql_run(&r->sql,
				 "INSERT OR REPLACE INTO crls VALUES(?,?,?,?,?,?,?)",
				 "ttiiiti",
				 h->authority,
				 h->number,
				 h->this_s,
				 h->next_s,
				 (int64_t)out->entries,
				 h->sha256,
				 registry_now());
}

// Certificates of devices that the list names end.
static int listed_end(
	struct registry *r,
	const struct author *by,
	const char *authority,
	struct crl_result *out
) {
	char serial[41] = "", *found;
	int ret = 0;

	// "serial:sha256:reason" of the next one; those before it are revoked by now.
	while ((found = sql_text(
			&r->sql,
			&ret,
			"SELECT v.serial||':'||c.sha256||':'||v.reason FROM revocations v JOIN "
			"certificates c ON c.serial=v.serial JOIN paths p ON p.id=c.path WHERE "
			"v.authority=?1 AND v.serial>=?2 AND c.revoked_s IS NULL AND "
			"json_extract(p.issuers,'$[0]')=?1 ORDER BY v.serial LIMIT 1",
			"tt",
			authority,
			serial
		))
	       != NULL) {
		char sha256[DIGEST_TEXT], reason[64];
		const char *at = strchr(found, ':') + 1;
		snprintf(serial, sizeof(serial), "%.*s", (int)(at - 1 - found), found);
		snprintf(sha256, sizeof(sha256), "%.64s", at);
		snprintf(reason, sizeof(reason), "crl: %.40s", at + 65);
		free(found);
		ret = registry_certificate_end(r, by, sha256, reason);
		if (ret < 0)
			return ret;
		out->revoked++;
	}
	return ret == -ENOENT ? 0 : ret;
}

// Certificates that were on hold, and are not on the list any more, come back.
static int unlisted_release(
	struct registry *r,
	const struct author *by,
	const char *authority,
	struct crl_result *out
) {
	char *sha256;
	int ret = 0;

	while ((sha256 = sql_text(
			&r->sql,
			&ret,
			"SELECT c.sha256 FROM certificates c JOIN paths p ON p.id=c.path WHERE "
			"c.reason='crl: certificateHold' AND json_extract(p.issuers,'$[0]')=?1 AND "
			"NOT EXISTS(SELECT 1 FROM revocations v WHERE v.authority=?1 AND "
			"v.serial=c.serial) LIMIT 1",
			"t",
			authority
		))
	       != NULL) {
		ret = registry_certificate_release(r, by, sha256);
		free(sha256);
		if (ret < 0)
			return ret;
		out->released++;
	}
	return ret == -ENOENT ? 0 : ret;
}

static int crl_store(
	struct registry *r,
	const struct author *by,
	const struct crl_head *h,
	crl_next next,
	void *owner,
	struct crl_result *out
) {
	char after[300];
	int64_t version;
	int ret = crl_compare(r, h);

	if (ret != 0) {
		out->unchanged = ret > 0;
		return ret < 0 ? ret : 0;
	}
	ret = entries_store(r, h, next, owner, out);
	if (ret >= 0)
		ret = listed_end(r, by, h->authority, out);
	if (ret == 0)
		ret = unlisted_release(r, by, h->authority, out);
	if (ret == 0)
		ret = registry_bump(r, &version);
	if (ret < 0)
		return ret;
	snprintf(
		after,
		sizeof(after),
		"{\"number\":\"%.40s\",\"entries\":%" PRIu64 ",\"revoked\":%" PRIu64
		",\"released\":%" PRIu64 ",\"sha256\":\"%.64s\"}",
		h->number,
		out->entries,
		out->revoked,
		out->released,
		h->sha256
	);
	return audit_append(&r->sql, by, "crl.import", h->authority, NULL, after);
}

int registry_crl_import(
	struct registry *r,
	const struct author *by,
	const struct crl_head *h,
	crl_next next,
	void *owner,
	struct crl_result *out
) {
	*out = (struct crl_result) {0};
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = crl_store(r, by, h, next, owner, out);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

int registry_revoked(struct registry *r, const char *authority, const char *serial) {
	int64_t found = 0;
	int ret = sql_number(
		&r->sql,
		&found,
		"SELECT EXISTS(SELECT 1 FROM revocations WHERE authority=? AND serial=?)",
		"tt",
		authority,
		serial
	);

	return ret < 0 ? ret : (int)found;
}

char *registry_crl_overdue(struct registry *r, int64_t now_s, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('lists',json_group_array(json_object('name',t.name,'number',"
		"l.number,'next_s',l.next_s))) FROM crls l JOIN trust t ON t.sha256=l.authority "
		"WHERE l.next_s>0 AND l.next_s<=?",
		"i",
		now_s
	);
}

// --- templates

#define TEMPLATE_JSON                                                                              \
	"json_object('issuer',issuer,'pattern',pattern,'profile',profile,'name',name,"             \
	"'state',CASE state WHEN 1 THEN 'active' ELSE 'pending' END)"

static char *
template_json(struct registry *r, const char *issuer, const char *pattern, int *error) {
	char *json = sql_text(
		&r->sql,
		error,
		"SELECT " TEMPLATE_JSON " FROM templates WHERE issuer=? AND pattern=?",
		"tt",
		issuer,
		pattern
	);

	if (json == NULL && *error == -ENOENT)
		*error = 0;
	return json;
}

static int template_write(
	struct registry *r,
	const struct author *by,
	const char *issuer,
	const struct template_row *t
) {
	int64_t known = 0;
	int ret =
		sql_number(&r->sql, &known, "SELECT count(*) FROM trust WHERE name=?", "t", issuer);

	if (ret == 0 && known == 0)
		ret = registry_one(r, 0, "trusted issuer");
	char *before = ret == 0 ? template_json(r, issuer, t->pattern, &ret) : NULL;
	if (ret == 0)
		ret =
			sql_run(&r->sql,
				"INSERT OR REPLACE INTO templates VALUES(?,?,?,?,?)",
				"tttit",
				issuer,
				t->pattern,
				t->profile,
				(int64_t)t->state,
				t->name);
	char *after = ret >= 0 ? template_json(r, issuer, t->pattern, &ret) : NULL;
	if (ret >= 0)
		ret = audit_append(&r->sql, by, "template.set", issuer, before, after);
	free(before);
	free(after);
	return ret;
}

int registry_template_set(
	struct registry *r,
	const struct author *by,
	const char *issuer,
	const struct template_row *t
) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = template_write(r, by, issuer, t);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

int registry_template_remove(
	struct registry *r,
	const struct author *by,
	const char *issuer,
	const char *pattern
) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	char *before = template_json(r, issuer, pattern, &ret);
	if (ret == 0)
		ret = registry_one(
			r,
			sql_run(&r->sql,
				"DELETE FROM templates WHERE issuer=? AND pattern=?",
				"tt",
				issuer,
				pattern),
			"template"
		);
	if (ret > 0)
		ret = audit_append(&r->sql, by, "template.remove", issuer, before, NULL);
	free(before);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

char *registry_template_list(struct registry *r, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('templates',json_group_array(" TEMPLATE_JSON
		" ORDER BY issuer,pattern)) FROM templates",
		""
	);
}

int registry_template_at(
	struct registry *r,
	const char *issuer_sha256,
	int64_t n,
	struct template_row *out
) {
	struct sqlite3_stmt *q = sql_begin(
		&r->sql,
		"SELECT m.profile,m.name,m.pattern,m.state FROM templates m JOIN trust t ON "
		"t.name=m.issuer WHERE t.sha256=? ORDER BY m.pattern LIMIT 1 OFFSET ?",
		"ti",
		issuer_sha256,
		n
	);
	int ret = sql_row(&r->sql, q);

	if (ret > 0) {
		snprintf(out->profile, sizeof(out->profile), "%s", sqlite3_column_text(q, 0));
		snprintf(out->name, sizeof(out->name), "%s", sqlite3_column_text(q, 1));
		snprintf(out->pattern, sizeof(out->pattern), "%s", sqlite3_column_text(q, 2));
		out->state = sqlite3_column_int(q, 3);
	}
	sql_end(q);
	return ret > 0 ? 0 : ret == 0 ? -ENOENT : ret;
}
