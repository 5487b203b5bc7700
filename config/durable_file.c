// SPDX-License-Identifier: Apache-2.0
#include "config/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int durable_file_begin(struct durable_file *f, const char *path, mode_t mode) {
	f->stream = NULL;
	if (strlen(path) >= sizeof(f->path))
		return -ENAMETOOLONG;
	snprintf(f->path, sizeof(f->path), "%s", path);
	snprintf(f->part, sizeof(f->part), "%s.part", path);
	int fd = open(f->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
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
	if (ret == 0 && rename(f->part, f->path) < 0)
		ret = -errno;
	if (ret < 0) {
		unlink(f->part);
		return ret;
	}
	return durable_name_sync(f->path);
}

void durable_file_abandon(struct durable_file *f) {
	if (f->stream == NULL)
		return;
	fclose(f->stream);
	f->stream = NULL;
	unlink(f->part);
}

int durable_file_write(const char *path, const void *bytes, size_t len, mode_t mode) {
	struct durable_file f;
	int ret = durable_file_begin(&f, path, mode);

	if (ret < 0)
		return ret;
	(void)fwrite(bytes, 1, len, f.stream); // the commit sees what went wrong
	return durable_file_commit(&f);
}
