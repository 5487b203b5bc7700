// SPDX-License-Identifier: Apache-2.0
// Whom the appliance trusts: issuers, their revocation lists, and what becomes of a device that
// nobody knows but one of them vouches for.
#include "controlplane/api_sign.h"
#include "controlplane/ca/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_s(void) {
	return (int64_t)time(NULL);
}

static void list_answer(struct control *c, char *json, int error, struct reply *r) {
	if (json == NULL)
		reply_errno(r, error, "list", registry_why(c->registry));
	else
		reply_text(r, 200, json);
}

// --- issuers

void trust_list(struct control *c, struct request *q, struct reply *r) {
	int error = 0;
	char *text = registry_trust_list(c->registry, &error);
	json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL, *t;
	struct ca_certificate i;
	size_t n;

	free(text);
	if (list == NULL) {
		reply_errno(r, error, "list", registry_why(c->registry));
		return;
	}
	json_array_foreach(json_object_get(list, "issuers"), n, t) {
		if (ca_inspect(json_string_value(json_object_get(t, "pem")), &i) == 0)
			json_object_set_new(t, "not_after_s", json_integer(i.not_after_s));
		json_object_del(t, "pem");
	}
	reply_json(r, 200, list);
}

struct addition {
	struct control *c;
	const struct author *by;
	const char *name;
	json_t *added;
	int failed;
	int count;
};

// An issuer above which somebody is trusted helps to find the way; any other is an anchor.
static bool below_trusted(struct control *c, const char *pem) {
	struct ca_chain chain;
	struct ca_trust *trust;

	if (trust_load(c, &trust) < 0)
		return false;
	enum ca_verdict v = ca_trust_verify(trust, pem, false, &chain);
	ca_trust_destroy(trust);
	return v == CA_TRUSTED;
}

static int addition_check(void *owner, const char *pem) {
	struct addition *a = owner;
	struct ca_certificate i;

	a->count++;
	if (ca_inspect(pem, &i) < 0 || !i.is_ca || i.not_after_s <= now_s())
		a->failed = a->count;
	return 0;
}

static int addition_store(struct addition *a, const char *pem) {
	struct ca_certificate i;
	char name[72];

	if (ca_inspect(pem, &i) < 0)
		return -EINVAL;
	if (json_array_size(a->added) == 0)
		snprintf(name, sizeof(name), "%s", a->name);
	else
		snprintf(name, sizeof(name), "%.60s-%zu", a->name, json_array_size(a->added) + 1);
	struct trust_row row = {
		.name = name,
		.subject = i.subject,
		.sha256 = i.sha256,
		.pem = pem,
		.anchor = i.self_issued || !below_trusted(a->c, pem),
	};
	int ret = registry_trust_add(a->c->registry, a->by, &row);
	if (ret < 0)
		return ret;
	json_t *json = certificate_json(pem);
	json_object_set_new(json, "name", json_string(name));
	json_object_set_new(json, "anchor", json_boolean(row.anchor));
	json_array_append_new(a->added, json);
	return 0;
}

// Roots first: whether another certificate is an anchor depends on them.
static int roots_store(void *owner, const char *pem) {
	struct ca_certificate i;
	return ca_inspect(pem, &i) == 0 && i.self_issued ? addition_store(owner, pem) : 0;
}

static int others_store(void *owner, const char *pem) {
	struct ca_certificate i;
	return ca_inspect(pem, &i) == 0 && !i.self_issued ? addition_store(owner, pem) : 0;
}

void trust_add(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"name", JSON_STRING, true, 60}, {"pem", JSON_STRING, true, 4 * SIGN_CHAIN_MAX}, {0}
	};
	struct addition a = {.c = c, .by = &q->author};

	if (!body_check(q, fields, r))
		return;
	a.name = body_text(q, "name");
	const char *pem = body_text(q, "pem");
	if (ca_bundle(pem, addition_check, &a) < 0 || a.failed > 0) {
		reply_error(
			r,
			400,
			"invalid",
			NULL,
			"certificate %d is not that of a CA in PEM, or has ended; nothing was "
			"added",
			a.failed > 0 ? a.failed : 1
		);
		return;
	}
	a.added = json_array();
	int ret = ca_bundle(pem, roots_store, &a);
	if (ret == 0)
		ret = ca_bundle(pem, others_store, &a);
	if (ret < 0 && json_array_size(a.added) == 0)
		reply_errno(r, ret, a.name, registry_why(c->registry));
	else
		reply_json(r, 201, json_pack("{s:O}", "issuers", a.added));
	json_decref(a.added);
}

// With dry_run=yes: which devices would be refused.
void trust_remove(struct control *c, struct request *q, struct reply *r) {
	const char *dry = query_text(q, "dry_run");
	int error = 0;
	char *affected = registry_trust_affected(c->registry, q->capture[0], now_s(), &error);

	if (affected == NULL) {
		reply_errno(r, error, q->capture[0], registry_why(c->registry));
		return;
	}
	if (dry == NULL || strcmp(dry, "yes") != 0) {
		int ret = registry_trust_remove(c->registry, &q->author, q->capture[0]);
		if (ret < 0) {
			free(affected);
			reply_errno(r, ret, q->capture[0], registry_why(c->registry));
			return;
		}
	}
	reply_text(r, 200, affected);
}

// --- revocation lists

// The trusted issuer whose list it is, or NULL with the reply filled. The caller frees it.
static json_t *crl_issuer(struct control *c, const struct ca_crl_list *l, struct reply *r) {
	char why[200] = "nobody is trusted";
	int error = 0;
	size_t i;
	json_t *t;

	char *text = registry_trust_list(c->registry, &error);
	json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL;
	free(text);
	json_array_foreach(json_object_get(list, "issuers"), i, t) {
		const char *pem = json_string_value(json_object_get(t, "pem"));
		char reason[200];
		if (ca_crl_signed_by(l, pem, reason, sizeof(reason)) == 0) {
			json_incref(t);
			json_decref(list);
			return t;
		}
		// The most telling reason: of the issuer that has the name.
		if (i == 0 || strcmp(reason, "another issuer's list") != 0)
			snprintf(why, sizeof(why), "%s", reason);
	}
	json_decref(list);
	reply_error(
		r,
		409,
		"untrusted-issuer",
		"`sluicectl trust list` shows who is trusted",
		"no trusted issuer signed the list of %s: %s",
		ca_crl_head(l)->issuer,
		why
	);
	return NULL;
}

static bool entry_next(void *owner, struct crl_entry *out) {
	struct ca_revoked e;

	if (!ca_crl_next(owner, &e))
		return false;
	memcpy(out->serial, e.serial, sizeof(out->serial));
	out->at_s = e.at_s;
	out->reason = e.reason;
	return true;
}

static void crl_store(
	struct control *c,
	struct request *q,
	struct ca_crl_list *l,
	const json_t *issuer,
	struct reply *r
) {
	const struct ca_crl *head = ca_crl_head(l);
	struct crl_result out;
	char hex[DIGEST_TEXT];
	struct crl_head h = {
		.authority = json_string_value(json_object_get(issuer, "sha256")),
		.number = head->number,
		.this_s = head->this_s,
		.next_s = head->next_s,
		.sha256 = digest_hex(head->sha256, sizeof(head->sha256), hex),
	};

	if (head->this_s > now_s() + 300) {
		reply_error(
			r,
			409,
			"not-yet-valid",
			"check the clock of this machine and of the issuer",
			"the list begins in the future"
		);
		return;
	}
	int ret = registry_crl_import(c->registry, &q->author, &h, entry_next, l, &out);
	if (ret < 0) {
		reply_errno(r, ret, "list", registry_why(c->registry));
		return;
	}
	if (out.revoked > 0 || out.released > 0)
		link_changed(c->link);
	reply_json(
		r,
		200,
		json_pack(
			"{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:b,s:b}",
			"issuer",
			json_string_value(json_object_get(issuer, "name")),
			"number",
			head->number,
			"this_s",
			(json_int_t)head->this_s,
			"next_s",
			(json_int_t)head->next_s,
			"entries",
			(json_int_t)out.entries,
			"revoked",
			(json_int_t)out.revoked,
			"released",
			(json_int_t)out.released,
			"unchanged",
			out.unchanged,
			"overdue",
			head->next_s > 0 && head->next_s <= now_s()
		)
	);
}

void crl_import(struct control *c, struct request *q, struct reply *r) {
	struct ca_crl_list *l;
	char why[200];

	if (q->body_len == 0) {
		reply_error(r, 400, "invalid", NULL, "the body must be a revocation list");
		return;
	}
	// A PEM text must end with its zero, which the body has behind it.
	size_t len = q->body_len + (memmem(q->body, q->body_len, "-----BEGIN", 10) != NULL);
	int ret = ca_crl_open(q->body, len, &l, why, sizeof(why));
	if (ret < 0) {
		reply_error(
			r,
			ret == -ENOMEM ? 500 : 400,
			"invalid",
			NULL,
			"the list is refused: %s",
			why
		);
		return;
	}
	json_t *issuer = crl_issuer(c, l, r);
	if (issuer != NULL)
		crl_store(c, q, l, issuer, r);
	json_decref(issuer);
	ca_crl_close(l);
}

// --- templates

void template_list(struct control *c, struct request *q, struct reply *r) {
	int error = 0;
	char *json = registry_template_list(c->registry, &error);
	list_answer(c, json, error, r);
}

void template_set(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"issuer", JSON_STRING, true, 60},
		{"pattern", JSON_STRING, true, 120},
		{"profile", JSON_STRING, true, 31},
		{"name", JSON_STRING, false, 60},
		{"state", JSON_STRING, false, 16},
		{0},
	};
	static const struct ca_certificate probe = {.cn = "c", .san = "s", .serial = "0"};
	struct template_row row = {.state = DEVICE_PENDING, .name = "%cn"};
	char device[CHANNEL_NAME_MAX + 1];

	if (!body_check(q, fields, r))
		return;
	const char *state = body_text(q, "state");
	const char *name = body_text(q, "name");
	if (state != NULL)
		row.state = device_state_find(state);
	if (row.state != DEVICE_PENDING && row.state != DEVICE_ACTIVE) {
		reply_error(r, 400, "out-of-range", NULL, "'state' must be pending or active");
		return;
	}
	if (name != NULL)
		snprintf(row.name, sizeof(row.name), "%s", name);
	if (ca_device_name(&probe, row.name, device, sizeof(device)) < 0
	    || strstr(row.name, "%") == NULL) {
		reply_error(
			r,
			400,
			"invalid",
			"--name 'meter-%cn'",
			"'name' must hold %%cn, %%san or %%serial and plain text"
		);
		return;
	}
	const char *profile = body_text(q, "profile");
	const char *pattern = body_text(q, "pattern");
	snprintf(row.profile, sizeof(row.profile), "%s", profile);
	snprintf(row.pattern, sizeof(row.pattern), "%s", pattern);
	int ret = registry_template_set(c->registry, &q->author, body_text(q, "issuer"), &row);
	if (ret < 0)
		reply_errno(r, ret, body_text(q, "issuer"), registry_why(c->registry));
	else
		template_list(c, q, r);
}

void template_remove(struct control *c, struct request *q, struct reply *r) {
	int ret = registry_template_remove(c->registry, &q->author, q->capture[0], q->capture[1]);

	if (ret < 0)
		reply_errno(r, ret, q->capture[1], registry_why(c->registry));
	else
		template_list(c, q, r);
}
