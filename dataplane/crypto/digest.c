// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/digest.h"

#include <mbedtls/constant_time.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>

void digest_sha256(struct view in, uint8_t out[DIGEST_SHA256_BYTES]) {
	mbedtls_sha256(in.p, in.len, out, 0);
}

bool digest_equal(const void *a, const void *b, size_t n) {
	return mbedtls_ct_memcmp(a, b, n) == 0;
}

void digest_wipe(void *p, size_t n) {
	if (n > 0)
		mbedtls_platform_zeroize(p, n);
}
