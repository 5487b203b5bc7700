// SPDX-License-Identifier: Apache-2.0
// What differs between two files, by the option table.
#include "config/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *shipped; // config/sluice.yaml
static struct config *base;

static struct config *load(const char *text) {
	struct config_error errors[4];
	struct config *c = NULL;
	uint32_t count = 0;
	int ret = config_load_text(
		SOURCE_DIR "/config/sluice.yaml", text, strlen(text), &c, errors, 4, &count
	);

	for (uint32_t i = 0; i < count; i++)
		print_error("%u: %s\n", errors[i].line, errors[i].text);
	assert_int_equal(ret, 0);
	return c;
}

static int setup(void **) {
	FILE *f = fopen(SOURCE_DIR "/config/sluice.yaml", "r");

	shipped = calloc(1, 65536);
	if (f == NULL || shipped == NULL || fread(shipped, 1, 65535, f) == 0)
		return -1;
	fclose(f);
	base = load(shipped);
	return 0;
}

static int teardown(void **) {
	config_free(base);
	free(shipped);
	return 0;
}

// The shipped file with the first `from` replaced.
static struct config *changed(const char *from, const char *to) {
	const char *at = strstr(shipped, from);
	char *text = NULL;

	if (at == NULL)
		fail_msg("config/sluice.yaml no longer has '%s'", from);
	assert_true(
		asprintf(&text, "%.*s%s%s", (int)(at - shipped), shipped, to, at + strlen(from)) > 0
	);
	struct config *c = load(text);
	free(text);
	return c;
}

#define LISTENER "listeners:\n"
#define EXTRA                                                                                      \
	"  - {name: extra, protocol: udp, port: 999, format: json, profile: line, auth: none, "    \
	"unknown: accept}\n"

static const struct {
	const char *name, *from, *to;
	const char *changes; // "path:live path:restart "
} cases[] = {
	{"nothing", LISTENER, LISTENER, ""},
	{"a number in a list", "port: 5683", "port: 5684", "listeners[0].port:live "},
	{"a nested field", "segment: 1", "segment: 2", "profiles[0].device.segment:live "},
	{"a flag", "unknown: accept", "unknown: refuse", "listeners[0].unknown:live "},
	{"prefixes", "10.77.0.0/24,", "10.78.0.0/24,", "listeners[1].trust:live "},
	{"a reference", "profile: by-path", "profile: by-field", "listeners[0].profile:live "},
	{"an address", "10.77.0.1/24", "10.77.0.9/24", "ports[].interfaces[0].addresses:restart "},
	{"a table size", "kafka:\n", "coap: {exchanges: 4096}\nkafka:\n", "coap.exchanges:restart "
	},
	{"a topic", "partitions: 4", "partitions: 8", "topics[0].partitions:restart "},
	{"text", "brokers: embedded", "brokers: h:1", "kafka.brokers:restart "},
	// One more in front: the others are found by name, not by place.
	{"an element", LISTENER, LISTENER EXTRA, "listeners[0]:live "},
};

static void table(void **) {
	struct config_change got[8];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *next = changed(cases[i].from, cases[i].to);
		char text[2048] = "";
		uint32_t n = config_diff(base, next, got, 8);
		for (uint32_t k = 0; k < n && k < 8; k++) {
			size_t used = strlen(text);
			snprintf(
				text + used,
				sizeof(text) - used,
				"%s:%s ",
				got[k].path,
				got[k].live ? "live" : "restart"
			);
		}
		if (strcmp(text, cases[i].changes) != 0)
			fail_msg("%s: got '%s'", cases[i].name, text);
		// The other way round there are as many.
		assert_int_equal(config_diff(next, base, NULL, 0), n);
		config_free(next);
	}
}

// Topics are named by number: another order is another meaning.
static void order_counts_where_numbers_do(void **) {
	struct config *next = changed(
		"  - {name: telemetry, partitions: 4}\n  - {name: dead-letter, partitions: 1}\n",
		"  - {name: dead-letter, partitions: 1}\n  - {name: telemetry, partitions: 4}\n"
	);
	struct config_change got[8];

	assert_int_equal(config_diff(base, next, got, 8), 1);
	assert_string_equal(got[0].path, "topics");
	assert_false(got[0].live);
	config_free(next);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(order_counts_where_numbers_do),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
