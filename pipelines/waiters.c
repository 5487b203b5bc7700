// SPDX-License-Identifier: Apache-2.0
#include "pipelines/waiters.h"

#include <assert.h>

static uint32_t take(struct waiters *w, const struct waiter *what) {
	uint32_t i = w->first_free;

	if (i == WAITER_NONE)
		return WAITER_NONE;
	w->first_free = w->all[i].next;
	w->all[i] = *what;
	w->used++;
	return i;
}

struct waiter waiter_release(struct waiters *w, uint32_t i) {
	assert(i < w->count && w->used > 0);
	struct waiter out = w->all[i];

	w->all[i].next = w->first_free;
	w->first_free = i;
	w->used--;
	return out;
}

uint32_t waiter_keep(struct waiters *w, const struct message *m) {
	struct waiter what = {
		.rx_ns = m->rx_ns,
		.token = m->token,
		.next = WAITER_NONE,
		.transport = m->transport,
		.remote = m->remote,
	};
	return take(w, &what);
}

bool waiter_add(struct waiters *w, uint32_t *list, const struct message *m) {
	uint32_t i = waiter_keep(w, m);

	if (i == WAITER_NONE)
		return false;
	w->all[i].next = *list;
	*list = i;
	return true;
}

bool waiter_add_remote(struct waiters *w, uint32_t *list, uint16_t worker, uint32_t waiter) {
	struct waiter what = {.token = waiter, .next = *list, .remote = (uint16_t)(worker + 1)};
	uint32_t i = take(w, &what);

	if (i == WAITER_NONE)
		return false;
	*list = i;
	return true;
}

bool waiter_take(struct waiters *w, uint32_t *list, struct waiter *out) {
	if (*list == WAITER_NONE)
		return false;
	*out = waiter_release(w, *list);
	*list = out->next;
	return true;
}
