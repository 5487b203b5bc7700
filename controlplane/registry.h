// SPDX-License-Identifier: Apache-2.0
// The registry: who may send, under which limits, and everything an operator ever changed. One
// SQLite file (WAL, foreign keys), owned by one thread of sluice-controld.
//
// Functions that answer return JSON text which the caller frees; no secret ever stands in it.
// Functions that change take the author, run in one transaction together with their audit entry,
// and return 0 or -errno with a sentence in registry_why():
//   -ENOENT unknown · -EEXIST double · -EPERM not allowed in this state · -EINVAL bad value ·
//   -ENOSPC disk full (nothing changed) · -EIO database corrupt
#pragma once

#include "controlplane/api/channel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct registry;
struct sql;

struct author {
	char name[64];
	uint32_t uid;
};

#define REGISTRY_SCHEMA 6

// Open or create, migrate, check (`quick_check` and foreign keys). -EIO: corrupt, see why;
// -ENOTSUP: written by a newer version.
int registry_open(const char *path, struct registry **out, char *why, size_t why_len);
void registry_close(struct registry *r); // accepts NULL
const char *registry_why(const struct registry *r);
struct sql *registry_sql(struct registry *r);

// Migrate an empty or older file up to `version` only: the upgrade test makes old files with it.
int registry_migrate(struct sql *s, int version, char *why, size_t why_len);

// A consistent copy while in use, replaced atomically. And a whole check of such a file.
int registry_backup(struct registry *r, const char *path);
int registry_check(struct registry *r, char *why, size_t why_len);
int registry_check_file(const char *path, char *why, size_t why_len);

// Counted up by every change the data plane must hear of.
uint64_t registry_version(struct registry *r);
uint64_t registry_id(struct registry *r);
// {"devices":{...by state...},"version":...,"bytes":...}
char *registry_summary(struct registry *r, int *error);

// --- devices

bool device_name_valid(const char *name);

struct device_change {
	const char *profile; // NULL: leave
	const char *labels; // JSON object of texts within parsers/labels.h, NULL: leave
	const char *claims; // JSON object {"id":[],"topic":[],"path":[]}, NULL: leave
	int state; // enum device_state, -1: leave
	int64_t records_per_s, bytes_per_s, connections; // -1: leave
	const char *reason; // of a state change
};

#define DEVICE_CHANGE_NONE                                                                         \
	((struct device_change                                                                     \
	) {.state = -1, .records_per_s = -1, .bytes_per_s = -1, .connections = -1})

// -EPERM if the name was removed before and `readmit` is false.
int registry_device_add(
	struct registry *r,
	const struct author *by,
	const char *name,
	const struct device_change *c,
	bool readmit
);
// A revoked device changes state only to active with `readmit`.
int registry_device_change(
	struct registry *r,
	const struct author *by,
	const char *name,
	const struct device_change *c,
	bool readmit
);
// Forget the device and everything known of it but a tombstone (a hash of its name).
int registry_device_remove(
	struct registry *r,
	const struct author *by,
	const char *name,
	const char *reason
);
char *registry_device_show(struct registry *r, const char *name, int *error);

struct device_filter {
	const char *after; // name to start behind, "" from the beginning
	const char *match; // GLOB on the name, NULL any
	const char *profile; // NULL any
	const char *label; // "key=value", NULL any
	int state; // -1 any
	int64_t limit;
};

// {"devices":[...],"next":"name"|null}
char *registry_device_list(struct registry *r, const struct device_filter *f, int *error);

// bytes are secret: an encoded password hash, or key bytes. `until` 0: for ever.
int registry_credential_set(
	struct registry *r,
	const struct author *by,
	const char *name,
	enum credential_kind kind,
	uint8_t number,
	const void *bytes,
	size_t len,
	int64_t until_s
);
int registry_credential_remove(
	struct registry *r,
	const struct author *by,
	const char *name,
	enum credential_kind kind,
	uint8_t number
);

struct import_result {
	uint64_t rows;
	uint64_t added;
	uint64_t changed;
	uint64_t refused;
};

struct import_order {
	const char *csv;
	size_t len;
	bool update; // known devices are changed, else refused
	// Called for every row that is left out, may be NULL. Lines count within this text, from 1.
	void (*refused)(void *owner, uint64_t line, const char *name, const char *why);
	void *owner;
};

// CSV text, first line the column names: name[,profile,state,records_per_s,bytes_per_s,
// connections,labels (k=v;k=v)]. One transaction. Bad rows are left out, the others stand; -EINVAL
// only if the header is bad, and then nothing does.
int registry_import(
	struct registry *r,
	const struct author *by,
	const struct import_order *o,
	struct import_result *out
);

// What the data plane reports. One transaction for all; unknown names are ignored, except that
// EVENT_UNKNOWN with reason "pending" creates them pending.
int registry_events(struct registry *r, const struct channel_event *events, uint32_t count);

// --- for the channel: fill up to `max` elements changed in (since, to], in order of version and
// position; *cursor starts at 0. Returns the number, 0 at the end, or -errno.
int registry_devices_since(
	struct registry *r,
	uint64_t since,
	int64_t *cursor,
	struct channel_device *out,
	uint32_t max
);
int registry_removed_since(
	struct registry *r,
	uint64_t since,
	int64_t *cursor,
	struct channel_device *out,
	uint32_t max
);
// The sets that the devices of the same call have; *cursor is the last set's number. A pair beyond
// the bounds of parsers/labels.h, which only an older release has stored, is left out.
int registry_labels_since(
	struct registry *r,
	uint64_t since,
	int64_t *cursor,
	struct channel_labels *out,
	uint32_t max
);
int registry_claims_all(
	struct registry *r,
	int64_t *cursor,
	struct channel_claim *out,
	uint32_t max
);
int registry_credentials_since(
	struct registry *r,
	uint64_t since,
	int64_t *cursor,
	struct channel_credential *out,
	uint32_t max
);
// The data plane has it all up to here: removed names need not be kept for it any more. Deltas can
// be made from registry_oldest() on, before that only a whole transfer.
int registry_acknowledged(struct registry *r, uint64_t version);
uint64_t registry_oldest(struct registry *r);

// --- audit

// Within the caller's transaction. before/after may be NULL.
int audit_append(
	struct sql *s,
	const struct author *by,
	const char *action,
	const char *object,
	const char *before,
	const char *after
);
int registry_audit(
	struct registry *r,
	const struct author *by,
	const char *action,
	const char *object,
	const char *before,
	const char *after
);
char *registry_audit_list(struct registry *r, int64_t before_id, int64_t limit, int *error);
int64_t registry_audit_last_s(struct registry *r); // when the last entry was made, 0 if none
// 0 and *entries; -EBADMSG with *entries the first entry that does not fit its chain.
int registry_audit_verify(struct registry *r, uint64_t *entries);

// --- configuration versions

int registry_config_add(
	struct registry *r,
	const struct author *by,
	const char *comment,
	const char *text,
	int64_t *version
);
char *registry_config_history(struct registry *r, int64_t limit, int *error);
char *registry_config_text(struct registry *r, int64_t version, int *error); // plain text
int64_t registry_config_current(struct registry *r); // 0 if none

// --- blocks (registry_blocks.c)

// One per device, or per realm and prefix, and action: another of the same key takes its place. The
// prefix must be masked. Deadlines count in the time since boot and, after a reboot, by the wall
// clock: a jump of the wall clock ends no block early.
int registry_block_put(
	struct registry *r,
	const struct author *by,
	const struct channel_block *b,
	int64_t *id
);
// What was removed, with op CHANNEL_REMOVE, stands in *out then.
int registry_block_remove(
	struct registry *r,
	const struct author *by,
	int64_t id,
	struct channel_block *out
);
// The id of the block (or limit) of that key, -ENOENT.
int registry_block_find(struct registry *r, const struct channel_block *key, int64_t *id);
char *registry_block_list(struct registry *r, int *error);
// For the channel; *cursor starts at 0. Those that are over are left out.
int registry_blocks_all(
	struct registry *r,
	int64_t *cursor,
	struct channel_block *out,
	uint32_t max
);
// Active devices last seen from that prefix and realm, or the device itself; counting ends at
// `most`.
int registry_block_hits(
	struct registry *r,
	const struct channel_block *b,
	int64_t most,
	int64_t *devices
);
