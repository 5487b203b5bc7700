// SPDX-License-Identifier: Apache-2.0
// sluicectl profile: questions to a configuration file, answered by the code that will run it.
// `sluiced profile` does the work, so no second decoder or mapper can say something else.
#include "controlplane/cli/command.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX (2 * GIVEN_MAX + POSITIONAL_MAX + 8)

// $SLUICED, else the one that was installed beside us, else the one in $PATH.
static const char *sluiced_find(char *room, size_t size) {
	const char *named = getenv("SLUICED");
	char self[512];

	if (named != NULL)
		return named;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0)
		return "sluiced";
	self[n] = '\0';
	snprintf(room, size, "%s/sluiced", dirname(self));
	return access(room, X_OK) == 0 ? room : "sluiced";
}

static int wait_for(pid_t child) {
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILED;
	if (!WIFEXITED(status))
		return EXIT_FAILED;
	switch (WEXITSTATUS(status)) {
	case 0:
		return EXIT_OK;
	case 2: // configuration, usage, no such profile
		return EXIT_UNKNOWN;
	case 4: // profile test: it would be refused
		return EXIT_NOT_RIGHT;
	default:
		return EXIT_FAILED;
	}
}

int run_profile(struct invocation *v) {
	char room[600], options[GIVEN_MAX][80];
	const char *words[WORDS_MAX];
	int n = 0;

	words[n++] = sluiced_find(room, sizeof(room));
	words[n++] = "profile";
	words[n++] = v->command->verb;
	for (int i = 0; i < v->given_count; i++) {
		snprintf(options[i], sizeof(options[i]), "--%s", v->given[i].option->name);
		words[n++] = options[i];
		words[n++] = v->given[i].value;
	}
	if (v->json)
		words[n++] = "--json";
	words[n++] = "--";
	for (int i = 0; i < v->positional_count; i++)
		words[n++] = v->positional[i];
	words[n] = NULL;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		execvp(words[0], (char *const *)words);
		fprintf(stderr, "sluicectl: %s: %s; set SLUICED\n", words[0], strerror(errno));
		_exit(1);
	}
	return child < 0 ? EXIT_FAILED : wait_for(child);
}
