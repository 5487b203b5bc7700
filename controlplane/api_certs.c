// SPDX-License-Identifier: Apache-2.0
// The CA and the certificates of devices: what the API asks sluice-signd, and what the registry
// keeps of the answer.
#include "controlplane/api_sign.h"
#include "controlplane/ca/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAYS_DEFAULT 365
#define DAYS_MAX 3650
#define CRL_DAYS_DEFAULT 7

static const char *text_or_empty(const struct request *q, const char *name) {
	const char *text = body_text(q, name);
	return text != NULL ? text : "";
}

static int64_t now_s(void) {
	return (int64_t)time(NULL);
}

// --- the CA

static void ca_answer(const struct sign_reply *s, unsigned status, struct reply *r) {
	reply_json(
		r,
		status,
		json_pack(
			"{s:o,s:o}",
			"issuing",
			certificate_json(s->certificate),
			"root",
			certificate_json(s->chain)
		)
	);
}

struct adoption {
	struct control *c;
	const struct author *by;
	const char *base;
	bool anchor;
};

// Trust the certificate under the first free of BASE, BASE-2, ...; nothing if it is trusted.
static int adopt(void *owner, const char *pem) {
	struct adoption *a = owner;
	struct ca_certificate i;
	char name[64];
	int error = 0, ret = -EEXIST;

	if (ca_inspect(pem, &i) < 0)
		return -EINVAL;
	char hex[DIGEST_TEXT];
	char *list = registry_trust_list(a->c->registry, &error);
	bool known =
		list != NULL && strstr(list, digest_hex(i.sha256, sizeof(i.sha256), hex)) != NULL;
	free(list);
	if (known)
		return 0;
	snprintf(name, sizeof(name), "%s", a->base);
	for (int n = 2; ret == -EEXIST && n < 100; n++) {
		struct trust_row row = {
			.name = name,
			.subject = i.subject,
			.sha256 = i.sha256,
			.pem = pem,
			.anchor = a->anchor,
		};
		ret = registry_trust_add(a->c->registry, a->by, &row);
		if (ret == -EEXIST)
			snprintf(name, sizeof(name), "%.40s-%d", a->base, n);
	}
	return ret;
}

// The appliance trusts its own CA: the root as anchor, what is below it as the way there.
static void own_adopted(
	struct control *c,
	struct request *q,
	const struct sign_reply *s,
	const char *action,
	struct reply *r
) {
	struct adoption root = {c, &q->author, "own", true};
	struct adoption below = {c, &q->author, "own-issuing", false};
	struct ca_certificate issuing = {0};
	char after[100], hex[DIGEST_TEXT];

	int ret = ca_bundle(s->chain, adopt, &root);
	if (ret == 0)
		ret = ca_bundle(s->certificate, adopt, &below);
	(void)ca_inspect(s->certificate, &issuing);
	snprintf(
		after,
		sizeof(after),
		"{\"sha256\":\"%s\"}",
		digest_hex(issuing.sha256, sizeof(issuing.sha256), hex)
	);
	if (ret == 0)
		ret = registry_audit(c->registry, &q->author, action, issuing.subject, NULL, after);
	if (ret < 0)
		reply_errno(r, ret, "trust in the own CA", registry_why(c->registry));
	else
		ca_answer(s, 201, r);
}

void ca_init(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {{"organisation", JSON_STRING, true, 60}, {0}};

	if (!body_check(q, fields, r))
		return;
	struct sign_request *ask = sign_question(SIGN_INIT);
	ask->not_before_s = ask->not_after_s = now_s();
	snprintf(ask->name, sizeof(ask->name), "%s", text_or_empty(q, "organisation"));
	const struct sign_reply *s = sign_ask(c, r);
	if (s != NULL)
		own_adopted(c, q, s, "ca.init", r);
	sign_forget();
}

void ca_show(struct control *c, struct request *q, struct reply *r) {
	sign_question(SIGN_SHOW);
	const struct sign_reply *s = sign_ask(c, r);
	if (s != NULL)
		ca_answer(s, 200, r);
}

void ca_request_make(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {{"organisation", JSON_STRING, true, 60}, {0}};

	if (!body_check(q, fields, r))
		return;
	struct sign_request *ask = sign_question(SIGN_REQUEST);
	snprintf(ask->name, sizeof(ask->name), "%s", text_or_empty(q, "organisation"));
	const struct sign_reply *s = sign_ask(c, r);
	if (s == NULL)
		return;
	(void)registry_audit(
		c->registry, &q->author, "ca.request", text_or_empty(q, "organisation"), NULL, NULL
	);
	reply_json(r, 201, json_pack("{s:s}", "csr", s->certificate));
}

void ca_import(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"certificate", JSON_STRING, true, SIGN_CHAIN_MAX - 1},
		{"key", JSON_STRING, false, SIGN_KEY_MAX - 1},
		{"organisation", JSON_STRING, false, 60},
		{"replace", JSON_TRUE, false, 0},
		{0},
	};

	if (!body_check(q, fields, r))
		return;
	struct sign_request *ask = sign_question(SIGN_IMPORT);
	ask->not_before_s = ask->not_after_s = now_s();
	ask->replace = json_is_true(json_object_get(q->json, "replace"));
	snprintf(
		ask->name,
		sizeof(ask->name),
		"%s",
		text_or_empty(q, "organisation")[0] != '\0' ? text_or_empty(q, "organisation")
							    : "Sluice"
	);
	snprintf(ask->pem, sizeof(ask->pem), "%s", text_or_empty(q, "certificate"));
	snprintf(ask->key, sizeof(ask->key), "%s", text_or_empty(q, "key"));
	const struct sign_reply *s = sign_ask(c, r);
	if (s != NULL)
		own_adopted(c, q, s, "ca.import", r);
	sign_forget();
}

// --- its revocation list

// The revoked and not yet ended certificates of the issuing CA into the question.
static bool crl_entries(struct control *c, struct sign_request *ask, struct reply *r) {
	struct ca_certificate issuing;
	char hex[DIGEST_TEXT];
	int error = 0;
	size_t i;
	json_t *e;

	sign_question(SIGN_SHOW);
	const struct sign_reply *s = sign_ask(c, r);
	if (s == NULL)
		return false;
	if (ca_inspect(s->certificate, &issuing) < 0) {
		reply_error(r, 500, "failed", NULL, "the issuing certificate does not parse");
		return false;
	}
	digest_hex(issuing.sha256, sizeof(issuing.sha256), hex);
	char *text = registry_own_revoked(c->registry, hex, now_s(), &error);
	json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL;
	const json_t *entries = json_object_get(list, "entries");
	free(text);
	bool fits = list != NULL && json_array_size(entries) <= SIGN_CRL_MAX;
	if (list == NULL)
		reply_errno(r, error, "certificates", registry_why(c->registry));
	else if (!fits)
		reply_error(
			r,
			409,
			"too-many",
			"replace the issuing CA (`sluicectl ca request`, `ca import --replace`): a "
			"new one begins an empty list",
			"%zu certificates are revoked, a list holds %d",
			json_array_size(entries),
			SIGN_CRL_MAX
		);
	sign_question(SIGN_CRL);
	json_array_foreach(entries, i, e) {
		if (!fits)
			break;
		struct ca_crl_entry *to = &ask->entries[ask->count++];
		const char *serial = json_string_value(json_object_get(e, "serial"));
		int n = digest_unhex(serial, to->serial, sizeof(to->serial));
		to->serial_len = (uint8_t)(n > 0 ? n : 0);
		to->at_s = json_integer_value(json_object_get(e, "at_s"));
	}
	json_decref(list);
	return fits;
}

void ca_crl(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {{"days", JSON_INTEGER, false, 365}, {0}};
	struct sign_request *ask = sign_question(SIGN_CRL);
	int64_t number = 0, now = now_s();

	if (!body_check(q, fields, r) || !crl_entries(c, ask, r))
		return;
	int64_t days = json_integer_value(json_object_get(q->json, "days"));
	int ret = registry_crl_number(c->registry, &number);
	if (ret < 0) {
		reply_errno(r, ret, "number", registry_why(c->registry));
		return;
	}
	int64_t next = now + (days > 0 ? days : CRL_DAYS_DEFAULT) * 86400;
	ask->number = number;
	ask->not_before_s = now;
	ask->not_after_s = next;
	uint32_t entries = ask->count;
	const struct sign_reply *s = sign_ask(c, r);
	if (s == NULL)
		return;
	char *pem = ca_crl_pem(s->der, s->len);
	reply_json(
		r,
		201,
		json_pack(
			"{s:I,s:I,s:I,s:I,s:s}",
			"number",
			(json_int_t)number,
			"entries",
			(json_int_t)entries,
			"this_s",
			(json_int_t)now,
			"next_s",
			(json_int_t)next,
			"pem",
			pem
		)
	);
	free(pem);
}

// --- certificates of devices

void cert_list(struct control *c, struct request *q, struct reply *r) {
	struct certificate_filter f = {
		.now_s = now_s(),
		.device = query_text(q, "device"),
		.after = query_text(q, "after"),
	};
	int error = 0;

	if (!query_number(q, "expiring", -1, INT32_MAX, &f.within_s, r)
	    || !query_number(q, "limit", 1000, 10000, &f.limit, r))
		return;
	char *json = registry_certificate_list(c->registry, &f, &error);
	if (json == NULL)
		reply_errno(r, error, "certificates", registry_why(c->registry));
	else
		reply_text(r, 200, json);
}

// Into the registry, with the chain as it was verified. False with the reply filled.
static bool certificate_store(
	struct control *c,
	const struct author *by,
	const char *action,
	const char *device,
	const char *pem,
	struct reply *r
) {
	struct certificate_texts texts;
	struct ca_trust *trust;
	struct ca_chain chain;
	int ret = trust_load(c, &trust);

	if (ret < 0) {
		reply_errno(r, ret, "trusted issuers", registry_why(c->registry));
		return false;
	}
	enum ca_verdict v = ca_trust_verify(trust, pem, true, &chain);
	ca_trust_destroy(trust);
	if (v != CA_TRUSTED) {
		reply_error(
			r,
			409,
			ca_verdict_label(v),
			v == CA_UNTRUSTED ? "`sluicectl trust list` shows who is trusted" : NULL,
			"the certificate is not accepted: %s",
			ca_verdict_label(v)
		);
		return false;
	}
	struct certificate_row row = certificate_row_of(&chain, device, pem, &texts);
	for (unsigned i = 0; i + 1 < chain.count && ret == 0; i++)
		ret = registry_revoked(
			c->registry, texts.sha256[i + 1], chain.certificate[i].serial
		);
	if (ret > 0) {
		reply_error(
			r,
			409,
			"revoked",
			NULL,
			"its issuer's revocation list names the certificate"
		);
		return false;
	}
	if (ret == 0)
		ret = registry_certificate_add(c->registry, by, action, &row);
	if (ret < 0)
		reply_errno(r, ret, device, registry_why(c->registry));
	return ret == 0;
}

// A renewal before its time makes certificates pile up; `early` says that it is meant.
static bool renewal_due(struct control *c, struct request *q, const char *device, struct reply *r) {
	struct certificate_filter f = {
		.now_s = now_s(), .within_s = -1, .device = device, .limit = 10000
	};
	int error = 0;
	bool due = false, any = false;
	size_t i;
	json_t *e;

	char *text = registry_certificate_list(c->registry, &f, &error);
	json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL;
	free(text);
	json_array_foreach(json_object_get(list, "certificates"), i, e) {
		const char *state = json_string_value(json_object_get(e, "state"));
		const char *renew = json_string_value(json_object_get(e, "renew"));
		if (strcmp(state, "revoked") == 0)
			continue;
		any = true;
		// The last of the list ends last; only it has no successor.
		due = strcmp(renew, "open") == 0;
	}
	json_decref(list);
	if (!any)
		reply_error(
			r,
			404,
			"unknown",
			"`sluicectl cert issue` makes its first one",
			"%s has no certificate to renew",
			device
		);
	else if (!due && !json_is_true(json_object_get(q->json, "early")))
		reply_error(
			r,
			409,
			"too-early",
			"--early renews it nevertheless",
			"%s: its certificate is not in the last third of its life",
			device
		);
	return any && (due || json_is_true(json_object_get(q->json, "early")));
}

void cert_issue(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"device", JSON_STRING, true, CHANNEL_NAME_MAX},
		{"csr", JSON_STRING, false, SIGN_PEM_MAX - 1},
		{"days", JSON_INTEGER, false, DAYS_MAX},
		{"renew", JSON_TRUE, false, 0},
		{"early", JSON_TRUE, false, 0},
		{0},
	};
	char why[200] = "", pem[SIGN_CHAIN_MAX];
	int error = 0;

	if (!body_check(q, fields, r))
		return;
	const char *device = text_or_empty(q, "device"), *csr = text_or_empty(q, "csr");
	int64_t days = json_integer_value(json_object_get(q->json, "days"));
	char *known = registry_device_show(c->registry, device, &error);
	free(known);
	if (known == NULL) {
		reply_errno(r, error, device, registry_why(c->registry));
		return;
	}
	if (csr[0] != '\0' && ca_csr_check(csr, why, sizeof(why)) < 0) {
		reply_error(r, 400, "invalid", "openssl req -new makes one", "%s", why);
		return;
	}
	if (json_is_true(json_object_get(q->json, "renew")) && !renewal_due(c, q, device, r))
		return;
	struct sign_request *ask = sign_question(csr[0] != '\0' ? SIGN_CSR : SIGN_NEW);
	ask->not_before_s = now_s() - 300; // clocks of devices are not ours
	ask->not_after_s = now_s() + (days > 0 ? days : DAYS_DEFAULT) * 86400;
	snprintf(ask->name, sizeof(ask->name), "%s", device);
	snprintf(ask->pem, sizeof(ask->pem), "%s", csr);
	const struct sign_reply *s = sign_ask(c, r);
	if (s == NULL)
		return;
	snprintf(pem, sizeof(pem), "%s", s->certificate);
	if (certificate_store(c, &q->author, "cert.issue", device, pem, r)) {
		json_t *json = certificate_json(pem);
		json_object_set_new(json, "device", json_string(device));
		json_object_set_new(json, "chain", json_string(s->chain));
		if (csr[0] == '\0') // the only time it is seen: nothing keeps it
			json_object_set_new(json, "key", json_string(s->key));
		reply_json(r, 201, json);
		link_changed(c->link);
	}
	sign_forget();
}

// A certificate of an outside CA for a device that is known.
void cert_add(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"certificate", JSON_STRING, true, SIGN_CHAIN_MAX - 1}, {0}
	};

	if (!body_check(q, fields, r))
		return;
	const char *pem = text_or_empty(q, "certificate");
	if (!certificate_store(c, &q->author, "cert.add", q->capture[0], pem, r))
		return;
	json_t *json = certificate_json(pem);
	json_object_set_new(json, "device", json_string(q->capture[0]));
	reply_json(r, 201, json);
	link_changed(c->link);
}

void cert_show(struct control *c, struct request *q, struct reply *r) {
	int error = 0;
	char *json = registry_certificate_show(c->registry, q->capture[0], now_s(), &error);

	if (json == NULL)
		reply_errno(r, error, q->capture[0], registry_why(c->registry));
	else
		reply_text(r, 200, json);
}

void cert_revoke(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {{"reason", JSON_STRING, false, 200}, {0}};

	if (!body_check(q, fields, r))
		return;
	int ret = registry_certificate_revoke(
		c->registry, &q->author, q->capture[0], body_text(q, "reason")
	);
	if (ret < 0) {
		reply_errno(r, ret, q->capture[0], registry_why(c->registry));
		return;
	}
	link_changed(c->link);
	reply_json(r, 200, json_pack("{s:s}", "revoked", q->capture[0]));
}
