// SPDX-License-Identifier: Apache-2.0
// Signatures: listed from the files, judged and taken over by the running sluiced, kept as
// versions.
#include "config/signature.h"
#include "controlplane/ca/digest.h"
#include "controlplane/later.h"
#include "controlplane/rules_files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX (8u << 20)
#define ERRORS_MAX 32
#define COMPILE_WAIT_MS 30000 // thousands of signatures on a slow machine

// --- what is there

// False with the reply filled if the configuration names no place for signatures.
static bool place(struct control *c, char *out, size_t room, struct reply *r) {
	int ret = rules_path(c->config_path, out, room);

	if (ret == 0 && out[0] != '\0')
		return true;
	reply_error(
		r,
		409,
		"no-signatures",
		"set match.signatures to a file or directory",
		"%s names no signatures",
		c->config_path
	);
	return false;
}

static json_t *names_json(const char *const *names, uint32_t count) {
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(names[i]));
	return list;
}

static json_t *protocols_json(uint8_t bits) {
	static const char *const labels[] = {"udp", "frame", "coap", "mqtt"};
	json_t *list = json_array();

	for (int i = 0; i < 4; i++)
		if ((bits & (1u << i)) != 0)
			json_array_append_new(list, json_string(labels[i]));
	return list;
}

static json_t *rule_json(const struct signature *s) {
	uint32_t near = 0;

	for (uint32_t i = 0; i < s->vector_count; i++)
		near += s->vectors[i].near_miss;
	return json_pack(
		"{s:I,s:s,s:s,s:s,s:i,s:s,s:o,s:o,s:s,s:s,s:i,s:s,s:i,s:i}",
		"id",
		(json_int_t)s->id,
		"name",
		s->name,
		"severity",
		signature_severity_label(s->severity),
		"action",
		signature_action_label(s->action),
		"ban_s",
		(int)s->ban_s,
		"scope",
		signature_scope_label(s->scope),
		"protocols",
		protocols_json(s->protocols),
		"profiles",
		names_json(s->profiles, s->profile_count),
		"reference",
		s->reference,
		"file",
		s->file,
		"line",
		(int)s->line,
		"expression",
		s->expression,
		"matches",
		(int)(s->vector_count - near),
		"near_misses",
		(int)near
	);
}

static void mistakes_reply(struct reply *r, const struct config_error *errors, uint32_t count) {
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(
			list,
			json_pack(
				"{s:s,s:i,s:s}",
				"file",
				errors[i].file,
				"line",
				(int)errors[i].line,
				"problem",
				errors[i].text
			)
		);
	reply_json(
		r,
		422,
		json_pack(
			"{s:{s:s,s:s,s:s},s:o}",
			"error",
			"code",
			"bad-signatures",
			"message",
			"the signatures have mistakes; those in force were not touched",
			"hint",
			"mend the lines named and try again",
			"mistakes",
			list
		)
	);
}

void rules_list(struct control *c, struct request *q, struct reply *r) {
	struct config_error errors[ERRORS_MAX];
	struct signature_set *set = NULL;
	char path[300];
	uint32_t count = 0;

	if (!place(c, path, sizeof(path), r))
		return;
	int ret = signatures_load(path, &set, errors, ERRORS_MAX, &count);
	if (ret < 0) {
		if (count > 0)
			mistakes_reply(r, errors, count);
		else
			reply_errno(r, ret, path, strerror(-ret));
		return;
	}
	json_t *list = json_array();
	for (uint32_t i = 0; i < set->count; i++)
		json_array_append_new(list, rule_json(&set->signatures[i]));
	signatures_free(set);
	reply_json(r, 200, json_pack("{s:s,s:o}", "path", path, "rules", list));
}

// The value of `key` in name{key="value",...}; false if there is none.
static bool label_value(const char *name, const char *key, char *out, size_t room) {
	char wanted[32];

	snprintf(wanted, sizeof(wanted), "%s=\"", key);
	const char *at = strstr(name, wanted);
	if (at == NULL)
		return false;
	at += strlen(wanted);
	snprintf(out, room, "%.*s", (int)strcspn(at, "\""), at);
	return true;
}

static uint64_t
figure(const struct channel_counter *all, uint32_t n, const char *name, const char *id) {
	char wanted[112];

	snprintf(wanted, sizeof(wanted), "%s{signature=\"%s\"}", name, id);
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(all[i].name, wanted) == 0)
			return all[i].value;
	return 0;
}

void rules_stats(struct control *c, struct request *q, struct reply *r) {
	static const char hits[] = "signature_hits_total{";
	uint32_t n = 0;
	const struct channel_counter *all = link_counters(c->link, &n);
	json_t *list = json_array();
	uint64_t in_force = 0;

	if (!link_state(c->link)->connected) {
		json_decref(list);
		reply_error(
			r,
			503,
			"no-data-plane",
			"systemctl status sluiced",
			"no data plane is connected"
		);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		char id[16], name[64];
		if (strcmp(all[i].name, "signatures_in_force") == 0)
			in_force = all[i].value;
		if (strncmp(all[i].name, hits, sizeof(hits) - 1) != 0
		    || !label_value(all[i].name, "signature", id, sizeof(id))
		    || !label_value(all[i].name, "name", name, sizeof(name)))
			continue;
		json_array_append_new(
			list,
			json_pack(
				"{s:I,s:s,s:I,s:I,s:I}",
				"id",
				(json_int_t)strtoll(id, NULL, 10),
				"name",
				name,
				"hits",
				(json_int_t)all[i].value,
				"acted",
				(json_int_t)figure(all, n, "signature_acted_total", id),
				"unproven",
				(json_int_t)figure(all, n, "signature_unproven_total", id)
			)
		);
	}
	reply_json(r, 200, json_pack("{s:I,s:o}", "in_force", (json_int_t)in_force, "rules", list));
}

// --- check and apply

static bool text_good(const char *text, struct reply *r) {
	struct config_error errors[ERRORS_MAX];
	struct signature_set *set = NULL;
	uint32_t count = 0;
	int ret = signatures_load_text(
		"rules.yaml", text, strlen(text), &set, errors, ERRORS_MAX, &count
	);

	signatures_free(ret == 0 ? set : NULL);
	if (ret < 0 && count > 0)
		mistakes_reply(r, errors, count);
	else if (ret < 0)
		reply_errno(r, ret, "signatures", strerror(-ret));
	return ret == 0;
}

// A set on its way to the running sluiced.
struct announced {
	char path[300];
	char bundle[CHANNEL_TEXT_MAX]; // what sluiced reads
	uint32_t flags;
	int64_t version;
	char comment[501];
	char text[];
};

static int announce(struct control *c, struct later *l) {
	struct announced *a = l->keep;
	struct channel_generation *g = (void *)l->element;

	a->version = rules_version_last(c->state_dir) + 1;
	int ret = rules_announce(a->path, a->text, a->bundle, sizeof(a->bundle));
	if (ret < 0) {
		snprintf(
			l->question.ack.text,
			sizeof(l->question.ack.text),
			"%.100s.bundle: %s",
			a->path,
			strerror(-ret)
		);
		return ret;
	}
	g->kind = GENERATION_SIGNATURES;
	g->flags = a->flags;
	g->number = a->flags == GENERATION_CHECK ? 0 : (uint64_t)a->version;
	digest_sha256(a->text, strlen(a->text), g->sha256);
	memcpy(g->path, a->bundle, sizeof(g->path));
	return 0;
}

static void
ask(struct control *c,
    const struct later_kind *kind,
    const struct request *q,
    const char *text,
    const char *comment,
    struct reply *r) {
	char path[300];

	if (!place(c, path, sizeof(path), r) || !text_good(text, r))
		return;
	struct announced *a = malloc(sizeof(*a) + strlen(text) + 1);
	struct later *l = a != NULL ? later_make(c, kind, q, r) : NULL;
	if (l == NULL) {
		if (a == NULL)
			reply_errno(r, -ENOMEM, "signatures", "out of memory");
		free(a);
		return;
	}
	*a = (struct announced) {.flags = comment == NULL ? GENERATION_CHECK : 0};
	memcpy(a->path, path, sizeof(path));
	snprintf(a->comment, sizeof(a->comment), "%s", comment != NULL ? comment : "");
	memcpy(a->text, text, strlen(text) + 1);
	l->keep = a;
	later_start(c, l, r);
}

static bool refused(int told, const struct channel_ack *ack, struct reply *r) {
	if (told == 0 || told == -ENOTCONN || told == -ETIMEDOUT)
		return false;
	reply_error(
		r,
		422,
		"refused-by-data-plane",
		"the signatures in force were not touched",
		"%s",
		ack->text
	);
	return true;
}

static void check_done(struct control *c, struct later *l, struct reply *r) {
	const struct link_question *q = &l->question;
	const struct announced *a = l->keep;

	if (a->bundle[0] != '\0')
		unlink(a->bundle);
	if (refused(q->result, &q->ack, r))
		return;
	if (q->result < 0)
		reply_error(
			r,
			503,
			"no-data-plane",
			"`sluicectl rules test` compiles without one",
			"the files are good; sluiced is not there to compile them"
		);
	else
		reply_json(r, 200, json_pack("{s:b,s:s}", "good", true, "data_plane", q->ack.text));
}

static void apply_done(struct control *c, struct later *l, struct reply *r) {
	const struct link_question *q = &l->question;
	struct announced *a = l->keep;
	char object[48];

	if (a->bundle[0] != '\0')
		unlink(a->bundle);
	if (refused(q->result, &q->ack, r))
		return;
	int ret = rules_swap(a->path, a->text);
	if (ret == 0)
		ret = rules_version_add(c->state_dir, &l->author, a->comment, a->text, &a->version);
	snprintf(object, sizeof(object), "version %" PRId64, a->version);
	if (ret == 0)
		ret = registry_audit(c->registry, &l->author, "rules.apply", object, NULL, NULL);
	if (ret < 0) {
		reply_error(
			r,
			ret == -ENOSPC ? 507 : 500,
			"not-stored",
			"sluice-controld must be able to write there; until then the next start of "
			"sluiced brings back the signatures before",
			"%s: %s",
			a->path,
			strerror(-ret)
		);
		return;
	}
	reply_json(
		r,
		200,
		json_pack(
			"{s:I,s:s,s:s}",
			"version",
			(json_int_t)a->version,
			"applied",
			q->result == 0			 ? "yes"
				: q->result == -ENOTCONN ? "at-next-start"
							 : "waiting",
			"data_plane",
			q->ack.text
		)
	);
}

#define RULES_KIND(DONE)                                                                           \
	{.type = CHANNEL_GENERATION, .wait_ms = COMPILE_WAIT_MS, .begin = announce, .done = DONE}
static const struct later_kind checking = RULES_KIND(check_done);
static const struct later_kind applying = RULES_KIND(apply_done);

void rules_check(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {{"text", JSON_STRING, true, TEXT_MAX}, {0}};

	if (body_check(q, fields, r))
		ask(c, &checking, q, body_text(q, "text"), NULL, r);
}

void rules_apply(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"text", JSON_STRING, true, TEXT_MAX}, {"comment", JSON_STRING, false, 500}, {0}
	};

	if (!body_check(q, fields, r))
		return;
	const char *comment = body_text(q, "comment");
	ask(c, &applying, q, body_text(q, "text"), comment != NULL ? comment : "", r);
}

void rules_rollback(struct control *c, struct request *q, struct reply *r) {
	struct rollback to;
	int error = 0;

	if (!rollback_body(q, false, rules_version_last(c->state_dir), &to, r))
		return;
	char *text = rules_version_text(c->state_dir, to.version, &error);
	if (text == NULL)
		rollback_unknown(r, "rules", to.version);
	else
		ask(c, &applying, q, text, to.comment, r);
	free(text);
}

void rules_versions(struct control *c, struct request *q, struct reply *r) {
	int64_t limit;

	if (query_number(q, "limit", 50, 10000, &limit, r))
		reply_json(
			r, 200, json_pack("{s:o}", "versions", rules_history(c->state_dir, limit))
		);
}

void rules_adopt(struct control *c) {
	struct author self = {.name = "sluice-controld", .uid = getuid()};
	int64_t current = rules_version_last(c->state_dir), version;
	char path[300], *text = NULL, *last;
	size_t size;
	int error = 0;

	if (rules_path(c->config_path, path, sizeof(path)) < 0 || path[0] == '\0'
	    || signatures_bundle(path, &text, &size) < 0)
		return;
	last = rules_version_text(c->state_dir, current, &error);
	if ((last == NULL || strcmp(text, last) != 0)
	    && rules_version_add(
		       c->state_dir,
		       &self,
		       last == NULL ? "found at start" : "changed outside of sluicectl",
		       text,
		       &version
	       ) == 0)
		(void)registry_audit(c->registry, &self, "rules.adopt", path, NULL, NULL);
	free(last);
	free(text);
}
