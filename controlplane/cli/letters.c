// SPDX-License-Identifier: Apache-2.0
// `dlq replay`: part by part, so that a long one shows how far it is and can be interrupted.
#include "controlplane/cli/command.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PART 500

static const char *const counts[] = {"sent", "accepted", "refused", "shed", "skipped"};
#define COUNTS (sizeof(counts) / sizeof(counts[0]))

static json_t *body_make(const struct invocation *v, json_int_t limit) {
	json_t *body = json_object();

	json_object_set_new(body, "limit", json_integer(limit));
	if (v->positional_count == 1)
		json_object_set_new(body, "id", json_string(v->positional[0]));
	for (const char *const *name = (const char *const[]) {"device", "reason", NULL};
	     *name != NULL;
	     name++)
		if (given_text(v, *name) != NULL)
			json_object_set_new(body, *name, json_string(given_text(v, *name)));
	if (given_text(v, "scan") != NULL)
		json_object_set_new(
			body, "scan", json_integer(strtoll(given_text(v, "scan"), NULL, 10))
		);
	if (given_flag(v, "again"))
		json_object_set_new(body, "again", json_true());
	return body;
}

static int part(struct invocation *v, json_int_t limit, json_int_t sum[COUNTS], json_int_t *moved) {
	json_t *body = body_make(v, limit);
	char *text = json_dumps(body, JSON_COMPACT);
	struct answer a;

	json_decref(body);
	if (text == NULL)
		return EXIT_FAILED;
	api_call(v, "POST", "/v1/dead-letters/replay", "application/json", text, strlen(text), &a);
	free(text);
	int ret = answer_check(v, &a);
	*moved = 0;
	for (size_t i = 0; ret == EXIT_OK && i < COUNTS; i++) {
		json_int_t n = json_integer_value(json_object_get(a.json, counts[i]));
		sum[i] += n;
		// Those that were taken are not taken again, so a part without any is the last.
		if (i == 1 || i == 2)
			*moved += n;
	}
	answer_free(&a);
	return ret;
}

int run_letter_replay(struct invocation *v) {
	const char *given = given_text(v, "limit");
	json_int_t left = given != NULL ? strtoll(given, NULL, 10) : INT32_MAX;
	json_int_t sum[COUNTS] = {0}, moved = 1;
	int ret = EXIT_OK;

	if (v->positional_count == 0 && given_text(v, "device") == NULL
	    && given_text(v, "reason") == NULL && !given_flag(v, "all")) {
		fprintf(stderr, "sluicectl: say which: an ID, --device, --reason, or --all\n");
		return EXIT_USAGE;
	}
	// With --again the same would be taken in each part: one is enough.
	bool once = v->positional_count == 1 || given_flag(v, "again");
	while (ret == EXIT_OK && left > 0 && moved > 0) {
		ret = part(
			v, left < PART || once ? (left < 1000 ? left : 1000) : PART, sum, &moved
		);
		left -= moved;
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r%lld sent", (long long)sum[0]);
		if (once)
			break;
	}
	if (isatty(STDERR_FILENO))
		fputc('\n', stderr);
	if (ret != EXIT_OK)
		return ret;
	json_t *out = json_object();
	for (size_t i = 0; i < COUNTS; i++)
		json_object_set_new(out, counts[i], json_integer(sum[i]));
	print_answer(v, out);
	json_decref(out);
	return EXIT_OK;
}
