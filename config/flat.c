// SPDX-License-Identifier: Apache-2.0
#include "config/flat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define PATH_MAX_TEXT 256
#define DEPTH_MAX 16

static int item_add(struct flat *f, const char *path, const yaml_node_t *n) {
	struct flat_item *grown = realloc(f->items, (f->count + 1) * sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	f->items = grown;
	struct flat_item *it = &f->items[f->count];
	*it = (struct flat_item) {
		.path = strdup(path),
		.value = strdup((const char *)n->data.scalar.value),
		.start = n->start_mark.index,
		.end = n->end_mark.index,
	};
	f->count++;
	return it->path == NULL || it->value == NULL ? -ENOMEM : 0;
}

static int walk(struct flat *f, yaml_document_t *d, yaml_node_t *n, const char *path, int depth) {
	char below[PATH_MAX_TEXT];
	int ret = 0;

	if (depth > DEPTH_MAX)
		return -EINVAL;
	if (n->type == YAML_SCALAR_NODE)
		return item_add(f, path, n);
	if (n->type == YAML_SEQUENCE_NODE) {
		yaml_node_item_t *i = n->data.sequence.items.start;
		for (size_t k = 0; &i[k] < n->data.sequence.items.top && ret == 0; k++) {
			snprintf(below, sizeof(below), "%.200s[%zu]", path, k);
			ret = walk(f, d, yaml_document_get_node(d, i[k]), below, depth + 1);
		}
		return ret;
	}
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
	     p < n->data.mapping.pairs.top && ret == 0;
	     p++) {
		yaml_node_t *key = yaml_document_get_node(d, p->key);
		if (key->type != YAML_SCALAR_NODE)
			return -EINVAL;
		snprintf(
			below,
			sizeof(below),
			"%.160s%s%.80s",
			path,
			path[0] != '\0' ? "." : "",
			(const char *)key->data.scalar.value
		);
		ret = walk(f, d, yaml_document_get_node(d, p->value), below, depth + 1);
	}
	return ret;
}

int flat_read(const char *text, struct flat *out, char *why, size_t why_len) {
	yaml_parser_t parser;
	yaml_document_t doc;
	int ret = 0;

	*out = (struct flat) {0};
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
	if (!yaml_parser_load(&parser, &doc)) {
		snprintf(
			why,
			why_len,
			"line %zu: %s",
			parser.problem_mark.line + 1,
			parser.problem != NULL ? parser.problem : "no YAML"
		);
		yaml_parser_delete(&parser);
		return -EINVAL;
	}
	yaml_node_t *root = yaml_document_get_root_node(&doc);
	if (root != NULL)
		ret = walk(out, &doc, root, "", 0);
	yaml_document_delete(&doc);
	yaml_parser_delete(&parser);
	if (ret < 0) {
		snprintf(why, why_len, "nested too deep, or keys that are no text");
		flat_free(out);
	}
	return ret;
}

void flat_free(struct flat *f) {
	for (size_t i = 0; i < f->count; i++) {
		free(f->items[i].path);
		free(f->items[i].value);
	}
	free(f->items);
	*f = (struct flat) {0};
}

const struct flat_item *flat_find(const struct flat *f, const char *path) {
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->items[i].path, path) == 0)
			return &f->items[i];
	return NULL;
}

void flat_option_path(const char *path, char *out, size_t room) {
	size_t n = 0;
	bool skip = false;

	for (; *path != '\0' && n + 1 < room; path++) {
		if (*path == ']')
			skip = false;
		if (!skip)
			out[n++] = *path;
		if (*path == '[')
			skip = true;
	}
	out[n] = '\0';
}

// Characters before byte positions: libyaml counts marks in characters, not bytes.
static size_t byte_of(const char *text, size_t characters) {
	const char *p = text;

	while (*p != '\0' && characters > 0) {
		p++;
		while (((unsigned char)*p & 0xc0) == 0x80)
			p++;
		characters--;
	}
	return (size_t)(p - text);
}

// A value that YAML reads back as the same text.
static char *scalar_text(const char *value) {
	static const char special[] = ":#{}[],&*!|>'\"%@`\\\n\t";
	bool plain = value[0] != '\0' && value[0] != '-' && value[0] != '?' && value[0] != ' '
		&& strpbrk(value, special) == NULL && value[strlen(value) - 1] != ' ';
	char *out = NULL;
	size_t len;

	if (plain)
		return strdup(value);
	FILE *f = open_memstream(&out, &len);
	if (f == NULL)
		return NULL;
	fputc('"', f);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', f);
		if (*value == '\n')
			fputs("\\n", f);
		else
			fputc(*value, f);
	}
	fputc('"', f);
	fclose(f);
	return out;
}

static char *spliced(const char *text, size_t start, size_t end, const char *insert) {
	char *out;

	if (asprintf(&out, "%.*s%s%s", (int)start, text, insert, text + end) < 0)
		return NULL;
	return out;
}

// Where the line after "section:" begins, 0 if the section does not stand in the text.
static size_t section_begin(const char *text, const char *section, size_t len) {
	for (const char *line = text; line != NULL && *line != '\0';) {
		const char *next = strchr(line, '\n');
		if (strncmp(line, section, len) == 0 && line[len] == ':') {
			const char *rest = line + len + 1;
			rest += strspn(rest, " \t");
			if (*rest == '\n' || *rest == '#' || *rest == '\0')
				return next != NULL ? (size_t)(next + 1 - text) : strlen(text);
			return 0;
		}
		line = next != NULL ? next + 1 : NULL;
	}
	return 0;
}

char *flat_set(const char *text, const struct flat *f, const char *path, const char *value) {
	const struct flat_item *it = flat_find(f, path);
	const char *dot = strchr(path, '.');
	char *scalar = scalar_text(value), *line = NULL, *out = NULL;

	if (scalar == NULL)
		return NULL;
	if (it != NULL) {
		out = spliced(text, byte_of(text, it->start), byte_of(text, it->end), scalar);
	} else if (strchr(path, '[') == NULL && (dot == NULL || strchr(dot + 1, '.') == NULL)) {
		size_t at = dot != NULL ? section_begin(text, path, (size_t)(dot - path)) : 0;
		const char *sep = text[0] != '\0' && text[strlen(text) - 1] != '\n' ? "\n" : "";
		int n;
		if (at != 0)
			n = asprintf(&line, "  %s: %s\n", dot + 1, scalar);
		else if (dot != NULL)
			n = asprintf(
				&line,
				"%s%.*s:\n  %s: %s\n",
				sep,
				(int)(dot - path),
				path,
				dot + 1,
				scalar
			);
		else
			n = asprintf(&line, "%s%s: %s\n", sep, path, scalar);
		if (at == 0)
			at = strlen(text);
		if (n >= 0)
			out = spliced(text, at, at, line);
	}
	free(line);
	free(scalar);
	return out;
}
