// SPDX-License-Identifier: Apache-2.0
// Collects the mistakes of one configuration file. One thread, caller's memory.
#pragma once

#include "config/config.h"

struct report {
	const char *file; // borrowed
	struct config_error *errors;
	uint32_t max;
	uint32_t count; // those kept in `errors`
	uint32_t total; // those found: more than `count` if `errors` was too small
};

// `line` 0 concerns the whole file. The text is one sentence without full stop; it is cut, never
// split over two errors.
[[gnu::format(printf, 3, 4)]] void
report_add(struct report *r, uint32_t line, const char *format, ...);

// Sort by line, so that the operator reads the file from top to bottom.
void report_sort(struct report *r);
