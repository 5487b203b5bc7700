// SPDX-License-Identifier: Apache-2.0
// The values of a signature's keys.
#include "config/nearest.h"
#include "config/signature_read.h"
#include "config/value.h"
#include "config/walk.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define X(id, label) [id] = label,
const char *const signature_key_labels[] = {KEYS(X) NULL};
static const char *const scope_labels[] = {SIGNATURE_SCOPES(X) NULL};
static const char *const severity_labels[] = {SIGNATURE_SEVERITIES(X) NULL};
static const char *const action_labels[] = {SIGNATURE_ACTIONS(X) NULL};
#undef X
static const char *const flag_labels[] = {"caseless", "dotall", "multiline", NULL};
// In the order of enum listener_protocol.
static const char *const protocol_labels[] = {"udp", "frame", "coap", "mqtt", NULL};

void *set_own(struct set_reader *r, size_t size) {
	struct set_block *b = calloc(1, sizeof(*b) + size);

	if (b == NULL) {
		r->out_of_memory = true;
		return NULL;
	}
	b->next = r->owned->blocks;
	r->owned->blocks = b;
	return b->bytes;
}

const char *set_own_text(struct set_reader *r, const char *text) {
	size_t n = strlen(text) + 1;
	char *copy = set_own(r, n);

	return copy != NULL ? memcpy(copy, text, n) : "";
}

// --- values

static const char *
text_of(struct set_reader *r, const yaml_node_t *n, const char *what, size_t min, size_t max) {
	const char *text = node_text(n);

	if (text == NULL || node_is_null(n)) {
		report_add(&r->report, node_line(n), "%s: must be one value", what);
		return NULL;
	}
	if (n->data.scalar.length != strlen(text)) {
		report_add(&r->report, node_line(n), "%s: must not hold a zero byte", what);
		return NULL;
	}
	if (strlen(text) < min || strlen(text) > max) {
		report_add(
			&r->report,
			node_line(n),
			"%s: must have %zu to %zu characters",
			what,
			min,
			max
		);
		return NULL;
	}
	return text;
}

// The index of `text` among the labels; -1, and reported with the nearest.
static int
label_of(struct set_reader *r, const yaml_node_t *n, const char *what, const char *const *labels) {
	struct nearest near;
	char all[128] = "";
	const char *text = text_of(r, n, what, 1, 64);

	if (text == NULL)
		return -1;
	nearest_init(&near, text);
	for (int i = 0; labels[i] != NULL; i++) {
		if (strcmp(labels[i], text) == 0)
			return i;
		nearest_offer(&near, labels[i]);
		size_t at = strlen(all);
		snprintf(all + at, sizeof(all) - at, "%s%s", i > 0 ? ", " : "", labels[i]);
	}
	if (near.best != NULL)
		report_add(
			&r->report,
			node_line(n),
			"%s: '%.40s' is unknown; did you mean '%s'?",
			what,
			text,
			near.best
		);
	else
		report_add(&r->report, node_line(n), "%s: '%.40s' is none of %s", what, text, all);
	return -1;
}

static size_t elements(const yaml_node_t *n) {
	if (n == NULL)
		return 0;
	return n->type == YAML_SEQUENCE_NODE
		? (size_t)(n->data.sequence.items.top - n->data.sequence.items.start)
		: 1;
}

// Elements of a list, or 1 for a value that stands for a list of one; UINT32_MAX, and reported, if
// there are too few or too many.
static uint32_t
list_of(struct set_reader *r, yaml_node_t *n, const char *what, uint32_t min, uint32_t max) {
	size_t count = elements(n);

	if (count >= min && count <= max)
		return (uint32_t)count;
	report_add(
		&r->report,
		node_line(n),
		"%s: must have %" PRIu32 " to %" PRIu32 " elements",
		what,
		min,
		max
	);
	return UINT32_MAX;
}

static yaml_node_t *element(struct set_reader *r, yaml_node_t *n, uint32_t i) {
	return n->type == YAML_SEQUENCE_NODE
		? yaml_document_get_node(r->doc, n->data.sequence.items.start[i])
		: n;
}

static uint8_t
bits_of(struct set_reader *r, yaml_node_t *n, const char *what, const char *const *labels) {
	uint32_t count = list_of(r, n, what, 1, 8);
	uint8_t bits = 0;

	for (uint32_t i = 0; count != UINT32_MAX && i < count; i++) {
		int bit = label_of(r, element(r, n, i), what, labels);
		if (bit >= 0)
			bits |= (uint8_t)(1u << bit);
	}
	return bits;
}

static void id_read(struct set_reader *r, struct signature *s, const yaml_node_t *n) {
	const char *text = text_of(r, n, "id", 1, 10);
	uint64_t id = 0;

	if (text == NULL)
		return;
	if (quantity_parse(text, QUANTITY_COUNT, "", &id) < 0 || id == 0 || id > UINT32_MAX)
		report_add(
			&r->report,
			node_line(n),
			"id: '%.20s' is not a number from 1 to 4294967295",
			text
		);
	else
		s->id = (uint32_t)id;
}

static void name_read(struct set_reader *r, struct signature *s, const yaml_node_t *n) {
	const char *text = text_of(r, n, "name", 1, SIGNATURE_NAME_MAX);

	if (text == NULL)
		return;
	for (const char *c = text; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && strchr("-_.", *c) == NULL) {
			report_add(
				&r->report,
				node_line(n),
				"name: '%.64s' may have letters, digits, '-', '_' and '.' only",
				text
			);
			return;
		}
	s->name = set_own_text(r, text);
}

static void expression_read(struct set_reader *r, struct signature *s, const yaml_node_t *n) {
	const char *text = text_of(r, n, "expression", 1, SIGNATURE_EXPRESSION_MAX);

	s->line = node_line(n);
	if (text == NULL)
		return;
	// (*UTF8) and (*UCP) would make arbitrary bytes undefined, see enum signature_flag.
	if (strncmp(text, "(*", 2) == 0)
		report_add(
			&r->report,
			node_line(n),
			"expression: '(*' verbs are not allowed; use `flags`"
		);
	else
		s->expression = set_own_text(r, text);
}

static void for_read(struct set_reader *r, struct signature *s, const yaml_node_t *n) {
	const char *text = text_of(r, n, "for", 1, 20);
	uint64_t seconds = 0;

	if (text == NULL)
		return;
	if (quantity_parse(text, QUANTITY_DURATION, "s", &seconds) < 0 || seconds == 0)
		report_add(
			&r->report,
			node_line(n),
			"for: '%.20s' is not a duration with a unit (10m, 2h)",
			text
		);
	else if (seconds > SIGNATURE_BAN_MAX_S)
		report_add(&r->report, node_line(n), "for: a ban ends after 30d at the latest");
	else
		s->ban_s = (uint32_t)seconds;
}

static void profiles_read(struct set_reader *r, struct signature *s, yaml_node_t *n) {
	uint32_t count = list_of(r, n, "profiles", 1, SIGNATURE_PROFILES_MAX);

	if (count == UINT32_MAX)
		return;
	s->profiles = set_own(r, count * sizeof(*s->profiles));
	for (uint32_t i = 0; s->profiles != NULL && i < count; i++) {
		const char *text =
			text_of(r, element(r, n, i), "profiles", 1, PROFILE_NAME_MAX - 1);
		if (text != NULL)
			s->profiles[s->profile_count++] = set_own_text(r, text);
	}
}

// --- test vectors

static int hex_digit(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Pairs of digits, blanks between pairs. The number of bytes, or -1.
static int hex_read(const char *text, uint8_t *out, uint32_t max) {
	uint32_t n = 0;

	while (*text != '\0') {
		if (isspace((unsigned char)*text)) {
			text++;
			continue;
		}
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
		if (low < 0 || n == max)
			return -1;
		out[n++] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	return (int)n;
}

static void
bytes_read(struct set_reader *r, struct signature_vector *v, const yaml_node_t *n, bool hex) {
	size_t len = n->type == YAML_SCALAR_NODE ? n->data.scalar.length : 0;
	const char *what = v->near_miss ? "near_miss" : "match";

	if (len == 0 || len > SIGNATURE_VECTOR_BYTES_MAX * (hex ? 3 : 1)) {
		report_add(&r->report, v->line, "%s: must be a text of 1 to 4096 bytes", what);
		return;
	}
	uint8_t *bytes = set_own(r, len);
	if (bytes == NULL)
		return;
	v->bytes = bytes;
	v->len = (uint32_t)len;
	if (!hex) {
		memcpy(bytes, n->data.scalar.value, len);
		return;
	}
	int got = hex_read((const char *)n->data.scalar.value, bytes, (uint32_t)len);
	v->len = got > 0 ? (uint32_t)got : 0;
	if (got <= 0)
		report_add(&r->report, v->line, "%s: hex: must be pairs of hex digits", what);
}

// A text, or a map of one key: {hex: "ac ed"}, {path: "a/b"}.
static void vector_read(
	struct set_reader *r,
	const struct signature *s,
	struct signature_vector *v,
	yaml_node_t *n
) {
	const char *what = v->near_miss ? "near_miss" : "match";

	v->line = node_line(n);
	v->path = s->scope == SIGNATURE_PATH;
	if (n->type == YAML_SCALAR_NODE) {
		bytes_read(r, v, n, false);
		return;
	}
	if (n->type != YAML_MAPPING_NODE
	    || n->data.mapping.pairs.top - n->data.mapping.pairs.start != 1) {
		report_add(
			&r->report,
			v->line,
			"%s: must be a text, {hex: ...}, {path: ...} or {payload: ...}",
			what
		);
		return;
	}
	static const char *const places[] = {"hex", "path", "payload", NULL};
	const yaml_node_pair_t *p = n->data.mapping.pairs.start;
	int place = label_of(r, yaml_document_get_node(r->doc, p->key), what, places);
	if (place < 0)
		return;
	if (place > 0)
		v->path = place == 1;
	if ((v->path && s->scope == SIGNATURE_PAYLOAD) || (!v->path && s->scope == SIGNATURE_PATH))
		report_add(
			&r->report, v->line, "%s: the signature does not look there (scope)", what
		);
	bytes_read(r, v, yaml_document_get_node(r->doc, p->value), place == 0);
}

static void
vectors_read(struct set_reader *r, struct signature *s, yaml_node_t *n, bool near_miss) {
	const char *what = near_miss ? "near_miss" : "match";
	uint32_t count = n != NULL ? list_of(r, n, what, 1, SIGNATURE_VECTORS_MAX) : 0;

	for (uint32_t i = 0; count != UINT32_MAX && i < count && s->vectors != NULL; i++) {
		struct signature_vector *v = &s->vectors[s->vector_count++];
		v->near_miss = near_miss;
		vector_read(r, s, v, element(r, n, i));
	}
}

// --- one signature

void signature_field_read(
	struct set_reader *r,
	struct signature *s,
	enum signature_key k,
	yaml_node_t *n
) {
	int label;

	switch (k) {
	case KEY_ID:
		id_read(r, s, n);
		break;
	case KEY_NAME:
		name_read(r, s, n);
		break;
	case KEY_EXPRESSION:
		expression_read(r, s, n);
		break;
	case KEY_FLAGS:
		s->flags = bits_of(r, n, "flags", flag_labels);
		break;
	case KEY_SCOPE:
		label = label_of(r, n, "scope", scope_labels);
		s->scope = label >= 0 ? (enum signature_scope)label : s->scope;
		break;
	case KEY_PROTOCOLS:
		s->protocols = bits_of(r, n, "protocols", protocol_labels);
		break;
	case KEY_PROFILES:
		profiles_read(r, s, n);
		break;
	case KEY_SEVERITY:
		label = label_of(r, n, "severity", severity_labels);
		s->severity = label >= 0 ? (enum signature_severity)label : s->severity;
		break;
	case KEY_ACTION:
		label = label_of(r, n, "action", action_labels);
		s->action = label >= 0 ? (enum signature_action)label : s->action;
		break;
	case KEY_FOR:
		for_read(r, s, n);
		break;
	case KEY_REFERENCE: {
		const char *text = text_of(r, n, "reference", 1, 256);
		s->reference = text != NULL ? set_own_text(r, text) : "";
		break;
	}
	default: // vectors: when the scope is known
		break;
	}
}

void signature_vectors_read(
	struct set_reader *r,
	struct signature *s,
	yaml_node_t *match,
	yaml_node_t *near_miss
) {
	s->vectors = set_own(r, (elements(match) + elements(near_miss)) * sizeof(*s->vectors));
	vectors_read(r, s, match, false);
	vectors_read(r, s, near_miss, true);
}

#define LABEL(name, type, labels, limit)                                                           \
	const char *name(enum type v) {                                                            \
		return v < (limit) ? (labels)[v] : "?";                                            \
	}
LABEL(signature_scope_label, signature_scope, scope_labels, SIGNATURE_SCOPE_COUNT)
LABEL(signature_severity_label, signature_severity, severity_labels, SEVERITY_COUNT)
LABEL(signature_action_label, signature_action, action_labels, SIGNATURE_ACTION_COUNT)
