// SPDX-License-Identifier: Apache-2.0
// Bytes in order that the app has not consumed: contiguous, in one chunk that grows through the
// slab's classes. A connection without such bytes holds nothing.
#include "dataplane/tcp/tcp_types.h"

#include <string.h>

uint32_t hold_len(const struct tcp *t, const struct tcb *c) {
	return c->rx != 0 ? chunk_at(t, c->rx)->len : 0;
}

void rx_drop(struct tcp *t, struct tcb *c) {
	if (c->rx != 0)
		slab_free(&t->slab, c->rx);
	c->rx = 0;
	ooo_drop(t, c);
}

// A chunk with room for `len` more bytes behind what is kept.
static bool hold_reserve(struct tcp *t, struct tcb *c, uint32_t len) {
	struct chunk *k = c->rx != 0 ? chunk_at(t, c->rx) : nullptr;
	uint32_t kept = k != nullptr ? k->len : 0;

	if (k != nullptr && k->off + kept + len <= chunk_room(t, c->rx))
		return true;
	if (k != nullptr && kept + len <= chunk_room(t, c->rx)) {
		memmove(k->bytes, k->bytes + k->off, kept);
		k->off = 0;
		return true;
	}
	uint32_t ref = slab_alloc(&t->slab, kept + len + (uint32_t)sizeof(struct chunk));
	if (ref == 0)
		return false;
	struct chunk *larger = chunk_at(t, ref);
	*larger = (struct chunk) {.len = (uint16_t)kept};
	if (k != nullptr) {
		memcpy(larger->bytes, k->bytes + k->off, kept);
		slab_free(&t->slab, c->rx);
	}
	c->rx = ref;
	return true;
}

uint32_t hold_append(struct tcp *t, struct tcb *c, const uint8_t *p, uint32_t len) {
	uint32_t n = min_u32(len, t->config.hold_max - hold_len(t, c));

	if (n == 0)
		return 0;
	if (!hold_reserve(t, c, n)) {
		count(t, TCP_NO_BUFFER);
		return 0;
	}
	struct chunk *k = chunk_at(t, c->rx);
	memcpy(k->bytes + k->off + k->len, p, n);
	k->len += (uint16_t)n;
	return n;
}

void hold_consume(struct tcp *t, struct tcb *c, uint32_t len) {
	struct chunk *k = chunk_at(t, c->rx);

	k->off += (uint16_t)len;
	k->len -= (uint16_t)len;
	if (k->len > 0)
		return;
	slab_free(&t->slab, c->rx);
	c->rx = 0;
}
