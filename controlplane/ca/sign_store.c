// SPDX-License-Identifier: Apache-2.0
#include "config/durable_file.h"
#include "controlplane/ca/digest.h"
#include "controlplane/ca/sign_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int kek_read(struct sign_secrets *secret, const char *path) {
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, secret->sealed, sizeof(secret->sealed));
	close(fd);
	if (n < 32)
		return -EINVAL;
	digest_sha256(secret->sealed, (size_t)n, secret->kek);
	explicit_bzero(secret->sealed, sizeof(secret->sealed));
	return 0;
}

int sign_store_open(struct sign_store *s, const char *dir, const char *key_file) {
	void *at =
		mmap(NULL,
		     sizeof(*s->secret),
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		     -1,
		     0);

	if (at == MAP_FAILED || madvise(at, sizeof(*s->secret), MADV_DONTDUMP) < 0
	    || madvise(at, sizeof(*s->secret), MADV_DONTFORK) < 0)
		return -errno;
	(void)mlock(at, sizeof(*s->secret)); // the limit may be too low: swap is the operator's
	s->secret = at;
	s->dir = dir;
	return kek_read(s->secret, key_file);
}

static void path_of(const struct sign_store *s, enum sign_file f, char path[400]) {
	snprintf(path, 400, "%s/%s", s->dir, sign_file_name(f));
}

int sign_read(const struct sign_store *s, enum sign_file f, void *out, size_t room) {
	char path[400];

	path_of(s, f, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, out, room);
	int ret = n < 0 ? -errno : n == (ssize_t)room ? -EFBIG : (int)n;
	close(fd);
	return ret;
}

int sign_text_read(const struct sign_store *s, enum sign_file f, char *out, size_t room) {
	int n = sign_read(s, f, out, room - 1);

	out[n > 0 ? n : 0] = '\0';
	return n < 0 ? n : 0;
}

int sign_write(const struct sign_store *s, enum sign_file f, const void *bytes, size_t len) {
	bool secret = f == SIGN_ROOT_KEY || f == SIGN_ISSUING_KEY || f == SIGN_NEXT_KEY;
	char path[400];

	path_of(s, f, path);
	return durable_file_write(path, bytes, len, secret ? 0600 : 0644);
}

int sign_delete(const struct sign_store *s, enum sign_file f) {
	char path[400];

	path_of(s, f, path);
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	return durable_name_sync(path);
}

int sign_key_read(const struct sign_store *s, enum sign_file f, char key[CA_KEY_MAX]) {
	uint8_t *sealed = s->secret->sealed;
	int n = sign_read(s, f, sealed, sizeof(s->secret->sealed));

	if (n >= CA_KEY_MAX + 28)
		n = -EFBIG;
	if (n >= 0)
		n = ca_unseal(s->secret->kek, sealed, (size_t)n, key);
	if (n >= 0)
		key[n] = '\0';
	return n < 0 ? n : 0;
}

int sign_key_write(const struct sign_store *s, enum sign_file f, const char *key) {
	int n = ca_seal(s->secret->kek, key, strlen(key), s->secret->sealed);

	return n < 0 ? n : sign_write(s, f, s->secret->sealed, (size_t)n);
}
