// SPDX-License-Identifier: Apache-2.0
#include "config/build.h"
#include "config/nearest.h"
#include "config/select_table.h"
#include "parsers/labels.h"

#include <string.h>

static struct view text_view(const char *text) {
	return view_of(text, (uint32_t)strlen(text));
}

static uint32_t levels_of(const char *pattern) {
	struct select_path at = select_path_of(text_view(pattern));
	struct view level;
	uint32_t n = 0;

	while (select_path_next(&at, &level))
		n++;
	return n;
}

// MQTT 5 section 4.7.1: '#' alone in the last level, '+' alone in its level.
static bool filter_sound(const char *pattern) {
	struct select_path at = select_path_of(text_view(pattern));
	struct view level;

	while (select_path_next(&at, &level)) {
		bool rest = memchr(level.p, '#', level.len) != NULL;
		bool any = memchr(level.p, '+', level.len) != NULL;
		if ((rest || any) && level.len != 1)
			return false;
		if (rest && at.p != NULL)
			return false;
	}
	return true;
}

static bool patterns_sound(struct build *b, const struct profile *p) {
	bool sound = true;

	for (uint32_t i = 0; i < p->match.path_count; i++) {
		const char *pattern = p->match.paths[i];
		bool valid = filter_sound(pattern);
		if (valid && levels_of(pattern) <= SELECT_LEVELS_MAX)
			continue;
		sound = false;
		report_add(
			b->report,
			build_line_in(b, p->match.paths, p),
			"profile '%s': match.paths: '%.80s' %s",
			p->name,
			pattern,
			valid ? "has more than 16 levels" : "is no topic filter (t/+/env, t/#)"
		);
	}
	return sound;
}

static bool
listener_set(struct build *b, const struct profile *p, const char *name, uint64_t *set) {
	const struct config *c = b->config;
	struct nearest near;

	nearest_init(&near, name);
	for (uint32_t i = 0; i < c->listener_count; i++) {
		if (strcmp(c->listeners[i].name, name) == 0) {
			set[i / 64] |= UINT64_C(1) << i % 64;
			return true;
		}
		nearest_offer(&near, c->listeners[i].name);
	}
	report_add(
		b->report,
		build_line_in(b, p->match.listeners, p),
		"profile '%s': match.listeners: there is no '%.40s' in listeners%s%s%s",
		p->name,
		name,
		near.best != NULL ? "; did you mean '" : "",
		near.best != NULL ? near.best : "",
		near.best != NULL ? "'?" : ""
	);
	return false;
}

static bool listeners_set(struct build *b, const struct profile *p, uint64_t *set) {
	bool sound = true;

	if (p->match.listener_count == 0)
		memset(set, 0xff, SELECT_LISTENERS / 8);
	for (uint32_t i = 0; i < p->match.listener_count; i++)
		sound &= listener_set(b, p, p->match.listeners[i], set);
	return sound;
}

// Insertion sort: a set is sorted by name, and the list as written is short.
static void labels_sort(struct label *list, uint32_t n) {
	for (uint32_t i = 1; i < n; i++)
		for (uint32_t k = i; k > 0 && label_order(list[k].name, list[k - 1].name) < 0;
		     k--) {
			struct label l = list[k];
			list[k] = list[k - 1];
			list[k - 1] = l;
		}
}

static void labels_mistake(struct build *b, const struct profile *p, struct label l, bool twice) {
	report_add(
		b->report,
		build_line_in(b, (const void *)p->match.labels, p),
		"profile '%s': match.labels: '%.*s' %s",
		p->name,
		(int)l.name.len,
		(const char *)l.name.p,
		twice ? "is given twice"
		      : "is no name=value (a name of 1 to 48, a value of at most 128 bytes)"
	);
}

// The profile's labels as a set, the way a device's come.
static bool labels_build(struct build *b, const struct profile *p, struct view *out) {
	uint8_t *room = build_alloc(b, LABELS_BYTES_MAX);
	struct label list[PROFILE_PATTERNS_MAX];
	bool sound = room != NULL;

	static_assert(PROFILE_PATTERNS_MAX <= LABELS_MAX);
	for (uint32_t i = 0; i < p->match.label_count; i++) {
		struct view pair = text_view(p->match.labels[i]);
		const char *equals = strchr(p->match.labels[i], '=');
		uint32_t n = equals != NULL ? (uint32_t)(equals - p->match.labels[i]) : pair.len;
		list[i].name = view_of(pair.p, n);
		list[i].value = equals != NULL ? view_of(pair.p + n + 1, pair.len - n - 1)
					       : (struct view) {0};
		if (equals != NULL && n >= 1 && n <= LABEL_NAME_MAX
		    && list[i].value.len <= LABEL_VALUE_MAX)
			continue;
		list[i].name = pair;
		labels_mistake(b, p, list[i], false);
		sound = false;
	}
	if (!sound)
		return false;
	labels_sort(list, p->match.label_count);
	for (uint32_t i = 0; i < p->match.label_count; i++) {
		bool twice = i > 0 && view_equal(list[i].name, list[i - 1].name);
		if (!twice && labels_append(out, room, list[i]))
			continue;
		// The bounds of one are kept: what is left is that they are too many bytes in all,
		// and no device has so many.
		labels_mistake(b, p, list[i], twice);
		return false;
	}
	return true;
}

// True with *out by profile, or NULL if none asks for labels.
static bool labels_all(struct build *b, const struct view **out) {
	const struct config *c = b->config;
	struct view *sets = NULL;
	bool sound = true;

	for (uint32_t i = 0; i < c->profile_count; i++) {
		if (c->profiles[i].match.label_count == 0)
			continue;
		if (sets == NULL)
			sets = build_alloc(b, c->profile_count * sizeof(*sets));
		sound &= sets != NULL && labels_build(b, &c->profiles[i], &sets[i]);
	}
	*out = sets;
	return sound;
}

static uint32_t node_new(struct profile_selector *s) {
	s->nodes[s->node_count] = (struct select_node) {.end = SELECT_NONE, .rest = SELECT_NONE};
	return s->node_count++;
}

static uint32_t child_make(struct profile_selector *s, uint32_t node, struct view level) {
	if (level.len == 1 && level.p[0] == '+') {
		if (s->nodes[node].plus == 0)
			s->nodes[node].plus = node_new(s);
		return s->nodes[node].plus;
	}
	uint32_t at = select_hash(node, level);
	for (; s->edges[at & s->edge_mask].child != 0; at++) {
		const struct select_edge *e = &s->edges[at & s->edge_mask];
		if (e->node == node && view_equal(e->level, level))
			return e->child;
	}
	uint32_t child = node_new(s);
	s->edges[at & s->edge_mask] = (struct select_edge) {node, child, level};
	return child;
}

// Profiles come in their order, so appending keeps each list sorted.
static void rule_append(struct profile_selector *s, uint16_t *list, uint16_t profile) {
	while (*list != SELECT_NONE)
		list = &s->rules[*list].next;
	s->rules[s->rule_count] = (struct select_rule) {profile, SELECT_NONE};
	*list = s->rule_count++;
}

static void pattern_add(struct profile_selector *s, struct view pattern, uint16_t profile) {
	struct select_path at = select_path_of(pattern);
	struct view level;
	uint32_t node = 0;

	while (select_path_next(&at, &level)) {
		if (level.len == 1 && level.p[0] == '#') {
			rule_append(s, &s->nodes[node].rest, profile);
			return;
		}
		node = child_make(s, node, level);
	}
	rule_append(s, &s->nodes[node].end, profile);
}

static void profile_add(struct profile_selector *s, const struct profile *p, uint16_t index) {
	for (uint32_t i = 0; i < p->match.path_count; i++)
		pattern_add(s, text_view(p->match.paths[i]), index);
	if (p->match.path_count == 0 && p->match.listener_count + p->match.label_count > 0)
		pattern_add(s, VIEW_LITERAL("#"), index);
	if (!p->match.registry)
		return;
	uint32_t at = select_hash(0, text_view(p->name));
	while (s->named[at & s->named_mask] != 0)
		at++;
	s->named[at & s->named_mask] = (uint16_t)(index + 1);
}

static uint32_t table_size(uint32_t entries) {
	uint32_t size = 4;

	while (size < 2 * entries)
		size *= 2;
	return size;
}

// Room for all rules. False: there are none.
static bool tables_allocate(struct build *b, struct profile_selector *s) {
	const struct config *c = b->config;
	uint32_t rules = 0, levels = 1, named = 0;

	for (uint32_t i = 0; i < c->profile_count; i++) {
		const struct profile_match *m = &c->profiles[i].match;
		rules += m->path_count > 0 ? m->path_count : m->listener_count + m->label_count > 0;
		for (uint32_t k = 0; k < m->path_count; k++)
			levels += levels_of(m->paths[k]);
		named += m->registry;
	}
	if (rules == 0 && named == 0)
		return false;
	s->nodes = build_alloc(b, levels * sizeof(*s->nodes));
	s->rules = build_alloc(b, (rules + 1) * sizeof(*s->rules));
	s->edge_mask = table_size(levels) - 1;
	s->edges = build_alloc(b, (s->edge_mask + 1) * sizeof(*s->edges));
	s->named_mask = named > 0 ? table_size(named) - 1 : 0;
	s->named = build_alloc(b, (s->named_mask + 1) * sizeof(*s->named));
	return s->nodes != NULL && s->rules != NULL && s->edges != NULL && s->named != NULL;
}

const struct profile_selector *selector_build(struct build *b) {
	const struct config *c = b->config;
	struct profile_selector *s = build_alloc(b, sizeof(*s));
	uint64_t(*listeners)[SELECT_LISTENERS / 64] =
		build_alloc(b, (c->profile_count + 1) * sizeof(*listeners));
	bool sound = true;

	static_assert(CONFIG_PROFILES_MAX * PROFILE_PATTERNS_MAX < SELECT_NONE);
	if (s == NULL || listeners == NULL)
		return NULL;
	for (uint32_t i = 0; i < c->profile_count; i++) {
		sound &= patterns_sound(b, &c->profiles[i]);
		sound &= listeners_set(b, &c->profiles[i], listeners[i]);
	}
	sound &= labels_all(b, &s->labels);
	if (!sound || !tables_allocate(b, s))
		return NULL;
	s->profiles = c->profiles;
	s->listeners = listeners;
	node_new(s);
	for (uint32_t i = 0; i < c->profile_count; i++)
		profile_add(s, &c->profiles[i], (uint16_t)i);
	return s;
}
