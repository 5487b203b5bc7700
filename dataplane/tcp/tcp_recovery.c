// SPDX-License-Identifier: Apache-2.0
// Round trip times (RFC 6298), congestion control in bytes (RFC 5681), fast recovery (RFC 6582)
// that leaves out what the peer has selectively acknowledged, and resending after a timeout.
#include "dataplane/tcp/tcp_types.h"

uint32_t initial_window(uint32_t mss) {
	return min_u32(10 * mss, max_u32(2 * mss, 14600)); // RFC 6928
}

// RFC 6298 section 2; srtt is kept times 8, rttvar times 4, both in ms.
void rtt_sample(struct tcp *t, struct tcb *c, uint32_t ms) {
	if (ms > 600000)
		return; // an echo that was never sent
	if ((c->flags & F_RTT_VALID) == 0) {
		c->flags |= F_RTT_VALID;
		c->srtt = ms * 8;
		c->rttvar = ms * 2;
	} else {
		int32_t error = (int32_t)ms - (int32_t)(c->srtt / 8);
		uint32_t size = (uint32_t)(error < 0 ? -error : error);
		c->rttvar = c->rttvar - c->rttvar / 4 + size;
		c->srtt = (uint32_t)((int32_t)c->srtt + error);
	}
	c->backoff = 0; // Karn: only a sample proves that the path is as fast as we thought
}

uint32_t rto_ms(const struct tcp *t, const struct tcb *c) {
	uint64_t rto = t->config.rto_initial_ms;

	if ((c->flags & F_RTT_VALID) != 0)
		rto = c->srtt / 8 + max_u32(4, c->rttvar); // G = one tick
	rto = rto < t->config.rto_min_ms ? t->config.rto_min_ms : rto;
	rto <<= c->backoff < 16 ? c->backoff : 16;
	return (uint32_t)(rto > t->config.rto_max_ms ? t->config.rto_max_ms : rto);
}

static uint32_t flight(const struct tcb *c) {
	return c->snd_nxt - c->snd_una;
}

static void halve(struct tcb *c) {
	c->ssthresh = max_u32(flight(c) / 2, 2 * payload_max(c));
}

// One segment of what is in flight, from the first byte at or after `seq` that the peer lacks.
// Returns the sequence number behind it; seq's successor hole is empty if that is `end`.
static uint32_t resend(struct tcp *t, struct tcb *c, uint32_t seq, uint32_t end) {
	uint32_t len;
	uint32_t from = sack_hole(t, c, seq, end, &len);
	uint32_t data_end = (c->flags & F_FIN_SENT) != 0 ? c->tx_end : c->snd_nxt;

	if (!seq_lt(from, end))
		return end;
	// A peer that closed its window gets what it takes, at least a byte.
	uint32_t edge = max_u32(c->snd_wnd, 1) + c->snd_una;
	if (!seq_lt(from, edge))
		return from;
	len = min_u32(min_u32(len, payload_max(c)), edge - from);
	bool fin = (c->flags & F_FIN_SENT) != 0 && from + len == c->tx_end + 1;
	if (fin)
		len--;
	uint8_t flags =
		(uint8_t)((fin ? SEG_FIN : 0) | (len > 0 && from + len == data_end ? SEG_PSH : 0));
	if (!output_segment(t, c, from, len, flags))
		return from;
	count(t, TCP_RTX_SEGMENTS);
	c->flags &= ~((c->flags & F_TS) != 0 ? 0u : F_TIMING); // Karn
	return from + len + fin;
}

static void leave_recovery(struct tcp *t, struct tcb *c) {
	if ((c->flags & F_FAST_REC) != 0)
		c->cwnd = min_u32(c->ssthresh, max_u32(flight(c), payload_max(c)) + payload_max(c));
	c->flags &= ~(F_FAST_REC | F_RTO_REC);
	c->dupacks = 0;
}

static void grow(struct tcb *c, uint32_t acked) {
	uint32_t mss = payload_max(c);

	// A window that was not used proves nothing about the path.
	if (flight(c) + acked < c->cwnd / 2)
		return;
	if (c->cwnd < c->ssthresh)
		c->cwnd += min_u32(acked, mss);
	else
		c->cwnd += max_u32(1, (uint32_t)((uint64_t)mss * mss / c->cwnd));
	c->cwnd = min_u32(c->cwnd, TCP_CWND_MAX);
}

// RFC 6582 section 3.2, step 3: the next hole is lost, too.
static void partial_ack(struct tcp *t, struct tcb *c, uint32_t acked) {
	uint32_t mss = payload_max(c);

	c->cwnd = c->cwnd > acked ? c->cwnd - acked : 0;
	if (acked >= mss)
		c->cwnd += mss;
	c->cwnd = max_u32(c->cwnd, mss);
	uint32_t from = (c->flags & F_SACK) != 0 ? seq_max(c->rtx_nxt, c->snd_una) : c->snd_una;
	c->rtx_nxt = resend(t, c, from, c->recover);
}

void recovery_new_ack(struct tcp *t, struct tcb *c, uint32_t acked) {
	if ((c->flags & (F_FAST_REC | F_RTO_REC)) == 0) {
		c->dupacks = 0;
		grow(c, acked);
		return;
	}
	c->rtx_nxt = seq_max(c->rtx_nxt, c->snd_una);
	if (!seq_lt(c->snd_una, c->recover)) {
		leave_recovery(t, c);
	} else if ((c->flags & F_FAST_REC) != 0) {
		partial_ack(t, c, acked);
	} else if (c->cwnd < c->ssthresh) {
		c->cwnd += min_u32(acked, payload_max(c));
	} else {
		grow(c, acked);
	}
}

void recovery_dup_ack(struct tcp *t, struct tcb *c) {
	uint32_t mss = payload_max(c);

	if ((c->flags & F_RTO_REC) != 0)
		return;
	if ((c->flags & F_FAST_REC) != 0) {
		c->cwnd = min_u32(c->cwnd + mss, TCP_CWND_MAX);
		// Each dup ACK says that a segment left the network: fill a further hole below what
		// the peer has seen, if there is one.
		if ((c->flags & F_SACK) != 0 && seq_lt(c->rtx_nxt, sack_high(t, c)))
			c->rtx_nxt = resend(t, c, c->rtx_nxt, sack_high(t, c));
		return;
	}
	if (c->dupacks < TCP_DUPACKS)
		c->dupacks++;
	// `recover`: dup ACKs caused by our own retransmissions start nothing.
	if (c->dupacks < TCP_DUPACKS || !seq_lt(c->recover, c->snd_una))
		return;
	halve(c);
	c->recover = c->snd_nxt;
	c->cwnd = c->ssthresh + TCP_DUPACKS * mss;
	c->flags |= F_FAST_REC;
	c->flags &= ~F_RTX;
	count(t, TCP_FAST_RTX);
	c->rtx_nxt = resend(t, c, c->snd_una, c->snd_nxt);
}

void recovery_timeout(struct tcp *t, struct tcb *c) {
	if (c->tries == 0)
		halve(c);
	c->cwnd = payload_max(c);
	c->recover = c->snd_nxt;
	c->dupacks = 0;
	c->flags = (c->flags & ~F_FAST_REC) | F_RTO_REC;
	sack_drop(t, c); // the peer may have thrown it away (RFC 2018 section 8)
	c->tries++;
	if (c->backoff < 16)
		c->backoff++;
	count(t, TCP_RTX_TIMEOUTS);
	c->rtx_nxt = resend(t, c, c->snd_una, c->snd_nxt);
}

void recovery_resend_all(struct tcp *t, struct tcb *c) {
	c->recover = c->snd_nxt;
	c->rtx_nxt = c->snd_una;
	c->dupacks = 0;
	c->flags = (c->flags & ~F_FAST_REC) | F_RTO_REC;
	c->flags &= ~((c->flags & F_TS) != 0 ? 0u : F_TIMING);
}

void recovery_output(struct tcp *t, struct tcb *c) {
	uint32_t limit = c->snd_una + min_u32(c->cwnd, max_u32(c->snd_wnd, 1));

	while (seq_lt(c->rtx_nxt, c->recover) && seq_lt(c->rtx_nxt, limit)) {
		uint32_t next = resend(t, c, c->rtx_nxt, c->recover);
		if (next == c->rtx_nxt)
			return;
		c->rtx_nxt = next;
	}
	// Everything is out again: new bytes may follow within cwnd.
	if (!seq_lt(c->rtx_nxt, c->recover))
		c->flags &= ~F_RTO_REC;
}
