// SPDX-License-Identifier: Apache-2.0
#include "dataplane/pages.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LARGE ((size_t)2 << 20)

static size_t rounded(size_t bytes) {
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) & ~(page - 1);
}

// A mapping that begins at a multiple of `align`: the kernel chooses, the edges go back.
static uint8_t *map_aligned(size_t bytes, size_t align) {
	size_t slack = align > 1 ? align : 0;
	uint8_t *p =
		mmap(nullptr,
		     bytes + slack,
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1,
		     0);

	if (p == MAP_FAILED)
		return nullptr;
	size_t before = slack > 0 ? -(uintptr_t)p & (align - 1) : 0;
	if (before > 0)
		munmap(p, before);
	if (slack > before)
		munmap(p + before + bytes, slack - before);
	return p + before;
}

void pages_advise(void *p, size_t bytes) {
	// A hint: without it, or where the kernel has none left, the pages are small.
	(void)madvise(p, bytes, MADV_HUGEPAGE);
}

void *pages_map(size_t bytes, const char *name, bool resident) {
	size_t whole = rounded(bytes > 0 ? bytes : 1);
	uint8_t *p = map_aligned(whole, whole >= LARGE ? LARGE : 1);

	if (p == nullptr)
		return nullptr;
	// For whoever reads smaps; old kernels cannot.
	(void)prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, (unsigned long)p, whole, (unsigned long)name);
	// Before the first touch: pages that are there already stay small.
	pages_advise(p, whole);
	if (resident && madvise(p, whole, MADV_POPULATE_WRITE) != 0) {
		munmap(p, whole);
		return nullptr;
	}
	return p;
}

void pages_unmap(void *p, size_t bytes) {
	if (p != nullptr)
		munmap(p, rounded(bytes > 0 ? bytes : 1));
}

void *pages_reserve(size_t bytes, bool secret) {
	uint8_t *p = map_aligned(bytes, 1);

	if (p != nullptr && secret) {
		madvise(p, bytes, MADV_DONTDUMP);
		mlock2(p, bytes, MLOCK_ONFAULT);
	}
	return p;
}

void pages_wipe(void *p, size_t bytes) {
	if (p == nullptr)
		return;
	explicit_bzero(p, bytes);
	pages_unmap(p, bytes);
}
