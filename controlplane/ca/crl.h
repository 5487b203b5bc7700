// SPDX-License-Identifier: Apache-2.0
// Certificate revocation lists (RFC 5280, section 5): those of outside issuers are read, the own
// one is written. Whole lists only: a delta or a list for some certificates has a critical
// extension, and one with a critical extension that is not understood is refused. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ca_crl {
	char issuer[256];
	char number[2 * 20 + 1]; // hex without leading zeros; "" if it has none
	int64_t this_s, next_s; // next_s 0: it does not say
	uint8_t sha256[32]; // of the DER
};

struct ca_revoked {
	char serial[2 * 20 + 1]; // hex
	int64_t at_s;
	const char *reason; // RFC 5280's word, "unspecified" if none
};

struct ca_crl_list;

// PEM (terminated, len with the zero) or DER. -EINVAL with `why`.
int ca_crl_open(const void *bytes, size_t len, struct ca_crl_list **out, char *why, size_t why_len);
void ca_crl_close(struct ca_crl_list *l); // accepts NULL
const struct ca_crl *ca_crl_head(const struct ca_crl_list *l);
// Did the owner of that certificate sign it, and may he? 0, or -EBADMSG with `why`.
int ca_crl_signed_by(const struct ca_crl_list *l, const char *pem, char *why, size_t why_len);
bool ca_crl_next(struct ca_crl_list *l, struct ca_revoked *out);

struct ca_crl_entry {
	uint8_t serial[20];
	uint8_t serial_len;
	uint8_t reserved[3];
	int64_t at_s;
};
static_assert(sizeof(struct ca_crl_entry) == 32);

struct ca_crl_order {
	const char *issuer_certificate, *issuer_key; // PEM
	int64_t number, this_s, next_s;
	const struct ca_crl_entry *entries;
	uint32_t count;
};
// Bytes of DER, or -EINVAL, -ENOSPC.
int ca_crl_write(
	const struct ca_crl_order *o,
	uint8_t *der,
	size_t room,
	char *why,
	size_t why_len
);
// As PEM; the caller frees it. NULL: out of memory.
char *ca_crl_pem(const uint8_t *der, size_t len);
