// SPDX-License-Identifier: Apache-2.0
// sluice-controld: one thread, one poll loop.
#include "controlplane/api_health.h"
#include "controlplane/http.h"
#include "controlplane/later.h"
#include "controlplane/secret_process.h"

#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TURN_MS 1000
#define BACKUP_EVERY_S 3600
#define BACKUPS_KEPT 24

struct settings {
	const char *config;
	const char *state_dir;
	const char *run_dir;
	const char *metrics;
	uint32_t force_above;
};

static int usage(FILE *to, int status) {
	fprintf(to,
		"usage: sluice-controld [options]\n"
		"  -c, --config FILE     configuration to manage (/etc/sluice/sluice.yaml)\n"
		"  -s, --state-dir DIR   registry and backups (/var/lib/sluice/control)\n"
		"  -r, --run-dir DIR     sockets api.sock, channel.sock (/run/sluice)\n"
		"  -m, --metrics ADDR    address:port of /metrics, or 'off' (127.0.0.1:9464)\n"
		"  -f, --force-above N   devices in good standing that a block may hit without\n"
		"                        --force (10)\n"
		"  -V, --version\n"
		"Exit status: 0 stopped by SIGTERM, 1 could not start, 2 wrong usage.\n");
	return status;
}

static int settings_read(int argc, char **argv, struct settings *s) {
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"state-dir", required_argument, NULL, 's'},
		{"run-dir", required_argument, NULL, 'r'},
		{"metrics", required_argument, NULL, 'm'},
		{"force-above", required_argument, NULL, 'f'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	char *end;
	int opt;

	*s = (struct settings) {
		.config = "/etc/sluice/sluice.yaml",
		.state_dir = "/var/lib/sluice/control",
		.run_dir = "/run/sluice",
		.metrics = "127.0.0.1:9464",
		.force_above = 10,
	};
	while ((opt = getopt_long(argc, argv, "c:s:r:m:f:Vh", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			s->config = optarg;
			break;
		case 's':
			s->state_dir = optarg;
			break;
		case 'r':
			s->run_dir = optarg;
			break;
		case 'm':
			s->metrics = strcmp(optarg, "off") == 0 ? NULL : optarg;
			break;
		case 'f':
			s->force_above = (uint32_t)strtoul(optarg, &end, 10);
			if (*optarg == '-' || end == optarg || *end != '\0')
				return usage(stderr, 2);
			break;
		case 'V':
			puts("sluice-controld " SLUICE_VERSION);
			return 0;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, 2);
		}
	}
	return optind < argc ? usage(stderr, 2) : -1;
}

// --- a corrupt registry: start from the newest backup that is whole

static int newest_backup(const char *state_dir, char *out, size_t room) {
	char pattern[400], why[256];
	glob_t g;
	int ret = -ENOENT;

	snprintf(pattern, sizeof(pattern), "%s/backups/*.db", state_dir);
	if (glob(pattern, 0, NULL, &g) != 0)
		return -ENOENT;
	for (size_t i = g.gl_pathc; i-- > 0 && ret < 0;)
		if (registry_check_file(g.gl_pathv[i], why, sizeof(why)) == 0) {
			snprintf(out, room, "%s", g.gl_pathv[i]);
			ret = 0;
		}
	globfree(&g);
	return ret;
}

static int restore_from(const char *backup, const char *database) {
	char corrupt[400], journal[400];
	struct registry *copy = NULL;
	char why[256];

	snprintf(corrupt, sizeof(corrupt), "%s.corrupt-%" PRId64, database, (int64_t)time(NULL));
	if (rename(database, corrupt) < 0)
		return -errno;
	static const char *const suffixes[] = {"-wal", "-shm"};
	for (size_t i = 0; i < 2; i++) {
		snprintf(journal, sizeof(journal), "%s%s", database, suffixes[i]);
		unlink(journal);
	}
	int ret = registry_open(backup, &copy, why, sizeof(why));
	if (ret == 0)
		ret = registry_backup(copy, database);
	registry_close(copy);
	return ret;
}

static int registry_start(struct control *c) {
	char why[256] = "", backup[400];
	int ret = registry_open(c->database, &c->registry, why, sizeof(why));

	if (ret != -EIO) {
		if (ret < 0)
			fprintf(stderr, "registry %s: %s\n", c->database, why);
		return ret;
	}
	fprintf(stderr, "registry %s is corrupt: %s\n", c->database, why);
	if (newest_backup(c->state_dir, backup, sizeof(backup)) < 0) {
		fprintf(stderr,
			"there is no good backup in %s/backups: restore one with "
			"`sluicectl backup restore`, or move the file away to begin anew\n",
			c->state_dir);
		return ret;
	}
	ret = restore_from(backup, c->database);
	if (ret == 0)
		ret = registry_open(c->database, &c->registry, why, sizeof(why));
	if (ret == 0) {
		snprintf(c->restored_from, sizeof(c->restored_from), "%.290s", backup);
		fprintf(stderr, "started from the backup %s\n", backup);
	}
	return ret;
}

// The last BACKUPS_KEPT hourly copies.
static void backup_hourly(struct control *c, int64_t now) {
	static int64_t due;
	char path[400], pattern[400];
	glob_t g;

	if (due == 0)
		due = now + 60;
	if (now < due)
		return;
	due = now + BACKUP_EVERY_S;
	snprintf(
		path,
		sizeof(path),
		"%s/backups/%012" PRId64 ".db",
		c->state_dir,
		(int64_t)time(NULL)
	);
	int ret = registry_backup(c->registry, path);
	if (ret < 0)
		fprintf(stderr, "hourly backup: %s\n", registry_why(c->registry));
	snprintf(pattern, sizeof(pattern), "%s/backups/*.db", c->state_dir);
	if (glob(pattern, 0, NULL, &g) != 0)
		return;
	for (size_t i = 0; i + BACKUPS_KEPT < g.gl_pathc; i++)
		unlink(g.gl_pathv[i]);
	globfree(&g);
}

static int directory_make(const char *path, mode_t mode) {
	if (mkdir(path, mode) < 0 && errno != EEXIST) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -errno;
	}
	return 0;
}

static int start(struct control *c, const struct settings *s, struct http **http) {
	char path[400], why[300] = "";

	// sluiced is told of it too, and works elsewhere.
	char *absolute = realpath(s->config, NULL);
	snprintf(
		c->config_path,
		sizeof(c->config_path),
		"%s",
		absolute != NULL ? absolute : s->config
	);
	free(absolute);
	snprintf(c->state_dir, sizeof(c->state_dir), "%s", s->state_dir);
	snprintf(c->run_dir, sizeof(c->run_dir), "%s", s->run_dir);
	snprintf(c->database, sizeof(c->database), "%s/registry.db", s->state_dir);
	snprintf(c->sign_socket, sizeof(c->sign_socket), "%.240s/sign.sock", s->run_dir);
	c->force_above = s->force_above;
	c->started_s = (int64_t)time(NULL);
	int ret = directory_make(s->run_dir, 0755);
	if (ret == 0)
		ret = directory_make(s->state_dir, 0700);
	snprintf(path, sizeof(path), "%s/backups", s->state_dir);
	if (ret == 0)
		ret = directory_make(path, 0700);
	if (ret == 0)
		ret = registry_start(c);
	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "%s/channel.sock", s->run_dir);
	ret = link_create(path, c->registry, &c->link);
	if (ret < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(-ret));
		return ret;
	}
	config_adopt(c);
	rules_adopt(c);
	snprintf(path, sizeof(path), "%s/api.sock", s->run_dir);
	ret = http_create(c, path, s->metrics, http, why, sizeof(why));
	if (ret < 0)
		fprintf(stderr, "%s\n", why);
	return ret;
}

static int64_t monotonic_ms(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void serve(struct control *c, struct http *http, int signals) {
	struct pollfd fds[1 + LINK_FDS + HTTP_FDS];

	for (;;) {
		fds[0] = (struct pollfd) {.fd = signals, .events = POLLIN};
		link_poll_prepare(c->link, &fds[1]);
		http_poll_prepare(http, &fds[1 + LINK_FDS]);
		int timeout_ms = later_timeout_ms(c, http_timeout_ms(http, TURN_MS));
		if (poll(fds, 1 + LINK_FDS + HTTP_FDS, timeout_ms) < 0 && errno != EINTR)
			return;
		if (fds[0].revents != 0)
			return;
		link_poll_done(c->link, &fds[1]);
		later_turn(c);
		http_run(http);
		health_tick(c, monotonic_ms());
		backup_hourly(c, monotonic_ms() / 1000);
	}
}

int main(int argc, char **argv) {
	static struct control c;
	struct http *http = NULL;
	struct settings s;
	sigset_t stop;

	int status = settings_read(argc, argv, &s);
	if (status >= 0)
		return status;
	secret_process();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	int signals = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	int ret = start(&c, &s, &http);
	if (ret == 0) {
		fprintf(stderr, "sluice-controld " SLUICE_VERSION " serves %s/api.sock\n", s.run_dir
		);
		serve(&c, http, signals);
		later_end(&c);
		http_run(http);
	}
	http_destroy(http);
	link_destroy(c.link);
	registry_close(c.registry);
	close(signals);
	return ret == 0 ? 0 : 1;
}
