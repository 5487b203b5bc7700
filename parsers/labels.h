// SPDX-License-Identifier: Apache-2.0
// A device's labels as one run of bytes, the way they travel from the registry to the workers:
//
//   name length, value length, name, value | the next pair | ...
//
// Sorted by name, each name once, so that sets are equal if their bytes are. Header only: both
// processes and the configuration speak of labels. Any thread; views point into the set.
#pragma once

#include "parsers/rd.h"

#define LABELS_MAX 16 // of one device
#define LABEL_NAME_MAX 48
#define LABEL_VALUE_MAX 128
#define LABELS_BYTES_MAX 1016 // of a whole set

struct label {
	struct view name;
	struct view value; // may be empty
};

// The next pair of a set, which *rest is brought behind. False at the end, or where the bytes are
// no pair: then *rest is not empty.
static inline bool labels_next(struct view *rest, struct label *out) {
	if (rest->len < 2)
		return false;
	uint32_t name = rest->p[0], value = rest->p[1];
	if (rest->len - 2 < name + value)
		return false;
	out->name = view_of(rest->p + 2, name);
	out->value = view_of(rest->p + 2 + name, value);
	*rest = view_of(rest->p + 2 + name + value, rest->len - 2 - name - value);
	return true;
}

// By bytes, the shorter of two that begin alike first.
static inline int label_order(struct view a, struct view b) {
	uint32_t n = a.len < b.len ? a.len : b.len;
	int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

// Is this a set, within all bounds? Everything from outside goes through here.
static inline bool labels_valid(struct view set) {
	struct view before = {0};
	struct label l;
	uint32_t n = 0;

	if (set.len > LABELS_BYTES_MAX)
		return false;
	for (; labels_next(&set, &l); before = l.name, n++)
		if (n == LABELS_MAX || l.name.len == 0 || l.name.len > LABEL_NAME_MAX
		    || l.value.len > LABEL_VALUE_MAX || (n > 0 && label_order(before, l.name) >= 0))
			return false;
	return set.len == 0;
}

// The value of that name. False: the set has none. Hot: at most LABELS_MAX steps.
static inline bool labels_find(struct view set, struct view name, struct view *value) {
	struct label l;

	while (labels_next(&set, &l)) {
		if (!view_equal(l.name, name))
			continue;
		*value = l.value;
		return true;
	}
	return false;
}

// Does the set have all pairs of `wanted`, itself a set? Hot: one walk down both.
static inline bool labels_hold(struct view set, struct view wanted) {
	struct label w, l;

	while (labels_next(&wanted, &w)) {
		do
			if (!labels_next(&set, &l))
				return false;
		while (label_order(l.name, w.name) < 0);
		if (!view_equal(l.name, w.name) || !view_equal(l.value, w.value))
			return false;
	}
	return true;
}

// Append a pair to *set, whose bytes lie in room[LABELS_BYTES_MAX]. Names must come in order.
// False, and nothing appended: out of bounds or order, or no room.
static inline bool labels_append(struct view *set, uint8_t *room, struct label l) {
	struct view rest = *set;
	struct label last = {0};
	uint32_t n = 0;

	while (labels_next(&rest, &last))
		n++;
	if (n == LABELS_MAX || l.name.len == 0 || l.name.len > LABEL_NAME_MAX
	    || l.value.len > LABEL_VALUE_MAX || (n > 0 && label_order(last.name, l.name) >= 0)
	    || set->len + 2 + l.name.len + l.value.len > LABELS_BYTES_MAX)
		return false;
	uint8_t *p = room + set->len;
	*p++ = (uint8_t)l.name.len;
	*p++ = (uint8_t)l.value.len;
	memcpy(p, l.name.p, l.name.len);
	if (l.value.len > 0)
		memcpy(p + l.name.len, l.value.p, l.value.len);
	*set = view_of(room, set->len + 2 + l.name.len + l.value.len);
	return true;
}
