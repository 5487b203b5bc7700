// SPDX-License-Identifier: Apache-2.0
#include "config/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void report_add(struct report *r, uint32_t line, const char *format, ...) {
	va_list args;

	r->total++;
	if (r->count >= r->max)
		return;
	struct config_error *e = &r->errors[r->count++];
	snprintf(e->file, sizeof(e->file), "%s", r->file);
	e->line = line;
	va_start(args, format);
	vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
}

static int by_line(const void *a, const void *b) {
	const struct config_error *x = a, *y = b;
	int order = (x->line > y->line) - (x->line < y->line);
	return order != 0 ? order : strcmp(x->text, y->text);
}

void report_sort(struct report *r) {
	if (r->count > 1)
		qsort(r->errors, r->count, sizeof(r->errors[0]), by_line);
}
