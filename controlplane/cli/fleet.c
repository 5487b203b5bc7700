// SPDX-License-Identifier: Apache-2.0
// Devices by the million: CSV in and out.
#include "controlplane/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// What one call of the API takes; it tells at most so many refused rows.
#define PART_BYTES (1u << 20)
#define PART_ROWS 10000
#define REFUSED_SHOWN 20

struct import {
	struct invocation *v;
	FILE *refused_to; // --refused, NULL: the first ones to standard error
	char *header;
	char *part; // header, then whole lines
	size_t len;
	json_int_t lines; // of the part
	json_int_t before; // lines of the file before the part, the header included
	json_int_t rows, added, changed, refused;
	time_t begin;
};

static void csv_text(FILE *f, const char *s) {
	if (strpbrk(s, ",\"\n") == NULL) {
		fputs(s, f);
		return;
	}
	fputc('"', f);
	for (; *s != '\0'; s++) {
		if (*s == '"')
			fputc('"', f);
		fputc(*s, f);
	}
	fputc('"', f);
}

// Lines of the answer count within the part, where the header is line 1.
static void refused_tell(struct import *im, const json_t *rows) {
	json_int_t told = 0;
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row) {
		const char *name = json_string_value(json_object_get(row, "name"));
		const char *why = json_string_value(json_object_get(row, "reason"));
		json_int_t line = im->before + json_integer_value(json_object_get(row, "line")) - 1;
		if (im->refused_to != NULL) {
			fprintf(im->refused_to, "%" JSON_INTEGER_FORMAT ",", line);
			csv_text(im->refused_to, name);
			fputc(',', im->refused_to);
			csv_text(im->refused_to, why);
			fputc('\n', im->refused_to);
		} else if (im->refused + told < REFUSED_SHOWN) {
			fprintf(stderr, "line %" JSON_INTEGER_FORMAT ": '%s': %s\n", line, name, why
			);
		} else if (im->refused + told == REFUSED_SHOWN) {
			fprintf(stderr, "... --refused FILE writes them all\n");
		}
		told++;
	}
}

static void progress(const struct import *im) {
	time_t spent = time(NULL) - im->begin;

	if (isatty(STDERR_FILENO))
		fprintf(stderr,
			"\r%" JSON_INTEGER_FORMAT " rows, %" JSON_INTEGER_FORMAT " rows/s  ",
			im->rows,
			im->rows / (spent > 0 ? spent : 1));
}

static int part_send(struct import *im) {
	struct answer a;

	if (im->lines == 0)
		return EXIT_OK;
	api_call(
		im->v,
		"POST",
		given_flag(im->v, "update") ? "/v1/import?update=yes" : "/v1/import",
		"text/csv",
		im->part,
		im->len,
		&a
	);
	int ret = answer_check(im->v, &a);
	if (ret == EXIT_OK) {
		refused_tell(im, json_object_get(a.json, "refused_rows"));
		im->rows += json_integer_value(json_object_get(a.json, "rows"));
		im->added += json_integer_value(json_object_get(a.json, "added"));
		im->changed += json_integer_value(json_object_get(a.json, "changed"));
		im->refused += json_integer_value(json_object_get(a.json, "refused"));
		progress(im);
	}
	answer_free(&a);
	im->before += im->lines;
	im->lines = 0;
	im->len = strlen(im->header);
	return ret;
}

static int import_lines(struct import *im, FILE *f) {
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int ret = EXIT_OK;

	while (ret == EXIT_OK && (n = getline(&line, &room, f)) > 0) {
		if (im->len + (size_t)n > PART_BYTES || im->lines == PART_ROWS)
			ret = part_send(im);
		if ((size_t)n > PART_BYTES / 2) {
			fprintf(stderr, "sluicectl: a line is too long\n");
			ret = EXIT_REFUSED;
		} else if (ret == EXIT_OK) {
			memcpy(im->part + im->len, line, (size_t)n);
			im->len += (size_t)n;
			im->lines++;
		}
	}
	free(line);
	return ret == EXIT_OK ? part_send(im) : ret;
}

static int import_file(struct import *im, FILE *f) {
	size_t room = 0;
	ssize_t n = getline(&im->header, &room, f);

	im->part = malloc(2 * PART_BYTES);
	if (n <= 0 || (size_t)n >= PART_BYTES / 2 || im->part == NULL) {
		fprintf(stderr, "sluicectl: %s: empty\n", im->v->positional[0]);
		return EXIT_FAILED;
	}
	memcpy(im->part, im->header, (size_t)n);
	im->len = (size_t)n;
	im->before = 1;
	return import_lines(im, f);
}

int run_import(struct invocation *v) {
	struct import im = {.v = v, .begin = time(NULL)};
	const char *refused = given_text(v, "refused");
	FILE *f = input_open(v->positional[0]);

	if (f == NULL)
		return EXIT_FAILED;
	if (refused != NULL) {
		im.refused_to = fopen(refused, "we");
		if (im.refused_to == NULL) {
			perror(refused);
			return EXIT_FAILED;
		}
		fputs("line,name,reason\n", im.refused_to);
	}
	int ret = import_file(&im, f);
	if (isatty(STDERR_FILENO))
		fputc('\n', stderr);
	json_t *sum = json_pack(
		"{s:I,s:I,s:I,s:I}",
		"rows",
		im.rows,
		"added",
		im.added,
		"changed",
		im.changed,
		"refused",
		im.refused
	);
	print_answer(v, sum);
	json_decref(sum);
	free(im.part);
	free(im.header);
	if (im.refused_to != NULL && fclose(im.refused_to) != 0)
		ret = EXIT_FAILED;
	if (f != stdin)
		fclose(f);
	return ret != EXIT_OK ? ret : im.refused > 0 ? EXIT_REFUSED : EXIT_OK;
}

// Does the short form key=value;key=value carry them?
static bool labels_plain(const json_t *labels) {
	const char *key;
	json_t *v;

	json_object_foreach(
		(json_t *)(size_t)labels, key, v
	) if (strpbrk(key, "=;{\n") != NULL
	      || strpbrk(json_string_value(v), ";\n") != NULL) return false;
	return true;
}

static void csv_json(const json_t *j) {
	char *text = json_object_size(j) > 0 ? json_dumps(j, JSON_COMPACT) : NULL;

	if (text != NULL)
		csv_text(stdout, text);
	free(text);
}

static void csv_labels(const json_t *labels) {
	char *text = NULL;
	size_t len = 0;
	const char *key;
	json_t *v;

	FILE *f = labels_plain(labels) ? open_memstream(&text, &len) : NULL;
	if (f == NULL) {
		csv_json(labels);
		return;
	}
	json_object_foreach((json_t *)(size_t)labels, key, v)
		fprintf(f, "%s%s=%s", ftell(f) > 0 ? ";" : "", key, json_string_value(v));
	fclose(f);
	csv_text(stdout, text);
	free(text);
}

static void csv_row(const json_t *d) {
	const char *profile = json_string_value(json_object_get(d, "profile"));

	csv_text(stdout, json_string_value(json_object_get(d, "name")));
	putchar(',');
	csv_text(stdout, profile != NULL ? profile : "");
	printf(",%s,%" JSON_INTEGER_FORMAT ",%" JSON_INTEGER_FORMAT ",%" JSON_INTEGER_FORMAT ",",
	       json_string_value(json_object_get(d, "state")),
	       json_integer_value(json_object_get(d, "records_per_s")),
	       json_integer_value(json_object_get(d, "bytes_per_s")),
	       json_integer_value(json_object_get(d, "connections")));
	csv_labels(json_object_get(d, "labels"));
	putchar(',');
	csv_json(json_object_get(d, "claims"));
	putchar('\n');
}

int run_export(struct invocation *v) {
	char path[512], *after = strdup("");
	int ret = EXIT_OK;

	puts("name,profile,state,records_per_s,bytes_per_s,connections,labels,claims");
	while (ret == EXIT_OK && after != NULL) {
		struct answer a;
		size_t i;
		json_t *d;
		char *escaped = url_escape(after);
		snprintf(path, sizeof(path), "/v1/devices?limit=5000&after=%s", escaped);
		free(escaped);
		api_call(v, "GET", path, NULL, NULL, 0, &a);
		ret = answer_check(v, &a);
		json_array_foreach(json_object_get(a.json, "devices"), i, d) csv_row(d);
		const char *next = json_string_value(json_object_get(a.json, "next"));
		free(after);
		after = next != NULL ? strdup(next) : NULL;
		answer_free(&a);
	}
	free(after);
	return ret;
}
