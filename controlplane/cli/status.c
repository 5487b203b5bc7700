// SPDX-License-Identifier: Apache-2.0
// The two screens of an operator: is it all right, and what goes on.
#include "controlplane/cli/command.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

// --- status

static json_int_t at(const json_t *object, const char *group, const char *name) {
	return json_integer_value(json_object_get(json_object_get(object, group), name));
}

static const char *text_at(const json_t *object, const char *group, const char *name) {
	const char *text = json_string_value(json_object_get(json_object_get(object, group), name));
	return text != NULL ? text : "";
}

// All counters of one family, whatever their labels.
static json_int_t family(const json_t *counters, const char *name) {
	size_t n = strlen(name);
	json_int_t sum = 0;
	const char *key;
	json_t *v;

	json_object_foreach(
		(json_t *)(size_t)counters, key, v
	) if (strncmp(key, name, n) == 0 && (key[n] == '\0' || key[n] == '{')) sum +=
		json_integer_value(v);
	return sum;
}

static void duration(json_int_t s, char *out, size_t room) {
	if (s < 3600)
		snprintf(out, room, "%d min", (int)(s / 60));
	else if (s < 2 * 86400)
		snprintf(out, room, "%d h %d min", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(out, room, "%d days", (int)(s / 86400));
}

[[gnu::format(printf, 2, 3)]] static void line(const char *title, const char *format, ...) {
	va_list ap;

	printf("%-14s ", title);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

#define I JSON_INTEGER_FORMAT

static void data_plane_lines(const json_t *status, const json_t *counters) {
	json_int_t oldest = family(counters, "egress_oldest_unacknowledged_milliseconds");
	char up[32];

	if (!json_is_true(json_object_get(json_object_get(status, "data_plane"), "connected"))) {
		line("data plane", "not connected");
		return;
	}
	duration(family(counters, "uptime_seconds"), up, sizeof(up));
	line("data plane",
	     "connected, pid %" I ", %" I " workers, up %s, build %s",
	     at(status, "data_plane", "pid"),
	     at(status, "data_plane", "workers"),
	     up,
	     text_at(status, "data_plane", "build"));
	line("traffic",
	     "%" I " records/s; messages: %" I " received, %" I " refused, %" I " shed",
	     json_integer_value(json_object_get(status, "records_per_s")),
	     family(counters, "messages_received_total"),
	     family(counters, "messages_refused_total"),
	     family(counters, "messages_shed_total"));
	line("records",
	     "%" I " accepted, %" I " delivered, %" I " dead letters, %" I " lost; the ledger %s",
	     family(counters, "records_accepted_total"),
	     family(counters, "records_delivered_total"),
	     family(counters, "records_dead_lettered_total"),
	     family(counters, "records_lost_total"),
	     family(counters, "ledger_balanced") != 0 ? "balances" : "DOES NOT BALANCE");
	if (json_object_get(counters, "egress_in_flight") != NULL)
		line("Kafka",
		     "%" I " in flight, the oldest for %" I " ms, %" I " errors",
		     family(counters, "egress_in_flight"),
		     oldest,
		     family(counters, "egress_errors_total"));
}

static void control_plane_lines(const json_t *status) {
	const json_t *registry = json_object_get(status, "registry");
	char started[32], disk[32], size[32];

	time_text(at(status, "control_plane", "started_s"), started, sizeof(started));
	bytes_text(at(status, "control_plane", "disk_free"), disk, sizeof(disk));
	bytes_text(at(status, "registry", "bytes"), size, sizeof(size));
	line("devices",
	     "%" I " active, %" I " pending, %" I " suspended, %" I " revoked; %" I " blocks",
	     at(registry, "devices", "active"),
	     at(registry, "devices", "pending"),
	     at(registry, "devices", "suspended"),
	     at(registry, "devices", "revoked"),
	     at(status, "registry", "blocks"));
	line("registry",
	     "version %" I ", the data plane has %" I "; %s, %s free",
	     at(status, "registry", "version"),
	     at(status, "data_plane", "registry_version"),
	     size,
	     disk);
	line("configuration", "version %" I, at(status, "registry", "config_version"));
	line("certificates",
	     "%" I " valid, %" I " end within 30 days without successor",
	     at(status, "registry", "certificates"),
	     at(status, "registry", "certificates_ending"));
	line("audit log", "%" I " entries", at(status, "registry", "audit_entries"));
	line("control plane",
	     "build %s, since %s, %" I " calls",
	     text_at(status, "control_plane", "build"),
	     started,
	     at(status, "control_plane", "requests"));
}

static void status_print(const struct invocation *v, const json_t *status, const json_t *counters) {
	bool right = json_is_true(json_object_get(status, "all_right"));
	const char *on = v->colour ? (right ? "\033[32m" : "\033[31m") : "";
	size_t i;
	json_t *p;

	printf("%s%s%s\n", on, right ? "all right" : "NOT all right", v->colour ? "\033[0m" : "");
	json_array_foreach(json_object_get(status, "problems"), i, p)
		printf("* %s\n  %s\n",
		       json_string_value(json_object_get(p, "problem")),
		       json_string_value(json_object_get(p, "what_to_do")));
	putchar('\n');
	data_plane_lines(status, counters);
	control_plane_lines(status);
}

int run_status(struct invocation *v) {
	struct answer a, more = {0};

	api_call(v, "GET", "/v1/status", NULL, NULL, 0, &a);
	int ret = answer_check(v, &a);
	if (ret == EXIT_OK && v->json) {
		print_json(a.json);
	} else if (ret == EXIT_OK) {
		api_call(v, "GET", "/v1/counters", NULL, NULL, 0, &more);
		status_print(v, a.json, json_object_get(more.json, "counters"));
	}
	if (ret == EXIT_OK && !json_is_true(json_object_get(a.json, "all_right")))
		ret = EXIT_NOT_RIGHT;
	answer_free(&a);
	answer_free(&more);
	return ret;
}

// --- top

static int faster(const void *a, const void *b) {
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	json_int_t p = json_integer_value(json_object_get(x, "rate"));
	json_int_t q = json_integer_value(json_object_get(y, "rate"));

	if (p != q)
		return p > q ? -1 : 1;
	return strcmp(
		json_string_value(json_object_get(x, "counter")),
		json_string_value(json_object_get(y, "counter"))
	);
}

// Counters that are not 0, fastest first, at most `room` of them.
static json_t *top_rows(const json_t *before, const json_t *now, double s, size_t room) {
	json_t **list = calloc(json_object_size(now) + 1, sizeof(*list)), *rows = json_array();
	size_t count = 0;
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(size_t)now, name, value) {
		json_int_t total = json_integer_value(value);
		json_int_t was = json_integer_value(json_object_get(before, name));
		if (total != 0 && list != NULL)
			list[count++] = json_pack(
				"{s:s,s:I,s:I}",
				"counter",
				name,
				"rate",
				(json_int_t)((double)(total - was) / s),
				"total",
				total
			);
	}
	if (count > 0)
		qsort((void *)list, count, sizeof(*list), faster);
	for (size_t i = 0; i < count; i++) {
		if (i < room)
			json_array_append(rows, list[i]);
		json_decref(list[i]);
	}
	free((void *)list);
	return rows;
}

static void top_screen(struct invocation *v, const json_t *before, const json_t *now, double s) {
	static const struct column columns[] = {
		{"counter", "COUNTER", 't'},
		{"rate", "PER SECOND", 'n'},
		{"total", "TOTAL", 'n'},
		{0}
	};
	struct winsize w = {0};
	size_t room = SIZE_MAX;

	if (!v->json && isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0
	    && w.ws_row > 6)
		room = w.ws_row - 4u;
	json_t *rows = top_rows(before, now, s, room);
	if (v->json) {
		print_json(rows);
	} else if (json_array_size(rows) == 0) {
		puts("no counters: is sluiced connected?");
	} else {
		printf("%" I " messages/s received, %" I " records/s accepted\n\n",
		       (json_int_t)((double)(family(now, "messages_received_total")
					     - family(before, "messages_received_total"))
				    / s),
		       (json_int_t)((double)(family(now, "records_accepted_total")
					     - family(before, "records_accepted_total"))
				    / s));
		print_table(v, columns, rows);
	}
	json_decref(rows);
}

int run_top(struct invocation *v) {
	return live_view(v, "/v1/counters", "counters", 1, top_screen);
}
