// SPDX-License-Identifier: Apache-2.0
// One session, one holder, on whatever worker its connections arrive.
//
//   claimant                shard of the key              previous holder
//      CLAIM ─────────────────►
//      ◄───────── CLAIMED (new, refused, full)
//                              TAKEOVER ────────────────────►
//      ◄───────────────────────────────────────────────── STATE
//
// Letters to this worker itself are plain calls. A letter that is lost costs the claimant its
// waiting time, and then the old state: nothing hangs for ever.
#include "dataplane/mqtt/state.h"

static void deliver(struct mqtt_server *m, uint16_t worker, const struct mqtt_mail *mail) {
	if (worker == m->config.worker) {
		mqtt_mail(m, mail);
		return;
	}
	if (m->outbox_count == 0 && m->env.mail(m->env.owner, worker, mail))
		return;
	if (m->outbox_count == OUTBOX) {
		m->stats.letters_lost++;
		return;
	}
	m->outbox[m->outbox_count] = *mail;
	m->outbox_to[m->outbox_count++] = worker;
}

void outbox_flush(struct mqtt_server *m) {
	uint32_t sent = 0;

	while (sent < m->outbox_count
	       && m->env.mail(m->env.owner, m->outbox_to[sent], &m->outbox[sent]))
		sent++;
	if (sent == 0)
		return;
	m->outbox_count -= sent;
	memmove(m->outbox, m->outbox + sent, m->outbox_count * sizeof(m->outbox[0]));
	memmove(m->outbox_to, m->outbox_to + sent, m->outbox_count * sizeof(m->outbox_to[0]));
}

static uint16_t shard_of(const struct mqtt_server *m, uint64_t key) {
	return (uint16_t)((key >> 1) % m->config.workers);
}

void takeover_release(struct mqtt_server *m, uint32_t s) {
	struct mqtt_mail mail = {
		.letter = MQTT_LETTER_RELEASE,
		.key = session_key(m, s),
		.from = session_holder(m, s),
	};

	session_at(m, s)->flags &= (uint8_t)~SESSION_HELD;
	deliver(m, shard_of(m, mail.key), &mail);
}

// End the connection that holds `prev` because another one takes its place.
static void replace(struct mqtt_server *m, uint32_t prev, bool clean_start) {
	struct session *old = session_at(m, prev);
	const struct active *a = active_at(m, prev);

	old->flags &= (uint8_t)~SESSION_HELD; // the shard has another holder already
	if (old->state == SESSION_LIVE) {
		session_end(m, prev, MQTT_END_TAKEN_OVER);
		old = session_at(m, prev);
		a = active_at(m, prev);
	}
	// A delayed will is for a session that ends; one that is resumed keeps silent
	// [MQTT-3.1.2-8, 3.1.3-9].
	if (old->state == SESSION_STORED && a != nullptr && a->will != MQTT_NONE) {
		if (clean_start)
			will_publish(m, prev);
		else
			will_drop(m, prev);
	}
}

// The previous holder is here as well: its memory changes hands without a letter.
static void adopt_here(struct mqtt_server *m, uint32_t s, uint32_t prev) {
	struct session *se = session_at(m, s);
	struct active *from = active_at(m, prev);
	struct active *to;

	se->epoch = session_at(m, prev)->epoch;
	se->seq = session_at(m, prev)->seq;
	se->flags |= SESSION_RESUMED;
	if (from == nullptr || from->memory == MQTT_NONE)
		return;
	to = active_need(m, s);
	if (to == nullptr)
		return;
	to->memory = from->memory;
	to->remembered = from->remembered;
	to->received = from->received;
	to->parked_bytes = from->parked_bytes;
	for (uint32_t f = to->memory; f != MQTT_NONE; f = flight_at(m, f)->next)
		flight_at(m, f)->session = s;
	from->memory = MQTT_NONE;
	from->remembered = from->received = 0;
}

static void give_here(struct mqtt_server *m, uint32_t s, uint32_t prev) {
	bool clean = (session_at(m, s)->flags & SESSION_CLEAN_START) != 0;

	replace(m, prev, clean);
	if (session_at(m, prev)->state != SESSION_STORED)
		return; // it lasted no longer than its connection
	if (!clean)
		adopt_here(m, s, prev);
	session_drop(m, prev);
}

static bool is_holder(struct mqtt_server *m, struct mqtt_holder h) {
	return h.slot < m->session_top && session_at(m, h.slot)->generation == h.generation
		&& session_at(m, h.slot)->state != SESSION_FREE;
}

static bool waiting_for_claim(struct mqtt_server *m, struct mqtt_holder h) {
	return is_holder(m, h) && session_at(m, h.slot)->state == SESSION_CLAIM;
}

// What is left of a session, for a letter. Its messages in the pipeline will be answered here and
// reported there.
static void
state_fill(struct mqtt_server *m, uint32_t prev, struct mqtt_holder to, struct mqtt_mail *mail) {
	const struct session *old = session_at(m, prev);
	const struct active *a = active_at(m, prev);

	mail->present = true;
	mail->epoch = old->epoch;
	mail->seq = old->seq;
	if (a == nullptr)
		return;
	for (uint32_t f = a->memory; f != MQTT_NONE && mail->id_count < MQTT_MAIL_IDS;
	     f = flight_at(m, f)->next) {
		struct flight *fl = flight_at(m, f);
		bool open = fl->state == FLIGHT_SENT || fl->state == FLIGHT_PARKED;
		unsigned i = mail->id_count++;
		mail->ids[i].packet_id = fl->packet_id;
		mail->ids[i].qos = fl->qos;
		mail->ids[i].print = fl->print;
		mail->ids[i].state = open ? FLIGHT_REMOTE : fl->state;
		fl->forward = open;
		fl->to = to;
	}
}

// A claimant that is itself still waiting loses its connection; what comes for it goes on.
static bool forward_to(struct mqtt_server *m, uint32_t s, struct mqtt_holder to) {
	if (active_need(m, s) == nullptr)
		return false;
	connect_reject(m, s, MQTT_REFUSED_TIMEOUT);
	session_at(m, s)->state = SESSION_FORWARD;
	session_at(m, s)->flags &= (uint8_t)~SESSION_HELD;
	active_at(m, s)->forward = to;
	session_due(m, s);
	return true;
}

static void state_give(struct mqtt_server *m, const struct mqtt_mail *ask) {
	struct mqtt_mail mail = {.letter = MQTT_LETTER_STATE, .key = ask->key, .to = ask->from};
	uint32_t prev = ask->to.slot;

	if (waiting_for_claim(m, ask->to)) {
		if (forward_to(m, prev, ask->from))
			return;
	} else if (is_holder(m, ask->to)) {
		replace(m, prev, ask->clean_start);
		if (is_holder(m, ask->to)) {
			if (!ask->clean_start)
				state_fill(m, prev, ask->from, &mail);
			session_drop(m, prev);
		}
	}
	deliver(m, ask->from.worker, &mail);
}

static void state_take(struct mqtt_server *m, const struct mqtt_mail *mail) {
	uint32_t s = mail->to.slot;

	if (is_holder(m, mail->to) && session_at(m, s)->state == SESSION_FORWARD) {
		struct mqtt_mail on = *mail;
		on.to = active_at(m, s)->forward;
		session_drop(m, s);
		deliver(m, on.to.worker, &on);
		return;
	}
	if (!waiting_for_claim(m, mail->to))
		return;
	if (mail->present && (session_at(m, s)->flags & SESSION_CLEAN_START) == 0) {
		session_at(m, s)->epoch = mail->epoch;
		session_at(m, s)->seq = mail->seq;
		session_at(m, s)->flags |= SESSION_RESUMED;
		for (unsigned i = 0; i < mail->id_count && i < MQTT_MAIL_IDS; i++)
			flight_recall(
				m,
				s,
				mail->ids[i].packet_id,
				mail->ids[i].qos,
				mail->ids[i].print,
				mail->ids[i].state
			);
	}
	connect_claimed(m, s);
}

// The shard decides. Returns what the claimant learns at once; MQTT_CLAIM_TAKEN: a STATE follows.
static enum mqtt_claim decide(struct mqtt_server *m, const struct mqtt_mail *claim) {
	struct mqtt_holder previous;
	enum mqtt_claim c = mqtt_directory_claim(
		&m->directory, claim->key, claim->identity, claim->from, &previous
	);

	if (c != MQTT_CLAIM_TAKEN)
		return c;
	if (previous.worker == m->config.worker && claim->from.worker == m->config.worker) {
		if (waiting_for_claim(m, previous))
			return forward_to(m, previous.slot, claim->from) ? MQTT_CLAIM_TAKEN
									 : MQTT_CLAIM_NEW;
		if (is_holder(m, previous))
			give_here(m, claim->from.slot, previous.slot);
		return MQTT_CLAIM_NEW;
	}
	struct mqtt_mail ask = {
		.letter = MQTT_LETTER_TAKEOVER,
		.key = claim->key,
		.from = claim->from,
		.to = previous,
		.clean_start = claim->clean_start,
	};
	deliver(m, previous.worker, &ask);
	return MQTT_CLAIM_TAKEN;
}

enum mqtt_claim takeover_claim(struct mqtt_server *m, uint32_t s) {
	struct session *se = session_at(m, s);
	struct mqtt_mail mail = {
		.letter = MQTT_LETTER_CLAIM,
		.key = session_key(m, s),
		.identity = se->identity,
		.clean_start = (se->flags & SESSION_CLEAN_START) != 0,
		.from = session_holder(m, s),
	};

	se->flags |= SESSION_HELD;
	if (shard_of(m, mail.key) != m->config.worker) {
		deliver(m, shard_of(m, mail.key), &mail);
		return MQTT_CLAIM_TAKEN;
	}
	enum mqtt_claim c = decide(m, &mail);
	if (c == MQTT_CLAIM_REFUSED || c == MQTT_CLAIM_FULL)
		se->flags &= (uint8_t)~SESSION_HELD;
	return c;
}

static void claim_decide(struct mqtt_server *m, const struct mqtt_mail *claim) {
	struct mqtt_mail answer = {
		.letter = MQTT_LETTER_CLAIMED, .key = claim->key, .to = claim->from
	};

	answer.claim = decide(m, claim);
	if (answer.claim != MQTT_CLAIM_TAKEN)
		deliver(m, claim->from.worker, &answer);
}

static void claimed(struct mqtt_server *m, const struct mqtt_mail *mail) {
	uint32_t s = mail->to.slot;

	if (!waiting_for_claim(m, mail->to))
		return;
	if (mail->claim == MQTT_CLAIM_NEW) {
		connect_claimed(m, s);
		return;
	}
	session_at(m, s)->flags &= (uint8_t)~SESSION_HELD;
	connect_refuse(
		m,
		s,
		mail->claim == MQTT_CLAIM_REFUSED ? MQTT_REFUSED_OTHER_IDENTITY : MQTT_REFUSED_FULL
	);
}

static void verdict_take(struct mqtt_server *m, const struct mqtt_mail *mail) {
	uint32_t s = mail->to.slot;

	if (is_holder(m, mail->to))
		flight_remote(m, s, mail);
}

void takeover_verdict(struct mqtt_server *m, struct flight *f, const struct verdict *v) {
	struct mqtt_mail mail = {
		.letter = MQTT_LETTER_VERDICT,
		.to = f->to,
		.packet_id = f->packet_id,
		.outcome = v->outcome,
		.refuse = v->refuse,
	};

	if (f->to.worker != m->config.worker)
		deliver(m, f->to.worker, &mail);
}

void mqtt_mail(struct mqtt_server *m, const struct mqtt_mail *mail) {
	switch (mail->letter) {
	case MQTT_LETTER_CLAIM:
		claim_decide(m, mail);
		break;
	case MQTT_LETTER_CLAIMED:
		claimed(m, mail);
		break;
	case MQTT_LETTER_TAKEOVER:
		state_give(m, mail);
		break;
	case MQTT_LETTER_STATE:
		state_take(m, mail);
		break;
	case MQTT_LETTER_RELEASE:
		mqtt_directory_release(&m->directory, mail->key, mail->from);
		break;
	case MQTT_LETTER_VERDICT:
		verdict_take(m, mail);
		break;
	}
}
