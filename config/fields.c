// SPDX-License-Identifier: Apache-2.0
// Values that need more than their field: memory, other files, the rest of the document.
#include "config/address.h"
#include "config/kafka_forbidden.h"
#include "config/option.h"
#include "config/secret.h"
#include "config/walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_TEXT_MAX 4096
#define WHY(...) (snprintf(why, why_size, __VA_ARGS__), -EINVAL)

uint32_t node_line(const yaml_node_t *n) {
	return (uint32_t)n->start_mark.line + 1;
}

const char *node_text(const yaml_node_t *n) {
	return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

bool node_is_null(const yaml_node_t *n) {
	const char *text = node_text(n);

	if (text == NULL || n->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	return text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

static char *spot_element(const struct loader *l, const struct spot *s) {
	return (s->option->flags & OPTION_IN_ROOT) != 0 ? (char *)l->build->config : s->element;
}

void *spot_field(const struct loader *l, const struct spot *s) {
	return spot_element(l, s) + s->option->offset;
}

uint32_t *spot_count(const struct loader *l, const struct spot *s) {
	return (uint32_t *)(void *)(spot_element(l, s) + s->option->count_offset);
}

static int
view_load(struct loader *l, const struct spot *s, const char *text, char *why, size_t why_size) {
	size_t n = strlen(text);

	if (n < s->option->min || n > s->option->max)
		return WHY("must have 1 to %" PRIu64 " bytes", s->option->max);
	char *copy = build_text(l->build, text);
	if (copy != NULL)
		*(struct view *)spot_field(l, s) = view_of(copy, (uint32_t)n);
	return 0;
}

static int reference_load(struct loader *l, const struct spot *s, const char *text) {
	struct reference *r = build_alloc(l->build, sizeof(*r));

	if (r == NULL)
		return 0;
	*r = (struct reference) {
		.next = l->references,
		.option = s->option,
		.field = spot_field(l, s),
		.name = build_text(l->build, text),
		.shown = build_text(l->build, s->shown),
		.line = report_line(l->report, node_line(s->node)),
	};
	if (r->name != NULL && r->shown != NULL)
		l->references = r;
	return 0;
}

static int secret_fetch(
	struct loader *l,
	const char *text,
	char *out,
	size_t size,
	char *why,
	size_t why_size
) {
	const char *rest;

	if (secret_source(text, &rest) == SECRET_LITERAL && !l->lab)
		return WHY("a secret must not stand here: write file:PATH or credential:NAME");
	return secret_read(text, l->build->base_dir, out, size, why, why_size);
}

static int secret_file_load(
	struct loader *l,
	const struct spot *s,
	const char *text,
	char *why,
	size_t why_size
) {
	char path[1024];
	struct stat st;
	int ret = secret_path(text, l->build->base_dir, path, sizeof(path));

	if (ret == -ENOENT)
		return WHY("CREDENTIALS_DIRECTORY is not set: start it by systemd");
	if (ret < 0)
		return WHY("must be file:PATH or credential:NAME");
	if (access(path, R_OK) < 0 || stat(path, &st) < 0)
		return WHY("cannot read %.100s: %s", path, strerror(errno));
	if ((st.st_mode & S_IRWXO) != 0 && !l->lab)
		return WHY("%.100s is open to every user: chmod o-rwx it", path);
	*(char **)spot_field(l, s) = build_text(l->build, path);
	return 0;
}

static int
scalar_load(struct loader *l, const struct spot *s, const char *text, char *why, size_t why_size) {
	switch (s->option->type) {
	case OPTION_VIEW:
		return view_load(l, s, text, why, why_size);
	case OPTION_REFERENCE:
		return reference_load(l, s, text);
	case OPTION_SECRET:
		return secret_fetch(l, text, spot_field(l, s), s->option->width, why, why_size);
	case OPTION_SECRET_FILE:
		return secret_file_load(l, s, text, why, why_size);
	default:
		return option_set(s->option, s->element, text, why, why_size);
	}
}

// --- lists of scalars; one scalar alone is a list of one

typedef int
item_fn(struct loader *l,
	const struct spot *s,
	uint32_t index,
	const char *text,
	char *why,
	size_t why_size);

static int text_item(
	struct loader *l,
	const struct spot *s,
	uint32_t index,
	const char *text,
	char *why,
	size_t why_size
) {
	if (text[0] == '\0' || strlen(text) > 255)
		return WHY("must have 1 to 255 bytes");
	((char **)spot_field(l, s))[index] = build_text(l->build, text);
	(*spot_count(l, s))++;
	return 0;
}

static int cpu_item(
	struct loader *l,
	const struct spot *s,
	uint32_t,
	const char *text,
	char *why,
	size_t why_size
) {
	uint32_t max = (uint32_t)s->option->max;
	int ret = cpu_range_parse(text, spot_field(l, s), spot_count(l, s), max);

	if (ret == -E2BIG)
		return WHY("more than %" PRIu32 " CPUs", max);
	if (ret < 0)
		return WHY("'%.40s' is neither a CPU nor a range (2, 4-7)", text);
	return 0;
}

static int prefix_item(
	struct loader *l,
	const struct spot *s,
	uint32_t index,
	const char *text,
	char *why,
	size_t why_size
) {
	struct ip_prefix *list = *(struct ip_prefix **)spot_field(l, s);

	if (ip_prefix_parse(text, &list[index]) < 0)
		return WHY("'%.60s' is not an address or prefix", text);
	(*spot_count(l, s))++;
	return 0;
}

bool list_size_ok(struct loader *l, const struct spot *s, size_t n) {
	const struct option *o = s->option;

	if (n >= o->min && n <= o->max)
		return true;
	report_add(
		l->report,
		node_line(s->node),
		"%s: has %zu elements, must have %" PRIu64 " to %" PRIu64,
		s->shown,
		n,
		o->min,
		o->max
	);
	return false;
}

static void items_load(struct loader *l, const struct spot *s, item_fn *item) {
	yaml_node_t *n = s->node;
	yaml_node_item_t alone = 0;
	yaml_node_item_t *at = &alone, *end = &alone + 1;
	char why[192];

	if (n->type == YAML_SEQUENCE_NODE) {
		at = n->data.sequence.items.start;
		end = n->data.sequence.items.top;
	} else if (node_is_null(n)) {
		end = at;
	}
	size_t count = (size_t)(end - at);
	if (!list_size_ok(l, s, count))
		return;
	if (s->option->type == OPTION_PREFIXES && count > 0) {
		void *list = build_alloc(l->build, count * sizeof(struct ip_prefix));
		if (list == NULL)
			return;
		*(void **)spot_field(l, s) = list;
	}
	for (uint32_t i = 0; i < count; i++) {
		yaml_node_t *one = at == &alone ? n : yaml_document_get_node(l->doc, at[i]);
		const char *text = node_text(one);
		if (text == NULL)
			report_add(
				l->report, node_line(one), "%s: must be a list of text", s->shown
			);
		else if (item(l, s, i, text, why, sizeof(why)) < 0)
			report_add(l->report, node_line(one), "%s: %s", s->shown, why);
	}
}

// --- kafka.properties

static void property_load(
	struct loader *l,
	const struct spot *s,
	const yaml_node_t *key_node,
	const yaml_node_t *value_node
) {
	const char *key = node_text(key_node), *value = node_text(value_node);
	struct property_option *list = *(struct property_option **)spot_field(l, s);
	uint32_t *count = spot_count(l, s);
	uint32_t line = node_line(key_node);
	char secret[SECRET_TEXT_MAX], why[192];

	if (key == NULL || value == NULL) {
		report_add(l->report, line, "%s: must map names to text", s->shown);
		return;
	}
	const char *instead = kafka_forbidden(key);
	if (instead != NULL) {
		report_add(
			l->report, line, "%s.%s: is not for you to set: %s", s->shown, key, instead
		);
		return;
	}
	for (uint32_t i = 0; i < *count; i++) {
		if (strcmp(list[i].name, key) == 0) {
			report_add(l->report, line, "%s.%s: stands here twice", s->shown, key);
			return;
		}
	}
	if (kafka_secret(key)) {
		if (secret_fetch(l, value, secret, sizeof(secret), why, sizeof(why)) < 0) {
			report_add(l->report, line, "%s.%s: %s", s->shown, key, why);
			return;
		}
		value = secret;
	}
	list[*count].name = build_text(l->build, key);
	list[*count].value = build_text(l->build, value);
	explicit_bzero(secret, sizeof(secret));
	if (!l->build->out_of_memory)
		(*count)++;
}

static void properties_load(struct loader *l, const struct spot *s) {
	yaml_node_t *n = s->node;

	if (node_is_null(n))
		return;
	if (n->type != YAML_MAPPING_NODE) {
		report_add(l->report, node_line(n), "%s: must be a map of names to text", s->shown);
		return;
	}
	yaml_node_pair_t *p = n->data.mapping.pairs.start, *end = n->data.mapping.pairs.top;
	size_t count = (size_t)(end - p);
	if (!list_size_ok(l, s, count) || count == 0)
		return;
	void *list = build_alloc(l->build, count * sizeof(struct property_option));
	if (list == NULL)
		return;
	*(void **)spot_field(l, s) = list;
	for (; p < end; p++)
		property_load(
			l,
			s,
			yaml_document_get_node(l->doc, p->key),
			yaml_document_get_node(l->doc, p->value)
		);
}

void field_load(struct loader *l, const struct spot *s) {
	char why[192];

	switch (s->option->type) {
	case OPTION_TEXTS:
		items_load(l, s, text_item);
		return;
	case OPTION_CPUS:
		items_load(l, s, cpu_item);
		return;
	case OPTION_PREFIXES:
		items_load(l, s, prefix_item);
		return;
	case OPTION_PROPERTIES:
		properties_load(l, s);
		return;
	default:
		break;
	}
	const char *text = node_text(s->node);
	if (text == NULL)
		report_add(l->report, node_line(s->node), "%s: must be one value", s->shown);
	else if (node_is_null(s->node))
		report_add(l->report, node_line(s->node), "%s: has no value", s->shown);
	else if (scalar_load(l, s, text, why, sizeof(why)) < 0)
		report_add(l->report, node_line(s->node), "%s: %s", s->shown, why);
}
