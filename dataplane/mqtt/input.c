// SPDX-License-Identifier: Apache-2.0
// The byte stream of one connection: packets in one piece are decoded where they lie, others are
// gathered in the pool first.
#include "dataplane/mqtt/state.h"
#include "parsers/mqtt_encode.h"

// Which session it was when a call began: any packet may end it, and its slot may be taken again.
struct who {
	uint32_t conn;
	uint8_t generation;
};

static bool still(struct mqtt_server *m, uint32_t s, struct who who) {
	const struct session *se = session_at(m, s);

	return se->state != SESSION_FREE && se->conn == who.conn
		&& se->generation == who.generation;
}

static void disconnect_input(struct mqtt_server *m, uint32_t s, const struct mqtt_frame *f) {
	struct session *se = session_at(m, s);
	struct mqtt_disconnect d;
	enum mqtt_rc rc = mqtt_disconnect_decode(f, se->version, &d);

	if (rc != MQTT_OK) {
		m->stats.bad[rc]++;
		session_end_reason(m, s, MQTT_END_PACKET, mqtt_rc_reason(rc));
		return;
	}
	if (d.has_expiry) {
		uint32_t most = m->config.session_expiry_max_s;
		if (se->expiry_s == 0 && d.session_expiry_s > 0) {
			session_end(m, s, MQTT_END_EXPIRY); // section 3.14.2.2.2
			return;
		}
		se->expiry_s = d.session_expiry_s < most ? d.session_expiry_s : most;
	}
	if (d.reason == MQTT_SUCCESS)
		will_drop(m, s); // [MQTT-3.14.4-3]
	session_end(m, s, MQTT_END_DISCONNECT);
}

static void pingreq_input(struct mqtt_server *m, uint32_t s, const struct mqtt_frame *f) {
	enum mqtt_rc rc = mqtt_pingreq_decode(f);
	uint8_t out[2];

	if (rc != MQTT_OK) {
		m->stats.bad[rc]++;
		session_end_reason(m, s, MQTT_END_PACKET, mqtt_rc_reason(rc));
		return;
	}
	session_send(m, s, out, mqtt_pingresp_encode(out, sizeof(out)));
}

// PUBREL is the only one that concerns us: we publish nothing.
static void ack_input(struct mqtt_server *m, uint32_t s, const struct mqtt_frame *f) {
	struct mqtt_ack a;
	enum mqtt_rc rc = mqtt_ack_decode(f, session_at(m, s)->version, &a);

	if (rc != MQTT_OK) {
		m->stats.bad[rc]++;
		session_end_reason(m, s, MQTT_END_PACKET, mqtt_rc_reason(rc));
		return;
	}
	if (f->type == MQTT_PUBREL)
		flight_pubrel(m, s, a.packet_id);
}

static void bad_type(struct mqtt_server *m, uint32_t s) {
	m->stats.bad[MQTT_BAD_TYPE]++;
	session_end_reason(m, s, MQTT_END_PACKET, MQTT_PROTOCOL_ERROR);
}

// False if the packet has to wait.
static bool live_input(
	struct mqtt_server *m,
	uint32_t s,
	const struct mqtt_peer *peer,
	const struct mqtt_frame *f
) {
	switch (f->type) {
	case MQTT_PUBLISH:
		return publish_input(m, s, peer, f);
	case MQTT_PUBREL:
	case MQTT_PUBACK:
	case MQTT_PUBREC:
	case MQTT_PUBCOMP:
		ack_input(m, s, f);
		return true;
	case MQTT_SUBSCRIBE:
	case MQTT_UNSUBSCRIBE:
		subscribe_input(m, s, f);
		return true;
	case MQTT_PINGREQ:
		pingreq_input(m, s, f);
		return true;
	case MQTT_DISCONNECT:
		disconnect_input(m, s, f);
		return true;
	case MQTT_CONNECT:
		session_end(m, s, MQTT_END_SECOND_CONNECT); // [MQTT-3.1.0-2]
		return true;
	case MQTT_AUTH:
		session_end(m, s, MQTT_END_AUTH); // [MQTT-4.12.0-7]
		return true;
	default:
		bad_type(m, s);
		return true;
	}
}

static bool packet_input(
	struct mqtt_server *m,
	uint32_t s,
	const struct mqtt_peer *peer,
	const struct mqtt_frame *f,
	struct view raw
) {
	struct session *se = session_at(m, s);

	if (se->state == SESSION_OPEN) {
		m->stats.packets++;
		if (f->type != MQTT_CONNECT)
			session_end(m, s, MQTT_END_NOT_CONNECT); // [MQTT-3.1.0-1]
		else
			connect_input(m, s, peer, f, raw);
		return true;
	}
	struct who who = {se->conn, se->generation};
	rate_fill(m, s);
	se->last_rx_ms = m->now_ms; // a packet that has to wait has come nevertheless
	if (!live_input(m, s, peer, f))
		return false;
	m->stats.packets++;
	struct active *a = still(m, s, who) ? active_at(m, s) : nullptr;
	if (a != nullptr) {
		a->paused_since_ms = 0;
		active_settle(m, s);
	}
	return true;
}

static bool may_read(const struct session *se) {
	return (se->state == SESSION_OPEN || se->state == SESSION_LIVE)
		&& (se->flags & (SESSION_PAUSED | SESSION_DOOMED)) == 0;
}

static void bad_frame(struct mqtt_server *m, uint32_t s, enum mqtt_rc rc) {
	m->stats.bad[rc]++;
	session_end_reason(m, s, MQTT_END_PACKET, mqtt_rc_reason(rc));
}

// Until CONNECT is accepted nobody may make us hold more than a CONNECT needs.
static uint32_t packet_limit(const struct mqtt_server *m, const struct session *se) {
	uint32_t connect = m->config.will_max + 4096u;

	if (se->state == SESSION_OPEN && connect < m->config.packet_max)
		return connect;
	return m->config.packet_max;
}

// Begin to gather. False if there is no room: the bytes stay where they are.
static bool partial_begin(struct mqtt_server *m, uint32_t s, struct view bytes, uint32_t need) {
	struct active *a = active_need(m, s);

	if (a == nullptr)
		return false;
	a->partial = mqtt_chain_store(&m->waiting, &bytes, 1);
	if (a->partial == MQTT_NONE) {
		active_settle(m, s);
		return false;
	}
	a->partial_tail = a->partial;
	a->partial_need = need;
	a->partial_since_ms = m->now_ms;
	for (uint32_t i = 0; i < bytes.len && i < MQTT_HEADER_MAX; i++)
		a->partial_header[i] = bytes.p[i];
	// A string of several chunks ends in another one than it begins.
	a->partial_tail = mqtt_chain_tail(&m->waiting, a->partial);
	session_due(m, s);
	return true;
}

static uint32_t partial_have(struct mqtt_server *m, const struct active *a) {
	return mqtt_chain_len(&m->waiting, a->partial);
}

// Add to what is gathered, at most to the end of the packet. How many bytes were taken; 0 if there
// is no room or the stream is broken (the session has ended then).
static uint32_t partial_add(struct mqtt_server *m, uint32_t s, struct view bytes) {
	struct active *a = active_at(m, s);
	uint32_t have = partial_have(m, a);
	uint32_t n = a->partial_need == 0 ? 1 : a->partial_need - have;

	if (n > bytes.len)
		n = bytes.len;
	if (!mqtt_chain_extend(&m->waiting, a->partial, &a->partial_tail, view_of(bytes.p, n)))
		return 0;
	if (a->partial_need == 0) {
		struct mqtt_frame f;
		a->partial_header[have] = bytes.p[0];
		enum mqtt_rc rc = mqtt_frame(
			view_of(a->partial_header, have + 1), packet_limit(m, session_at(m, s)), &f
		);
		if (rc != MQTT_OK && rc != MQTT_MORE) {
			bad_frame(m, s, rc);
			return 0;
		}
		a->partial_need = f.len;
	}
	return n;
}

static bool partial_whole(struct mqtt_server *m, uint32_t s) {
	const struct active *a = active_at(m, s);

	return a != nullptr && a->partial != MQTT_NONE && a->partial_need != 0
		&& partial_have(m, a) == a->partial_need;
}

// The gathered packet is whole. False if it has to wait.
static bool partial_input(struct mqtt_server *m, uint32_t s, const struct mqtt_peer *peer) {
	struct session *se = session_at(m, s);
	struct who who = {se->conn, se->generation};
	uint32_t len = active_at(m, s)->partial_need;
	struct mqtt_frame f;

	if (!arena_reserve(m, len + m->packet_arena) || !still(m, s, who))
		return true;
	uint8_t *p = arena_take(m, len);
	mqtt_chain_load(&m->waiting, active_at(m, s)->partial, p);
	if (mqtt_frame(view_of(p, len), len, &f) != MQTT_OK)
		return true; // cannot be: its header was judged when it came
	if (!packet_input(m, s, peer, &f, view_of(p, len)))
		return false;
	if (still(m, s, who)) {
		struct active *a = active_at(m, s);
		if (a != nullptr) {
			mqtt_chain_drop(&m->waiting, a->partial);
			a->partial = MQTT_NONE;
			active_settle(m, s);
		}
	}
	return true;
}

// One packet, or the beginning of one, at the front of `bytes`. How many were taken; 0: wait.
static uint32_t
frame_input(struct mqtt_server *m, uint32_t s, const struct mqtt_peer *peer, struct view bytes) {
	struct session *se = session_at(m, s);
	struct who who = {se->conn, se->generation};
	struct mqtt_frame f;
	enum mqtt_rc rc = mqtt_frame(bytes, packet_limit(m, se), &f);

	if (rc == MQTT_OK) {
		if (!arena_reserve(m, m->packet_arena) || !still(m, s, who))
			return bytes.len;
		return packet_input(m, s, peer, &f, view_of(bytes.p, f.len)) ? f.len : 0;
	}
	if (rc != MQTT_MORE) {
		bad_frame(m, s, rc);
		return bytes.len;
	}
	if (se->state == SESSION_OPEN && bytes.p[0] >> 4 != MQTT_CONNECT) {
		session_end(m, s, MQTT_END_NOT_CONNECT);
		return bytes.len;
	}
	if (partial_begin(m, s, bytes, f.len))
		return bytes.len;
	session_pause(m, s);
	return 0;
}

uint32_t
mqtt_input(struct mqtt_server *m, uint32_t s, const struct mqtt_peer *peer, struct view bytes) {
	struct session *se = session_at(m, s);
	struct who who = {se->conn, se->generation};
	uint32_t taken = 0;

	while (still(m, s, who) && may_read(se)) {
		struct active *a = active_at(m, s);
		if (partial_whole(m, s)) {
			if (!partial_input(m, s, peer))
				break;
			continue;
		}
		if (taken == bytes.len)
			break;
		struct view rest = view_of(bytes.p + taken, bytes.len - taken);
		uint32_t n = a != nullptr && a->partial != MQTT_NONE
			? partial_add(m, s, rest)
			: frame_input(m, s, peer, rest);
		taken += n;
		if (n == 0 && still(m, s, who)) {
			session_pause(m, s);
			break;
		}
	}
	return taken;
}
