// SPDX-License-Identifier: Apache-2.0
// Certificates: what the API asks sluice-signd, and what the registry keeps of the answer.
#include "controlplane/ca/ca.h"
#include "controlplane/ca/digest.h"
#include "controlplane/ca/sign_message.h"
#include "controlplane/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SIGN_WAIT_S 5
#define DAYS_DEFAULT 365
#define DAYS_MAX 3650

// One question, bounded. 0 with *r filled, or -errno of the conversation.
static int ask(struct control *c, const struct sign_request *q, struct sign_reply *r) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct timeval wait = {.tv_sec = SIGN_WAIT_S};

	if (strlen(c->sign_socket) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", c->sign_socket);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int ret = 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0
	    || send(fd, q, sizeof(*q), MSG_NOSIGNAL) != sizeof(*q))
		ret = -errno;
	else if (recv(fd, r, sizeof(*r), 0) != sizeof(*r))
		ret = -EPROTO;
	close(fd);
	r->text[sizeof(r->text) - 1] = '\0';
	r->certificate[sizeof(r->certificate) - 1] = '\0';
	r->chain[sizeof(r->chain) - 1] = '\0';
	r->key[sizeof(r->key) - 1] = '\0';
	return ret;
}

// False with the reply filled if signd is away or says no.
static bool
asked(struct control *c, const struct sign_request *q, struct sign_reply *s, struct reply *r) {
	memset(s, 0, sizeof(*s));
	int ret = ask(c, q, s);

	if (ret < 0) {
		reply_error(
			r,
			503,
			"signd-away",
			"start sluice-signd (systemctl start sluice-signd)",
			"the signing daemon does not answer: %s",
			strerror(-ret)
		);
		return false;
	}
	if (s->result == 0)
		return true;
	if (s->result == -ENOENT)
		reply_error(
			r, 404, "no-ca", "sluicectl ca init --organisation NAME", "%s", s->text
		);
	else
		reply_error(
			r,
			s->result == -EEXIST || s->result == -EINVAL ? 409 : 500,
			s->result == -EEXIST ? "exists" : "not-signed",
			NULL,
			"%s",
			s->text
		);
	return false;
}

static json_t *certificate_json(const char *pem) {
	struct ca_certificate i;
	char hex[DIGEST_TEXT];

	if (ca_inspect(pem, &i) < 0)
		return json_null();
	return json_pack(
		"{s:s,s:s,s:s,s:s,s:I,s:I,s:s}",
		"serial",
		i.serial,
		"subject",
		i.subject,
		"issuer",
		i.issuer,
		"sha256",
		digest_hex(i.sha256, sizeof(i.sha256), hex),
		"not_before_s",
		(json_int_t)i.not_before_s,
		"not_after_s",
		(json_int_t)i.not_after_s,
		"pem",
		pem
	);
}

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

void ca_init(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {{"organisation", JSON_STRING, true, 60}, {0}};
	static struct sign_request ask_for;
	static struct sign_reply s;
	struct ca_certificate root;

	if (!body_check(q, fields, r))
		return;
	int64_t now = (int64_t)time(NULL);
	ask_for = (struct sign_request
	) {.magic = SIGN_MAGIC, .op = SIGN_INIT, .not_before_s = now, .not_after_s = now};
	snprintf(
		ask_for.name,
		sizeof(ask_for.name),
		"%s",
		json_string_value(json_object_get(q->json, "organisation"))
	);
	if (!asked(c, &ask_for, &s, r))
		return;
	if (ca_inspect(s.chain, &root) == 0)
		(void)registry_trust_add(
			c->registry, &q->author, "own", root.subject, root.sha256, s.chain
		);
	(void)registry_audit(c->registry, &q->author, "ca.init", root.subject, NULL, NULL);
	ca_answer(&s, 201, r);
}

void ca_show(struct control *c, struct request *q, struct reply *r) {
	static struct sign_request ask_for;
	static struct sign_reply s;

	ask_for = (struct sign_request) {.magic = SIGN_MAGIC, .op = SIGN_SHOW};
	if (asked(c, &ask_for, &s, r))
		ca_answer(&s, 200, r);
}

void cert_list(struct control *c, struct request *q, struct reply *r) {
	int64_t within;
	int error = 0;

	if (!query_number(q, "expiring", -1, INT32_MAX, &within, r))
		return;
	char *json = registry_certificate_list(c->registry, (int64_t)time(NULL), within, &error);
	if (json == NULL)
		reply_errno(r, error, "certificates", registry_why(c->registry));
	else
		reply_text(r, 200, json);
}

static int issued_store(
	struct control *c,
	const struct author *by,
	const char *device,
	const char *pem,
	struct ca_certificate *i
) {
	int ret = ca_inspect(pem, i);

	if (ret < 0)
		return ret;
	struct certificate_row row = {
		.serial = i->serial,
		.device = device,
		.issuer = i->issuer,
		.subject = i->subject,
		.sha256 = i->sha256,
		.pem = pem,
		.not_before_s = i->not_before_s,
		.not_after_s = i->not_after_s,
	};
	ret = registry_certificate_add(c->registry, by, &row);
	if (ret < 0)
		return ret;
	// Certificates of a device overlap: each is a credential of its own, numbered by serial.
	return registry_credential_set(
		c->registry,
		by,
		device,
		CREDENTIAL_CERTIFICATE,
		i->sha256[0],
		i->sha256,
		sizeof(i->sha256),
		i->not_after_s
	);
}

void cert_issue(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"device", JSON_STRING, true, CHANNEL_NAME_MAX},
		{"csr", JSON_STRING, false, SIGN_PEM_MAX - 1},
		{"days", JSON_INTEGER, false, DAYS_MAX},
		{0},
	};
	static struct sign_request ask_for;
	static struct sign_reply s;
	struct ca_certificate i;
	char why[200];
	int error = 0;

	if (!body_check(q, fields, r))
		return;
	const char *device = json_string_value(json_object_get(q->json, "device"));
	const char *csr = json_string_value(json_object_get(q->json, "csr"));
	int64_t days = json_integer_value(json_object_get(q->json, "days"));
	int64_t now = (int64_t)time(NULL);
	char *known = registry_device_show(c->registry, device, &error);
	if (known == NULL) {
		reply_errno(r, error, device, registry_why(c->registry));
		return;
	}
	free(known);
	if (csr != NULL && ca_csr_check(csr, why, sizeof(why)) < 0) {
		reply_error(r, 400, "bad-csr", NULL, "%s", why);
		return;
	}
	ask_for = (struct sign_request) {
		.magic = SIGN_MAGIC,
		.op = csr != NULL ? SIGN_CSR : SIGN_NEW,
		.not_before_s = now - 300, // clocks of devices are not ours
		.not_after_s = now + (days > 0 ? days : DAYS_DEFAULT) * 86400,
	};
	snprintf(ask_for.name, sizeof(ask_for.name), "%s", device);
	snprintf(ask_for.pem, sizeof(ask_for.pem), "%s", csr != NULL ? csr : "");
	if (!asked(c, &ask_for, &s, r))
		return;
	int ret = issued_store(c, &q->author, device, s.certificate, &i);
	if (ret < 0) {
		reply_errno(r, ret, device, registry_why(c->registry));
	} else {
		json_t *json = certificate_json(s.certificate);
		json_object_set_new(json, "device", json_string(device));
		json_object_set_new(json, "chain", json_string(s.chain));
		if (csr == NULL) // the only time it is seen: nothing keeps it
			json_object_set_new(json, "key", json_string(s.key));
		reply_json(r, 201, json);
		link_changed(c->link);
	}
	explicit_bzero(s.key, sizeof(s.key));
}

void cert_show(struct control *c, struct request *q, struct reply *r) {
	int error = 0;
	char *pem = registry_certificate_pem(c->registry, q->capture[0], &error);

	if (pem == NULL)
		reply_errno(r, error, q->capture[0], registry_why(c->registry));
	else
		reply_json(r, 200, certificate_json(pem));
	free(pem);
}

void cert_revoke(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {{"reason", JSON_STRING, false, 200}, {0}};

	if (!body_check(q, fields, r))
		return;
	int ret = registry_certificate_revoke(
		c->registry,
		&q->author,
		q->capture[0],
		json_string_value(json_object_get(q->json, "reason"))
	);
	if (ret < 0) {
		reply_errno(r, ret, q->capture[0], registry_why(c->registry));
		return;
	}
	link_changed(c->link);
	reply_json(r, 200, json_pack("{s:s}", "revoked", q->capture[0]));
}

static void list_answer(struct control *c, char *json, int error, struct reply *r) {
	if (json == NULL)
		reply_errno(r, error, "list", registry_why(c->registry));
	else
		reply_text(r, 200, json);
}

void trust_list(struct control *c, struct request *q, struct reply *r) {
	int error = 0;
	char *json = registry_trust_list(c->registry, &error);
	list_answer(c, json, error, r);
}

void trust_add(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"name", JSON_STRING, true, 60}, {"pem", JSON_STRING, true, SIGN_PEM_MAX - 1}, {0}
	};
	struct ca_certificate i;

	if (!body_check(q, fields, r))
		return;
	const char *name = json_string_value(json_object_get(q->json, "name"));
	const char *pem = json_string_value(json_object_get(q->json, "pem"));
	if (ca_inspect(pem, &i) < 0 || !i.is_ca) {
		reply_error(r, 400, "invalid", NULL, "that is no certificate of a CA in PEM");
		return;
	}
	int ret = registry_trust_add(c->registry, &q->author, name, i.subject, i.sha256, pem);
	if (ret < 0)
		reply_errno(r, ret, name, registry_why(c->registry));
	else
		reply_json(r, 201, certificate_json(pem));
}

// With dry_run=yes: which devices would be refused.
void trust_remove(struct control *c, struct request *q, struct reply *r) {
	const char *dry = query_text(q, "dry_run");
	int error = 0;
	char *affected = registry_trust_affected(c->registry, q->capture[0], &error);

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
		{"state", JSON_STRING, false, 16},
		{0},
	};

	if (!body_check(q, fields, r))
		return;
	const char *state = json_string_value(json_object_get(q->json, "state"));
	int s = state != NULL ? device_state_find(state) : DEVICE_PENDING;
	if (s != DEVICE_PENDING && s != DEVICE_ACTIVE) {
		reply_error(r, 400, "out-of-range", NULL, "'state' must be pending or active");
		return;
	}
	int ret = registry_template_set(
		c->registry,
		&q->author,
		json_string_value(json_object_get(q->json, "issuer")),
		json_string_value(json_object_get(q->json, "pattern")),
		json_string_value(json_object_get(q->json, "profile")),
		s
	);
	if (ret < 0)
		reply_errno(r, ret, "template", registry_why(c->registry));
	else
		template_list(c, q, r);
}
