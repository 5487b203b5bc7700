// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "config/option.h"
#include "config/profile_print.h"
#include "config/schema.h"

#include <math.h>
#include <string.h>

#define VALUE_TEXT_MAX 512

// Double quotes take every text of ours: option texts have no control characters.
static void quoted_print(FILE *f, const char *text, size_t n) {
	fputc('"', f);
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '"' || text[i] == '\\')
			fputc('\\', f);
		fputc(text[i], f);
	}
	fputc('"', f);
}

// Does it say anything that the default does not?
static bool worth(const struct option *o, const char *element) {
	const void *field = element + o->offset;
	char text[VALUE_TEXT_MAX];

	switch (o->type) {
	case OPTION_VIEW:
		return ((const struct view *)field)->len > 0;
	case OPTION_TEXTS:
		return *(const uint32_t *)(const void *)(element + o->count_offset) > 0;
	case OPTION_REAL:
		if (isnan(*(const double *)field))
			return false;
		if (o->default_text == NULL)
			return true;
		break;
	case OPTION_SECRET:
		return *(const char *)field != '\0';
	case OPTION_REFERENCE:
		return true;
	default:
		break;
	}
	if ((o->flags & OPTION_REQUIRED) != 0)
		return true;
	if (option_get(o, element, text, sizeof(text)) < 0)
		return false;
	if (o->default_text == NULL)
		return text[strspn(text, "0")] != '\0' && strcmp(text, "0d") != 0;
	return strcmp(text, o->default_text) != 0;
}

static void value_print(FILE *f, const struct option *o, const char *element) {
	const void *field = element + o->offset;
	char text[VALUE_TEXT_MAX];

	switch (o->type) {
	case OPTION_VIEW: {
		const struct view *v = field;
		quoted_print(f, (const char *)v->p, v->len);
		return;
	}
	case OPTION_TEXTS: {
		char *const *list = field;
		uint32_t n = *(const uint32_t *)(const void *)(element + o->count_offset);
		for (uint32_t i = 0; i < n; i++) {
			fputs(i == 0 ? "[" : ", ", f);
			quoted_print(f, list[i], strlen(list[i]));
		}
		fputc(']', f);
		return;
	}
	case OPTION_SECRET:
		fputs("hidden", f);
		return;
	case OPTION_REFERENCE: // every element begins with its name
		fputs(*(const char *const *)field, f);
		return;
	default:
		(void)option_get(o, element, text, sizeof(text));
		if (o->type == OPTION_TEXT)
			quoted_print(f, text, strlen(text));
		else
			fputs(text, f);
	}
}

static bool section_worth(const struct option *section, const char *element) {
	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		if (o->type == OPTION_MAP || o->type == OPTION_LIST)
			continue;
		if (option_field_of(o, section->path) != NULL && worth(o, element))
			return true;
	}
	return false;
}

// "{a: 1, b: {c: 2}}"
static void flow_print(FILE *f, const char *parent, const char *element) {
	const char *comma = "";

	fputc('{', f);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		const char *name = option_name_below(o, parent);
		if (name == NULL || o->type == OPTION_LIST)
			continue;
		if (o->type == OPTION_MAP ? !section_worth(o, element) : !worth(o, element))
			continue;
		fprintf(f, "%s%s: ", comma, name);
		if (o->type == OPTION_MAP)
			flow_print(f, o->path, element);
		else
			value_print(f, o, element);
		comma = ", ";
	}
	fputc('}', f);
}

static void list_print(FILE *f, const struct option *o, const char *name, const char *element) {
	uint32_t n = *(const uint32_t *)(const void *)(element + o->count_offset);
	const char *array = *(const char *const *)(const void *)(element + o->offset);
	char path[160];

	if (n == 0)
		return;
	snprintf(path, sizeof(path), "%s[]", o->path);
	fprintf(f, "%s:\n", name);
	for (uint32_t i = 0; i < n; i++) {
		fputs("  - ", f);
		flow_print(f, path, array + (size_t)i * o->width);
		fputc('\n', f);
	}
}

void profile_print(FILE *f, const struct profile *p) {
	const char *element = (const char *)p;

	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		const char *name = option_name_below(o, "profiles[]");
		if (name == NULL)
			continue;
		if (o->type == OPTION_LIST) {
			list_print(f, o, name, element);
			continue;
		}
		if (o->type == OPTION_MAP ? !section_worth(o, element) : !worth(o, element))
			continue;
		fprintf(f, "%s: ", name);
		if (o->type == OPTION_MAP)
			flow_print(f, o->path, element);
		else
			value_print(f, o, element);
		fputc('\n', f);
	}
}
