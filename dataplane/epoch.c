// SPDX-License-Identifier: Apache-2.0
#include "config/durable_file.h"
#include "dataplane/epoch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

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
	int ret = durable_file_write(path, text, (size_t)len, 0600);
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
	return durable_file_write(path, key, (size_t)size, 0600);
}
