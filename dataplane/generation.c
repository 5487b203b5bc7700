// SPDX-License-Identifier: Apache-2.0
#include "dataplane/generation.h"

#include <errno.h>
#include <stdlib.h>

struct generation {
	struct generation_seat *seats; // owned
	uint16_t readers;
	const void *current;
	const void *previous; // some reader may still be in it
	void (*retire)(void *owner, const void *generation);
	void *owner;
};

int generation_create(
	uint16_t readers,
	const void *first,
	void (*retire)(void *owner, const void *generation),
	void *owner,
	struct generation **out
) {
	struct generation *g = calloc(1, sizeof(*g));

	if (g == nullptr)
		return -ENOMEM;
	g->seats = aligned_alloc(64, (readers + 1u) * sizeof(*g->seats));
	if (g->seats == nullptr) {
		free(g);
		return -ENOMEM;
	}
	g->readers = readers;
	g->current = first;
	g->retire = retire;
	g->owner = owner;
	for (uint16_t r = 0; r < readers; r++) {
		atomic_init(&g->seats[r].next, first);
		atomic_init(&g->seats[r].held, first);
	}
	*out = g;
	return 0;
}

static void retire(struct generation *g, const void **generation) {
	if (*generation != nullptr)
		g->retire(g->owner, *generation);
	*generation = nullptr;
}

void generation_destroy(struct generation *g) {
	if (g == nullptr)
		return;
	retire(g, &g->previous);
	retire(g, &g->current);
	free(g->seats);
	free(g);
}

struct generation_seat *generation_seat(struct generation *g, uint16_t reader) {
	return &g->seats[reader];
}

int generation_publish(struct generation *g, const void *next) {
	if (next == g->current)
		return -EALREADY;
	if (generation_missing(g) > 0)
		return -EBUSY;
	g->previous = g->current;
	g->current = next;
	for (uint16_t r = 0; r < g->readers; r++)
		atomic_store_explicit(&g->seats[r].next, next, memory_order_release);
	return 0;
}

uint16_t generation_missing(struct generation *g) {
	uint16_t missing = 0;

	for (uint16_t r = 0; r < g->readers; r++)
		missing +=
			atomic_load_explicit(&g->seats[r].held, memory_order_acquire) != g->current;
	if (missing == 0)
		retire(g, &g->previous);
	return missing;
}

const void *generation_current(const struct generation *g) {
	return g->current;
}
