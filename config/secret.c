// SPDX-License-Identifier: Apache-2.0
#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum secret_source secret_source(const char *text, const char **rest) {
	static const struct {
		const char *prefix;
		enum secret_source source;
	} kinds[] = {
		{"file:", SECRET_FILE},
		{"credential:", SECRET_CREDENTIAL},
		{"env:", SECRET_ENV},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].prefix);
		if (strncmp(text, kinds[i].prefix, n) != 0)
			continue;
		*rest = text + n;
		return kinds[i].source;
	}
	*rest = text;
	return SECRET_LITERAL;
}

static int path_join(const char *dir, const char *name, char *path, size_t size) {
	int n = snprintf(path, size, "%s/%s", dir, name);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int secret_path(const char *text, const char *base_dir, char *path, size_t size) {
	const char *name;
	enum secret_source source = secret_source(text, &name);

	if (source == SECRET_CREDENTIAL) {
		const char *dir = getenv("CREDENTIALS_DIRECTORY");
		if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
			return -EINVAL;
		return dir == NULL ? -ENOENT : path_join(dir, name, path, size);
	}
	if (source != SECRET_FILE || name[0] == '\0')
		return -EINVAL;
	if (name[0] != '/')
		return path_join(base_dir, name, path, size);
	if (strlen(name) >= size)
		return -ENAMETOOLONG;
	memcpy(path, name, strlen(name) + 1);
	return 0;
}

// Reads at most size - 1 bytes. The mode is judged on the open file, not on the name.
static int file_read(const char *path, char *out, size_t size, char *why, size_t why_size) {
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int ret = -EINVAL;

	if (fd < 0) {
		ret = -errno;
		snprintf(why, why_size, "cannot open %s: %s", path, strerror(errno));
		return ret;
	}
	ssize_t n = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ? -1 : read(fd, out, size);
	if (n < 0)
		snprintf(why, why_size, "cannot read %s: it must be a regular file", path);
	else if ((st.st_mode & S_IRWXO) != 0)
		snprintf(why, why_size, "%s is open to every user: chmod o-rwx it", path);
	else if ((size_t)n >= size)
		snprintf(why, why_size, "%s is longer than %zu bytes", path, size - 1);
	else if (memchr(out, '\0', (size_t)n) != NULL)
		snprintf(why, why_size, "%s contains a NUL byte", path);
	else
		ret = 0;
	close(fd);

	if (ret < 0) {
		explicit_bzero(out, size);
		return ret;
	}
	if (n > 0 && out[n - 1] == '\n')
		n--;
	out[n] = '\0';
	return 0;
}

static int text_copy(const char *text, char *out, size_t size, char *why, size_t why_size) {
	if (strlen(text) >= size) {
		snprintf(why, why_size, "the secret is longer than %zu bytes", size - 1);
		return -E2BIG;
	}
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

int secret_read(
	const char *text,
	const char *base_dir,
	char *out,
	size_t size,
	char *why,
	size_t why_size
) {
	char path[1024];
	const char *name;
	const char *value = text;
	int ret;

	switch (secret_source(text, &name)) {
	case SECRET_LITERAL:
		ret = text_copy(text, out, size, why, why_size);
		break;
	case SECRET_ENV:
		value = getenv(name);
		if (value == NULL) {
			snprintf(why, why_size, "the environment has no %s", name);
			return -ENOENT;
		}
		ret = text_copy(value, out, size, why, why_size);
		break;
	default:
		ret = secret_path(text, base_dir, path, sizeof(path));
		if (ret == -ENOENT) {
			snprintf(
				why,
				why_size,
				"CREDENTIALS_DIRECTORY is not set: start it by systemd"
			);
			return ret;
		}
		if (ret < 0) {
			snprintf(why, why_size, "the reference names no usable file");
			return ret;
		}
		ret = file_read(path, out, size, why, why_size);
	}
	if (ret == 0 && out[0] == '\0') {
		snprintf(why, why_size, "the secret is empty");
		return -EINVAL;
	}
	return ret;
}
