// SPDX-License-Identifier: Apache-2.0
// Is a certificate signed by somebody who is trusted? One thread.
#pragma once

#include "controlplane/ca/ca.h"

#define CA_CHAIN_MAX 6 // certificates, the device's own included

struct ca_trust;

int ca_trust_create(struct ca_trust **out); // 0 or -ENOMEM
void ca_trust_destroy(struct ca_trust *t); // accepts NULL
// One CA certificate. An anchor is believed, others only help to find the way to one. -EINVAL.
int ca_trust_add(struct ca_trust *t, const char *pem, bool anchor);

#define CA_VERDICTS(X)                                                                             \
	X(CA_TRUSTED, "trusted")                                                                   \
	X(CA_MALFORMED, "malformed")                                                               \
	X(CA_UNTRUSTED, "untrusted-issuer")                                                        \
	X(CA_EXPIRED, "expired")                                                                   \
	X(CA_NOT_YET, "not-yet-valid")                                                             \
	X(CA_WRONG_USE, "not-for-clients")                                                         \
	X(CA_WEAK, "weak-key-or-digest")

enum ca_verdict {
#define X(id, label) id,
	CA_VERDICTS(X)
#undef X
		CA_VERDICT_COUNT
};
const char *ca_verdict_label(enum ca_verdict v);

// The certificate itself first, the anchor last.
struct ca_chain {
	struct ca_certificate certificate[CA_CHAIN_MAX];
	unsigned count;
};

// Verify the first certificate of `pem` now; those behind it help to find the way. `client`: it
// must be usable for client authentication. *out is filled as far as a chain was found.
enum ca_verdict
ca_trust_verify(const struct ca_trust *t, const char *pem, bool client, struct ca_chain *out);

// Calls `each` for every certificate of a PEM bundle, as PEM text. 0, the first result of `each`
// that is not 0, or -EINVAL if it holds no certificate.
int ca_bundle(const char *pem, int (*each)(void *owner, const char *pem), void *owner);

// A device name by a rule: %cn, %san (first DNS name or URI of the subjectAltName) and %serial
// stand for what the certificate says, %% for a percent sign. -EINVAL: the rule is wrong, what it
// asks for is missing, or the name does not fit.
int ca_device_name(const struct ca_certificate *c, const char *rule, char *out, size_t room);
