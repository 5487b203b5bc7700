// SPDX-License-Identifier: Apache-2.0
// Units of measurement: SenML's registry (RFC 8428, RFC 8798) and a few that devices use anyway.
//
// Units of one dimension stand together. A value in unit u is (v + zero) * num / den in the base
// unit of its dimension. Constant data; any thread.
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

struct unit {
	struct view name;
	const char *dimension;
	double num, den; // factor to the base unit, as a fraction: exact where it can be
	double zero; // 0 but for temperatures
};

// One dimension's units.
struct unit_range {
	const struct unit *first;
	const struct unit *end;
};

// nullptr if there is no unit of that name. Not hot: looks at all of them.
const struct unit *unit_find(struct view name);
// The unit nearest to a misspelt name, nullptr if none is near.
const char *unit_nearest(const char *name);
struct unit_range unit_siblings(const struct unit *u);

// Hot: looks at the units of one dimension only. nullptr: it is not one of them.
static inline const struct unit *unit_find_in(struct unit_range range, struct view name) {
	for (const struct unit *u = range.first; u < range.end; u++)
		if (view_equal(u->name, name))
			return u;
	return nullptr;
}

// `v` of unit `from` in unit `to` of the same dimension. Correctly rounded where the factor is a
// whole number or one over it; temperatures are rounded to nine decimals. May be infinite.
double unit_convert(double v, const struct unit *from, const struct unit *to);
