// SPDX-License-Identifier: Apache-2.0
// X.509 as the appliance's CA needs it: EC P-256 keys, SHA-256 signatures. Keys and certificates
// are PEM text in the caller's memory. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CA_PEM_MAX 8192
#define CA_KEY_MAX 4096
#define CA_SERIAL_BYTES 16

// 0/-errno with `why`; key[CA_KEY_MAX].
int ca_key_make(char *key, char *why, size_t why_len);
// A request of that key's owner, PEM: for a CA that lies elsewhere.
int ca_request(
	const char *key,
	const char *subject,
	char csr[CA_PEM_MAX],
	char *why,
	size_t why_len
);
// Does the private key belong to the certificate? 0, -EINVAL with `why` (also an encrypted key).
int ca_key_fits(const char *key, const char *certificate, char *why, size_t why_len);

enum ca_kind { CA_ROOT, CA_ISSUING, CA_DEVICE };

struct ca_order {
	enum ca_kind kind;
	const char *subject; // "CN=pump-17"
	int64_t not_before_s, not_after_s;
	const char *key; // of the subject, PEM; NULL: from `csr`
	const char *csr; // PEM; its own signature is checked
	const char *issuer_certificate; // NULL: self-signed
	const char *issuer_key;
};

// -EINVAL: CSR, key or subject do not parse, or the CSR is not signed by its key.
int ca_sign(const struct ca_order *o, char certificate[CA_PEM_MAX], char *why, size_t why_len);

struct ca_certificate {
	char serial[2 * 20 + 1];
	char subject[256];
	char issuer[256];
	char cn[128]; // "" if it has none
	char san[256]; // first DNS name or URI of its subjectAltName
	uint8_t sha256[32]; // of the DER
	int64_t not_before_s, not_after_s;
	bool is_ca; // and may sign certificates
	bool self_issued; // issuer and subject are the same name
};

struct mbedtls_x509_crt;
struct mbedtls_x509_time;
// -EINVAL: a name or serial is longer than the struct has room for.
int ca_describe(const struct mbedtls_x509_crt *crt, struct ca_certificate *out);
// At most 20 bytes to hex, without the zero byte that keeps an integer positive.
void ca_serial(const uint8_t *bytes, size_t len, char out[41]);
int64_t ca_seconds(const struct mbedtls_x509_time *t);

// -EINVAL if the text is no certificate.
int ca_inspect(const char *pem, struct ca_certificate *out);
// A CSR that parses and is signed by its own key? For the API, before signd is asked.
int ca_csr_check(const char *pem, char *why, size_t why_len);
// A device id as subject: "CN=...". -EINVAL if it has characters that a name cannot carry.
int ca_subject(const char *device, char *out, size_t room);

// Keys at rest: AES-256-GCM under a key that never lies beside them. sealed = 12 bytes of nonce,
// the text, 16 bytes of tag; room for len + 28. Returns the length.
int ca_seal(const uint8_t kek[32], const void *plain, size_t len, uint8_t *sealed);
// Length of the text, or -EBADMSG: another key, or the file was changed.
int ca_unseal(const uint8_t kek[32], const uint8_t *sealed, size_t len, void *plain);
