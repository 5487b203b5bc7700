// SPDX-License-Identifier: Apache-2.0
// Results and verdicts: what came of records, and who is told.
#include "config/config.h"
#include "pipelines/dedup.h"
#include "pipelines/pipeline_state.h"

#include <assert.h>
#include <stdatomic.h>

// Whom a verdict goes to, and since when it is awaited.
struct addressee {
	enum transport transport;
	uint16_t remote;
	uint32_t token;
	uint64_t rx_ns;
};

static void
tell(struct pipeline *p, struct addressee to, const struct verdict *v, uint64_t now_ns) {
	if (to.remote != 0) {
		if (to.token != TOKEN_NONE)
			handover_verdict(p, (uint16_t)(to.remote - 1), to.token, v);
		return;
	}
	if (v->outcome == OUTCOME_ACKED) {
		p->env.ledger->messages[to.transport].acked++;
		latency_count(
			&p->latency[to.transport], now_ns > to.rx_ns ? now_ns - to.rx_ns : 0, 1
		);
	}
	if (to.token != TOKEN_NONE && p->env.adapters[to.transport].done != nullptr)
		p->env.adapters[to.transport].done(
			p->env.adapters[to.transport].adapter, to.token, v
		);
}

static void tell_waiter(struct pipeline *p, const struct waiter *w, const struct verdict *v) {
	struct addressee to = {w->transport, w->remote, w->token, w->rx_ns};

	tell(p, to, v, p->now_ns);
}

void settle_waiter(struct pipeline *p, uint32_t i, const struct verdict *v) {
	struct waiter w = waiter_release(&p->waiters, i);

	tell_waiter(p, &w, v);
}

void settle_due(struct pipeline *p, uint64_t now_ns) {
	// A callback reaches no verdict of its own: it does not push.
	for (uint32_t i = 0; i < p->due_count; i++) {
		const struct verdict_due *d = &p->due[i];
		struct addressee to = {d->transport, d->remote, d->token, d->rx_ns};
		tell(p, to, &d->v, now_ns);
	}
	p->due_count = 0;
}

void settle_later(struct pipeline *p, const struct message *m, const struct verdict *v) {
	if (m->token == TOKEN_NONE)
		return;
	if (p->due_count == VERDICTS_MAX)
		settle_due(p, p->now_ns);
	p->due[p->due_count++] = (struct verdict_due) {
		.rx_ns = m->rx_ns,
		.token = m->token,
		.transport = m->transport,
		.remote = m->remote,
		.v = *v,
	};
}

// Its first was turned away in this very burst: so is the copy.
static void turned_away_too(struct pipeline *p, const struct item *it, const struct item *first) {
	struct ledger_messages *messages = &p->env.ledger->messages[it->m.transport];
	bool refused = first->state == ITEM_REFUSED;
	struct verdict v = {
		.outcome = refused ? OUTCOME_REFUSED : OUTCOME_SHED,
		.refuse = first->refuse,
		.shed = first->shed,
		.payload = first->payload,
		.disconnect = first->disconnect,
	};

	messages->received++;
	if (refused)
		messages->refused[first->refuse]++;
	else
		messages->shed[first->shed]++;
	settle_later(p, &it->m, &v);
}

// Does the copy have its verdict already? Otherwise it waits, or finds no room to wait.
enum { COPY_DURABLE, COPY_WAITS, COPY_NO_ROOM };

static int attach(struct pipeline *p, const struct item *it, uint32_t original) {
	if (it->m.token == TOKEN_NONE || it->m.profile->route->ack == ACK_RECEIVED
	    || original == DEDUP_COMMITTED)
		return COPY_DURABLE;
	return handover_attach(p, it, original) ? COPY_WAITS : COPY_NO_ROOM;
}

void settle_duplicate(struct pipeline *p, struct item *it) {
	struct ledger_messages *messages = &p->env.ledger->messages[it->m.transport];
	const struct item *first = dedup_first(p, it);
	uint32_t original = it->original;
	struct verdict v = {.outcome = OUTCOME_ACKED};

	if (first != nullptr && first->state == ITEM_PARKED) {
		// Behind its first, which it will find when it runs. It has no entry of its own.
		it->key.hash = 0;
		late_lane_take(p, it, it->record_count);
		if (it->state == ITEM_PARKED)
			return;
		first = it;
	}
	if (first != nullptr && first->state != ITEM_GOING) {
		turned_away_too(p, it, first);
		return;
	}
	if (first != nullptr)
		original = origin_of(p->env.worker, first->ack);
	int rc = attach(p, it, original);
	messages->received++;
	if (rc == COPY_NO_ROOM) {
		messages->shed[SHED_NO_TOKEN]++;
		v = (struct verdict) {.outcome = OUTCOME_SHED, .shed = SHED_NO_TOKEN};
	} else {
		messages->duplicate++;
		decision_item(p, it, DECISION_DUPLICATE);
	}
	p->env.ledger->stages.counters[STAGE_DEDUP_ATTACHED] += rc == COPY_WAITS;
	if (rc != COPY_WAITS)
		settle_later(p, &it->m, &v);
}

static bool
dead_letter_refused(struct pipeline *p, const struct batch *b, const struct batch_entry *e) {
	struct dead_letter d = {
		.transport = e->transport,
		.reason = refuse_reason_label(REFUSE_SINK),
		.detail = "",
		.stage = "sink",
		.profile = "",
		.format = "record",
		.device = view_of(b->buf + e->key_offset, e->key_len),
		.rx_wall_ns = e->rx_wall_ns,
		.original = view_of(b->buf + e->offset, e->len),
	};
	return admit_dead_letter(p, &d, e->rx_ns);
}

// Kafka has it, or never will: the message, and the copies that wait for it.
static void settle_slot(struct pipeline *p, uint32_t ack, struct ack_slot *done) {
	struct verdict v = {.outcome = OUTCOME_ACKED};
	struct waiter w;

	if (done->refused)
		v = (struct verdict) {.outcome = OUTCOME_REFUSED, .refuse = REFUSE_SINK};
	dedup_settled(p, ack, done);
	struct addressee to = {done->transport, done->remote, done->token, done->rx_ns};
	if (!done->silent)
		tell(p, to, &v, p->now_ns);
	while (waiter_take(&p->waiters, &done->waiters, &w))
		tell_waiter(p, &w, &v);
}

static void settle_message(struct pipeline *p, const struct batch_entry *e, bool refused) {
	struct ack_slot done;

	// Nobody waits; the time until Kafka has it is measured all the same.
	if ((e->ack == TOKEN_NONE || p->acks.slots[e->ack].silent) && !refused)
		latency_count(
			&p->latency[e->transport],
			p->now_ns > e->rx_ns ? p->now_ns - e->rx_ns : 0,
			1
		);
	if (e->ack != TOKEN_NONE && ack_table_count(&p->acks, e->ack, refused, &done))
		settle_slot(p, e->ack, &done);
}

static void settle_record(
	struct pipeline *p,
	const struct batch *b,
	const struct batch_entry *e,
	enum entry_result result
) {
	struct ledger_records *records = &p->env.ledger->records[e->transport];
	bool refused = result == RESULT_REFUSED;

	if (e->kind == ENTRY_QUARANTINED && !refused)
		records->dead_lettered++;
	else if (!refused)
		records->delivered++;
	else if (e->kind == ENTRY_RECORD && dead_letter_refused(p, b, e))
		records->dead_lettered++;
	else
		records->lost[LOST_SINK_PERMANENT]++;
	records->weak += result == RESULT_DELIVERED_WEAK;
	records->in_flight--;
	p->in_flight_records--;
	p->late_records -= e->late;
	p->in_flight_bytes -= entry_bytes(e);
	settle_message(p, e, refused);
}

static void
settle_derived(struct pipeline *p, const struct batch_entry *e, enum entry_result result) {
	struct ledger_derived *derived = &p->env.ledger->derived;

	derived->in_flight--;
	if (result == RESULT_REFUSED)
		derived->lost++;
	else
		derived->delivered++;
	p->derived_bytes -= entry_bytes(e);
}

// Records that are alike in a batch: delivered, and nobody waits for them. They are counted
// together as long as they came by the same transport at the same time, as those of a burst did.
struct alike {
	uint64_t rx_ns;
	uint64_t bytes;
	uint32_t count;
	uint32_t late, weak;
	uint8_t transport;
};

static bool may_be_alike(const struct batch_entry *e, enum entry_result result) {
	return e->ack == TOKEN_NONE && e->kind == ENTRY_RECORD && result != RESULT_REFUSED;
}

static void settle_alike(struct pipeline *p, struct alike *a) {
	struct ledger_records *records = &p->env.ledger->records[a->transport];

	if (a->count == 0)
		return;
	records->delivered += a->count;
	records->weak += a->weak;
	records->in_flight -= a->count;
	p->in_flight_records -= a->count;
	p->in_flight_bytes -= a->bytes;
	p->late_records -= a->late;
	latency_count(
		&p->latency[a->transport], p->now_ns > a->rx_ns ? p->now_ns - a->rx_ns : 0, a->count
	);
	a->count = 0;
}

static void alike_add(
	struct pipeline *p,
	struct alike *a,
	const struct batch_entry *e,
	enum entry_result result
) {
	if (a->count == 0 || a->rx_ns != e->rx_ns || a->transport != e->transport) {
		settle_alike(p, a);
		*a = (struct alike) {.rx_ns = e->rx_ns, .transport = e->transport};
	}
	a->count++;
	a->weak += result == RESULT_DELIVERED_WEAK;
	a->late += e->late;
	a->bytes += entry_bytes(e);
}

void pipeline_complete(struct pipeline *p, struct completion c, uint64_t now_ns) {
	struct batch *b = &p->env.batches[c.batch];

	struct alike alike = {.count = 0};

	p->now_ns = now_ns;
	assert(c.batch < p->env.batch_count && c.count <= b->outstanding);
	assert(c.first + c.count <= b->count);
	for (uint32_t i = c.first; i < (uint32_t)c.first + c.count; i++) {
		const struct batch_entry *e = &b->entries[i];
		enum entry_result result = atomic_load_explicit(&e->result, memory_order_acquire);

		assert(result != RESULT_PENDING);
		if (may_be_alike(e, result))
			alike_add(p, &alike, e, result);
		else if (e->kind == ENTRY_RECORD || e->kind == ENTRY_QUARANTINED)
			settle_record(p, b, e, result);
		else
			settle_derived(p, e, result);
	}
	settle_alike(p, &alike);
	b->outstanding -= c.count;
	if (b->outstanding == 0)
		batch_set_give(&p->batches, b);
}
