// SPDX-License-Identifier: Apache-2.0
// Sections, lists of elements, references.
#include "config/nearest.h"
#include "config/option.h"
#include "config/profile_files.h"
#include "config/walk.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void
section_load(struct loader *l, yaml_node_t *n, const char *path, const char *shown, char *element);

static void defaults_set(struct loader *l, const char *parent, char *element) {
	char why[192];

	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		if (option_field_of(o, parent) == NULL)
			continue;
		if (o->type == OPTION_REAL)
			*(double *)(void *)(element + o->offset) = NAN;
		if (o->default_text == NULL)
			continue;
		if (option_set(o, element, o->default_text, why, sizeof(why)) < 0)
			report_add(l->report, 0, "%s: default: %s", o->path, why);
	}
}

static void required_check(
	struct loader *l,
	const char *parent,
	const char *shown,
	uint32_t line,
	char *element,
	uint32_t since // places that there were before its options
) {
	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		const char *name = option_field_of(o, parent);
		if (name == NULL || (o->flags & OPTION_REQUIRED) == 0)
			continue;
		if (build_given(l->build, element + o->offset, since))
			continue;
		if (shown[0] == '\0')
			report_add(l->report, line, "'%s' is missing", name);
		else
			report_add(l->report, line, "%s: '%s' is missing", shown, name);
	}
}

static void *list_allocate(struct loader *l, const struct spot *s, size_t add, uint32_t *first) {
	uint32_t *count = spot_count(l, s);
	void **array = spot_field(l, s);

	*first = *count;
	if (s->option->array == ARRAY_INLINE)
		return spot_field(l, s);
	// A list inside a list gathers all elements in one array: room for all of them at once,
	// because places point into it.
	if (*array == NULL) {
		bool inner = (s->option->flags & OPTION_IN_ROOT) != 0;
		size_t room = inner ? (size_t)s->option->max : add;
		if ((s->option->flags & OPTION_FILED) != 0)
			room += l->files;
		*array = build_alloc(l->build, room * s->option->width);
	}
	return *array;
}

static void list_load(struct loader *l, const struct spot *s) {
	yaml_node_t *n = s->node;
	const struct option *o = s->option;
	char path[PATH_TEXT_MAX], shown[PATH_TEXT_MAX];
	uint32_t first;

	if (node_is_null(n) && o->min == 0)
		return;
	if (n->type != YAML_SEQUENCE_NODE) {
		report_add(l->report, node_line(n), "%s: must be a list ('- name: ...')", s->shown);
		return;
	}
	size_t add = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
	uint32_t *count = spot_count(l, s);
	if (!list_size_ok(l, s, add + *count) || add == 0)
		return;
	char *array = list_allocate(l, s, add, &first);
	if (array == NULL)
		return;
	snprintf(path, sizeof(path), "%s[]", o->path);
	for (uint32_t i = 0; i < add; i++) {
		yaml_node_t *one = yaml_document_get_node(l->doc, n->data.sequence.items.start[i]);
		char *element = array + (size_t)(first + i) * o->width;
		snprintf(shown, sizeof(shown), "%s[%" PRIu32 "]", s->shown, i);
		defaults_set(l, path, element);
		if ((o->flags & OPTION_IN_ROOT) != 0)
			((struct config_interface *)(void *)element)->port =
				(uint16_t)((struct config_port *)(void *)s->element
					   - l->build->config->ports);
		build_place(l->build, element, node_line(one));
		uint32_t since = l->build->place_count;
		section_load(l, one, path, shown, element);
		required_check(l, path, shown, node_line(one), element, since);
		(*count)++;
	}
}

void element_load(struct loader *l, const struct option *list) {
	yaml_node_t *root = yaml_document_get_root_node(l->doc);
	struct spot s = {
		.node = root,
		.option = list,
		.shown = list->path,
		.element = (char *)l->build->config,
	};
	uint32_t *count = spot_count(l, &s);
	char path[PATH_TEXT_MAX];
	uint32_t first;

	if (root == NULL) {
		report_add(l->report, 0, "the file is empty");
		return;
	}
	char *array = list_allocate(l, &s, 0, &first);
	if (array == NULL)
		return;
	char *element = array + (size_t)first * list->width;
	snprintf(path, sizeof(path), "%s[]", list->path);
	defaults_set(l, path, element);
	build_place(l->build, element, node_line(root));
	uint32_t since = l->build->place_count;
	section_load(l, root, path, "", element);
	if (root->type == YAML_MAPPING_NODE)
		required_check(l, path, "", 0, element, since);
	(*count)++;
}

static void option_load(struct loader *l, const struct spot *s) {
	if (s->option->type == OPTION_LIST)
		list_load(l, s);
	else if (s->option->type != OPTION_MAP)
		field_load(l, s);
	else if (!node_is_null(s->node))
		section_load(l, s->node, s->option->path, s->shown, s->element);
}

// Near in the same section, else the same name in another one: people indent wrongly.
static void unknown_report(
	struct loader *l,
	const char *key,
	const char *path,
	const char *shown,
	uint32_t line
) {
	struct nearest near;
	const char *elsewhere = NULL;

	nearest_init(&near, key);
	for (size_t i = 0; i < config_option_count; i++) {
		const char *name = option_name_below(&config_options[i], path);
		const char *last = strrchr(config_options[i].path, '.');
		if (name != NULL)
			nearest_offer(&near, name);
		else if (last != NULL && strcmp(last + 1, key) == 0)
			elsewhere = config_options[i].path;
		else if (last == NULL && strcmp(config_options[i].path, key) == 0)
			elsewhere = config_options[i].path;
	}
	if (near.best != NULL)
		report_add(
			l->report, line, "%s: unknown option; did you mean '%s'?", shown, near.best
		);
	else if (elsewhere != NULL)
		report_add(
			l->report, line, "%s: unknown option here; there is '%s'", shown, elsewhere
		);
	else
		report_add(l->report, line, "%s: unknown option", shown);
}

static yaml_node_t *
key_seen_before(struct loader *l, const yaml_node_t *map, const yaml_node_pair_t *until) {
	const char *key = node_text(yaml_document_get_node(l->doc, until->key));

	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < until; p++) {
		yaml_node_t *n = yaml_document_get_node(l->doc, p->key);
		const char *other = node_text(n);
		if (other != NULL && strcmp(other, key) == 0)
			return n;
	}
	return NULL;
}

static void pair_load(
	struct loader *l,
	const yaml_node_t *map,
	const yaml_node_pair_t *pair,
	const char *parent,
	const char *parent_shown,
	char *element
) {
	yaml_node_t *key_node = yaml_document_get_node(l->doc, pair->key);
	const char *key = node_text(key_node);
	char path[PATH_TEXT_MAX], shown[PATH_TEXT_MAX];
	uint32_t line = node_line(key_node);

	if (key == NULL) {
		report_add(l->report, line, "%s: an option name must be text", parent_shown);
		return;
	}
	snprintf(path, sizeof(path), "%s%s%.64s", parent, parent[0] == '\0' ? "" : ".", key);
	snprintf(
		shown,
		sizeof(shown),
		"%s%s%.64s",
		parent_shown,
		parent_shown[0] == '\0' ? "" : ".",
		key
	);
	const yaml_node_t *earlier = key_seen_before(l, map, pair);
	if (earlier != NULL) {
		report_add(
			l->report,
			line,
			"%s: already given in line %" PRIu32,
			shown,
			node_line(earlier)
		);
		return;
	}
	const struct option *o = option_find(path);
	if (o == NULL || strpbrk(key, ".[]") != NULL) {
		unknown_report(l, key, parent, shown, line);
		return;
	}
	struct spot s = {
		.node = yaml_document_get_node(l->doc, pair->value),
		.option = o,
		.shown = shown,
		.element = element,
	};
	if (o->type != OPTION_MAP)
		build_place(l->build, spot_field(l, &s), line);
	option_load(l, &s);
}

static void
section_load(struct loader *l, yaml_node_t *n, const char *path, const char *shown, char *element) {
	if (n->type != YAML_MAPPING_NODE) {
		report_add(
			l->report,
			node_line(n),
			"%s%smust hold options ('name: value')",
			shown,
			shown[0] == '\0' ? "the file " : ": "
		);
		return;
	}
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++)
		pair_load(l, n, p, path, shown, element);
}

// --- references

static void reference_resolve(struct loader *l, const struct reference *r) {
	const struct option *target = option_find(r->option->target);
	char *root = (char *)l->build->config;
	char *array = *(char **)(void *)(root + target->offset);
	uint32_t count = *(uint32_t *)(void *)(root + target->count_offset);
	struct nearest near;

	nearest_init(&near, r->name);
	for (uint32_t i = 0; i < count; i++) {
		char *element = array + (size_t)i * target->width;
		if (strcmp(element, r->name) == 0) { // every element begins with its name
			if (r->option->width == sizeof(uint16_t))
				*(uint16_t *)r->field = (uint16_t)i;
			else
				*(void **)r->field = element;
			return;
		}
		nearest_offer(&near, element);
	}
	if (near.best != NULL)
		report_add(
			l->report,
			r->line,
			"%s: there is no '%.40s' in %s; did you mean '%s'?",
			r->shown,
			r->name,
			target->path,
			near.best
		);
	else
		report_add(
			l->report,
			r->line,
			"%s: there is no '%.40s' in %s",
			r->shown,
			r->name,
			target->path
		);
}

// Whether a literal is allowed depends on `lab`, which may stand further down in the file.
static bool lab_declared(const struct loader *l) {
	const yaml_node_t *root = yaml_document_get_root_node(l->doc);
	bool lab = false;

	for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top;
	     p++) {
		const char *key = node_text(yaml_document_get_node(l->doc, p->key));
		const char *value = node_text(yaml_document_get_node(l->doc, p->value));
		if (key != NULL && value != NULL && strcmp(key, "lab") == 0)
			(void)bool_parse(value, &lab);
	}
	return lab;
}

void document_load(struct loader *l) {
	yaml_node_t *root = yaml_document_get_root_node(l->doc);
	char *element = (char *)l->build->config;

	if (root == NULL) {
		report_add(l->report, 0, "the file is empty");
		return;
	}
	struct profile_paths files = {0};
	if (root->type == YAML_MAPPING_NODE) {
		l->lab = lab_declared(l);
		profile_paths_find(l, &files);
	}
	l->files = files.count;
	defaults_set(l, "", element);
	section_load(l, root, "", "", element);
	if (root->type != YAML_MAPPING_NODE)
		return;
	required_check(l, "", "", 0, element, 0);
	profile_files_load(l, &files);
	for (const struct reference *r = l->references; r != NULL; r = r->next)
		reference_resolve(l, r);
	// What depends on several options is judged only when each of them is sound: otherwise one
	// mistake would be reported three times.
	if (l->report->total == 0 && !l->build->out_of_memory)
		config_check(l->build);
}
