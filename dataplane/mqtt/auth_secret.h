// SPDX-License-Identifier: Apache-2.0
// One stored password hash: parsed once, compared in constant time. Pure; any thread.
#pragma once

#include "dataplane/mqtt/auth.h"

#define AUTH_SALT_MAX 64
#define AUTH_DIGEST_MAX 64

struct auth_secret {
	enum auth_method method;
	uint8_t salt_len;
	uint8_t digest_len;
	uint32_t rounds;
	uint8_t salt[AUTH_SALT_MAX];
	uint8_t digest[AUTH_DIGEST_MAX];
	char encoded[AUTH_ENCODED_MAX]; // argon2 and crypt(3)
};

bool auth_secret_parse(struct view text, struct auth_secret *out);

// AUTH_METHOD_SHA256 only; allowed on a worker.
bool auth_secret_sha256(const struct auth_secret *s, struct view password);

// Any method; takes up to a second and allocates.
bool auth_secret_verify(const struct auth_secret *s, struct view password);
