// SPDX-License-Identifier: Apache-2.0
// Backup: registry, configuration and the CA in one directory. The keys of the CA leave
// sluice-signd sealed, and can be opened only with its key file, which is not in the backup.
#include "config/config.h"
#include "config/durable_file.h"
#include "controlplane/api_sign.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFERRED_MAX (1u << 20)

static int file_write(const char *dir, const char *name, const void *bytes, size_t len) {
	char path[DURABLE_PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return -ENAMETOOLONG;
	return durable_file_write(path, bytes, len, 0600);
}

static int configuration(struct control *c, const char *dir) {
	int error = 0;
	char *text =
		registry_config_text(c->registry, registry_config_current(c->registry), &error);

	if (text == NULL)
		return error == -ENOENT ? 0 : error;
	int ret = file_write(dir, "sluice.yaml", text, strlen(text));
	free(text);
	return ret;
}

// One file named by the configuration, to the same place below `dir`.
static int referred_file(const char *from, const char *relative, const char *dir, json_t *files) {
	static char bytes[REFERRED_MAX];
	char path[600];
	struct stat s;

	if (stat(from, &s) == 0 && S_ISDIR(s.st_mode))
		return 0;
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, bytes, sizeof(bytes)) : -1;
	int ret = n < 0 ? -errno : n == sizeof(bytes) ? -EFBIG : 0;
	if (fd >= 0)
		close(fd);
	snprintf(path, sizeof(path), "%s/%s", dir, relative);
	for (char *p = path + strlen(dir) + 1; ret == 0 && *p != '\0'; p++)
		if (*p == '/') {
			*p = '\0';
			ret = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
			*p = '/';
		}
	if (ret == 0)
		ret = file_write(dir, relative, bytes, (size_t)n);
	if (ret == 0)
		json_array_append_new(files, json_string(relative));
	return ret;
}

// Profiles in files of their own; those named by an absolute path lie elsewhere on purpose.
static int referred(struct control *c, const char *dir, json_t *files) {
	struct config_error errors[1];
	struct config *loaded = NULL;
	char base[256], pattern[600];
	uint32_t count;
	int ret = 0;

	if (config_load(c->config_path, &loaded, errors, 1, &count) < 0)
		return 0; // nothing in force names any
	snprintf(base, sizeof(base), "%s", c->config_path);
	char *slash = strrchr(base, '/');
	if (slash != NULL)
		*slash = '\0';
	for (uint32_t i = 0; i < loaded->profile_file_count && ret == 0; i++) {
		const char *named = loaded->profile_files[i];
		glob_t g;
		if (named[0] == '/' || strstr(named, "..") != NULL || slash == NULL)
			continue;
		snprintf(pattern, sizeof(pattern), "%s/%s", base, named);
		if (glob(pattern, 0, NULL, &g) != 0)
			continue;
		for (size_t k = 0; k < g.gl_pathc && ret == 0; k++)
			ret = referred_file(
				g.gl_pathv[k], g.gl_pathv[k] + strlen(base) + 1, dir, files
			);
		globfree(&g);
	}
	config_free(loaded);
	return ret;
}

static int authority(const struct sign_reply *s, const char *dir, json_t *files) {
	int ret = 0;

	for (int f = 0; f < SIGN_FILE_COUNT && ret == 0; f++) {
		const struct sign_blob *b = &s->files[f];
		const char *name = sign_file_name((enum sign_file)f);
		if (b->len == 0 || b->len > sizeof(b->bytes))
			continue;
		ret = file_write(dir, name, b->bytes, b->len);
		json_array_append_new(files, json_string(name));
	}
	return ret;
}

static void failed(struct reply *r, int ret, const char *dir) {
	reply_error(
		r,
		ret == -ENOSPC ? 507 : 500,
		"backup-failed",
		"choose a directory sluice-controld may write to",
		"%s: %s",
		dir,
		strerror(-ret)
	);
}

void backup_make(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"directory", JSON_STRING, true, 250}, {"without_ca", JSON_TRUE, false, 0}, {0}
	};
	const struct sign_reply *s = NULL;
	char path[300];

	if (!body_check(q, fields, r))
		return;
	const char *dir = body_text(q, "directory");
	if (dir[0] != '/') {
		reply_error(
			r, 400, "invalid", NULL, "'directory' must be a path from the root (/...)"
		);
		return;
	}
	// A backup that silently has no CA is worse than none.
	if (!json_is_true(json_object_get(q->json, "without_ca"))) {
		sign_question(SIGN_EXPORT);
		s = sign_ask(c, r);
		if (s == NULL)
			return;
	}
	json_t *files = json_pack("[s]", "registry.db");
	int ret = mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
	snprintf(path, sizeof(path), "%s/registry.db", dir);
	if (ret == 0)
		ret = registry_backup(c->registry, path);
	if (ret == 0)
		ret = configuration(c, dir);
	if (ret == 0 && registry_config_current(c->registry) > 0)
		json_array_append_new(files, json_string("sluice.yaml"));
	if (ret == 0)
		ret = referred(c, dir, files);
	if (ret == 0 && s != NULL)
		ret = authority(s, dir, files);
	if (ret == 0) {
		(void)registry_audit(c->registry, &q->author, "backup", dir, NULL, NULL);
		reply_json(r, 200, json_pack("{s:s,s:O}", "directory", dir, "files", files));
	} else {
		failed(r, ret, dir);
	}
	json_decref(files);
}
