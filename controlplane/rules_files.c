// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "config/durable_file.h"
#include "config/signature.h"
#include "controlplane/ca/digest.h"
#include "controlplane/rules_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_ROOM 512

int rules_path(const char *config, char *out, size_t room) {
	struct config_error error;
	struct config *c = NULL;
	uint32_t count = 0;

	int ret = config_load(config, &c, &error, 1, &count);
	if (ret == 0)
		snprintf(out, room, "%s", c->match.signatures);
	config_free(c);
	return ret;
}

// sluiced, another user, must read it.
static int text_write(const char *path, const char *text, size_t len, const char *like) {
	return durable_file_write_like(path, text, len, 0644, like);
}

int rules_announce(const char *path, const char *text, char *out, size_t room) {
	int n = snprintf(out, room, "%s.bundle", path);

	if (n < 0 || (size_t)n >= room)
		return -ENAMETOOLONG;
	return text_write(out, text, strlen(text), path);
}

static void directory_remove(const char *path) {
	char name[PATH_ROOM + 300];
	DIR *d = opendir(path);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.' || (e->d_name[1] != '\0' && e->d_name[1] != '.'))
			unlink(name);
	}
	if (d != NULL)
		closedir(d);
	rmdir(path);
}

static int directory_write(const char *part, const char *text, const char *like) {
	struct signature_part p;
	char name[PATH_ROOM + 300];
	struct stat s;
	size_t at = 0;

	directory_remove(part); // of an apply that was interrupted
	if (stat(like, &s) < 0 || mkdir(part, s.st_mode & 0777) < 0)
		return -errno;
	if (chown(part, s.st_uid, s.st_gid) < 0 && errno != EPERM)
		return -errno;
	int ret = 0;
	while (ret == 0 && signatures_part(text, strlen(text), &at, &p)) {
		snprintf(
			name, sizeof(name), "%s/%s", part, p.name[0] != '\0' ? p.name : "rules.yaml"
		);
		ret = text_write(name, p.text, p.size, like);
	}
	return ret;
}

int rules_swap(const char *path, const char *text) {
	char part[PATH_ROOM];
	struct stat s;

	if (stat(path, &s) < 0)
		return -errno;
	if (!S_ISDIR(s.st_mode))
		return text_write(path, text, strlen(text), path);
	snprintf(part, sizeof(part), "%.500s.part", path);
	int ret = directory_write(part, text, path);
	if (ret == 0 && renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_EXCHANGE) < 0)
		ret = -errno;
	directory_remove(part); // what was in force, or what did not come to be
	return ret;
}

// --- versions: N.yaml with N.json beside it

static void version_path(const char *state_dir, int64_t version, const char *end, char *out) {
	snprintf(out, PATH_ROOM, "%.400s/rules/%" PRId64 ".%s", state_dir, version, end);
}

int64_t rules_version_last(const char *state_dir) {
	char path[PATH_ROOM];
	int64_t last = 0;
	struct dirent *e;

	snprintf(path, sizeof(path), "%.400s/rules", state_dir);
	DIR *d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		char *end;
		int64_t n = strtoll(e->d_name, &end, 10);
		if (n > last && strcmp(end, ".json") == 0)
			last = n;
	}
	if (d != NULL)
		closedir(d);
	return last;
}

int rules_version_add(
	const char *state_dir,
	const struct author *by,
	const char *comment,
	const char *text,
	int64_t *version
) {
	uint8_t digest[DIGEST_BYTES];
	char hex[DIGEST_TEXT], path[PATH_ROOM];

	snprintf(path, sizeof(path), "%.400s/rules", state_dir);
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return -errno;
	*version = rules_version_last(state_dir) + 1;
	version_path(state_dir, *version, "yaml", path);
	int ret = text_write(path, text, strlen(text), NULL);
	if (ret < 0)
		return ret;
	digest_sha256(text, strlen(text), digest);
	digest_hex(digest, sizeof(digest), hex);
	json_t *about = json_pack(
		"{s:I,s:I,s:s,s:s,s:s}",
		"version",
		(json_int_t)*version,
		"at_s",
		(json_int_t)time(NULL),
		"who",
		by->name,
		"comment",
		comment,
		"sha256",
		hex
	);
	// Last: a version without it does not exist.
	version_path(state_dir, *version, "json", path);
	ret = about != NULL && json_dump_file(about, path, JSON_COMPACT) == 0 ? 0 : -EIO;
	json_decref(about);
	return ret;
}

char *rules_version_text(const char *state_dir, int64_t version, int *error) {
	char path[PATH_ROOM], *text = NULL;
	size_t size;

	version_path(state_dir, version, "yaml", path);
	*error = signatures_bundle(path, &text, &size);
	return text;
}

json_t *rules_history(const char *state_dir, int64_t limit) {
	json_t *list = json_array();
	char path[PATH_ROOM];

	for (int64_t v = rules_version_last(state_dir); v > 0 && limit > 0; v--, limit--) {
		json_error_t ignored;
		version_path(state_dir, v, "json", path);
		json_t *about = json_load_file(path, 0, &ignored);
		if (about != NULL)
			json_array_append_new(list, about);
	}
	return list;
}
