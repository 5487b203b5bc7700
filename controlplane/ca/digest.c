// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ca/digest.h"

#include <mbedtls/sha256.h>

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void digest_sha256(const void *bytes, size_t len, uint8_t out[DIGEST_BYTES]) {
	if (mbedtls_sha256(bytes, len, out, 0) != 0)
		abort();
}

const char *digest_hex(const uint8_t *bytes, size_t len, char *out) {
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * len] = '\0';
	return out;
}

static int nibble(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int digest_unhex(const char *hex, uint8_t *out, size_t room) {
	size_t n = strlen(hex);

	if (n % 2 != 0 || n / 2 > room)
		return -1;
	for (size_t i = 0; i < n / 2; i++) {
		int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return -1;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return (int)(n / 2);
}

void digest_random(void *out, size_t len) {
	if (getrandom(out, len, 0) != (ssize_t)len)
		abort();
}
