// SPDX-License-Identifier: Apache-2.0
// Bytes from the peer: shown in order at once, kept in slab chunks when early, first copy wins.
#include "dataplane/tcp/proxy_v2.h"
#include "dataplane/tcp/tcp_types.h"

#include <string.h>

// The first bytes of a balanced connection name the real client. Returns bytes used; 0 also when
// the connection is gone.
static uint32_t show_proxy(struct tcp *t, struct tcb *c, struct view bytes) {
	const struct tcp_app *app = tcb_app(t, c);
	uint8_t listener = tcb_service(t, c)->listener;
	struct proxy_v2 header;
	struct flow_key key;

	enum proxy_rc rc = proxy_v2_parse(bytes, &header);
	if (rc == PROXY_MORE)
		return 0;
	if (rc != PROXY_OK) {
		count(t, TCP_BAD_PROXY);
		tcb_reset(t, c, TCP_CLOSED_PROXY);
		return 0;
	}
	count(t, TCP_PROXIED);
	tcb_key(t, c, &key);
	if (header.family != 0) {
		memcpy(key.remote, header.source, 16);
		memcpy(key.local, header.destination, 16);
		key.remote_port = header.source_port;
		key.local_port = header.destination_port;
		key.family = header.family;
	}
	uint16_t gen = c->gen;
	c->flags = (c->flags & ~F_PROXY) | F_OPENED;
	bool wanted = app->opened(app->owner, tcb_conn(t, c), listener, &key, header.family != 0);
	if (tcb_same(c, gen) && !wanted) {
		c->flags &= ~F_OPENED;
		count(t, TCP_REFUSED);
		tcb_reset(t, c, TCP_CLOSED_ABORT);
	}
	return header.bytes;
}

// Bytes the app (or the PROXY parser) consumes. The connection may be gone.
static uint32_t show(struct tcp *t, struct tcb *c, struct view bytes) {
	const struct tcp_app *app = tcb_app(t, c);
	uint16_t gen = c->gen;
	uint32_t used = 0;

	if ((c->flags & F_PROXY) != 0) {
		used = show_proxy(t, c, bytes);
		if (!tcb_same(c, gen) || (c->flags & F_PROXY) != 0 || used == bytes.len)
			return used;
		bytes.p += used;
		bytes.len -= used;
	}
	if ((c->flags & F_PAUSED) != 0)
		return used;
	t->showing = tcb_index(t, c);
	uint32_t taken = app->received(app->owner, tcb_conn(t, c), bytes);
	t->showing = 0;
	return used + min_u32(taken, bytes.len);
}

static void show_kept(struct tcp *t, struct tcb *c) {
	uint16_t gen = c->gen;

	if (c->rx == 0 || (c->flags & (F_PAUSED | F_APP_GONE)) != 0)
		return;
	struct chunk *k = chunk_at(t, c->rx);
	uint32_t used = show(t, c, view_of(k->bytes + k->off, k->len));
	if (tcb_same(c, gen))
		hold_consume(t, c, used);
}

// In-order bytes. Returns how many we are now responsible for; the connection may be gone.
static uint32_t take(struct tcp *t, struct tcb *c, const uint8_t *p, uint32_t len) {
	uint16_t gen = c->gen;

	if (c->rx == 0 && (c->flags & F_PAUSED) == 0) {
		uint32_t used = show(t, c, view_of(p, len));
		if (!tcb_same(c, gen) || used == len)
			return used;
		return used + hold_append(t, c, p + used, len - used);
	}
	uint32_t kept = hold_append(t, c, p, len);
	if (kept > 0)
		show_kept(t, c);
	return kept;
}

// Under pressure a grown window falls back; the right edge then stands still until bytes fill it.
uint32_t rx_window_size(const struct tcp *t, const struct tcb *c) {
	if ((c->flags & F_SMALL) != 0)
		return TCP_SMALL_WINDOW;
	if (t->pressure >= TCP_PRESSURE_SHRINK)
		return t->config.window;
	uint32_t grown = t->config.window << TCB_GROWTH(c->flags);
	return max_u32(t->config.window, min_u32(grown, t->config.window_max));
}

// A peer that fills its window within a second would send more if it could: the window doubles.
static void window_grow(struct tcp *t, struct tcb *c) {
	uint32_t size = rx_window_size(t, c);
	uint16_t now = (uint16_t)t->tick;

	if (c->rcv_nxt - c->grow_seq < size)
		return;
	if ((uint16_t)(now - c->grow_at) <= TCP_TICKS_PER_S && size < t->config.window_max
	    && TCB_GROWTH(c->flags) < TCB_GROWTH_MAX && t->pressure < TCP_PRESSURE_SHRINK
	    && (c->flags & (F_SMALL | F_PAUSED | F_UNAUTH)) == 0) {
		c->flags += F_GROWN;
		count(t, TCP_WINDOW_GROWN);
	}
	c->grow_seq = c->rcv_nxt;
	c->grow_at = now;
}

uint32_t rx_window(const struct tcp *t, const struct tcb *c) {
	uint32_t window = rx_window_size(t, c);
	uint32_t held = hold_len(t, c);

	// A paused connection keeps at most a window; one that waits for the rest of a message
	// keeps its window until the message is as long as anything we hold.
	if ((c->flags & F_PAUSED) != 0)
		return window > held ? window - held : 0;
	return min_u32(window, t->config.hold_max - held);
}

void ooo_drop(struct tcp *t, struct tcb *c) {
	while (c->ooo != 0) {
		uint32_t next = chunk_at(t, c->ooo)->next;
		slab_free(&t->slab, c->ooo);
		c->ooo = next;
	}
}

// RFC 2018 section 4: first the run that the segment just received belongs to. That is the run
// whose chunk was inserted last; it is marked in the chunk.
unsigned
ooo_sack_blocks(const struct tcp *t, const struct tcb *c, uint32_t blocks[8], unsigned max) {
	struct {
		uint32_t start, end;
		bool recent;
	} run[TCP_OOO_RUNS + 1];
	unsigned runs = 0;
	unsigned n = 0;

	for (uint32_t ref = c->ooo; ref != 0; ref = chunk_at(t, ref)->next) {
		const struct chunk *k = chunk_at(t, ref);
		if (runs == 0 || run[runs - 1].end != k->seq) {
			if (runs == TCP_OOO_RUNS + 1)
				break;
			run[runs].start = k->seq;
			run[runs++].recent = false;
		}
		run[runs - 1].end = k->seq + k->len;
		run[runs - 1].recent |= k->pad[0] != 0;
	}
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < runs && n < max; i++) {
			if (run[i].recent == (pass != 0) || run[i].start == run[i].end)
				continue;
			blocks[2 * n] = run[i].start;
			blocks[2 * n + 1] = run[i].end;
			n++;
		}
	}
	return n;
}

// How many chunks and runs a piece between `prev` and `next` would leave.
static bool ooo_fits(const struct tcp *t, const struct tcb *c, uint32_t seq, uint32_t len) {
	uint32_t chunks = 1;
	uint32_t runs = 1;
	uint32_t end = c->rcv_nxt;

	for (uint32_t ref = c->ooo; ref != 0; ref = chunk_at(t, ref)->next) {
		const struct chunk *k = chunk_at(t, ref);
		chunks++;
		if (k->seq != end || end == c->rcv_nxt)
			runs++;
		if (k->seq == seq + len || k->seq + k->len == seq)
			runs--;
		end = k->seq + k->len;
	}
	return chunks <= t->config.ooo_segments && runs <= TCP_OOO_RUNS;
}

static bool ooo_insert(
	struct tcp *t,
	struct tcb *c,
	uint32_t *link,
	uint32_t seq,
	const uint8_t *p,
	uint32_t len,
	bool fin
) {
	if (!ooo_fits(t, c, seq, len))
		return false;
	uint32_t ref = slab_alloc(&t->slab, len + (uint32_t)sizeof(struct chunk));
	if (ref == 0)
		return false;
	struct chunk *k = chunk_at(t, ref);
	*k = (struct chunk) {.next = *link, .seq = seq, .len = (uint16_t)len, .fin = fin, .pad = {1}
	};
	memcpy(k->bytes, p, len);
	*link = ref;
	return true;
}

// Keep what of [seq, seq + len) no chunk has yet, piece by piece.
static void
ooo_keep(struct tcp *t, struct tcb *c, uint32_t seq, const uint8_t *p, uint32_t len, bool fin) {
	uint32_t end = seq + len;

	for (uint32_t ref = c->ooo; ref != 0; ref = chunk_at(t, ref)->next)
		chunk_at(t, ref)->pad[0] = 0;
	for (uint32_t *link = &c->ooo;; link = &chunk_at(t, *link)->next) {
		const struct chunk *next = *link != 0 ? chunk_at(t, *link) : nullptr;
		uint32_t stop = next != nullptr && seq_lt(next->seq, end) ? next->seq : end;
		bool last = stop == end;

		if (seq_lt(seq, stop) || (last && fin && seq == end)) {
			uint32_t n = stop - seq;
			if (!ooo_insert(t, c, link, seq, p, n, last && fin)) {
				count(t, TCP_OOO_DROPPED);
				return;
			}
			count(t, TCP_OOO_KEPT);
			p += n;
			seq += n;
			link = &chunk_at(t, *link)->next; // the piece itself
		}
		if (next == nullptr || last)
			return;
		uint32_t skip = next->seq + next->len;
		if (seq_lt(end, skip))
			fin = false; // bytes are known behind it
		if (seq_lt(seq, skip)) {
			p += min_u32(skip - seq, end - seq);
			seq = seq_lt(skip, end) ? skip : end;
		}
	}
}

static void tell_eof(struct tcp *t, struct tcb *c) {
	const struct tcp_app *app = tcb_app(t, c);

	if ((c->flags & (F_FIN_RCVD | F_EOF_TOLD)) != F_FIN_RCVD || (c->flags & F_PAUSED) != 0)
		return;
	c->flags |= F_EOF_TOLD;
	if ((c->flags & F_PROXY) != 0) {
		tcb_reset(t, c, TCP_CLOSED_PROXY);
		return;
	}
	// An unfinished message will never be whole: nobody will ask for these bytes again.
	uint16_t gen = c->gen;
	if ((c->flags & F_APP_GONE) == 0)
		app->peer_closed(app->owner, tcb_conn(t, c));
	if (!tcb_same(c, gen))
		return;
	if (c->rx != 0)
		hold_consume(t, c, hold_len(t, c));
	tcb_finish(t, c);
}

static void take_fin(struct tcp *t, struct tcb *c) {
	c->rcv_nxt++;
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt);
	c->flags |= F_FIN_RCVD | F_ACK_NOW;
	ooo_drop(t, c);
	switch (c->state) {
	case TCP_ESTABLISHED:
		c->state = TCP_CLOSE_WAIT;
		break;
	case TCP_FIN_WAIT1:
		c->state = TCP_CLOSING;
		break;
	default:
		break;
	}
	tell_eof(t, c);
}

// Bytes at rcv_nxt. False: not all were taken, or the connection is gone.
static bool take_at_edge(struct tcp *t, struct tcb *c, const uint8_t *p, uint32_t len) {
	uint16_t gen = c->gen;

	if (len == 0)
		return true;
	if ((c->flags & F_FIRST_BYTE) == 0) {
		c->flags |= F_FIRST_BYTE;
		if ((c->flags & F_UNAUTH) != 0 && t->config.auth_ms > t->config.first_byte_ms)
			timer_wait(t, c, t->config.auth_ms - t->config.first_byte_ms);
	}
	if ((c->flags & F_APP_GONE) != 0) {
		tcb_reset(t, c, TCP_CLOSED_UNREAD);
		return false;
	}
	uint32_t taken = take(t, c, p, len);
	if (!tcb_same(c, gen))
		return false;
	c->rcv_nxt += taken;
	window_grow(t, c);
	if ((c->flags & F_APP_GONE) != 0 && (c->rx != 0 || taken < len)) {
		tcb_reset(t, c, TCP_CLOSED_UNREAD);
		return false;
	}
	return taken == len;
}

// Bytes were taken that early chunks hold, too: only what lies beyond stays.
static void ooo_trim(struct tcp *t, struct tcb *c) {
	while (c->ooo != 0) {
		uint32_t ref = c->ooo;
		struct chunk *k = chunk_at(t, ref);
		uint32_t old = c->rcv_nxt - k->seq;

		if (!seq_lt(k->seq, c->rcv_nxt))
			return;
		if (old < k->len) {
			k->off += (uint16_t)old;
			k->len -= (uint16_t)old;
			k->seq += old;
			return;
		}
		c->ooo = k->next;
		slab_free(&t->slab, ref);
	}
}

// The gap before the first chunk is closed: show what follows.
static void ooo_drain(struct tcp *t, struct tcb *c) {
	while (c->ooo != 0) {
		uint32_t ref = c->ooo;
		struct chunk *k = chunk_at(t, ref);
		uint32_t skip = c->rcv_nxt - k->seq;

		if (seq_lt(c->rcv_nxt, k->seq))
			return;
		c->ooo = k->next;
		bool fin = k->fin != 0;
		bool all = true;
		uint16_t gen = c->gen;
		if (skip < k->len)
			all = take_at_edge(t, c, k->bytes + k->off + skip, k->len - skip);
		else
			fin = fin && skip == k->len;
		slab_free(&t->slab, ref);
		if (!tcb_same(c, gen))
			return;
		if (!all) {
			ooo_trim(t, c);
			return;
		}
		if (fin) {
			take_fin(t, c);
			return;
		}
	}
}

static void ack_later(struct tcp *t, struct tcb *c) {
	if (c->ack_segs < UINT8_MAX)
		c->ack_segs++;
	if ((c->flags & F_DELACK) != 0)
		return;
	c->flags |= F_DELACK;
	c->ack_at = (uint16_t)(t->tick + ms_to_ticks(t->config.delayed_ack_ms));
}

void rx_segment(struct tcp *t, struct tcb *c, const struct segment *s) {
	const uint8_t *p = s->payload;
	uint32_t seq = s->seq;
	uint32_t len = s->len;
	bool fin = (s->flags & SEG_FIN) != 0;
	uint16_t gen = c->gen;

	if ((c->flags & F_FIN_RCVD) != 0) {
		c->flags |= F_ACK_NOW; // nothing follows a FIN
		return;
	}
	if (seq_lt(seq, c->rcv_nxt)) {
		uint32_t old = min_u32(c->rcv_nxt - seq, len);
		p += old;
		len -= old;
		seq += old;
		c->flags |= F_ACK_NOW;
	}
	uint32_t room = c->rcv_adv - seq;
	if (len > room) {
		len = room;
		fin = false;
		c->flags |= F_ACK_NOW;
	}
	if (seq != c->rcv_nxt) {
		ooo_keep(t, c, seq, p, len, fin);
		output_ack(t, c); // each one a dup ACK of its own (RFC 5681 section 4.2)
		return;
	}
	if (len == 0 && !fin)
		return;
	bool gap = c->ooo != 0;
	if (!take_at_edge(t, c, p, len)) {
		if (tcb_same(c, gen)) {
			c->flags |= F_ACK_NOW;
			ooo_trim(t, c);
		}
		return;
	}
	if (gap)
		c->flags |= F_ACK_NOW;
	else
		ack_later(t, c);
	if (fin)
		take_fin(t, c);
	else
		ooo_drain(t, c);
}

void rx_deliver_kept(struct tcp *t, struct tcb *c) {
	uint16_t gen = c->gen;

	show_kept(t, c);
	if (!tcb_same(c, gen))
		return;
	if ((c->flags & F_APP_GONE) != 0 && c->rx != 0) {
		tcb_reset(t, c, TCP_CLOSED_UNREAD);
		return;
	}
	tell_eof(t, c);
}
