// SPDX-License-Identifier: Apache-2.0
// Just-in-time provisioning: a certificate comes in (from a TLS handshake, or by hand) and the
// answer says which device it is and whether it may send. A device nobody knows is made, if a
// template of one of its issuers says so.
#include "controlplane/api_sign.h"
#include "controlplane/ca/digest.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Why a certificate that verifies is not accepted. The others are verdicts of ca/verify.h.
#define REFUSALS(X)                                                                                \
	X(PROVISION_REVOKED, "revoked")                                                            \
	X(PROVISION_NO_TEMPLATE, "no-template")                                                    \
	X(PROVISION_BAD_NAME, "bad-name")                                                          \
	X(PROVISION_NAME_TAKEN, "name-taken")                                                      \
	X(PROVISION_REMOVED, "device-removed")                                                     \
	X(PROVISION_NOT_ACTIVE, "device-not-active")

enum refusal {
	PROVISION_ACCEPTED,
#define X(id, label) id,
	REFUSALS(X)
#undef X
};

static const char *const refusal_labels[] = {
	[PROVISION_ACCEPTED] = "",
#define X(id, label) [id] = label,
	REFUSALS(X)
#undef X
};

struct candidate {
	struct control *c;
	const struct author *by;
	struct ca_chain chain;
	struct certificate_texts texts;
	char sha256[DIGEST_TEXT];
	const char *pem;
	char device[CHANNEL_NAME_MAX + 1];
	struct template_row template;
	bool created;
};

// Any certificate of the chain on its issuer's list? 1, 0 or -errno.
static int chain_revoked(struct candidate *p) {
	int ret = 0;

	for (unsigned i = 0; i + 1 < p->chain.count && ret == 0; i++)
		ret = registry_revoked(
			p->c->registry, p->texts.sha256[i + 1], p->chain.certificate[i].serial
		);
	return ret;
}

// The first template, nearest issuer first, whose pattern fits the name its rule makes.
static int template_find(struct candidate *p, bool *nameless) {
	bool named = false, any = false;

	for (unsigned i = 1; i < p->chain.count; i++)
		for (int64_t n = 0;; n++) {
			int ret = registry_template_at(
				p->c->registry, p->texts.sha256[i], n, &p->template
			);
			if (ret == -ENOENT)
				break;
			if (ret < 0)
				return ret;
			any = true;
			if (ca_device_name(
				    &p->chain.certificate[0],
				    p->template.name,
				    p->device,
				    sizeof(p->device)
			    ) < 0
			    || !device_name_valid(p->device))
				continue;
			named = true;
			if (fnmatch(p->template.pattern, p->device, 0) == 0)
				return 0;
		}
	p->device[0] = '\0';
	*nameless = any && !named;
	return -ENOENT;
}

static int device_make(struct candidate *p, const struct certificate_row *row) {
	struct device_change d = DEVICE_CHANGE_NONE;

	d.profile = p->template.profile;
	d.state = p->template.state;
	d.reason = "provisioned by its certificate";
	int ret = registry_provision(p->c->registry, p->by, &d, row);
	p->created = ret == 0;
	return ret;
}

// A certificate that is new: for a device that has one of the same anchor (it was renewed by its
// issuer), or for one that a template allows. Sets *why, or returns -errno.
static int stranger(struct candidate *p, enum refusal *why) {
	const char *anchor = p->texts.sha256[p->chain.count - 1];
	bool nameless = false;
	int ret = template_find(p, &nameless);

	if (ret == -ENOENT) {
		*why = nameless ? PROVISION_BAD_NAME : PROVISION_NO_TEMPLATE;
		return 0;
	}
	if (ret < 0)
		return ret;
	struct certificate_row row = certificate_row_of(&p->chain, p->device, p->pem, &p->texts);
	ret = device_make(p, &row);
	if (ret == -EPERM) {
		*why = PROVISION_REMOVED;
		return 0;
	}
	if (ret != -EEXIST)
		return ret;
	ret = registry_certificate_bound(p->c->registry, p->device, anchor);
	if (ret == 0)
		*why = PROVISION_NAME_TAKEN;
	return ret > 0 ? registry_certificate_add(p->c->registry, p->by, "cert.provision", &row)
		       : ret;
}

static int decide(struct candidate *p, enum refusal *why) {
	int ret = chain_revoked(p);

	if (ret > 0)
		*why = PROVISION_REVOKED;
	if (ret != 0)
		return ret < 0 ? ret : 0;
	ret = registry_certificate_device(p->c->registry, p->sha256, p->device);
	if (ret == -EPERM)
		*why = PROVISION_REVOKED;
	if (ret == 0 || ret == -EPERM)
		return 0;
	return ret == -ENOENT ? stranger(p, why) : ret;
}

static void device_fields(struct candidate *p, json_t *json, enum refusal *why) {
	int error = 0;
	char *text = registry_device_show(p->c->registry, p->device, &error);
	json_t *device = text != NULL ? json_loads(text, 0, NULL) : NULL;
	const char *state = json_string_value(json_object_get(device, "state"));

	free(text);
	if (state != NULL) {
		if (*why == PROVISION_ACCEPTED && strcmp(state, "active") != 0)
			*why = PROVISION_NOT_ACTIVE;
		json_object_set_new(json, "state", json_string(state));
		json_object_set(json, "profile", json_object_get(device, "profile"));
	}
	json_decref(device);
}

static void answer(struct candidate *p, const char *reason, struct reply *r) {
	bool accepted = reason[0] == '\0';
	json_t *json = json_pack(
		"{s:b,s:s,s:b,s:o}",
		"accepted",
		accepted,
		"reason",
		reason,
		"created",
		p->created,
		"certificate",
		p->chain.count > 0 ? certificate_fields(&p->chain.certificate[0]) : json_null()
	);
	enum refusal why = PROVISION_ACCEPTED;

	json_object_set_new(
		json, "device", p->device[0] != '\0' ? json_string(p->device) : json_null()
	);
	json_object_set_new(json, "state", json_null());
	json_object_set_new(json, "profile", json_null());
	if (p->device[0] != '\0')
		device_fields(p, json, &why);
	if (accepted && why != PROVISION_ACCEPTED) {
		json_object_set_new(json, "accepted", json_false());
		json_object_set_new(json, "reason", json_string(refusal_labels[why]));
	}
	reply_json(r, 200, json);
}

void provision(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"certificate", JSON_STRING, true, SIGN_CHAIN_MAX - 1}, {0}
	};
	struct candidate p = {.c = c, .by = &q->author};
	enum refusal why = PROVISION_ACCEPTED;
	struct ca_trust *trust;

	if (!body_check(q, fields, r))
		return;
	p.pem = body_text(q, "certificate");
	int ret = trust_load(c, &trust);
	if (ret < 0) {
		reply_errno(r, ret, "trusted issuers", registry_why(c->registry));
		return;
	}
	enum ca_verdict v = ca_trust_verify(trust, p.pem, true, &p.chain);
	ca_trust_destroy(trust);
	if (v == CA_MALFORMED) {
		reply_error(r, 400, "invalid", NULL, "that is no certificate in PEM");
		return;
	}
	if (v != CA_TRUSTED) {
		answer(&p, ca_verdict_label(v), r);
		return;
	}
	(void)certificate_row_of(&p.chain, "", p.pem, &p.texts);
	digest_hex(p.chain.certificate[0].sha256, DIGEST_BYTES, p.sha256);
	ret = decide(&p, &why);
	if (ret < 0) {
		reply_errno(r, ret, "provision", registry_why(c->registry));
		return;
	}
	if (p.created)
		link_changed(c->link);
	answer(&p, refusal_labels[why], r);
}
