// SPDX-License-Identifier: Apache-2.0
// Chunks of 64 B to 64 KiB from a fixed number of 64 KiB pages. A page serves one size while any of
// its chunks is in use and any size afterwards, so no class can starve the others for good.
// References are 32-bit (0 = none): they fit where a pointer would not. One thread.
#pragma once

#include <stdint.h>

#define SLAB_PAGE_BYTES 65536u
#define SLAB_CLASSES 6 // 64, 256, 1 Ki, 4 Ki, 16 Ki, 64 Ki
#define SLAB_SLOT_BITS 10
#define SLAB_PAGES_MAX (1u << (32 - SLAB_SLOT_BITS))

struct slab_page {
	uint32_t prev, next; // list of its class's pages with free chunks; page + 1, 0 = end
	uint16_t used;
	uint16_t fresh; // chunks from here on were never given out
	uint16_t free; // slot + 1 of the first freed chunk, which holds the next one's
	uint8_t class;
	uint8_t listed;
};

struct slab {
	uint8_t *base;
	struct slab_page *pages;
	uint32_t page_count;
	uint32_t pages_used;
	uint32_t empty; // list of unused pages, through `next`
	uint32_t fresh; // pages from here on were never used
	uint32_t partial[SLAB_CLASSES];
	uint64_t chunks_used;
};

// `base` holds page_count pages, aligned to 64 B; `pages` that many zeroed descriptors.
void slab_init(struct slab *s, uint8_t *base, struct slab_page *pages, uint32_t page_count);

// A chunk of at least `bytes` (at most SLAB_PAGE_BYTES) bytes; 0 if none is left.
uint32_t slab_alloc(struct slab *s, uint32_t bytes);
void slab_free(struct slab *s, uint32_t ref);

static inline uint32_t slab_class_bytes(unsigned class) {
	return 64u << (2 * class);
}

static inline uint32_t slab_page_of(uint32_t ref) {
	return (ref - 1) >> SLAB_SLOT_BITS;
}

static inline uint32_t slab_bytes(const struct slab *s, uint32_t ref) {
	return slab_class_bytes(s->pages[slab_page_of(ref)].class);
}

static inline void *slab_at(const struct slab *s, uint32_t ref) {
	uint32_t page = slab_page_of(ref);
	uint32_t slot = (ref - 1) & ((1u << SLAB_SLOT_BITS) - 1);

	return s->base + (uint64_t)page * SLAB_PAGE_BYTES
		+ (uint64_t)slot * slab_class_bytes(s->pages[page].class);
}
