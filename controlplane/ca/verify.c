// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ca/verify.h"

#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/x509_crt.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ca_trust {
	mbedtls_x509_crt anchors;
	char *helpers; // PEM texts behind one another
	size_t len;
	unsigned anchor_count;
};

int ca_trust_create(struct ca_trust **out) {
	struct ca_trust *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	mbedtls_x509_crt_init(&t->anchors);
	*out = t;
	return 0;
}

void ca_trust_destroy(struct ca_trust *t) {
	if (t == NULL)
		return;
	mbedtls_x509_crt_free(&t->anchors);
	free(t->helpers);
	free(t);
}

int ca_trust_add(struct ca_trust *t, const char *pem, bool anchor) {
	size_t n = strlen(pem);

	if (anchor) {
		if (mbedtls_x509_crt_parse(&t->anchors, (const unsigned char *)pem, n + 1) != 0)
			return -EINVAL;
		t->anchor_count++;
		return 0;
	}
	char *grown = realloc(t->helpers, t->len + n + 2);
	if (grown == NULL)
		return -ENOMEM;
	t->helpers = grown;
	memcpy(grown + t->len, pem, n);
	t->len += n;
	grown[t->len++] = '\n';
	grown[t->len] = '\0';
	return 0;
}

const char *ca_verdict_label(enum ca_verdict v) {
	static const char *const labels[CA_VERDICT_COUNT] = {
#define X(id, label) [id] = label,
		CA_VERDICTS(X)
#undef X
	};
	return labels[v];
}

// Called from the anchor (highest depth) down to the certificate itself.
static int on_the_way(void *owner, mbedtls_x509_crt *crt, int depth, uint32_t *flags) {
	struct ca_chain *chain = owner;

	if (depth < CA_CHAIN_MAX && ca_describe(crt, &chain->certificate[depth]) == 0
	    && chain->count < (unsigned)depth + 1)
		chain->count = (unsigned)depth + 1;
	return 0;
}

static enum ca_verdict verdict_of(uint32_t flags) {
	if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
		return CA_UNTRUSTED;
	if (flags
	    & (MBEDTLS_X509_BADCERT_BAD_KEY | MBEDTLS_X509_BADCERT_BAD_MD
	       | MBEDTLS_X509_BADCERT_BAD_PK))
		return CA_WEAK;
	if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
		return CA_EXPIRED;
	if (flags & MBEDTLS_X509_BADCERT_FUTURE)
		return CA_NOT_YET;
	return flags != 0 ? CA_UNTRUSTED : CA_TRUSTED;
}

// PEM only: a parser that guesses would take DER as well.
static int parse(mbedtls_x509_crt *into, const char *pem) {
	return mbedtls_x509_crt_parse(into, (const unsigned char *)pem, strlen(pem) + 1);
}

static bool client_use(const mbedtls_x509_crt *crt) {
	return mbedtls_x509_crt_check_key_usage(crt, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) == 0
		&& mbedtls_x509_crt_check_extended_key_usage(
			   crt, MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH)
		   )
		== 0;
}

enum ca_verdict
ca_trust_verify(const struct ca_trust *t, const char *pem, bool client, struct ca_chain *out) {
	mbedtls_x509_crt chain;
	uint32_t flags = 0;
	enum ca_verdict v = CA_MALFORMED;

	*out = (struct ca_chain) {0};
	mbedtls_x509_crt_init(&chain);
	if (parse(&chain, pem) != 0)
		goto out;
	if (t->anchor_count == 0 || (t->helpers != NULL && parse(&chain, t->helpers) != 0)) {
		(void)ca_describe(&chain, &out->certificate[0]);
		v = CA_UNTRUSTED;
		goto out;
	}
	int rc = mbedtls_x509_crt_verify(
		&chain,
		(mbedtls_x509_crt *)(uintptr_t)&t->anchors,
		NULL,
		NULL,
		&flags,
		on_the_way,
		out
	);
	v = rc == 0 ? CA_TRUSTED : verdict_of(flags != 0 ? flags : UINT32_MAX);
	if (v == CA_TRUSTED && client && !client_use(&chain))
		v = CA_WRONG_USE;
out:
	mbedtls_x509_crt_free(&chain);
	return v;
}

int ca_bundle(const char *pem, int (*each)(void *owner, const char *pem), void *owner) {
	unsigned char text[CA_PEM_MAX];
	mbedtls_x509_crt list;
	int ret = -EINVAL;

	mbedtls_x509_crt_init(&list);
	if (parse(&list, pem) == 0) {
		ret = 0;
		for (const mbedtls_x509_crt *c = &list; c != NULL && ret == 0; c = c->next) {
			size_t used;
			int rc = mbedtls_pem_write_buffer(
				"-----BEGIN CERTIFICATE-----\n",
				"-----END CERTIFICATE-----\n",
				c->raw.p,
				c->raw.len,
				text,
				sizeof(text),
				&used
			);
			ret = rc == 0 ? each(owner, (const char *)text) : -EINVAL;
		}
	}
	mbedtls_x509_crt_free(&list);
	return ret;
}

int ca_device_name(const struct ca_certificate *c, const char *rule, char *out, size_t room) {
	const struct {
		const char *word, *text;
	} known[] = {{"cn", c->cn}, {"san", c->san}, {"serial", c->serial}, {"%", "%"}};
	size_t n = 0;

	while (*rule != '\0') {
		char plain[2] = {*rule, '\0'};
		const char *text = plain;
		size_t used = 1;
		if (*rule == '%') {
			text = NULL;
			for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
				size_t len = strlen(known[i].word);
				if (strncmp(rule + 1, known[i].word, len) == 0) {
					text = known[i].text;
					used = 1 + len;
				}
			}
		}
		if (text == NULL || text[0] == '\0' || n + strlen(text) >= room)
			return -EINVAL;
		memcpy(out + n, text, strlen(text));
		n += strlen(text);
		rule += used;
	}
	out[n] = '\0';
	return n > 0 ? 0 : -EINVAL;
}
