// SPDX-License-Identifier: Apache-2.0
// Segments of a connection: what may be sent now, how it is written, and which timer follows.
#include "dataplane/tcp/tcp_types.h"

#include <string.h>

#define PATH_MTU_RAISE_UNITS 147u // 10 minutes in units of 1024 ticks

uint32_t payload_max(const struct tcb *c) {
	return c->snd_mss - ((c->flags & F_TS) != 0 ? TCP_TS_BYTES : 0);
}

// RFC 9293 section 3.8.6.2.2: the right edge moves by at least a segment or half the window.
static uint32_t window_step(const struct tcp *t, const struct tcb *c) {
	return min_u32(rx_window_size(t, c) / 2, tcb_service(t, c)->mtu - 40u);
}

static void window_announce(const struct tcp *t, struct tcb *c) {
	uint32_t edge = c->rcv_nxt + rx_window(t, c);

	if ((int32_t)(edge - c->rcv_adv) >= (int32_t)window_step(t, c))
		c->rcv_adv = edge;
}

// The peer may be waiting for this window: it was smaller than a step and is not any more.
static bool window_reopens(const struct tcp *t, const struct tcb *c) {
	// A step is never larger than a segment: mostly this alone tells.
	if ((c->flags & F_FIN_RCVD) != 0 || c->rcv_adv - c->rcv_nxt >= tcb_service(t, c)->mtu)
		return false;
	uint32_t step = window_step(t, c);
	return c->rcv_adv - c->rcv_nxt < step
		&& (int32_t)(c->rcv_nxt + rx_window(t, c) - c->rcv_adv) >= (int32_t)step;
}

static void put_timestamp(const struct tcp *t, const struct tcb *c, struct segment_header *h) {
	uint8_t *o = h->options + h->option_bytes;

	memcpy(o, (const uint8_t[]) {1, 1, 8, 10}, 4);
	put_be32(o + 4, tcb_ts(t, c));
	put_be32(o + 8, c->ts_recent);
	h->option_bytes += TCP_TS_BYTES;
}

// RFC 2018 section 4; only beside the ACK, so that data segments keep one size.
static void put_sack(const struct tcp *t, const struct tcb *c, struct segment_header *h) {
	uint32_t blocks[8];
	unsigned n = ooo_sack_blocks(t, c, blocks, (c->flags & F_TS) != 0 ? 3 : 4);
	uint8_t *o = h->options + h->option_bytes;

	if (n == 0)
		return;
	memcpy(o, (const uint8_t[]) {1, 1, 5, (uint8_t)(2 + 8 * n)}, 4);
	for (unsigned i = 0; i < 2 * n; i++)
		put_be32(o + 4 + 4 * i, blocks[i]);
	h->option_bytes += (uint8_t)(4 + 8 * n);
}

bool output_segment(struct tcp *t, struct tcb *c, uint32_t seq, uint32_t len, uint8_t flags) {
	struct segment_header h = {.seq = seq, .ack = c->rcv_nxt, .flags = flags | SEG_ACK};
	struct flow_key key;

	if ((c->flags & F_TS) != 0)
		put_timestamp(t, c, &h);
	if (len == 0 && c->ooo != 0 && (c->flags & F_SACK) != 0)
		put_sack(t, c, &h);

	uint32_t total = TCP_HEADER_BYTES + h.option_bytes + len;
	uint8_t *room = t->env.room(t->env.owner, total);
	if (room == nullptr) {
		count(t, TCP_TX_NO_ROOM);
		return false;
	}
	window_announce(t, c);
	h.window = (uint16_t)(c->rcv_adv - c->rcv_nxt);
	tcb_key(t, c, &key);
	uint32_t at = segment_write(room, &key, &h);
	tx_copy(t, c, seq, room + at, len);
	if (t->config.fill_checksum)
		put_be16(room + 16, segment_checksum(&key, room, total));
	c->last_ack_sent = c->rcv_nxt;
	c->ack_segs = 0;
	c->flags &= ~(F_ACK_NOW | F_DELACK);
	count(t, TCP_TX_SEGMENTS);
	t->counters[TCP_TX_BYTES] += len;
	t->env.send(t->env.owner, &(struct tcp_segment_out) {&key, c->path, room, total});
	return true;
}

// A peer drops what lies beyond its window, and with it what the segment acknowledges: while a
// probe of a closed window (or what was in flight when it shrank) is out, an ACK stays at the edge.
static uint32_t ack_seq(const struct tcb *c) {
	uint32_t edge = c->snd_una + c->snd_wnd;

	return seq_lt(edge, c->snd_nxt) ? edge : c->snd_nxt;
}

void output_ack(struct tcp *t, struct tcb *c) {
	if (output_segment(t, c, ack_seq(c), 0, 0))
		return;
	// Without room the ACK is owed, with a timer that remembers it.
	c->flags |= F_DELACK;
	c->ack_at = (uint16_t)(t->tick + 1);
	tcb_list(t, c);
}

// RFC 5961 section 7: once per half second and connection, and a budget of this worker that an
// outsider cannot count exactly.
void output_challenge(struct tcp *t, struct tcb *c) {
	uint16_t now = (uint16_t)(t->tick >> 7);

	if (c->challenge_at == now || !budget_challenge(t)) {
		count(t, TCP_CHALLENGE_LIMITED);
		return;
	}
	c->challenge_at = now;
	count(t, TCP_CHALLENGES);
	output_ack(t, c);
}

void output_reset(
	struct tcp *t,
	const struct flow_key *key,
	struct tcp_path path,
	uint32_t seq,
	uint32_t ack,
	uint8_t flags
) {
	struct segment_header h = {.seq = seq, .ack = ack, .flags = flags};
	uint8_t *room = t->env.room(t->env.owner, TCP_HEADER_BYTES);

	if (room == nullptr) {
		count(t, TCP_TX_NO_ROOM);
		return;
	}
	segment_write(room, key, &h);
	if (t->config.fill_checksum)
		put_be16(room + 16, segment_checksum(key, room, TCP_HEADER_BYTES));
	count(t, TCP_RST_SENT);
	count(t, TCP_TX_SEGMENTS);
	t->env.send(t->env.owner, &(struct tcp_segment_out) {key, path, room, TCP_HEADER_BYTES});
}

// RFC 9293 section 3.5.2, group 1 and 2.
void output_reset_for(struct tcp *t, const struct tcp_segment_in *in, const struct segment *s) {
	if ((s->flags & SEG_RST) != 0)
		return;
	if (!budget_reset(t)) {
		count(t, TCP_RST_LIMITED);
		return;
	}
	if ((s->flags & SEG_ACK) != 0)
		output_reset(t, in->key, in->path, s->ack, 0, SEG_RST);
	else
		output_reset(t, in->key, in->path, 0, s->seq + segment_span(s), SEG_RST | SEG_ACK);
}

// RFC 5681 section 4.1: after an idle time the path is unknown again.
static void restart_after_idle(struct tcp *t, struct tcb *c) {
	if (c->snd_una != c->snd_nxt || (uint64_t)(t->tick - c->stall_at) * 4 <= rto_ms(t, c))
		return;
	c->cwnd = min_u32(c->cwnd, initial_window(payload_max(c)));
}

// Bytes that windows allow beyond snd_nxt. Limited transmit (RFC 3042) on the first two dup ACKs.
static uint32_t send_room(const struct tcb *c) {
	uint32_t flight = c->snd_nxt - c->snd_una;
	uint64_t cwnd = c->cwnd;

	if ((c->flags & (F_FAST_REC | F_RTO_REC)) == 0 && c->dupacks < TCP_DUPACKS)
		cwnd += (uint64_t)c->dupacks * payload_max(c);
	uint32_t window = (uint32_t)(cwnd < c->snd_wnd ? cwnd : c->snd_wnd);
	return window > flight ? window - flight : 0;
}

// RFC 9293 section 3.8.6.2.1 without Nagle. When nothing is in flight and this says no, the
// timer of tcb_arm() is the override.
static bool worth_sending(const struct tcb *c, uint32_t len, uint32_t queued, bool fin) {
	if (len == 0)
		return queued == 0 && fin;
	return len == queued || len >= payload_max(c) || len >= c->max_snd_wnd / 2;
}

bool tcp_output_one(struct tcp *t, struct tcb *c, bool forced) {
	if (!tcb_unsent(c))
		return false;
	uint32_t queued = c->tx_end - c->snd_nxt;
	uint32_t room = send_room(c);
	uint32_t len = min_u32(min_u32(queued, payload_max(c)), room);
	bool fin = (c->flags & F_FIN_QUEUED) != 0 && len == queued && room > len;

	if (forced ? len == 0 && !fin : !worth_sending(c, len, queued, fin))
		return false;
	uint8_t flags = (uint8_t)((fin ? SEG_FIN : 0) | (len > 0 && len == queued ? SEG_PSH : 0));
	if (!output_segment(t, c, c->snd_nxt, len, flags))
		return false;
	if (c->snd_una == c->snd_nxt) {
		c->stall_at = t->tick;
		c->flags &= ~F_RTX;
	}
	c->snd_nxt += len + fin;
	if (fin)
		c->flags |= F_FIN_SENT;
	if ((c->flags & (F_TS | F_TIMING)) == 0) {
		c->flags |= F_TIMING;
		c->rtt_seq = c->snd_nxt;
		c->rtt_at = t->ms;
	}
	return true;
}

// RFC 8201 section 5.3: after ten minutes the path may have become better.
static void path_mtu_raise(struct tcp *t, struct tcb *c) {
	const struct tcp_service *s = tcb_service(t, c);

	if (c->path_mtu_at == 0
	    || (uint16_t)((uint16_t)(t->tick >> 10) - c->path_mtu_at) < PATH_MTU_RAISE_UNITS)
		return;
	c->path_mtu_at = 0;
	c->snd_mss = (uint16_t)min_u32(
		cookie_mss(s->family, (uint8_t)TCB_MSS_INDEX(c->flags)),
		s->mtu - (s->family == 4 ? 40u : 60u)
	);
	c->cwnd = max_u32(c->cwnd, payload_max(c)); // a window below a segment never sends
}

void tcp_output(struct tcp *t, struct tcb *c) {
	if ((c->flags & F_RTO_REC) != 0) {
		path_mtu_raise(t, c);
		recovery_output(t, c);
	}
	if (tcb_unsent(c) && (c->flags & F_RTO_REC) == 0) {
		path_mtu_raise(t, c);
		restart_after_idle(t, c);
		while (tcp_output_one(t, c, false))
			;
	}
	if ((c->flags & F_DELACK) != 0 && (t->config.delayed_ack_ms == 0 || c->ack_segs >= 2))
		c->flags |= F_ACK_NOW;
	if ((c->flags & F_ACK_NOW) != 0 || window_reopens(t, c))
		output_ack(t, c);
	tcb_arm(t, c);
}

static void earliest(uint32_t *at, bool *any, uint32_t candidate) {
	if (!*any || seq_lt(candidate, *at))
		*at = candidate;
	*any = true;
}

// One wheel node serves every deadline of the connection. It is only ever moved to the front:
// a deadline that moves away is noticed when the node fires (an idle connection costs nothing per
// packet).
void tcb_arm(struct tcp *t, struct tcb *c) {
	bool outstanding = c->snd_una != c->snd_nxt || tcb_unsent(c);
	uint32_t at = 0;
	bool any = false;

	if (!outstanding) {
		c->flags &= ~F_RTX;
	} else if ((c->flags & F_RTX) == 0) {
		c->flags |= F_RTX;
		c->rtx_at = t->tick + ms_to_ticks(rto_ms(t, c)) + 1;
		if (c->snd_una == c->snd_nxt && c->tries == 0)
			c->stall_at = t->tick;
	}
	if ((c->flags & F_RTX) != 0)
		earliest(&at, &any, c->rtx_at);
	if ((c->flags & F_WAIT) != 0)
		earliest(&at, &any, c->wait_at);
	if ((c->flags & F_DELACK) != 0)
		earliest(&at, &any, t->tick + (uint32_t)(int16_t)(c->ack_at - (uint16_t)t->tick));
	if (c->idle_s != 0)
		earliest(&at, &any, c->last_rx + c->idle_s * TCP_TICKS_PER_S);
	if (t->config.keepalive_s != 0 && !outstanding)
		earliest(
			&at,
			&any,
			c->last_rx
				+ (t->config.keepalive_s + c->tries * t->config.keepalive_interval_s
				  ) * TCP_TICKS_PER_S
		);
	if (any && (c->timer.slot == WHEEL_IDLE || seq_lt(at, c->timer.expiry)))
		wheel_set(&t->wheel, tcb_index(t, c), at);
}
