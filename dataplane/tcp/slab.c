// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/slab.h"

#include <assert.h>
#include <string.h>

static_assert(SLAB_PAGE_BYTES / 64 == 1u << SLAB_SLOT_BITS, "slots of the smallest class fit");
static_assert(64u << (2 * (SLAB_CLASSES - 1)) == SLAB_PAGE_BYTES, "the largest chunk is a page");

void slab_init(struct slab *s, uint8_t *base, struct slab_page *pages, uint32_t page_count) {
	assert(page_count <= SLAB_PAGES_MAX - 1);
	*s = (struct slab) {.base = base, .pages = pages, .page_count = page_count};
}

static void page_list(struct slab *s, uint32_t page) {
	struct slab_page *p = &s->pages[page];
	uint32_t head = s->partial[p->class];

	p->prev = 0;
	p->next = head;
	p->listed = 1;
	if (head != 0)
		s->pages[head - 1].prev = page + 1;
	s->partial[p->class] = page + 1;
}

static void page_unlist(struct slab *s, uint32_t page) {
	struct slab_page *p = &s->pages[page];

	if (p->prev != 0)
		s->pages[p->prev - 1].next = p->next;
	else
		s->partial[p->class] = p->next;
	if (p->next != 0)
		s->pages[p->next - 1].prev = p->prev;
	p->listed = 0;
}

// Dedicate an unused page to a class.
static bool page_take(struct slab *s, uint8_t class) {
	uint32_t page;

	if (s->empty != 0) {
		page = s->empty - 1;
		s->empty = s->pages[page].next;
	} else if (s->fresh < s->page_count) {
		page = s->fresh++;
	} else {
		return false;
	}
	s->pages[page] = (struct slab_page) {.class = class};
	s->pages_used++;
	page_list(s, page);
	return true;
}

uint32_t slab_alloc(struct slab *s, uint32_t bytes) {
	uint8_t class = 0;

	assert(bytes <= SLAB_PAGE_BYTES);
	while (slab_class_bytes(class) < bytes)
		class ++;
	if (s->partial[class] == 0 && !page_take(s, class))
		return 0;

	uint32_t page = s->partial[class] - 1;
	struct slab_page *p = &s->pages[page];
	uint32_t slot;

	if (p->free != 0) {
		slot = p->free - 1u;
		memcpy(&p->free,
		       s->base + (uint64_t)page * SLAB_PAGE_BYTES
			       + (uint64_t)slot * slab_class_bytes(class),
		       sizeof(p->free));
	} else {
		slot = p->fresh++;
	}
	p->used++;
	s->chunks_used++;
	if (p->free == 0 && p->fresh == SLAB_PAGE_BYTES / slab_class_bytes(class))
		page_unlist(s, page);
	return (page << SLAB_SLOT_BITS | slot) + 1;
}

void slab_free(struct slab *s, uint32_t ref) {
	uint32_t page = slab_page_of(ref);
	struct slab_page *p = &s->pages[page];

	assert(ref != 0 && p->used > 0);
	memcpy(slab_at(s, ref), &p->free, sizeof(p->free));
	p->free = (uint16_t)(((ref - 1) & ((1u << SLAB_SLOT_BITS) - 1)) + 1);
	p->used--;
	s->chunks_used--;
	if (!p->listed)
		page_list(s, page);
	if (p->used == 0) {
		page_unlist(s, page);
		p->next = s->empty;
		s->empty = page + 1;
		s->pages_used--;
	}
}
