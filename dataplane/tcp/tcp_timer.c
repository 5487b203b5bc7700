// SPDX-License-Identifier: Apache-2.0
// What happens when a connection's timer fires: it may serve several deadlines, or none by now.
#include "dataplane/tcp/tcp_types.h"

void timer_wait(struct tcp *t, struct tcb *c, uint32_t ms) {
	c->flags |= F_WAIT;
	c->wait_at = t->tick + ms_to_ticks(ms) + 1;
	tcb_arm(t, c);
}

static bool due(const struct tcp *t, uint32_t at) {
	return seq_le(at, t->tick);
}

static uint32_t since_ms(const struct tcp *t, uint32_t tick) {
	uint64_t ms = (uint64_t)(t->tick - tick) * 4;

	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

// RFC 9293 section 3.8.6.1. One byte of data: some peers answer nothing less.
static bool probe(struct tcp *t, struct tcb *c) {
	if (t->config.zero_window_ms != 0 && since_ms(t, c->stall_at) > t->config.zero_window_ms) {
		tcb_reset(t, c, TCP_CLOSED_ZERO_WINDOW);
		return false;
	}
	if (since_ms(t, c->last_rx) > t->config.user_timeout_ms && c->tries > 0) {
		tcb_reset(t, c, TCP_CLOSED_TIMEOUT);
		return false;
	}
	if (!source_stall(t, c)) {
		count(t, TCP_STALL_LIMITED);
		tcb_reset(t, c, TCP_CLOSED_ZERO_WINDOW);
		return false;
	}
	bool data = c->snd_una != c->tx_end;
	bool fin = !data;
	uint32_t edge = c->rcv_adv;
	bool owed = (c->flags & (F_ACK_NOW | F_DELACK)) != 0;
	if (output_segment(t, c, c->snd_una, data, fin ? SEG_FIN : 0)) {
		count(t, TCP_PROBES);
		if (c->snd_una == c->snd_nxt) {
			c->snd_nxt++;
			c->flags |= fin ? F_FIN_SENT : 0;
		}
		// The peer does not read a segment outside its window: what this one says beside
		// its byte is said again.
		if (owed || c->rcv_adv != edge)
			output_ack(t, c);
	}
	c->tries = c->tries < UINT8_MAX ? c->tries + 1 : c->tries;
	if (c->backoff < 16)
		c->backoff++;
	return true;
}

static bool expire_rtx(struct tcp *t, struct tcb *c) {
	c->flags &= ~F_RTX;
	if (c->snd_una == c->snd_nxt && !tcb_unsent(c))
		return true; // acknowledged in the same turn
	if (c->snd_wnd == 0)
		return probe(t, c);
	if (c->snd_una == c->snd_nxt) {
		tcp_output_one(t, c, true); // a window too small to be worth it, but open
		return true;
	}
	if (c->tries >= t->config.retries_max
	    || since_ms(t, c->stall_at) > t->config.user_timeout_ms) {
		tcb_reset(t, c, TCP_CLOSED_TIMEOUT);
		return false;
	}
	recovery_timeout(t, c);
	return true;
}

static bool expire_wait(struct tcp *t, struct tcb *c) {
	const struct tcp_app *app = tcb_app(t, c);
	uint16_t gen = c->gen;

	c->flags &= ~F_WAIT;
	if ((c->flags & F_UNAUTH) != 0) {
		tcb_reset(
			t,
			c,
			(c->flags & F_FIRST_BYTE) != 0 ? TCP_CLOSED_AUTH : TCP_CLOSED_FIRST_BYTE
		);
		return false;
	}
	if ((c->flags & F_FIN_QUEUED) != 0) {
		tcb_reset(t, c, TCP_CLOSED_FIN_WAIT);
		return false;
	}
	app->deadline(app->owner, tcb_conn(t, c));
	return tcb_same(c, gen);
}

static bool expire_idle(struct tcp *t, struct tcb *c) {
	const struct tcp_app *app = tcb_app(t, c);
	uint16_t gen = c->gen;

	c->last_rx = t->tick; // the next period begins
	if ((c->flags & (F_OPENED | F_APP_GONE)) == F_OPENED)
		app->idle(app->owner, tcb_conn(t, c));
	return tcb_same(c, gen);
}

// RFC 9293 section 3.8.4: a probe is one sequence number old and carries nothing.
static bool expire_keepalive(struct tcp *t, struct tcb *c) {
	if (c->snd_una != c->snd_nxt || tcb_unsent(c))
		return true; // retransmission finds out sooner
	if (c->tries >= t->config.keepalive_probes) {
		tcb_reset(t, c, TCP_CLOSED_KEEPALIVE);
		return false;
	}
	c->tries++;
	count(t, TCP_KEEPALIVES);
	output_segment(t, c, c->snd_nxt - 1, 0, 0);
	return true;
}

static uint32_t keepalive_at(const struct tcp *t, const struct tcb *c) {
	uint32_t s = t->config.keepalive_s + c->tries * t->config.keepalive_interval_s;

	return c->last_rx + s * TCP_TICKS_PER_S;
}

void timer_expire(struct tcp *t, struct tcb *c) {
	if ((c->flags & F_WAIT) != 0 && due(t, c->wait_at) && !expire_wait(t, c))
		return;
	if (c->idle_s != 0 && due(t, c->last_rx + c->idle_s * TCP_TICKS_PER_S)
	    && !expire_idle(t, c))
		return;
	if (t->config.keepalive_s != 0 && due(t, keepalive_at(t, c)) && !expire_keepalive(t, c))
		return;
	if ((c->flags & F_RTX) != 0 && due(t, c->rtx_at) && !expire_rtx(t, c))
		return;
	if ((c->flags & F_DELACK) != 0 && (int16_t)(c->ack_at - (uint16_t)t->tick) <= 0)
		c->flags |= F_ACK_NOW;
	tcp_output(t, c);
}

bool tcp_poll(struct tcp *t, uint64_t now_ns, unsigned budget) {
	unsigned steps = budget * 4; // stepping over time is cheaper than a timer
	uint32_t i;

	tcp_set_time(t, now_ns);
	pressure_update(t);
	if (t->pressure >= TCP_PRESSURE_SHED)
		pressure_shed(t);
	while (budget > 0 && (i = wheel_pop(&t->wheel, t->tick, &steps)) != 0) {
		// Connections whose timer fires were idle: none of their lines is cached.
		const struct tcb *next = &t->tcbs[wheel_next(&t->wheel)];
		__builtin_prefetch(next);
		__builtin_prefetch(&next->snd_wl1);
		budget--;
		timer_expire(t, &t->tcbs[i]);
	}
	bool more = time_wait_expire(&t->time_wait, t->tick, 64);
	return more || budget == 0 || (steps == 0 && t->wheel.armed > 0);
}

uint64_t tcp_next_due(const struct tcp *t) {
	uint64_t ticks = wheel_idle_ticks(&t->wheel, t->tick);
	uint64_t tw = time_wait_idle_ticks(&t->time_wait, t->tick);

	if (t->burst_count > 0)
		return t->now_ns;
	ticks = tw < ticks ? tw : ticks;
	if (ticks == UINT64_MAX)
		return UINT64_MAX;
	return (t->now_ns / TCP_TICK_NS + ticks) * TCP_TICK_NS;
}
