// SPDX-License-Identifier: Apache-2.0
#include "dataplane/letters/lane_private.h"

#include <rte_malloc.h>
#include <rte_ring.h>

#include <errno.h>

static struct rte_ring *ring_make(const char *name) {
	return rte_ring_create(name, 2 * LANE_SLOTS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

int lane_create(struct letter_lane **out) {
	struct letter_lane *l = rte_zmalloc("letters", sizeof(*l), RTE_CACHE_LINE_SIZE);

	if (l == nullptr)
		return -ENOMEM;
	l->to_worker = ring_make("letters_in");
	l->to_thread = ring_make("letters_out");
	if (l->to_worker == nullptr || l->to_thread == nullptr) {
		lane_destroy(l);
		return -ENOMEM;
	}
	for (uint16_t i = 0; i < LANE_SLOTS; i++) {
		l->slots[i].index = i;
		l->free[l->free_count++] = &l->slots[i];
	}
	*out = l;
	return 0;
}

void lane_destroy(struct letter_lane *l) {
	if (l == nullptr)
		return;
	rte_ring_free(l->to_worker);
	rte_ring_free(l->to_thread);
	rte_free(l);
}
