// SPDX-License-Identifier: Apache-2.0
// Writes docs/config.md from the option table, or checks that it is what the table says.
//
//   config_doc            the page on stdout
//   config_doc --check F  exit 1 if F differs
#include "config/kafka_forbidden.h"
#include "config/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char intro[] =
	"# Configuration\n"
	"\n"
	"<!-- Made from the option table in config/schema.c by `ninja -C build config-doc`. -->\n"
	"\n"
	"One YAML file, `/etc/sluice/sluice.yaml` unless a program is told otherwise. A file with "
	"a\n"
	"mistake is refused whole: every mistake is printed with file, line and the nearest known "
	"name,\n"
	"and nothing of the file takes effect. `config/sluice.yaml` is the laboratory's file,\n"
	"`config/examples/` has one for an appliance.\n"
	"\n"
	"* **Durations** have a unit: `500ms`, `2s`, `5m`, `1h`, `1d` (`us`, `ns`). **Sizes** too: "
	"`B`,\n"
	"  `KiB`, `MiB`, `GiB`, `TiB`, or `kB`, `MB`, `GB`. Numbers may be grouped: `500_000`.\n"
	"* **Names** refer to list elements by their `name`.\n"
	"* A **list** of one may be written without brackets: `trust: 10.0.0.0/24`.\n"
	"* A **secret** never stands in the file. `file:PATH` (relative to this file; not readable "
	"by\n"
	"  other users), `credential:NAME` (systemd's `LoadCredential=`) or, in tests, `env:NAME` "
	"says\n"
	"  where it is. Only under `lab: yes` may it be written down.\n"
	"* Options marked *restart* take effect when sluiced is started again, all others when "
	"the\n"
	"  configuration is applied.\n";

static const char forbidden_intro[] =
	"\n"
	"### librdkafka properties that are refused\n"
	"\n"
	"The acknowledgement contract rests on them. All others pass through `kafka.properties`.\n"
	"\n"
	"| property | why, and what to use |\n"
	"|---|---|\n";

static const char *top_of(const char *path, char *out, size_t size) {
	snprintf(out, size, "%.*s", (int)strcspn(path, ".["), path);
	return out;
}

static void enum_print(FILE *f, const struct option *o) {
	for (size_t i = 0; o->labels[i] != NULL; i++)
		fprintf(f, "%s`%s`", i == 0 ? "" : ", ", o->labels[i]);
}

static void range_print(FILE *f, const struct option *o) {
	char lo[32], hi[32];

	quantity_format(o->min, o->quantity, o->unit, lo, sizeof(lo));
	quantity_format(o->max, o->quantity, o->unit, hi, sizeof(hi));
	fprintf(f, "%s to %s", lo, hi);
	if (o->quantity == QUANTITY_COUNT)
		fprintf(f, " %s", o->unit);
}

static void type_print(FILE *f, const struct option *o) {
	switch (o->type) {
	case OPTION_ENUM:
		enum_print(f, o);
		break;
	case OPTION_NUMBER:
		range_print(f, o);
		break;
	case OPTION_REAL:
		fprintf(f, "number, %s", o->unit);
		break;
	case OPTION_REFERENCE:
		fprintf(f, "name in `%s`", o->target);
		break;
	case OPTION_LIST:
	case OPTION_TEXTS:
	case OPTION_CPUS:
	case OPTION_PREFIXES:
	case OPTION_PROPERTIES:
		fprintf(f, "%s, ", option_type_label(o->type));
		if (o->min > 0)
			fprintf(f, "%" PRIu64 " to %" PRIu64, o->min, o->max);
		else
			fprintf(f, "at most %" PRIu64, o->max);
		break;
	default:
		fprintf(f, "%s", option_type_label(o->type));
	}
}

static void option_print(FILE *f, const struct option *o) {
	if (o->type == OPTION_MAP) {
		fprintf(f, "| `%s` | | | | %s |\n", o->path, o->help);
		return;
	}
	fprintf(f, "| `%s` | ", o->path);
	type_print(f, o);
	if ((o->flags & OPTION_REQUIRED) != 0)
		fprintf(f, " | *required*");
	else if (o->default_text != NULL)
		fprintf(f, " | `%s`", o->default_text);
	else
		fprintf(f, " | none");
	fprintf(f, " | %s | %s |\n", (o->flags & OPTION_LIVE) != 0 ? "live" : "restart", o->help);
}

static void page_print(FILE *f) {
	char section[64] = "", top[64];
	bool begun = false;

	fputs(intro, f);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		bool scalar = strpbrk(o->path, ".[") == NULL && o->type != OPTION_MAP
			&& o->type != OPTION_LIST;
		top_of(o->path, top, sizeof(top));
		if (!begun || (!scalar && strcmp(section, top) != 0)) {
			begun = true;
			snprintf(section, sizeof(section), "%s", top);
			if (scalar)
				fprintf(f, "\n## The appliance\n\n");
			else
				fprintf(f, "\n## `%s`\n\n", section);
			if (o->type == OPTION_MAP)
				fprintf(f, "%s\n\n", o->help);
			fprintf(f,
				"| option | value | default | change | what it does |\n"
				"|---|---|---|---|---|\n");
			if (o->type == OPTION_MAP)
				continue;
		}
		option_print(f, o);
	}
	fputs(forbidden_intro, f);
	for (size_t i = 0; i < kafka_forbidden_count; i++)
		fprintf(f,
			"| `%s` | %s |\n",
			kafka_forbidden_table[i].name,
			kafka_forbidden_table[i].instead);
}

static bool same_as_file(const char *page, size_t size, const char *path) {
	FILE *f = fopen(path, "re");
	char *text = malloc(size + 1); // one more shows that the file goes on
	bool same = f != NULL && text != NULL && fread(text, 1, size + 1, f) == size
		&& memcmp(text, page, size) == 0;

	if (f != NULL)
		fclose(f);
	free(text);
	return same;
}

int main(int argc, char **argv) {
	char *page = NULL;
	size_t size = 0;
	bool check = argc == 3 && strcmp(argv[1], "--check") == 0;

	if (argc != 1 && !check) {
		fprintf(stderr, "usage: config_doc [--check FILE]\n");
		return 2;
	}
	FILE *f = open_memstream(&page, &size);
	if (f == NULL)
		return 1;
	page_print(f);
	if (fclose(f) != 0)
		return 1;
	bool good =
		check ? same_as_file(page, size, argv[2]) : fwrite(page, 1, size, stdout) == size;
	if (check && !good)
		fprintf(stderr, "%s is stale: run ninja -C build config-doc\n", argv[2]);
	free(page);
	return good ? 0 : 1;
}
