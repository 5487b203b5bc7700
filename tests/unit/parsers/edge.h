// SPDX-License-Identifier: Apache-2.0
// Bytes whose last one touches an inaccessible page: one byte of over-read is a crash, with or
// without a sanitizer.
#pragma once

#include "parsers/rd.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EDGE_MAX 65536

static uint8_t *edge;

static int edge_setup(void **) {
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *m = mmap(
		NULL, EDGE_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0
	);

	if (m == MAP_FAILED || mprotect(m + EDGE_MAX, page, PROT_NONE) < 0)
		return -1;
	edge = m + EDGE_MAX;
	return 0;
}

static inline struct view at_edge(const void *bytes, uint32_t n) {
	if (n > 0)
		memcpy(edge - n, bytes, n);
	return (struct view) {edge - n, n};
}
