// SPDX-License-Identifier: Apache-2.0
#include "config/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MASK ((1u << REPORT_LINE_BITS) - 1)

uint32_t report_line(const struct report *r, uint32_t line) {
	return line == 0 || line > LINE_MASK ? line : r->reading << REPORT_LINE_BITS | line;
}

void report_add(struct report *r, uint32_t line, const char *format, ...) {
	va_list args;

	r->total++;
	if (r->count >= r->max)
		return;
	struct config_error *e = &r->errors[r->count++];
	line = report_line(r, line);
	uint32_t file = line == 0 ? r->reading : line >> REPORT_LINE_BITS;
	snprintf(e->file, sizeof(e->file), "%s", r->files != NULL ? r->files[file] : r->file);
	e->line = line & LINE_MASK;
	va_start(args, format);
	vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
}

static int by_line(const void *a, const void *b) {
	const struct config_error *x = a, *y = b;
	int order = strcmp(x->file, y->file);
	if (order == 0)
		order = (x->line > y->line) - (x->line < y->line);
	return order != 0 ? order : strcmp(x->text, y->text);
}

void report_sort(struct report *r) {
	if (r->count > 1)
		qsort(r->errors, r->count, sizeof(r->errors[0]), by_line);
}
