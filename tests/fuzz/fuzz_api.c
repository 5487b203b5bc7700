// SPDX-License-Identifier: Apache-2.0
// The API's handlers with any method, path, query and body, as root: "METHOD path?query\nbody".
// Every request gets an answer with a status, and the audit chain stays unbroken.
#include "controlplane/control.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct control control;

static void start(void) {
	char dir[] = "/tmp/fuzz-api.XXXXXX", path[64], why[200];

	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/channel.sock", dir);
	snprintf(control.config_path, sizeof(control.config_path), "%s/sluice.yaml", dir);
	snprintf(control.state_dir, sizeof(control.state_dir), "%s", dir);
	snprintf(control.sign_socket, sizeof(control.sign_socket), "%s/sign.sock", dir);
	if (registry_open(":memory:", &control.registry, why, sizeof(why)) < 0
	    || link_create(path, control.registry, &control.link) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
	struct author root = {.name = "fuzz"};
	struct reply r = {0};
	char line[512];

	if (control.registry == NULL)
		start();
	const uint8_t *end = memchr(bytes, '\n', len);
	size_t n = end != NULL ? (size_t)(end - bytes) : len;
	if (n >= sizeof(line) || memchr(bytes, '\0', n) != NULL)
		return 0;
	memcpy(line, bytes, n);
	line[n] = '\0';
	char *path = strchr(line, ' ');
	// A backup would write where the fuzzer says.
	if (path == NULL || strstr(line, "backup") != NULL)
		return 0;
	*path++ = '\0';
	char *body = NULL;
	size_t body_len = end != NULL ? len - n - 1 : 0;
	if (body_len > 0) {
		body = malloc(body_len + 1);
		if (body == NULL)
			return 0;
		memcpy(body, end + 1, body_len);
		body[body_len] = '\0';
	}
	struct request q = {
		.method = line,
		.path = path,
		.query = json_object(),
		.body = body,
		.body_len = body_len,
		.role = ROLE_OPERATOR,
		.author = root,
	};
	char *query = strchr(path, '?');
	if (query != NULL) {
		*query++ = '\0';
		char *value = strchr(query, '=');
		if (value != NULL) {
			*value++ = '\0';
			json_object_set_new(q.query, query, json_string(value));
		}
	}
	control_handle(&control, &q, &r);
	if (r.status < 200 || r.status > 599)
		abort();
	json_decref(q.query);
	free(r.text);
	free(body);
	return 0;
}
