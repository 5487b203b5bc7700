// SPDX-License-Identifier: Apache-2.0
// The schema as steps: step n brings a file from version n to n + 1. A step that has been released
// is never edited; a change is a new step.
#include "controlplane/registry_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const char *const steps[REGISTRY_SCHEMA] = {
	// 0 -> 1: devices, their secrets, and who did what
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO meta VALUES('version', 0), ('oldest', 0), ('id', random() & "
	"0x7fffffffffffffff);"
	"CREATE TABLE claim_sets(id INTEGER PRIMARY KEY, claims TEXT NOT NULL UNIQUE);"
	"CREATE TABLE devices("
	" id INTEGER PRIMARY KEY,"
	" name TEXT NOT NULL UNIQUE,"
	" profile TEXT,"
	" state INTEGER NOT NULL CHECK(state BETWEEN 0 AND 3),"
	" reason TEXT,"
	" records_per_s INTEGER NOT NULL DEFAULT 0,"
	" bytes_per_s INTEGER NOT NULL DEFAULT 0,"
	" connections INTEGER NOT NULL DEFAULT 0,"
	" labels TEXT,"
	" claims INTEGER REFERENCES claim_sets(id),"
	" created_s INTEGER NOT NULL,"
	" version INTEGER NOT NULL);"
	"CREATE INDEX devices_version ON devices(version);"
	"CREATE TABLE credentials("
	" device INTEGER NOT NULL REFERENCES devices(id) ON DELETE CASCADE,"
	" kind INTEGER NOT NULL,"
	" number INTEGER NOT NULL,"
	" secret BLOB NOT NULL,"
	" created_s INTEGER NOT NULL,"
	" until_s INTEGER NOT NULL,"
	" version INTEGER NOT NULL,"
	" PRIMARY KEY(device, kind, number)) WITHOUT ROWID;"
	"CREATE INDEX credentials_version ON credentials(version);"
	"CREATE TABLE removals(version INTEGER PRIMARY KEY, name TEXT NOT NULL);"
	"CREATE TABLE tombstones("
	" name_sha256 TEXT PRIMARY KEY, at_s INTEGER NOT NULL, by TEXT NOT NULL, reason TEXT)"
	" WITHOUT ROWID;"
	"CREATE TABLE audit("
	" id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, who TEXT NOT NULL, uid INTEGER NOT NULL,"
	" action TEXT NOT NULL, object TEXT NOT NULL, before TEXT, after TEXT, chain TEXT NOT "
	"NULL);"
	"CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit"
	" BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;"
	"CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit"
	" BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;",

	// 1 -> 2: what the data plane reports, configuration versions, blocks
	"CREATE TABLE seen("
	" device INTEGER PRIMARY KEY REFERENCES devices(id) ON DELETE CASCADE,"
	" last_ns INTEGER, address TEXT, transport TEXT, listener TEXT, connected INTEGER NOT NULL "
	"DEFAULT 0,"
	" records INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,"
	" refusals INTEGER NOT NULL DEFAULT 0, refused_reason TEXT, refused_ns INTEGER,"
	" refused_address TEXT, cloned INTEGER NOT NULL DEFAULT 0, cloned_ns INTEGER,"
	" cloned_address TEXT);"
	"CREATE TABLE configs("
	" id INTEGER PRIMARY KEY, at_s INTEGER NOT NULL, who TEXT NOT NULL, comment TEXT NOT NULL,"
	" sha256 TEXT NOT NULL, text TEXT NOT NULL);"
	"CREATE TABLE blocks("
	" id INTEGER PRIMARY KEY, device TEXT, address TEXT, realm INTEGER NOT NULL,"
	" records_per_s INTEGER NOT NULL, until_s INTEGER NOT NULL, reason TEXT NOT NULL,"
	" who TEXT NOT NULL, at_s INTEGER NOT NULL);",

	// 2 -> 3: certificates
	"CREATE TABLE certificates("
	" serial TEXT PRIMARY KEY, device TEXT, issuer TEXT NOT NULL, subject TEXT NOT NULL,"
	" sha256 TEXT NOT NULL, not_before_s INTEGER NOT NULL, not_after_s INTEGER NOT NULL,"
	" revoked_s INTEGER, reason TEXT, pem TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX certificates_end ON certificates(not_after_s);"
	"CREATE TABLE trust("
	" name TEXT PRIMARY KEY, subject TEXT NOT NULL, sha256 TEXT NOT NULL, pem TEXT NOT NULL,"
	" at_s INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE templates("
	" issuer TEXT NOT NULL, pattern TEXT NOT NULL, profile TEXT NOT NULL,"
	" state INTEGER NOT NULL, PRIMARY KEY(issuer, pattern)) WITHOUT ROWID;",

	// 3 -> 4: a serial is only unique for its issuer; chains, revocation lists, naming rules.
	// paths.issuers: SHA-256 of the CA certificates, the issuer first, the anchor last.
	"CREATE TABLE paths(id INTEGER PRIMARY KEY, issuers TEXT NOT NULL UNIQUE);"
	"ALTER TABLE certificates RENAME TO old;"
	"DROP INDEX certificates_end;"
	"CREATE TABLE certificates("
	" sha256 TEXT PRIMARY KEY, serial TEXT NOT NULL, device TEXT, issuer TEXT NOT NULL,"
	" subject TEXT NOT NULL, path INTEGER REFERENCES paths(id), not_before_s INTEGER NOT NULL,"
	" not_after_s INTEGER NOT NULL, revoked_s INTEGER, reason TEXT, pem TEXT NOT NULL)"
	" WITHOUT ROWID;"
	"INSERT INTO certificates SELECT sha256,serial,device,issuer,subject,NULL,not_before_s,"
	" not_after_s,revoked_s,reason,pem FROM old;"
	"DROP TABLE old;"
	"CREATE INDEX certificates_end ON certificates(not_after_s);"
	"CREATE INDEX certificates_serial ON certificates(serial);"
	"CREATE INDEX certificates_device ON certificates(device) WHERE device IS NOT NULL;"
	"CREATE INDEX certificates_revoked ON certificates(revoked_s) WHERE revoked_s IS NOT NULL;"
	"CREATE INDEX certificates_hold ON certificates(sha256)"
	" WHERE reason='crl: certificateHold';"
	"ALTER TABLE trust ADD COLUMN anchor INTEGER NOT NULL DEFAULT 1;"
	"CREATE UNIQUE INDEX trust_sha256 ON trust(sha256);"
	"CREATE TABLE crls("
	" authority TEXT PRIMARY KEY, number TEXT NOT NULL, this_s INTEGER NOT NULL,"
	" next_s INTEGER NOT NULL, entries INTEGER NOT NULL, sha256 TEXT NOT NULL,"
	" at_s INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE revocations("
	" authority TEXT NOT NULL, serial TEXT NOT NULL, at_s INTEGER NOT NULL,"
	" reason TEXT NOT NULL, PRIMARY KEY(authority, serial)) WITHOUT ROWID;"
	"ALTER TABLE templates ADD COLUMN name TEXT NOT NULL DEFAULT '%cn';"
	"INSERT INTO meta VALUES('crl_number', 0);",
	// 4 -> 5: blocks by key, with a deadline that no wall clock moves; realms of last addresses
	"CREATE TABLE blocks_by_key("
	" id INTEGER PRIMARY KEY, device TEXT NOT NULL, address TEXT NOT NULL, realm INTEGER NOT "
	"NULL,"
	" action INTEGER NOT NULL, records_per_s INTEGER NOT NULL, until_s INTEGER NOT NULL,"
	" boot TEXT NOT NULL, until_boot_s INTEGER NOT NULL, signature INTEGER NOT NULL,"
	" reason TEXT NOT NULL, who TEXT NOT NULL, at_s INTEGER NOT NULL,"
	" UNIQUE(device, address, realm, action));"
	"INSERT OR REPLACE INTO blocks_by_key SELECT id,coalesce(device,''),coalesce(address,''),"
	"realm,records_per_s>0,records_per_s,until_s,'',0,0,reason,who,at_s FROM blocks;"
	"DROP TABLE blocks;"
	"ALTER TABLE blocks_by_key RENAME TO blocks;"
	"ALTER TABLE seen ADD COLUMN realm INTEGER NOT NULL DEFAULT 0;",
	// 5 -> 6: labels once for all devices that have the same; a set goes with its last device
	"CREATE TABLE label_sets(id INTEGER PRIMARY KEY, labels TEXT NOT NULL UNIQUE);"
	"INSERT INTO label_sets(labels) SELECT DISTINCT labels FROM devices"
	" WHERE labels IS NOT NULL AND labels<>'{}';"
	"ALTER TABLE devices ADD COLUMN label_set INTEGER REFERENCES label_sets(id);"
	"UPDATE devices SET label_set=(SELECT id FROM label_sets s WHERE s.labels=devices.labels)"
	" WHERE labels IS NOT NULL;"
	"ALTER TABLE devices DROP COLUMN labels;"
	"CREATE INDEX devices_labels ON devices(label_set) WHERE label_set IS NOT NULL;"
	"CREATE TRIGGER label_set_left AFTER UPDATE OF label_set ON devices"
	" WHEN old.label_set IS NOT NULL AND old.label_set IS NOT new.label_set"
	" BEGIN DELETE FROM label_sets WHERE id=old.label_set AND NOT EXISTS"
	" (SELECT 1 FROM devices WHERE label_set=old.label_set); END;"
	"CREATE TRIGGER label_set_gone AFTER DELETE ON devices WHEN old.label_set IS NOT NULL"
	" BEGIN DELETE FROM label_sets WHERE id=old.label_set AND NOT EXISTS"
	" (SELECT 1 FROM devices WHERE label_set=old.label_set); END;",
};

int registry_migrate(struct sql *s, int version, char *why, size_t why_len) {
	int64_t have = 0;
	char pragma[64];
	int ret = sql_number(s, &have, "PRAGMA user_version", "");

	if (ret < 0)
		goto out;
	if (have > REGISTRY_SCHEMA) {
		snprintf(
			why,
			why_len,
			"written by a newer Sluice (schema %" PRId64
			", this one knows %d): upgrade, or "
			"restore a backup of this version",
			have,
			REGISTRY_SCHEMA
		);
		return -ENOTSUP;
	}
	for (; have < version; have++) {
		ret = sql_transaction(s);
		if (ret < 0)
			goto out;
		ret = sql_script(s, steps[have]);
		snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%" PRId64, have + 1);
		if (ret == 0)
			ret = sql_script(s, pragma);
		ret = sql_finish(s, ret);
		if (ret < 0)
			goto out;
	}
	return 0;
out:
	snprintf(why, why_len, "%s", s->why);
	return ret;
}
