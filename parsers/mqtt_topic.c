// SPDX-License-Identifier: Apache-2.0
#include "parsers/mqtt_topic.h"
#include "parsers/swar.h"
#include "parsers/utf8.h"

bool mqtt_utf8_valid(struct view s) {
	return utf8_valid(s) && (s.len == 0 || memchr(s.p, '\0', s.len) == nullptr);
}

// Is one of these eight bytes a wildcard? '+' and '#' differ in one bit: without it a wildcard is
// '#'.
static uint64_t wildcard8(uint64_t w) {
	static_assert(('+' ^ '#') == 0x08 && ('#' & 0x08) == 0);
	return bytes_that_are(w & ~(EACH_BYTE * 0x08), '#');
}

bool mqtt_topic_valid(struct view topic) {
	bool any = topic.len > 0;
	uint64_t found = 0, w;

	for (; topic.len >= 8; topic.p += 8, topic.len -= 8) {
		memcpy(&w, topic.p, sizeof(w));
		found |= wildcard8(w);
	}
	return any && (found | wildcard8(bytes_word(topic.p, topic.len))) == 0;
}

static const struct view share_prefix = VIEW_LITERAL("$share/");

bool mqtt_filter_shared(struct view filter) {
	return filter.len >= share_prefix.len
		&& memcmp(filter.p, share_prefix.p, share_prefix.len) == 0;
}

// Cut the first level off `rest`. False if there is none left.
static bool level_next(struct view *rest, struct view *level) {
	uint32_t n = 0;

	if (rest->p == nullptr)
		return false;
	while (n < rest->len && rest->p[n] != '/')
		n++;
	*level = view_of(rest->p, n);
	*rest = n < rest->len ? view_of(rest->p + n + 1, rest->len - n - 1) : (struct view) {0};
	return true;
}

static bool level_is(struct view level, char c) {
	return level.len == 1 && level.p[0] == (uint8_t)c;
}

bool mqtt_filter_valid(struct view filter, bool shared) {
	struct view rest = filter;
	struct view level;

	if (shared && mqtt_filter_shared(filter)) {
		rest = view_of(filter.p + share_prefix.len, filter.len - share_prefix.len);
		if (!level_next(&rest, &level) || !mqtt_topic_valid(level))
			return false;
	}
	if (rest.p == nullptr || rest.len == 0)
		return false;
	while (level_next(&rest, &level)) {
		if (level_is(level, '#'))
			return rest.p == nullptr;
		if (!level_is(level, '+') && level.len > 0 && !mqtt_topic_valid(level))
			return false;
	}
	return true;
}

bool mqtt_filter_within(struct view inner, struct view outer) {
	struct view a, b;
	bool first = true;

	for (;; first = false) {
		bool more_inner = level_next(&inner, &a);
		bool more_outer = level_next(&outer, &b);

		// "x/#" also matches "x" itself (section 4.7.1.2).
		if (more_outer && level_is(b, '#'))
			return !(first && more_inner && a.len > 0 && a.p[0] == '$');
		if (!more_inner || !more_outer)
			return more_inner == more_outer;
		if (level_is(a, '#'))
			return false;
		if (level_is(b, '+')) {
			if (first && a.len > 0 && a.p[0] == '$')
				return false;
			continue;
		}
		if (level_is(a, '+') || !view_equal(a, b))
			return false;
	}
}
