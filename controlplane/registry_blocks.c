// SPDX-License-Identifier: Apache-2.0
// Blocks and limits: what an operator or a signature decided about a device or an address prefix.
#include "controlplane/registry_state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BOOT_TEXT 37
#define ADDRESS_TEXT (INET6_ADDRSTRLEN + 5)

static void boot_id(char out[BOOT_TEXT]) {
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, BOOT_TEXT - 1) : 0;

	out[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static int64_t boot_now(void) {
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec;
}

// "10.0.0.0/8", or "" for a block by device.
static void address_text(const struct channel_block *b, char out[ADDRESS_TEXT]) {
	char host[INET6_ADDRSTRLEN] = "";

	out[0] = '\0';
	if (b->device_len > 0)
		return;
	inet_ntop(b->peer.family == 4 ? AF_INET : AF_INET6, b->peer.bytes, host, sizeof(host));
	snprintf(out, ADDRESS_TEXT, "%s/%u", host, b->peer.prefix_len);
}

static bool address_parse(const char *text, struct channel_address *out) {
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);

	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	out->family = strchr(host, ':') != NULL ? 6 : 4;
	out->prefix_len = out->family == 4 ? 32 : 128;
	if (slash != NULL)
		out->prefix_len = (uint8_t)strtol(slash + 1, NULL, 10);
	return inet_pton(out->family == 4 ? AF_INET : AF_INET6, host, out->bytes) == 1;
}

static void device_text(const struct channel_block *b, char out[CHANNEL_NAME_MAX + 1]) {
	memcpy(out, b->device, b->device_len);
	out[b->device_len] = '\0';
}

static int
row_write(struct registry *r, const struct author *by, const struct channel_block *b, int64_t *id) {
	char device[CHANNEL_NAME_MAX + 1], address[ADDRESS_TEXT], boot[BOOT_TEXT];

	device_text(b, device);
	address_text(b, address);
	boot_id(boot);
	return sql_number(
		&r->sql,
		id,
		"INSERT INTO blocks(device,address,realm,action,records_per_s,until_s,boot,"
		"until_boot_s,signature,reason,who,at_s) VALUES(?,?,?,?,?,?,?,?,?,?,?,?) "
		"ON CONFLICT(device,address,realm,action) DO UPDATE SET "
		"records_per_s=excluded.records_per_s,until_s=excluded.until_s,boot=excluded.boot,"
		"until_boot_s=excluded.until_boot_s,signature=excluded.signature,"
		"reason=excluded.reason,who=excluded.who,at_s=excluded.at_s RETURNING id",
		"ttiiiitiitti",
		device,
		address,
		(int64_t)b->peer.realm,
		(int64_t)b->action,
		(int64_t)b->records_per_s,
		b->for_s > 0 ? registry_now() + (int64_t)b->for_s : (int64_t)0,
		boot,
		b->for_s > 0 ? boot_now() + (int64_t)b->for_s : (int64_t)0,
		(int64_t)b->signature,
		b->reason,
		by->name,
		registry_now()
	);
}

// The entry as JSON for the audit log: no secret in it, and enough to make it again.
static char *row_json(struct registry *r, int64_t id, int *error) {
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('id',id,'device',nullif(device,''),'address',"
		"nullif(address,''),'realm',realm,'records_per_s',records_per_s,'until_s',until_s,"
		"'reason',reason,'signature',signature) FROM blocks WHERE id=?",
		"i",
		id
	);
}

static int put_audited(
	struct registry *r,
	const struct author *by,
	const struct channel_block *b,
	int64_t *id
) {
	char device[CHANNEL_NAME_MAX + 1], address[ADDRESS_TEXT];
	int64_t before_id = 0;
	int ret = registry_block_find(r, b, &before_id);
	char *before = ret == 0 ? row_json(r, before_id, &ret) : NULL, *after = NULL;

	if (ret == -ENOENT)
		ret = 0;
	if (ret == 0)
		ret = row_write(r, by, b, id);
	if (ret == 0)
		after = row_json(r, *id, &ret);
	device_text(b, device);
	address_text(b, address);
	if (ret == 0)
		ret = audit_append(
			&r->sql,
			by,
			b->action == BLOCK_ACTION_LIMIT ? "flow.limit" : "flow.block",
			b->device_len > 0 ? device : address,
			before,
			after
		);
	free(before);
	free(after);
	return ret < 0 ? ret : 0;
}

int registry_block_put(
	struct registry *r,
	const struct author *by,
	const struct channel_block *b,
	int64_t *id
) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	return sql_finish(&r->sql, put_audited(r, by, b, id));
}

int registry_block_find(struct registry *r, const struct channel_block *key, int64_t *id) {
	char device[CHANNEL_NAME_MAX + 1], address[ADDRESS_TEXT];

	device_text(key, device);
	address_text(key, address);
	return sql_number(
		&r->sql,
		id,
		"SELECT id FROM blocks WHERE device=? AND address=? AND realm=? AND action=?",
		"ttii",
		device,
		address,
		(int64_t)key->peer.realm,
		(int64_t)key->action
	);
}

// Columns: id device address realm action records_per_s until_s boot until_boot_s signature reason
#define BLOCK_COLUMNS                                                                              \
	"id,device,address,realm,action,records_per_s,until_s,boot,until_boot_s,signature,reason"

// False if it is over.
static bool row_read(struct sqlite3_stmt *q, struct channel_block *out) {
	char boot[BOOT_TEXT];
	int64_t until_s = sqlite3_column_int64(q, 6);
	const char *device = (const char *)sqlite3_column_text(q, 1);

	*out = (struct channel_block) {
		.id = (uint64_t)sqlite3_column_int64(q, 0),
		.op = CHANNEL_PUT,
		.action = (uint8_t)sqlite3_column_int(q, 4),
		.records_per_s = (uint32_t)sqlite3_column_int64(q, 5),
		.signature = (uint32_t)sqlite3_column_int64(q, 9),
		.device_len = (uint8_t)strnlen(device, CHANNEL_NAME_MAX),
	};
	memcpy(out->device, device, out->device_len);
	if (out->device_len == 0)
		(void)address_parse((const char *)sqlite3_column_text(q, 2), &out->peer);
	out->peer.realm = (uint16_t)sqlite3_column_int(q, 3);
	snprintf(out->reason, sizeof(out->reason), "%s", sqlite3_column_text(q, 10));
	if (until_s == 0)
		return true;
	boot_id(boot);
	int64_t left = strcmp(boot, (const char *)sqlite3_column_text(q, 7)) == 0
		? sqlite3_column_int64(q, 8) - boot_now()
		: until_s - registry_now();
	out->for_s = left > 0 ? (uint64_t)left : 0;
	return left > 0;
}

int registry_block_remove(
	struct registry *r,
	const struct author *by,
	int64_t id,
	struct channel_block *out
) {
	char object[32];
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	struct sqlite3_stmt *q =
		sql_begin(&r->sql, "SELECT " BLOCK_COLUMNS " FROM blocks WHERE id=?", "i", id);
	ret = sql_row(&r->sql, q);
	if (ret > 0)
		(void)row_read(q, out);
	sql_end(q);
	if (ret == 0) {
		snprintf(r->sql.why, sizeof(r->sql.why), "there is no such block");
		ret = -ENOENT;
	}
	char *before = ret > 0 ? row_json(r, id, &ret) : NULL;
	out->op = CHANNEL_REMOVE;
	snprintf(object, sizeof(object), "block %" PRId64, id);
	if (before != NULL)
		ret = sql_run(&r->sql, "DELETE FROM blocks WHERE id=?", "i", id);
	if (ret > 0)
		ret = audit_append(&r->sql, by, "flow.allow", object, before, NULL);
	free(before);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}

// Rows that are over go when somebody looks.
static int over_delete(struct registry *r) {
	char boot[BOOT_TEXT];

	boot_id(boot);
	return sql_run(
		&r->sql,
		"DELETE FROM blocks WHERE until_s<>0 AND iif(boot=?1,until_boot_s<=?2,until_s<=?3)",
		"tii",
		boot,
		boot_now(),
		registry_now()
	);
}

char *registry_block_list(struct registry *r, int *error) {
	(void)over_delete(r);
	return sql_text(
		&r->sql,
		error,
		"SELECT json_object('blocks',json_group_array(json_object('id',id,'device',"
		"nullif(device,''),'address',nullif(address,''),'realm',realm,'records_per_s',"
		"records_per_s,'until_s',until_s,'signature',signature,'reason',reason,'who',who,"
		"'at_s',at_s))) FROM blocks",
		""
	);
}

int registry_blocks_all(
	struct registry *r,
	int64_t *cursor,
	struct channel_block *out,
	uint32_t max
) {
	uint32_t n = 0;
	int ret = 1;
	struct sqlite3_stmt *q = sql_begin(
		&r->sql, "SELECT " BLOCK_COLUMNS " FROM blocks WHERE id>? ORDER BY id", "i", *cursor
	);

	while (n < max && (ret = sql_row(&r->sql, q)) > 0) {
		*cursor = sqlite3_column_int64(q, 0);
		n += row_read(q, &out[n]);
	}
	sql_end(q);
	return ret < 0 ? ret : (int)n;
}

static bool
address_inside(const struct channel_address *prefix, const struct channel_address *address) {
	uint32_t whole = prefix->prefix_len / 8, rest = prefix->prefix_len % 8;

	if (prefix->family != address->family || memcmp(prefix->bytes, address->bytes, whole) != 0)
		return false;
	return rest == 0 || ((prefix->bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}

int registry_block_hits(
	struct registry *r,
	const struct channel_block *b,
	int64_t most,
	int64_t *devices
) {
	char name[CHANNEL_NAME_MAX + 1];
	int ret = 1;

	*devices = 0;
	device_text(b, name);
	if (b->device_len > 0)
		return sql_number(
			&r->sql,
			devices,
			"SELECT count(*) FROM devices WHERE name=? AND state=1",
			"t",
			name
		);
	struct sqlite3_stmt *q = sql_begin(
		&r->sql,
		"SELECT s.address FROM seen s JOIN devices d ON d.id=s.device WHERE d.state=1 "
		"AND s.realm=? AND s.address IS NOT NULL",
		"i",
		(int64_t)b->peer.realm
	);
	while (*devices < most && (ret = sql_row(&r->sql, q)) > 0) {
		struct channel_address a = {0};
		if (address_parse((const char *)sqlite3_column_text(q, 0), &a))
			*devices += address_inside(&b->peer, &a);
	}
	sql_end(q);
	return ret < 0 ? ret : 0;
}
