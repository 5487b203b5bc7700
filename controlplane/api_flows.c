// SPDX-License-Identifier: Apache-2.0
#include "controlplane/control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FLOW_WAIT_MS 3000
#define FLOWS_MAX 10000

static bool address_read(const char *text, int64_t realm, struct channel_address *out) {
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
	unsigned char bytes[16] = {0};
	char *end = NULL;

	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	uint8_t family = strchr(host, ':') != NULL ? 6 : 4;
	if (inet_pton(family == 6 ? AF_INET6 : AF_INET, host, bytes) != 1)
		return false;
	long whole = family == 6 ? 128 : 32;
	long len = slash != NULL ? strtol(slash + 1, &end, 10) : whole;
	if (slash != NULL && (end == slash + 1 || *end != '\0' || len < 0 || len > whole))
		return false;
	*out = (struct channel_address
	) {.family = family, .prefix_len = (uint8_t)len, .realm = (uint16_t)realm};
	memcpy(out->bytes, bytes, sizeof(out->bytes));
	for (long bit = len; bit < whole; bit++)
		out->bytes[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
	return true;
}

static json_t *flow_json(const struct channel_flow *f) {
	char address[INET6_ADDRSTRLEN] = "", name[CHANNEL_NAME_MAX + 1];

	memcpy(name, f->device, f->device_len);
	name[f->device_len] = '\0';
	if (f->peer.family != 0)
		inet_ntop(
			f->peer.family == 4 ? AF_INET : AF_INET6,
			f->peer.bytes,
			address,
			sizeof(address)
		);
	json_t *device = json_string(name);
	return json_pack(
		"{s:o,s:s,s:i,s:i,s:s,s:i,s:I,s:I,s:I,s:I}",
		"device",
		device != NULL ? device : json_string("(not UTF-8)"),
		"address",
		address,
		"port",
		(int)f->peer.port,
		"realm",
		(int)f->peer.realm,
		"transport",
		f->transport,
		"worker",
		(int)f->worker,
		"idle_ms",
		(json_int_t)f->idle_ms,
		"records",
		(json_int_t)f->records,
		"bytes",
		(json_int_t)f->bytes,
		"drops",
		(json_int_t)f->drops
	);
}

static bool transport_known(const char *text) {
	static const char *const labels[] = {"udp", "frame", "coap", "mqtt"};

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (strcmp(text, labels[i]) == 0)
			return true;
	return false;
}

void flow_list(struct control *c, struct request *q, struct reply *r) {
	struct channel_flow_query query = {0};
	const char *device = query_text(q, "device"), *address = query_text(q, "address");
	const char *transport = query_text(q, "transport");
	int64_t limit, cursor, realm;
	uint64_t next = 0;

	if (!query_number(q, "limit", 100, FLOWS_MAX, &limit, r)
	    || !query_number(q, "cursor", 0, INT64_MAX, &cursor, r)
	    || !query_number(q, "realm", -1, UINT16_MAX, &realm, r))
		return;
	if (address != NULL && !address_read(address, 0, &query.peer)) {
		reply_error(r, 400, "invalid", NULL, "'address' is no address or prefix");
		return;
	}
	if (transport != NULL && !transport_known(transport)) {
		reply_error(
			r, 400, "out-of-range", NULL, "'transport' must be udp, frame, coap or mqtt"
		);
		return;
	}
	snprintf(
		query.transport_label,
		sizeof(query.transport_label),
		"%s",
		transport != NULL ? transport : ""
	);
	if (realm >= 0) {
		query.by_realm = 1;
		query.peer.realm = (uint16_t)realm;
	}
	if (device != NULL) {
		query.device_len = (uint8_t)strnlen(device, CHANNEL_NAME_MAX);
		memcpy(query.device, device, query.device_len);
	}
	query.limit = (uint32_t)limit;
	query.cursor = (uint64_t)cursor;
	struct channel_flow *flows = calloc((size_t)limit + 1, sizeof(*flows));
	if (flows == NULL) {
		reply_errno(r, -ENOMEM, "flows", "out of memory");
		return;
	}
	int n = link_flows(c->link, &query, flows, (uint32_t)limit, &next, FLOW_WAIT_MS);
	if (n < 0) {
		reply_errno(r, n, "flows", strerror(-n));
	} else {
		json_t *list = json_array();
		for (int i = 0; i < n; i++)
			json_array_append_new(list, flow_json(&flows[i]));
		reply_json(
			r,
			200,
			json_pack(
				"{s:o,s:o}",
				"flows",
				list,
				"next",
				next != 0 ? json_integer((json_int_t)next) : json_null()
			)
		);
	}
	free(flows);
}

// False with the reply filled unless exactly one of device and address is given. The prefix is
// masked: 10.1.2.3/8 is 10.0.0.0/8.
static bool target_read(
	const struct request *q,
	char device[CHANNEL_NAME_MAX],
	uint8_t *device_len,
	struct channel_address *peer,
	struct reply *r
) {
	const char *name = body_text(q, "device");
	const char *address = body_text(q, "address");
	int64_t realm = json_integer_value(json_object_get(q->json, "realm"));

	if ((name == NULL) == (address == NULL)) {
		reply_error(r, 400, "missing-field", NULL, "give either 'device' or 'address'");
		return false;
	}
	if (address != NULL && !address_read(address, realm, peer)) {
		reply_error(r, 400, "invalid", NULL, "'%.60s' is no address or prefix", address);
		return false;
	}
	if (name != NULL && !device_name_valid(name)) {
		reply_error(r, 400, "invalid", NULL, "'%.64s' is no device name", name);
		return false;
	}
	if (name != NULL) {
		*device_len = (uint8_t)strlen(name);
		memcpy(device, name, *device_len);
	}
	return true;
}

static const char *target_text(const struct request *q) {
	const char *device = body_text(q, "device");

	return device != NULL ? device : body_text(q, "address");
}

void flow_drop(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"device", JSON_STRING, false, CHANNEL_NAME_MAX},
		{"address", JSON_STRING, false, 60},
		{"realm", JSON_INTEGER, false, UINT16_MAX},
		{"reason", JSON_STRING, false, 63},
		{0},
	};
	struct channel_flow_action a = {0};
	struct channel_ack ack;
	char after[128];

	if (!body_check(q, fields, r) || !target_read(q, a.device, &a.device_len, &a.peer, r))
		return;
	a.by_realm = a.device_len == 0;
	int ret = link_ask(c->link, CHANNEL_FLOW_ACTION, &a, FLOW_WAIT_MS, &ack);
	if (ret < 0) {
		reply_errno(
			r, ret, "flow drop", ret == -ENOTCONN || ret == -ETIMEDOUT ? "" : ack.text
		);
		return;
	}
	json_t *detail = json_pack(
		"{s:I,s:s*}", "dropped", (json_int_t)ack.number, "reason", body_text(q, "reason")
	);
	char *text = json_dumps(detail, JSON_COMPACT);
	snprintf(after, sizeof(after), "%s", text != NULL ? text : "{}");
	(void)registry_audit(c->registry, &q->author, "flow.drop", target_text(q), NULL, after);
	free(text);
	reply_json(r, 200, detail);
}

void block_list(struct control *c, struct request *q, struct reply *r) {
	int error = 0;
	char *json = registry_block_list(c->registry, &error);

	if (json == NULL)
		reply_errno(r, error, "blocks", registry_why(c->registry));
	else
		reply_text(r, 200, json);
}

static bool force_check(
	struct control *c,
	const struct request *q,
	const struct channel_block *b,
	struct reply *r
) {
	int64_t hits = 0;

	if (json_is_true(json_object_get(q->json, "force")) || b->action == BLOCK_ACTION_LIMIT)
		return true;
	(void)registry_block_hits(c->registry, b, (int64_t)c->force_above + 1, &hits);
	if (hits <= (int64_t)c->force_above)
		return true;
	reply_error(
		r,
		409,
		"too-many",
		"narrow the prefix, or say --force",
		"the block would hit more than %" PRIu32 " devices in good standing",
		c->force_above
	);
	return false;
}

static const char *applied_text(int ret) {
	return ret == 0		    ? "yes"
		: ret == -ENOTCONN  ? "when-connected"
		: ret == -ETIMEDOUT ? "waiting"
				    : "refused by the data plane";
}

static bool until_read(const struct request *q, struct channel_block *b, struct reply *r) {
	int64_t until = json_integer_value(json_object_get(q->json, "until_s"));
	int64_t left = until - (int64_t)time(NULL);

	if (until == 0)
		return true;
	if (left <= 0) {
		reply_error(r, 400, "out-of-range", NULL, "'until_s' is over already");
		return false;
	}
	b->for_s = (uint64_t)left;
	return true;
}

void block_add(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"device", JSON_STRING, false, CHANNEL_NAME_MAX},
		{"address", JSON_STRING, false, 60},
		{"realm", JSON_INTEGER, false, UINT16_MAX},
		{"records_per_s", JSON_INTEGER, false, UINT32_MAX},
		{"until_s", JSON_INTEGER, false, INT64_MAX},
		{"reason", JSON_STRING, true, 63},
		{"force", JSON_TRUE, false, 0},
		{0},
	};
	struct channel_block b = {.op = CHANNEL_PUT};
	struct channel_ack ack;
	int64_t id = 0;

	if (!body_check(q, fields, r) || !target_read(q, b.device, &b.device_len, &b.peer, r)
	    || !until_read(q, &b, r))
		return;
	int64_t records = json_integer_value(json_object_get(q->json, "records_per_s"));
	b.action = records > 0 ? BLOCK_ACTION_LIMIT : BLOCK_ACTION_BLOCK;
	b.records_per_s = (uint32_t)records;
	snprintf(b.reason, sizeof(b.reason), "%s", body_text(q, "reason"));
	if (!force_check(c, q, &b, r))
		return;
	int ret = registry_block_put(c->registry, &q->author, &b, &id);
	if (ret < 0) {
		reply_errno(r, ret, "block", registry_why(c->registry));
		return;
	}
	b.id = (uint64_t)id;
	ret = link_ask(c->link, CHANNEL_BLOCKS, &b, FLOW_WAIT_MS, &ack);
	reply_json(
		r, 201, json_pack("{s:I,s:s}", "id", (json_int_t)id, "applied", applied_text(ret))
	);
}

static void block_end(struct control *c, struct request *q, int64_t id, struct reply *r) {
	struct channel_block b = {0};
	struct channel_ack ack;
	int ret = registry_block_remove(c->registry, &q->author, id, &b);

	if (ret < 0) {
		reply_errno(r, ret, "block", registry_why(c->registry));
		return;
	}
	ret = link_ask(c->link, CHANNEL_BLOCKS, &b, FLOW_WAIT_MS, &ack);
	reply_json(
		r,
		200,
		json_pack("{s:I,s:s}", "removed", (json_int_t)id, "applied", applied_text(ret))
	);
}

void block_remove(struct control *c, struct request *q, struct reply *r) {
	block_end(c, q, strtoll(q->capture[0], NULL, 10), r);
}

void block_allow(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"device", JSON_STRING, false, CHANNEL_NAME_MAX},
		{"address", JSON_STRING, false, 60},
		{"realm", JSON_INTEGER, false, UINT16_MAX},
		{"limit", JSON_TRUE, false, 0},
		{0},
	};
	struct channel_block b = {0};
	int64_t id = 0;

	if (!body_check(q, fields, r) || !target_read(q, b.device, &b.device_len, &b.peer, r))
		return;
	b.action = json_is_true(json_object_get(q->json, "limit")) ? BLOCK_ACTION_LIMIT
								   : BLOCK_ACTION_BLOCK;
	int ret = registry_block_find(c->registry, &b, &id);
	if (ret < 0)
		reply_errno(r, ret, target_text(q), "nothing blocks it: see `flow blocks`");
	else
		block_end(c, q, id, r);
}
