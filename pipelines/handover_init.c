// SPDX-License-Identifier: Apache-2.0
#include "pipelines/handover.h"

#include <errno.h>
#include <stdlib.h>

int parking_init(struct parking *k, uint32_t bytes) {
	*k = (struct parking) {.bytes = bytes & ~15u};
	k->arena = aligned_alloc(64, (bytes & ~63u) + 64);
	return k->arena != nullptr ? 0 : -ENOMEM;
}

void parking_fini(struct parking *k) {
	free(k->arena);
	k->arena = nullptr;
}

int handover_init(struct handover *h, uint32_t arena_bytes, uint32_t letters) {
	*h = (struct handover) {.outbox_size = letters};
	h->waits = calloc(WAITS_MAX, sizeof(*h->waits));
	h->outbox = calloc(letters, sizeof(*h->outbox));
	h->outbox_to = calloc(letters, sizeof(*h->outbox_to));
	if (h->waits == nullptr || h->outbox == nullptr || h->outbox_to == nullptr)
		return -ENOMEM;
	return parking_init(&h->parking, arena_bytes);
}

void handover_fini(struct handover *h) {
	free(h->waits);
	free(h->outbox);
	free(h->outbox_to);
	parking_fini(&h->parking);
}
