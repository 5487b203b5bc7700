// SPDX-License-Identifier: Apache-2.0
// Commands that are more than one call and its answer.
#include "controlplane/cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int run_watch(struct invocation *v) {
	const char *for_s = given_text(v, "for");
	time_t end = for_s != NULL ? time(NULL) + strtol(for_s, NULL, 10) : 0;
	json_int_t last = (json_int_t)time(NULL) * 1000000000;
	int ret = EXIT_OK;

	while (ret == EXIT_OK && (end == 0 || time(NULL) <= end)) {
		struct answer a;
		api_call(v, "GET", "/v1/events", NULL, NULL, 0, &a);
		ret = answer_check(v, &a);
		const json_t *list = json_object_get(a.json, "events");
		for (size_t i = json_array_size(list); i-- > 0;) {
			const json_t *e = json_array_get(list, i);
			json_int_t at = json_integer_value(json_object_get(e, "at_ns"));
			if (at <= last)
				continue;
			last = at;
			printf("%s %s %s %s\n",
			       json_string_value(json_object_get(e, "device")),
			       json_string_value(json_object_get(e, "event")),
			       json_string_value(json_object_get(e, "reason")),
			       json_string_value(json_object_get(e, "address")));
		}
		fflush(stdout);
		answer_free(&a);
		if (ret == EXIT_OK)
			usleep(500000);
	}
	return ret;
}

// A list of things that are right or not: printed whole, and `wrong` said if one is not.
static int check_list(struct invocation *v, bool (*right)(const json_t *), const char *wrong) {
	struct answer a;
	bool all = true;
	size_t i;
	json_t *c;

	api_call(v, v->command->method, v->command->path, NULL, NULL, 0, &a);
	int ret = answer_check(v, &a);
	if (ret == EXIT_OK) {
		print_answer(v, a.json);
		json_array_foreach(json_object_get(a.json, v->command->list), i, c) all &= right(c);
		if (!all) {
			fflush(stdout);
			fprintf(stderr, "sluicectl: %s\n", wrong);
			ret = EXIT_NOT_RIGHT;
		}
	}
	answer_free(&a);
	return ret;
}

static bool is_ok(const json_t *check) {
	return json_is_true(json_object_get(check, "ok"));
}

int run_doctor(struct invocation *v) {
	return check_list(v, is_ok, "not every check is all right; what to do stands beside it");
}

static bool is_fit(const json_t *topic) {
	const char *verdict = json_string_value(json_object_get(topic, "verdict"));

	return verdict != NULL && strcmp(verdict, "fit") == 0;
}

int run_topic_check(struct invocation *v) {
	return check_list(v, is_fit, "not every topic is fit; what to do stands beside it");
}

int run_audit_verify(struct invocation *v) {
	struct answer a;

	api_call(v, "GET", "/v1/audit/verify", NULL, NULL, 0, &a);
	int ret = answer_check(v, &a);
	if (ret == EXIT_OK) {
		print_answer(v, a.json);
		if (!json_is_true(json_object_get(a.json, "unbroken")))
			ret = EXIT_NOT_RIGHT;
	}
	answer_free(&a);
	return ret;
}

// --- configuration

int run_config_show(struct invocation *v) {
	struct answer a;
	char path[128];

	snprintf(path, sizeof(path), "/v1/config");
	if (v->positional_count == 1)
		snprintf(path, sizeof(path), "/v1/config/versions/%.20s", v->positional[0]);
	api_call(v, "GET", path, NULL, NULL, 0, &a);
	int ret = answer_check(v, &a);
	if (ret == EXIT_OK && v->json)
		print_json(a.json);
	else if (ret == EXIT_OK)
		fputs(json_string_value(json_object_get(a.json, "text")), stdout);
	answer_free(&a);
	return ret;
}

int run_config_file(struct invocation *v) {
	const char *comment = given_text(v, "comment");
	char *text = file_text(v->positional[0]);

	if (text == NULL)
		return EXIT_FAILED;
	json_t *body = json_pack("{s:s}", "text", text);
	free(text);
	if (body == NULL) {
		fprintf(stderr, "sluicectl: %s is no UTF-8\n", v->positional[0]);
		return EXIT_REFUSED;
	}
	if (comment != NULL)
		json_object_set_new(body, "comment", json_string(comment));
	if (given_flag(v, "restart-later"))
		json_object_set_new(body, "restart_later", json_true());
	return call_and_print(v, v->command->method, v->command->path, body);
}

int run_config_get(struct invocation *v) {
	char path[700] = "/v1/config/options";
	struct answer a;

	if (v->positional_count == 1) {
		char *escaped = url_escape(v->positional[0]);
		snprintf(path, sizeof(path), "/v1/config/options?option=%.600s", escaped);
		free(escaped);
	}
	api_call(v, "GET", path, NULL, NULL, 0, &a);
	int ret = answer_check(v, &a);
	if (ret == EXIT_OK && v->positional_count == 1 && !v->json) {
		const json_t *o = json_array_get(json_object_get(a.json, "options"), 0);
		const char *value = json_string_value(json_object_get(o, "value"));
		puts(value != NULL ? value : "");
	} else if (ret == EXIT_OK) {
		print_answer(v, a.json);
	}
	answer_free(&a);
	return ret;
}

int run_completion(struct invocation *v) {
	return completion(v->command->verb);
}

int run_manual(struct invocation *v) {
	return v->positional_count == 1 ? manual_man(v->positional[0]) : manual_markdown();
}
