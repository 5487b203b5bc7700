// SPDX-License-Identifier: Apache-2.0
// Messages between PUBLISH and their answer.
//
//   PUBLISH -> SENT | PARKED -> DONE | REFUSED -> PUBACK, PUBREC (in the order of the PUBLISHes)
//                                QoS 2: RECEIVED, in memory until PUBREL -> PUBCOMP
//
// When a connection goes, what is unanswered moves to the session's memory: a copy that the client
// sends after it has come back is attached to it instead of becoming a second record.
#include "dataplane/mqtt/state.h"
#include "parsers/mqtt_encode.h"

#define ANSWERS_MAX 256

uint8_t flight_reason(enum refuse_reason r) {
	switch (r) {
	case REFUSE_MALFORMED:
	case REFUSE_FORMAT:
		return MQTT_PAYLOAD_FORMAT_INVALID;
	case REFUSE_TOO_LARGE:
		return MQTT_QUOTA_EXCEEDED;
	case REFUSE_NO_DEVICE:
	case REFUSE_DEVICE_UNKNOWN:
	case REFUSE_DEVICE_STATE:
	case REFUSE_BLOCKED:
	case REFUSE_CLAIM:
	case REFUSE_UNTRUSTED:
		return MQTT_NOT_AUTHORIZED;
	case REFUSE_PATH:
		return MQTT_TOPIC_INVALID;
	case REFUSE_VALIDATION:
	case REFUSE_SIGNATURE:
		return MQTT_IMPLEMENTATION;
	default:
		return MQTT_UNSPECIFIED;
	}
}

static void append(struct mqtt_server *m, struct active *a, uint32_t f) {
	flight_at(m, f)->next = MQTT_NONE;
	if (a->head == MQTT_NONE)
		a->head = f;
	else
		flight_at(m, a->tail)->next = f;
	a->tail = f;
	a->in_flight += flight_at(m, f)->qos > 0;
}

static void remember(struct mqtt_server *m, struct active *a, uint32_t f) {
	struct flight *fl = flight_at(m, f);

	fl->next = a->memory;
	a->memory = f;
	a->remembered++;
	a->received += fl->state == FLIGHT_RECEIVED;
}

static void memory_unlink(struct mqtt_server *m, struct active *a, uint32_t f) {
	uint32_t *at = &a->memory;

	while (*at != f)
		at = &flight_at(m, *at)->next;
	*at = flight_at(m, f)->next;
	a->remembered--;
	a->received -= flight_at(m, f)->state == FLIGHT_RECEIVED;
}

void flight_free(struct mqtt_server *m, uint32_t f) {
	flight_at(m, f)->state = FLIGHT_FREE;
	mqtt_pool_give(&m->flights, f);
}

static uint32_t parked_cost(struct mqtt_server *m, uint32_t kept) {
	return (uint32_t)mqtt_chain_cost(&m->waiting, mqtt_chain_len(&m->waiting, kept));
}

// Nobody waits for it any more; the pipeline may.
static void abandon(struct mqtt_server *m, uint32_t f) {
	struct flight *fl = flight_at(m, f);

	if (fl->state == FLIGHT_PARKED)
		active_at(m, fl->session)->parked_bytes -= parked_cost(m, fl->kept);
	if (fl->state == FLIGHT_SENT || fl->state == FLIGHT_PARKED)
		fl->session = MQTT_NONE;
	else
		flight_free(m, f);
}

uint32_t flight_add(struct mqtt_server *m, uint32_t s, uint16_t id, uint8_t qos, uint32_t print) {
	struct active *a = active_need(m, s);
	uint32_t f = a != nullptr ? mqtt_pool_take(&m->flights) : MQTT_NONE;

	if (f == MQTT_NONE)
		return MQTT_NONE;
	*flight_at(m, f) = (struct flight) {
		.session = s,
		.kept = MQTT_NONE,
		.parked_next = MQTT_NONE,
		.print = print,
		.packet_id = id,
		.qos = qos,
		.state = FLIGHT_SENT,
	};
	append(m, a, f);
	return f;
}

static uint32_t find(struct mqtt_server *m, uint32_t list, uint16_t id, uint8_t qos) {
	for (uint32_t f = list; f != MQTT_NONE; f = flight_at(m, f)->next)
		if (flight_at(m, f)->packet_id == id && flight_at(m, f)->qos == qos)
			return f;
	return MQTT_NONE;
}

static void pubrec_again(struct mqtt_server *m, uint32_t s, uint16_t id) {
	const struct session *se = session_at(m, s);
	uint8_t out[MQTT_ACK_LEN_MAX];
	uint32_t n = mqtt_ack_encode(
		out,
		sizeof(out),
		se->version,
		session_packet_max(se),
		MQTT_PUBREC,
		id,
		MQTT_SUCCESS,
		(struct view) {0}
	);

	session_send(m, s, out, n);
}

bool flight_attach(
	struct mqtt_server *m,
	uint32_t s,
	uint16_t id,
	uint8_t qos,
	uint32_t print,
	bool dup
) {
	struct active *a = active_at(m, s);

	if (a == nullptr)
		return false;
	uint32_t f = find(m, a->head, id, qos);
	if (f != MQTT_NONE && (dup || qos == 2) && flight_at(m, f)->print == print)
		return true; // its answer will do for both

	f = find(m, a->memory, id, qos);
	if (f == MQTT_NONE)
		return false;
	if (flight_at(m, f)->state == FLIGHT_RECEIVED) {
		pubrec_again(m, s, id); // [MQTT-4.3.3-10]
		return true;
	}
	memory_unlink(m, a, f);
	if (!dup || flight_at(m, f)->print != print) {
		abandon(m, f); // the client has forgotten it and uses the id again
		return false;
	}
	append(m, a, f);
	flight_answer(m, s);
	return true;
}

// The answer to the oldest message, if it can be given; its length in out.
static uint32_t answer_one(struct mqtt_server *m, uint32_t s, uint8_t *out, uint32_t cap) {
	const struct session *se = session_at(m, s);
	struct active *a = active_at(m, s);
	uint32_t f = a->head;
	struct flight *fl = flight_at(m, f);
	bool refused = fl->state == FLIGHT_REFUSED;
	uint8_t reason = refused && se->version == MQTT_V5 ? fl->reason : MQTT_SUCCESS;
	uint32_t n = 0;

	if (fl->qos > 0)
		n = mqtt_ack_encode(
			out,
			cap,
			se->version,
			session_packet_max(se),
			fl->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC,
			fl->packet_id,
			reason,
			(struct view) {0}
		);
	m->stats.acked += fl->qos > 0 && !refused;
	m->stats.refused_acked += fl->qos > 0 && refused && reason == MQTT_SUCCESS;

	a->head = fl->next;
	a->in_flight -= fl->qos > 0;
	if (fl->qos == 2 && reason < MQTT_UNSPECIFIED) {
		fl->state = FLIGHT_RECEIVED;
		remember(m, a, f);
	} else {
		flight_free(m, f);
	}
	return n;
}

void flight_answer(struct mqtt_server *m, uint32_t s) {
	uint8_t out[ANSWERS_MAX];
	uint32_t n = 0;
	struct active *a = active_at(m, s);

	if (a == nullptr || session_at(m, s)->state != SESSION_LIVE)
		return;
	while (a->head != MQTT_NONE) {
		enum flight_state st = flight_at(m, a->head)->state;
		if (st != FLIGHT_DONE && st != FLIGHT_REFUSED)
			break;
		if (ANSWERS_MAX - n < MQTT_ACK_LEN_MAX) {
			session_send(m, s, out, n);
			n = 0;
		}
		n += answer_one(m, s, out + n, ANSWERS_MAX - n);
	}
	if (n > 0)
		session_send(m, s, out, n);
	active_settle(m, s);
}

void flight_pubrel(struct mqtt_server *m, uint32_t s, uint16_t packet_id) {
	const struct session *se = session_at(m, s);
	struct active *a = active_at(m, s);
	uint32_t f = a != nullptr ? find(m, a->memory, packet_id, 2) : MQTT_NONE;
	bool known = f != MQTT_NONE && flight_at(m, f)->state == FLIGHT_RECEIVED;
	uint8_t out[MQTT_ACK_LEN_MAX];
	uint32_t n = mqtt_ack_encode(
		out,
		sizeof(out),
		se->version,
		session_packet_max(se),
		MQTT_PUBCOMP,
		packet_id,
		known ? MQTT_SUCCESS : MQTT_PACKET_ID_NOT_FOUND,
		(struct view) {0}
	);

	session_send(m, s, out, n); // [MQTT-4.3.3-11]: also for an id we do not know
	if (known) {
		memory_unlink(m, a, f);
		flight_free(m, f);
		active_settle(m, s);
	}
}

void flight_remember(struct mqtt_server *m, uint32_t s) {
	struct active *a = active_at(m, s);

	if (a == nullptr)
		return;
	while (a->head != MQTT_NONE) {
		uint32_t f = a->head;
		a->head = flight_at(m, f)->next;
		if (flight_at(m, f)->qos == 0)
			abandon(m, f);
		else
			remember(m, a, f);
	}
	a->in_flight = 0;
}

void flight_forget(struct mqtt_server *m, uint32_t s) {
	struct active *a = active_at(m, s);

	if (a == nullptr)
		return;
	flight_remember(m, s);
	while (a->memory != MQTT_NONE) {
		uint32_t f = a->memory;
		memory_unlink(m, a, f);
		abandon(m, f);
	}
}

void flight_recall(
	struct mqtt_server *m,
	uint32_t s,
	uint16_t id,
	uint8_t qos,
	uint32_t print,
	uint8_t state
) {
	struct active *a = active_need(m, s);
	uint32_t f = a != nullptr ? mqtt_pool_take(&m->flights) : MQTT_NONE;

	if (f == MQTT_NONE)
		return; // the client sends it again, as a new message
	*flight_at(m, f) = (struct flight) {
		.session = s,
		.kept = MQTT_NONE,
		.parked_next = MQTT_NONE,
		.print = print,
		.packet_id = id,
		.qos = qos,
		.state = state,
	};
	remember(m, a, f);
}

void flight_park(struct mqtt_server *m, uint32_t s, uint32_t f, uint32_t kept) {
	struct flight *fl = flight_at(m, f);

	fl->state = FLIGHT_PARKED;
	fl->kept = kept;
	fl->parked_next = MQTT_NONE;
	if (m->parked_head == MQTT_NONE)
		m->parked_head = f;
	else
		flight_at(m, m->parked_tail)->parked_next = f;
	m->parked_tail = f;
	active_at(m, s)->parked_bytes += parked_cost(m, kept);
	m->stats.parked++;
}

#define PARKED_BUDGET 64

bool flight_poll(struct mqtt_server *m) {
	for (unsigned i = 0; i < PARKED_BUDGET && m->parked_head != MQTT_NONE; i++) {
		uint32_t f = m->parked_head;
		struct flight *fl = flight_at(m, f);
		if (m->env.pressure(m->env.owner) >= m->config.pressure_low)
			break;
		m->parked_head = fl->parked_next;
		uint32_t kept = fl->kept;
		if (fl->session != MQTT_NONE)
			active_at(m, fl->session)->parked_bytes -= parked_cost(m, kept);
		fl->kept = MQTT_NONE;
		fl->state = FLIGHT_SENT;
		kept_submit(m, &m->waiting, kept, 0, 0, f);
		mqtt_chain_drop(&m->waiting, kept);
	}
	return m->parked_head != MQTT_NONE;
}

bool flight_known(struct mqtt_server *m, uint32_t s, uint16_t id, uint8_t qos) {
	const struct active *a = active_at(m, s);

	return a != nullptr
		&& (find(m, a->head, id, qos) != MQTT_NONE
		    || find(m, a->memory, id, qos) != MQTT_NONE);
}

static void list_unlink(struct mqtt_server *m, struct active *a, uint32_t f) {
	uint32_t before_it = MQTT_NONE;

	for (uint32_t at = a->head; at != MQTT_NONE; at = flight_at(m, at)->next) {
		if (at != f) {
			before_it = at;
			continue;
		}
		if (before_it == MQTT_NONE)
			a->head = flight_at(m, f)->next;
		else
			flight_at(m, before_it)->next = flight_at(m, f)->next;
		if (a->tail == f)
			a->tail = before_it;
		a->in_flight -= flight_at(m, f)->qos > 0;
		return;
	}
	memory_unlink(m, a, f);
}

void flight_shed(struct mqtt_server *m, uint32_t s, uint32_t f) {
	bool asked = flight_at(m, f)->qos > 0;

	list_unlink(m, active_at(m, s), f);
	flight_free(m, f);
	if (!asked) {
		flight_answer(m, s);
		return;
	}
	if (session_at(m, s)->state == SESSION_LIVE) {
		session_at(m, s)->flags |= SESSION_DOOMED;
		m->due_ms[s] = m->now_ms;
		if (m->doomed_count < DOOMED_MAX)
			m->doomed[m->doomed_count++] = s;
	}
}

void flight_remote(struct mqtt_server *m, uint32_t s, const struct mqtt_mail *mail) {
	const struct active *a = active_at(m, s);
	uint32_t lists[2] = {
		a != nullptr ? a->head : MQTT_NONE, a != nullptr ? a->memory : MQTT_NONE
	};

	for (unsigned i = 0; i < 2; i++) {
		for (uint32_t f = lists[i]; f != MQTT_NONE; f = flight_at(m, f)->next) {
			struct flight *fl = flight_at(m, f);
			if (fl->state != FLIGHT_REMOTE || fl->packet_id != mail->packet_id)
				continue;
			if (mail->outcome == OUTCOME_SHED) {
				flight_shed(m, s, f);
				return;
			}
			bool refused = mail->outcome == OUTCOME_REFUSED;
			fl->state = refused ? FLIGHT_REFUSED : FLIGHT_DONE;
			fl->reason = refused ? flight_reason(mail->refuse) : 0;
			flight_answer(m, s);
			return;
		}
	}
}

// The pipeline's answer. Runs inside its callbacks: nothing may be submitted from here.
void mqtt_verdict(struct mqtt_server *m, uint32_t token, const struct verdict *v) {
	struct flight *fl;
	uint32_t s;

	if (token >= m->flights.count)
		return;
	fl = flight_at(m, token);
	if (fl->state != FLIGHT_SENT)
		return;
	s = fl->session;
	if (s == MQTT_NONE) {
		if (fl->forward)
			takeover_verdict(m, fl, v);
		flight_free(m, token);
		return;
	}
	switch (v->outcome) {
	case OUTCOME_ACKED:
		fl->state = FLIGHT_DONE;
		break;
	case OUTCOME_REFUSED:
		fl->state = FLIGHT_REFUSED;
		fl->reason = flight_reason(v->refuse);
		if (v->disconnect)
			mqtt_cut(m, s, session_at(m, s)->epoch);
		break;
	case OUTCOME_SHED:
		flight_shed(m, s, token);
		return;
	}
	flight_answer(m, s);
}
