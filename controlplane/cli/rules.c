// SPDX-License-Identifier: Apache-2.0
// Signature sets from the operator's side: bundles for the API, and the test that needs no daemon.
#include "config/signature.h"
#include "controlplane/cli/command.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIG_DEFAULT "/etc/sluice/sluice.yaml"

int run_rules_file(struct invocation *v) {
	const char *path = v->positional[0], *comment = given_text(v, "comment");
	char *text;
	size_t size;
	int ret = signatures_bundle(path, &text, &size);

	if (ret < 0) {
		fprintf(stderr,
			"sluicectl: %s: %s\n",
			path,
			ret == -ENOENT ? "no such file, or a directory without *.yaml"
				       : strerror(-ret));
		return EXIT_FAILED;
	}
	json_t *body = json_pack("{s:s#}", "text", text, size);
	free(text);
	if (body == NULL) {
		fprintf(stderr, "sluicectl: %s is no UTF-8\n", path);
		return EXIT_REFUSED;
	}
	if (comment != NULL)
		json_object_set_new(body, "comment", json_string(comment));
	return call_and_print(v, v->command->method, v->command->path, body);
}

// sluiced as installed or built beside us, else whatever PATH has.
static void sluiced_exec(char *const *arguments) {
	static const char *const places[] = {"sluiced", "../dataplane/sluiced", "../sbin/sluiced"};
	char self[4096], path[4200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		const char *directory = dirname(self);
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			snprintf(path, sizeof(path), "%s/%s", directory, places[i]);
			execv(path, arguments);
		}
	}
	execvp("sluiced", arguments);
	fprintf(stderr, "sluicectl: sluiced: %s\n", strerror(errno));
	_exit(127);
}

// Its standard output as JSON; NULL with the reason printed. Mistakes go to standard error as they
// are.
static json_t *sluiced_json(char *const *arguments, int *status) {
	int ends[2];
	json_error_t e;

	if (pipe(ends) < 0)
		return NULL;
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		sluiced_exec(arguments);
	}
	close(ends[1]);
	FILE *f = child > 0 ? fdopen(ends[0], "r") : NULL;
	json_t *json = f != NULL ? json_loadf(f, 0, &e) : NULL;
	if (f != NULL)
		fclose(f);
	*status = EXIT_FAILED;
	if (child > 0 && waitpid(child, status, 0) == child)
		*status = WIFEXITED(*status) ? WEXITSTATUS(*status) : EXIT_FAILED;
	return json;
}

int run_rules_test(struct invocation *v) {
	const char *config = given_text(v, "config"), *capture = given_text(v, "replay");
	const char *arguments[8] = {"sluiced", "signatures"};
	int n = 2, status = 0;

	arguments[n++] = "--config";
	arguments[n++] = config != NULL ? config : CONFIG_DEFAULT;
	if (v->positional_count > 0) {
		arguments[n++] = "--set";
		arguments[n++] = v->positional[0];
	}
	if (capture != NULL)
		arguments[n++] = capture;
	json_t *json = sluiced_json((char *const *)(uintptr_t)arguments, &status);
	if (status != 0 || json == NULL) {
		json_decref(json);
		return status == 2 ? EXIT_REFUSED : EXIT_FAILED;
	}
	json_t *hits = json_object_get(json, "hits");
	if (v->json)
		print_json(json);
	else if (hits != NULL)
		print_table(v, v->command->columns, hits);
	else
		print_object(v, json);
	json_decref(json);
	return EXIT_OK;
}
