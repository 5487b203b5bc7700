// SPDX-License-Identifier: Apache-2.0
// Input that ends at an inaccessible page: one byte of over-read is a crash, with or without a
// sanitizer.
#pragma once

#include "parsers/rd.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_MAX (64u * 4096)

static uint8_t *guard_edge;

static inline int guard_setup(void **) {
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *m = mmap(
		NULL, GUARD_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0
	);

	if (m == MAP_FAILED || mprotect(m + GUARD_MAX, page, PROT_NONE) < 0)
		return -1;
	guard_edge = m + GUARD_MAX;
	return 0;
}

static inline struct view guard_view(const void *bytes, uint32_t n) {
	if (n > 0)
		memcpy(guard_edge - n, bytes, n);
	return (struct view) {guard_edge - n, n};
}
