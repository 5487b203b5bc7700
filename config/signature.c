// SPDX-License-Identifier: Apache-2.0
// A text of signatures becomes a set: YAML in, every mistake with file, line and nearest key.
#include "config/nearest.h"
#include "config/signature_read.h"
#include "config/walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int key_find(struct set_reader *r, const yaml_node_t *key) {
	struct nearest near;
	const char *text = node_text(key);

	if (text == NULL) {
		report_add(&r->report, node_line(key), "a key must be text");
		return -1;
	}
	nearest_init(&near, text);
	for (int i = 0; i < KEY_COUNT; i++) {
		if (strcmp(signature_key_labels[i], text) == 0)
			return i;
		nearest_offer(&near, signature_key_labels[i]);
	}
	if (near.best != NULL)
		report_add(
			&r->report,
			node_line(key),
			"%.40s: unknown key; did you mean '%s'?",
			text,
			near.best
		);
	else
		report_add(&r->report, node_line(key), "%.40s: unknown key", text);
	return -1;
}

static void complete_check(
	struct set_reader *r,
	struct signature *s,
	yaml_node_t *const *values,
	uint32_t line
) {
	static const enum signature_key required[] = {
		KEY_ID, KEY_NAME, KEY_EXPRESSION, KEY_SEVERITY, KEY_ACTION, KEY_MATCH
	};

	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
		if (values[required[i]] == NULL)
			report_add(
				&r->report,
				line,
				"'%s' is missing",
				signature_key_labels[required[i]]
			);
	if (s->action == SIGNATURE_BAN && values[KEY_FOR] == NULL)
		report_add(&r->report, line, "'for' is missing: every ban must end");
	if (s->action != SIGNATURE_BAN && values[KEY_FOR] != NULL)
		report_add(
			&r->report, node_line(values[KEY_FOR]), "for: belongs to 'action: ban' only"
		);
	if (s->protocols == 0)
		s->protocols = SIGNATURE_PROTOCOLS_ALL;
	if (s->scope == SIGNATURE_PATH
	    && (s->protocols & (1u << LISTEN_COAP | 1u << LISTEN_MQTT)) == 0)
		report_add(
			&r->report,
			node_line(values[KEY_SCOPE]),
			"scope: only coap and mqtt have a path"
		);
}

static struct signature *signature_add(struct set_reader *r) {
	struct owned_set *o = r->owned;

	if (o->set.count == o->room) {
		uint32_t room = o->room == 0 ? 64 : 2 * o->room;
		struct signature *grown = realloc(o->set.signatures, room * sizeof(*grown));
		if (grown == NULL) {
			r->out_of_memory = true;
			return NULL;
		}
		o->set.signatures = grown;
		o->room = room;
	}
	struct signature *s = &o->set.signatures[o->set.count++];
	*s = (struct signature) {
		.scope = SIGNATURE_PAYLOAD,
		.name = "",
		.expression = "",
		.reference = "",
		.file = r->file,
	};
	return s;
}

static void signature_read(struct set_reader *r, yaml_node_t *n) {
	yaml_node_t *values[KEY_COUNT] = {0};

	if (n->type != YAML_MAPPING_NODE) {
		report_add(&r->report, node_line(n), "a signature must hold keys ('id: ...')");
		return;
	}
	if (r->owned->set.count == SIGNATURES_MAX) {
		report_add(
			&r->report, node_line(n), "more than %u signatures in a set", SIGNATURES_MAX
		);
		return;
	}
	struct signature *s = signature_add(r);
	if (s == NULL)
		return;
	s->line = node_line(n);
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *key = yaml_document_get_node(r->doc, p->key);
		int k = key_find(r, key);
		if (k < 0)
			continue;
		if (values[k] != NULL) {
			report_add(
				&r->report,
				node_line(key),
				"%s: already given",
				signature_key_labels[k]
			);
			continue;
		}
		values[k] = yaml_document_get_node(r->doc, p->value);
		signature_field_read(r, s, (enum signature_key)k, values[k]);
	}
	complete_check(r, s, values, node_line(n));
	signature_vectors_read(r, s, values[KEY_MATCH], values[KEY_NEAR_MISS]);
}

static void document_read(struct set_reader *r) {
	yaml_node_t *root = yaml_document_get_root_node(r->doc);
	yaml_node_t *list = NULL;

	if (root == NULL) {
		report_add(&r->report, 0, "the file is empty");
		return;
	}
	if (root->type == YAML_MAPPING_NODE)
		for (yaml_node_pair_t *p = root->data.mapping.pairs.start;
		     p < root->data.mapping.pairs.top;
		     p++) {
			yaml_node_t *key = yaml_document_get_node(r->doc, p->key);
			const char *text = node_text(key);
			if (text == NULL || strcmp(text, "signatures") != 0)
				report_add(
					&r->report,
					node_line(key),
					"%.40s: unknown key; a file has 'signatures'",
					text != NULL ? text : "?"
				);
			else
				list = yaml_document_get_node(r->doc, p->value);
		}
	if (list == NULL || list->type != YAML_SEQUENCE_NODE) {
		report_add(
			&r->report, node_line(root), "the file must hold 'signatures:' and a list"
		);
		return;
	}
	for (yaml_node_item_t *i = list->data.sequence.items.start;
	     i < list->data.sequence.items.top;
	     i++)
		signature_read(r, yaml_document_get_node(r->doc, *i));
}

// --- one file

static void parser_error(struct set_reader *r, const yaml_parser_t *p) {
	report_add(
		&r->report,
		(uint32_t)p->problem_mark.line + 1,
		"not YAML: %s",
		p->problem != NULL ? p->problem : "cannot be read"
	);
	r->out_of_memory = p->error == YAML_MEMORY_ERROR;
}

static void part_read(struct set_reader *r, const char *name, const char *text, size_t size) {
	yaml_parser_t parser;
	yaml_document_t doc, second;

	r->file = set_own_text(r, name);
	r->report.file = r->file;
	if (!yaml_parser_initialize(&parser)) {
		r->out_of_memory = true;
		return;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	if (!yaml_parser_load(&parser, &doc)) {
		parser_error(r, &parser);
		yaml_parser_delete(&parser);
		return;
	}
	r->doc = &doc;
	document_read(r);
	if (yaml_document_get_root_node(&doc) != NULL) {
		if (!yaml_parser_load(&parser, &second)) {
			parser_error(r, &parser);
		} else {
			yaml_node_t *root = yaml_document_get_root_node(&second);
			if (root != NULL)
				report_add(
					&r->report,
					node_line(root),
					"a second YAML document begins here; there must be one"
				);
			yaml_document_delete(&second);
		}
	}
	yaml_document_delete(&doc);
	r->doc = NULL;
	yaml_parser_delete(&parser);
}

// --- the whole set

static int by_id(const void *a, const void *b) {
	const struct signature *x = *(const struct signature *const *)a;
	const struct signature *y = *(const struct signature *const *)b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x < y ? -1 : x > y; // in the order of the files
}

static void doubles_check(struct set_reader *r) {
	const struct signature_set *set = &r->owned->set;
	const struct signature **sorted = calloc(set->count + 1, sizeof(*sorted));

	if (sorted == NULL) {
		r->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < set->count; i++)
		sorted[i] = &set->signatures[i];
	qsort(sorted, set->count, sizeof(*sorted), by_id);
	for (uint32_t i = 1; i < set->count; i++) {
		if (sorted[i]->id == 0 || sorted[i]->id != sorted[i - 1]->id)
			continue;
		r->report.file = sorted[i]->file;
		report_add(
			&r->report,
			sorted[i]->line,
			"id: %" PRIu32 " is '%.40s' already (%.60s:%" PRIu32 ")",
			sorted[i]->id,
			sorted[i - 1]->name,
			sorted[i - 1]->file,
			sorted[i - 1]->line
		);
	}
	free(sorted);
}

int signatures_load_text(
	const char *name,
	const char *text,
	size_t size,
	struct signature_set **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
) {
	struct set_reader r = {
		.owned = calloc(1, sizeof(*r.owned)),
		.report = {.file = name, .errors = errors, .max = max},
	};
	struct signature_part part;
	size_t at = 0;

	*count = 0;
	if (r.owned == NULL)
		return -ENOMEM;
	if (size == 0)
		report_add(&r.report, 0, "the file is empty");
	while (!r.out_of_memory && signatures_part(text, size, &at, &part))
		part_read(&r, part.name[0] != '\0' ? part.name : name, part.text, part.size);
	doubles_check(&r);
	*count = r.report.count;
	int ret = r.out_of_memory ? -ENOMEM : r.report.total > 0 ? -EINVAL : 0;
	if (ret == 0)
		*out = &r.owned->set;
	else
		signatures_free(&r.owned->set);
	return ret;
}

void signatures_free(struct signature_set *s) {
	struct owned_set *o = (struct owned_set *)(void *)s;

	if (s == NULL)
		return;
	while (o->blocks != NULL) {
		struct set_block *b = o->blocks;
		o->blocks = b->next;
		free(b);
	}
	free(s->signatures);
	free(o);
}
