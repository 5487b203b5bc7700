// SPDX-License-Identifier: Apache-2.0
// Collects the mistakes of one configuration: of its file and of the files that it names. One
// thread, caller's memory.
#pragma once

#include "config/config.h"

// A line together with its file: what report_line() gives, and what places and references keep. A
// plain line number is one of the file that is being read.
#define REPORT_LINE_BITS 21 // of files of at most 1 MiB
#define REPORT_FILES_MAX (CONFIG_PROFILES_MAX + 1)

static_assert(REPORT_FILES_MAX <= 1u << (32 - REPORT_LINE_BITS));

struct report {
	const char *file; // borrowed: the only one, unless there are `files`
	const char **files; // borrowed; [0] is the main file
	uint32_t reading; // number of the one being read
	struct config_error *errors;
	uint32_t max;
	uint32_t count; // those kept in `errors`
	uint32_t total; // those found: more than `count` if `errors` was too small
};

uint32_t report_line(const struct report *r, uint32_t line);

// `line` 0 concerns the whole file. The text is one sentence without full stop; it is cut, never
// split over two errors.
[[gnu::format(printf, 3, 4)]] void
report_add(struct report *r, uint32_t line, const char *format, ...);

// Sort by file and line, so that the operator reads the file from top to bottom.
void report_sort(struct report *r);
