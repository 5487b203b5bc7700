// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ca/digest.h"
#include "controlplane/control.h"

#include <argon2.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLY_WAIT_MS 2000
// OWASP's lower bound for argon2id; hashed and checked off the packet workers.
#define ARGON_MEMORY_KIB 19456
#define ARGON_PASSES 2
#define PASSWORD_MAX 256
#define KEY_HEX_MAX 128

void device_list(struct control *c, struct request *q, struct reply *r) {
	struct device_filter f = {
		.after = query_text(q, "after"),
		.match = query_text(q, "match"),
		.profile = query_text(q, "profile"),
		.label = query_text(q, "label"),
		.state = -1,
	};
	const char *state = query_text(q, "state");
	int error = 0;

	if (f.after == NULL)
		f.after = "";
	if (!query_number(q, "limit", 100, 10000, &f.limit, r))
		return;
	if (state != NULL && (f.state = device_state_find(state)) < 0) {
		reply_error(
			r,
			400,
			"out-of-range",
			NULL,
			"'state' must be pending, active, suspended or revoked"
		);
		return;
	}
	char *json = registry_device_list(c->registry, &f, &error);
	if (json == NULL)
		reply_errno(r, error, "devices", registry_why(c->registry));
	else
		reply_text(r, 200, json);
}

// The record, and whether all workers use it by now.
static void device_answer(struct control *c, unsigned status, const char *name, struct reply *r) {
	int error = 0;
	int applied = link_registry_wait(c->link, APPLY_WAIT_MS);
	char *text = registry_device_show(c->registry, name, &error);

	if (text == NULL) {
		reply_errno(r, error, name, registry_why(c->registry));
		return;
	}
	json_t *json = json_loads(text, 0, NULL);
	free(text);
	json_object_set_new(
		json,
		"applied",
		json_string(
			applied == 0		       ? "yes"
				: applied == -ENOTCONN ? "when-connected"
						       : "waiting"
		)
	);
	reply_json(r, status, json);
}

static char *text_of(const json_t *body, const char *name) {
	const json_t *v = json_object_get(body, name);
	return v != NULL ? json_dumps(v, JSON_COMPACT) : NULL;
}

static int64_t number_of(const json_t *body, const char *name) {
	const json_t *v = json_object_get(body, name);
	return v != NULL ? json_integer_value(v) : -1;
}

static bool labels_good(const json_t *labels, struct reply *r) {
	size_t n = 0, bytes = 0;
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)labels, key, v) {
		n++;
		bytes += 2 + strlen(key) + json_string_length(v);
		if (key[0] != '\0' && strlen(key) <= LABEL_NAME_MAX && json_is_string(v)
		    && json_string_length(v) <= LABEL_VALUE_MAX)
			continue;
		reply_error(
			r,
			400,
			"out-of-range",
			NULL,
			"a label is a name of 1 to %d and a text of at most %d bytes",
			LABEL_NAME_MAX,
			LABEL_VALUE_MAX
		);
		return false;
	}
	if (n <= LABELS_MAX && bytes <= LABELS_BYTES_MAX)
		return true;
	reply_error(
		r,
		400,
		"out-of-range",
		NULL,
		"a device has at most %d labels, and %d bytes of them",
		LABELS_MAX,
		LABELS_BYTES_MAX - 2 * LABELS_MAX
	);
	return false;
}

static bool claims_good(const json_t *claims, struct reply *r) {
	const char *kind;
	json_t *list, *v;
	size_t i, n = 0;

	json_object_foreach((json_t *)(uintptr_t)claims, kind, list) {
		bool known = strcmp(kind, "id") == 0 || strcmp(kind, "topic") == 0
			|| strcmp(kind, "path") == 0;
		if (!known || !json_is_array(list)) {
			reply_error(
				r,
				400,
				"unknown-field",
				NULL,
				"claims are lists 'id', 'topic', 'path'"
			);
			return false;
		}
		json_array_foreach(list, i, v) {
			n++;
			if (json_is_string(v) && json_string_length(v) <= CHANNEL_PATTERN_MAX
			    && json_string_length(v) > 0)
				continue;
			reply_error(
				r,
				400,
				"out-of-range",
				NULL,
				"a claim is a pattern of 1 to %d bytes",
				CHANNEL_PATTERN_MAX
			);
			return false;
		}
	}
	if (n <= 32)
		return true;
	reply_error(r, 400, "out-of-range", NULL, "a device has at most 32 claims");
	return false;
}

// Texts in *out are owned by the caller (labels, claims) or the body.
static bool change_read(const struct request *q, struct device_change *out, struct reply *r) {
	const char *state = body_text(q, "state");

	*out = (struct device_change) {
		.profile = body_text(q, "profile"),
		.reason = body_text(q, "reason"),
		.state = -1,
		.records_per_s = number_of(q->json, "records_per_s"),
		.bytes_per_s = number_of(q->json, "bytes_per_s"),
		.connections = number_of(q->json, "connections"),
	};
	if (state != NULL && (out->state = device_state_find(state)) < 0) {
		reply_error(
			r,
			400,
			"out-of-range",
			NULL,
			"'state' must be pending, active, suspended or revoked"
		);
		return false;
	}
	if (!labels_good(json_object_get(q->json, "labels"), r)
	    || !claims_good(json_object_get(q->json, "claims"), r))
		return false;
	out->labels = text_of(q->json, "labels");
	out->claims = text_of(q->json, "claims");
	return true;
}

#define DEVICE_FIELDS                                                                              \
	{"profile", JSON_STRING, false, 31}, {"state", JSON_STRING, false, 16},                    \
		{"reason", JSON_STRING, false, 200}, {"labels", JSON_OBJECT, false, 0},            \
		{"claims", JSON_OBJECT, false, 0},                                                 \
		{"records_per_s", JSON_INTEGER, false, UINT32_MAX},                                \
		{"bytes_per_s", JSON_INTEGER, false, UINT32_MAX},                                  \
		{"connections", JSON_INTEGER, false, UINT16_MAX}, {"readmit", JSON_TRUE, false, 0}

static void change_free(struct device_change *d) {
	free((char *)(uintptr_t)d->labels);
	free((char *)(uintptr_t)d->claims);
}

void device_add(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"name", JSON_STRING, true, CHANNEL_NAME_MAX}, DEVICE_FIELDS, {0}
	};
	struct device_change d;

	if (!body_check(q, fields, r) || !change_read(q, &d, r))
		return;
	const char *name = body_text(q, "name");
	int ret = registry_device_add(
		c->registry, &q->author, name, &d, json_is_true(json_object_get(q->json, "readmit"))
	);
	change_free(&d);
	if (ret < 0)
		reply_errno(r, ret, name, registry_why(c->registry));
	else
		device_answer(c, 201, name, r);
}

void device_show(struct control *c, struct request *q, struct reply *r) {
	int error = 0;
	char *json = registry_device_show(c->registry, q->capture[0], &error);

	if (json == NULL)
		reply_errno(r, error, q->capture[0], registry_why(c->registry));
	else
		reply_text(r, 200, json);
}

void device_change(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {DEVICE_FIELDS, {0}};
	struct device_change d;

	if (!body_check(q, fields, r) || !change_read(q, &d, r))
		return;
	int ret = registry_device_change(
		c->registry,
		&q->author,
		q->capture[0],
		&d,
		json_is_true(json_object_get(q->json, "readmit"))
	);
	change_free(&d);
	if (ret < 0)
		reply_errno(r, ret, q->capture[0], registry_why(c->registry));
	else
		device_answer(c, 200, q->capture[0], r);
}

void device_remove(struct control *c, struct request *q, struct reply *r) {
	int ret = registry_device_remove(
		c->registry, &q->author, q->capture[0], query_text(q, "reason")
	);

	if (ret < 0) {
		reply_errno(r, ret, q->capture[0], registry_why(c->registry));
		return;
	}
	(void)link_registry_wait(c->link, APPLY_WAIT_MS);
	reply_json(r, 200, json_pack("{s:s}", "removed", q->capture[0]));
}

// --- credentials

static int password_encode(const char *password, char *out, size_t room) {
	uint8_t salt[16];

	digest_random(salt, sizeof(salt));
	int rc = argon2id_hash_encoded(
		ARGON_PASSES,
		ARGON_MEMORY_KIB,
		1,
		password,
		strlen(password),
		salt,
		sizeof(salt),
		32,
		out,
		room
	);
	return rc == ARGON2_OK ? (int)strlen(out) : -EINVAL;
}

static int kind_find(const char *label) {
	for (int k = 0; k < CREDENTIAL_KIND_COUNT; k++)
		if (strcmp(credential_kind_label((enum credential_kind)k), label) == 0)
			return k;
	return -1;
}

// Bytes to store, or -EINVAL. The request's text is not ours to keep: it is wiped with the body.
static int
credential_read(const struct request *q, enum credential_kind kind, uint8_t *out, size_t room) {
	const char *password = body_text(q, "password");
	const char *key = body_text(q, "key");
	int wanted = kind == CREDENTIAL_AES ? 16 : 0;

	if (kind == CREDENTIAL_PASSWORD)
		return password != NULL && password[0] != '\0' && key == NULL
			? password_encode(password, (char *)out, room)
			: -EINVAL;
	if (key == NULL || password != NULL)
		return -EINVAL;
	int n = digest_unhex(key, out, room);
	if (kind == CREDENTIAL_HMAC && n < 16)
		return -EINVAL;
	return n <= 0 || (wanted > 0 && n != wanted) ? -EINVAL : n;
}

void credential_set(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"kind", JSON_STRING, true, 32},
		{"number", JSON_INTEGER, false, 255},
		{"password", JSON_STRING, false, PASSWORD_MAX},
		{"key", JSON_STRING, false, KEY_HEX_MAX},
		{"until_s", JSON_INTEGER, false, INT64_MAX},
		{0},
	};
	uint8_t bytes[160];

	if (!body_check(q, fields, r))
		return;
	int kind = kind_find(body_text(q, "kind"));
	int n = kind < 0 || kind == CREDENTIAL_CERTIFICATE
		? -EINVAL
		: credential_read(q, (enum credential_kind)kind, bytes, sizeof(bytes));
	if (n < 0) {
		reply_error(
			r,
			400,
			"invalid",
			"password: --password-file; hmac-sha-256: a key of 16 to 64 bytes in hex; "
			"aes-128-gcm: 16 bytes in hex",
			"no such credential"
		);
		return;
	}
	int64_t number = number_of(q->json, "number"), until = number_of(q->json, "until_s");
	int ret = registry_credential_set(
		c->registry,
		&q->author,
		q->capture[0],
		(enum credential_kind)kind,
		(uint8_t)(number > 0 ? number : 0),
		bytes,
		(size_t)n,
		until > 0 ? until : 0
	);
	explicit_bzero(bytes, sizeof(bytes));
	if (ret < 0)
		reply_errno(r, ret, q->capture[0], registry_why(c->registry));
	else
		device_answer(c, 200, q->capture[0], r);
}

void credential_remove(struct control *c, struct request *q, struct reply *r) {
	int kind = kind_find(q->capture[1]);
	long number = strtol(q->capture[2], NULL, 10);

	if (kind < 0 || number < 0 || number > 255) {
		reply_errno(r, -ENOENT, q->capture[1], "");
		return;
	}
	int ret = registry_credential_remove(
		c->registry, &q->author, q->capture[0], (enum credential_kind)kind, (uint8_t)number
	);
	if (ret < 0)
		reply_errno(r, ret, q->capture[0], registry_why(c->registry));
	else
		device_answer(c, 200, q->capture[0], r);
}

#define REFUSED_TOLD 10000

static void refused_add(void *owner, uint64_t line, const char *name, const char *why) {
	json_t *list = owner;

	if (json_array_size(list) >= REFUSED_TOLD)
		return;
	json_t *text = json_string(name);
	json_array_append_new(
		list,
		json_pack(
			"{s:I,s:o,s:s}",
			"line",
			(json_int_t)line,
			"name",
			text != NULL ? text : json_string("(not UTF-8)"),
			"reason",
			why
		)
	);
}

void device_import(struct control *c, struct request *q, struct reply *r) {
	const char *update = query_text(q, "update");
	json_t *list = json_array();
	struct import_order o = {
		.csv = q->body != NULL ? q->body : "",
		.len = q->body_len,
		.update = update != NULL && strcmp(update, "yes") == 0,
		.refused = refused_add,
		.owner = list,
	};
	struct import_result out;

	int ret = registry_import(c->registry, &q->author, &o, &out);
	if (ret < 0) {
		reply_errno(r, ret, "import", registry_why(c->registry));
	} else {
		link_changed(c->link);
		reply_json(
			r,
			200,
			json_pack(
				"{s:I,s:I,s:I,s:I,s:O}",
				"rows",
				(json_int_t)out.rows,
				"added",
				(json_int_t)out.added,
				"changed",
				(json_int_t)out.changed,
				"refused",
				(json_int_t)out.refused,
				"refused_rows",
				list
			)
		);
	}
	json_decref(list);
}
