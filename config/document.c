// SPDX-License-Identifier: Apache-2.0
#include "config/document.h"
#include "config/walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void parser_error_report(struct report *r, const yaml_parser_t *p) {
	const char *problem = p->problem != NULL ? p->problem : "cannot be read";
	uint32_t line = (uint32_t)p->problem_mark.line + 1;

	if (p->error == YAML_READER_ERROR)
		report_add(
			r, 0, "not a text file in UTF-8: %s at byte %zu", problem, p->problem_offset
		);
	else if (p->context != NULL)
		report_add(r, line, "not YAML: %s, %s", p->context, problem);
	else
		report_add(r, line, "not YAML: %s", problem);
}

// libyaml's document is the whole file; a second one would be ignored silently, so it is refused.
static void second_document_check(struct report *r, yaml_parser_t *p) {
	yaml_document_t doc;

	if (!yaml_parser_load(p, &doc)) {
		parser_error_report(r, p);
		return;
	}
	yaml_node_t *root = yaml_document_get_root_node(&doc);
	if (root != NULL)
		report_add(
			r, node_line(root), "a second YAML document begins here; there must be one"
		);
	yaml_document_delete(&doc);
}

int document_parse(struct report *r, const char *text, size_t size, yaml_document_t *out) {
	yaml_parser_t parser;
	int ret = 0;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	if (!yaml_parser_load(&parser, out)) {
		ret = parser.error == YAML_MEMORY_ERROR ? -ENOMEM : -EINVAL;
		parser_error_report(r, &parser);
	} else if (yaml_document_get_root_node(out) != NULL) {
		second_document_check(r, &parser);
	}
	yaml_parser_delete(&parser);
	return ret;
}

char *document_slurp(const char *path, size_t *size, int *error) {
	FILE *f = fopen(path, "re");

	if (f == NULL) {
		*error = -errno;
		return NULL;
	}
	char *text = malloc(DOCUMENT_FILE_MAX + 1);
	*error = text == NULL ? -ENOMEM : 0;
	if (text != NULL) {
		errno = 0;
		*size = fread(text, 1, DOCUMENT_FILE_MAX + 1, f);
		if (ferror(f) != 0)
			*error = errno != 0 ? -errno : -EIO;
		else if (*size > DOCUMENT_FILE_MAX)
			*error = -EFBIG;
	}
	fclose(f);
	if (*error == 0)
		return text;
	free(text);
	return NULL;
}
