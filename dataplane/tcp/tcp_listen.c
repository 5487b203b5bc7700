// SPDX-License-Identifier: Apache-2.0
// Segments without a connection: SYNs, the handshake's last ACK, TIME_WAIT, and what gets a reset.
#include "dataplane/tcp/tcp_types.h"

#include <string.h>

static void open_conn(
	struct tcp *t,
	const struct tcp_segment_in *in,
	const struct segment *s,
	uint64_t hash,
	uint16_t service,
	const struct cookie *k
) {
	const struct tcp_listener *l = &t->config.listeners[t->config.services[service].listener];
	struct tcb *c = tcb_open(t, in->key, hash, service);

	if (c == nullptr) {
		count(t, TCP_CONNS_FULL);
		return;
	}
	uint32_t overhead = in->key->family == 4 ? 40 : 60;
	c->snd_mss = (uint16_t)min_u32(k->mss, t->config.services[service].mtu - overhead);
	c->snd_shift = k->shift;
	c->flags |= k->mss_index * F_MSS_SHIFT | F_UNAUTH | (k->ts ? F_TS : 0)
		| (k->sack ? F_SACK : 0) | (t->pressure >= TCP_PRESSURE_SHRINK ? F_SMALL : 0);
	c->rcv_nxt = s->seq;
	// The SYN-ACK announced this window or a smaller one; which is not remembered.
	c->rcv_adv = s->seq + t->config.window;
	c->last_ack_sent = c->grow_seq = s->seq;
	c->grow_at = (uint16_t)t->tick;
	c->snd_una = c->snd_nxt = c->tx_end = c->rtx_nxt = s->ack;
	c->recover = s->ack - 1;
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	c->snd_wnd = c->max_snd_wnd = (uint32_t)s->window << c->snd_shift;
	if (k->ts) {
		c->ts_offset = k->ts_offset;
		c->ts_recent = s->tsval;
		c->ts_recent_at = t->tick;
	}
	c->cwnd = initial_window(payload_max(c));
	c->ssthresh = UINT32_MAX;
	c->path = in->path;
	c->last_rx = c->stall_at = t->tick;
	c->opened_at = (uint16_t)(t->tick >> 10);
	t->unauthenticated++;
	timer_wait(t, c, t->config.first_byte_ms);

	if (!source_admit(t, c)) {
		count(t, TCP_SOURCE_LIMITED);
		tcb_reset(t, c, TCP_CLOSED_MEMORY);
		return;
	}
	count(t, TCP_OPENED);
	if (l->proxy_v2 && is_balancer(t, in->key)) {
		c->flags |= F_PROXY;
	} else {
		uint16_t gen = c->gen;
		c->flags |= F_OPENED;
		bool wanted = l->app->opened(
			l->app->owner,
			tcb_conn(t, c),
			t->config.services[service].listener,
			in->key,
			false
		);
		if (!tcb_same(c, gen))
			return;
		if (!wanted) {
			c->flags &= ~F_OPENED;
			count(t, TCP_REFUSED);
			tcb_reset(t, c, TCP_CLOSED_ABORT);
			return;
		}
	}
	tcb_input(t, c, s);
}

// RFC 9293 section 3.10.7.4 (TIME-WAIT), RFC 6191, RFC 1337. True: dealt with.
static bool time_wait_input(
	struct tcp *t,
	const struct tcp_segment_in *in,
	const struct segment *s,
	struct tw_record *r
) {
	if ((s->flags & SEG_RST) != 0)
		return true;
	if ((s->flags & (SEG_SYN | SEG_ACK)) == SEG_SYN) {
		bool newer = r->has_ts && s->has_ts ? seq_lt(r->ts_recent, s->tsval)
						    : seq_lt(r->rcv_nxt, s->seq);
		if (newer) {
			time_wait_remove(&t->time_wait, r);
			return false;
		}
	} else if (segment_span(s) == 0) {
		return true; // two ends in TIME_WAIT must not talk to each other
	}
	if ((s->flags & SEG_FIN) != 0)
		time_wait_restart(&t->time_wait, r, t->tick);

	struct segment_header h = {
		.seq = r->snd_nxt,
		.ack = r->rcv_nxt,
		.window = (uint16_t)t->config.window_max, // no edge we announced lies beyond
		.flags = SEG_ACK,
	};
	if (r->has_ts) {
		h.option_bytes = TCP_TS_BYTES;
		memcpy(h.options, (const uint8_t[]) {1, 1, 8, 10}, 4);
		put_be32(h.options + 4, t->ms + ts_offset_of(t, in->key));
		put_be32(h.options + 8, r->ts_recent);
	}
	uint32_t len = TCP_HEADER_BYTES + h.option_bytes;
	uint8_t *room = t->env.room(t->env.owner, len);
	if (room == nullptr) {
		count(t, TCP_TX_NO_ROOM);
		return true;
	}
	segment_write(room, in->key, &h);
	if (t->config.fill_checksum)
		put_be16(room + 16, segment_checksum(in->key, room, len));
	count(t, TCP_TX_SEGMENTS);
	t->env.send(t->env.owner, &(struct tcp_segment_out) {in->key, in->path, room, len});
	return true;
}

static void listen_syn(
	struct tcp *t,
	const struct tcp_segment_in *in,
	const struct segment *s,
	uint16_t service,
	struct tw_record *tombstone
) {
	if (t->pressure >= TCP_PRESSURE_NO_SYN) {
		count(t, TCP_SYN_PRESSURE);
		return;
	}
	// The peer begins anew: what the tombstone guards against is over.
	if (tombstone != nullptr)
		time_wait_remove(&t->time_wait, tombstone);
	cookie_answer(t, in, s, service);
}

static void listen_ack(
	struct tcp *t,
	const struct tcp_segment_in *in,
	const struct segment *s,
	uint64_t hash,
	uint16_t service,
	const struct tw_record *tombstone
) {
	struct cookie k;

	switch (cookie_check(t, in->key, s, &k)) {
	case COOKIE_GOOD:
		if (tombstone == nullptr) {
			open_conn(t, in, s, hash, service, &k);
			return;
		}
		count(t, TCP_LATE_COOKIE);
		break;
	case COOKIE_BAD:
		// Perhaps the second segment of a handshake whose ACK was lost or overtaken: a
		// reset would kill it, the peer's retransmission opens it. A stranger's segment
		// looks like this in one of 16 epochs and gets its reset in the next.
		count(t, TCP_BAD_COOKIE);
		if (tombstone == nullptr)
			return;
		break;
	case COOKIE_STRANGE:
		count(t, TCP_NO_CONN);
		break;
	}
	output_reset_for(t, in, s);
}

void listen_input(
	struct tcp *t,
	const struct tcp_segment_in *in,
	const struct segment *s,
	uint64_t hash
) {
	if (!address_usable(t, in->key)) {
		count(t, TCP_BAD_ADDRESS);
		return;
	}
	uint32_t service = service_find(t, in->key);
	if (service == 0) {
		count(t, TCP_NO_LISTENER);
		output_reset_for(t, in, s);
		return;
	}
	service--;

	struct tw_record *r = time_wait_lookup(
		&t->time_wait,
		(uint32_t)(hash >> 16),
		in->key->remote,
		in->key->remote_port,
		(uint16_t)service
	);
	if (r != nullptr && r->kind == TW_TIME_WAIT) {
		if (time_wait_input(t, in, s, r))
			return;
		r = nullptr;
	}

	switch (s->flags & (SEG_SYN | SEG_ACK | SEG_RST)) {
	case SEG_SYN:
		listen_syn(t, in, s, (uint16_t)service, r);
		break;
	case SEG_ACK:
		listen_ack(t, in, s, hash, (uint16_t)service, r);
		break;
	case SEG_SYN | SEG_ACK:
		count(t, TCP_NO_CONN);
		output_reset_for(t, in, s);
		break;
	default:
		count(t, TCP_NO_CONN); // a reset for nothing we have
		break;
	}
}
