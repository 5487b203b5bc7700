// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/backend.h"
#include "dataplane/crypto/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// A set of expanded keys shares one home; the victim goes round.
#define WAYS 4
#define KEY_ALIGN 64

enum key_kind : uint8_t { KEY_NONE, KEY_GCM, KEY_HMAC };

struct key_set {
	uint64_t ids[WAYS];
	enum key_kind kinds[WAYS];
	uint8_t victim;
};

struct crypto {
	const struct crypto_backend_ops *ops;
	void *state;
	struct key_set *sets;
	uint32_t set_count; // power of two
	uint32_t key_bytes; // of one expanded key, aligned
	uint8_t *expanded; // set_count * WAYS of them, out of core dumps
	size_t expanded_bytes;
};

void crypto_wipe(void *p, uint32_t len) {
	explicit_bzero(p, len);
}

bool crypto_equal(const void *a, const void *b, uint32_t len) {
	const volatile uint8_t *x = a;
	const volatile uint8_t *y = b;
	uint8_t differs = 0;

	for (uint32_t i = 0; i < len; i++)
		differs |= x[i] ^ y[i];
	return differs == 0;
}

static int memory_reserve(struct crypto *c, uint32_t keys) {
	c->set_count = 1;
	while (c->set_count * WAYS < keys)
		c->set_count *= 2;
	c->key_bytes = (c->ops->key_bytes + KEY_ALIGN - 1) & ~(uint32_t)(KEY_ALIGN - 1);
	c->expanded_bytes = (size_t)c->set_count * WAYS * c->key_bytes;
	c->sets = calloc(c->set_count, sizeof(*c->sets));
	void *m =
		mmap(nullptr,
		     c->expanded_bytes,
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS,
		     -1,
		     0);
	if (m != MAP_FAILED)
		c->expanded = m;
	if (c->sets == nullptr || c->expanded == nullptr)
		return -ENOMEM;
	madvise(c->expanded, c->expanded_bytes, MADV_DONTDUMP);
	return 0;
}

static int crypto_try(const struct crypto_backend_ops *ops, uint32_t keys, struct crypto **out) {
	struct crypto *c = calloc(1, sizeof(*c));

	if (c == nullptr)
		return -ENOMEM;
	c->ops = ops;
	int ret = ops->open(&c->state);
	if (ret == 0)
		ret = memory_reserve(c, keys);
	if (ret == 0 && !crypto_selftest(ops, c->state, c->expanded))
		ret = -ENOTSUP;
	if (ret < 0) {
		crypto_destroy(c);
		return ret;
	}
	*out = c;
	return 0;
}

int crypto_create(enum crypto_backend backend, uint32_t keys, struct crypto **out) {
	int ret = -ENOTSUP;

	if (backend != CRYPTO_MBEDTLS)
		ret = crypto_try(&crypto_ipsec_mb, keys, out);
	if (ret == -ENOTSUP && backend != CRYPTO_IPSEC_MB)
		ret = crypto_try(&crypto_mbedtls, keys, out);
	return ret;
}

const char *crypto_name(const struct crypto *c) {
	return c->ops->name;
}

static void *expanded_at(const struct crypto *c, const struct key_set *set, unsigned way) {
	return c->expanded + ((size_t)(set - c->sets) * WAYS + way) * c->key_bytes;
}

static void way_forget(struct crypto *c, struct key_set *set, unsigned way) {
	if (set->kinds[way] == KEY_GCM)
		c->ops->gcm_forget(expanded_at(c, set, way));
	else if (set->kinds[way] == KEY_HMAC)
		c->ops->hmac_forget(expanded_at(c, set, way));
	set->kinds[way] = KEY_NONE;
	set->ids[way] = 0;
}

void crypto_destroy(struct crypto *c) {
	if (c == nullptr)
		return;
	for (uint32_t i = 0; c->sets != nullptr && i < c->set_count; i++)
		for (unsigned way = 0; way < WAYS; way++)
			way_forget(c, &c->sets[i], way);
	if (c->expanded != nullptr)
		munmap(c->expanded, c->expanded_bytes);
	free(c->sets);
	c->ops->close(c->state);
	free(c);
}

static void *
expand(struct crypto *c, struct key_set *set, const struct crypto_key *key, enum key_kind kind) {
	unsigned way = set->victim;
	void *expanded = expanded_at(c, set, way);

	way_forget(c, set, way);
	bool ok = kind == KEY_GCM ? c->ops->gcm_expand(c->state, expanded, key->bytes)
				  : c->ops->hmac_expand(c->state, expanded, key->bytes, key->len);
	if (!ok)
		return nullptr;
	set->victim = (uint8_t)((way + 1) % WAYS);
	set->ids[way] = key->id;
	set->kinds[way] = kind;
	return expanded;
}

static void *expanded_get(struct crypto *c, const struct crypto_key *key, enum key_kind kind) {
	uint64_t spread = key->id * 0x9e3779b97f4a7c15;
	struct key_set *set = &c->sets[(uint32_t)(spread >> 32) & (c->set_count - 1)];

	for (unsigned way = 0; way < WAYS; way++)
		if (set->ids[way] == key->id && set->kinds[way] == kind)
			return expanded_at(c, set, way);
	return expand(c, set, key, kind);
}

bool gcm_seal(
	struct crypto *c,
	const struct crypto_key *key,
	const uint8_t nonce[GCM_NONCE_BYTES],
	struct view aad,
	struct view in,
	uint8_t *out,
	uint8_t *tag
) {
	void *expanded = expanded_get(c, key, KEY_GCM);

	if (expanded == nullptr)
		return false;
	c->ops->gcm_crypt(c->state, expanded, true, nonce, aad, in, out, tag);
	return true;
}

bool gcm_open(
	struct crypto *c,
	const struct crypto_key *key,
	const uint8_t nonce[GCM_NONCE_BYTES],
	struct view aad,
	struct view in,
	uint8_t *out,
	const uint8_t *tag
) {
	void *expanded = expanded_get(c, key, KEY_GCM);
	uint8_t computed[GCM_TAG_BYTES];

	if (expanded == nullptr)
		return false;
	c->ops->gcm_crypt(c->state, expanded, false, nonce, aad, in, out, computed);
	if (crypto_equal(computed, tag, GCM_TAG_BYTES))
		return true;
	if (in.len > 0)
		memset(out, 0, in.len);
	return false;
}

bool hmac_sha256(
	struct crypto *c,
	const struct crypto_key *key,
	struct view in,
	uint8_t out[SHA256_BYTES]
) {
	void *expanded = expanded_get(c, key, KEY_HMAC);

	// libipsec-mb takes no job for an empty message, and no caller of ours has one.
	if (expanded == nullptr || in.len == 0)
		return false;
	return c->ops->hmac(c->state, expanded, in, out);
}

void sha256(struct crypto *c, struct view in, uint8_t out[SHA256_BYTES]) {
	c->ops->sha256(c->state, in, out);
}
