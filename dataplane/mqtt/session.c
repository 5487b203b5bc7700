// SPDX-License-Identifier: Apache-2.0
// Slots of sessions and their side blocks; how a connection ends and what remains of it.
#include "dataplane/mqtt/state.h"
#include "parsers/mqtt_encode.h"
#include "parsers/siphash.h"

static const uint8_t end_reasons[MQTT_END_COUNT] = {
#define X(id, label, reason) [id] = reason,
	MQTT_ENDS(X)
#undef X
};

uint32_t session_take(struct mqtt_server *m) {
	uint32_t s;

	// Untouched slots first, then the one that has rested longest.
	if (m->session_top < m->config.sessions) {
		s = m->session_top++;
	} else {
		s = m->session_free;
		if (s == MQTT_NONE)
			return MQTT_NONE;
		m->session_free = session_at(m, s)->conn;
		if (m->session_free == MQTT_NONE)
			m->session_free_last = MQTT_NONE;
	}
	uint8_t generation = session_at(m, s)->generation;
	*session_at(m, s) = (struct session) {
		.conn = MQTT_NONE,
		.active = MQTT_NONE,
		.client_id = MQTT_NONE,
		.client_packet_max = UINT16_MAX,
		.last_rx_ms = m->now_ms,
		.state = SESSION_OPEN,
		.generation = generation + 1,
	};
	m->stats.sessions++;
	return s;
}

static void session_give(struct mqtt_server *m, uint32_t s) {
	struct session *se = session_at(m, s);

	se->state = SESSION_FREE;
	se->conn = MQTT_NONE;
	m->due_ms[s] = 0;
	if (m->session_free == MQTT_NONE)
		m->session_free = s;
	else
		session_at(m, m->session_free_last)->conn = s;
	m->session_free_last = s;
	m->stats.sessions--;
}

struct active *active_need(struct mqtt_server *m, uint32_t s) {
	struct session *se = session_at(m, s);
	struct active *a = active_at(m, s);

	if (a != nullptr)
		return a;
	se->active = mqtt_pool_take(&m->active);
	a = active_at(m, s);
	if (a == nullptr)
		return nullptr;
	a->prev = a->next = MQTT_NONE;
	a->head = a->tail = a->memory = MQTT_NONE;
	a->partial = a->aliases = a->will = a->connect = MQTT_NONE;
	return a;
}

void active_settle(struct mqtt_server *m, uint32_t s) {
	struct session *se = session_at(m, s);
	const struct active *a = active_at(m, s);

	if (a == nullptr || a->listed || a->paused_since_ms != 0 || se->state == SESSION_FORWARD)
		return;
	if (a->head != MQTT_NONE || a->memory != MQTT_NONE || a->partial != MQTT_NONE
	    || a->aliases != MQTT_NONE || a->will != MQTT_NONE || a->connect != MQTT_NONE)
		return;
	mqtt_pool_give(&m->active, se->active);
	se->active = MQTT_NONE;
}

void active_peer(struct mqtt_server *m, uint32_t s, const struct mqtt_peer *peer) {
	struct active *a = active_at(m, s);

	if (a == nullptr || peer->addr.len > sizeof(a->peer))
		return;
	a->peer_len = (uint8_t)peer->addr.len;
	memcpy(a->peer, peer->addr.p, peer->addr.len);
	a->peer_port = peer->port;
	a->peer_realm = peer->realm;
}

struct mqtt_holder session_holder(struct mqtt_server *m, uint32_t s) {
	return (struct mqtt_holder) {
		.slot = s,
		.worker = (uint8_t)m->config.worker,
		.generation = session_at(m, s)->generation,
	};
}

uint64_t session_key(struct mqtt_server *m, uint32_t s) {
	const struct session *se = session_at(m, s);
	uint32_t used = m->arena_used;
	struct view id = session_client_id(m, s);
	uint64_t parts[2] = {
		siphash13(m->config.secret, id.p, id.len),
		m->config.listeners[se->listener].tenant,
	};

	m->arena_used = used;
	return siphash13(m->config.secret, parts, sizeof(parts)) | 1;
}

uint32_t session_packet_max(const struct session *se) {
	return se->client_packet_max == UINT16_MAX ? UINT32_MAX : se->client_packet_max;
}

void session_send(struct mqtt_server *m, uint32_t s, const uint8_t *bytes, uint32_t n) {
	const struct session *se = session_at(m, s);

	if (n > 0 && se->conn != MQTT_NONE)
		m->env.send(m->env.owner, se->conn, view_of(bytes, n));
}

static uint32_t sooner(uint32_t a_ms, uint32_t b_ms) {
	return a_ms == 0 || before(b_ms, a_ms) ? b_ms : a_ms;
}

static uint32_t live_due(struct mqtt_server *m, const struct session *se, const struct active *a) {
	uint32_t due = 0;

	if (a != nullptr && a->paused_since_ms != 0) {
		uint32_t wait = se->keep_alive_s > 0 ? se->keep_alive_s * 500u : 30000u;
		return a->paused_since_ms + wait; // instead of the keep alive
	}
	if (se->keep_alive_s > 0)
		due = se->last_rx_ms + se->keep_alive_s * 1500u;
	if (a != nullptr && a->partial != MQTT_NONE)
		due = sooner(
			due, a->partial_since_ms + m->config.packet_timeout_ms + a->partial_need * 4
		);
	return due;
}

static uint32_t stored_due(const struct session *se, const struct active *a) {
	uint32_t due = se->last_rx_ms + se->expiry_s * 1000u;

	if (a != nullptr && a->will != MQTT_NONE)
		due = sooner(due, se->last_rx_ms + a->will_delay_s * 1000u);
	return due;
}

void session_due(struct mqtt_server *m, uint32_t s) {
	const struct session *se = session_at(m, s);
	const struct active *a = active_at(m, s);
	uint32_t due = 0;

	switch (se->state) {
	case SESSION_FREE:
		break;
	case SESSION_OPEN:
	case SESSION_AUTH:
	case SESSION_CLAIM:
	case SESSION_FORWARD:
		due = se->last_rx_ms + m->config.connect_timeout_ms;
		break;
	case SESSION_LIVE:
		due = live_due(m, se, a);
		break;
	case SESSION_STORED:
		due = stored_due(se, a);
		break;
	}
	m->due_ms[s] = (se->flags & SESSION_DOOMED) != 0 ? m->now_ms : due;
}

static void unlist(struct mqtt_server *m, uint32_t s) {
	struct active *a = active_at(m, s);

	session_at(m, s)->flags &= (uint8_t)~SESSION_PAUSED;
	if (a == nullptr || !a->listed)
		return;
	if (a->prev == MQTT_NONE)
		m->paused_head = a->next;
	else
		active_at(m, a->prev)->next = a->next;
	if (a->next == MQTT_NONE)
		m->paused_tail = a->prev;
	else
		active_at(m, a->next)->prev = a->prev;
	a->listed = false;
}

bool session_pause(struct mqtt_server *m, uint32_t s) {
	struct active *a = active_need(m, s);

	if (a == nullptr) {
		session_end(m, s, MQTT_END_NO_MEMORY);
		return true;
	}
	session_at(m, s)->flags |= SESSION_PAUSED;
	if (a->paused_since_ms == 0) {
		a->paused_since_ms = m->now_ms;
		m->stats.paused++;
	}
	if (!a->listed) {
		a->listed = true;
		a->next = MQTT_NONE;
		a->prev = m->paused_tail;
		if (m->paused_tail == MQTT_NONE)
			m->paused_head = s;
		else
			active_at(m, m->paused_tail)->next = s;
		m->paused_tail = s;
	}
	session_due(m, s);
	return false;
}

void session_unpause(struct mqtt_server *m, uint32_t s) {
	unlist(m, s);
}

static void partial_drop(struct mqtt_server *m, uint32_t s) {
	struct active *a = active_at(m, s);

	if (a == nullptr)
		return;
	mqtt_chain_drop(&m->waiting, a->partial);
	mqtt_chain_drop(&m->waiting, a->connect);
	a->partial = a->connect = MQTT_NONE;
}

void session_drop(struct mqtt_server *m, uint32_t s) {
	struct session *se = session_at(m, s);
	struct active *a;

	if (se->state == SESSION_STORED)
		m->stats.stored--;
	if ((se->flags & SESSION_HELD) != 0)
		takeover_release(m, s);
	unlist(m, s);
	flight_forget(m, s);
	partial_drop(m, s);
	alias_drop_all(m, s);
	will_drop(m, s);
	a = active_at(m, s);
	if (a != nullptr) {
		mqtt_pool_give(&m->active, se->active);
		se->active = MQTT_NONE;
	}
	mqtt_chain_drop(&m->names, se->client_id);
	se->client_id = MQTT_NONE;
	session_give(m, s);
}

// A session that outlives its connection keeps its ids, its unanswered messages and, for the delay
// it asked for, its will.
static void session_store(struct mqtt_server *m, uint32_t s) {
	struct session *se = session_at(m, s);
	struct active *a = active_at(m, s);

	flight_remember(m, s);
	if (a != nullptr && a->will_delay_s == 0)
		will_publish(m, s);
	se->state = SESSION_STORED;
	se->last_rx_ms = m->now_ms;
	m->stats.stored++;
	active_settle(m, s);
	session_due(m, s);
}

void session_detach(struct mqtt_server *m, uint32_t s, enum mqtt_end why) {
	struct session *se = session_at(m, s);
	struct active *a;

	m->stats.ended[why]++;
	m->stats.connections--;
	se->conn = MQTT_NONE;
	if (m->env.left != nullptr)
		m->env.left(m->env.owner, s);
	se->flags &= (uint8_t)~SESSION_DOOMED;
	if (se->state == SESSION_CLAIM) {
		se->flags |= SESSION_ORPHAN; // its slot has to wait for the directory's answer
		return;
	}
	unlist(m, s);
	a = active_at(m, s);
	if (a != nullptr)
		a->paused_since_ms = 0;
	partial_drop(m, s);
	alias_drop_all(m, s);
	if (se->state == SESSION_LIVE && se->expiry_s > 0) {
		session_store(m, s);
		return;
	}
	if (se->state == SESSION_LIVE)
		will_publish(m, s);
	session_drop(m, s);
}

void session_end_reason(struct mqtt_server *m, uint32_t s, enum mqtt_end why, uint8_t reason) {
	struct session *se = session_at(m, s);
	uint8_t out[8];

	// [MQTT-3.14.0-1]: no DISCONNECT before the CONNACK.
	if (se->state == SESSION_LIVE && se->version == MQTT_V5 && reason != 0) {
		uint32_t n = mqtt_disconnect_encode(
			out, sizeof(out), session_packet_max(se), reason, (struct view) {0}
		);
		session_send(m, s, out, n);
	}
	uint32_t conn = se->conn;
	session_detach(m, s, why);
	if (conn != MQTT_NONE)
		m->env.close(m->env.owner, conn);
}

void session_end(struct mqtt_server *m, uint32_t s, enum mqtt_end why) {
	session_end_reason(m, s, why, end_reasons[why]);
}
