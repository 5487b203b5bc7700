// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ca/ca.h"
#include "controlplane/ca/digest.h"

#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/gcm.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NONCE 12
#define TAG 16

static int kernel_random(void *, unsigned char *out, size_t len) {
	digest_random(out, len);
	return 0;
}

static int failed(int rc, const char *what, char *why, size_t why_len) {
	char text[128];

	if (rc == 0)
		return 0;
	mbedtls_strerror(rc, text, sizeof(text));
	snprintf(why, why_len, "%s: %s", what, text);
	return -EINVAL;
}

int ca_key_make(char *key, char *why, size_t why_len) {
	mbedtls_pk_context pk;

	mbedtls_pk_init(&pk);
	int rc = mbedtls_pk_setup(&pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
	if (rc == 0)
		rc = mbedtls_ecp_gen_key(
			MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(pk), kernel_random, NULL
		);
	if (rc == 0)
		rc = mbedtls_pk_write_key_pem(&pk, (unsigned char *)key, CA_KEY_MAX);
	mbedtls_pk_free(&pk);
	return failed(rc, "new key", why, why_len);
}

static int key_parse(const char *pem, mbedtls_pk_context *pk) {
	return mbedtls_pk_parse_key(
		pk, (const unsigned char *)pem, strlen(pem) + 1, NULL, 0, kernel_random, NULL
	);
}

// Whoever sends a CSR must hold its key: the signature over the request info says so.
static int csr_parse(const char *pem, mbedtls_x509_csr *csr) {
	uint8_t digest[64];

	int rc = mbedtls_x509_csr_parse(csr, (const unsigned char *)pem, strlen(pem) + 1);
	if (rc != 0)
		return rc;
	mbedtls_md_type_t type = csr->MBEDTLS_PRIVATE(sig_md);
	const mbedtls_md_info_t *md = mbedtls_md_info_from_type(type);
	if (md == NULL)
		return MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG;
	rc = mbedtls_md(md, csr->cri.p, csr->cri.len, digest);
	if (rc != 0)
		return rc;
	return mbedtls_pk_verify_ext(
		csr->MBEDTLS_PRIVATE(sig_pk),
		csr->MBEDTLS_PRIVATE(sig_opts),
		&csr->pk,
		type,
		digest,
		mbedtls_md_get_size(md),
		csr->MBEDTLS_PRIVATE(sig).p,
		csr->MBEDTLS_PRIVATE(sig).len
	);
}

int ca_request(
	const char *key,
	const char *subject,
	char csr[CA_PEM_MAX],
	char *why,
	size_t why_len
) {
	mbedtls_x509write_csr w;
	mbedtls_pk_context pk;

	mbedtls_x509write_csr_init(&w);
	mbedtls_pk_init(&pk);
	int rc = key_parse(key, &pk);
	mbedtls_x509write_csr_set_md_alg(&w, MBEDTLS_MD_SHA256);
	mbedtls_x509write_csr_set_key(&w, &pk);
	if (rc == 0)
		rc = mbedtls_x509write_csr_set_subject_name(&w, subject);
	if (rc == 0)
		rc = mbedtls_x509write_csr_pem(
			&w, (unsigned char *)csr, CA_PEM_MAX, kernel_random, NULL
		);
	mbedtls_x509write_csr_free(&w);
	mbedtls_pk_free(&pk);
	return failed(rc, "request", why, why_len);
}

int ca_key_fits(const char *key, const char *certificate, char *why, size_t why_len) {
	mbedtls_x509_crt crt;
	mbedtls_pk_context pk;

	mbedtls_x509_crt_init(&crt);
	mbedtls_pk_init(&pk);
	int rc = key_parse(key, &pk);
	int ret = failed(rc, "key (it must be PEM without a password)", why, why_len);
	if (ret == 0) {
		rc = mbedtls_x509_crt_parse(
			&crt, (const unsigned char *)certificate, strlen(certificate) + 1
		);
		if (rc == 0)
			rc = mbedtls_pk_check_pair(&crt.pk, &pk, kernel_random, NULL);
		ret = failed(rc, "key and certificate", why, why_len);
	}
	mbedtls_x509_crt_free(&crt);
	mbedtls_pk_free(&pk);
	return ret;
}

int ca_csr_check(const char *pem, char *why, size_t why_len) {
	mbedtls_x509_csr csr;

	mbedtls_x509_csr_init(&csr);
	int rc = csr_parse(pem, &csr);
	mbedtls_x509_csr_free(&csr);
	return failed(rc, "CSR", why, why_len);
}

static void time_text(int64_t s, char out[16]) {
	time_t t = (time_t)s;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 16, "%Y%m%d%H%M%S", &tm);
}

// The issuer's name as its own certificate spells it, types of the texts included: written anew
// it might be another name to a strict reader.
static int issuer_name(mbedtls_x509write_cert *w, const mbedtls_x509_crt *issuer) {
	mbedtls_asn1_named_data **head = &w->MBEDTLS_PRIVATE(issuer);

	for (const mbedtls_x509_name *n = &issuer->subject; n != NULL; n = n->next) {
		if (n->MBEDTLS_PRIVATE(next_merged))
			return MBEDTLS_ERR_X509_INVALID_NAME;
		mbedtls_asn1_named_data *copy = mbedtls_calloc(1, sizeof(*copy));
		if (copy == NULL)
			return MBEDTLS_ERR_X509_ALLOC_FAILED;
		copy->next = *head; // the writer begins with the last one
		*head = copy;
		copy->oid = (mbedtls_asn1_buf) {.tag = n->oid.tag, .len = n->oid.len};
		copy->val = (mbedtls_asn1_buf) {.tag = n->val.tag, .len = n->val.len};
		copy->oid.p = mbedtls_calloc(1, n->oid.len + 1);
		copy->val.p = mbedtls_calloc(1, n->val.len + 1);
		if (copy->oid.p == NULL || copy->val.p == NULL)
			return MBEDTLS_ERR_X509_ALLOC_FAILED;
		memcpy(copy->oid.p, n->oid.p, n->oid.len);
		if (n->val.len > 0)
			memcpy(copy->val.p, n->val.p, n->val.len);
	}
	return 0;
}

static int
describe(mbedtls_x509write_cert *w, const struct ca_order *o, const mbedtls_x509_crt *issuer) {
	char from[16], to[16];
	uint8_t serial[CA_SERIAL_BYTES];

	digest_random(serial, sizeof(serial));
	serial[0] = (serial[0] & 0x7f) | 0x40; // positive, and always as long
	time_text(o->not_before_s, from);
	time_text(o->not_after_s, to);
	mbedtls_x509write_crt_set_version(w, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(w, MBEDTLS_MD_SHA256);
	int rc = mbedtls_x509write_crt_set_serial_raw(w, serial, sizeof(serial));
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_subject_name(w, o->subject);
	if (rc == 0)
		rc = o->issuer_certificate != NULL
			? issuer_name(w, issuer)
			: mbedtls_x509write_crt_set_issuer_name(w, o->subject);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_validity(w, from, to);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_basic_constraints(
			w, o->kind != CA_DEVICE, o->kind == CA_ISSUING ? 0 : -1
		);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_key_usage(
			w,
			o->kind == CA_DEVICE
				? MBEDTLS_X509_KU_DIGITAL_SIGNATURE
				: MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN
		);
	return rc;
}

static int identifiers(mbedtls_x509write_cert *w, const struct ca_order *o) {
	mbedtls_asn1_sequence usage = {
		.buf =
			{
				.tag = MBEDTLS_ASN1_OID,
				.len = MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH),
				.p = (unsigned char *)(uintptr_t)MBEDTLS_OID_CLIENT_AUTH,
			},
	};
	int rc = mbedtls_x509write_crt_set_subject_key_identifier(w);

	if (rc == 0)
		rc = mbedtls_x509write_crt_set_authority_key_identifier(w);
	if (rc == 0 && o->kind == CA_DEVICE)
		rc = mbedtls_x509write_crt_set_ext_key_usage(w, &usage);
	return rc;
}

struct keys {
	mbedtls_pk_context subject, issuer;
	mbedtls_x509_csr csr;
	mbedtls_x509_crt certificate;
};

static int order_read(const struct ca_order *o, struct keys *k) {
	int rc = o->key != NULL ? key_parse(o->key, &k->subject) : csr_parse(o->csr, &k->csr);

	if (rc != 0)
		return rc;
	if (o->issuer_certificate == NULL) // self-signed: only a key of one's own can do that
		return o->key != NULL ? key_parse(o->key, &k->issuer)
				      : MBEDTLS_ERR_X509_BAD_INPUT_DATA;
	rc = mbedtls_x509_crt_parse(
		&k->certificate,
		(const unsigned char *)o->issuer_certificate,
		strlen(o->issuer_certificate) + 1
	);
	if (rc == 0)
		rc = key_parse(o->issuer_key, &k->issuer);
	return rc;
}

int ca_sign(const struct ca_order *o, char certificate[CA_PEM_MAX], char *why, size_t why_len) {
	mbedtls_x509write_cert w;
	struct keys k;

	mbedtls_x509write_crt_init(&w);
	mbedtls_pk_init(&k.subject);
	mbedtls_pk_init(&k.issuer);
	mbedtls_x509_csr_init(&k.csr);
	mbedtls_x509_crt_init(&k.certificate);
	int rc = order_read(o, &k);
	int ret = failed(rc, o->csr != NULL ? "CSR" : "key", why, why_len);
	if (ret == 0) {
		mbedtls_x509write_crt_set_subject_key(&w, o->key != NULL ? &k.subject : &k.csr.pk);
		mbedtls_x509write_crt_set_issuer_key(&w, &k.issuer);
		rc = describe(&w, o, &k.certificate);
		if (rc == 0)
			rc = identifiers(&w, o);
		if (rc == 0)
			rc = mbedtls_x509write_crt_pem(
				&w, (unsigned char *)certificate, CA_PEM_MAX, kernel_random, NULL
			);
		ret = failed(rc, "certificate", why, why_len);
	}
	mbedtls_x509write_crt_free(&w);
	mbedtls_pk_free(&k.subject);
	mbedtls_pk_free(&k.issuer);
	mbedtls_x509_csr_free(&k.csr);
	mbedtls_x509_crt_free(&k.certificate);
	return ret;
}

int64_t ca_seconds(const struct mbedtls_x509_time *t) {
	struct tm tm = {
		.tm_year = t->year - 1900,
		.tm_mon = t->mon - 1,
		.tm_mday = t->day,
		.tm_hour = t->hour,
		.tm_min = t->min,
		.tm_sec = t->sec,
	};
	return (int64_t)timegm(&tm);
}

// Printable text only: it becomes a device's name, and stands in logs.
static void text_copy(const mbedtls_asn1_buf *from, char *out, size_t room) {
	out[0] = '\0';
	if (from->len >= room)
		return;
	for (size_t i = 0; i < from->len; i++)
		if (from->p[i] < 0x20 || from->p[i] == 0x7f)
			return;
	if (from->len > 0)
		memcpy(out, from->p, from->len);
	out[from->len] = '\0';
}

static void common_name(const mbedtls_x509_name *n, char *out, size_t room) {
	out[0] = '\0';
	for (; n != NULL; n = n->next)
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0)
			text_copy(&n->val, out, room);
}

static void alternative_name(const mbedtls_x509_crt *crt, char *out, size_t room) {
	out[0] = '\0';
	for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s != NULL; s = s->next) {
		int kind = s->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
		if (s->buf.p == NULL
		    || (kind != MBEDTLS_X509_SAN_DNS_NAME
			&& kind != MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER))
			continue;
		text_copy(&s->buf, out, room);
		if (out[0] != '\0')
			return;
	}
}

void ca_serial(const uint8_t *bytes, size_t len, char out[41]) {
	for (; len > 1 && bytes[0] == 0; len--)
		bytes++;
	digest_hex(bytes, len, out);
}

int ca_describe(const struct mbedtls_x509_crt *crt, struct ca_certificate *out) {
	*out = (struct ca_certificate) {0};
	if (crt->serial.len > 20 || crt->serial.len == 0
	    || mbedtls_x509_dn_gets(out->subject, sizeof(out->subject), &crt->subject) < 0
	    || mbedtls_x509_dn_gets(out->issuer, sizeof(out->issuer), &crt->issuer) < 0)
		return -EINVAL;
	ca_serial(crt->serial.p, crt->serial.len, out->serial);
	digest_sha256(crt->raw.p, crt->raw.len, out->sha256);
	common_name(&crt->subject, out->cn, sizeof(out->cn));
	alternative_name(crt, out->san, sizeof(out->san));
	out->not_before_s = ca_seconds(&crt->valid_from);
	out->not_after_s = ca_seconds(&crt->valid_to);
	out->is_ca = crt->MBEDTLS_PRIVATE(ca_istrue) != 0
		&& mbedtls_x509_crt_check_key_usage(crt, MBEDTLS_X509_KU_KEY_CERT_SIGN) == 0;
	out->self_issued = crt->issuer_raw.len == crt->subject_raw.len
		&& memcmp(crt->issuer_raw.p, crt->subject_raw.p, crt->subject_raw.len) == 0;
	return 0;
}

int ca_inspect(const char *pem, struct ca_certificate *out) {
	mbedtls_x509_crt crt;
	int ret = -EINVAL;

	mbedtls_x509_crt_init(&crt);
	if (mbedtls_x509_crt_parse(&crt, (const unsigned char *)pem, strlen(pem) + 1) == 0)
		ret = ca_describe(&crt, out);
	mbedtls_x509_crt_free(&crt);
	return ret;
}

int ca_subject(const char *device, char *out, size_t room) {
	if (device[0] == '\0' || strlen(device) > 64 || strpbrk(device, ",+\"\\<>;=#") != NULL
	    || device[0] == ' ')
		return -EINVAL;
	snprintf(out, room, "CN=%s", device);
	return 0;
}

int ca_seal(const uint8_t kek[32], const void *plain, size_t len, uint8_t *sealed) {
	mbedtls_gcm_context g;

	digest_random(sealed, NONCE);
	mbedtls_gcm_init(&g);
	int rc = mbedtls_gcm_setkey(&g, MBEDTLS_CIPHER_ID_AES, kek, 256);
	if (rc == 0)
		rc = mbedtls_gcm_crypt_and_tag(
			&g,
			MBEDTLS_GCM_ENCRYPT,
			len,
			sealed,
			NONCE,
			NULL,
			0,
			plain,
			sealed + NONCE,
			TAG,
			sealed + NONCE + len
		);
	mbedtls_gcm_free(&g);
	return rc == 0 ? (int)(len + NONCE + TAG) : -EIO;
}

int ca_unseal(const uint8_t kek[32], const uint8_t *sealed, size_t len, void *plain) {
	mbedtls_gcm_context g;

	if (len < NONCE + TAG)
		return -EBADMSG;
	mbedtls_gcm_init(&g);
	int rc = mbedtls_gcm_setkey(&g, MBEDTLS_CIPHER_ID_AES, kek, 256);
	if (rc == 0)
		rc = mbedtls_gcm_auth_decrypt(
			&g,
			len - NONCE - TAG,
			sealed,
			NONCE,
			NULL,
			0,
			sealed + len - TAG,
			TAG,
			sealed + NONCE,
			plain
		);
	mbedtls_gcm_free(&g);
	return rc == 0 ? (int)(len - NONCE - TAG) : -EBADMSG;
}
