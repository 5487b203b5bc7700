// SPDX-License-Identifier: Apache-2.0
// One call of the API, apart from how it came: what http.c hands to the routes and a fuzzer can
// make up. Main thread.
#pragma once

#include "controlplane/registry.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_BODY_MAX (8u << 20)
#define REQUEST_SEGMENTS 6

enum role : uint8_t { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR };

struct request {
	const char *method;
	const char *path; // decoded
	json_t *query; // object of strings
	const char *body;
	size_t body_len;
	enum role role;
	struct author author;
	// filled by the dispatcher
	json_t *json; // the body, if the route takes JSON
	const char *capture[REQUEST_SEGMENTS]; // the {} of the route's path, in order
	char segments[512];
};

struct later;

struct reply {
	struct later *later; // not NULL: it follows, nothing else is filled
	unsigned status;
	const char *type; // content type
	char *text; // owned, freed by whoever sends it
};

// Takes ownership of `text`; NULL is out of memory.
void reply_text(struct reply *r, unsigned status, char *text);
void reply_json(struct reply *r, unsigned status, json_t *json); // steals the reference
// {"error":{"code","message","hint"}}; `hint` says what to do, NULL if nothing helps.
[[gnu::format(printf, 5, 6)]] void reply_error(
	struct reply *r,
	unsigned status,
	const char *code,
	const char *hint,
	const char *format,
	...
);
// What an -errno of the registry means to the caller.
void reply_errno(struct reply *r, int ret, const char *what, const char *why);

// The body as the route describes it: one entry per known field, ended by name NULL.
struct body_field {
	const char *name;
	json_type type; // JSON_TRUE stands for a boolean
	bool required;
	int64_t max; // of a number; bytes of a text
};
// False with the reply filled: no object, unknown field (the nearest is named), wrong type.
bool body_check(const struct request *q, const struct body_field *fields, struct reply *r);

const char *body_text(const struct request *q, const char *name); // NULL if absent

// The body of a rollback.
struct rollback {
	int64_t version; // the one before `last` if the body names none
	const char *comment;
	char written[64]; // the comment, if the body has none
};
// False with the reply filled. `may_wait`: the body may say restart_later.
bool rollback_body(
	const struct request *q,
	bool may_wait,
	int64_t last,
	struct rollback *out,
	struct reply *r
);
// Of what `sluicectl SUBJECT history` lists.
void rollback_unknown(struct reply *r, const char *subject, int64_t version);

const char *query_text(const struct request *q, const char *name); // NULL if absent
// False with the reply filled if it is no number in 0..max.
bool query_number(
	const struct request *q,
	const char *name,
	int64_t fallback,
	int64_t max,
	int64_t *out,
	struct reply *r
);
