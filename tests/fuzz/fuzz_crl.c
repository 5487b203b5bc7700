// SPDX-License-Identifier: Apache-2.0
// Revocation lists as somebody may send them. What opens is walked to its end, and is signed by
// nobody we know.
#include "controlplane/ca/crl.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
	static const char nobody[] =
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	char why[200] = "";
	struct ca_crl_list *l;
	struct ca_revoked e;
	// As api_trust.c: a text has its zero behind it.
	uint8_t *exact = malloc(len + 1);

	if (exact == NULL)
		return 0;
	if (len > 0)
		memcpy(exact, bytes, len);
	exact[len] = '\0';
	size_t whole = len + (memmem(exact, len, "-----BEGIN", 10) != NULL);
	int ret = ca_crl_open(exact, whole, &l, why, sizeof(why));
	if (ret < 0 && why[0] == '\0')
		abort();
	if (ret == 0) {
		while (ca_crl_next(l, &e))
			if (strlen(e.serial) > 40 || strlen(e.serial) < 2 || e.reason == NULL)
				abort();
		if (strlen(ca_crl_head(l)->number) > 40
		    || ca_crl_signed_by(l, nobody, why, sizeof(why)) == 0)
			abort();
		ca_crl_close(l);
	}
	free(exact);
	return 0;
}
