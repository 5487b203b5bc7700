// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ca/digest.h"
#include "controlplane/registry_certificates.h"
#include "controlplane/registry_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ?1 is the time. The last third of its life is the time to renew a certificate.
#define CERTIFICATE_JSON                                                                           \
	"json_object('sha256',c.sha256,'serial',c.serial,'device',c.device,'issuer',c.issuer,"     \
	"'subject',c.subject,'not_before_s',c.not_before_s,'not_after_s',c.not_after_s,"           \
	"'state',CASE WHEN c.revoked_s IS NOT NULL THEN 'revoked' WHEN c.not_after_s<=?1 THEN "    \
	"'expired' ELSE 'valid' END,'reason',c.reason,'renew',CASE WHEN c.revoked_s IS NOT NULL "  \
	"THEN 'none' WHEN " SUPERSEDED " THEN 'superseded' WHEN "                                  \
	"?1>=c.not_after_s-(c.not_after_s-c.not_before_s)/3 THEN 'open' ELSE 'none' END)"
#define SUPERSEDED                                                                                 \
	"EXISTS(SELECT 1 FROM certificates n WHERE n.device=c.device AND n.revoked_s IS NULL "     \
	"AND n.not_after_s>c.not_after_s)"

static int path_intern(struct registry *r, const struct certificate_row *c, int64_t *id) {
	char text[CERTIFICATE_PATH_MAX * (DIGEST_TEXT + 3) + 3] = "[";
	size_t n = 1;

	if (c->path_len == 0)
		return 0;
	for (unsigned i = 0; i < c->path_len; i++)
		n += (size_t
		)snprintf(text + n, sizeof(text) - n, "%s\"%.64s\"", i > 0 ? "," : "", c->path[i]);
	snprintf(text + n, sizeof(text) - n, "]");
	int ret = sql_run(
		&r->sql, "INSERT INTO paths(issuers) VALUES(?) ON CONFLICT DO NOTHING", "t", text
	);
	if (ret < 0)
		return ret;
	return sql_number(&r->sql, id, "SELECT id FROM paths WHERE issuers=?", "t", text);
}

// Certificates of a device overlap: each is a credential of its own under the next free number.
static int credential_add(struct registry *r, const struct certificate_row *c, int64_t version) {
	int64_t device = 0, number = 0;
	int ret =
		sql_number(&r->sql, &device, "SELECT id FROM devices WHERE name=?", "t", c->device);

	if (ret == -ENOENT)
		snprintf(r->sql.why, sizeof(r->sql.why), "there is no such device");
	if (ret < 0)
		return ret;
	ret = sql_number(
		&r->sql,
		&number,
		"SELECT n FROM (SELECT 0 AS n UNION SELECT number+1 FROM credentials WHERE "
		"device=?1 "
		"AND kind=?2) WHERE n<256 AND n NOT IN (SELECT number FROM credentials WHERE "
		"device=?1 AND kind=?2) ORDER BY n LIMIT 1",
		"ii",
		device,
		(int64_t)CREDENTIAL_CERTIFICATE
	);
	if (ret == -ENOENT) {
		snprintf(
			r->sql.why,
			sizeof(r->sql.why),
			"the device has 256 certificates already: revoke some"
		);
		return -EPERM;
	}
	if (ret < 0)
		return ret;
	return sql_run(
		&r->sql,
		"INSERT INTO credentials VALUES(?,?,?,?,?,?,?)",
		"iiibiii",
		device,
		(int64_t)CREDENTIAL_CERTIFICATE,
		number,
		c->sha256,
		(size_t)DIGEST_BYTES,
		registry_now(),
		c->not_after_s,
		version
	);
}

// Text of a device or issuer inside JSON; the names have no control characters.
static void quoted(const char *s, char *out, size_t room) {
	size_t n = 0;

	for (; *s != '\0' && n + 3 < room; s++) {
		if (*s == '"' || *s == '\\')
			out[n++] = '\\';
		out[n++] = *s;
	}
	out[n] = '\0';
}

int registry_certificate_insert(
	struct registry *r,
	const struct author *by,
	const char *action,
	const struct certificate_row *c
) {
	char hex[DIGEST_TEXT], device[2 * CHANNEL_NAME_MAX + 4], after[400];
	int64_t path = 0, version = 0;
	int ret = path_intern(r, c, &path);

	if (ret == 0)
		ret = registry_bump(r, &version);
	if (ret == 0)
		ret =
			sql_run(&r->sql,
				"INSERT INTO certificates(sha256,serial,device,issuer,subject,path,"
				"not_before_s,not_after_s,pem) VALUES(?,?,?,?,?,nullif(?,0),?,?,?)",
				"tttttiiit",
				digest_hex(c->sha256, DIGEST_BYTES, hex),
				c->serial,
				c->device,
				c->issuer,
				c->subject,
				path,
				c->not_before_s,
				c->not_after_s,
				c->pem);
	if (ret == -EEXIST)
		snprintf(r->sql.why, sizeof(r->sql.why), "the certificate is known already");
	if (ret >= 0)
		ret = credential_add(r, c, version);
	if (ret < 0)
		return ret;
	quoted(c->device, device, sizeof(device));
	snprintf(
		after,
		sizeof(after),
		"{\"device\":\"%s\",\"sha256\":\"%s\",\"not_after_s\":%" PRId64 "}",
		device,
		hex,
		c->not_after_s
	);
	return audit_append(&r->sql, by, action, c->serial, NULL, after);
}

int registry_certificate_add(
	struct registry *r,
	const struct author *by,
	const char *action,
	const struct certificate_row *c
) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = registry_certificate_insert(r, by, action, c);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

int registry_provision(
	struct registry *r,
	const struct author *by,
	const struct device_change *d,
	const struct certificate_row *c
) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = registry_device_insert(r, by, c->device, d, false);
	if (ret >= 0)
		ret = registry_certificate_insert(r, by, "cert.provision", c);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

// The SHA-256 of the certificate that `id` names.
static int
certificate_find(struct registry *r, const char *id, bool live, char sha256[DIGEST_TEXT]) {
	int64_t matches = 0;
	int ret = sql_number(
		&r->sql,
		&matches,
		"SELECT count(*) FROM certificates WHERE (serial=?1 OR sha256=?1) AND (?2=0 OR "
		"revoked_s IS NULL)",
		"ti",
		id,
		(int64_t)live
	);

	if (ret < 0)
		return ret;
	if (matches > 1) {
		snprintf(
			r->sql.why,
			sizeof(r->sql.why),
			"%" PRId64 " certificates have that serial: name one by its sha256",
			matches
		);
		return -EEXIST;
	}
	char *text = sql_text(
		&r->sql,
		&ret,
		"SELECT sha256 FROM certificates WHERE (serial=?1 OR sha256=?1) AND (?2=0 OR "
		"revoked_s IS NULL)",
		"ti",
		id,
		(int64_t)live
	);
	if (text == NULL)
		return registry_one(r, 0, live ? "certificate that is not revoked" : "certificate");
	snprintf(sha256, DIGEST_TEXT, "%s", text);
	free(text);
	return 0;
}

// The data plane hears of it with the device: its credentials are then sent anew.
static int device_touch(struct registry *r, const char *sha256, int64_t *version) {
	int ret = registry_bump(r, version);

	return ret < 0 ? ret
		       : sql_run(&r->sql,
				 "UPDATE devices SET version=? WHERE name=(SELECT device FROM "
				 "certificates WHERE sha256=?)",
				 "it",
				 *version,
				 sha256);
}

static int credential_end(struct registry *r, const char *sha256) {
	uint8_t digest[DIGEST_BYTES];
	int64_t version = 0;
	int ret = device_touch(r, sha256, &version);

	(void)digest_unhex(sha256, digest, sizeof(digest));
	if (ret > 0)
		ret = sql_run(
			&r->sql,
			"DELETE FROM credentials WHERE kind=? AND secret=? AND device=(SELECT id "
			"FROM devices WHERE name=(SELECT device FROM certificates WHERE sha256=?))",
			"ibt",
			(int64_t)CREDENTIAL_CERTIFICATE,
			digest,
			sizeof(digest),
			sha256
		);
	return ret < 0 ? ret : 0;
}

int registry_certificate_end(
	struct registry *r,
	const struct author *by,
	const char *sha256,
	const char *reason
) {
	int ret =
		sql_run(&r->sql,
			"UPDATE certificates SET revoked_s=?,reason=? WHERE sha256=?",
			"itt",
			registry_now(),
			reason,
			sha256);

	if (ret >= 0)
		ret = credential_end(r, sha256);
	char *after = ret == 0
		? sql_text(
			  &r->sql,
			  &ret,
			  "SELECT json_object('serial',serial,'device',device,'reason',reason) "
			  "FROM certificates WHERE sha256=?",
			  "t",
			  sha256
		  )
		: NULL;
	if (ret == 0)
		ret = audit_append(&r->sql, by, "cert.revoke", sha256, NULL, after);
	free(after);
	return ret < 0 ? ret : 0;
}

int registry_certificate_release(struct registry *r, const struct author *by, const char *sha256) {
	struct certificate_row c = {0};
	uint8_t digest[DIGEST_BYTES];
	char device[CHANNEL_NAME_MAX + 1];
	int64_t version = 0;
	int ret =
		sql_run(&r->sql,
			"UPDATE certificates SET revoked_s=NULL,reason=NULL WHERE sha256=?",
			"t",
			sha256);

	if (ret >= 0)
		ret = registry_certificate_device(r, sha256, device);
	if (ret == 0)
		ret = sql_number(
			&r->sql,
			&c.not_after_s,
			"SELECT not_after_s FROM certificates WHERE sha256=?",
			"t",
			sha256
		);
	(void)digest_unhex(sha256, digest, sizeof(digest));
	c.sha256 = digest;
	c.device = device;
	if (ret == 0)
		ret = device_touch(r, sha256, &version);
	if (ret >= 0)
		ret = credential_add(r, &c, version);
	if (ret >= 0)
		ret = audit_append(&r->sql, by, "cert.release", sha256, NULL, NULL);
	return ret < 0 ? ret : 0;
}

int registry_certificate_revoke(
	struct registry *r,
	const struct author *by,
	const char *id,
	const char *reason
) {
	char sha256[DIGEST_TEXT];
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	ret = certificate_find(r, id, true, sha256);
	if (ret == 0)
		ret = registry_certificate_end(r, by, sha256, reason);
	return sql_finish(&r->sql, ret);
}

char *
registry_certificate_list(struct registry *r, const struct certificate_filter *f, int *error) {
	const char *colon = f->after != NULL ? strchr(f->after, ':') : NULL;
	int64_t from = colon != NULL ? strtoll(f->after, NULL, 10) : INT64_MIN;

	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('certificates',json_group_array(json(j)),'next',CASE WHEN "
		"count(*)=?6 THEN max(at) END) FROM (SELECT printf('%012d:%s',c.not_after_s,"
		"c.sha256) AS at," CERTIFICATE_JSON " AS j FROM certificates c "
		"WHERE (?2<0 OR (c.revoked_s IS NULL AND c.not_after_s<?1+?2)) "
		"AND (?3 IS NULL OR c.device=?3) AND c.not_after_s>=?4 "
		"AND (c.not_after_s>?4 OR c.sha256>?5) "
		"ORDER BY c.not_after_s,c.sha256 LIMIT ?6)",
		"iititi",
		f->now_s,
		f->within_s,
		f->device,
		from,
		colon != NULL ? colon + 1 : "",
		f->limit
	);
}

char *registry_certificate_show(struct registry *r, const char *id, int64_t now_s, int *error) {
	char sha256[DIGEST_TEXT];

	*error = certificate_find(r, id, false, sha256);
	if (*error < 0)
		return NULL;
	return sql_text(
		&r->sql,
		error,
		"SELECT json_insert(" CERTIFICATE_JSON
		",'$.pem',c.pem) FROM certificates c WHERE c.sha256=?2",
		"it",
		now_s,
		sha256
	);
}

int registry_certificate_expiring(
	struct registry *r,
	int64_t now_s,
	int64_t within_s,
	int64_t *count
) {
	return sql_number(
		&r->sql,
		count,
		"SELECT count(*) FROM certificates c WHERE c.not_after_s<?1+?2 AND c.revoked_s IS "
		"NULL AND c.device IS NOT NULL AND NOT " SUPERSEDED,
		"ii",
		now_s,
		within_s
	);
}

int registry_certificate_device(
	struct registry *r,
	const char *sha256,
	char device[CHANNEL_NAME_MAX + 1]
) {
	int64_t revoked = 0;
	int ret = sql_number(
		&r->sql,
		&revoked,
		"SELECT revoked_s IS NOT NULL FROM certificates WHERE sha256=?",
		"t",
		sha256
	);

	if (ret < 0)
		return ret;
	if (revoked != 0)
		return -EPERM;
	char *name = sql_text(
		&r->sql, &ret, "SELECT device FROM certificates WHERE sha256=?", "t", sha256
	);
	if (name == NULL)
		return ret;
	snprintf(device, CHANNEL_NAME_MAX + 1, "%s", name);
	free(name);
	return 0;
}

int registry_certificate_bound(struct registry *r, const char *device, const char *anchor) {
	int64_t bound = 0;
	int ret = sql_number(
		&r->sql,
		&bound,
		"SELECT EXISTS(SELECT 1 FROM certificates c JOIN paths p ON p.id=c.path WHERE "
		"c.device=?1 AND c.revoked_s IS NULL AND json_extract(p.issuers,'$[#-1]')=?2)",
		"tt",
		device,
		anchor
	);

	return ret < 0 ? ret : (int)bound;
}

char *registry_own_revoked(struct registry *r, const char *authority, int64_t now_s, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('entries',json_group_array(json(e))) FROM (SELECT "
		"json_object('serial',c.serial,'at_s',c.revoked_s,'reason',coalesce(c.reason,'')) "
		"AS e FROM certificates c JOIN paths p ON p.id=c.path WHERE c.revoked_s IS NOT "
		"NULL "
		"AND c.not_after_s>?2 AND json_extract(p.issuers,'$[0]')=?1 ORDER BY c.revoked_s)",
		"ti",
		authority,
		now_s
	);
}

int registry_crl_number(struct registry *r, int64_t *number) {
	// Seconds, so that a registry out of a backup does not count backwards.
	return sql_number(
		&r->sql,
		number,
		"UPDATE meta SET value=max(value+1,?) WHERE key='crl_number' RETURNING value",
		"i",
		registry_now()
	);
}
