// SPDX-License-Identifier: Apache-2.0
// Commands around files: secrets, restore.
#include "config/durable_file.h"
#include "controlplane/cli/command.h"
#include "controlplane/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define FILE_MAX (8u << 20)

int call_and_print(struct invocation *v, const char *method, const char *path, json_t *body) {
	struct answer a;
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	api_call(
		v,
		method,
		path,
		text != NULL ? "application/json" : NULL,
		text,
		text != NULL ? strlen(text) : 0,
		&a
	);
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
	int ret = answer_check(v, &a);
	if (ret == EXIT_OK)
		print_answer(v, a.json);
	answer_free(&a);
	return ret;
}

FILE *input_open(const char *name) {
	FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");

	if (f == NULL)
		fprintf(stderr, "sluicectl: %s: %s\n", name, strerror(errno));
	return f;
}

char *file_text(const char *name) {
	FILE *f = input_open(name);
	char *text = f != NULL ? malloc(FILE_MAX + 1) : NULL;

	if (text != NULL) {
		size_t n = fread(text, 1, FILE_MAX, f);
		text[n] = '\0';
		if (n == FILE_MAX || strlen(text) != n) {
			fprintf(stderr, "sluicectl: %s: too large, or no text\n", name);
			free(text);
			text = NULL;
		}
	}
	if (f != NULL && f != stdin)
		fclose(f);
	return text;
}

// --- secrets

static char *first_line(const char *name) {
	FILE *f = input_open(name);
	char *line = NULL;
	size_t room = 0;
	ssize_t n = f != NULL ? getline(&line, &room, f) : -1;

	if (f != NULL && f != stdin)
		fclose(f);
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		line[--n] = '\0';
	if (n > 0)
		return line;
	free(line);
	return NULL;
}

static char *asked(void) {
	struct termios old, quiet;
	char *line = NULL;
	size_t room = 0;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &old) < 0)
		return NULL;
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	fputs("Password: ", stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	ssize_t n = getline(&line, &room, stdin);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	while (n > 0 && line[n - 1] == '\n')
		line[--n] = '\0';
	return line;
}

int run_credential(struct invocation *v) {
	bool password = strcmp(v->command->verb, "password") == 0;
	const char *file = given_text(v, password ? "password-file" : "key-file");
	const char *kind = given_text(v, "kind"), *number = given_text(v, "number");
	char *secret = file != NULL ? first_line(file) : password ? asked() : NULL;
	char path[512];

	if (secret == NULL) {
		fprintf(stderr,
			"sluicectl: no %s: give --%s FILE\n",
			password ? "password" : "key",
			password ? "password-file" : "key-file");
		return EXIT_USAGE;
	}
	char *escaped = url_escape(v->positional[0]);
	snprintf(path, sizeof(path), "/v1/devices/%.400s/credentials", escaped);
	free(escaped);
	json_t *body = json_pack(
		"{s:s,s:s,s:i}",
		"kind",
		password	       ? "password"
			: kind != NULL ? kind
				       : "hmac-sha-256",
		password ? "password" : "key",
		secret,
		"number",
		number != NULL ? (int)strtol(number, NULL, 10) : 0
	);
	explicit_bzero(secret, strlen(secret));
	free(secret);
	return call_and_print(v, "PUT", path, body);
}

// --- restore: works on files, sluice-controld must not run

static int file_copy(const char *from, FILE *to) {
	char block[65536];
	ssize_t n = 0;
	int in = open(from, O_RDONLY | O_CLOEXEC);

	if (in < 0)
		return -errno;
	while ((n = read(in, block, sizeof(block))) > 0)
		(void)fwrite(block, 1, (size_t)n, to); // the commit sees what went wrong
	int ret = n < 0 ? -errno : 0;
	close(in);
	return ret;
}

// A file belongs to whom its directory belongs: sluice-controld, sluice-signd.
static int owner_as_directory(int fd, const char *to) {
	char dir[700];
	struct stat s;

	snprintf(dir, sizeof(dir), "%s", to);
	char *slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir)
		return 0;
	*slash = '\0';
	if (geteuid() != 0 || stat(dir, &s) < 0)
		return 0;
	return fchown(fd, s.st_uid, s.st_gid) < 0 ? -errno : 0;
}

static int restore_one(const char *dir, const char *name, const char *to) {
	struct durable_file f;
	char from[600];

	snprintf(from, sizeof(from), "%s/%s", dir, name);
	if (access(from, F_OK) < 0)
		return 0;
	int ret = durable_file_begin(&f, to, 0600);
	if (ret == 0)
		ret = file_copy(from, f.stream);
	if (ret == 0)
		ret = owner_as_directory(fileno(f.stream), to);
	if (ret == 0)
		ret = durable_file_commit(&f);
	else
		durable_file_abandon(&f);
	if (ret < 0)
		fprintf(stderr, "sluicectl: %s: %s\n", to, strerror(-ret));
	else
		printf("restored %s\n", to);
	return ret;
}

static int directories_make(const char *state) {
	char path[600];
	int ret = 0;

	snprintf(path, sizeof(path), "%s", state);
	for (char *p = path + 1; ret == 0 && *p != '\0'; p++)
		if (*p == '/') {
			*p = '\0';
			ret = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
			*p = '/';
		}
	if (ret == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
		ret = -errno;
	snprintf(path, sizeof(path), "%s/ca", state);
	if (ret == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
		ret = -errno;
	return ret;
}

// What the configuration names, to its place beside it: profiles/meter.yaml, ...
static int referred_restore(const char *dir, const char *config) {
	char pattern[600], to[900], base[600];
	glob_t g;
	int ret = 0;

	snprintf(base, sizeof(base), "%s", config);
	char *slash = strrchr(base, '/');
	if (slash == NULL)
		snprintf(base, sizeof(base), ".");
	else
		*slash = '\0';
	snprintf(pattern, sizeof(pattern), "%s/*/*", dir);
	if (glob(pattern, 0, NULL, &g) != 0)
		return 0;
	for (size_t i = 0; i < g.gl_pathc && ret == 0; i++) {
		const char *relative = g.gl_pathv[i] + strlen(dir) + 1;
		snprintf(to, sizeof(to), "%s/%.*s", base, (int)strcspn(relative, "/"), relative);
		if (mkdir(to, 0755) < 0 && errno != EEXIST)
			ret = -errno;
		snprintf(to, sizeof(to), "%s/%s", base, relative);
		if (ret == 0)
			ret = restore_one(dir, relative, to);
	}
	globfree(&g);
	return ret;
}

int run_restore(struct invocation *v) {
	static const char *const sealed[] = {
		"root.key", "root.crt", "issuing.key", "issuing.crt", "next.key"
	};
	const char *dir = v->positional[0], *state = given_text(v, "state-dir");
	const char *config = given_text(v, "config");
	char from[600], to[600], why[256];
	struct answer a;

	if (state == NULL)
		state = "/var/lib/sluice/control";
	if (config == NULL)
		config = "/etc/sluice/sluice.yaml";
	api_call(v, "GET", "/v1/status", NULL, NULL, 0, &a);
	bool running = a.status != 0;
	answer_free(&a);
	if (running) {
		fprintf(stderr,
			"sluicectl: stop sluice-controld first; data keep flowing without it\n");
		return EXIT_REFUSED;
	}
	snprintf(from, sizeof(from), "%s/registry.db", dir);
	int ret = registry_check_file(from, why, sizeof(why));
	if (ret < 0) {
		fprintf(stderr, "sluicectl: %s: %s; nothing was replaced\n", from, why);
		return EXIT_REFUSED;
	}
	ret = directories_make(state);
	if (ret < 0)
		fprintf(stderr, "sluicectl: %s: %s\n", state, strerror(-ret));
	static const char *const journals[] = {"-wal", "-shm"};
	for (size_t i = 0; ret == 0 && i < 2; i++) {
		snprintf(to, sizeof(to), "%s/registry.db%s", state, journals[i]);
		unlink(to);
	}
	snprintf(to, sizeof(to), "%s/registry.db", state);
	if (ret == 0)
		ret = restore_one(dir, "registry.db", to);
	if (ret == 0)
		ret = restore_one(dir, "sluice.yaml", config);
	if (ret == 0)
		ret = referred_restore(dir, config);
	for (size_t i = 0; ret == 0 && i < sizeof(sealed) / sizeof(sealed[0]); i++) {
		snprintf(to, sizeof(to), "%s/ca/%s", state, sealed[i]);
		ret = restore_one(dir, sealed[i], to);
	}
	return ret == 0 ? EXIT_OK : EXIT_FAILED;
}
