// SPDX-License-Identifier: Apache-2.0
// What the app calls, and the end of a burst.
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/tcp_types.h"

uint32_t tcp_send_space(const struct tcp *t, struct tcp_conn conn) {
	const struct tcb *c = tcb_of(t, conn);

	if (c == nullptr || (c->flags & F_FIN_QUEUED) != 0)
		return 0;
	uint32_t queued = c->tx_end - c->snd_una;
	return queued < t->config.send_max ? t->config.send_max - queued : 0;
}

uint32_t tcp_send(struct tcp *t, struct tcp_conn conn, const void *bytes, uint32_t len) {
	struct tcb *c = tcb_of(t, conn);
	uint32_t space = tcp_send_space(t, conn);

	if (c == nullptr || (c->flags & F_FIN_QUEUED) != 0 || len == 0)
		return 0;
	uint32_t taken = tx_append(t, c, bytes, min_u32(len, space));
	if (taken < len)
		c->flags |= F_WANT_SPACE;
	if (taken > 0)
		tcb_list(t, c);
	return taken;
}

void tcp_shutdown(struct tcp *t, struct tcp_conn conn) {
	struct tcb *c = tcb_of(t, conn);

	if (c == nullptr || (c->flags & F_FIN_QUEUED) != 0)
		return;
	c->flags |= F_FIN_QUEUED;
	c->state = c->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT1;
	// Admission is over; a peer that never closes is dealt with by FIN_WAIT_2's limit.
	source_release(t, c, false);
	c->flags &= ~F_WAIT;
	c->idle_s = 0;
	tcb_list(t, c);
}

void tcp_close(struct tcp *t, struct tcp_conn conn) {
	struct tcb *c = tcb_of(t, conn);

	if (c == nullptr || (c->flags & F_APP_GONE) != 0)
		return;
	c->flags = (c->flags | F_APP_GONE) & ~F_PAUSED;
	// Inside received() the bytes on show count when it returns.
	if (c->rx != 0 && t->showing != conn.index && (c->flags & F_FIN_RCVD) == 0) {
		tcb_reset(t, c, TCP_CLOSED_UNREAD);
		return;
	}
	tcp_shutdown(t, conn);
	c->flags |= F_DELIVER;
	tcb_list(t, c);
}

void tcp_abort(struct tcp *t, struct tcp_conn conn) {
	struct tcb *c = tcb_of(t, conn);

	if (c != nullptr)
		tcb_reset(t, c, TCP_CLOSED_ABORT);
}

void tcp_pause(struct tcp *t, struct tcp_conn conn) {
	struct tcb *c = tcb_of(t, conn);

	if (c != nullptr && (c->flags & F_APP_GONE) == 0)
		c->flags |= F_PAUSED;
}

void tcp_resume(struct tcp *t, struct tcp_conn conn) {
	struct tcb *c = tcb_of(t, conn);

	if (c == nullptr || (c->flags & F_PAUSED) == 0)
		return;
	c->flags = (c->flags & ~F_PAUSED) | F_DELIVER;
	tcb_list(t, c);
}

void tcp_authenticated(struct tcp *t, struct tcp_conn conn) {
	struct tcb *c = tcb_of(t, conn);

	if (c == nullptr || (c->flags & F_UNAUTH) == 0)
		return;
	source_release(t, c, true);
	c->flags &= ~F_WAIT;
	count(t, TCP_AUTHENTICATED);
}

void tcp_set_idle(struct tcp *t, struct tcp_conn conn, uint16_t seconds) {
	struct tcb *c = tcb_of(t, conn);

	if (c == nullptr || (c->flags & F_FIN_QUEUED) != 0)
		return;
	c->idle_s = seconds;
	tcb_arm(t, c);
}

void tcp_set_deadline(struct tcp *t, struct tcp_conn conn, uint32_t ms) {
	struct tcb *c = tcb_of(t, conn);

	if (c == nullptr || (c->flags & (F_UNAUTH | F_FIN_QUEUED)) != 0)
		return;
	if (ms == 0)
		c->flags &= ~F_WAIT;
	else
		timer_wait(t, c, ms);
}

void tcp_set_app(struct tcp *t, struct tcp_conn conn, uint32_t word) {
	struct tcb *c = tcb_of(t, conn);

	if (c != nullptr)
		c->app = word;
}

// Also answers inside closed(), where the app lets go of its session.
uint32_t tcp_app(const struct tcp *t, struct tcp_conn conn) {
	if (conn.index == 0 || conn.index >= t->fresh)
		return 0;
	const struct tcb *c = &t->tcbs[conn.index];
	return c->state != TCP_FREE && c->gen == conn.gen ? c->app : 0;
}

struct tcp_conn tcp_conn_at(const struct tcp *t, uint32_t index) {
	if (index == 0 || index >= t->fresh)
		return (struct tcp_conn) {0};
	return tcb_conn(t, &t->tcbs[index]);
}

bool tcp_alive(const struct tcp *t, struct tcp_conn conn) {
	return tcb_of(t, conn) != nullptr;
}

bool tcp_key(const struct tcp *t, struct tcp_conn conn, struct flow_key *out) {
	const struct tcb *c = tcb_of(t, conn);

	if (c == nullptr)
		return false;
	tcb_key(t, c, out);
	return true;
}

static void burst_serve(struct tcp *t, struct tcb *c) {
	uint16_t gen = c->gen;

	if ((c->flags & F_DELIVER) != 0) {
		c->flags &= ~F_DELIVER;
		rx_deliver_kept(t, c);
		if (!tcb_same(c, gen))
			return;
	}
	tcp_output(t, c);
}

void tcp_burst_end(struct tcp *t) {
	// Callbacks may list more connections; what exceeds the bound waits for the next turn.
	uint32_t budget = 2 * t->burst_count + 64;

	while (t->burst_count > 0 && budget-- > 0) {
		struct tcb *c = &t->tcbs[t->burst[t->burst_head]];
		t->burst_head = t->burst_head < t->config.max_conns ? t->burst_head + 1 : 0;
		t->burst_count--;
		c->flags &= ~F_LISTED;
		if (c->state != TCP_FREE && c->state != TCP_DYING)
			burst_serve(t, c);
	}
	// From the front again: of a ring for every connection only what a burst takes is touched.
	if (t->burst_count == 0)
		t->burst_head = 0;
}

enum tcp_pressure_level tcp_pressure(const struct tcp *t) {
	return t->pressure;
}

void tcp_stats(const struct tcp *t, struct tcp_stats *out) {
	*out = (struct tcp_stats) {
		.conns = t->conns,
		.unauthenticated = t->unauthenticated,
		.time_wait = t->time_wait.used,
		.sources = t->sources_used,
		.stalled = t->stalled,
		.buffer_bytes = (uint64_t)t->slab.pages_used * SLAB_PAGE_BYTES,
		.pressure = t->pressure,
	};
	for (unsigned i = 0; i < TCP_COUNTER_COUNT; i++)
		out->counters[i] = t->counters[i];
	for (unsigned i = 0; i < TCP_CLOSE_REASON_COUNT; i++)
		out->closed[i] = t->closed[i];
}
