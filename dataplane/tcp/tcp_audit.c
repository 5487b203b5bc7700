// SPDX-License-Identifier: Apache-2.0
// The invariants of docs/tcp.md, checked from outside the data path.
#include "dataplane/tcp/tcp_types.h"

static const char *audit_timer(const struct tcp *t, const struct tcb *c) {
	bool owed = c->snd_una != c->snd_nxt || tcb_unsent(c);

	if (owed && (c->flags & F_RTX) == 0)
		return "something is outstanding and no retransmission is due";
	if ((c->flags & F_UNAUTH) != 0 && (c->flags & F_WAIT) == 0)
		return "an unauthenticated connection has no deadline";
	if ((c->state == TCP_FIN_WAIT2) && (c->flags & F_WAIT) == 0)
		return "FIN_WAIT_2 has no limit";
	bool deadline = owed || (c->flags & (F_WAIT | F_DELACK)) != 0 || c->idle_s != 0;
	if (deadline && c->timer.slot == WHEEL_IDLE)
		return "a deadline exists and the timer is not armed";
	if ((c->flags & F_RTX) != 0 && seq_lt(c->rtx_at, c->timer.expiry))
		return "the timer fires after the retransmission is due";
	if ((c->flags & F_WAIT) != 0 && seq_lt(c->wait_at, c->timer.expiry))
		return "the timer fires after the deadline";
	return nullptr;
}

static const char *audit_send(const struct tcp *t, const struct tcb *c, uint64_t *chunks) {
	uint32_t seq = c->snd_una;

	if (seq_lt(c->snd_nxt, c->snd_una))
		return "snd_nxt is behind snd_una";
	if (seq_lt(c->tx_end + ((c->flags & F_FIN_SENT) != 0), c->snd_nxt))
		return "more was sent than queued";
	for (uint32_t ref = c->tx_head; ref != 0; ref = chunk_at(t, ref)->next) {
		const struct chunk *k = chunk_at(t, ref);
		++*chunks;
		if (ref == c->tx_head ? seq_lt(seq, k->seq) : k->seq != seq)
			return "a gap in the send queue";
		seq = k->seq + k->len;
		if (k->next == 0 && ref != c->tx_tail)
			return "the send queue's tail is wrong";
	}
	if (c->tx_head != 0 && seq != c->tx_end)
		return "the send queue does not end at tx_end";
	if (c->tx_head == 0 && seq_lt(c->snd_una, c->tx_end))
		return "unacknowledged bytes were thrown away";
	return nullptr;
}

static const char *audit_receive(const struct tcp *t, const struct tcb *c, uint64_t *chunks) {
	uint32_t seq = c->rcv_nxt;

	if (seq_lt(c->rcv_adv, c->rcv_nxt))
		return "rcv_nxt is beyond the announced window";
	if (c->rx != 0) {
		++*chunks;
		if (hold_len(t, c) == 0 || hold_len(t, c) > t->config.hold_max)
			return "kept bytes out of bounds";
	}
	for (uint32_t ref = c->ooo; ref != 0; ref = chunk_at(t, ref)->next) {
		const struct chunk *k = chunk_at(t, ref);
		++*chunks;
		if (seq_lt(k->seq, seq))
			return "early chunks overlap";
		seq = k->seq + k->len;
		if (seq_lt(c->rcv_adv, seq))
			return "an early chunk lies outside the window";
	}
	return nullptr;
}

static const char *audit_conn(const struct tcp *t, const struct tcb *c, uint64_t *chunks) {
	const char *broken = audit_timer(t, c);

	if (broken == nullptr)
		broken = audit_send(t, c, chunks);
	if (broken == nullptr)
		broken = audit_receive(t, c, chunks);
	*chunks += c->sack != 0;
	if (broken == nullptr && c->cwnd < payload_max(c))
		broken = "cwnd is below a segment";
	return broken;
}

const char *tcp_audit(const struct tcp *t) {
	uint32_t conns = 0;
	uint32_t unauthenticated = 0;
	uint32_t counted = 0;
	uint32_t stalled = 0;
	uint32_t armed = 0;
	uint64_t chunks = 0;

	for (uint32_t i = 1; i < t->fresh; i++) {
		const struct tcb *c = &t->tcbs[i];
		armed += c->timer.slot != WHEEL_IDLE;
		if (c->state == TCP_FREE) {
			if (c->timer.slot != WHEEL_IDLE)
				return "a closed connection has a timer";
			continue;
		}
		conns++;
		unauthenticated += (c->flags & F_UNAUTH) != 0;
		counted += (c->flags & F_COUNTED) != 0;
		stalled += (c->flags & F_STALLED) != 0;
		const char *broken = audit_conn(t, c, &chunks);
		if (broken != nullptr)
			return broken;
	}
	if (stalled != t->stalled)
		return "stalled connections are miscounted";
	for (uint32_t i = 0; i < 4 * t->source_sets + 1; i++) {
		counted -= t->sources[i].unauthenticated;
		stalled -= t->sources[i].stalled;
	}
	if (conns != t->conns || conns != t->flows.used)
		return "connections are lost or counted twice";
	if (unauthenticated != t->unauthenticated)
		return "unauthenticated connections are miscounted";
	if (counted != 0 || stalled != 0)
		return "source counters do not add up";
	if (armed != t->wheel.armed)
		return "armed timers do not add up";
	if (chunks != t->slab.chunks_used)
		return "chunks are lost";
	return nullptr;
}
