// SPDX-License-Identifier: Apache-2.0
// A file becomes a YAML document; the walk makes a configuration of it.
#include "config/build.h"
#include "config/walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define FILE_MAX (1u << 20)

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

static int text_load(struct build *b, const char *text, size_t size) {
	yaml_parser_t parser;
	yaml_document_t doc;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	if (!yaml_parser_load(&parser, &doc)) {
		b->out_of_memory = parser.error == YAML_MEMORY_ERROR;
		parser_error_report(b->report, &parser);
		yaml_parser_delete(&parser);
		return 0;
	}
	if (yaml_document_get_root_node(&doc) != NULL)
		second_document_check(b->report, &parser);
	struct loader l = {.build = b, .report = b->report, .doc = &doc};
	document_load(&l);
	yaml_document_delete(&doc);
	yaml_parser_delete(&parser);
	return 0;
}

// The whole file, which the caller frees; NULL with -errno in *error.
static char *file_slurp(const char *path, size_t *size, int *error) {
	FILE *f = fopen(path, "re");

	if (f == NULL) {
		*error = -errno;
		return NULL;
	}
	char *text = malloc(FILE_MAX + 1);
	*error = text == NULL ? -ENOMEM : 0;
	if (text != NULL) {
		errno = 0;
		*size = fread(text, 1, FILE_MAX + 1, f);
		if (ferror(f) != 0)
			*error = errno != 0 ? -errno : -EIO;
		else if (*size > FILE_MAX)
			*error = -EFBIG;
	}
	fclose(f);
	if (*error == 0)
		return text;
	free(text);
	return NULL;
}

int config_load_text(
	const char *path,
	const char *text,
	size_t size,
	struct config **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
) {
	struct report report = {.file = path, .errors = errors, .max = max};
	struct build b;

	*count = 0;
	int ret = build_init(&b, path, &report);
	if (ret == 0)
		ret = text_load(&b, text, size);
	if (ret == 0 && b.out_of_memory)
		ret = -ENOMEM;
	if (ret == 0 && report.total > 0)
		ret = -EINVAL;
	if (ret == 0)
		*out = build_take(&b);
	report_sort(&report);
	*count = report.count;
	build_fini(&b);
	return ret;
}

int config_load(
	const char *path,
	struct config **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
) {
	size_t size = 0;
	int ret;

	*count = 0;
	char *text = file_slurp(path, &size, &ret);
	if (text == NULL)
		return ret;
	ret = config_load_text(path, text, size, out, errors, max, count);
	explicit_bzero(text, size);
	free(text);
	return ret;
}
