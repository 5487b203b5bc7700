// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/command.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_TIMEOUT_S 120

struct growing {
	char *text;
	size_t len;
};

static size_t take(char *bytes, size_t size, size_t n, void *into) {
	struct growing *g = into;
	char *grown = realloc(g->text, g->len + n + 1);

	if (grown == NULL)
		return 0;
	memcpy(grown + g->len, bytes, n);
	g->text = grown;
	g->len += n;
	grown[g->len] = '\0';
	return n;
}

void api_call(
	const struct invocation *v,
	const char *method,
	const char *path,
	const char *type,
	const char *body,
	size_t body_len,
	struct answer *out
) {
	struct curl_slist *headers = NULL;
	struct growing g = {0};
	char url[2048], content[64];
	CURL *c = curl_easy_init();

	*out = (struct answer) {0};
	if (c == NULL)
		return;
	snprintf(url, sizeof(url), "http://sluice%s", path);
	curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, v->socket);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)CALL_TIMEOUT_S);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &g);
	if (type != NULL) {
		snprintf(content, sizeof(content), "Content-Type: %s", type);
		headers = curl_slist_append(headers, content);
		headers = curl_slist_append(headers, "Expect:");
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_len);
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	}
	if (curl_easy_perform(c) == CURLE_OK) {
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &out->status);
		out->text = g.text;
		out->json = g.text != NULL ? json_loads(g.text, 0, NULL) : NULL;
	} else {
		free(g.text);
	}
	curl_slist_free_all(headers);
	curl_easy_cleanup(c);
}

void answer_free(struct answer *a) {
	json_decref(a->json);
	free(a->text);
	*a = (struct answer) {0};
}

static enum exit_code code_of(long status) {
	switch (status) {
	case 404:
		return EXIT_UNKNOWN;
	case 403:
		return EXIT_DENIED;
	case 503:
	case 504:
		return EXIT_DATA_PLANE;
	default:
		return status >= 500 || status == 0 ? EXIT_FAILED : EXIT_REFUSED;
	}
}

static void mistakes_print(const json_t *list) {
	size_t i;
	json_t *m;

	json_array_foreach(list, i, m) {
		const char *file = json_string_value(json_object_get(m, "file"));
		fprintf(stderr,
			"  %s%sline %d: %s\n",
			file != NULL ? file : "",
			file != NULL ? " " : "",
			(int)json_integer_value(json_object_get(m, "line")),
			json_string_value(json_object_get(m, "problem")));
	}
}

int answer_check(const struct invocation *v, const struct answer *a) {
	const json_t *e = json_object_get(a->json, "error");
	const char *message = json_string_value(json_object_get(e, "message"));
	const char *hint = json_string_value(json_object_get(e, "hint"));

	if (a->status == 0) {
		fprintf(stderr,
			"sluicectl: sluice-controld does not answer on %s\n"
			"  start it (systemctl start sluice-controld), or name its socket with "
			"--socket\n",
			v->socket);
		return EXIT_UNREACHABLE;
	}
	if (a->status < 400)
		return EXIT_OK;
	if (v->json && a->text != NULL)
		puts(a->text);
	fprintf(stderr, "sluicectl: %s\n", message != NULL ? message : "refused without a reason");
	mistakes_print(json_object_get(a->json, "mistakes"));
	if (hint != NULL)
		fprintf(stderr, "  %s\n", hint);
	return code_of(a->status);
}

char *url_escape(const char *text) {
	static const char hex[] = "0123456789ABCDEF";
	char *out = malloc(3 * strlen(text) + 1), *p = out;

	if (out == NULL)
		return NULL;
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
			|| (c >= '0' && c <= '9') || strchr("-_.~", c) != NULL;
		if (plain) {
			*p++ = (char)c;
		} else {
			*p++ = '%';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		}
	}
	*p = '\0';
	return out;
}
