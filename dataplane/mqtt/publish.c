// SPDX-License-Identifier: Apache-2.0
// PUBLISH: judged, matched with what is known of its packet id, submitted or made to wait.
#include "dataplane/mqtt/state.h"
#include "parsers/mqtt_topic.h"
#include "parsers/siphash.h"

#include <string.h>

#define RATE_UNIT 16
#define RATE_BURST_MAX 4000

// Fill the session's bucket for the time since its last packet; a second fills it.
void rate_fill(struct mqtt_server *m, uint32_t s) {
	struct session *se = session_at(m, s);
	uint32_t rate = m->config.publish_rate;
	uint32_t cap = (rate < RATE_BURST_MAX ? rate : RATE_BURST_MAX) * RATE_UNIT;
	uint64_t filled =
		se->rate + (uint64_t)(m->now_ms - se->last_rx_ms) * rate * RATE_UNIT / 1000;

	se->rate = (uint16_t)(filled < cap ? filled : cap);
}

static bool rate_take(struct mqtt_server *m, struct session *se) {
	if (m->config.publish_rate == 0)
		return true;
	if (se->rate < RATE_UNIT)
		return false;
	se->rate -= RATE_UNIT;
	return true;
}

static bool
end_with(struct mqtt_server *m, uint32_t s, enum mqtt_end why, enum refuse_reason ledger) {
	if (m->env.ledger != nullptr) {
		m->env.ledger->received++;
		m->env.ledger->refused[ledger]++;
	}
	session_end(m, s, why);
	return true;
}

// The topic as the message will have it. False if the connection had to be ended.
static bool topic_resolve(struct mqtt_server *m, uint32_t s, struct mqtt_publish *p, bool *ended) {
	uint32_t alias = mqtt_props_number(&p->props, MQTT_PROP_ALIAS, 0);

	*ended = false;
	if (p->topic.len > m->config.topic_max)
		*ended = end_with(m, s, MQTT_END_TOPIC, REFUSE_PATH);
	else if (alias > m->config.alias_max)
		*ended = end_with(m, s, MQTT_END_ALIAS, REFUSE_PROTOCOL);
	else if (p->topic.len == 0 && !alias_resolve(m, s, (uint16_t)alias, &p->topic))
		*ended = end_with(m, s, MQTT_END_ALIAS, REFUSE_PROTOCOL);
	else if (p->props.user_count > m->config.user_properties_max)
		*ended = end_with(m, s, MQTT_END_USER_PROPERTIES, REFUSE_PROTOCOL);
	return !*ended;
}

// Tells a copy from another message under the same packet id of the same session: whoever makes
// both alike deceives himself only, so it needs no key.
static uint64_t print_add(uint64_t print, struct view v) {
	const uint64_t odd = 0x9e3779b97f4a7c15;
	uint64_t word;

	print = (print ^ v.len) * odd;
	for (; v.len >= 8; v.p += 8, v.len -= 8) {
		memcpy(&word, v.p, 8);
		print = (print ^ word) * odd;
		print ^= print >> 32;
	}
	print = (print ^ bytes_word(v.p, v.len)) * odd;
	return print ^ print >> 32;
}

struct names {
	uint64_t epoch;
	uint64_t seq;
	uint32_t print;
};

// With a session that outlives its connection, QoS 2 has to recognise a copy that comes after a
// crash of ours, when all counters are lost: such a message is named by what it says and its packet
// id. All others are named by session and count, which also orders them.
static struct names names_of(struct mqtt_server *m, uint32_t s, const struct mqtt_publish *p) {
	struct session *se = session_at(m, s);
	struct names n = {.epoch = se->epoch};
	uint64_t both[2];

	if (p->qos == 0) {
		n.seq = se->seq++;
		return n;
	}
	n.print = (uint32_t)print_add(print_add(0, p->topic), p->payload);
	if (p->qos == 2 && se->expiry_s > 0) {
		both[0] = siphash13(m->config.identity_key, p->topic.p, p->topic.len);
		both[1] = siphash13(m->config.identity_key, p->payload.p, p->payload.len);
		uint64_t content = siphash13(m->config.identity_key, both, sizeof(both));
		struct view id = session_client_id(m, s);
		uint64_t who = siphash13(m->config.identity_key, id.p, id.len);
		n.epoch = who | 1ull << 63;
		n.seq = (uint64_t)p->packet_id << 48 | content >> 16;
	} else {
		n.seq = se->seq;
	}
	return n;
}

// Messages and QoS 2 ids a session may have: MQTT 5 is told inflight_max of both together. A 3.1.1
// client knows no such number and may be ahead of us: what waits for an answer is limited by not
// reading on, ids that only a PUBREL settles by their number.
static bool window_full(struct mqtt_server *m, const struct session *se, const struct active *a) {
	if (a == nullptr)
		return false;
	uint32_t both = (uint32_t)a->in_flight + a->received;
	if (se->version == MQTT_V5)
		return both >= m->config.inflight_max;
	return a->in_flight >= m->config.inflight_max || both >= MQTT_MAIL_IDS;
}

// An answer of ours will make room. False: only the client can, with a PUBREL that lies behind what
// we cannot take.
static bool window_opens(const struct session *se, const struct active *a) {
	return se->version != MQTT_V5 && a->in_flight > 0;
}

// May this session keep `bytes` more in the pool? Each may take a part of what is left, so that a
// few cannot starve the rest.
static bool share_left(struct mqtt_server *m, const struct active *a, uint64_t bytes) {
	uint64_t free_bytes = mqtt_chain_free(&m->waiting);

	if (a == nullptr || a->parked_bytes == 0)
		return bytes <= free_bytes / 2;
	return a->parked_bytes + bytes <= free_bytes / 8;
}

static bool pipeline_open(struct mqtt_server *m) {
	return m->parked_head == MQTT_NONE
		&& m->env.pressure(m->env.owner) < m->config.pressure_high;
}

bool publish_room(struct mqtt_server *m, uint32_t s) {
	const struct active *a = active_at(m, s);

	if (window_full(m, session_at(m, s), a) && window_opens(session_at(m, s), a))
		return false;
	if (m->flights.free == 0)
		return false;
	return pipeline_open(m) || share_left(m, a, 4096);
}

static void
submit(struct mqtt_server *m,
       uint32_t s,
       const struct mqtt_peer *peer,
       const struct mqtt_publish *p,
       const struct names *n,
       uint32_t token) {
	struct message_parts parts = {
		.listener = session_at(m, s)->listener,
		.device = session_device(m, s),
		.topic = p->topic,
		.payload = p->payload,
		.props = &p->props,
		.retain = p->retain,
		.dup = p->dup,
		.packet_id = p->packet_id,
		.peer = peer->addr,
		.peer_port = peer->port,
		.realm = peer->realm,
		.epoch = n->epoch,
		.seq = n->seq,
		.connection = s,
		.token = token,
	};

	message_submit(m, &parts);
}

static void
park(struct mqtt_server *m,
     uint32_t s,
     const struct mqtt_peer *peer,
     const struct mqtt_publish *p,
     const struct names *n) {
	// room_for() has been asked for all three: block, flight and bytes.
	uint32_t f = flight_add(m, s, p->packet_id, p->qos, n->print);

	struct kept_as as = {
		.retain = p->retain,
		.dup = p->dup,
		.packet_id = p->packet_id,
		.epoch = n->epoch,
		.seq = n->seq,
	};
	active_peer(m, s, peer);
	uint32_t kept =
		kept_store(m, &m->waiting, s, p->topic, &p->props, MQTT_PUBLISH, p->payload, &as);
	flight_park(m, s, f, kept);
}

static void
refuse_payload(struct mqtt_server *m, uint32_t s, const struct mqtt_publish *p, uint32_t print) {
	if (m->env.ledger != nullptr) {
		m->env.ledger->received++;
		m->env.ledger->refused[REFUSE_MALFORMED]++;
	}
	if (p->qos == 0)
		return;
	uint32_t f = flight_add(m, s, p->packet_id, p->qos, print);
	if (f == MQTT_NONE)
		return;
	flight_at(m, f)->state = FLIGHT_REFUSED;
	flight_at(m, f)->reason = MQTT_PAYLOAD_FORMAT_INVALID;
	flight_answer(m, s);
}

static void duplicate_count(struct mqtt_server *m) {
	m->stats.duplicates++;
	if (m->env.ledger != nullptr) {
		m->env.ledger->received++;
		m->env.ledger->duplicate++;
	}
}

static bool payload_lies(const struct mqtt_publish *p) {
	return mqtt_props_number(&p->props, MQTT_PROP_PAYLOAD_FORMAT, 0) == 1
		&& !mqtt_utf8_valid(p->payload);
}

// What the packet needs is there; nothing has been changed before this.
static void
accept(struct mqtt_server *m,
       uint32_t s,
       const struct mqtt_peer *peer,
       const struct mqtt_publish *p,
       bool open) {
	struct names n = names_of(m, s, p);

	m->stats.publishes[p->qos]++;
	if (p->qos > 0 && flight_attach(m, s, p->packet_id, p->qos, n.print, p->dup)) {
		duplicate_count(m);
		return;
	}
	if (p->qos > 0)
		session_at(m, s)->seq++;
	if (payload_lies(p)) {
		refuse_payload(m, s, p, n.print);
		return;
	}
	if (!open) {
		park(m, s, peer, p, &n);
		return;
	}
	uint32_t token = TOKEN_NONE;
	if (p->qos > 0)
		token = flight_add(m, s, p->packet_id, p->qos, n.print);
	submit(m, s, peer, p, &n, token);
}

static bool room_for(struct mqtt_server *m, uint32_t s, const struct mqtt_publish *p, bool open) {
	const struct active *a = active_at(m, s);

	if (a == nullptr && m->active.free == 0)
		return false;
	if (m->flights.free == 0)
		return false;
	if (open)
		return true;
	uint32_t len = p->topic.len + p->payload.len + p->props.block.len + 512;
	return share_left(m, a, mqtt_chain_cost(&m->waiting, len));
}

bool publish_input(
	struct mqtt_server *m,
	uint32_t s,
	const struct mqtt_peer *peer,
	const struct mqtt_frame *f
) {
	struct session *se = session_at(m, s);
	struct mqtt_publish *p = &m->publish;
	enum mqtt_rc rc = mqtt_publish_decode(f, se->version, p);
	bool ended;

	if (rc != MQTT_OK) {
		m->stats.bad[rc]++;
		session_end_reason(m, s, MQTT_END_PACKET, mqtt_rc_reason(rc));
		return true;
	}
	if (p->props.seen == 0)
		p->props.block = (struct view) {0};
	bool open = pipeline_open(m); // else it is parked
	if (!room_for(m, s, p, open))
		return session_pause(m, s);
	const struct active *a = active_at(m, s);
	if (p->qos > 0 && window_full(m, se, a) && !flight_known(m, s, p->packet_id, p->qos)) {
		if (window_opens(se, a))
			return session_pause(m, s);
		return end_with(m, s, MQTT_END_RECEIVE_MAXIMUM, REFUSE_PROTOCOL);
	}
	if (!rate_take(m, se))
		return end_with(m, s, MQTT_END_RATE, REFUSE_PROTOCOL);
	bool named = p->topic.len > 0;
	if (!topic_resolve(m, s, p, &ended))
		return true;
	if (named && mqtt_props_has(&p->props, MQTT_PROP_ALIAS)
	    && !alias_set(m, s, (uint16_t)p->props.number[MQTT_PROP_ALIAS], p->topic))
		return end_with(m, s, MQTT_END_NO_MEMORY, REFUSE_PROTOCOL);
	accept(m, s, peer, p, open);
	return true;
}
