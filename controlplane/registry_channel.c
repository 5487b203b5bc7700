// SPDX-License-Identifier: Apache-2.0
// The registry as the data plane gets it, and what the data plane tells about devices.
#include "controlplane/registry_state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t column_name(struct sqlite3_stmt *q, int column, char out[CHANNEL_NAME_MAX]) {
	int n = sqlite3_column_bytes(q, column);

	if (n > CHANNEL_NAME_MAX)
		n = CHANNEL_NAME_MAX;
	if (n > 0)
		memcpy(out, sqlite3_column_text(q, column), (size_t)n);
	return (uint8_t)n;
}

#define DEVICE_COLUMNS                                                                             \
	"SELECT id,name,state,records_per_s,bytes_per_s,connections,claims,profile,label_set "

int registry_devices_since(
	struct registry *r,
	uint64_t since,
	int64_t *cursor,
	struct channel_device *out,
	uint32_t max
) {
	uint32_t n = 0;
	int ret = 1;
	// From scratch the order of the table is the fast one; a delta walks the version index.
	struct sqlite3_stmt *q = since == 0
		? sql_begin(
			  &r->sql,
			  DEVICE_COLUMNS "FROM devices WHERE id>? ORDER BY id LIMIT ?",
			  "ii",
			  *cursor,
			  (int64_t)max
		  )
		: sql_begin(
			  &r->sql,
			  DEVICE_COLUMNS
			  "FROM devices INDEXED BY devices_version WHERE version>? AND id>? "
			  "ORDER BY id LIMIT ?",
			  "iii",
			  (int64_t)since,
			  *cursor,
			  (int64_t)max
		  );

	while (n < max && (ret = sql_row(&r->sql, q)) > 0) {
		struct channel_device *d = &out[n++];
		*d = (struct channel_device) {
			.op = CHANNEL_PUT,
			.state = (uint8_t)sqlite3_column_int(q, 2),
			.records_per_s = (uint32_t)sqlite3_column_int64(q, 3),
			.bytes_per_s = (uint32_t)sqlite3_column_int64(q, 4),
			.connections = (uint16_t)sqlite3_column_int64(q, 5),
			.claims = (uint32_t)sqlite3_column_int64(q, 6),
			.labels = (uint32_t)sqlite3_column_int64(q, 8),
		};
		*cursor = sqlite3_column_int64(q, 0);
		d->name_len = column_name(q, 1, d->name);
		if (sqlite3_column_type(q, 7) != SQLITE_NULL)
			snprintf(d->profile, sizeof(d->profile), "%s", sqlite3_column_text(q, 7));
	}
	sql_end(q);
	return ret < 0 ? ret : (int)n;
}

int registry_removed_since(
	struct registry *r,
	uint64_t since,
	int64_t *cursor,
	struct channel_device *out,
	uint32_t max
) {
	uint32_t n = 0;
	int ret = 1;
	int64_t from = *cursor > (int64_t)since ? *cursor : (int64_t)since;
	// A name that came back under --readmit is not removed.
	struct sqlite3_stmt *q = sql_begin(
		&r->sql,
		"SELECT version,name FROM removals WHERE version>? AND NOT EXISTS "
		"(SELECT 1 FROM devices d WHERE d.name=removals.name) ORDER BY version LIMIT ?",
		"ii",
		from,
		(int64_t)max
	);

	while (n < max && (ret = sql_row(&r->sql, q)) > 0) {
		struct channel_device *d = &out[n++];
		*d = (struct channel_device) {.op = CHANNEL_REMOVE, .state = DEVICE_REVOKED};
		*cursor = sqlite3_column_int64(q, 0);
		d->name_len = column_name(q, 1, d->name);
	}
	sql_end(q);
	return ret < 0 ? ret : (int)n;
}

int registry_claims_all(
	struct registry *r,
	int64_t *cursor,
	struct channel_claim *out,
	uint32_t max
) {
	uint32_t n = 0;
	int64_t row = 0;
	int ret = 1;
	struct sqlite3_stmt *q = sql_begin(
		&r->sql,
		"SELECT s.id,CASE k.key WHEN 'id' THEN 0 WHEN 'topic' THEN 1 ELSE 2 END,v.value "
		"FROM claim_sets s,json_each(s.claims) k,json_each(k.value) v "
		"WHERE length(v.value)<=128 ORDER BY s.id,k.key,v.key LIMIT ? OFFSET ?",
		"ii",
		(int64_t)max,
		*cursor
	);

	while (n < max && (ret = sql_row(&r->sql, q)) > 0) {
		struct channel_claim *c = &out[n++];
		int len = sqlite3_column_bytes(q, 2);
		*c = (struct channel_claim) {
			.set = (uint32_t)sqlite3_column_int64(q, 0),
			.op = CHANNEL_PUT,
			.kind = (uint8_t)sqlite3_column_int(q, 1),
			.len = (uint8_t)(len > CHANNEL_PATTERN_MAX ? 0 : len),
		};
		memcpy(c->pattern, sqlite3_column_text(q, 2), c->len);
		row++;
	}
	sql_end(q);
	*cursor += row;
	return ret < 0 ? ret : (int)n;
}

int registry_credentials_since(
	struct registry *r,
	uint64_t since,
	int64_t *cursor,
	struct channel_credential *out,
	uint32_t max
) {
	uint32_t n = 0;
	int ret = 1;
	// All credentials of a device whose own record or any credential changed.
	struct sqlite3_stmt *q = sql_begin(
		&r->sql,
		"SELECT d.name,c.kind,c.number,c.secret FROM credentials c JOIN devices d "
		"ON d.id=c.device WHERE (c.version>?1 OR d.version>?1) "
		"ORDER BY c.device,c.kind,c.number LIMIT ?2 OFFSET ?3",
		"iii",
		(int64_t)since,
		(int64_t)max,
		*cursor
	);

	while (n < max && (ret = sql_row(&r->sql, q)) > 0) {
		struct channel_credential *c = &out[n++];
		int len = sqlite3_column_bytes(q, 3);
		*c = (struct channel_credential) {
			.op = CHANNEL_PUT,
			.kind = (uint8_t)sqlite3_column_int(q, 1),
			.number = (uint8_t)sqlite3_column_int(q, 2),
			.len = (uint16_t)(len > (int)sizeof(c->bytes) ? 0 : len),
		};
		c->name_len = column_name(q, 0, c->name);
		memcpy(c->bytes, sqlite3_column_blob(q, 3), c->len);
	}
	sql_end(q);
	*cursor += n;
	return ret < 0 ? ret : (int)n;
}

static const char *address_text(const struct channel_address *a, char out[INET6_ADDRSTRLEN]) {
	if (a->family == 0)
		return NULL;
	return inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, out, INET6_ADDRSTRLEN);
}

static int event_store(struct registry *r, const struct channel_event *e) {
	char name[CHANNEL_NAME_MAX + 1], text[INET6_ADDRSTRLEN];
	const char *address = address_text(&e->peer, text);
	struct author nobody = {.name = "sluiced"};
	int64_t device = 0;

	memcpy(name, e->name, e->name_len);
	name[e->name_len] = '\0';
	int ret = sql_number(&r->sql, &device, "SELECT id FROM devices WHERE name=?", "t", name);
	if (ret == -ENOENT && e->kind == EVENT_UNKNOWN && strcmp(e->reason, "pending") == 0
	    && device_name_valid(name)) {
		int64_t version = 0;
		ret = registry_bump(r, &version);
		if (ret == 0)
			ret =
				sql_run(&r->sql,
					"INSERT INTO devices(name,state,reason,created_s,version) "
					"VALUES(?,0,'first seen',?,?)",
					"tii",
					name,
					registry_now(),
					version);
		if (ret > 0)
			ret = audit_append(&r->sql, &nobody, "device.pending", name, NULL, NULL);
		if (ret >= 0)
			ret = sql_number(
				&r->sql, &device, "SELECT id FROM devices WHERE name=?", "t", name
			);
	}
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	bool refused = e->kind == EVENT_REFUSED;
	bool cloned = e->kind == EVENT_CLONED;
	bool heard = !refused && !cloned && e->kind != EVENT_DISCONNECTED;
	return sql_run(
		&r->sql,
		"INSERT INTO "
		"seen(device,last_ns,address,transport,listener,connected,records,bytes,"
		"refusals,refused_reason,refused_ns,refused_address,cloned,cloned_ns,cloned_"
		"address,realm) "
		"VALUES(?1,iif(?2,?3,NULL),iif(?2,?4,NULL),iif(?2,?5,NULL),iif(?2,?6,NULL),?7,"
		"?8,?9,iif(?10,?11,0),iif(?10,?12,NULL),iif(?10,?3,NULL),iif(?10,?4,NULL),"
		"iif(?13,?11,0),iif(?13,?3,NULL),iif(?13,?4,NULL),?15) "
		"ON CONFLICT(device) DO UPDATE SET "
		"last_ns=iif(?2,max(coalesce(last_ns,0),?3),last_ns),"
		"address=coalesce(excluded.address,address),transport=coalesce(excluded.transport,"
		"transport),listener=coalesce(excluded.listener,listener),"
		"connected=iif(?14,?7,connected),realm=iif(?2,?15,realm),records=records+?8,bytes="
		"bytes+?9,"
		"refusals=refusals+excluded.refusals,"
		"refused_reason=coalesce(excluded.refused_reason,refused_reason),"
		"refused_ns=coalesce(excluded.refused_ns,refused_ns),"
		"refused_address=coalesce(excluded.refused_address,refused_address),"
		"cloned=cloned+excluded.cloned,cloned_ns=coalesce(excluded.cloned_ns,cloned_ns),"
		"cloned_address=coalesce(excluded.cloned_address,cloned_address)",
		"iiitttiiiiitiii",
		device,
		(int64_t)heard,
		e->wall_ns,
		address,
		e->transport,
		e->listener,
		(int64_t)e->connections,
		(int64_t)e->records,
		(int64_t)e->bytes,
		(int64_t)refused,
		(int64_t)(e->repeated > 0 ? e->repeated : 1),
		e->reason,
		(int64_t)cloned,
		(int64_t)(e->kind == EVENT_CONNECTED || e->kind == EVENT_DISCONNECTED),
		(int64_t)e->peer.realm
	);
}

int registry_events(struct registry *r, const struct channel_event *events, uint32_t count) {
	int ret = sql_transaction(&r->sql);

	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < count && ret >= 0; i++)
		ret = event_store(r, &events[i]);
	return sql_finish(&r->sql, ret < 0 ? ret : 0);
}
