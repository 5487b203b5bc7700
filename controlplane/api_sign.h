// SPDX-License-Identifier: Apache-2.0
// Questions to sluice-signd, and what the API says of certificates. Main thread.
#pragma once

#include "controlplane/ca/sign_message.h"
#include "controlplane/ca/verify.h"
#include "controlplane/control.h"
#include "controlplane/registry_certificates.h"

// Both are one each: there is one conversation at a time. The question begins as all zeros.
struct sign_request *sign_question(enum sign_op op);

// Ask, bounded. NULL with the reply filled if signd is away or says no. The answer lives until
// the next question; sign_forget() wipes it and the question.
const struct sign_reply *sign_ask(struct control *c, struct reply *r);
void sign_forget(void);

json_t *certificate_json(const char *pem); // null if it is none
json_t *certificate_fields(const struct ca_certificate *i);

// Everything the registry trusts; 0 or -errno of the registry.
int trust_load(struct control *c, struct ca_trust **out);

// Fill a row and the texts it points to.
struct certificate_texts {
	char sha256[CA_CHAIN_MAX][65];
};
struct certificate_row certificate_row_of(
	const struct ca_chain *chain,
	const char *device,
	const char *pem,
	struct certificate_texts *texts
);
