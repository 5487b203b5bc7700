// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ca/digest.h"
#include "controlplane/registry_state.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// As in the data plane (parsers/payload.h): what a topic or path segment can carry.
bool device_name_valid(const char *name) {
	size_t n = strlen(name);

	if (n == 0 || n > CHANNEL_NAME_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];
		if (c < 0x20 || c == 0x7f || c == '/' || c == '+' || c == '#')
			return false;
	}
	return true;
}

#define DEVICE_JSON                                                                                \
	"json_object('name',d.name,'profile',d.profile,'state',"                                   \
	"CASE d.state WHEN 0 THEN 'pending' WHEN 1 THEN 'active' WHEN 2 THEN 'suspended' ELSE "    \
	"'revoked' END,"                                                                           \
	"'reason',d.reason,'records_per_s',d.records_per_s,'bytes_per_s',d.bytes_per_s,"           \
	"'connections',d.connections,'labels',"                                                    \
	"json(coalesce((SELECT labels FROM label_sets WHERE id=d.label_set),'{}')),"               \
	"'claims',json(coalesce((SELECT claims FROM claim_sets WHERE id=d.claims),'{}')),"         \
	"'created_s',d.created_s,'version',d.version)"

static char *device_json(struct registry *r, const char *name, int *error) {
	return sql_text(
		&r->sql, error, "SELECT " DEVICE_JSON " FROM devices d WHERE name=?", "t", name
	);
}

int registry_claim_set(struct registry *r, const char *claims, int64_t *id) {
	int ret =
		sql_run(&r->sql,
			"INSERT INTO claim_sets(claims) VALUES(?) ON CONFLICT DO NOTHING",
			"t",
			claims);
	if (ret < 0)
		return ret;
	return sql_number(&r->sql, id, "SELECT id FROM claim_sets WHERE claims=?", "t", claims);
}

// Columns not given keep their value. The sets are resolved before.
static int
device_write(struct registry *r, const char *name, const struct device_change *c, int64_t version) {
	int64_t set = 0, labels = -1;
	int ret = 0;

	if (c->claims != NULL)
		ret = registry_claim_set(r, c->claims, &set);
	if (ret >= 0 && c->labels != NULL)
		ret = registry_label_set(r, c->labels, &labels);
	if (ret < 0)
		return ret;
	return sql_run(
		&r->sql,
		"UPDATE devices SET profile=coalesce(?2,profile),"
		"label_set=iif(?3<0,label_set,nullif(?3,0)),"
		"state=iif(?4<0,state,?4),reason=iif(?4<0,reason,?5),"
		"records_per_s=iif(?6<0,records_per_s,?6),bytes_per_s=iif(?7<0,bytes_per_s,?7),"
		"connections=iif(?8<0,connections,?8),claims=iif(?9=0,claims,?9),version=?10 "
		"WHERE name=?1",
		"ttiitiiiii",
		name,
		c->profile,
		labels,
		(int64_t)c->state,
		c->reason,
		c->records_per_s,
		c->bytes_per_s,
		c->connections,
		set,
		version
	);
}

static const char *name_digest(const char *name, char out[DIGEST_TEXT]) {
	uint8_t digest[DIGEST_BYTES];

	digest_sha256(name, strlen(name), digest);
	return digest_hex(digest, sizeof(digest), out);
}

static int tombstone_check(struct registry *r, const char *name, bool readmit) {
	char digest[DIGEST_TEXT];
	int64_t one;

	int ret = sql_number(
		&r->sql,
		&one,
		"SELECT 1 FROM tombstones WHERE name_sha256=?",
		"t",
		name_digest(name, digest)
	);
	if (ret == -ENOENT)
		return 0;
	if (ret < 0)
		return ret;
	if (!readmit) {
		snprintf(
			r->sql.why,
			sizeof(r->sql.why),
			"a device of that name was removed for good; --readmit says that this one "
			"may "
			"have the name"
		);
		return -EPERM;
	}
	return sql_run(&r->sql, "DELETE FROM tombstones WHERE name_sha256=?", "t", digest);
}

static int audit_after(
	struct registry *r,
	const struct author *by,
	const char *action,
	const char *name,
	const char *before
) {
	int ret = 0;
	char *after = device_json(r, name, &ret);

	if (after != NULL)
		ret = audit_append(&r->sql, by, action, name, before, after);
	free(after);
	return ret < 0 ? ret : 0;
}

int registry_device_insert(
	struct registry *r,
	const struct author *by,
	const char *name,
	const struct device_change *c,
	bool readmit
) {
	struct device_change given = *c;
	int64_t version = 0;
	int ret = tombstone_check(r, name, readmit);

	if (ret >= 0)
		ret = registry_bump(r, &version);
	if (ret < 0)
		return ret;
	if (given.state < 0)
		given.state = DEVICE_ACTIVE;
	ret =
		sql_run(&r->sql,
			"INSERT INTO devices(name,state,created_s,version) VALUES(?,?,?,?)",
			"tiii",
			name,
			(int64_t)given.state,
			registry_now(),
			version);
	if (ret == -EEXIST)
		snprintf(r->sql.why, sizeof(r->sql.why), "the device is registered already");
	if (ret >= 0)
		ret = device_write(r, name, &given, version);
	return ret < 0 ? ret : audit_after(r, by, "device.add", name, NULL);
}

int registry_device_add(
	struct registry *r,
	const struct author *by,
	const char *name,
	const struct device_change *c,
	bool readmit
) {
	if (!device_name_valid(name)) {
		snprintf(
			r->sql.why,
			sizeof(r->sql.why),
			"a device name has 1 to %d bytes without control characters, '/', '+', '#'",
			CHANNEL_NAME_MAX
		);
		return -EINVAL;
	}
	int ret = sql_transaction(&r->sql);
	if (ret < 0)
		return ret;
	return sql_finish(&r->sql, registry_device_insert(r, by, name, c, readmit));
}

static int state_check(struct registry *r, const char *name, int state, bool readmit) {
	int64_t now = 0;
	int ret = sql_number(&r->sql, &now, "SELECT state FROM devices WHERE name=?", "t", name);

	if (ret < 0)
		return ret;
	if (now != DEVICE_REVOKED || state == DEVICE_REVOKED || state < 0 || readmit)
		return 0;
	snprintf(
		r->sql.why,
		sizeof(r->sql.why),
		"the device is revoked; only `device resume --readmit` brings it back"
	);
	return -EPERM;
}

static int device_update(
	struct registry *r,
	const struct author *by,
	const char *name,
	const struct device_change *c,
	bool readmit
) {
	static const char *const actions[DEVICE_STATE_COUNT] = {
		[DEVICE_PENDING] = "device.pend",
		[DEVICE_ACTIVE] = "device.resume",
		[DEVICE_SUSPENDED] = "device.suspend",
		[DEVICE_REVOKED] = "device.revoke",
	};
	int64_t version = 0;
	int ret = state_check(r, name, c->state, readmit);
	char *before = ret == 0 ? device_json(r, name, &ret) : NULL;

	if (ret == 0)
		ret = registry_bump(r, &version);
	if (ret == 0)
		ret = device_write(r, name, c, version);
	if (ret >= 0)
		ret = audit_after(
			r, by, c->state >= 0 ? actions[c->state] : "device.change", name, before
		);
	free(before);
	return ret;
}

int registry_device_change(
	struct registry *r,
	const struct author *by,
	const char *name,
	const struct device_change *c,
	bool readmit
) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	return sql_finish(&r->sql, device_update(r, by, name, c, readmit));
}

// The audit entry names the device by its hash: the log is for ever, personal data are not.
static int
device_delete(struct registry *r, const struct author *by, const char *name, const char *reason) {
	char digest[DIGEST_TEXT];
	int64_t version = 0;
	int ret = registry_bump(r, &version);

	if (ret == 0)
		ret = sql_run(&r->sql, "DELETE FROM devices WHERE name=?", "t", name);
	if (ret == 0)
		return -ENOENT;
	if (ret > 0)
		ret = sql_run(&r->sql, "INSERT INTO removals VALUES(?,?)", "it", version, name);
	if (ret > 0)
		ret = sql_run(
			&r->sql,
			"UPDATE certificates SET revoked_s=coalesce(revoked_s,?1),reason='removed',"
			"device=NULL WHERE device=?2",
			"it",
			registry_now(),
			name
		);
	if (ret >= 0)
		ret =
			sql_run(&r->sql,
				"INSERT OR REPLACE INTO tombstones VALUES(?,?,?,?)",
				"titt",
				name_digest(name, digest),
				registry_now(),
				by->name,
				reason);
	if (ret < 0)
		return ret;
	return audit_append(&r->sql, by, "device.remove", digest, NULL, NULL);
}

int registry_device_remove(
	struct registry *r,
	const struct author *by,
	const char *name,
	const char *reason
) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = device_delete(r, by, name, reason);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

char *registry_device_show(struct registry *r, const char *name, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_patch(" DEVICE_JSON ",json_object("
		"'credentials',coalesce((SELECT json_group_array(json_object('kind',"
		"CASE c.kind WHEN 0 THEN 'password' WHEN 1 THEN 'hmac-sha-256' WHEN 2 THEN "
		"'aes-128-gcm' ELSE 'certificate' END,'number',c.number,'created_s',c.created_s,"
		"'until_s',c.until_s)) FROM credentials c WHERE c.device=d.id),json('[]')),"
		"'seen',json_object('last_ns',s.last_ns,'address',s.address,'transport',s."
		"transport,"
		"'listener',s.listener,'connected',coalesce(s.connected,0),"
		"'records',coalesce(s.records,0),'bytes',coalesce(s.bytes,0)),"
		"'refused',json_object('count',coalesce(s.refusals,0),'reason',s.refused_reason,"
		"'last_ns',s.refused_ns,'address',s.refused_address),"
		"'cloned',json_object('count',coalesce(s.cloned,0),'last_ns',s.cloned_ns,"
		"'address',s.cloned_address)))"
		" FROM devices d LEFT JOIN seen s ON s.device=d.id WHERE d.name=?",
		"t",
		name
	);
}

char *registry_device_list(struct registry *r, const struct device_filter *f, int *error) {
	char key[64] = "$.";
	const char *value = NULL;

	if (f->label != NULL) {
		value = strchr(f->label, '=');
		size_t n = value != NULL ? (size_t)(value - f->label) : 0;
		if (n == 0 || n > sizeof(key) - 6 || memchr(f->label, '"', n) != NULL) {
			snprintf(r->sql.why, sizeof(r->sql.why), "a label filter is key=value");
			*error = -EINVAL;
			return NULL;
		}
		snprintf(key, sizeof(key), "$.\"%.*s\"", (int)n, f->label);
		value++;
	}
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('devices',json_group_array(json(j)),'next',"
		"CASE WHEN count(*)=?6 THEN max(name) END) FROM (SELECT d.name AS name,"
		"json_patch(" DEVICE_JSON
		",json_object('last_seen_ns',s.last_ns,'address',s.address,"
		"'refusals',coalesce(s.refusals,0))) AS j "
		"FROM devices d LEFT JOIN seen s ON s.device=d.id WHERE d.name>?1"
		" AND (?2 IS NULL OR d.name GLOB ?2) AND (?3 IS NULL OR d.profile=?3)"
		" AND (?4<0 OR d.state=?4) AND (?7 IS NULL OR d.label_set IN "
		"(SELECT id FROM label_sets WHERE json_extract(labels,?5)=?7))"
		" ORDER BY d.name LIMIT ?6)",
		"tttitit",
		f->after,
		f->match,
		f->profile,
		(int64_t)f->state,
		key,
		f->limit,
		value
	);
}

static int
credential_touch(struct registry *r, const char *name, int64_t *device, int64_t *version) {
	int ret = sql_number(&r->sql, device, "SELECT id FROM devices WHERE name=?", "t", name);

	return ret < 0 ? ret : registry_bump(r, version);
}

#define CREDENTIAL_NAME 96

// As the audit log tells of it: everything but the secret.
static void credential_name(enum credential_kind kind, uint8_t number, char out[CREDENTIAL_NAME]) {
	snprintf(
		out,
		CREDENTIAL_NAME,
		"{\"kind\":\"%s\",\"number\":%u}",
		credential_kind_label(kind),
		number
	);
}

int registry_credential_set(
	struct registry *r,
	const struct author *by,
	const char *name,
	enum credential_kind kind,
	uint8_t number,
	const void *bytes,
	size_t len,
	int64_t until_s
) {
	int64_t device = 0, version = 0;
	char after[CREDENTIAL_NAME];
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = credential_touch(r, name, &device, &version);
	if (ret == 0)
		ret =
			sql_run(&r->sql,
				"INSERT OR REPLACE INTO credentials VALUES(?,?,?,?,?,?,?)",
				"iiibiii",
				device,
				(int64_t)kind,
				(int64_t)number,
				bytes,
				len,
				registry_now(),
				until_s,
				version);
	if (ret >= 0) {
		credential_name(kind, number, after);
		ret = audit_append(&r->sql, by, "device.credential", name, NULL, after);
	}
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

int registry_credential_remove(
	struct registry *r,
	const struct author *by,
	const char *name,
	enum credential_kind kind,
	uint8_t number
) {
	int64_t device = 0, version = 0;
	char before[CREDENTIAL_NAME];
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = credential_touch(r, name, &device, &version);
	if (ret == 0)
		ret =
			sql_run(&r->sql,
				"DELETE FROM credentials WHERE device=? AND kind=? AND number=?",
				"iii",
				device,
				(int64_t)kind,
				(int64_t)number);
	if (ret == 0)
		ret = -ENOENT;
	// The data plane hears of it with the device: its credentials are then sent anew.
	if (ret > 0)
		ret = sql_run(
			&r->sql, "UPDATE devices SET version=? WHERE id=?", "ii", version, device
		);
	if (ret > 0) {
		credential_name(kind, number, before);
		ret = audit_append(&r->sql, by, "device.credential-remove", name, before, NULL);
	}
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}
