// SPDX-License-Identifier: Apache-2.0
#include "config/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int part_open(struct durable_file *f, const char *path, mode_t mode) {
	if (strlen(path) >= sizeof(f->path))
		return -ENAMETOOLONG;
	snprintf(f->path, sizeof(f->path), "%s", path);
	snprintf(f->part, sizeof(f->part), "%s.part", path);
	int fd = open(f->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	return fd < 0 ? -errno : fd;
}

int durable_file_begin(struct durable_file *f, const char *path, mode_t mode) {
	f->stream = NULL;
	int fd = part_open(f, path, mode);
	if (fd < 0)
		return fd;
	f->stream = fdopen(fd, "w");
	if (f->stream != NULL)
		return 0;
	int ret = -errno;
	close(fd);
	unlink(f->part);
	return ret;
}

int durable_name_sync(const char *path) {
	char dir[DURABLE_PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);

	if (len >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, len);
	dir[len] = '\0';
	if (len == 0)
		snprintf(dir, sizeof(dir), "%s", slash != NULL ? "/" : ".");
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int ret = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

// `ret`: how writing the part went.
static int part_rename(const struct durable_file *f, int ret) {
	if (ret == 0 && rename(f->part, f->path) < 0)
		ret = -errno;
	if (ret < 0) {
		unlink(f->part);
		return ret;
	}
	return durable_name_sync(f->path);
}

static int last_error(void) {
	return errno != 0 ? -errno : -EIO;
}

int durable_file_commit(struct durable_file *f) {
	int ret = 0;

	errno = 0;
	if (ferror(f->stream) || fflush(f->stream) != 0 || fsync(fileno(f->stream)) < 0)
		ret = last_error();
	if (fclose(f->stream) != 0 && ret == 0)
		ret = last_error();
	f->stream = NULL;
	return part_rename(f, ret);
}

void durable_file_abandon(struct durable_file *f) {
	if (f->stream == NULL)
		return;
	fclose(f->stream);
	f->stream = NULL;
	unlink(f->part);
}

// --- the whole at once: without stdio, for sluice-signd may make few system calls

int durable_file_write(const char *path, const void *bytes, size_t len, mode_t mode) {
	return durable_file_write_like(path, bytes, len, mode, NULL);
}

static int look_like(int fd, const char *other) {
	struct stat s;

	if (other == NULL || stat(other, &s) < 0)
		return 0;
	if (fchmod(fd, s.st_mode & 0666) < 0 || fchown(fd, s.st_uid, s.st_gid) < 0)
		return errno == EPERM ? 0 : -errno;
	return 0;
}

static int whole_write(int fd, const char *bytes, size_t len) {
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		bytes += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int durable_file_write_like(
	const char *path,
	const void *bytes,
	size_t len,
	mode_t mode,
	const char *like
) {
	struct durable_file f;
	int fd = part_open(&f, path, mode);

	if (fd < 0)
		return fd;
	int ret = look_like(fd, like);
	if (ret == 0)
		ret = whole_write(fd, bytes, len);
	if (close(fd) < 0 && ret == 0)
		ret = -errno;
	return part_rename(&f, ret);
}
