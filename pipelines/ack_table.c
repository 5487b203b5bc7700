// SPDX-License-Identifier: Apache-2.0
#include "pipelines/ack_table.h"

#include <assert.h>

uint32_t ack_table_take(struct ack_table *t, const struct message *m, uint16_t records) {
	uint32_t slot = t->first_free;

	if (slot == TOKEN_NONE)
		return TOKEN_NONE;
	struct ack_slot *s = &t->slots[slot];
	t->first_free = s->token;
	t->used++;
	*s = (struct ack_slot) {
		.rx_ns = m->rx_ns,
		.token = m->token,
		.waiting = records,
		.transport = m->transport,
		.remote = m->remote,
		.waiters = WAITER_NONE,
	};
	return slot;
}

void ack_table_give(struct ack_table *t, uint32_t slot) {
	assert(slot < t->count && t->used > 0);
	t->slots[slot].waiting = 0;
	t->slots[slot].token = t->first_free;
	t->first_free = slot;
	t->used--;
}

bool ack_table_count(struct ack_table *t, uint32_t slot, bool refused, struct ack_slot *done) {
	assert(slot < t->count && t->slots[slot].waiting > 0);
	struct ack_slot *s = &t->slots[slot];

	s->refused |= refused;
	if (--s->waiting > 0)
		return false;
	*done = *s;
	ack_table_give(t, slot);
	return true;
}
