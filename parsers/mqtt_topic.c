// SPDX-License-Identifier: Apache-2.0
#include "parsers/mqtt_topic.h"

// Length of the well-formed sequence at p (RFC 3629, table in section 4), 0 if there is none.
static unsigned utf8_sequence(const uint8_t *p, uint32_t left) {
	uint8_t lo = 0x80, hi = 0xbf;
	unsigned n;

	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	if (p[0] < 0xe0) {
		n = 2;
	} else if (p[0] < 0xf0) {
		n = 3;
		lo = p[0] == 0xe0 ? 0xa0 : 0x80; // no overlong form
		hi = p[0] == 0xed ? 0x9f : 0xbf; // no surrogate
	} else {
		n = 4;
		lo = p[0] == 0xf0 ? 0x90 : 0x80;
		hi = p[0] == 0xf4 ? 0x8f : 0xbf; // nothing above U+10FFFF
	}
	if (left < n || p[1] < lo || p[1] > hi)
		return 0;
	for (unsigned i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

// Eight bytes at a time: all of them ASCII and none of them zero.
static bool ascii8(const uint8_t *p) {
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return ((w | (w - 0x0101010101010101)) & 0x8080808080808080) == 0;
}

bool mqtt_utf8_valid(struct view s) {
	uint32_t i = 0;

	while (i < s.len) {
		if (s.len - i >= 8 && ascii8(s.p + i)) {
			i += 8;
		} else if (s.p[i] < 0x80) {
			if (s.p[i++] == 0)
				return false;
		} else {
			unsigned n = utf8_sequence(s.p + i, s.len - i);
			if (n == 0)
				return false;
			i += n;
		}
	}
	return true;
}

// Is one of these eight bytes a wildcard? '+' and '#' differ in one bit: without it a wildcard is
// '#', and equal bytes leave a zero, which a subtraction borrows through.
static uint64_t wildcard8(uint64_t w) {
	uint64_t x = (w & 0xf7f7f7f7f7f7f7f7) ^ 0x2323232323232323;

	static_assert(('+' ^ '#') == 0x08 && '#' == 0x23);
	return (x - 0x0101010101010101) & ~x & 0x8080808080808080;
}

bool mqtt_topic_valid(struct view topic) {
	bool any = topic.len > 0;
	uint64_t found = 0, w;

	for (; topic.len >= 8; topic.p += 8, topic.len -= 8) {
		memcpy(&w, topic.p, sizeof(w));
		found |= wildcard8(w);
	}
	w = 0;
	for (uint32_t i = 0; i < topic.len; i++)
		w = w << 8 | topic.p[i];
	return any && (found | wildcard8(w)) == 0;
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
