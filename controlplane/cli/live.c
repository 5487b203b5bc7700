// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/command.h"

#include <stdlib.h>
#include <unistd.h>

int live_view(
	struct invocation *v,
	const char *path,
	const char *key,
	double seconds,
	live_screen *screen
) {
	const char *count = given_text(v, "count"), *every = given_text(v, "every");
	bool terminal = isatty(STDOUT_FILENO);
	long screens = count != NULL ? strtol(count, NULL, 10) : terminal ? 0 : 1;
	double asked = every != NULL ? strtod(every, NULL) : seconds;
	json_t *before = NULL;
	int ret = EXIT_OK;

	if (asked >= 0.1 && asked <= 3600)
		seconds = asked;
	for (long n = 0; ret == EXIT_OK && (screens == 0 || n <= screens); n++) {
		struct answer a;
		api_call(v, "GET", path, NULL, NULL, 0, &a);
		ret = answer_check(v, &a);
		json_t *now = json_incref(json_object_get(a.json, key));
		if (ret == EXIT_OK && n > 0) {
			if (terminal && !v->json)
				fputs("\033[H\033[2J", stdout);
			screen(v, before, now, seconds);
			fflush(stdout);
		}
		json_decref(before);
		before = now;
		answer_free(&a);
		if (ret == EXIT_OK && (screens == 0 || n < screens))
			usleep((useconds_t)(seconds * 1e6));
	}
	json_decref(before);
	return ret;
}
