// SPDX-License-Identifier: Apache-2.0
#include "config/select_table.h"
#include "parsers/labels.h"

struct search {
	const struct profile_selector *s;
	struct view labels; // of the device
	uint16_t listener;
	uint16_t best; // profile
};

static void rules_try(struct search *q, uint16_t rule) {
	for (; rule != SELECT_NONE; rule = q->s->rules[rule].next) {
		uint16_t profile = q->s->rules[rule].profile;
		if (profile >= q->best)
			return;
		if ((q->s->listeners[profile][q->listener / 64] >> q->listener % 64 & 1) == 0)
			continue;
		if (q->s->labels != nullptr && !labels_hold(q->labels, q->s->labels[profile]))
			continue;
		q->best = profile;
		return;
	}
}

static uint32_t child_of(const struct profile_selector *s, uint32_t node, struct view level) {
	for (uint32_t at = select_hash(node, level);; at++) {
		const struct select_edge *e = &s->edges[at & s->edge_mask];
		if (e->child == 0)
			return 0;
		if (e->node == node && view_equal(e->level, level))
			return e->child;
	}
}

// Every node is met at most once, for the tree has one way to each.
static void descend(struct search *q, uint32_t node, struct select_path at, uint32_t depth) {
	const struct select_node *n = &q->s->nodes[node];
	struct view level;

	rules_try(q, n->rest);
	if (!select_path_next(&at, &level)) {
		rules_try(q, n->end);
		return;
	}
	if (depth == SELECT_LEVELS_MAX)
		return;
	uint32_t child = child_of(q->s, node, level);
	if (child != 0)
		descend(q, child, at, depth + 1);
	if (n->plus != 0)
		descend(q, n->plus, at, depth + 1);
}

const struct profile *profile_select(
	const struct profile_selector *s,
	uint16_t listener,
	struct view path,
	struct view labels
) {
	struct search q = {.s = s, .labels = labels, .listener = listener, .best = SELECT_NONE};

	if (s->rule_count == 0 || listener >= SELECT_LISTENERS)
		return nullptr;
	descend(&q, 0, select_path_of(path), 0);
	return q.best == SELECT_NONE ? nullptr : &s->profiles[q.best];
}

static uint32_t rules_count(const struct profile_selector *s, uint16_t rule) {
	uint32_t n = 0;

	for (; rule != SELECT_NONE; rule = s->rules[rule].next)
		n++;
	return n;
}

uint32_t profile_select_shared(const struct profile_selector *s) {
	uint32_t most = 0;

	for (uint32_t i = 0; s != nullptr && i < s->node_count; i++) {
		uint32_t end = rules_count(s, s->nodes[i].end);
		uint32_t rest = rules_count(s, s->nodes[i].rest);
		most = end > most ? end : most;
		most = rest > most ? rest : most;
	}
	return most;
}

bool profile_select_asks_registry(const struct profile_selector *s) {
	return s->named_mask != 0 || s->labels != nullptr;
}

const struct profile *profile_select_named(const struct profile_selector *s, struct view name) {
	if (s->named_mask == 0 || name.len == 0)
		return nullptr;
	for (uint32_t at = select_hash(0, name);; at++) {
		uint16_t n = s->named[at & s->named_mask];
		if (n == 0)
			return nullptr;
		const struct profile *p = &s->profiles[n - 1];
		if (strncmp(p->name, (const char *)name.p, name.len) == 0
		    && p->name[name.len] == '\0')
			return p;
	}
}
