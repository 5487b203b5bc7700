// SPDX-License-Identifier: Apache-2.0
#include "pipelines/batch_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int batch_set_init(
	struct batch_set *s,
	struct batch *batches,
	uint16_t count,
	uint16_t marks_max,
	void (*sealed)(void *owner, struct batch *b),
	void *owner
) {
	*s = (struct batch_set) {
		.batches = batches,
		.count = count,
		.entries_max = BATCH_ENTRIES_MAX,
		.next_due_ns = UINT64_MAX,
		.sealed = sealed,
		.owner = owner,
		.free_count = count,
		.marks_max = marks_max,
	};
	memset(s->open, 0xff, sizeof(s->open)); // BATCH_NONE
	memset(s->packed, 0xff, sizeof(s->packed));
	s->free = calloc(3u * count + 1, sizeof(*s->free));
	s->marks = calloc(marks_max, sizeof(*s->marks));
	if (s->free == nullptr || s->marks == nullptr) {
		batch_set_fini(s);
		return -ENOMEM;
	}
	s->opened = s->free + count;
	s->full = s->opened + count;
	for (uint16_t i = 0; i < count; i++)
		s->free[i] = (uint16_t)(count - 1 - i);
	return 0;
}

void batch_set_fini(struct batch_set *s) {
	free(s->free);
	free(s->marks);
	s->free = nullptr;
	s->marks = nullptr;
}
