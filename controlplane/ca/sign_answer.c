// SPDX-License-Identifier: Apache-2.0
// The questions sluice-signd answers.
#include "controlplane/ca/crl.h"
#include "controlplane/ca/sign_store.h"
#include "controlplane/ca/verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define YEAR_S (365 * 86400ll)
#define ROOT_YEARS 20
#define ISSUING_YEARS 10
#define NO_CA "there is no CA yet: `sluicectl ca init` or `ca import`"

static bool organisation_good(const char *name, struct sign_reply *r) {
	if (name[0] != '\0' && strpbrk(name, ",+\"\\<>;=#") == NULL)
		return true;
	snprintf(r->text, sizeof(r->text), "the organisation's name must be plain text");
	return false;
}

static int absent_check(struct sign_store *s, const struct sign_request *q, struct sign_reply *r) {
	char there[2];

	if (q->replace != 0 || sign_read(s, SIGN_ISSUING_CRT, there, sizeof(there)) == -ENOENT)
		return 0;
	snprintf(r->text, sizeof(r->text), "there is a CA already");
	return -EEXIST;
}

// An issuing CA below the root in r->chain, whose key is secret->key, and all of it to disk.
static int issuing_make(struct sign_store *s, const char *organisation, int64_t now) {
	struct sign_reply *r = &s->secret->reply;
	struct ca_certificate root;
	char subject[200];

	if (ca_inspect(r->chain, &root) < 0)
		return -EINVAL;
	snprintf(subject, sizeof(subject), "O=%.100s,CN=Sluice issuing", organisation);
	int64_t end = now + ISSUING_YEARS * YEAR_S;
	struct ca_order below = {
		.kind = CA_ISSUING,
		.subject = subject,
		.not_before_s = now,
		.not_after_s = end < root.not_after_s ? end : root.not_after_s,
		.key = s->secret->issuing_key,
		.issuer_certificate = r->chain,
		.issuer_key = s->secret->key,
	};
	int ret = ca_key_make(s->secret->issuing_key, r->text, sizeof(r->text));
	if (ret == 0)
		ret = ca_sign(&below, r->certificate, r->text, sizeof(r->text));
	if (ret == 0)
		ret = sign_key_write(s, SIGN_ROOT_KEY, s->secret->key);
	if (ret == 0)
		ret = sign_write(s, SIGN_ROOT_CRT, r->chain, strlen(r->chain));
	if (ret == 0)
		ret = sign_key_write(s, SIGN_ISSUING_KEY, s->secret->issuing_key);
	// Last: with this file the CA exists.
	if (ret == 0)
		ret = sign_write(s, SIGN_ISSUING_CRT, r->certificate, strlen(r->certificate));
	return ret;
}

static int answer_init(struct sign_store *s, const struct sign_request *q, struct sign_reply *r) {
	char subject[200];
	int ret = absent_check(s, q, r);

	if (ret < 0)
		return ret;
	if (!organisation_good(q->name, r))
		return -EINVAL;
	snprintf(subject, sizeof(subject), "O=%.100s,CN=Sluice root", q->name);
	ret = ca_key_make(s->secret->key, r->text, sizeof(r->text));
	struct ca_order root = {
		.kind = CA_ROOT,
		.subject = subject,
		.not_before_s = q->not_before_s,
		.not_after_s = q->not_before_s + ROOT_YEARS * YEAR_S,
		.key = s->secret->key,
	};
	if (ret == 0)
		ret = ca_sign(&root, r->chain, r->text, sizeof(r->text));
	return ret == 0 ? issuing_make(s, q->name, q->not_before_s) : ret;
}

static int answer_show(struct sign_store *s, struct sign_reply *r) {
	int ret = sign_text_read(s, SIGN_ISSUING_CRT, r->certificate, sizeof(r->certificate));

	if (ret == 0)
		ret = sign_text_read(s, SIGN_ROOT_CRT, r->chain, sizeof(r->chain));
	if (ret == -ENOENT)
		snprintf(r->text, sizeof(r->text), NO_CA);
	return ret;
}

// The issuing certificate into r->chain, its key into secret->issuing_key.
static int issuing_read(struct sign_store *s, struct sign_reply *r) {
	int ret = sign_text_read(s, SIGN_ISSUING_CRT, r->chain, sizeof(r->chain));

	if (ret == 0)
		ret = sign_key_read(s, SIGN_ISSUING_KEY, s->secret->issuing_key);
	if (ret == -ENOENT)
		snprintf(r->text, sizeof(r->text), NO_CA);
	if (ret == -EBADMSG)
		snprintf(r->text, sizeof(r->text), "the issuing key does not open: wrong key file");
	// A replacement of the CA that was cut off leaves a pair that does not fit.
	if (ret == 0)
		ret = ca_key_fits(s->secret->issuing_key, r->chain, r->text, sizeof(r->text));
	return ret;
}

static int answer_sign(struct sign_store *s, const struct sign_request *q, struct sign_reply *r) {
	struct ca_certificate issuing;
	char subject[160];
	bool fresh = q->op == SIGN_NEW;

	if (ca_subject(q->name, subject, sizeof(subject)) < 0) {
		snprintf(r->text, sizeof(r->text), "the device's name does not fit a certificate");
		return -EINVAL;
	}
	int ret = issuing_read(s, r);
	if (ret == 0)
		ret = ca_inspect(r->chain, &issuing);
	if (ret == 0 && fresh)
		ret = ca_key_make(r->key, r->text, sizeof(r->text));
	if (ret != 0)
		return ret;
	struct ca_order o = {
		.kind = CA_DEVICE,
		.subject = subject,
		.not_before_s = q->not_before_s,
		// Nothing outlives who signed it.
		.not_after_s =
			q->not_after_s < issuing.not_after_s ? q->not_after_s : issuing.not_after_s,
		.key = fresh ? r->key : NULL,
		.csr = fresh ? NULL : q->pem,
		.issuer_certificate = r->chain,
		.issuer_key = s->secret->issuing_key,
	};
	return ca_sign(&o, r->certificate, r->text, sizeof(r->text));
}

// A key that never leaves: only its request does.
static int
answer_request(struct sign_store *s, const struct sign_request *q, struct sign_reply *r) {
	char subject[200];

	if (!organisation_good(q->name, r))
		return -EINVAL;
	snprintf(subject, sizeof(subject), "O=%.100s,CN=Sluice issuing", q->name);
	int ret = ca_key_make(s->secret->key, r->text, sizeof(r->text));
	if (ret == 0)
		ret = ca_request(s->secret->key, subject, r->certificate, r->text, sizeof(r->text));
	return ret == 0 ? sign_key_write(s, SIGN_NEXT_KEY, s->secret->key) : ret;
}

// --- import

// The issuing chain into r->certificate, the root (or the topmost, if no root is there) into
// r->chain.
static int bundle_sort(void *owner, const char *pem) {
	struct sign_reply *r = owner;
	struct ca_certificate c;
	size_t used = strlen(r->certificate);

	if (ca_inspect(pem, &c) < 0 || !c.is_ca) {
		snprintf(r->text, sizeof(r->text), "a certificate of the bundle is no CA's");
		return -EINVAL;
	}
	snprintf(r->chain, sizeof(r->chain), "%s", pem);
	if (!c.self_issued && used + strlen(pem) < sizeof(r->certificate))
		snprintf(r->certificate + used, sizeof(r->certificate) - used, "%s", pem);
	return 0;
}

static int chain_check(struct sign_reply *r) {
	struct ca_chain chain;
	struct ca_trust *t;
	int ret = ca_trust_create(&t);

	if (ret == 0)
		ret = ca_trust_add(t, r->chain, true);
	enum ca_verdict v =
		ret == 0 ? ca_trust_verify(t, r->certificate, false, &chain) : CA_MALFORMED;
	ca_trust_destroy(t);
	if (v == CA_TRUSTED)
		return 0;
	snprintf(
		r->text,
		sizeof(r->text),
		"the bundle is no chain from the issuing certificate to its root: %s",
		ca_verdict_label(v)
	);
	return -EINVAL;
}

static int import_root(struct sign_store *s, const struct sign_request *q, struct sign_reply *r) {
	if (!organisation_good(q->name, r))
		return -EINVAL;
	return issuing_make(s, q->name, q->not_before_s);
}

static int import_issuing(struct sign_store *s, struct sign_reply *r) {
	int ret = chain_check(r);

	if (ret == 0)
		ret = sign_delete(s, SIGN_ROOT_KEY); // of another root
	if (ret == 0)
		ret = sign_write(s, SIGN_ROOT_CRT, r->chain, strlen(r->chain));
	if (ret == 0)
		ret = sign_key_write(s, SIGN_ISSUING_KEY, s->secret->key);
	if (ret == 0)
		ret = sign_write(s, SIGN_ISSUING_CRT, r->certificate, strlen(r->certificate));
	return ret;
}

static int answer_import(struct sign_store *s, const struct sign_request *q, struct sign_reply *r) {
	struct ca_certificate first;
	bool requested = q->key[0] == '\0';
	int ret = absent_check(s, q, r);

	if (ret < 0)
		return ret;
	if (ca_inspect(q->pem, &first) < 0 || !first.is_ca) {
		snprintf(
			r->text,
			sizeof(r->text),
			"the first certificate must be that of the issuing CA"
		);
		return -EINVAL;
	}
	if (requested)
		ret = sign_key_read(s, SIGN_NEXT_KEY, s->secret->key);
	else
		snprintf(s->secret->key, sizeof(s->secret->key), "%s", q->key);
	if (ret == -ENOENT) {
		snprintf(
			r->text,
			sizeof(r->text),
			"give its key, or begin with `sluicectl ca request`"
		);
		return -EINVAL;
	}
	if (ret == 0)
		ret = ca_key_fits(s->secret->key, q->pem, r->text, sizeof(r->text));
	if (ret == 0)
		ret = ca_bundle(q->pem, bundle_sort, r);
	if (ret == 0)
		ret = first.self_issued ? import_root(s, q, r) : import_issuing(s, r);
	if (ret == 0 && requested)
		ret = sign_delete(s, SIGN_NEXT_KEY);
	return ret;
}

// ---

static int answer_crl(struct sign_store *s, const struct sign_request *q, struct sign_reply *r) {
	char issuing[SIGN_CHAIN_MAX];
	int ret = issuing_read(s, r);

	if (ret < 0)
		return ret;
	snprintf(issuing, sizeof(issuing), "%s", r->chain);
	struct ca_crl_order o = {
		.issuer_certificate = issuing,
		.issuer_key = s->secret->issuing_key,
		.number = q->number,
		.this_s = q->not_before_s,
		.next_s = q->not_after_s,
		.entries = q->entries,
		.count = q->count,
	};
	ret = ca_crl_write(&o, r->der, sizeof(r->der), r->text, sizeof(r->text));
	if (ret > 0)
		r->len = (uint32_t)ret;
	return ret < 0 ? ret : 0;
}

static int answer_export(struct sign_store *s, struct sign_reply *r) {
	for (int f = 0; f < SIGN_FILE_COUNT; f++) {
		struct sign_blob *b = &r->files[f];
		int n = sign_read(s, (enum sign_file)f, b->bytes, sizeof(b->bytes));
		if (n < 0 && n != -ENOENT)
			return n;
		b->len = n > 0 ? (uint32_t)n : 0;
	}
	return 0;
}

static bool request_good(const struct sign_request *q, size_t len) {
	if (len != sizeof(*q) || q->magic != SIGN_MAGIC || q->op >= SIGN_OP_COUNT
	    || memchr(q->name, '\0', sizeof(q->name)) == NULL || q->not_before_s < 0
	    || q->not_after_s < q->not_before_s || q->not_after_s >= 253402300800ll)
		return false;
	if (q->op != SIGN_CRL)
		return memchr(q->pem, '\0', sizeof(q->pem)) != NULL
			&& memchr(q->key, '\0', sizeof(q->key)) != NULL;
	for (uint32_t i = 0; i < q->count && i < SIGN_CRL_MAX; i++)
		if (q->entries[i].serial_len == 0 || q->entries[i].serial_len > 20
		    || q->entries[i].at_s < 0 || q->entries[i].at_s > q->not_after_s)
			return false;
	return q->count <= SIGN_CRL_MAX && q->number > 0;
}

void sign_answer(struct sign_store *s, size_t len) {
	static int (*const answers[SIGN_OP_COUNT])(
		struct sign_store *s, const struct sign_request *q, struct sign_reply *r
	) = {
		[SIGN_INIT] = answer_init,
		[SIGN_CSR] = answer_sign,
		[SIGN_NEW] = answer_sign,
		[SIGN_REQUEST] = answer_request,
		[SIGN_IMPORT] = answer_import,
		[SIGN_CRL] = answer_crl,
	};
	const struct sign_request *q = &s->secret->request;
	struct sign_reply *r = &s->secret->reply;

	memset(r, 0, sizeof(*r));
	if (!request_good(q, len)) {
		r->result = -EINVAL;
		snprintf(r->text, sizeof(r->text), "malformed question");
		return;
	}
	if (q->op == SIGN_SHOW)
		r->result = answer_show(s, r);
	else if (q->op == SIGN_EXPORT)
		r->result = answer_export(s, r);
	else
		r->result = answers[q->op](s, q, r);
	if (r->result < 0) {
		explicit_bzero(r->der, sizeof(r->der));
		if (r->text[0] == '\0')
			snprintf(r->text, sizeof(r->text), "%s", strerror(-r->result));
	}
	explicit_bzero(s->secret->key, sizeof(s->secret->key));
	explicit_bzero(s->secret->issuing_key, sizeof(s->secret->issuing_key));
}
