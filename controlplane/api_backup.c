// SPDX-License-Identifier: Apache-2.0
// Backup: registry, configuration and the CA in one directory. The keys of the CA leave
// sluice-signd sealed, and can be opened only with its key file, which is not in the backup.
#include "controlplane/api_sign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_write(const char *dir, const char *name, const void *bytes, size_t len) {
	char path[600], part[620];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(part, sizeof(part), "%s.part", path);
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int ret = write(fd, bytes, len) == (ssize_t)len ? 0 : -ENOSPC;
	if (ret == 0 && fsync(fd) < 0)
		ret = -errno;
	close(fd);
	if (ret == 0 && rename(part, path) < 0)
		ret = -errno;
	if (ret < 0)
		unlink(part);
	return ret;
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
	const char *dir = json_string_value(json_object_get(q->json, "directory"));
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
