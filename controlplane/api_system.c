// SPDX-License-Identifier: Apache-2.0
// Status, counters, audit, backup, doctor.
#include "controlplane/control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define EXPIRY_WARNING_S (30 * 86400)
#define DISK_LOW_BYTES (256ull << 20)

static json_t *link_json(struct control *c) {
	const struct link_state *s = link_state(c->link);

	return json_pack(
		"{s:b,s:i,s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:s}",
		"connected",
		s->connected,
		"pid",
		(int)s->pid,
		"workers",
		(int)s->workers,
		"epoch",
		(json_int_t)s->epoch,
		"registry_version",
		(json_int_t)s->registry_version,
		"apply_ns",
		(json_int_t)s->apply_ns,
		"events",
		(json_int_t)s->events,
		"refused_versions",
		(json_int_t)s->refused,
		"malformed",
		(json_int_t)s->malformed,
		"build",
		s->build
	);
}

static int64_t expiring(struct control *c) {
	int error = 0;
	char *text = registry_certificate_list(
		c->registry, (int64_t)time(NULL), EXPIRY_WARNING_S, &error
	);
	json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL;
	int64_t n = (int64_t)json_array_size(json_object_get(list, "certificates"));

	json_decref(list);
	free(text);
	return n;
}

static uint64_t disk_free(const char *dir) {
	struct statvfs v;
	return statvfs(dir, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : 0;
}

static void problem(json_t *list, bool is, const char *text, const char *what_to_do) {
	if (is)
		json_array_append_new(
			list, json_pack("{s:s,s:s}", "problem", text, "what_to_do", what_to_do)
		);
}

// A counter of the data plane by its whole name, 0 if it has none.
static uint64_t counter(struct control *c, const char *name) {
	uint32_t n;
	const struct channel_counter *list = link_counters(c->link, &n);

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return list[i].value;
	return 0;
}

static json_t *problems(struct control *c) {
	const struct link_state *s = link_state(c->link);
	json_t *list = json_array();
	uint32_t counters;

	link_counters(c->link, &counters);
	problem(list,
		!s->connected,
		"no data plane is connected",
		"start sluiced; devices keep the last registry and configuration");
	problem(list,
		s->connected && s->registry_version < registry_version(c->registry),
		"the data plane does not have the last registry change yet",
		"wait a second; if it stays, see the log of sluiced");
	problem(list,
		s->connected && counters > 0 && counter(c, "ledger_balanced") == 0,
		"the ledger does not balance",
		"`sluicectl status --json` and the log of sluiced name the equation");
	problem(list,
		disk_free(c->state_dir) < DISK_LOW_BYTES,
		"the disk of the registry is nearly full",
		"free space; changes are refused when it is full, data keep flowing");
	problem(list,
		c->restored_from[0] != '\0',
		"the registry was corrupt and a backup took its place",
		"`sluicectl audit list` shows the last change it has; repeat what came after");
	problem(list,
		expiring(c) > 0,
		"certificates expire within 30 days",
		"`sluicectl cert list --expiring 30d`, then `sluicectl cert renew`");
	return list;
}

void status_show(struct control *c, struct request *q, struct reply *r) {
	int error = 0;
	char *summary = registry_summary(c->registry, &error);

	if (summary == NULL) {
		reply_errno(r, error, "registry", registry_why(c->registry));
		return;
	}
	json_t *list = problems(c);
	json_t *json = json_pack(
		"{s:b,s:o,s:o,s:o,s:{s:s,s:I,s:I,s:I}}",
		"all_right",
		json_array_size(list) == 0,
		"problems",
		list,
		"registry",
		json_loads(summary, 0, NULL),
		"data_plane",
		link_json(c),
		"control_plane",
		"build",
		SLUICE_VERSION,
		"started_s",
		(json_int_t)c->started_s,
		"requests",
		(json_int_t)c->requests,
		"disk_free",
		(json_int_t)disk_free(c->state_dir)
	);
	free(summary);
	json_object_set_new(
		json, "records_per_s", json_integer((json_int_t)counter(c, "records_per_second"))
	);
	reply_json(r, 200, json);
}

void counters_show(struct control *c, struct request *q, struct reply *r) {
	uint32_t n;
	const struct channel_counter *list = link_counters(c->link, &n);
	json_t *all = json_object();

	for (uint32_t i = 0; i < n; i++)
		json_object_set_new(all, list[i].name, json_integer((json_int_t)list[i].value));
	reply_json(r, 200, json_pack("{s:o}", "counters", all));
}

void events_show(struct control *c, struct request *q, struct reply *r) {
	json_t *list = json_array();
	char name[CHANNEL_NAME_MAX + 1], address[INET6_ADDRSTRLEN];
	const struct channel_event *e;

	for (uint32_t i = 0; (e = link_event(c->link, i)) != NULL; i++) {
		memcpy(name, e->name, e->name_len);
		name[e->name_len] = '\0';
		address[0] = '\0';
		if (e->peer.family != 0)
			inet_ntop(
				e->peer.family == 4 ? AF_INET : AF_INET6,
				e->peer.bytes,
				address,
				sizeof(address)
			);
		json_t *device = json_string(name);
		json_array_append_new(
			list,
			json_pack(
				"{s:I,s:o,s:s,s:s,s:s,s:s,s:I}",
				"at_ns",
				(json_int_t)e->wall_ns,
				"device",
				device != NULL ? device : json_string("(not UTF-8)"),
				"event",
				channel_event_label((enum channel_event_kind)e->kind),
				"reason",
				e->reason,
				"address",
				address,
				"transport",
				e->transport,
				"times",
				(json_int_t)(e->repeated > 0 ? e->repeated : 1)
			)
		);
	}
	reply_json(r, 200, json_pack("{s:o}", "events", list));
}

static void check_add(json_t *list, const char *check, bool ok, const char *what_to_do) {
	json_array_append_new(
		list,
		json_pack(
			"{s:s,s:b,s:s}",
			"check",
			check,
			"ok",
			ok,
			"what_to_do",
			ok ? "" : what_to_do
		)
	);
}

static bool others_may_read(const char *path) {
	struct stat s;
	return stat(path, &s) == 0 && (s.st_mode & 077) != 0;
}

void doctor_show(struct control *c, struct request *q, struct reply *r) {
	json_t *list = json_array();
	uint64_t entries = 0;

	check_add(
		list,
		"the data plane is connected",
		link_state(c->link)->connected,
		"start sluiced; both must use the same run_dir"
	);
	check_add(
		list,
		"the data plane has the whole registry",
		link_state(c->link)->registry_version == registry_version(c->registry),
		"see the log of sluiced: the device table may be full"
	);
	check_add(
		list,
		"the audit log is unbroken",
		registry_audit_verify(c->registry, &entries) == 0,
		"somebody changed the registry file: `sluicectl audit verify`, restore a backup"
	);
	check_add(
		list,
		"the configuration file can be read",
		access(c->config_path, R_OK) == 0,
		"give sluice-controld read permission, or --config the right path"
	);
	check_add(
		list,
		"the configuration can be changed",
		access(c->config_path, W_OK) == 0,
		"give sluice-controld write permission to the file and its directory"
	);
	check_add(
		list,
		"only sluice-controld reads the registry",
		!others_may_read(c->database),
		"chmod 600 the registry file"
	);
	check_add(
		list,
		"there is disk space",
		disk_free(c->state_dir) >= DISK_LOW_BYTES,
		"free at least 256 MiB where the registry lies"
	);
	check_add(
		list,
		"the signing daemon runs",
		access(c->sign_socket, W_OK) == 0,
		"start sluice-signd; certificates cannot be issued until then"
	);
	reply_json(r, 200, json_pack("{s:o}", "checks", list));
}

void audit_list(struct control *c, struct request *q, struct reply *r) {
	int64_t before, limit;
	int error = 0;

	if (!query_number(q, "before", 0, INT64_MAX, &before, r)
	    || !query_number(q, "limit", 50, 10000, &limit, r))
		return;
	char *json = registry_audit_list(c->registry, before, limit, &error);
	if (json == NULL)
		reply_errno(r, error, "audit log", registry_why(c->registry));
	else
		reply_text(r, 200, json);
}

void audit_verify(struct control *c, struct request *q, struct reply *r) {
	uint64_t entries = 0;
	int ret = registry_audit_verify(c->registry, &entries);

	if (ret < 0 && ret != -EBADMSG) {
		reply_errno(r, ret, "audit log", registry_why(c->registry));
		return;
	}
	reply_json(
		r,
		200,
		json_pack(
			"{s:b,s:I,s:o}",
			"unbroken",
			ret == 0,
			"entries",
			(json_int_t)entries,
			"first_broken",
			ret == 0 ? json_null() : json_integer((json_int_t)entries)
		)
	);
}

// --- backup: registry, configuration and the CA's sealed keys in one directory

static int file_copy(const char *from, const char *to) {
	char block[65536];
	ssize_t n = 0;
	int ret = 0;
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = in >= 0 ? open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	if (in < 0 || out < 0)
		ret = -errno;
	while (ret == 0 && (n = read(in, block, sizeof(block))) > 0)
		if (write(out, block, (size_t)n) != n)
			ret = -ENOSPC;
	if (ret == 0 && (n < 0 || fsync(out) < 0))
		ret = -EIO;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return ret;
}

static int backup_files(struct control *c, const char *dir) {
	static const char *const sealed[] = {"root.key", "root.crt", "issuing.key", "issuing.crt"};
	char from[600], to[600];

	snprintf(to, sizeof(to), "%s/registry.db", dir);
	int ret = registry_backup(c->registry, to);
	snprintf(to, sizeof(to), "%s/sluice.yaml", dir);
	if (ret == 0 && access(c->config_path, F_OK) == 0)
		ret = file_copy(c->config_path, to);
	for (size_t i = 0; i < sizeof(sealed) / sizeof(sealed[0]) && ret == 0; i++) {
		snprintf(from, sizeof(from), "%s/ca/%s", c->state_dir, sealed[i]);
		snprintf(to, sizeof(to), "%s/%s", dir, sealed[i]);
		if (access(from, R_OK) == 0)
			ret = file_copy(from, to);
	}
	return ret;
}

void backup_make(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {{"directory", JSON_STRING, true, 250}, {0}};

	if (!body_check(q, fields, r))
		return;
	const char *dir = json_string_value(json_object_get(q->json, "directory"));
	if (dir[0] != '/') {
		reply_error(
			r, 400, "invalid", NULL, "'directory' must be a path from the root (/...)"
		);
		return;
	}
	int ret = mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
	if (ret == 0)
		ret = backup_files(c, dir);
	if (ret < 0) {
		reply_error(
			r,
			ret == -ENOSPC ? 507 : 500,
			"backup-failed",
			"choose a directory sluice-controld may write to",
			"%s: %s",
			dir,
			strerror(-ret)
		);
		return;
	}
	(void)registry_audit(c->registry, &q->author, "backup", dir, NULL, NULL);
	reply_json(r, 200, json_pack("{s:s}", "directory", dir));
}
