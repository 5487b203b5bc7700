// SPDX-License-Identifier: Apache-2.0
// From YAML to struct config, driven by the option table: this file knows types, not options.
#include "config/address.h"
#include "config/build.h"
#include "config/kafka_forbidden.h"
#include "config/nearest.h"
#include "config/schema.h"
#include "config/secret.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#define FILE_MAX (1u << 20)
#define PATH_TEXT_MAX 160
#define SECRET_TEXT_MAX 4096
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

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
	yaml_document_t *doc;
	struct reference *references;
};

// One place in the walk: the node, the option it belongs to, and the element it is stored in.
struct spot {
	yaml_node_t *node;
	const struct option *option;
	const char *shown; // "ports[0].mtu"
	char *element; // base of the option's offset
};

static uint32_t line_of(const yaml_node_t *n) {
	return (uint32_t)n->start_mark.line + 1;
}

static const char *scalar_of(const yaml_node_t *n) {
	return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

// "key:" without a value, or "~": treated as an empty list or section, an error elsewhere.
static bool is_null(const yaml_node_t *n) {
	const char *text = scalar_of(n);

	if (text == NULL || n->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	return text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

static char *element_of(const struct loader *l, const struct spot *s) {
	return (s->option->flags & OPTION_IN_ROOT) != 0 ? (char *)l->build->config : s->element;
}

static void *field_of(const struct loader *l, const struct spot *s) {
	return element_of(l, s) + s->option->offset;
}

static uint32_t *count_of(const struct loader *l, const struct spot *s) {
	return (uint32_t *)(void *)(element_of(l, s) + s->option->count_offset);
}

static void number_store(void *field, uint16_t width, uint64_t v) {
	switch (width) {
	case 1:
		*(uint8_t *)field = (uint8_t)v;
		break;
	case 2:
		*(uint16_t *)field = (uint16_t)v;
		break;
	case 4:
		*(uint32_t *)field = (uint32_t)v;
		break;
	default:
		*(uint64_t *)field = v;
	}
}

// --- one scalar; `why` is the rest of the sentence "ports[0].mtu: ..."

#define WHY(...) (snprintf(why, why_size, __VA_ARGS__), -EINVAL)

static int
number_set(const struct option *o, void *field, const char *text, char *why, size_t why_size) {
	static const char *const kinds[] = {
		[QUANTITY_COUNT] = "a whole number",
		[QUANTITY_DURATION] = "a duration with a unit (500ms, 2s)",
		[QUANTITY_SIZE] = "a size with a unit (64KiB, 1MiB)",
	};
	char lo[32], hi[32];
	uint64_t v = UINT64_MAX;
	int ret = quantity_parse(text, o->quantity, o->unit, &v);

	if (ret == -EINVAL)
		return WHY("'%.40s' is not %s", text, kinds[o->quantity]);
	if (ret == -EDOM)
		return WHY("%.40s is not a whole number of %s", text, o->unit);
	if (ret == -ERANGE || v < o->min || v > o->max)
		return WHY(
			"%.40s is outside %s..%s",
			text,
			quantity_format(o->min, o->quantity, o->unit, lo, sizeof(lo)),
			quantity_format(o->max, o->quantity, o->unit, hi, sizeof(hi))
		);
	number_store(field, o->width, v);
	return 0;
}

static int
enum_set(const struct option *o, void *field, const char *text, char *why, size_t why_size) {
	struct nearest near;
	char all[128] = "";

	nearest_init(&near, text);
	for (uint8_t i = 0; o->labels[i] != NULL; i++) {
		if (strcmp(o->labels[i], text) == 0) {
			*(uint8_t *)field = i;
			return 0;
		}
		nearest_offer(&near, o->labels[i]);
		size_t n = strlen(all);
		snprintf(all + n, sizeof(all) - n, "%s%s", i == 0 ? "" : ", ", o->labels[i]);
	}
	if (near.best != NULL)
		return WHY("'%.40s' is not one of %s; did you mean '%s'?", text, all, near.best);
	return WHY("'%.40s' is not one of %s", text, all);
}

static int
text_set(const struct option *o, void *field, const char *text, char *why, size_t why_size) {
	size_t n = strlen(text);

	if (n < o->min)
		return WHY("must not be empty");
	if (n > o->max)
		return WHY("is longer than %" PRIu64 " bytes", o->max);
	if (o->type == OPTION_NAME && text[strspn(text, NAME_CHARS)] != '\0')
		return WHY("'%.40s': a name has letters, digits, '-', '_' and '.' only", text);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return WHY("contains a control character");
	memcpy(field, text, n + 1);
	return 0;
}

static int
host_set(const struct option *o, void *field, const char *text, char *why, size_t why_size) {
	struct ip_prefix p;

	if (ip_prefix_parse(text, &p) < 0 || strchr(text, '/') != NULL)
		return WHY("'%.60s' is not an address", text);
	if (o->min != 0 && p.family != o->min)
		return WHY("%.60s is not an IPv%" PRIu64 " address", text, o->min);
	*(struct ip_prefix *)field = p;
	return 0;
}

// Scalars that need nothing but the field: these have defaults.
static int
plain_set(const struct option *o, void *field, const char *text, char *why, size_t why_size) {
	switch (o->type) {
	case OPTION_BOOL:
		if (bool_parse(text, field) < 0)
			return WHY("'%.40s' is neither yes nor no", text);
		return 0;
	case OPTION_NUMBER:
		return number_set(o, field, text, why, why_size);
	case OPTION_ENUM:
		return enum_set(o, field, text, why, why_size);
	case OPTION_NAME:
	case OPTION_TEXT:
		return text_set(o, field, text, why, why_size);
	case OPTION_HOST:
		return host_set(o, field, text, why, why_size);
	default:
		return -ENOTSUP;
	}
}

// --- scalars that need the loader

static int
view_load(struct loader *l, const struct spot *s, const char *text, char *why, size_t why_size) {
	size_t n = strlen(text);

	if (n < s->option->min || n > s->option->max)
		return WHY("must have 1 to %" PRIu64 " bytes", s->option->max);
	char *copy = build_text(l->build, text);
	if (copy != NULL)
		*(struct view *)field_of(l, s) = view_of(copy, (uint32_t)n);
	return 0;
}

static int reference_load(struct loader *l, const struct spot *s, const char *text) {
	struct reference *r = build_alloc(l->build, sizeof(*r));

	if (r == NULL)
		return 0;
	*r = (struct reference) {
		.next = l->references,
		.option = s->option,
		.field = field_of(l, s),
		.name = build_text(l->build, text),
		.shown = build_text(l->build, s->shown),
		.line = line_of(s->node),
	};
	if (r->name != NULL && r->shown != NULL)
		l->references = r;
	return 0;
}

// Whether a literal is allowed depends on `lab`, which may stand further down in the file: so the
// document is asked, not the half-built struct.
static bool lab_declared(const struct loader *l) {
	const yaml_node_t *root = yaml_document_get_root_node(l->doc);
	bool lab = false;

	for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top;
	     p++) {
		const char *key = scalar_of(yaml_document_get_node(l->doc, p->key));
		const char *value = scalar_of(yaml_document_get_node(l->doc, p->value));
		if (key != NULL && value != NULL && strcmp(key, "lab") == 0)
			(void)bool_parse(value, &lab);
	}
	return lab;
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

	if (secret_source(text, &rest) == SECRET_LITERAL && !lab_declared(l))
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
	int ret = secret_path(text, l->build->base_dir, path, sizeof(path));

	if (ret == -ENOENT)
		return WHY("CREDENTIALS_DIRECTORY is not set: start it by systemd");
	if (ret < 0)
		return WHY("must be file:PATH or credential:NAME");
	if (access(path, R_OK) < 0)
		return WHY("cannot read %.100s: %s", path, strerror(errno));
	*(char **)field_of(l, s) = build_text(l->build, path);
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
		return secret_fetch(l, text, field_of(l, s), s->option->width, why, why_size);
	case OPTION_SECRET_FILE:
		return secret_file_load(l, s, text, why, why_size);
	default:
		return plain_set(s->option, field_of(l, s), text, why, why_size);
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
	((char **)field_of(l, s))[index] = build_text(l->build, text);
	(*count_of(l, s))++;
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
	int ret = cpu_range_parse(text, field_of(l, s), count_of(l, s), max);

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
	struct ip_prefix *list = *(struct ip_prefix **)field_of(l, s);

	if (ip_prefix_parse(text, &list[index]) < 0)
		return WHY("'%.60s' is not an address or prefix", text);
	(*count_of(l, s))++;
	return 0;
}

static bool list_size_ok(struct loader *l, const struct spot *s, size_t n) {
	const struct option *o = s->option;

	if (n >= o->min && n <= o->max)
		return true;
	report_add(
		l->report,
		line_of(s->node),
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
	} else if (is_null(n)) {
		end = at;
	}
	size_t count = (size_t)(end - at);
	if (!list_size_ok(l, s, count))
		return;
	if (s->option->type == OPTION_PREFIXES && count > 0) {
		void *list = build_alloc(l->build, count * sizeof(struct ip_prefix));
		if (list == NULL)
			return;
		*(void **)field_of(l, s) = list;
	}
	for (uint32_t i = 0; i < count; i++) {
		yaml_node_t *one = at == &alone ? n : yaml_document_get_node(l->doc, at[i]);
		const char *text = scalar_of(one);
		if (text == NULL)
			report_add(l->report, line_of(one), "%s: must be a list of text", s->shown);
		else if (item(l, s, i, text, why, sizeof(why)) < 0)
			report_add(l->report, line_of(one), "%s: %s", s->shown, why);
	}
}

// --- kafka.properties

static void property_load(
	struct loader *l,
	const struct spot *s,
	const yaml_node_t *key_node,
	const yaml_node_t *value_node
) {
	const char *key = scalar_of(key_node), *value = scalar_of(value_node);
	struct property_option *list = *(struct property_option **)field_of(l, s);
	uint32_t *count = count_of(l, s);
	uint32_t line = line_of(key_node);
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

	if (is_null(n))
		return;
	if (n->type != YAML_MAPPING_NODE) {
		report_add(l->report, line_of(n), "%s: must be a map of names to text", s->shown);
		return;
	}
	yaml_node_pair_t *p = n->data.mapping.pairs.start, *end = n->data.mapping.pairs.top;
	size_t count = (size_t)(end - p);
	if (!list_size_ok(l, s, count) || count == 0)
		return;
	void *list = build_alloc(l->build, count * sizeof(struct property_option));
	if (list == NULL)
		return;
	*(void **)field_of(l, s) = list;
	for (; p < end; p++)
		property_load(
			l,
			s,
			yaml_document_get_node(l->doc, p->key),
			yaml_document_get_node(l->doc, p->value)
		);
}

// --- structure

static void
section_load(struct loader *l, yaml_node_t *n, const char *path, const char *shown, char *element);

static void defaults_set(struct loader *l, const char *parent, char *element) {
	char why[192];

	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		if (o->default_text == NULL || option_field_of(o, parent) == NULL)
			continue;
		if (plain_set(o, element + o->offset, o->default_text, why, sizeof(why)) < 0)
			report_add(l->report, 0, "%s: default: %s", o->path, why);
	}
}

static void required_check(
	struct loader *l,
	const char *parent,
	const char *shown,
	uint32_t line,
	char *element
) {
	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		const char *name = option_field_of(o, parent);
		if (name == NULL || (o->flags & OPTION_REQUIRED) == 0)
			continue;
		if (build_line(l->build, element + o->offset) != 0)
			continue;
		if (shown[0] == '\0')
			report_add(l->report, line, "'%s' is missing", name);
		else
			report_add(l->report, line, "%s: '%s' is missing", shown, name);
	}
}

static void *list_allocate(struct loader *l, const struct spot *s, size_t add, uint32_t *first) {
	uint32_t *count = count_of(l, s);
	void **array = field_of(l, s);

	*first = *count;
	if (s->option->array == ARRAY_INLINE)
		return field_of(l, s);
	// A list inside a list gathers all elements in one array: room for all of them at once,
	// because places point into it.
	if (*array == NULL) {
		bool inner = (s->option->flags & OPTION_IN_ROOT) != 0;
		size_t room = inner ? (size_t)s->option->max : add;
		*array = build_alloc(l->build, room * s->option->width);
	}
	return *array;
}

static void list_load(struct loader *l, const struct spot *s) {
	yaml_node_t *n = s->node;
	const struct option *o = s->option;
	char path[PATH_TEXT_MAX], shown[PATH_TEXT_MAX];
	uint32_t first;

	if (is_null(n) && o->min == 0)
		return;
	if (n->type != YAML_SEQUENCE_NODE) {
		report_add(l->report, line_of(n), "%s: must be a list ('- name: ...')", s->shown);
		return;
	}
	size_t add = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
	uint32_t *count = count_of(l, s);
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
		build_place(l->build, element, line_of(one));
		section_load(l, one, path, shown, element);
		required_check(l, path, shown, line_of(one), element);
		(*count)++;
	}
}

static void option_load(struct loader *l, const struct spot *s) {
	char why[192];

	switch (s->option->type) {
	case OPTION_MAP:
		if (!is_null(s->node))
			section_load(l, s->node, s->option->path, s->shown, s->element);
		return;
	case OPTION_LIST:
		list_load(l, s);
		return;
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
	const char *text = scalar_of(s->node);
	if (text == NULL)
		report_add(l->report, line_of(s->node), "%s: must be one value", s->shown);
	else if (is_null(s->node))
		report_add(l->report, line_of(s->node), "%s: has no value", s->shown);
	else if (scalar_load(l, s, text, why, sizeof(why)) < 0)
		report_add(l->report, line_of(s->node), "%s: %s", s->shown, why);
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
	const char *key = scalar_of(yaml_document_get_node(l->doc, until->key));

	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < until; p++) {
		yaml_node_t *n = yaml_document_get_node(l->doc, p->key);
		const char *other = scalar_of(n);
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
	const char *key = scalar_of(key_node);
	char path[PATH_TEXT_MAX], shown[PATH_TEXT_MAX];
	uint32_t line = line_of(key_node);

	if (key == NULL) {
		report_add(l->report, line, "%s: an option name must be text", parent_shown);
		return;
	}
	const char *dot = parent[0] == '\0' ? "" : ".";
	snprintf(path, sizeof(path), "%s%s%.64s", parent, dot, key);
	snprintf(shown, sizeof(shown), "%s%s%.64s", parent_shown, dot, key);
	const yaml_node_t *earlier = key_seen_before(l, map, pair);
	if (earlier != NULL) {
		report_add(
			l->report,
			line,
			"%s: already given in line %" PRIu32,
			shown,
			line_of(earlier)
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
		build_place(l->build, field_of(l, &s), line);
	option_load(l, &s);
}

static void
section_load(struct loader *l, yaml_node_t *n, const char *path, const char *shown, char *element) {
	if (n->type != YAML_MAPPING_NODE) {
		report_add(
			l->report,
			line_of(n),
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

static void document_load(struct loader *l) {
	yaml_node_t *root = yaml_document_get_root_node(l->doc);
	char *element = (char *)l->build->config;

	if (root == NULL) {
		report_add(l->report, 0, "the file is empty");
		return;
	}
	defaults_set(l, "", element);
	section_load(l, root, "", "", element);
	if (root->type != YAML_MAPPING_NODE)
		return;
	required_check(l, "", "", 0, element);
	for (const struct reference *r = l->references; r != NULL; r = r->next)
		reference_resolve(l, r);
	// What depends on several options is judged only when each of them is sound: otherwise one
	// mistake would be reported three times.
	if (l->report->total == 0 && !l->build->out_of_memory)
		config_check(l->build);
}

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
			r, line_of(root), "a second YAML document begins here; there must be one"
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

// Whole file into *out, which the caller frees.
static int file_slurp(const char *path, char **out, size_t *size) {
	FILE *f = fopen(path, "re");
	int ret = 0;

	if (f == NULL)
		return -errno;
	char *text = malloc(FILE_MAX + 1);
	if (text == NULL)
		ret = -ENOMEM;
	else
		*size = fread(text, 1, FILE_MAX + 1, f);
	if (ret == 0 && ferror(f) != 0)
		ret = errno != 0 ? -errno : -EIO;
	if (ret == 0 && *size > FILE_MAX)
		ret = -EFBIG;
	fclose(f);
	if (ret < 0)
		free(text);
	else
		*out = text;
	return ret;
}

int config_load(
	const char *path,
	struct config **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
) {
	struct report report = {.file = path, .errors = errors, .max = max};
	struct build b;
	char *text = NULL;
	size_t size = 0;
	int ret;

	*count = 0;
	ret = file_slurp(path, &text, &size);
	if (ret < 0)
		return ret;
	ret = build_init(&b, path, &report);
	if (ret == 0)
		ret = text_load(&b, text, size);
	explicit_bzero(text, size);
	free(text);
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
