// SPDX-License-Identifier: Apache-2.0
// Files, directories and bundles of signatures: everything becomes one text.
#include "config/signature.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BUNDLE_MAX (16u << 20)
#define MARK "--- # file: "

static bool name_wanted(const char *name) {
	size_t n = strlen(name);

	return name[0] != '.' && n > 5 && n < sizeof(((struct signature_part *)0)->name)
		&& strcmp(name + n - 5, ".yaml") == 0;
}

static int entry_wanted(const struct dirent *e) {
	return name_wanted(e->d_name);
}

static int entry_order(const struct dirent **a, const struct dirent **b) {
	return strcmp((*a)->d_name, (*b)->d_name);
}

// Appends a file's text; every line of it stays as it is.
static int file_append(FILE *out, const char *path, size_t *left) {
	char buf[16384];
	size_t n;
	char last = '\n';
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return -errno;
	int ret = 0;
	do {
		n = fread(buf, 1, sizeof(buf), f);
		if (n > *left) {
			ret = -EFBIG;
			break;
		}
		*left -= n;
		if (n > 0)
			last = buf[n - 1];
		if (fwrite(buf, 1, n, out) != n)
			ret = -ENOMEM;
	} while (ret == 0 && n == sizeof(buf));
	if (ret == 0 && ferror(f) != 0)
		ret = -EIO;
	fclose(f);
	if (ret == 0 && last != '\n')
		fputc('\n', out);
	return ret;
}

static int directory_append(FILE *out, const char *path, size_t *left) {
	struct dirent **entries;
	int n = scandir(path, &entries, entry_wanted, entry_order);
	int ret = n == 0 ? -ENOENT : 0;

	if (n < 0)
		return -errno;
	if (n > SIGNATURE_FILES_MAX)
		ret = -E2BIG;
	for (int i = 0; i < n; i++) {
		char name[4096];
		if (ret == 0) {
			snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
			fprintf(out, MARK "%s\n", entries[i]->d_name);
			ret = file_append(out, name, left);
		}
		free(entries[i]);
	}
	free(entries);
	return ret;
}

int signatures_bundle(const char *path, char **text, size_t *size) {
	size_t left = BUNDLE_MAX;
	struct stat s;

	if (stat(path, &s) < 0)
		return -errno;
	FILE *out = open_memstream(text, size);
	if (out == NULL)
		return -ENOMEM;
	int ret = S_ISDIR(s.st_mode) ? directory_append(out, path, &left)
				     : file_append(out, path, &left);
	if (fclose(out) != 0 && ret == 0)
		ret = -ENOMEM;
	if (ret == 0)
		return 0;
	free(*text);
	*text = NULL;
	return ret;
}

// The name on a "--- # file: NAME" line; false for any other line.
static bool mark_read(const char *line, size_t len, char *name, size_t room) {
	const size_t head = sizeof(MARK) - 1;

	if (len <= head || memcmp(line, MARK, head) != 0)
		return false;
	size_t n = len - head;
	if (line[len - 1] == '\r')
		n--;
	if (n == 0 || n >= room || memchr(line + head, '/', n) != NULL)
		return false;
	memcpy(name, line + head, n);
	name[n] = '\0';
	return true;
}

static size_t line_len(const char *text, size_t size) {
	const char *end = memchr(text, '\n', size);

	return end != NULL ? (size_t)(end - text) : size;
}

bool signatures_part(const char *text, size_t size, size_t *at, struct signature_part *out) {
	char ignored[sizeof(out->name)];
	size_t n;

	if (*at >= size)
		return false;
	out->name[0] = '\0';
	n = line_len(text + *at, size - *at);
	if (mark_read(text + *at, n, out->name, sizeof(out->name)))
		*at += *at + n < size ? n + 1 : n;
	out->text = text + *at;
	while (*at < size) {
		n = line_len(text + *at, size - *at);
		if (mark_read(text + *at, n, ignored, sizeof(ignored)))
			break;
		*at += *at + n < size ? n + 1 : n;
	}
	out->size = (size_t)(text + *at - out->text);
	return true;
}

int signatures_load(
	const char *path,
	struct signature_set **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
) {
	char *text = NULL;
	size_t size = 0;

	*count = 0;
	int ret = signatures_bundle(path, &text, &size);
	if (ret < 0)
		return ret;
	ret = signatures_load_text(path, text, size, out, errors, max, count);
	free(text);
	return ret;
}
