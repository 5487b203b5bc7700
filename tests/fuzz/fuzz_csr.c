// SPDX-License-Identifier: Apache-2.0
// Certificate requests and certificates as somebody may send them.
#include "controlplane/ca/verify.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static int count(void *owner, const char *pem) {
	struct ca_certificate c;
	(void)ca_inspect(pem, &c);
	return ++*(unsigned *)owner > 100;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
	struct ca_certificate certificate;
	char why[200] = "";
	char *pem = malloc(len + 1);

	if (pem == NULL)
		return 0;
	if (len > 0)
		memcpy(pem, bytes, len);
	pem[len] = '\0';
	if (ca_csr_check(pem, why, sizeof(why)) < 0 && why[0] == '\0')
		abort();
	char name[65];
	unsigned certificates = 0;
	struct ca_chain chain;
	struct ca_trust *t;
	if (ca_inspect(pem, &certificate) == 0)
		(void)ca_device_name(&certificate, "%cn-%san-%serial", name, sizeof(name));
	(void)ca_bundle(pem, count, &certificates);
	// Whatever it is, it may be trusted and asked for: an anchor is its own way.
	if (ca_trust_create(&t) == 0) {
		(void)ca_trust_add(t, pem, true);
		(void)ca_trust_verify(t, pem, true, &chain);
		ca_trust_destroy(t);
	}
	free(pem);
	return 0;
}
