// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/base64.h"

#include <mbedtls/base64.h>

bool base64_decode(struct view text, uint8_t *out, size_t room, size_t *len) {
	*len = 0;
	return mbedtls_base64_decode(out, room, len, text.p, text.len) == 0;
}
