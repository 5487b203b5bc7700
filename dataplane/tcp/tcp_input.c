// SPDX-License-Identifier: Apache-2.0
// Segments of a connection, in the order of RFC 9293 section 3.10.7.4 with RFC 5961 and RFC 7323.
#include "dataplane/tcp/tcp_types.h"

#define PAWS_VALID_TICKS (24u * 86400 * TCP_TICKS_PER_S)
#define BACKOFF_AFTER_PROGRESS 3
#define CHALLENGE_UNIT_SHIFT 7 // 128 ticks: about half a second

// A connection answers at most one unacceptable segment per half second (RFC 5961 section 7);
// retransmitted data is answered always, its sender waits for that ACK.
static void answer_unacceptable(struct tcp *t, struct tcb *c, const struct segment *s) {
	uint16_t now = (uint16_t)(t->tick >> CHALLENGE_UNIT_SHIFT);

	// One byte early without data is how a peer asks whether we are still there.
	if (segment_span(s) > 0 || s->seq == c->rcv_nxt - 1) {
		output_ack(t, c);
	} else if (c->challenge_at != now) {
		c->challenge_at = now;
		output_ack(t, c);
	}
}

// RFC 7323 section 5: true if the segment may be used.
static bool paws(struct tcp *t, struct tcb *c, const struct segment *s) {
	if ((c->flags & F_TS) == 0 || (s->flags & SEG_RST) != 0)
		return true;
	if (!s->has_ts) {
		count(t, TCP_NO_TIMESTAMP);
		return false;
	}
	if (!seq_lt(s->tsval, c->ts_recent) || t->tick - c->ts_recent_at > PAWS_VALID_TICKS)
		return true;
	count(t, TCP_PAWS);
	answer_unacceptable(t, c, s);
	return false;
}

// RFC 9293 section 3.10.7.4, first check; a closed window still lets ACKs through.
static bool acceptable(const struct tcb *c, const struct segment *s) {
	uint32_t window = c->rcv_adv - c->rcv_nxt;
	uint32_t span = segment_span(s);
	uint32_t ahead = s->seq - c->rcv_nxt;

	if (window == 0)
		return ahead == 0;
	if (ahead < window)
		return true;
	// It may begin before the window and reach into it.
	return span > 0 && s->seq + span - 1 - c->rcv_nxt < window;
}

// True if the connection goes on with this segment.
static bool check_reset_and_syn(struct tcp *t, struct tcb *c, const struct segment *s) {
	if ((s->flags & SEG_RST) != 0) {
		if (s->seq == c->rcv_nxt) {
			tcb_close(t, c, TCP_CLOSED_RESET);
			return false;
		}
		count(t, TCP_BLIND_RST);
		output_challenge(t, c);
		return false;
	}
	if ((s->flags & SEG_SYN) != 0) {
		count(t, TCP_BLIND_SYN);
		output_challenge(t, c);
		return false;
	}
	return (s->flags & SEG_ACK) != 0;
}

// RFC 7323 section 4.3: only a segment that the last ACK asked for moves the echo.
static void ts_recent_update(struct tcp *t, struct tcb *c, const struct segment *s) {
	if ((c->flags & F_TS) == 0 || !seq_le(s->seq, c->last_ack_sent))
		return;
	c->ts_recent = s->tsval;
	c->ts_recent_at = t->tick;
}

static void take_rtt(struct tcp *t, struct tcb *c, const struct segment *s) {
	if ((c->flags & F_TS) != 0) {
		rtt_sample(t, c, tcb_ts(t, c) - s->tsecr);
	} else if ((c->flags & F_TIMING) != 0 && seq_le(c->rtt_seq, s->ack)) {
		c->flags &= ~F_TIMING;
		rtt_sample(t, c, t->ms - c->rtt_at);
	}
}

static void new_ack(struct tcp *t, struct tcb *c, const struct segment *s) {
	uint32_t acked = s->ack - c->snd_una;

	take_rtt(t, c, s);
	// Karn keeps the whole backoff until the next sample. Where every ACK answers a resent
	// segment that sample never comes; 8 RTOs leave room for one on any path that works.
	c->backoff = (uint8_t)min_u32(c->backoff, BACKOFF_AFTER_PROGRESS);
	c->snd_una = s->ack;
	c->stall_at = t->tick;
	c->tries = 0;
	c->flags &= ~F_RTX; // armed again by what is still outstanding
	tx_acked(t, c);
	sack_trim(t, c);
	recovery_new_ack(t, c, acked);
}

// RFC 5681 section 2.
static bool is_dup_ack(const struct tcb *c, const struct segment *s) {
	return c->snd_nxt != c->snd_una && s->ack == c->snd_una && segment_span(s) == 0
		&& (uint32_t)s->window << c->snd_shift == c->snd_wnd && c->snd_wnd != 0;
}

static void window_update(struct tcp *t, struct tcb *c, const struct segment *s) {
	if (!seq_lt(c->snd_wl1, s->seq) && !(c->snd_wl1 == s->seq && seq_le(c->snd_wl2, s->ack)))
		return;

	bool opens = c->snd_wnd == 0 && s->window != 0;
	c->snd_wnd = (uint32_t)s->window << c->snd_shift;
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	c->max_snd_wnd = max_u32(c->max_snd_wnd, c->snd_wnd);
	if (!opens)
		return;
	source_unstall(t, c);
	// The wait was the peer's wish, not loss: no backoff remains, and a probe it did not take
	// goes out again at once.
	c->backoff = 0;
	c->tries = 0;
	c->stall_at = t->tick;
	c->flags &= ~F_RTX;
	if (c->snd_una != c->snd_nxt)
		recovery_resend_all(t, c);
}

// RFC 5961 section 5.2. False: neither the ACK nor the rest of the segment counts.
static bool process_ack(struct tcp *t, struct tcb *c, const struct segment *s) {
	if (seq_lt(c->snd_nxt, s->ack) || seq_lt(s->ack, c->snd_una - c->max_snd_wnd)) {
		count(t, TCP_BAD_ACK);
		output_challenge(t, c);
		return false;
	}
	if (seq_lt(s->ack, c->snd_una))
		return true; // old, but its payload is as good as any
	if ((c->flags & F_SACK) != 0 && s->sack_count > 0)
		sack_input(t, c, s);
	bool dup = is_dup_ack(c, s);
	if (s->ack != c->snd_una)
		new_ack(t, c, s);
	window_update(t, c, s);
	if (dup)
		recovery_dup_ack(t, c);
	return true;
}

// Our FIN was acknowledged, perhaps. True: the connection is gone.
static bool after_ack(struct tcp *t, struct tcb *c) {
	if (!fin_acked(c))
		return false;
	if (c->state == TCP_FIN_WAIT1) {
		c->state = TCP_FIN_WAIT2;
		timer_wait(t, c, t->config.fin_wait2_ms);
	}
	if (tcb_finish(t, c))
		return true;
	// What keeps it is bytes that a paused app has not seen.
	if ((c->flags & F_WAIT) == 0)
		timer_wait(t, c, t->config.fin_wait2_ms);
	return false;
}

static void tell_writable(struct tcp *t, struct tcb *c) {
	const struct tcp_app *app = tcb_app(t, c);

	if ((c->flags & F_WANT_SPACE) == 0 || c->tx_end - c->snd_una > t->config.send_max / 2)
		return;
	c->flags &= ~F_WANT_SPACE;
	if ((c->flags & (F_OPENED | F_FIN_QUEUED)) == F_OPENED)
		app->writable(app->owner, tcb_conn(t, c));
}

// Nothing to send, to send again or to acknowledge: the end of the burst has nothing to do here, as
// after the ACK of the last byte. A timer that was armed for what is over finds out when it fires.
static bool settled(const struct tcp *t, const struct tcb *c) {
	return c->snd_una == c->snd_nxt && !tcb_unsent(c)
		&& (c->flags & (F_RTX | F_ACK_NOW | F_DELACK | F_DELIVER | F_RTO_REC)) == 0
		&& c->rcv_adv - c->rcv_nxt >= tcb_service(t, c)->mtu;
}

void tcb_input(struct tcp *t, struct tcb *c, const struct segment *s) {
	uint16_t gen = c->gen;

	if (!paws(t, c, s))
		return;
	if (!acceptable(c, s)) {
		count(t, TCP_OUT_OF_WINDOW);
		if ((s->flags & SEG_RST) == 0)
			answer_unacceptable(t, c, s);
		return;
	}
	if (!check_reset_and_syn(t, c, s) || !process_ack(t, c, s))
		return;
	c->last_rx = t->tick;
	if (c->snd_una == c->snd_nxt)
		c->tries = 0; // it lives: keepalive starts anew
	ts_recent_update(t, c, s);
	if (after_ack(t, c))
		return;
	if (s->len > 0 || (s->flags & SEG_FIN) != 0) {
		rx_segment(t, c, s);
		if (!tcb_same(c, gen))
			return;
	}
	tell_writable(t, c);
	if (tcb_same(c, gen) && !settled(t, c))
		tcb_list(t, c);
}

static void input_one(struct tcp *t, const struct tcp_segment_in *in, uint64_t hash) {
	struct segment s;
	bool bad_option;

	if (!in->checksum_ok && segment_checksum(in->key, in->bytes, in->len) != 0) {
		count(t, TCP_BAD_CHECKSUM);
		return;
	}
	enum tcp_counter rc = segment_parse(in->bytes, in->len, &s, &bad_option);
	count(t, rc);
	if (rc != TCP_RX_SEGMENTS)
		return;
	if (bad_option)
		count(t, TCP_BAD_OPTION);
	t->counters[TCP_RX_BYTES] += s.len;

	struct tcb *c = tcb_lookup(t, in->key, hash);
	if (c != nullptr)
		tcb_input(t, c, &s);
	else
		listen_input(t, in, &s, hash);
}

// A segment's misses are hidden behind the work on those before it: so many segments lie between
// the prefetch of its bucket, of its control block, of what it has in flight, and its turn. Fetched
// all at once they would wait for each other: a core has some 20 misses under way at most.
#define BUCKET_AHEAD 16
#define BLOCK_AHEAD 8
#define CHUNK_AHEAD 4
static_assert(BUCKET_AHEAD > BLOCK_AHEAD && BLOCK_AHEAD > CHUNK_AHEAD);

struct ahead {
	uint64_t hash;
	uint32_t candidate; // for its control block; 0: not in its first bucket
};

static void prefetch_block(const struct tcp *t, uint32_t index) {
	const struct tcb *c = &t->tcbs[index];

	__builtin_prefetch(c);
	__builtin_prefetch(&c->timer);
	__builtin_prefetch(&c->snd_wl1);
}

// The control block is cached by now: fetch the bytes that this segment's ACK will free. One that
// was not in its first bucket is late by this much.
static void prefetch_chunk(const struct tcp *t, struct ahead *a) {
	if (a->candidate == 0) {
		a->candidate = flow_table_second(&t->flows, a->hash);
		prefetch_block(t, a->candidate);
		return;
	}
	const struct tcb *c = &t->tcbs[a->candidate];
	if (c->state != TCP_FREE && c->tx_head != 0)
		__builtin_prefetch(chunk_at(t, c->tx_head));
}

static void input_batch(struct tcp *t, const struct tcp_segment_in *segments, unsigned n) {
	struct ahead ahead[TCP_BATCH];

	for (unsigned k = 0; k < n + BUCKET_AHEAD; k++) {
		unsigned block = k - (BUCKET_AHEAD - BLOCK_AHEAD); // wraps round below 0
		unsigned chunk = k - (BUCKET_AHEAD - CHUNK_AHEAD);
		if (k < n) {
			const struct tcp_segment_in *in = &segments[k];
			ahead[k].hash = in->hash != 0 ? in->hash : key_hash(t, in->key);
			flow_table_prefetch(&t->flows, ahead[k].hash);
		}
		if (block < n) {
			ahead[block].candidate = flow_table_first(&t->flows, ahead[block].hash);
			if (ahead[block].candidate != 0)
				prefetch_block(t, ahead[block].candidate);
		}
		if (chunk < n)
			prefetch_chunk(t, &ahead[chunk]);
		if (k >= BUCKET_AHEAD)
			input_one(t, &segments[k - BUCKET_AHEAD], ahead[k - BUCKET_AHEAD].hash);
	}
}

void tcp_input(struct tcp *t, const struct tcp_segment_in *segments, unsigned n, uint64_t now_ns) {
	tcp_set_time(t, now_ns);
	pressure_update(t);
	for (unsigned done = 0; done < n; done += TCP_BATCH)
		input_batch(t, segments + done, n - done < TCP_BATCH ? n - done : TCP_BATCH);
}

void tcp_icmp_error(struct tcp *t, const struct tcp_icmp *e, uint64_t now_ns) {
	tcp_set_time(t, now_ns);
	struct tcb *c = tcb_lookup(t, &e->key, key_hash(t, &e->key));

	// RFC 5927 section 4.1: only an error about bytes in flight can be real.
	if (c == nullptr || seq_lt(e->seq, c->snd_una) || !seq_lt(e->seq, c->snd_nxt)) {
		count(t, TCP_BAD_ICMP);
		return;
	}
	if (e->mtu == 0) {
		count(t, TCP_SOFT_ICMP);
		return;
	}
	bool v4 = e->key.family == 4;
	uint32_t mtu = max_u32(e->mtu, v4 ? TCP_MTU_FLOOR_V4 : TCP_MTU_FLOOR_V6);
	uint32_t mss = mtu - (v4 ? 40 : 60);
	if (mss >= c->snd_mss)
		return;
	c->snd_mss = (uint16_t)mss;
	c->path_mtu_at = (uint16_t)max_u32((uint16_t)(t->tick >> 10), 1);
	count(t, TCP_PATH_MTU_LOWERED);
	recovery_resend_all(t, c);
	tcb_list(t, c);
}
