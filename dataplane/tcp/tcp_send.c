// SPDX-License-Identifier: Apache-2.0
// Bytes to send: copied into chunks, kept until acknowledged, so that a retransmission is the same
// bytes and no packet buffer is held.
#include "dataplane/tcp/tcp_types.h"

#include <string.h>

static uint32_t append_tail(struct tcp *t, struct tcb *c, const uint8_t *p, uint32_t len) {
	if (c->tx_tail == 0)
		return 0;
	struct chunk *k = chunk_at(t, c->tx_tail);
	uint32_t used = (uint32_t)k->off + k->len;
	uint32_t n = min_u32(len, chunk_room(t, c->tx_tail) - used);

	memcpy(k->bytes + used, p, n);
	k->len += (uint16_t)n;
	c->tx_end += n;
	return n;
}

static bool append_chunk(struct tcp *t, struct tcb *c, uint32_t want) {
	uint32_t ref =
		slab_alloc(&t->slab, min_u32(want, 4096 - 16) + (uint32_t)sizeof(struct chunk));

	if (ref == 0)
		return false;
	*chunk_at(t, ref) = (struct chunk) {.seq = c->tx_end};
	if (c->tx_tail != 0)
		chunk_at(t, c->tx_tail)->next = ref;
	else
		c->tx_head = ref;
	c->tx_tail = ref;
	return true;
}

uint32_t tx_append(struct tcp *t, struct tcb *c, const uint8_t *p, uint32_t len) {
	uint32_t done = append_tail(t, c, p, len);

	while (done < len) {
		if (!append_chunk(t, c, len - done)) {
			count(t, TCP_NO_BUFFER);
			break;
		}
		done += append_tail(t, c, p + done, len - done);
	}
	return done;
}

void tx_acked(struct tcp *t, struct tcb *c) {
	while (c->tx_head != 0) {
		struct chunk *k = chunk_at(t, c->tx_head);
		if (seq_lt(c->snd_una, k->seq + k->len))
			return;
		uint32_t next = k->next;
		slab_free(&t->slab, c->tx_head);
		c->tx_head = next;
	}
	c->tx_tail = 0;
}

void tx_drop(struct tcp *t, struct tcb *c) {
	while (c->tx_head != 0) {
		uint32_t next = chunk_at(t, c->tx_head)->next;
		slab_free(&t->slab, c->tx_head);
		c->tx_head = next;
	}
	c->tx_tail = 0;
}

// Only sequence numbers between snd_una and tx_end are asked for.
void tx_copy(const struct tcp *t, const struct tcb *c, uint32_t seq, uint8_t *out, uint32_t len) {
	uint32_t ref = c->tx_head;

	while (len > 0) {
		const struct chunk *k = chunk_at(t, ref);
		uint32_t skip = seq - k->seq;
		if (skip < k->len) {
			uint32_t n = min_u32(len, k->len - skip);
			memcpy(out, k->bytes + k->off + skip, n);
			out += n;
			seq += n;
			len -= n;
		}
		ref = k->next;
	}
}
