// SPDX-License-Identifier: Apache-2.0
// Life of a connection: found by its key, opened by a cookie, closed for one reason.
#include "dataplane/tcp/tcp_types.h"

#include <string.h>

// A cookie is accepted in its epoch and the next: 128 s, and one unit of opened_at for rounding.
#define COOKIE_LIFE_UNITS 33u

uint64_t key_hash(const struct tcp *t, const struct flow_key *key) {
	return flow_key_hash(t->config.seed, key);
}

void tcb_key(const struct tcp *t, const struct tcb *c, struct flow_key *out) {
	const struct tcp_service *s = tcb_service(t, c);

	memcpy(out->remote, c->remote, 16);
	memcpy(out->local, s->address, 16);
	out->remote_port = c->remote_port;
	out->local_port = s->port;
	out->realm = s->realm;
	out->family = s->family;
	out->protocol = 6;
}

static bool tcb_match(const void *owner, uint32_t index, const void *k) {
	const struct tcp *t = owner;
	const struct flow_key *key = k;
	const struct tcb *c = &t->tcbs[index];
	const struct tcp_service *s = tcb_service(t, c);

	return c->remote_port == key->remote_port && memcmp(c->remote, key->remote, 16) == 0
		&& s->port == key->local_port && s->realm == key->realm && s->family == key->family
		&& memcmp(s->address, key->local, 16) == 0;
}

struct tcb *tcb_lookup(struct tcp *t, const struct flow_key *key, uint64_t hash) {
	uint32_t i = flow_table_lookup(&t->flows, hash, tcb_match, t, key);

	return i != 0 ? &t->tcbs[i] : nullptr;
}

struct tcb *tcb_of(const struct tcp *t, struct tcp_conn conn) {
	if (conn.index == 0 || conn.index >= t->fresh)
		return nullptr;
	struct tcb *c = &t->tcbs[conn.index];
	return tcb_same(c, (uint16_t)conn.gen) && conn.gen <= UINT16_MAX ? c : nullptr;
}

static struct tcb *tcb_take(struct tcp *t) {
	struct tcb *c;

	if (t->free != 0) {
		c = &t->tcbs[t->free];
		t->free = c->tx_head;
	} else if (t->fresh <= t->config.max_conns) {
		c = &t->tcbs[t->fresh++];
		c->timer.slot = WHEEL_IDLE;
	} else {
		return nullptr;
	}
	return c;
}

static void tcb_give(struct tcp *t, struct tcb *c) {
	c->state = TCP_FREE;
	c->gen++;
	c->tx_head = t->free;
	t->free = tcb_index(t, c);
}

struct tcb *tcb_open(struct tcp *t, const struct flow_key *key, uint64_t hash, uint16_t service) {
	struct tcb *c = tcb_take(t);

	if (c == nullptr)
		return nullptr;

	// An entry of the burst ring may still name this slot; the flag keeps it from a second one.
	uint32_t listed = c->flags & F_LISTED;
	struct wheel_node timer = c->timer;
	uint16_t gen = c->gen;
	*c = (struct tcb) {.state = TCP_ESTABLISHED, .flags = listed, .timer = timer, .gen = gen};
	memcpy(c->remote, key->remote, 16);
	c->remote_port = key->remote_port;
	c->service = service;
	if (!flow_table_insert(&t->flows, hash, tcb_index(t, c))) {
		tcb_give(t, c);
		return nullptr;
	}
	t->conns++;
	return c;
}

static void forget(struct tcp *t, struct tcb *c) {
	struct flow_key key;

	tcb_key(t, c, &key);
	flow_table_remove(&t->flows, key_hash(t, &key), tcb_index(t, c));
	wheel_clear(&t->wheel, tcb_index(t, c));
	tx_drop(t, c);
	rx_drop(t, c);
	sack_drop(t, c);
	source_release(t, c, false);
	source_unstall(t, c);
	t->conns--;
	tcb_give(t, c);
}

static void remember(struct tcp *t, const struct tcb *c, enum tw_kind kind) {
	struct flow_key key;
	struct tw_record r = {
		.remote_port = c->remote_port,
		.service = c->service,
		.kind = kind,
		.has_ts = (c->flags & F_TS) != 0,
		.rcv_nxt = c->rcv_nxt,
		.snd_nxt = c->snd_nxt,
		.ts_recent = c->ts_recent,
	};
	bool evicted;

	tcb_key(t, c, &key);
	r.hash = (uint32_t)(key_hash(t, &key) >> 16);
	memcpy(r.remote, c->remote, 16);
	time_wait_add(&t->time_wait, &r, t->tick, &evicted);
	count(t, TCP_TIME_WAITS);
	if (evicted)
		count(t, TCP_TIME_WAIT_EVICTED);
}

static void tell_closed(struct tcp *t, struct tcb *c, enum tcp_close_reason reason) {
	const struct tcp_app *app = tcb_app(t, c);
	struct tcp_conn conn = tcb_conn(t, c);

	t->closed[reason]++;
	c->state = TCP_DYING;
	if ((c->flags & F_OPENED) != 0)
		app->closed(app->owner, conn, reason);
}

void tcb_close(struct tcp *t, struct tcb *c, enum tcp_close_reason reason) {
	uint32_t age = (uint16_t)((uint16_t)(t->tick >> 10) - c->opened_at);

	tell_closed(t, c, reason);
	if (age <= COOKIE_LIFE_UNITS)
		remember(t, c, TW_TOMBSTONE);
	forget(t, c);
}

void tcb_to_time_wait(struct tcp *t, struct tcb *c) {
	tell_closed(t, c, TCP_CLOSED_NORMAL);
	remember(t, c, TW_TIME_WAIT);
	forget(t, c);
}

void tcb_reset(struct tcp *t, struct tcb *c, enum tcp_close_reason reason) {
	struct flow_key key;

	tcb_key(t, c, &key);
	output_reset(t, &key, c->path, c->snd_nxt, c->rcv_nxt, SEG_RST | SEG_ACK);
	tcb_close(t, c, reason);
}

bool tcb_finish(struct tcp *t, struct tcb *c) {
	if ((c->flags & F_FIN_RCVD) == 0 || !fin_acked(c) || c->rx != 0)
		return false;
	if (c->state == TCP_LAST_ACK) {
		tcb_close(t, c, TCP_CLOSED_NORMAL);
	} else {
		output_ack(t, c);
		tcb_to_time_wait(t, c);
	}
	return true;
}

void tcb_list(struct tcp *t, struct tcb *c) {
	if ((c->flags & F_LISTED) != 0)
		return;
	c->flags |= F_LISTED;
	uint32_t at = t->burst_head + t->burst_count;
	uint32_t places = t->config.max_conns + 1;
	t->burst[at < places ? at : at - places] = tcb_index(t, c);
	t->burst_count++;
}

void tcp_set_time(struct tcp *t, uint64_t now_ns) {
	t->now_ns = now_ns;
	t->tick = (uint32_t)(now_ns / TCP_TICK_NS);
	t->ms = (uint32_t)(now_ns / 1000000);
}
