// SPDX-License-Identifier: Apache-2.0
#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{"d", 86400000000000},
	{"h", 3600000000000},
	{"m", 60000000000},
	{"s", 1000000000},
	{"ms", 1000000},
	{"us", 1000},
	{"ns", 1},
	{},
};
static const struct unit sizes[] = {
	{"TiB", 1ull << 40},
	{"GiB", 1ull << 30},
	{"MiB", 1ull << 20},
	{"KiB", 1ull << 10},
	{"B", 1},
	{"GB", 1000000000},
	{"MB", 1000000},
	{"kB", 1000},
	{},
};
static const struct unit plain[] = {{"", 1}, {}};

static const struct unit *units_of(enum quantity kind) {
	switch (kind) {
	case QUANTITY_DURATION:
		return durations;
	case QUANTITY_SIZE:
		return sizes;
	default:
		return plain;
	}
}

static uint64_t unit_factor(enum quantity kind, const char *name) {
	for (const struct unit *u = units_of(kind); u->name != NULL; u++)
		if (strcmp(u->name, name) == 0)
			return u->factor;
	return 0;
}

// '_' groups digits as in C23's ' and is allowed only between two of them.
static int digits_parse(const char **text, uint64_t *out) {
	const char *p = *text;
	uint64_t v = 0;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p) || (*p == '_' && isdigit((unsigned char)p[1])); p++) {
		if (*p == '_')
			continue;
		uint64_t digit = (uint64_t)(*p - '0');
		if (v > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		v = v * 10 + digit;
	}
	*text = p;
	*out = v;
	return 0;
}

int quantity_parse(const char *text, enum quantity kind, const char *unit, uint64_t *out) {
	uint64_t v;
	int ret = digits_parse(&text, &v);

	if (ret < 0)
		return ret;
	if (*text == ' ')
		text++;
	if (v == 0 && *text == '\0') {
		*out = 0;
		return 0;
	}
	uint64_t from = unit_factor(kind, text);
	uint64_t to = kind == QUANTITY_COUNT ? 1 : unit_factor(kind, unit);
	if (from == 0 || to == 0)
		return -EINVAL;
	if (v > UINT64_MAX / from)
		return -ERANGE;
	if (v * from % to != 0)
		return -EDOM;
	*out = v * from / to;
	return 0;
}

const char *
quantity_format(uint64_t v, enum quantity kind, const char *unit, char *out, size_t size) {
	uint64_t base = v;

	if (kind != QUANTITY_COUNT) {
		uint64_t factor = unit_factor(kind, unit);
		if (v != 0 && factor != 0 && v <= UINT64_MAX / factor)
			base = v * factor;
		else
			kind = QUANTITY_COUNT;
	}
	for (const struct unit *u = units_of(kind); u->name != NULL; u++) {
		if (u->factor == 0 || base % u->factor != 0)
			continue;
		snprintf(out, size, "%" PRIu64 "%s", base / u->factor, u->name);
		return out;
	}
	return out;
}

// strtod takes the point of the locale, and no program here sets one.
int real_parse(const char *text, double *out) {
	static const char allowed[] = "0123456789+-.eE";
	char *end;

	if (text[0] == '\0' || text[strspn(text, allowed)] != '\0')
		return -EINVAL;
	double v = strtod(text, &end);
	if (*end != '\0' || !isfinite(v))
		return -EINVAL;
	*out = v;
	return 0;
}

int bool_parse(const char *text, bool *out) {
	static const char *const yes[] = {"true", "yes", "on"};
	static const char *const no[] = {"false", "no", "off"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*out = strcmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

int cpu_range_parse(const char *text, uint32_t *list, uint32_t *count, uint32_t max) {
	uint64_t first, last;

	if (digits_parse(&text, &first) < 0)
		return -EINVAL;
	last = first;
	if (*text == '-') {
		text++;
		if (digits_parse(&text, &last) < 0)
			return -EINVAL;
	}
	if (*text != '\0' || last < first || last > UINT16_MAX)
		return -EINVAL;
	for (uint64_t cpu = first; cpu <= last; cpu++) {
		if (*count == max)
			return -E2BIG;
		list[(*count)++] = (uint32_t)cpu;
	}
	return 0;
}
