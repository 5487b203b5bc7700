// SPDX-License-Identifier: Apache-2.0
// CONNECT: judge, authenticate, claim the session, answer. Each of the two middle steps may have to
// wait for somebody; the packet then lies in the pool, and the client's further bytes with the
// caller.
#include "dataplane/mqtt/state.h"
#include "parsers/mqtt_encode.h"
#include "parsers/siphash.h"

#define CONNACK_MAX 256

static const uint8_t refusal_reasons[MQTT_REFUSAL_COUNT] = {
#define X(id, label, reason) [id] = reason,
	MQTT_REFUSALS(X)
#undef X
};

static void refuse_with(struct mqtt_server *m, uint32_t s, uint8_t reason) {
	const struct session *se = session_at(m, s);
	struct mqtt_connack c = {.reason = reason, .maximum_qos = 2};
	uint8_t out[CONNACK_MAX];

	if (se->version == 0)
		return; // not MQTT as far as we know
	uint32_t n = mqtt_connack_encode(out, sizeof(out), se->version, session_packet_max(se), &c);
	session_send(m, s, out, n);
}

void connect_reject(struct mqtt_server *m, uint32_t s, enum mqtt_refusal why) {
	struct session *se = session_at(m, s);
	uint32_t conn = se->conn;

	if (conn == MQTT_NONE)
		return;
	m->stats.refused[why]++;
	refuse_with(m, s, refusal_reasons[why]);
	m->stats.ended[MQTT_END_REFUSED]++;
	m->stats.connections--;
	se->conn = MQTT_NONE;
	if (m->env.left != nullptr)
		m->env.left(m->env.owner, s);
	m->env.close(m->env.owner, conn);
}

void connect_refuse(struct mqtt_server *m, uint32_t s, enum mqtt_refusal why) {
	connect_reject(m, s, why);
	session_drop(m, s);
}

void connect_timeout(struct mqtt_server *m, uint32_t s) {
	if (session_at(m, s)->state == SESSION_OPEN) {
		session_end(m, s, MQTT_END_CONNECT_TIMEOUT);
		return;
	}
	connect_refuse(m, s, MQTT_REFUSED_TIMEOUT);
}

static bool connect_token(struct mqtt_server *m) {
	if (m->config.connect_rate == 0)
		return true;
	if (m->connect_tokens < 1000)
		return false;
	m->connect_tokens -= 1000;
	return true;
}

// [MQTT-3.1.4-1]: 3.1.1 wants silence for a CONNECT that does not conform, except for the version.
static void malformed(struct mqtt_server *m, uint32_t s, enum mqtt_rc rc) {
	struct session *se = session_at(m, s);
	const struct mqtt_connect *c = &m->connect;

	m->stats.bad[rc]++;
	if (rc == MQTT_BAD_VERSION) {
		se->version = c->level > MQTT_V5 ? MQTT_V5 : MQTT_V311;
		connect_refuse(m, s, MQTT_REFUSED_VERSION);
		return;
	}
	m->stats.refused[MQTT_REFUSED_MALFORMED]++;
	if (rc != MQTT_BAD_PROTOCOL && c->version == MQTT_V5) {
		se->version = MQTT_V5;
		uint8_t reason = mqtt_rc_reason(rc);
		refuse_with(m, s, reason == MQTT_ALIAS_INVALID ? MQTT_MALFORMED : reason);
	}
	session_end(m, s, MQTT_END_REFUSED);
}

static uint32_t anonymous_identity(struct mqtt_server *m, const struct mqtt_peer *peer) {
	uint64_t parts[2] = {
		siphash13(m->config.secret, peer->addr.p, peer->addr.len), peer->realm
	};

	return SESSION_ANONYMOUS
		| (uint32_t)(siphash13(m->config.secret, parts, sizeof(parts)) >> 33);
}

static uint32_t assigned_id(struct mqtt_server *m) {
	static const char digits[] = "0123456789abcdef";
	uint64_t r = m->env.random(m->env.owner);
	uint8_t id[21] = "auto-";

	for (unsigned i = 0; i < 16; i++)
		id[5 + i] = (uint8_t)digits[r >> (4 * i) & 15];
	return mqtt_chain_store(&m->names, &(struct view) {id, sizeof(id)}, 1);
}

static uint32_t lesser(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

static uint16_t keep_alive_of(const struct mqtt_server *m, const struct mqtt_connect *c) {
	uint16_t most = m->config.keep_alive_max_s;

	// Only MQTT 5 lets a server impose its own [MQTT-3.2.2-22].
	if (c->version != MQTT_V5 || most == 0)
		return c->keep_alive_s;
	return c->keep_alive_s == 0 || c->keep_alive_s > most ? most : c->keep_alive_s;
}

static uint32_t expiry_of(const struct mqtt_server *m, const struct mqtt_connect *c) {
	if (c->version == MQTT_V5)
		return lesser(
			mqtt_props_number(&c->props, MQTT_PROP_SESSION_EXPIRY, 0),
			m->config.session_expiry_max_s
		);
	return c->clean_start ? 0 : m->config.session_expiry_max_s;
}

static void take_settings(struct mqtt_server *m, uint32_t s) {
	const struct mqtt_connect *c = &m->connect;
	struct session *se = session_at(m, s);

	se->version = c->version;
	se->keep_alive_s = keep_alive_of(m, c);
	se->expiry_s = expiry_of(m, c);
	se->client_packet_max = (uint16_t
	)lesser(mqtt_props_number(&c->props, MQTT_PROP_MAXIMUM_PACKET, UINT16_MAX), UINT16_MAX);
	if (c->clean_start)
		se->flags |= SESSION_CLEAN_START;
	if (mqtt_props_number(&c->props, MQTT_PROP_REQUEST_PROBLEM, 1) != 0)
		se->flags |= SESSION_PROBLEM_INFO;
}

// False with the reason in *why.
static bool take_client_id(struct mqtt_server *m, uint32_t s, enum mqtt_refusal *why) {
	const struct mqtt_connect *c = &m->connect;
	struct session *se = session_at(m, s);

	*why = MQTT_REFUSED_CLIENT_ID;
	if (c->client_id.len > m->config.client_id_max)
		return false;
	if (c->client_id.len > 0) {
		se->client_id = mqtt_chain_store(&m->names, &c->client_id, 1);
	} else {
		// 3.1 has no empty id; 3.1.1 only with Clean Session [MQTT-3.1.3-8].
		if (c->version == MQTT_V31 || (c->version == MQTT_V311 && !c->clean_start))
			return false;
		se->client_id = assigned_id(m);
		se->flags |= SESSION_ASSIGNED_ID;
	}
	*why = MQTT_REFUSED_FULL;
	return se->client_id != MQTT_NONE;
}

static bool take_will(struct mqtt_server *m, uint32_t s, const struct mqtt_peer *peer) {
	const struct mqtt_connect *c = &m->connect;
	struct active *a;

	if (!c->has_will)
		return true;
	uint32_t len = c->will_topic.len + c->will_payload.len;
	if (c->will_topic.len > m->config.topic_max || len > m->config.will_max)
		return false;
	a = active_need(m, s);
	if (a == nullptr)
		return false;
	active_peer(m, s, peer);
	a->will_delay_s = mqtt_props_number(&c->will_props, MQTT_PROP_WILL_DELAY, 0);
	struct kept_as as = {.retain = c->will_retain};

	a->will = kept_store(
		m,
		&m->wills,
		s,
		c->will_topic,
		&c->will_props,
		MQTT_PROPS_WILL,
		c->will_payload,
		&as
	);
	return a->will != MQTT_NONE;
}

static bool keep_packet(struct mqtt_server *m, uint32_t s) {
	struct active *a = active_need(m, s);

	if (a == nullptr)
		return false;
	a->connect = mqtt_chain_store(&m->waiting, &m->connect_raw, 1);
	return a->connect != MQTT_NONE;
}

// Decode the stored CONNECT again; it was found good when it came.
static bool restore_packet(struct mqtt_server *m, uint32_t s) {
	struct active *a = active_at(m, s);
	struct mqtt_frame f;

	if (a == nullptr || a->connect == MQTT_NONE)
		return false;
	uint32_t len = mqtt_chain_len(&m->waiting, a->connect);
	if (!arena_reserve(m, len + m->packet_arena))
		return false;
	uint8_t *p = arena_take(m, len);
	mqtt_chain_load(&m->waiting, a->connect, p);
	mqtt_chain_drop(&m->waiting, a->connect);
	a->connect = MQTT_NONE;
	m->connect_raw = view_of(p, len);
	return mqtt_frame(m->connect_raw, len, &f) == MQTT_OK
		&& mqtt_connect_decode(&f, &m->connect) == MQTT_OK;
}

static uint64_t epoch_new(struct mqtt_server *m) {
	uint64_t tick = m->now_ns >> 23; // about 8 ms
	uint64_t epoch =
		m->config.appliance_epoch << 40 | (tick << 5 & 0xffffffffff) | m->config.worker;

	// Later sessions have greater epochs, on one worker strictly.
	if (epoch <= m->epoch_last)
		epoch = m->epoch_last + 32;
	m->epoch_last = epoch;
	return epoch;
}

// A connection with aliases is never idle: they are offered while half of the blocks for those that
// are not is free. One that uses aliases all the same is served as long as it lasts.
static uint16_t alias_maximum(const struct mqtt_server *m) {
	return m->active.free >= m->active.count / 2 ? m->config.alias_max : 0;
}

static void send_connack(struct mqtt_server *m, uint32_t s) {
	const struct mqtt_connect *c = &m->connect;
	const struct session *se = session_at(m, s);
	uint32_t asked = mqtt_props_number(&c->props, MQTT_PROP_SESSION_EXPIRY, 0);
	uint8_t out[CONNACK_MAX + 64];
	struct mqtt_connack ack = {
		.session_present = (se->flags & SESSION_RESUMED) != 0,
		.has_session_expiry = asked != se->expiry_s,
		.session_expiry_s = se->expiry_s,
		.has_server_keep_alive = c->keep_alive_s != se->keep_alive_s,
		.server_keep_alive_s = se->keep_alive_s,
		.receive_maximum = m->config.inflight_max,
		.alias_maximum = alias_maximum(m),
		.maximum_qos = 2,
		.maximum_packet = m->config.packet_max,
		.no_shared = true,
	};
	uint32_t used = m->arena_used;

	if ((se->flags & SESSION_ASSIGNED_ID) != 0)
		ack.assigned_client_id = session_client_id(m, s);
	uint32_t n =
		mqtt_connack_encode(out, sizeof(out), se->version, session_packet_max(se), &ack);
	m->arena_used = used;
	session_send(m, s, out, n);
}

// True if it was refused.
static bool turned_away(struct mqtt_server *m, uint32_t s, bool entering) {
	struct session *se = session_at(m, s);
	uint32_t used = m->arena_used;

	if (m->env.admit == nullptr || se->conn == MQTT_NONE)
		return false;
	enum mqtt_refusal why =
		m->env.admit(m->env.owner, s, se->conn, session_device(m, s), entering);
	m->arena_used = used;
	if (why == MQTT_REFUSAL_COUNT)
		return false;
	connect_refuse(m, s, why);
	return true;
}

static void finish(struct mqtt_server *m, uint32_t s) {
	struct session *se = session_at(m, s);

	if (turned_away(m, s, true))
		return;
	if ((se->flags & SESSION_RESUMED) == 0)
		se->epoch = epoch_new(m);
	se->state = SESSION_LIVE;
	se->rate = 0;
	rate_fill(m, s);
	se->rate = (uint16_t)lesser(m->config.publish_rate * 16, UINT16_MAX / 2);
	se->last_rx_ms = m->now_ms;
	if ((se->flags & SESSION_ORPHAN) != 0) {
		se->flags &= (uint8_t)~SESSION_ORPHAN;
		m->stats.connections++; // it was taken off when it went
		session_detach(m, s, MQTT_END_PEER);
		return;
	}
	m->stats.connected++;
	m->stats.resumed += (se->flags & SESSION_RESUMED) != 0;
	if (m->env.connected != nullptr)
		m->env.connected(m->env.owner, se->conn);
	send_connack(m, s);
	active_settle(m, s);
	session_due(m, s);
}

static void claim(struct mqtt_server *m, uint32_t s) {
	struct session *se = session_at(m, s);
	enum mqtt_claim c;

	if (turned_away(m, s, false))
		return;
	c = takeover_claim(m, s);
	switch (c) {
	case MQTT_CLAIM_NEW:
		finish(m, s);
		break;
	case MQTT_CLAIM_TAKEN:
		if (!keep_packet(m, s)) {
			connect_refuse(m, s, MQTT_REFUSED_FULL);
			break;
		}
		se->state = SESSION_CLAIM;
		session_due(m, s);
		break;
	case MQTT_CLAIM_REFUSED:
		connect_refuse(m, s, MQTT_REFUSED_OTHER_IDENTITY);
		break;
	case MQTT_CLAIM_FULL:
		connect_refuse(m, s, MQTT_REFUSED_FULL);
		break;
	}
}

void connect_claimed(struct mqtt_server *m, uint32_t s) {
	uint32_t conn = session_at(m, s)->conn;

	if (!restore_packet(m, s)) {
		connect_refuse(m, s, MQTT_REFUSED_FULL);
		return;
	}
	finish(m, s);
	if (conn != MQTT_NONE && session_at(m, s)->state == SESSION_LIVE
	    && session_at(m, s)->conn == conn)
		m->env.resume(m->env.owner, conn);
}

static void verify_later(struct mqtt_server *m, uint32_t s, uint32_t user) {
	const struct mqtt_connect *c = &m->connect;
	struct session *se = session_at(m, s);
	struct auth_request r = {
		.user = user,
		.session = s,
		.worker = m->config.worker,
		.generation = se->generation,
		.password_len = (uint8_t)c->password.len,
	};

	memcpy(r.password, c->password.p, c->password.len);
	if (m->env.verify == nullptr || !keep_packet(m, s) || !m->env.verify(m->env.owner, &r)) {
		connect_refuse(m, s, MQTT_REFUSED_AUTH_BUSY);
		return;
	}
	m->stats.asked++;
	se->identity = user;
	se->state = SESSION_AUTH;
	session_due(m, s);
}

static void authenticate(struct mqtt_server *m, uint32_t s, const struct mqtt_peer *peer) {
	const struct mqtt_connect *c = &m->connect;
	struct session *se = session_at(m, s);
	enum auth_result r = AUTH_DENIED;
	uint32_t user = 0;

	if (!m->config.listeners[se->listener].password) {
		se->identity = anonymous_identity(m, peer);
	} else {
		if (c->has_username && c->has_password && m->config.credentials != nullptr)
			r = auth_check(
				m->config.credentials,
				m->remembered,
				c->username,
				c->password,
				&user
			);
		if (r == AUTH_LATER) {
			verify_later(m, s, user);
			active_peer(m, s, peer);
			return;
		}
		if (r == AUTH_DENIED) {
			connect_refuse(m, s, MQTT_REFUSED_CREDENTIALS);
			return;
		}
		se->identity = user;
	}
	if (!take_will(m, s, peer)) {
		connect_refuse(m, s, MQTT_REFUSED_WILL);
		return;
	}
	claim(m, s);
}

void mqtt_auth_done(struct mqtt_server *m, const struct auth_answer *a) {
	uint32_t s = a->session;

	if (s >= m->session_top || session_at(m, s)->generation != a->generation
	    || session_at(m, s)->state != SESSION_AUTH)
		return;
	uint32_t conn = session_at(m, s)->conn;
	// The thread may have looked into the table before.
	bool accepted = a->accepted && auth_user_active(m->config.credentials, a->user)
		&& auth_user_version(m->config.credentials, a->user) == a->version;
	if (!accepted || !restore_packet(m, s)) {
		connect_refuse(m, s, MQTT_REFUSED_CREDENTIALS);
		return;
	}
	auth_remember(
		m->config.credentials, m->remembered, a->user, a->version, m->connect.password
	);
	const struct active *act = active_at(m, s);
	struct mqtt_peer peer = {
		.addr = view_of(act->peer, act->peer_len),
		.port = act->peer_port,
		.realm = act->peer_realm,
	};
	session_at(m, s)->state = SESSION_OPEN;
	if (!take_will(m, s, &peer)) {
		connect_refuse(m, s, MQTT_REFUSED_WILL);
		return;
	}
	claim(m, s);
	if (session_at(m, s)->conn == conn && session_at(m, s)->state == SESSION_LIVE)
		m->env.resume(m->env.owner, conn);
}

void connect_input(
	struct mqtt_server *m,
	uint32_t s,
	const struct mqtt_peer *peer,
	const struct mqtt_frame *f,
	struct view raw
) {
	enum mqtt_refusal why;
	enum mqtt_rc rc = mqtt_connect_decode(f, &m->connect);

	if (rc != MQTT_OK) {
		malformed(m, s, rc);
		return;
	}
	m->connect_raw = raw;
	take_settings(m, s);
	if (!connect_token(m)) {
		connect_refuse(m, s, MQTT_REFUSED_RATE);
		return;
	}
	if (mqtt_props_has(&m->connect.props, MQTT_PROP_AUTH_METHOD)) {
		connect_refuse(m, s, MQTT_REFUSED_AUTH_METHOD); // [MQTT-4.12.0-1]
		return;
	}
	if (!take_client_id(m, s, &why)) {
		connect_refuse(m, s, why);
		return;
	}
	authenticate(m, s, peer);
}
