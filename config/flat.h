// SPDX-License-Identifier: Apache-2.0
// A configuration file as a list of "path = value", for get, set and diff. Main thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct flat_item {
	char *path; // "listeners[2].port"
	char *value;
	size_t start, end; // where the value stands in the text, quotes included
};

struct flat {
	struct flat_item *items;
	size_t count;
};

// 0, -EINVAL (no YAML, `why` says where), -ENOMEM.
int flat_read(const char *text, struct flat *out, char *why, size_t why_len);
void flat_free(struct flat *f);
const struct flat_item *flat_find(const struct flat *f, const char *path);

// "listeners[2].port" to "listeners[].port", as the option table writes it.
void flat_option_path(const char *path, char *out, size_t room);

// The text with one value replaced, or a line added where it was missing. Comments stay. NULL if
// there is no place for it (an element of a list that does not exist) or out of memory.
char *flat_set(const char *text, const struct flat *f, const char *path, const char *value);
