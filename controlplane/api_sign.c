// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api_sign.h"
#include "controlplane/ca/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SIGN_WAIT_S 5

static struct sign_request question;
static struct sign_reply answer;

struct sign_request *sign_question(enum sign_op op) {
	explicit_bzero(&question, sizeof(question));
	question.magic = SIGN_MAGIC;
	question.op = op;
	return &question;
}

void sign_forget(void) {
	explicit_bzero(&question, sizeof(question));
	explicit_bzero(&answer, sizeof(answer));
}

// 0, or -errno of the conversation.
static int converse(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct timeval wait = {.tv_sec = SIGN_WAIT_S};

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int ret = 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0
	    || send(fd, &question, sizeof(question), MSG_NOSIGNAL) != sizeof(question))
		ret = -errno;
	else if (recv(fd, &answer, sizeof(answer), 0) != sizeof(answer))
		ret = -EPROTO;
	close(fd);
	answer.text[sizeof(answer.text) - 1] = '\0';
	if (question.op == SIGN_CRL || question.op == SIGN_EXPORT)
		return ret;
	answer.certificate[sizeof(answer.certificate) - 1] = '\0';
	answer.chain[sizeof(answer.chain) - 1] = '\0';
	answer.key[sizeof(answer.key) - 1] = '\0';
	return ret;
}

const struct sign_reply *sign_ask(struct control *c, struct reply *r) {
	memset(&answer, 0, sizeof(answer));
	int ret = converse(c->sign_socket);

	if (ret < 0) {
		reply_error(
			r,
			503,
			"signd-away",
			"start sluice-signd (systemctl start sluice-signd)",
			"the signing daemon does not answer: %s",
			strerror(-ret)
		);
		return NULL;
	}
	if (answer.result == 0)
		return &answer;
	if (answer.result == -ENOENT)
		reply_error(
			r, 404, "no-ca", "sluicectl ca init --organisation NAME", "%s", answer.text
		);
	else
		reply_error(
			r,
			answer.result == -EEXIST || answer.result == -EINVAL ? 409
				: answer.result == -ENOSPC		     ? 507
									     : 500,
			answer.result == -EEXIST ? "exists" : "not-signed",
			answer.result == -EEXIST ? "`sluicectl ca import --replace` takes its place"
						 : NULL,
			"%s",
			answer.text
		);
	return NULL;
}

json_t *certificate_fields(const struct ca_certificate *i) {
	char hex[DIGEST_TEXT];

	return json_pack(
		"{s:s,s:s,s:s,s:s,s:I,s:I}",
		"serial",
		i->serial,
		"subject",
		i->subject,
		"issuer",
		i->issuer,
		"sha256",
		digest_hex(i->sha256, sizeof(i->sha256), hex),
		"not_before_s",
		(json_int_t)i->not_before_s,
		"not_after_s",
		(json_int_t)i->not_after_s
	);
}

json_t *certificate_json(const char *pem) {
	struct ca_certificate i;

	if (ca_inspect(pem, &i) < 0)
		return json_null();
	json_t *json = certificate_fields(&i);
	json_object_set_new(json, "pem", json_string(pem));
	return json;
}

int trust_load(struct control *c, struct ca_trust **out) {
	int ret = ca_trust_create(out);
	char *text = ret == 0 ? registry_trust_list(c->registry, &ret) : NULL;
	json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL, *t;
	size_t i;

	free(text);
	// What was trusted once has been parsed once: an error here is out of memory.
	json_array_foreach(json_object_get(list, "issuers"), i, t) if (ret == 0) ret = ca_trust_add(
		*out,
		json_string_value(json_object_get(t, "pem")),
		json_is_true(json_object_get(t, "anchor"))
	);
	json_decref(list);
	if (ret < 0) {
		ca_trust_destroy(*out);
		*out = NULL;
	}
	return ret;
}

struct certificate_row certificate_row_of(
	const struct ca_chain *chain,
	const char *device,
	const char *pem,
	struct certificate_texts *texts
) {
	const struct ca_certificate *i = &chain->certificate[0];
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

	for (unsigned k = 1; k < chain->count; k++)
		row.path[row.path_len++] =
			digest_hex(chain->certificate[k].sha256, DIGEST_BYTES, texts->sha256[k]);
	return row;
}
