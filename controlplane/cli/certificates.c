// SPDX-License-Identifier: Apache-2.0
// Commands whose answer is a file, or whose argument is one that is not JSON.
#include "controlplane/cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_MAX (8u << 20)

static int output_write(const char *name, const char *text, mode_t mode) {
	if (name == NULL) {
		fputs(text, stdout);
		return EXIT_OK;
	}
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	ssize_t n = fd >= 0 ? write(fd, text, strlen(text)) : -1;
	if (fd >= 0)
		close(fd);
	if (n == (ssize_t)strlen(text))
		return EXIT_OK;
	fprintf(stderr, "sluicectl: %s: %s\n", name, strerror(errno));
	return EXIT_FAILED;
}

// Call with `body`, which it steals. EXIT_OK with the answer for the caller to free.
static int call(struct invocation *v, json_t *body, struct answer *a) {
	char *text = json_dumps(body, JSON_COMPACT);

	json_decref(body);
	api_call(
		v,
		v->command->method,
		v->command->path,
		"application/json",
		text,
		text != NULL ? strlen(text) : 0,
		a
	);
	free(text);
	return answer_check(v, a);
}

// One text of the answer into --out, or all of it as JSON.
static int answer_write(struct invocation *v, struct answer *a, const char *member) {
	if (v->json) {
		print_json(a->json);
		return EXIT_OK;
	}
	return output_write(
		given_text(v, "out"), json_string_value(json_object_get(a->json, member)), 0644
	);
}

static void number_set(const struct invocation *v, const char *name, json_t *body) {
	const char *text = given_text(v, name);

	if (text != NULL)
		json_object_set_new(body, name, json_integer(strtoll(text, NULL, 10)));
}

int run_cert_issue(struct invocation *v) {
	const char *csr = given_text(v, "csr");
	json_t *body = json_pack("{s:s}", "device", v->positional[0]);
	struct answer a;

	if (csr != NULL) {
		char *text = file_text(csr);
		if (text == NULL) {
			json_decref(body);
			return EXIT_FAILED;
		}
		json_object_set_new(body, "csr", json_string(text));
		free(text);
	}
	number_set(v, "days", body);
	if (strcmp(v->command->verb, "renew") == 0)
		json_object_set_new(body, "renew", json_true());
	if (given_flag(v, "early"))
		json_object_set_new(body, "early", json_true());
	int ret = call(v, body, &a);
	const char *key = json_string_value(json_object_get(a.json, "key"));
	if (ret == EXIT_OK && key != NULL && !v->json)
		ret = output_write(given_text(v, "key-out"), key, 0600);
	if (ret == EXIT_OK)
		ret = answer_write(v, &a, "pem");
	answer_free(&a);
	return ret;
}

int run_ca_request(struct invocation *v) {
	const char *organisation = given_text(v, "organisation");
	struct answer a;

	int ret = call(
		v,
		json_pack("{s:s}", "organisation", organisation != NULL ? organisation : "Sluice"),
		&a
	);
	if (ret == EXIT_OK)
		ret = answer_write(v, &a, "csr");
	answer_free(&a);
	return ret;
}

int run_ca_crl(struct invocation *v) {
	json_t *body = json_object();
	struct answer a;

	number_set(v, "days", body);
	int ret = call(v, body, &a);
	if (ret == EXIT_OK)
		ret = answer_write(v, &a, "pem");
	answer_free(&a);
	return ret;
}

int run_crl_import(struct invocation *v) {
	FILE *f = input_open(v->positional[0]);
	char *bytes = f != NULL ? malloc(LIST_MAX + 1) : NULL;
	struct answer a;
	int ret = EXIT_FAILED;

	if (bytes != NULL) {
		size_t n = fread(bytes, 1, LIST_MAX + 1, f);
		api_call(v, "POST", "/v1/crls", "application/pkix-crl", bytes, n, &a);
		ret = answer_check(v, &a);
		if (ret == EXIT_OK)
			print_answer(v, a.json);
		answer_free(&a);
	}
	free(bytes);
	if (f != NULL && f != stdin)
		fclose(f);
	return ret;
}
