// SPDX-License-Identifier: Apache-2.0
#include "pipelines/ack_table.h"
#include "pipelines/waiters.h"

#include <errno.h>
#include <stdlib.h>

int ack_table_init(struct ack_table *t, uint32_t count) {
	*t = (struct ack_table) {.count = count, .first_free = count > 0 ? 0 : TOKEN_NONE};
	t->slots = calloc(count > 0 ? count : 1, sizeof(*t->slots));
	if (t->slots == nullptr)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		t->slots[i].token = i + 1 < count ? i + 1 : TOKEN_NONE;
	return 0;
}

void ack_table_fini(struct ack_table *t) {
	free(t->slots);
	t->slots = nullptr;
}

int waiters_init(struct waiters *w, uint32_t count) {
	*w = (struct waiters) {.count = count, .first_free = count > 0 ? 0 : WAITER_NONE};
	w->all = calloc(count > 0 ? count : 1, sizeof(*w->all));
	if (w->all == nullptr)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		w->all[i].next = i + 1 < count ? i + 1 : WAITER_NONE;
	return 0;
}

void waiters_fini(struct waiters *w) {
	free(w->all);
	w->all = nullptr;
}
