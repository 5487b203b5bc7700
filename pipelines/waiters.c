// SPDX-License-Identifier: Apache-2.0
#include "pipelines/waiters.h"

bool waiter_add(struct waiters *w, uint32_t *list, const struct message *m) {
	uint32_t i = w->first_free;

	if (i == WAITER_NONE)
		return false;
	w->first_free = w->all[i].next;
	w->all[i] = (struct waiter) {
		.rx_ns = m->rx_ns,
		.token = m->token,
		.next = *list,
		.transport = m->transport,
	};
	*list = i;
	return true;
}

bool waiter_take(struct waiters *w, uint32_t *list, struct waiter *out) {
	uint32_t i = *list;

	if (i == WAITER_NONE)
		return false;
	*out = w->all[i];
	*list = out->next;
	w->all[i].next = w->first_free;
	w->first_free = i;
	return true;
}
