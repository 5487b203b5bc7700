// SPDX-License-Identifier: Apache-2.0
// The one table that names every option of the configuration file. Parser, checks, docs/config.md,
// `sluicectl config`, completion and the manual come from it.
//
// Paths are written "net.fragments", list elements "ports[].mtu". Parents stand before children.
// Constant data; any thread.
#pragma once

#include "config/value.h"

#include <stddef.h>
#include <stdint.h>

// label: how the manual names the type
#define OPTION_TYPES(X)                                                                            \
	X(OPTION_MAP, "section") /* groups the options below it */                                 \
	X(OPTION_LIST, "list") /* of elements with options of their own, see `array` */            \
	X(OPTION_BOOL, "yes or no") /* bool */                                                     \
	X(OPTION_NUMBER, "number") /* uint16_t, uint32_t, uint64_t by width */                     \
	X(OPTION_REAL, "number") /* double; NaN if not given */                                    \
	X(OPTION_ENUM, "one of") /* enum of underlying type uint8_t; see `labels` */               \
	X(OPTION_NAME, "name") /* char[]: letters, digits, '-', '_', '.' */                        \
	X(OPTION_TEXT, "text") /* char[] */                                                        \
	X(OPTION_VIEW, "text") /* struct view */                                                   \
	X(OPTION_TEXTS, "list of text") /* char *[max], count at count_offset */                   \
	X(OPTION_CPUS, "list of CPUs") /* uint32_t[max], count at count_offset */                  \
	X(OPTION_HOST, "address") /* struct ip_prefix of one host */                               \
	X(OPTION_PREFIXES, "list of addresses") /* struct ip_prefix *, count at count_offset */    \
	X(OPTION_REFERENCE, "name") /* of an element of `target`; pointer or uint16_t index */     \
	X(OPTION_SECRET, "secret") /* char[]: the secret behind a reference */                     \
	X(OPTION_SECRET_FILE, "secret") /* char *: path of the file behind a reference */          \
	X(OPTION_PROPERTIES, "map of text") /* struct property_option *, count */

enum option_type : uint8_t {
#define X(id, label) id,
	OPTION_TYPES(X)
#undef X
		OPTION_TYPE_COUNT
};

const char *option_type_label(enum option_type type);

enum option_flags : uint8_t {
	OPTION_REQUIRED = 1 << 0, // an error if the file does not give it
	OPTION_LIVE = 1 << 1, // a new value takes effect by `apply`; else restart required
	OPTION_IN_ROOT = 1 << 2, // offsets count from struct config even inside a list element
	OPTION_FILED = 1 << 3, // elements may also stand in files of their own
};

// Where a list keeps its elements.
enum option_array : uint8_t {
	ARRAY_INLINE, // T a[max] in the struct
	ARRAY_OWNED, // T *a, allocated by the loader
};

struct option {
	const char *path;
	const char *help; // one sentence or two; docs/config.md prints it as it is
	enum option_type type;
	uint8_t flags;
	enum quantity quantity;
	enum option_array array;
	uint16_t width; // bytes of the field, or of one list element
	uint32_t offset; // from struct config, or from the element of the innermost list
	uint32_t count_offset; // uint32_t number of elements, same base
	uint64_t min, max; // of a number in `unit`; bytes of a text; elements of a list
	const char *unit; // of a number: "ms", "B", "MiB", "packets/s", ...
	const char *default_text; // as one would write it; NULL: empty or none
	const char *const *labels; // of an enum, NULL-terminated, index = value
	const char *target; // of a reference: path of the list
};

extern const struct option config_options[];
extern const size_t config_option_count;

// NULL if there is no such path.
const struct option *option_find(const char *path);

// If `o` is a direct child of `parent` ("" is the root, "ports[]" the elements of ports): the name
// under which it stands there ("mtu"), else NULL.
const char *option_name_below(const struct option *o, const char *parent);

// If `o` is stored in the element that `parent` describes, in whatever section of it, but not in
// an element of an inner list: its path from there ("exception.tap"), else NULL.
const char *option_field_of(const struct option *o, const char *parent);
