// SPDX-License-Identifier: Apache-2.0
// One implementation of the primitives. Not for use outside dataplane/crypto/.
//
// `expanded` is the backend's form of a key: key_bytes of 64-byte aligned memory that crypto.c
// owns. A failed expansion leaves nothing to forget.
#pragma once

#include "dataplane/crypto/crypto.h"

struct crypto_backend_ops {
	const char *name;
	uint32_t key_bytes;
	int (*open)(void **state); // 0, -ENOTSUP, -ENOMEM
	void (*close)(void *state);
	bool (*gcm_expand)(void *state, void *expanded, const uint8_t key[GCM_KEY_BYTES]);
	void (*gcm_forget)(void *expanded);
	// Encrypts or decrypts and computes the tag of the ciphertext.
	void (*gcm_crypt)(
		void *state,
		void *expanded,
		bool encrypt,
		const uint8_t *nonce,
		struct view aad,
		struct view in,
		uint8_t *out,
		uint8_t *tag
	);
	bool (*hmac_expand)(void *state, void *expanded, const uint8_t *key, uint8_t len);
	void (*hmac_forget)(void *expanded);
	bool (*hmac)(void *state, void *expanded, struct view in, uint8_t *out);
	void (*sha256)(void *state, struct view in, uint8_t *out);
};

extern const struct crypto_backend_ops crypto_ipsec_mb;
extern const struct crypto_backend_ops crypto_mbedtls;

// Published vectors (selftest.c). True if the backend computes every one of them.
bool crypto_selftest(const struct crypto_backend_ops *ops, void *state, void *expanded);
