// SPDX-License-Identifier: Apache-2.0
// A CertificateList, written from its end as mbedtls/asn1write.h does it:
//
//   SEQUENCE { tbs SEQUENCE { version 1, algorithm, issuer, this, next, entries, [0] extensions },
//              algorithm, BIT STRING signature }
#include "controlplane/ca/ca.h"
#include "controlplane/ca/crl.h"
#include "controlplane/ca/digest.h"

#include <mbedtls/asn1write.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEQUENCE (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)
#define EXPLICIT_0 (MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED | 0)

// Bytes are written downwards from `at` to `start`; the first failure stays.
struct writer {
	uint8_t *start, *at;
	int failed;
};

static size_t put(struct writer *w, int ret) {
	if (ret < 0 && w->failed == 0)
		w->failed = ret;
	return ret < 0 ? 0 : (size_t)ret;
}

static size_t wrap(struct writer *w, size_t len, uint8_t tag) {
	len += put(w, mbedtls_asn1_write_len(&w->at, w->start, len));
	len += put(w, mbedtls_asn1_write_tag(&w->at, w->start, tag));
	return len;
}

static size_t put_time(struct writer *w, int64_t s) {
	time_t t = (time_t)s;
	char text[24];
	struct tm tm;

	gmtime_r(&t, &tm);
	bool utc = tm.tm_year < 150; // RFC 5280: UTCTime until 2049
	size_t n = strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm), skip = utc ? 2 : 0;
	const uint8_t *from = (const uint8_t *)text + skip;
	n = put(w, mbedtls_asn1_write_raw_buffer(&w->at, w->start, from, n - skip));
	return wrap(w, n, utc ? MBEDTLS_ASN1_UTC_TIME : MBEDTLS_ASN1_GENERALIZED_TIME);
}

static size_t put_integer(struct writer *w, const uint8_t *bytes, size_t len) {
	size_t n = put(w, mbedtls_asn1_write_raw_buffer(&w->at, w->start, bytes, len));

	if (len > 0 && (bytes[0] & 0x80) != 0) // positive
		n += put(w, mbedtls_asn1_write_raw_buffer(&w->at, w->start, (uint8_t[1]) {0}, 1));
	return wrap(w, n, MBEDTLS_ASN1_INTEGER);
}

static size_t put_number(struct writer *w, int64_t n) {
	uint8_t bytes[8];
	size_t at = 8;

	do
		bytes[--at] = (uint8_t)n;
	while ((n >>= 8) != 0);
	return put_integer(w, bytes + at, 8 - at);
}

// `len` bytes of the value lie at w->at.
static size_t put_extension(struct writer *w, size_t len, const char *oid, size_t oid_len) {
	len = wrap(w, len, MBEDTLS_ASN1_OCTET_STRING);
	len += put(w, mbedtls_asn1_write_oid(&w->at, w->start, oid, oid_len));
	return wrap(w, len, SEQUENCE);
}

static size_t put_extensions(struct writer *w, int64_t number, const mbedtls_x509_buf *key_id) {
	size_t len = put_extension(w, put_number(w, number), "\x55\x1d\x14", 3);

	if (key_id->len > 0) {
		size_t n = put(
			w, mbedtls_asn1_write_raw_buffer(&w->at, w->start, key_id->p, key_id->len)
		);
		n = wrap(w, wrap(w, n, MBEDTLS_ASN1_CONTEXT_SPECIFIC | 0), SEQUENCE);
		len += put_extension(w, n, "\x55\x1d\x23", 3); // authorityKeyIdentifier
	}
	return wrap(w, wrap(w, len, SEQUENCE), EXPLICIT_0);
}

static size_t put_entries(struct writer *w, const struct ca_crl_order *o) {
	size_t len = 0;

	if (o->count == 0)
		return 0;
	for (uint32_t i = o->count; i-- > 0;) {
		const struct ca_crl_entry *e = &o->entries[i];
		size_t n = put_time(w, e->at_s);
		n += put_integer(w, e->serial, e->serial_len);
		len += wrap(w, n, SEQUENCE);
	}
	return wrap(w, len, SEQUENCE);
}

static size_t put_algorithm(struct writer *w, mbedtls_pk_type_t type) {
	const char *oid =
		type == MBEDTLS_PK_RSA ? MBEDTLS_OID_PKCS1_SHA256 : MBEDTLS_OID_ECDSA_SHA256;
	// RSA wants NULL as parameter, ECDSA none at all.
	return put(
		w,
		mbedtls_asn1_write_algorithm_identifier_ext(
			&w->at, w->start, oid, strlen(oid), 0, type == MBEDTLS_PK_RSA
		)
	);
}

static int kernel_random(void *, unsigned char *out, size_t len) {
	digest_random(out, len);
	return 0;
}

static int write_signed(
	const struct ca_crl_order *o,
	const mbedtls_x509_crt *issuer,
	mbedtls_pk_context *key,
	struct writer *w,
	uint8_t *end
) {
	uint8_t digest[32], signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
	size_t signature_len = 0;
	mbedtls_pk_type_t type =
		mbedtls_pk_can_do(key, MBEDTLS_PK_RSA) ? MBEDTLS_PK_RSA : MBEDTLS_PK_ECDSA;

	size_t len = put_extensions(w, o->number, &issuer->subject_key_id);
	len += put_entries(w, o);
	len += put_time(w, o->next_s);
	len += put_time(w, o->this_s);
	len +=
		put(w,
		    mbedtls_asn1_write_raw_buffer(
			    &w->at, w->start, issuer->subject_raw.p, issuer->subject_raw.len
		    ));
	len += put_algorithm(w, type);
	len += put_integer(w, (uint8_t[1]) {1}, 1); // version 2
	len = wrap(w, len, SEQUENCE);
	if (w->failed != 0)
		return w->failed;
	// The signature stands behind what it signs, which is written: put both in their order.
	digest_sha256(w->at, len, digest);
	int rc = mbedtls_pk_sign(
		key,
		MBEDTLS_MD_SHA256,
		digest,
		sizeof(digest),
		signature,
		sizeof(signature),
		&signature_len,
		kernel_random,
		NULL
	);
	if (rc != 0)
		return rc;
	uint8_t *tbs = w->start;
	memmove(tbs, w->at, len);
	struct writer tail = {.start = tbs + len, .at = end};
	size_t more =
		put(&tail,
		    mbedtls_asn1_write_bitstring(&tail.at, tail.start, signature, signature_len * 8)
		);
	more += put_algorithm(&tail, type);
	if (tail.failed != 0 || (size_t)(tail.at - tail.start) < 8)
		return MBEDTLS_ERR_ASN1_BUF_TOO_SMALL;
	tail.at -= len;
	memmove(tail.at, tbs, len);
	tail.start = w->start;
	wrap(&tail, len + more, SEQUENCE);
	w->at = tail.at;
	return tail.failed;
}

int ca_crl_write(
	const struct ca_crl_order *o,
	uint8_t *der,
	size_t room,
	char *why,
	size_t why_len
) {
	struct writer w = {.start = der, .at = der + room};
	mbedtls_x509_crt issuer;
	mbedtls_pk_context key;
	int ret = -EINVAL;

	mbedtls_x509_crt_init(&issuer);
	mbedtls_pk_init(&key);
	int rc = mbedtls_x509_crt_parse(
		&issuer,
		(const unsigned char *)o->issuer_certificate,
		strlen(o->issuer_certificate) + 1
	);
	if (rc == 0)
		rc = mbedtls_pk_parse_key(
			&key,
			(const unsigned char *)o->issuer_key,
			strlen(o->issuer_key) + 1,
			NULL,
			0,
			kernel_random,
			NULL
		);
	if (rc == 0)
		rc = write_signed(o, &issuer, &key, &w, der + room);
	if (rc == 0) {
		size_t len = (size_t)(der + room - w.at);
		memmove(der, w.at, len);
		ret = (int)len;
	} else {
		snprintf(why, why_len, "the list cannot be signed (-0x%x)", (unsigned)-rc);
		ret = rc == MBEDTLS_ERR_ASN1_BUF_TOO_SMALL ? -ENOSPC : -EINVAL;
	}
	mbedtls_x509_crt_free(&issuer);
	mbedtls_pk_free(&key);
	return ret;
}

char *ca_crl_pem(const uint8_t *der, size_t len) {
	size_t room = len * 3 / 2 + 200, used;
	char *pem = malloc(room);

	if (pem != NULL
	    && mbedtls_pem_write_buffer(
		       "-----BEGIN X509 CRL-----\n",
		       "-----END X509 CRL-----\n",
		       der,
		       len,
		       (unsigned char *)pem,
		       room,
		       &used
	       ) != 0) {
		free(pem);
		pem = NULL;
	}
	return pem;
}
