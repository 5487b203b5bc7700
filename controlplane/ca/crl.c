// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ca/ca.h"
#include "controlplane/ca/crl.h"
#include "controlplane/ca/digest.h"

#include <mbedtls/asn1.h>
#include <mbedtls/md.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ca_crl_list {
	mbedtls_x509_crl crl;
	const mbedtls_x509_crl_entry *at;
	struct ca_crl head;
};

static const uint8_t oid_crl_number[] = {0x55, 0x1d, 0x14}; // 2.5.29.20
static const uint8_t oid_reason[] = {0x55, 0x1d, 0x15}; // 2.5.29.21

// The value of one extension of a list of them (SEQUENCE OF Extension in `p`..`end`). NULL: it has
// none, or the list is broken.
static const uint8_t *
extension(uint8_t *p, const uint8_t *end, const uint8_t *oid, size_t oid_len, size_t *len) {
	size_t n;

	if (mbedtls_asn1_get_tag(&p, end, &n, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE))
		return NULL;
	end = p + n;
	while (p < end) {
		int critical;
		if (mbedtls_asn1_get_tag(
			    &p, end, &n, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE
		    ))
			return NULL;
		uint8_t *next = p + n;
		if (mbedtls_asn1_get_tag(&p, next, &n, MBEDTLS_ASN1_OID))
			return NULL;
		bool wanted = n == oid_len && memcmp(p, oid, n) == 0;
		p += n;
		(void)mbedtls_asn1_get_bool(&p, next, &critical);
		if (mbedtls_asn1_get_tag(&p, next, len, MBEDTLS_ASN1_OCTET_STRING))
			return NULL;
		if (wanted)
			return p;
		p = next;
	}
	return NULL;
}

static bool number_read(const mbedtls_x509_crl *crl, char out[41]) {
	size_t len, n;
	const uint8_t *value = extension(
		crl->crl_ext.p,
		crl->crl_ext.p + crl->crl_ext.len,
		oid_crl_number,
		sizeof(oid_crl_number),
		&len
	);

	out[0] = '\0';
	if (value == NULL)
		return true;
	uint8_t *p = (uint8_t *)(uintptr_t)value;
	if (mbedtls_asn1_get_tag(&p, value + len, &n, MBEDTLS_ASN1_INTEGER) != 0 || n == 0
	    || (p[0] & 0x80) != 0)
		return false;
	for (; n > 1 && p[0] == 0; n--)
		p++;
	if (n > 20)
		return false;
	digest_hex(p, n, out);
	// Without a leading zero, so that longer is larger.
	if (out[0] == '0')
		memmove(out, out + 1, strlen(out));
	return true;
}

static int failed(char *why, size_t why_len, const char *text) {
	snprintf(why, why_len, "%s", text);
	return -EINVAL;
}

int ca_crl_open(
	const void *bytes,
	size_t len,
	struct ca_crl_list **out,
	char *why,
	size_t why_len
) {
	struct ca_crl_list *l = calloc(1, sizeof(*l));
	int ret = 0;

	if (l == NULL)
		return -ENOMEM;
	mbedtls_x509_crl_init(&l->crl);
	if (mbedtls_x509_crl_parse(&l->crl, bytes, len) != 0 || l->crl.raw.len == 0)
		ret = failed(why, why_len, "no revocation list, or one with a critical extension");
	else if (l->crl.next != NULL)
		ret = failed(why, why_len, "more than one list: send them one by one");
	else if (!number_read(&l->crl, l->head.number))
		ret = failed(why, why_len, "the list's number is no positive integer");
	else if (mbedtls_x509_dn_gets(l->head.issuer, sizeof(l->head.issuer), &l->crl.issuer) < 0)
		ret = failed(why, why_len, "the issuer's name is too long");
	if (ret < 0) {
		ca_crl_close(l);
		return ret;
	}
	l->head.this_s = ca_seconds(&l->crl.this_update);
	l->head.next_s = l->crl.next_update.year > 0 ? ca_seconds(&l->crl.next_update) : 0;
	digest_sha256(l->crl.raw.p, l->crl.raw.len, l->head.sha256);
	l->at = l->crl.entry.raw.len > 0 ? &l->crl.entry : NULL;
	*out = l;
	return 0;
}

void ca_crl_close(struct ca_crl_list *l) {
	if (l == NULL)
		return;
	mbedtls_x509_crl_free(&l->crl);
	free(l);
}

const struct ca_crl *ca_crl_head(const struct ca_crl_list *l) {
	return &l->head;
}

static int signature_check(const mbedtls_x509_crl *crl, mbedtls_x509_crt *issuer) {
	mbedtls_md_type_t type = crl->MBEDTLS_PRIVATE(sig_md);
	const mbedtls_md_info_t *md = mbedtls_md_info_from_type(type);
	uint8_t digest[64];

	if (md == NULL
	    || (type != MBEDTLS_MD_SHA256 && type != MBEDTLS_MD_SHA384 && type != MBEDTLS_MD_SHA512)
	    || mbedtls_md(md, crl->tbs.p, crl->tbs.len, digest) != 0)
		return -EBADMSG;
	int rc = mbedtls_pk_verify_ext(
		crl->MBEDTLS_PRIVATE(sig_pk),
		crl->MBEDTLS_PRIVATE(sig_opts),
		&issuer->pk,
		type,
		digest,
		mbedtls_md_get_size(md),
		crl->MBEDTLS_PRIVATE(sig).p,
		crl->MBEDTLS_PRIVATE(sig).len
	);
	return rc == 0 ? 0 : -EBADMSG;
}

int ca_crl_signed_by(const struct ca_crl_list *l, const char *pem, char *why, size_t why_len) {
	mbedtls_x509_crt crt;
	int ret = -EBADMSG;

	mbedtls_x509_crt_init(&crt);
	if (mbedtls_x509_crt_parse(&crt, (const unsigned char *)pem, strlen(pem) + 1) != 0)
		snprintf(why, why_len, "the issuer's certificate does not parse");
	else if (l->crl.issuer_raw.len != crt.subject_raw.len
		 || memcmp(l->crl.issuer_raw.p, crt.subject_raw.p, crt.subject_raw.len) != 0)
		snprintf(why, why_len, "another issuer's list");
	else if (mbedtls_x509_crt_check_key_usage(&crt, MBEDTLS_X509_KU_CRL_SIGN) != 0)
		snprintf(why, why_len, "that issuer's certificate may not sign lists");
	else if ((ret = signature_check(&l->crl, &crt)) < 0)
		snprintf(why, why_len, "the signature is not of that issuer's key");
	mbedtls_x509_crt_free(&crt);
	return ret;
}

static const char *reason_of(const mbedtls_x509_crl_entry *e) {
	static const char *const reasons[] = {
		"unspecified",
		"keyCompromise",
		"cACompromise",
		"affiliationChanged",
		"superseded",
		"cessationOfOperation",
		"certificateHold",
		"unspecified", // 7 is not used
		"removeFromCRL",
		"privilegeWithdrawn",
		"aACompromise",
	};
	size_t len = 0;
	// They are the last of the entry; entry_ext.len leaves their own header out.
	const uint8_t *value = e->entry_ext.p == NULL ? NULL
						      : extension(
								e->entry_ext.p,
								e->raw.p + e->raw.len,
								oid_reason,
								sizeof(oid_reason),
								&len
							);
	bool good = value != NULL && len == 3 && value[0] == MBEDTLS_ASN1_ENUMERATED
		&& value[1] == 1 && value[2] < sizeof(reasons) / sizeof(reasons[0]);

	return reasons[good ? value[2] : 0];
}

bool ca_crl_next(struct ca_crl_list *l, struct ca_revoked *out) {
	// Serials longer than RFC 5280 allows belong to no certificate that we accept.
	while (l->at != NULL && l->at->raw.len > 0
	       && (l->at->serial.len > 20 || l->at->serial.len == 0))
		l->at = l->at->next;
	if (l->at == NULL || l->at->raw.len == 0)
		return false;
	ca_serial(l->at->serial.p, l->at->serial.len, out->serial);
	out->at_s = ca_seconds(&l->at->revocation_date);
	out->reason = reason_of(l->at);
	l->at = l->at->next;
	return true;
}
