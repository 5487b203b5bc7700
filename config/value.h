// SPDX-License-Identifier: Apache-2.0
// Scalars of the configuration: text in, numbers out. Pure functions, any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One list of unit suffixes per kind of quantity.
enum quantity : uint8_t {
	QUANTITY_COUNT, // plain decimal, '_' allowed between digits
	QUANTITY_DURATION, // ns us ms s m h d
	QUANTITY_SIZE, // B KiB MiB GiB TiB, kB MB GB
};

// 0 and *out in units of `unit` (e.g. "ms", "MiB"; ignored for counts). -EINVAL: not such a
// quantity, or the unit is missing (0 needs none). -ERANGE: too large. -EDOM: not a whole number
// of `unit`.
int quantity_parse(const char *text, enum quantity kind, const char *unit, uint64_t *out);

// The shortest exact text with a unit ("90s", "64KiB"). Returns `out`.
const char *
quantity_format(uint64_t v, enum quantity kind, const char *unit, char *out, size_t size);

// A decimal number, point and exponent allowed, not infinite: "-40", "0.05", "1e6". 0 or -EINVAL;
// *out is changed only on success.
int real_parse(const char *text, double *out);

// true yes on, false no off. 0 or -EINVAL.
int bool_parse(const char *text, bool *out);

// Appends the numbers of "3" or "2-5" to list[*count..max). 0, -EINVAL, -E2BIG (more than max).
int cpu_range_parse(const char *text, uint32_t *list, uint32_t *count, uint32_t max);
