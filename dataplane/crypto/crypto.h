// SPDX-License-Identifier: Apache-2.0
// AES-128-GCM, HMAC-SHA-256 and SHA-256 for packet workers, behind one table of functions chosen at
// start: libipsec-mb where the CPU allows it and its self-test passes, Mbed TLS otherwise.
//
// A struct crypto belongs to one worker: it holds a bounded cache of expanded keys, addressed by
// the caller's key handle, so that the usual frame costs no key expansion. Keys are wiped when they
// leave the cache. Except for crypto_create/destroy nothing allocates with libipsec-mb; Mbed TLS
// allocates one block when it expands a GCM key.
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

#define GCM_KEY_BYTES 16
#define GCM_NONCE_BYTES 12
#define GCM_TAG_BYTES 16
#define SHA256_BYTES 32
#define HMAC_KEY_MAX 64

struct crypto;

enum crypto_backend : uint8_t { CRYPTO_AUTO, CRYPTO_IPSEC_MB, CRYPTO_MBEDTLS };

// Main thread, one per worker; runs the self-test with published vectors. `keys` is how many
// expanded keys to keep (rounded up to a power of two). -ENOMEM, -ENOTSUP if the backend asked
// for is not usable on this machine.
int crypto_create(enum crypto_backend backend, uint32_t keys, struct crypto **out);
void crypto_destroy(struct crypto *c); // accepts NULL; wipes every key
const char *crypto_name(const struct crypto *c); // "ipsec-mb" or "mbedtls"

// A key as its owner keeps it. `id` is never 0 and never used again for other bytes.
struct crypto_key {
	uint64_t id;
	const uint8_t *bytes;
	uint8_t len; // 16 for GCM, 16..64 for HMAC
};

// in and out may be the same memory. `tag` is 16 bytes. False if the key could not be expanded
// (Mbed TLS out of memory); nothing is written then.
bool gcm_seal(
	struct crypto *c,
	const struct crypto_key *key,
	const uint8_t nonce[GCM_NONCE_BYTES],
	struct view aad,
	struct view in,
	uint8_t *out,
	uint8_t *tag
);
// False if the tag does not fit; `out` then holds zeros, never plaintext.
bool gcm_open(
	struct crypto *c,
	const struct crypto_key *key,
	const uint8_t nonce[GCM_NONCE_BYTES],
	struct view aad,
	struct view in,
	uint8_t *out,
	const uint8_t *tag
);
// `in` is not empty.
bool hmac_sha256(
	struct crypto *c,
	const struct crypto_key *key,
	struct view in,
	uint8_t out[SHA256_BYTES]
);
void sha256(struct crypto *c, struct view in, uint8_t out[SHA256_BYTES]);

// Time depends on len only.
bool crypto_equal(const void *a, const void *b, uint32_t len);
void crypto_wipe(void *p, uint32_t len);
