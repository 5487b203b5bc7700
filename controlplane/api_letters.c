// SPDX-License-Identifier: Apache-2.0
// Dead letters: sluiced reads them out of Kafka and sends them through its pipeline again; here the
// question is read and the answer passed on.
#include "controlplane/later.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The data plane scans for at most 8 s, and waits for Kafka as long again.
#define LETTERS_WAIT_MS 20000
#define LIMIT_MAX 1000
#define SCAN_DEFAULT 10000
#define SCAN_MAX 1000000

static void selection(struct channel_letters *q, const char *device, const char *reason) {
	if (device != NULL) {
		q->device_len = (uint8_t)strnlen(device, CHANNEL_NAME_MAX);
		memcpy(q->device, device, q->device_len);
	}
	if (reason != NULL)
		snprintf(q->reason, sizeof(q->reason), "%s", reason);
}

static void list_done(struct control *c, struct later *l, struct reply *r) {
	json_t *answer = later_answer(l, "dead letters", r);

	if (answer != NULL)
		reply_json(r, 200, answer);
}

static void show_done(struct control *c, struct later *l, struct reply *r) {
	json_t *answer = later_answer(l, "dead letters", r);

	if (answer == NULL)
		return;
	json_t *letter = json_array_get(json_object_get(answer, "letters"), 0);
	if (letter == NULL)
		reply_errno(r, -ENOENT, "dead letter", "");
	else
		reply_json(r, 200, json_incref(letter));
	json_decref(answer);
}

static void replay_done(struct control *c, struct later *l, struct reply *r) {
	json_t *answer = later_answer(l, "dead letters", r);

	if (answer == NULL)
		return;
	char *what = json_dumps(l->json, JSON_COMPACT | JSON_SORT_KEYS);
	char *after = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);
	(void)registry_audit(
		c->registry, &l->author, "dead-letter replay", what != NULL ? what : "", NULL, after
	);
	free(after);
	free(what);
	reply_json(r, 200, answer);
}

#define LETTERS_KIND(DONE)                                                                         \
	{.type = CHANNEL_LETTERS, .text = true, .wait_ms = LETTERS_WAIT_MS, .done = DONE}
static const struct later_kind listing = LETTERS_KIND(list_done);
static const struct later_kind showing = LETTERS_KIND(show_done);
static const struct later_kind replaying = LETTERS_KIND(replay_done);

void letter_list(struct control *c, struct request *q, struct reply *r) {
	struct channel_letters query = {.op = LETTERS_LIST, .partition = -1, .offset = -1};
	int64_t limit, scan, newer_s;

	if (!query_number(q, "limit", 50, LIMIT_MAX, &limit, r)
	    || !query_number(q, "scan", SCAN_DEFAULT, SCAN_MAX, &scan, r)
	    || !query_number(q, "newer", 0, INT32_MAX, &newer_s, r))
		return;
	query.limit = (uint32_t)limit;
	query.scan = (uint32_t)scan;
	selection(&query, query_text(q, "device"), query_text(q, "reason"));
	if (newer_s > 0)
		query.since_ns = ((int64_t)time(NULL) - newer_s) * 1000000000;
	later_ask(c, &listing, &query, sizeof(query), q, r);
}

// PARTITION/OFFSET as two segments of the path.
void letter_show(struct control *c, struct request *q, struct reply *r) {
	struct channel_letters query = {.op = LETTERS_SHOW, .limit = 1};
	char *end1, *end2;
	long partition = strtol(q->capture[0], &end1, 10);
	long long offset = strtoll(q->capture[1], &end2, 10);

	if (*end1 != '\0' || *end2 != '\0' || partition < 0 || partition > INT32_MAX
	    || offset < 0) {
		reply_error(
			r,
			400,
			"invalid",
			"`sluicectl dlq list` shows them",
			"a dead letter is named PARTITION/OFFSET"
		);
		return;
	}
	query.partition = (int32_t)partition;
	query.offset = offset;
	later_ask(c, &showing, &query, sizeof(query), q, r);
}

void letter_replay(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"id", JSON_STRING, false, 40},
		{"device", JSON_STRING, false, CHANNEL_NAME_MAX},
		{"reason", JSON_STRING, false, 31},
		{"limit", JSON_INTEGER, false, LIMIT_MAX},
		{"scan", JSON_INTEGER, false, SCAN_MAX},
		{"again", JSON_TRUE, false, 0},
		{0},
	};
	struct channel_letters query = {.op = LETTERS_REPLAY, .partition = -1, .offset = -1};

	if (!body_check(q, fields, r))
		return;
	const char *id = body_text(q, "id");
	const char *device = body_text(q, "device");
	const char *reason = body_text(q, "reason");
	json_t *limit = json_object_get(q->json, "limit"), *scan = json_object_get(q->json, "scan");
	char rest;
	if (id != NULL
	    && (sscanf(id, "%d/%ld%c", &query.partition, &query.offset, &rest) != 2
		|| query.partition < 0 || query.offset < 0)) {
		reply_error(r, 400, "invalid", NULL, "a dead letter is named PARTITION/OFFSET");
		return;
	}
	query.limit = limit != NULL ? (uint32_t)json_integer_value(limit) : LIMIT_MAX;
	query.scan = scan != NULL ? (uint32_t)json_integer_value(scan) : SCAN_DEFAULT;
	query.again = json_is_true(json_object_get(q->json, "again"));
	selection(&query, device, reason);
	later_ask(c, &replaying, &query, sizeof(query), q, r);
}
