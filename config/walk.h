// SPDX-License-Identifier: Apache-2.0
// From the nodes of a YAML document to struct config, driven by the option table: the walk knows
// types, not options. Main thread, inside config_load().
#pragma once

#include "config/build.h"
#include "config/schema.h"

#include <yaml.h>

#define PATH_TEXT_MAX 160

// A reference waits until all lists have been read.
struct reference {
	struct reference *next;
	const struct option *option;
	void *field;
	const char *name;
	const char *shown;
	uint32_t line;
};

struct loader {
	struct build *build;
	struct report *report;
	yaml_document_t *doc; // the one being read
	struct reference *references;
	uint32_t files; // that hold one more element of `profiles` each
	bool lab; // as the main file declares it
};

// One place in the walk: the node, the option it belongs to, and the element it is stored in.
struct spot {
	yaml_node_t *node;
	const struct option *option;
	const char *shown; // "ports[0].mtu"
	char *element; // base of the option's offset
};

uint32_t node_line(const yaml_node_t *n);
// NULL unless it is a scalar.
const char *node_text(const yaml_node_t *n);
// "key:" without a value, or "~": treated as an empty list or section, an error elsewhere.
bool node_is_null(const yaml_node_t *n);

void *spot_field(const struct loader *l, const struct spot *s);
uint32_t *spot_count(const struct loader *l, const struct spot *s);

// Everything but sections and lists of elements. Mistakes go to the report.
void field_load(struct loader *l, const struct spot *s);

// False, and reported, if a list of `n` elements is too short or too long.
bool list_size_ok(struct loader *l, const struct spot *s, size_t n);

// One element of a list that has a file of its own: its options stand at the top of l->doc.
void element_load(struct loader *l, const struct option *list);

// The whole document, and the files it names: defaults, sections, required options, references,
// cross-field checks.
void document_load(struct loader *l);
