// SPDX-License-Identifier: Apache-2.0
// Configuration versions.
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
