// SPDX-License-Identifier: Apache-2.0
#include "config/diff.h"
#include "config/schema.h"

#include <stdio.h>
#include <string.h>

struct diff {
	const struct config *running;
	const struct config *next;
	struct config_change *out;
	uint32_t max;
	uint32_t count;
};

// One side of a comparison: the configuration, and the element whose fields are looked at.
struct side {
	const struct config *config;
	const char *element;
};

// The elements of a list on one side.
struct elements {
	const char *base;
	uint32_t count;
	uint32_t width;
};

static void change_add(struct diff *d, const char *within, const char *name, bool live) {
	if (d->count < d->max) {
		struct config_change *c = &d->out[d->count];
		snprintf(
			c->path,
			sizeof(c->path),
			"%s%s%s",
			within,
			within[0] != '\0' && name[0] != '\0' ? "." : "",
			name
		);
		c->live = live;
	}
	d->count++;
}

static bool is_live(const struct option *o) {
	return (o->flags & OPTION_LIVE) != 0;
}

static const char *field(const struct option *o, const struct side *s) {
	return s->element + o->offset;
}

static uint32_t counted(const struct option *o, const struct side *s) {
	uint32_t n;

	memcpy(&n, s->element + o->count_offset, sizeof(n));
	return n;
}

static const char *pointer_at(const char *field) {
	const char *p;

	memcpy(&p, field, sizeof(p));
	return p;
}

static struct elements elements_of(const struct option *list, const struct side *s) {
	const char *base = field(list, s);

	return (struct elements) {
		.base = list->array == ARRAY_OWNED ? pointer_at(base) : base,
		.count = counted(list, s),
		.width = list->width,
	};
}

static const struct option *name_option(const struct option *list) {
	char path[CONFIG_CHANGE_PATH];

	snprintf(path, sizeof(path), "%s[].name", list->path);
	return option_find(path);
}

static const char *name_at(const struct elements *e, const struct option *name, uint32_t i) {
	return e->base + (size_t)i * e->width + name->offset;
}

// The name of the element that a reference stands for: two files may number them differently.
static const char *referenced(const struct option *o, const struct side *s) {
	const struct option *list = option_find(o->target);
	const struct side root = {s->config, (const char *)s->config};
	struct elements e = elements_of(list, &root);
	uint32_t index;

	if (o->width == sizeof(uint16_t)) {
		uint16_t n;
		memcpy(&n, field(o, s), sizeof(n));
		index = n;
	} else {
		const char *p = pointer_at(field(o, s));
		if (p == NULL)
			return "";
		index = (uint32_t)((size_t)(p - e.base) / e.width);
	}
	return index < e.count ? name_at(&e, name_option(list), index) : "";
}

static bool text_equal(const char *a, const char *b) {
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool texts_equal(const struct option *o, const struct side *a, const struct side *b) {
	for (uint32_t i = 0; i < counted(o, a); i++)
		if (!text_equal(
			    pointer_at(field(o, a) + i * sizeof(char *)),
			    pointer_at(field(o, b) + i * sizeof(char *))
		    ))
			return false;
	return true;
}

static bool properties_equal(const struct option *o, const struct side *a, const struct side *b) {
	const struct property_option *p = (const void *)pointer_at(field(o, a));
	const struct property_option *q = (const void *)pointer_at(field(o, b));

	for (uint32_t i = 0; i < counted(o, a); i++)
		if (!text_equal(p[i].name, q[i].name) || !text_equal(p[i].value, q[i].value))
			return false;
	return true;
}

static bool view_field_equal(const struct option *o, const struct side *a, const struct side *b) {
	struct view v, w;

	memcpy(&v, field(o, a), sizeof(v));
	memcpy(&w, field(o, b), sizeof(w));
	return view_equal(v, w);
}

static bool array_equal(const char *a, const char *b, size_t bytes) {
	return bytes == 0 || memcmp(a, b, bytes) == 0;
}

static bool equal(const struct option *o, const struct side *a, const struct side *b) {
	switch (o->type) {
	case OPTION_NAME:
	case OPTION_TEXT:
	case OPTION_SECRET:
		return text_equal(field(o, a), field(o, b));
	case OPTION_VIEW:
		return view_field_equal(o, a, b);
	case OPTION_SECRET_FILE:
		return text_equal(pointer_at(field(o, a)), pointer_at(field(o, b)));
	case OPTION_TEXTS:
		return counted(o, a) == counted(o, b) && texts_equal(o, a, b);
	case OPTION_CPUS:
		return counted(o, a) == counted(o, b)
			&& array_equal(field(o, a), field(o, b), counted(o, a) * sizeof(uint32_t));
	case OPTION_PREFIXES:
		return counted(o, a) == counted(o, b)
			&& array_equal(
				pointer_at(field(o, a)),
				pointer_at(field(o, b)),
				counted(o, a) * sizeof(struct ip_prefix)
			);
	case OPTION_PROPERTIES:
		return counted(o, a) == counted(o, b) && properties_equal(o, a, b);
	case OPTION_REFERENCE:
		return text_equal(referenced(o, a), referenced(o, b));
	default:
		return memcmp(field(o, a), field(o, b), o->width) == 0;
	}
}

static void list_compare(
	struct diff *d,
	const struct option *list,
	const char *within,
	const char *name,
	const struct side *a,
	const struct side *b
);

// All fields of two elements that `parent` describes.
static void fields_compare(
	struct diff *d,
	const char *parent,
	const char *within,
	const struct side *a,
	const struct side *b
) {
	bool root = parent[0] == '\0';

	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		bool elsewhere = (o->flags & OPTION_IN_ROOT) != 0;
		const char *name = root && elsewhere ? o->path : option_field_of(o, parent);
		if (name == NULL || o->type == OPTION_MAP || elsewhere != (root && elsewhere))
			continue;
		if (o->type == OPTION_LIST)
			list_compare(d, o, within, name, a, b);
		else if (!equal(o, a, b))
			change_add(d, within, name, is_live(o));
	}
}

static void
element_path(const char *within, const char *name, uint32_t index, char out[CONFIG_CHANGE_PATH]) {
	snprintf(
		out,
		CONFIG_CHANGE_PATH,
		"%.70s%s%.60s[%u]",
		within,
		within[0] != '\0' ? "." : "",
		name,
		index
	);
}

// Names are char[] or, in compiled lists, views.
static struct view name_of(const struct elements *e, const struct option *name, uint32_t i) {
	const char *at = name_at(e, name, i);
	struct view v;

	if (name->type != OPTION_VIEW)
		return view_of(at, (uint32_t)strlen(at));
	memcpy(&v, at, sizeof(v));
	return v;
}

// Index of the element of that name, e->count if there is none. Most stand where they stood.
static uint32_t
element_find(const struct elements *e, const struct option *name, struct view wanted, uint32_t at) {
	if (at < e->count && view_equal(name_of(e, name, at), wanted))
		return at;
	for (uint32_t i = 0; i < e->count; i++)
		if (view_equal(name_of(e, name, i), wanted))
			return i;
	return e->count;
}

static void pair_compare(
	struct diff *d,
	const struct option *list,
	const char *within,
	const struct side *a,
	const struct side *b
) {
	char parent[CONFIG_CHANGE_PATH];

	snprintf(parent, sizeof(parent), "%s[]", list->path);
	fields_compare(d, parent, within, a, b);
}

static void list_compare(
	struct diff *d,
	const struct option *list,
	const char *within,
	const char *name,
	const struct side *a,
	const struct side *b
) {
	struct elements was = elements_of(list, a), is = elements_of(list, b);
	const struct option *named = name_option(list);
	bool moved = false, ordered = !is_live(list);
	char path[CONFIG_CHANGE_PATH];
	uint32_t before = d->count;

	for (uint32_t i = 0; i < is.count; i++) {
		uint32_t k =
			named != NULL ? element_find(&was, named, name_of(&is, named, i), i) : i;
		element_path(within, name, i, path);
		if (k >= was.count) {
			change_add(d, path, "", is_live(list));
			continue;
		}
		const struct side from = {a->config, was.base + (size_t)k * was.width};
		const struct side to = {b->config, is.base + (size_t)i * is.width};
		moved |= k != i;
		pair_compare(d, list, path, &from, &to);
	}
	for (uint32_t i = 0; i < was.count; i++) {
		bool there = named != NULL
			? element_find(&is, named, name_of(&was, named, i), i) < is.count
			: i < is.count;
		element_path(within, name, i, path);
		if (!there)
			change_add(d, path, "", is_live(list));
	}
	if (moved && ordered && d->count == before)
		change_add(d, within, name, false);
}

uint32_t config_diff(
	const struct config *running,
	const struct config *next,
	struct config_change *out,
	uint32_t max
) {
	struct diff d = {.running = running, .next = next, .out = out, .max = max};
	const struct side a = {running, (const char *)running};
	const struct side b = {next, (const char *)next};

	fields_compare(&d, "", "", &a, &b);
	return d.count;
}
