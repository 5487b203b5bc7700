// SPDX-License-Identifier: Apache-2.0
// The selector's tables. Private to select.c and select_build.c.
#pragma once

#include "config/profile.h"
#include "config/select.h"

#define SELECT_LISTENERS 256 // as many as the configuration takes
#define SELECT_NONE UINT16_MAX

// A pattern's profile, in the list of the node at which the pattern ends; first profile first.
struct select_rule {
	uint16_t profile;
	uint16_t next; // SELECT_NONE: the last
};

// One level of the tree of patterns. Node 0 is the root and nobody's child.
struct select_node {
	uint32_t plus; // the child for '+', 0: none
	uint16_t end; // rules of patterns that end here, SELECT_NONE: none
	uint16_t rest; // rules of patterns that end in '#' here
};

// A child by its level's text: open addressing over (node, text).
struct select_edge {
	uint32_t node;
	uint32_t child; // 0: free
	struct view level;
};

struct profile_selector {
	const struct profile *profiles;
	const uint64_t (*listeners)[SELECT_LISTENERS / 64]; // by profile: those it holds for
	const struct view *labels; // by profile: those it asks for; nullptr: no profile does
	struct select_node *nodes;
	struct select_rule *rules;
	struct select_edge *edges;
	uint32_t edge_mask;
	uint32_t node_count;
	uint16_t rule_count;
	uint16_t *named; // profiles with match.registry, by their names' hash; profile + 1
	uint32_t named_mask; // 0: there are none
};

static inline uint32_t select_hash(uint32_t seed, struct view text) {
	uint32_t h = 2166136261u ^ seed * 0x9e3779b1u;

	for (uint32_t i = 0; i < text.len; i++)
		h = (h ^ text.p[i]) * 16777619u;
	return h ^ h >> 15;
}

// What is left of a path behind its first level; *level is that one. False: nothing was left.
struct select_path {
	const uint8_t *p; // nullptr: at the end
	const uint8_t *end;
};

static inline struct select_path select_path_of(struct view path) {
	if (path.len == 0)
		return (struct select_path) {0};
	struct select_path at = {path.p, path.p + path.len};
	if (*path.p == '/')
		at.p++;
	if (at.p == at.end)
		at.p = nullptr;
	return at;
}

static inline bool select_path_next(struct select_path *at, struct view *level) {
	if (at->p == nullptr)
		return false;
	const uint8_t *slash =
		at->p < at->end ? memchr(at->p, '/', (size_t)(at->end - at->p)) : nullptr;
	const uint8_t *stop = slash != nullptr ? slash : at->end;
	*level = view_of(at->p, (uint32_t)(stop - at->p));
	at->p = slash != nullptr ? slash + 1 : nullptr;
	return true;
}
