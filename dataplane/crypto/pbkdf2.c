// SPDX-License-Identifier: Apache-2.0
// Apart from digest.c: this one allocates.
#include "dataplane/crypto/digest.h"

#include <mbedtls/pkcs5.h>

bool digest_pbkdf2(
	enum digest_kind kind,
	struct view password,
	struct view salt,
	uint32_t rounds,
	uint8_t *out,
	uint32_t out_len
) {
	static const mbedtls_md_type_t types[] = {
		[DIGEST_SHA1] = MBEDTLS_MD_SHA1,
		[DIGEST_SHA256] = MBEDTLS_MD_SHA256,
		[DIGEST_SHA512] = MBEDTLS_MD_SHA512,
	};

	return mbedtls_pkcs5_pbkdf2_hmac_ext(
		       types[kind], password.p, password.len, salt.p, salt.len, rounds, out_len, out
	       ) == 0;
}
