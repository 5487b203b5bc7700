// SPDX-License-Identifier: Apache-2.0
// The slow methods, apart from auth_secret.c: these allocate and take their time, so that no object
// of a worker may need this one.
#include "dataplane/crypto/digest.h"
#include "dataplane/mqtt/auth_registry.h"
#include "dataplane/mqtt/auth_secret.h"

#include <argon2.h>
#include <crypt.h>
#include <stdlib.h>

static bool
pbkdf2_verify(const struct auth_secret *s, enum digest_kind kind, struct view password) {
	uint8_t digest[AUTH_DIGEST_MAX];
	struct view salt = view_of(s->salt, s->salt_len);

	return digest_pbkdf2(kind, password, salt, s->rounds, digest, s->digest_len)
		&& digest_equal(digest, s->digest, s->digest_len);
}

static bool argon2_check(const char *encoded, struct view password) {
	argon2_type type = memcmp(encoded, "$argon2id$", 10) == 0 ? Argon2_id
		: memcmp(encoded, "$argon2i$", 9) == 0		  ? Argon2_i
								  : Argon2_d;

	return argon2_verify(encoded, password.p, password.len, type) == ARGON2_OK;
}

static bool crypt_verify(const char *encoded, struct view password) {
	char phrase[AUTH_PASSWORD_MAX + 1] = {0};
	struct crypt_data *work = calloc(1, sizeof(*work));
	bool ok = false;

	// crypt(3) takes a string: a password with a NUL inside is not one it can have hashed.
	if (work != nullptr && memchr(password.p, 0, password.len) == nullptr) {
		memcpy(phrase, password.p, password.len);
		const char *got = crypt_r(phrase, encoded, work);
		size_t n = strlen(encoded);
		ok = got != nullptr && strlen(got) == n && digest_equal(got, encoded, n);
		digest_wipe(phrase, sizeof(phrase));
		digest_wipe(work, sizeof(*work));
	}
	free(work);
	return ok;
}

bool auth_secret_verify(const struct auth_secret *s, struct view password) {
	switch (s->method) {
	case AUTH_METHOD_SHA256:
		return auth_secret_sha256(s, password);
	case AUTH_METHOD_PBKDF2_SHA1:
		return pbkdf2_verify(s, DIGEST_SHA1, password);
	case AUTH_METHOD_PBKDF2_SHA256:
		return pbkdf2_verify(s, DIGEST_SHA256, password);
	case AUTH_METHOD_PBKDF2_SHA512:
		return pbkdf2_verify(s, DIGEST_SHA512, password);
	case AUTH_METHOD_ARGON2:
		return argon2_check(s->encoded, password);
	case AUTH_METHOD_CRYPT:
		return crypt_verify(s->encoded, password);
	}
	return false;
}

// A registered device's hash is parsed anew each time: the slow part is to come.
static bool registry_verify(
	const struct auth_registry *r,
	uint32_t index,
	struct view password,
	uint32_t *version
) {
	char text[AUTH_REGISTRY_SECRET + 1];
	struct auth_secret s;
	uint32_t len = auth_registry_secret(r, index, text, version);
	bool ok = len > 0 && auth_secret_parse(view_of((const uint8_t *)text, len), &s)
		&& auth_secret_verify(&s, password);

	digest_wipe(text, sizeof(text));
	digest_wipe(&s, sizeof(s));
	return ok;
}

bool auth_verify(
	const struct auth_table *t,
	uint32_t user,
	struct view password,
	uint32_t *version
) {
	const struct auth_registry *r = t != nullptr ? auth_table_registry_of(t) : nullptr;

	*version = 0;
	if (password.len > AUTH_PASSWORD_MAX)
		return false;
	if (r != nullptr && (user & AUTH_REGISTRY_USER) != 0)
		return registry_verify(r, user & ~AUTH_REGISTRY_USER, password, version);
	const struct auth_secret *s = auth_table_secret(t, user);

	return s != nullptr && password.len <= AUTH_PASSWORD_MAX && auth_secret_verify(s, password);
}
