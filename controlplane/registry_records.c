// SPDX-License-Identifier: Apache-2.0
// Configuration versions and blocks: rows that are added, listed and ended.
#include "controlplane/ca/digest.h"
#include "controlplane/registry_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	ret = registry_one(r, sql_run(&r->sql, "DELETE FROM blocks WHERE id=?", "i", id), "block");
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
