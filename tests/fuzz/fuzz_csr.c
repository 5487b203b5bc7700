// SPDX-License-Identifier: Apache-2.0
// Certificate requests and certificates as somebody may send them.
#include "controlplane/ca/ca.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

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
	(void)ca_inspect(pem, &certificate);
	free(pem);
	return 0;
}
