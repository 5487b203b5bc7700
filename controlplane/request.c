// SPDX-License-Identifier: Apache-2.0
#include "config/nearest.h"
#include "controlplane/request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reply_text(struct reply *r, unsigned status, char *text) {
	free(r->text);
	r->text = text;
	r->status = text != NULL ? status : 500;
	r->type = "application/json";
}

void reply_json(struct reply *r, unsigned status, json_t *json) {
	reply_text(r, status, json != NULL ? json_dumps(json, JSON_COMPACT) : NULL);
	json_decref(json);
}

void reply_error(
	struct reply *r,
	unsigned status,
	const char *code,
	const char *hint,
	const char *format,
	...
) {
	char message[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	json_t *text = json_string(message);
	if (text == NULL) // a name that is not UTF-8 was quoted
		text = json_string("the request contains text that is not UTF-8");
	json_t *e = json_pack("{s:s,s:o}", "code", code, "message", text);
	if (hint != NULL)
		json_object_set_new(e, "hint", json_string(hint));
	reply_json(r, status, json_pack("{s:o}", "error", e));
}

void reply_errno(struct reply *r, int ret, const char *what, const char *why) {
	switch (ret) {
	case -ENOENT:
		reply_error(r, 404, "unknown", "list what there is first", "%s: unknown", what);
		break;
	case -EEXIST:
		reply_error(r, 409, "exists", "show it, or change it instead", "%s: %s", what, why);
		break;
	case -EPERM:
		reply_error(r, 409, "not-allowed", NULL, "%s: %s", what, why);
		break;
	case -EINVAL:
		reply_error(r, 400, "invalid", NULL, "%s: %s", what, why);
		break;
	case -ENOSPC:
		reply_error(
			r,
			507,
			"disk-full",
			"free space where the registry lies; nothing was changed, the data plane "
			"goes on",
			"%s: the disk is full",
			what
		);
		break;
	case -EBUSY:
		reply_error(r, 503, "busy", "try again", "%s: the registry is busy", what);
		break;
	case -ENOTCONN:
		reply_error(
			r,
			503,
			"data-plane-away",
			"start sluiced; `sluicectl status` tells when it is back",
			"%s: no data plane is connected",
			what
		);
		break;
	case -ETIMEDOUT:
		reply_error(
			r,
			504,
			"data-plane-slow",
			"`sluicectl status` tells whether it lives; the registry has the change",
			"%s: the data plane did not answer in time",
			what
		);
		break;
	default:
		reply_error(
			r,
			500,
			"failed",
			"see the log of sluice-controld",
			"%s: %s (%s)",
			what,
			why,
			strerror(-ret)
		);
	}
}

static bool type_fits(const json_t *v, json_type wanted) {
	if (wanted == JSON_TRUE)
		return json_is_boolean(v);
	return json_typeof(v) == wanted;
}

static const char *type_name(json_type t) {
	static const char *const names[] = {
		[JSON_OBJECT] = "an object",
		[JSON_ARRAY] = "a list",
		[JSON_STRING] = "text",
		[JSON_INTEGER] = "a whole number",
		[JSON_TRUE] = "true or false",
	};
	return names[t];
}

static bool field_check(const struct body_field *f, const json_t *v, struct reply *r) {
	if (!type_fits(v, f->type)) {
		reply_error(
			r, 400, "wrong-type", NULL, "'%s' must be %s", f->name, type_name(f->type)
		);
		return false;
	}
	if (f->type == JSON_INTEGER
	    && (json_integer_value(v) < 0 || json_integer_value(v) > f->max)) {
		reply_error(
			r, 400, "out-of-range", NULL, "'%s' must be 0 to %" PRId64, f->name, f->max
		);
		return false;
	}
	if (f->type == JSON_STRING
	    && ((int64_t)json_string_length(v) > f->max
		|| strlen(json_string_value(v)) != json_string_length(v))) {
		reply_error(
			r,
			400,
			"out-of-range",
			NULL,
			"'%s' must have at most %" PRId64 " bytes and no zero byte",
			f->name,
			f->max
		);
		return false;
	}
	return true;
}

static const struct body_field *field_find(const struct body_field *fields, const char *name) {
	for (; fields->name != NULL; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

static void unknown_field(const struct body_field *fields, const char *name, struct reply *r) {
	struct nearest near;

	nearest_init(&near, name);
	for (; fields->name != NULL; fields++)
		nearest_offer(&near, fields->name);
	if (near.best != NULL)
		reply_error(
			r,
			400,
			"unknown-field",
			NULL,
			"unknown field '%.60s'; did you mean '%s'?",
			name,
			near.best
		);
	else
		reply_error(r, 400, "unknown-field", NULL, "unknown field '%.60s'", name);
}

bool body_check(const struct request *q, const struct body_field *fields, struct reply *r) {
	const char *name;
	json_t *v;

	if (!json_is_object(q->json)) {
		reply_error(r, 400, "wrong-type", NULL, "the body must be a JSON object");
		return false;
	}
	json_object_foreach(q->json, name, v) {
		const struct body_field *f = field_find(fields, name);
		if (f == NULL) {
			unknown_field(fields, name, r);
			return false;
		}
		if (!field_check(f, v, r))
			return false;
	}
	for (const struct body_field *f = fields; f->name != NULL; f++)
		if (f->required && json_object_get(q->json, f->name) == NULL) {
			reply_error(r, 400, "missing-field", NULL, "'%s' is missing", f->name);
			return false;
		}
	return true;
}

const char *body_text(const struct request *q, const char *name) {
	return json_string_value(json_object_get(q->json, name));
}

bool rollback_body(
	const struct request *q,
	bool may_wait,
	int64_t last,
	struct rollback *out,
	struct reply *r
) {
	const struct body_field fields[] = {
		{"version", JSON_INTEGER, false, INT64_MAX},
		{"comment", JSON_STRING, false, 500},
		{may_wait ? "restart_later" : NULL, JSON_TRUE, false, 0},
		{0}
	};

	if (!body_check(q, fields, r))
		return false;
	out->version = json_integer_value(json_object_get(q->json, "version"));
	if (out->version == 0)
		out->version = last - 1;
	snprintf(out->written, sizeof(out->written), "rollback to version %" PRId64, out->version);
	out->comment = body_text(q, "comment");
	if (out->comment == NULL)
		out->comment = out->written;
	return true;
}

void rollback_unknown(struct reply *r, const char *subject, int64_t version) {
	char hint[64];

	snprintf(hint, sizeof(hint), "`sluicectl %s history` lists the versions", subject);
	reply_error(r, 404, "unknown", hint, "there is no version %" PRId64, version);
}

const char *query_text(const struct request *q, const char *name) {
	return json_string_value(json_object_get(q->query, name));
}

bool query_number(
	const struct request *q,
	const char *name,
	int64_t fallback,
	int64_t max,
	int64_t *out,
	struct reply *r
) {
	const char *text = query_text(q, name);
	char *end;

	*out = fallback;
	if (text == NULL)
		return true;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || v < 0 || v > max) {
		reply_error(r, 400, "out-of-range", NULL, "'%s' must be 0 to %" PRId64, name, max);
		return false;
	}
	*out = v;
	return true;
}
