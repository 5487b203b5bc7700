// SPDX-License-Identifier: Apache-2.0
// Flows: the busiest of them, and what ends a block.
#include "controlplane/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOP_ROWS 20
#define TOP_LOOKS 1000

int run_flow_allow(struct invocation *v) {
	char path[64];

	if (v->positional_count == 0)
		return run_call(v);
	if (v->given_count > 0) {
		fprintf(stderr,
			"sluicectl: flow allow: either a number or --device or --address\n");
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "/v1/blocks/%.20s", v->positional[0]);
	return call_and_print(v, "DELETE", path, NULL);
}

static void key_of(const json_t *flow, char *out, size_t room) {
	snprintf(
		out,
		room,
		"%s|%s|%s|%" JSON_INTEGER_FORMAT "|%" JSON_INTEGER_FORMAT,
		json_string_value(json_object_get(flow, "device")),
		json_string_value(json_object_get(flow, "address")),
		json_string_value(json_object_get(flow, "transport")),
		json_integer_value(json_object_get(flow, "realm")),
		json_integer_value(json_object_get(flow, "worker"))
	);
}

// Flows by key, so that two looks can be compared.
static json_t *by_key(const json_t *list) {
	json_t *out = json_object(), *flow;
	char key[256];
	size_t i;

	json_array_foreach(list, i, flow) {
		key_of(flow, key, sizeof(key));
		json_object_set(out, key, flow);
	}
	return out;
}

static int rate_compare(const void *a, const void *b) {
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "rate"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "rate"));

	return x < y ? 1 : x > y ? -1 : 0;
}

static json_t *busiest(json_t *before, json_t *now, double seconds) {
	size_t n = json_object_size(now), i = 0;
	json_t **rows = calloc(n > 0 ? n : 1, sizeof(json_t *)), *out = json_array(), *flow;
	const char *key;

	if (rows == NULL)
		return out;
	json_object_foreach(now, key, flow) {
		const json_t *was = json_object_get(before, key);
		json_int_t sent = json_integer_value(json_object_get(flow, "records"))
			- json_integer_value(json_object_get(was, "records"));
		double rate = was != NULL && sent > 0 ? (double)sent / seconds : 0;
		json_object_set_new(flow, "rate", json_integer((json_int_t)(rate + 0.5)));
		rows[i++] = flow;
	}
	qsort(rows, i, sizeof(json_t *), rate_compare);
	for (size_t k = 0; k < i && k < TOP_ROWS; k++)
		json_array_append(out, rows[k]);
	free(rows);
	return out;
}

static void screen(struct invocation *v, const json_t *before, const json_t *now, double seconds) {
	static const struct column columns[] = {
		{"device", "DEVICE", 't'},
		{"address", "ADDRESS", 't'},
		{"transport", "TRANSPORT", 't'},
		{"worker", "WORKER", 'n'},
		{"rate", "RECORDS/S", 'n'},
		{"records", "RECORDS", 'n'},
		{"bytes", "BYTES", 'b'},
		{"drops", "REFUSED", 'n'},
		{"idle_ms", "IDLE MS", 'n'},
		{0}
	};
	json_t *was = by_key(before), *is = by_key(now), *rows = busiest(was, is, seconds);

	if (v->json)
		print_json(rows);
	else
		print_table(v, columns, rows);
	json_decref(rows);
	json_decref(was);
	json_decref(is);
}

int run_flow_top(struct invocation *v) {
	const char *limit = given_text(v, "limit");
	char path[64];

	snprintf(
		path,
		sizeof(path),
		"/v1/flows?limit=%ld",
		limit != NULL ? strtol(limit, NULL, 10) : TOP_LOOKS
	);
	return live_view(v, path, "flows", 2, screen);
}
