// SPDX-License-Identifier: Apache-2.0
#include "dataplane/epoch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static int durable_replace(const char *dir, const char *path, const void *bytes, size_t len) {
	char fresh[320];
	int ret = 0;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, bytes, len) != (ssize_t)len || fsync(fd) != 0)
		ret = -errno;
	close(fd);
	if (ret == 0 && rename(fresh, path) != 0)
		ret = -errno;
	if (ret != 0)
		return ret;
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return -errno;
	if (fsync(dirfd) != 0)
		ret = -errno;
	close(dirfd);
	return ret;
}

int epoch_next(const char *state_dir, uint64_t *epoch) {
	char path[300], text[32];
	uint64_t last = 0;

	snprintf(path, sizeof(path), "%s/epoch", state_dir);
	FILE *f = fopen(path, "re");
	if (f != nullptr) {
		if (fscanf(f, "%" SCNu64, &last) != 1)
			last = 0;
		fclose(f);
	}
	uint64_t next = last + 1;
	if (next < (uint64_t)time(nullptr))
		next = (uint64_t)time(nullptr);
	int len = snprintf(text, sizeof(text), "%" PRIu64 "\n", next);
	int ret = durable_replace(state_dir, path, text, (size_t)len);
	if (ret == 0)
		*epoch = next;
	return ret;
}

int identity_key(const char *state_dir, uint64_t key[2]) {
	char path[300];
	ssize_t size = 2 * sizeof(uint64_t);

	snprintf(path, sizeof(path), "%s/identity", state_dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = read(fd, key, (size_t)size);
		close(fd);
		if (n == size)
			return 0;
	}
	if (getrandom(key, (size_t)size, 0) != size)
		return -EIO;
	return durable_replace(state_dir, path, key, (size_t)size);
}
