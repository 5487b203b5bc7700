// SPDX-License-Identifier: Apache-2.0
// Configuration versions, blocks, certificates, trust: rows that are added, listed and ended.
#include "controlplane/ca/digest.h"
#include "controlplane/registry_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int changed_one(struct registry *r, int ret, const char *what) {
	if (ret != 0)
		return ret;
	snprintf(r->sql.why, sizeof(r->sql.why), "there is no such %s", what);
	return -ENOENT;
}

int registry_config_add(
	struct registry *r,
	const struct author *by,
	const char *comment,
	const char *text,
	int64_t *version
) {
	uint8_t digest[DIGEST_BYTES];
	char hex[DIGEST_TEXT], object[32], after[128];
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	digest_sha256(text, strlen(text), digest);
	digest_hex(digest, sizeof(digest), hex);
	ret = sql_number(
		&r->sql,
		version,
		"INSERT INTO configs(at_s,who,comment,sha256,text) VALUES(?,?,?,?,?) RETURNING id",
		"itttt",
		registry_now(),
		by->name,
		comment,
		hex,
		text
	);
	snprintf(object, sizeof(object), "version %" PRId64, *version);
	snprintf(after, sizeof(after), "{\"sha256\":\"%s\"}", hex);
	if (ret == 0)
		ret = audit_append(&r->sql, by, "config.apply", object, NULL, after);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

char *registry_config_history(struct registry *r, int64_t limit, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('versions',json_group_array(json(v))) FROM (SELECT "
		"json_object('version',id,'at_s',at_s,'who',who,'comment',comment,'sha256',sha256) "
		"AS v FROM configs ORDER BY id DESC LIMIT ?)",
		"i",
		limit
	);
}

char *registry_config_text(struct registry *r, int64_t version, int *error) {
	return sql_text(&r->sql, error, "SELECT text FROM configs WHERE id=?", "i", version);
}

int64_t registry_config_current(struct registry *r) {
	int64_t v = 0;

	(void)sql_number(&r->sql, &v, "SELECT coalesce(max(id),0) FROM configs", "");
	return v;
}

int registry_block_add(
	struct registry *r,
	const struct author *by,
	const struct block *b,
	int64_t *id
) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = sql_number(
		&r->sql,
		id,
		"INSERT INTO blocks(device,address,realm,records_per_s,until_s,reason,who,at_s) "
		"VALUES(?,?,?,?,?,?,?,?) RETURNING id",
		"ttiiitti",
		b->device,
		b->address,
		b->realm,
		b->records_per_s,
		b->until_s,
		b->reason,
		by->name,
		registry_now()
	);
	if (ret == 0)
		ret = audit_append(
			&r->sql,
			by,
			b->records_per_s > 0 ? "flow.limit" : "flow.block",
			b->device != NULL ? b->device : b->address,
			NULL,
			NULL
		);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

int registry_block_remove(struct registry *r, const struct author *by, int64_t id) {
	char object[32];
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = changed_one(r, sql_run(&r->sql, "DELETE FROM blocks WHERE id=?", "i", id), "block");
	snprintf(object, sizeof(object), "block %" PRId64, id);
	if (ret > 0)
		ret = audit_append(&r->sql, by, "flow.allow", object, NULL, NULL);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

char *registry_block_list(struct registry *r, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('blocks',json_group_array(json_object('id',id,'device',device,"
		"'address',address,'realm',realm,'records_per_s',records_per_s,'until_s',until_s,"
		"'reason',reason,'who',who,'at_s',at_s))) FROM blocks WHERE until_s=0 OR until_s>?",
		"i",
		registry_now()
	);
}

int registry_block_hits(struct registry *r, const struct block *b, int64_t *devices) {
	if (b->device != NULL)
		return sql_number(
			&r->sql,
			devices,
			"SELECT count(*) FROM devices WHERE name=? AND state=1",
			"t",
			b->device
		);
	// Last addresses are texts: a whole address, or a prefix of whole groups by its text.
	return sql_number(
		&r->sql,
		devices,
		"SELECT count(*) FROM seen s JOIN devices d ON d.id=s.device "
		"WHERE d.state=1 AND s.address GLOB ?",
		"t",
		b->address
	);
}

int registry_certificate_add(
	struct registry *r,
	const struct author *by,
	const struct certificate_row *c
) {
	char hex[DIGEST_TEXT];
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret =
		sql_run(&r->sql,
			"INSERT INTO certificates(serial,device,issuer,subject,sha256,not_before_s,"
			"not_after_s,pem) VALUES(?,?,?,?,?,?,?,?)",
			"tttttiit",
			c->serial,
			c->device,
			c->issuer,
			c->subject,
			digest_hex(c->sha256, DIGEST_BYTES, hex),
			c->not_before_s,
			c->not_after_s,
			c->pem);
	if (ret >= 0)
		ret = audit_append(&r->sql, by, "cert.issue", c->serial, NULL, NULL);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

int registry_certificate_revoke(
	struct registry *r,
	const struct author *by,
	const char *serial,
	const char *reason
) {
	int64_t version = 0;
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = sql_run(
		&r->sql,
		"UPDATE certificates SET revoked_s=?,reason=? WHERE serial=? AND revoked_s IS NULL",
		"itt",
		registry_now(),
		reason,
		serial
	);
	ret = changed_one(r, ret, "certificate that is not revoked");
	if (ret > 0)
		ret = registry_bump(r, &version);
	if (ret >= 0)
		ret = audit_append(&r->sql, by, "cert.revoke", serial, NULL, NULL);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

char *registry_certificate_list(struct registry *r, int64_t now_s, int64_t within_s, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('certificates',json_group_array(json(c))) FROM (SELECT "
		"json_object('serial',serial,'device',device,'issuer',issuer,'subject',subject,"
		"'sha256',sha256,'not_before_s',not_before_s,'not_after_s',not_after_s,"
		"'state',CASE WHEN revoked_s IS NOT NULL THEN 'revoked' WHEN not_after_s<=?1 THEN "
		"'expired' ELSE 'valid' END,'reason',reason) AS c FROM certificates "
		"WHERE ?2<0 OR (revoked_s IS NULL AND not_after_s<?1+?2) "
		"ORDER BY not_after_s LIMIT 10000)",
		"ii",
		now_s,
		within_s
	);
}

char *registry_certificate_pem(struct registry *r, const char *serial, int *error) {
	return sql_text(&r->sql, error, "SELECT pem FROM certificates WHERE serial=?", "t", serial);
}

int registry_trust_add(
	struct registry *r,
	const struct author *by,
	const char *name,
	const char *subject,
	const uint8_t sha256[32],
	const char *pem
) {
	char hex[DIGEST_TEXT];
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret =
		sql_run(&r->sql,
			"INSERT INTO trust VALUES(?,?,?,?,?)",
			"tttti",
			name,
			subject,
			digest_hex(sha256, DIGEST_BYTES, hex),
			pem,
			registry_now());
	if (ret == -EEXIST)
		snprintf(r->sql.why, sizeof(r->sql.why), "there is a trusted issuer '%.60s'", name);
	if (ret >= 0)
		ret = audit_append(&r->sql, by, "trust.add", name, NULL, NULL);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

int registry_trust_remove(struct registry *r, const struct author *by, const char *name) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = sql_run(&r->sql, "DELETE FROM trust WHERE name=?", "t", name);
	ret = changed_one(r, ret, "trusted issuer");
	if (ret > 0)
		ret = audit_append(&r->sql, by, "trust.remove", name, NULL, NULL);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

char *registry_trust_list(struct registry *r, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('issuers',json_group_array(json_object('name',name,"
		"'subject',subject,'sha256',sha256,'at_s',at_s))) FROM trust",
		""
	);
}

char *registry_trust_affected(struct registry *r, const char *name, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('devices',json_group_array(c.device)) FROM certificates c "
		"JOIN trust t ON t.subject=c.issuer WHERE t.name=? AND c.revoked_s IS NULL "
		"AND c.device IS NOT NULL",
		"t",
		name
	);
}

int registry_template_set(
	struct registry *r,
	const struct author *by,
	const char *issuer,
	const char *pattern,
	const char *profile,
	int state
) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret =
		sql_run(&r->sql,
			"INSERT OR REPLACE INTO templates VALUES(?,?,?,?)",
			"ttti",
			issuer,
			pattern,
			profile,
			(int64_t)state);
	if (ret >= 0)
		ret = audit_append(&r->sql, by, "template.set", issuer, NULL, NULL);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

char *registry_template_list(struct registry *r, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('templates',json_group_array(json_object('issuer',issuer,"
		"'pattern',pattern,'profile',profile,'state',CASE state WHEN 1 THEN 'active' ELSE "
		"'pending' END))) FROM templates",
		""
	);
}
