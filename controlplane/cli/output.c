// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/command.h"

#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CELL_MAX 256

void print_json(const json_t *j) {
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
}

static const json_t *field_at(const json_t *row, const char *key) {
	char name[64];

	for (;;) {
		size_t n = strcspn(key, ".");
		snprintf(name, sizeof(name), "%.*s", (int)n, key);
		row = json_object_get(row, name);
		if (key[n] == '\0')
			return row;
		key += n + 1;
	}
}

void time_text(json_int_t seconds, char *out, size_t room) {
	time_t t = (time_t)seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, room, "%Y-%m-%d %H:%M:%SZ", &tm);
}

void bytes_text(json_int_t n, char *out, size_t room) {
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double v = (double)n;
	int u = 0;

	for (; v >= 1024 && u < 4; u++)
		v /= 1024;
	snprintf(out, room, u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]);
}

static void cell_text(const json_t *v, char format, char *out, size_t room) {
	json_int_t n = json_integer_value(v);

	out[0] = '\0';
	if (v == NULL || json_is_null(v))
		snprintf(out, room, "-");
	else if (json_is_string(v)) {
		const char *text = json_string_value(v), *end = strchr(text, '\n');
		// Of a certificate or list only its kind: --json has it whole.
		if (end != NULL && end[1] != '\0')
			snprintf(out, room, "%.*s ...", (int)(end - text), text);
		else
			snprintf(out, room, "%s", text[0] != '\0' ? text : "-");
	} else if (json_is_boolean(v))
		snprintf(out, room, "%s", json_is_true(v) ? "yes" : "no");
	else if (json_is_integer(v) && (format == 's' || format == 'N')) {
		if (n == 0)
			snprintf(out, room, "-");
		else
			time_text(format == 's' ? n : n / 1000000000, out, room);
	} else if (json_is_integer(v) && format == 'b')
		bytes_text(n, out, room);
	else if (json_is_integer(v))
		snprintf(out, room, "%" JSON_INTEGER_FORMAT, n);
	else {
		char *text = json_dumps(v, JSON_COMPACT);
		snprintf(out, room, "%s", text != NULL ? text : "-");
		free(text);
	}
}

static const char *colour_of(const char *text) {
	static const struct {
		const char *text, *colour;
	} known[] = {
		{"active", "green"},
		{"valid", "green"},
		{"suspended", "yellow"},
		{"pending", "yellow"},
		{"revoked", "red"},
		{"expired", "red"},
		{"refused", "red"},
		{"cloned", "red"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].text, text) == 0)
			return known[i].colour;
	return NULL;
}

void print_table(const struct invocation *v, const struct column *columns, const json_t *list) {
	struct libscols_table *t = scols_new_table();
	char text[CELL_MAX];
	size_t i;
	json_t *row;

	if (t == NULL)
		return;
	if (v->colour)
		scols_table_enable_colors(t, 1);
	for (const struct column *c = columns; c->key != NULL; c++) {
		bool right = c->format == 'n' || c->format == 'b';
		scols_table_new_column(t, c->title, 0, right ? SCOLS_FL_RIGHT : 0);
	}
	json_array_foreach(list, i, row) {
		struct libscols_line *line = scols_table_new_line(t, NULL);
		for (size_t k = 0; columns[k].key != NULL && line != NULL; k++) {
			cell_text(
				field_at(row, columns[k].key), columns[k].format, text, sizeof(text)
			);
			scols_line_set_data(line, k, text);
			if (v->colour && colour_of(text) != NULL)
				scols_cell_set_color(scols_line_get_cell(line, k), colour_of(text));
		}
	}
	scols_print_table(t);
	scols_unref_table(t);
}

static char format_of(const char *key) {
	size_t n = strlen(key);

	if (n > 3 && strcmp(key + n - 3, "_ns") == 0 && strcmp(key, "apply_ns") != 0)
		return 'N';
	if (n > 2 && strcmp(key + n - 2, "_s") == 0 && strstr(key, "_per_s") == NULL)
		return 's';
	return strcmp(key, "bytes") == 0 || strcmp(key, "disk_free") == 0 ? 'b' : 't';
}

static void rows_add(json_t *rows, const char *prefix, const json_t *object) {
	char name[128], text[CELL_MAX];
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(size_t)object, key, v) {
		snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", key);
		if (json_is_object(v) && json_object_size(v) > 0) {
			rows_add(rows, name, v);
			continue;
		}
		if (json_is_object(v))
			snprintf(text, sizeof(text), "-");
		else
			cell_text(v, format_of(key), text, sizeof(text));
		json_array_append_new(rows, json_pack("{s:s,s:s}", "k", name, "v", text));
	}
}

void print_object(const struct invocation *v, const json_t *object) {
	static const struct column columns[] = {{"k", "FIELD", 't'}, {"v", "VALUE", 't'}, {0}};
	json_t *rows = json_array();

	rows_add(rows, "", object);
	print_table(v, columns, rows);
	json_decref(rows);
}

// What became of a configuration version: only what sluiced has said is in force is called so.
static void print_applied(const json_t *j) {
	const json_t *version = json_object_get(j, "version");
	const char *applied = json_string_value(json_object_get(j, "applied"));
	const char *said = json_string_value(json_object_get(j, "data_plane"));

	if (!json_is_integer(version) || applied == NULL)
		return;
	printf("version %" JSON_INTEGER_FORMAT, json_integer_value(version));
	if (strcmp(applied, "yes") == 0)
		printf(" is in force on %" JSON_INTEGER_FORMAT " workers (after %.1f ms)\n",
		       json_integer_value(json_object_get(j, "workers")),
		       (double)json_integer_value(json_object_get(j, "apply_us")) / 1000);
	else if (strcmp(applied, "restart-required") == 0)
		printf(" is stored and NOT in force before the next start of sluiced: %s\n",
		       said != NULL ? said : "");
	else if (strcmp(applied, "waiting") == 0)
		printf(" is stored; sluiced has not said yet that it is in force (`sluicectl "
		       "config "
		       "show --json` tells)\n");
	else
		printf(" is stored; sluiced takes it when it is connected%s\n",
		       json_is_true(json_object_get(j, "restart_required"))
			       ? ", the options marked RESTART at its next start"
			       : "");
}

void print_answer(const struct invocation *v, const json_t *j) {
	const struct command *c = v->command;

	if (v->json) {
		print_json(j);
		return;
	}
	if (c->list == NULL) {
		print_object(v, j);
		return;
	}
	const json_t *list = json_object_get(j, c->list);
	if (json_array_size(list) == 0)
		printf("none\n");
	else
		print_table(v, c->columns, list);
	const json_t *next = json_object_get(j, "next");
	if (json_is_string(next))
		printf("more: --after %s\n", json_string_value(next));
	print_applied(j);
}
