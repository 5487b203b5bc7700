// SPDX-License-Identifier: Apache-2.0
// Serialised databases on disk, so that a start does not wait for the compiler.
#include "config/durable_file.h"
#include "pipelines/match_set.h"
#include "pipelines/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_MAGIC "SLCHS\0\2\n"
#define CACHE_MAX (1u << 30)

// The body behind it is the databases, one after the other.
struct cache_header {
	char magic[8];
	uint8_t key[32];
	uint8_t body_sha256[32];
	uint64_t bytes[MATCH_PLACES]; // 0: there is none
};
static_assert(sizeof(struct cache_header) == 72 + 8 * MATCH_PLACES);

static void hash_text(struct sha256 *h, const char *text) {
	sha256_update(h, text, strlen(text) + 1);
}

void match_cache_key(
	const struct signature_set *s,
	const hs_platform_info_t *platform,
	uint8_t key[32]
) {
	struct sha256 h;

	sha256_init(&h);
	hash_text(&h, &CACHE_MAGIC[6]);
	hash_text(&h, hs_version());
	sha256_update(&h, &platform->tune, sizeof(platform->tune));
	sha256_update(&h, &platform->cpu_features, sizeof(platform->cpu_features));
	for (uint32_t i = 0; i < s->count; i++) {
		hash_text(&h, s->signatures[i].expression);
		sha256_update(&h, &s->signatures[i].flags, sizeof(s->signatures[i].flags));
		sha256_update(&h, &s->signatures[i].scope, sizeof(s->signatures[i].scope));
	}
	sha256_digest(&h, key);
}

static void body_hash(const uint8_t *body, size_t n, uint8_t out[32]) {
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, body, n);
	sha256_digest(&h, out);
}

static bool read_whole(int fd, void *to, size_t n) {
	uint8_t *p = to;

	while (n > 0) {
		ssize_t got = read(fd, p, n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

static int body_read(int fd, const struct cache_header *h, hs_database_t **databases) {
	uint64_t n = 0, at = 0;
	uint8_t digest[32];

	for (int i = 0; i < MATCH_PLACES; i++) {
		if (h->bytes[i] > CACHE_MAX)
			return -EBADMSG;
		n += h->bytes[i];
	}
	uint8_t *body = malloc(n + 1);
	if (body == NULL)
		return -ENOMEM;
	int ret = read_whole(fd, body, n) ? 0 : -EBADMSG;
	if (ret == 0) {
		body_hash(body, n, digest);
		ret = memcmp(digest, h->body_sha256, sizeof(digest)) == 0 ? 0 : -EBADMSG;
	}
	for (int i = 0; ret == 0 && i < MATCH_PLACES; at += h->bytes[i], i++) {
		if (h->bytes[i] > 0
		    && hs_deserialize_database(
			       (const char *)body + at, (size_t)h->bytes[i], &databases[i]
		       ) != HS_SUCCESS)
			ret = -EBADMSG;
	}
	free(body);
	return ret;
}

int match_cache_load(const char *path, const uint8_t key[32], hs_database_t **databases) {
	struct cache_header h;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int ret;

	if (fd < 0)
		return -errno;
	if (!read_whole(fd, &h, sizeof(h)) || memcmp(h.magic, CACHE_MAGIC, sizeof(h.magic)) != 0)
		ret = -EBADMSG;
	else if (memcmp(h.key, key, sizeof(h.key)) != 0)
		ret = -ESTALE;
	else
		ret = body_read(fd, &h, databases);
	close(fd);
	for (int i = 0; ret < 0 && i < MATCH_PLACES; i++) {
		hs_free_database(databases[i]);
		databases[i] = NULL;
	}
	return ret;
}

static void body_write(FILE *f, struct cache_header *h, char *const *bodies) {
	struct sha256 sum;

	sha256_init(&sum);
	for (int i = 0; i < MATCH_PLACES; i++)
		sha256_update(&sum, bodies[i], (size_t)h->bytes[i]);
	sha256_digest(&sum, h->body_sha256);
	// The commit sees what went wrong.
	(void)fwrite(h, sizeof(*h), 1, f);
	for (int i = 0; i < MATCH_PLACES; i++)
		if (bodies[i] != NULL)
			(void)fwrite(bodies[i], 1, (size_t)h->bytes[i], f);
}

int match_cache_save(const char *path, const uint8_t key[32], hs_database_t *const *databases) {
	struct cache_header h = {.magic = CACHE_MAGIC};
	char *bodies[MATCH_PLACES] = {0};
	struct durable_file f;
	int ret = 0;

	memcpy(h.key, key, sizeof(h.key));
	for (int i = 0; i < MATCH_PLACES; i++) {
		size_t n = 0;
		if (databases[i] == NULL)
			continue;
		if (hs_serialize_database(databases[i], &bodies[i], &n) != HS_SUCCESS)
			ret = -ENOMEM;
		h.bytes[i] = n;
	}
	if (ret == 0)
		ret = durable_file_begin(&f, path, 0600);
	if (ret == 0) {
		body_write(f.stream, &h, bodies);
		ret = durable_file_commit(&f);
	}
	for (int i = 0; i < MATCH_PLACES; i++)
		free(bodies[i]);
	return ret;
}
