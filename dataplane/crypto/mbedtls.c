// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/backend.h"

#include <mbedtls/gcm.h>
#include <mbedtls/sha256.h>

#include <string.h>

#define SHA256_BLOCK 64

struct hmac_states {
	mbedtls_sha256_context inner;
	mbedtls_sha256_context outer;
};

union expanded {
	mbedtls_gcm_context gcm;
	struct hmac_states hmac;
};

static int tls_open(void **state) {
	*state = nullptr;
	return 0;
}

static void tls_close(void *) {}

static bool tls_gcm_expand(void *, void *expanded, const uint8_t key[GCM_KEY_BYTES]) {
	union expanded *e = expanded;

	mbedtls_gcm_init(&e->gcm);
	if (mbedtls_gcm_setkey(&e->gcm, MBEDTLS_CIPHER_ID_AES, key, GCM_KEY_BYTES * 8) == 0)
		return true;
	mbedtls_gcm_free(&e->gcm);
	return false;
}

static void tls_gcm_forget(void *expanded) {
	union expanded *e = expanded;

	mbedtls_gcm_free(&e->gcm);
	crypto_wipe(e, sizeof(*e));
}

static void tls_gcm_crypt(
	void *,
	void *expanded,
	bool encrypt,
	const uint8_t *nonce,
	struct view aad,
	struct view in,
	uint8_t *out,
	uint8_t *tag
) {
	union expanded *e = expanded;

	mbedtls_gcm_crypt_and_tag(
		&e->gcm,
		encrypt ? MBEDTLS_GCM_ENCRYPT : MBEDTLS_GCM_DECRYPT,
		in.len,
		nonce,
		GCM_NONCE_BYTES,
		aad.p,
		aad.len,
		in.p,
		out,
		GCM_TAG_BYTES,
		tag
	);
}

static void pad_start(mbedtls_sha256_context *c, const uint8_t *key, uint8_t len, uint8_t pad) {
	uint8_t block[SHA256_BLOCK];

	memset(block, pad, sizeof(block));
	for (uint8_t i = 0; i < len; i++)
		block[i] ^= key[i];
	mbedtls_sha256_init(c);
	mbedtls_sha256_starts(c, 0);
	mbedtls_sha256_update(c, block, sizeof(block));
	crypto_wipe(block, sizeof(block));
}

static bool tls_hmac_expand(void *, void *expanded, const uint8_t *key, uint8_t len) {
	union expanded *e = expanded;

	pad_start(&e->hmac.inner, key, len, 0x36);
	pad_start(&e->hmac.outer, key, len, 0x5c);
	return true;
}

static void tls_hmac_forget(void *expanded) {
	union expanded *e = expanded;

	mbedtls_sha256_free(&e->hmac.inner);
	mbedtls_sha256_free(&e->hmac.outer);
	crypto_wipe(e, sizeof(*e));
}

static bool tls_hmac(void *, void *expanded, struct view in, uint8_t *out) {
	union expanded *e = expanded;
	mbedtls_sha256_context c;
	uint8_t inner[SHA256_BYTES];

	mbedtls_sha256_init(&c);
	mbedtls_sha256_clone(&c, &e->hmac.inner);
	mbedtls_sha256_update(&c, in.p, in.len);
	mbedtls_sha256_finish(&c, inner);
	mbedtls_sha256_clone(&c, &e->hmac.outer);
	mbedtls_sha256_update(&c, inner, sizeof(inner));
	mbedtls_sha256_finish(&c, out);
	mbedtls_sha256_free(&c);
	return true;
}

static void tls_sha256(void *, struct view in, uint8_t *out) {
	mbedtls_sha256(in.p, in.len, out, 0);
}

const struct crypto_backend_ops crypto_mbedtls = {
	.name = "mbedtls",
	.key_bytes = sizeof(union expanded),
	.open = tls_open,
	.close = tls_close,
	.gcm_expand = tls_gcm_expand,
	.gcm_forget = tls_gcm_forget,
	.gcm_crypt = tls_gcm_crypt,
	.hmac_expand = tls_hmac_expand,
	.hmac_forget = tls_hmac_forget,
	.hmac = tls_hmac,
	.sha256 = tls_sha256,
};
