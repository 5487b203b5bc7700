// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "config/select.h"
#include "parsers/siphash.h"
#include "pipelines/decode.h"
#include "pipelines/dedup.h"
#include "pipelines/devices.h"
#include "pipelines/map.h"
#include "pipelines/match.h"
#include "pipelines/parked.h"
#include "pipelines/pipeline.h"
#include "pipelines/pipeline_state.h"
#include "pipelines/route.h"
#include "pipelines/validate.h"
#include "pipelines/watch.h"

#include <string.h>

void pipeline_use(struct pipeline *p, const struct config *c) {
	uint32_t entries = c->egress.batch_records;

	// Topics are numbered by generation: nothing open may be carried over.
	pipeline_seal_all(p);
	p->config = c;
	p->generation++;
	p->batches.linger_ns = (uint64_t)c->egress.linger_us * 1000;
	p->batches.entries_max =
		(uint16_t)(entries > 0 && entries < BATCH_ENTRIES_MAX ? entries : BATCH_ENTRIES_MAX
		);
	envelope_render(&p->envelope, c);
}

void pipeline_match(struct pipeline *p, struct matcher *m) {
	p->matcher = m;
}

const struct config *pipeline_config(const struct pipeline *p) {
	return p->config;
}

void pipeline_clock(struct pipeline *p, enum clock_quality quality, uint64_t max_error_us) {
	if (p->envelope.clock == quality && p->envelope.clock_error_us == max_error_us)
		return;
	p->envelope.clock = quality;
	p->envelope.clock_error_us = max_error_us;
	envelope_render(&p->envelope, p->config);
}

// Whose message it was: as the transport or, if it came so far, its records say.
static struct view sender_of(const struct pipeline *p, const struct item *it) {
	if (it->m.device.len > 0 || it->record_count == 0)
		return it->m.device;
	return p->burst.records[it->first_record].device;
}

static void dead_letter_item(struct pipeline *p, const struct item *it) {
	struct dead_letter d = {
		.transport = it->m.transport,
		.reason = refuse_reason_label(it->refuse),
		.detail = it->payload != PAYLOAD_OK ? payload_rc_label(it->payload)
						    : finding_label(it->finding),
		.signature = it->signature,
		.stage = it->stage,
		.profile = it->m.profile->name,
		.format = payload_format_label(it->m.format),
		.device = sender_of(p, it),
		.path = it->m.path,
		.peer = it->m.peer,
		.peer_port = it->m.peer_port,
		.realm = it->m.realm,
		.rx_wall_ns = it->m.rx_wall_ns,
		.epoch = it->m.epoch,
		.seq = it->m.seq,
		.replays = it->m.replays,
		.original = it->m.payload,
	};
	admit_dead_letter(p, &d, it->m.rx_ns);
}

// The doors of the items that did not become records.
static void turn_away(struct pipeline *p, struct item *it) {
	struct ledger_messages *messages = &p->env.ledger->messages[it->m.transport];
	struct verdict v = {
		.refuse = it->refuse,
		.shed = it->shed,
		.payload = it->payload,
		.disconnect = it->disconnect,
	};

	dedup_withdrawn(p, it);
	decision_item(p, it, it->state == ITEM_REFUSED ? DECISION_REFUSED : DECISION_SHED);
	messages->received++;
	if (it->state == ITEM_REFUSED) {
		v.outcome = OUTCOME_REFUSED;
		messages->refused[it->refuse]++;
		// Who may not send does not write to the dead-letter topic either.
		if (it->refuse != REFUSE_DEVICE_UNKNOWN && it->refuse != REFUSE_DEVICE_STATE
		    && it->refuse != REFUSE_BLOCKED)
			dead_letter_item(p, it);
	} else {
		v.outcome = OUTCOME_SHED;
		messages->shed[it->shed]++;
	}
	settle_later(p, &it->m, &v);
}

static bool same_peer(const struct message *a, const struct message *b) {
	return a->peer.len == b->peer.len && a->realm == b->realm
		&& (a->peer.len == 0 || memcmp(a->peer.p, b->peer.p, a->peer.len) == 0);
}

// Every stage that looks a device or a sender up does it by these hashes, so they are made once.
static void name_burst(struct pipeline *p, uint16_t from, uint16_t to) {
	for (uint16_t i = from; i < to; i++) {
		struct item *it = &p->burst.items[i];
		struct record *r = &p->burst.records[it->first_record];
		if (i > from && same_peer(&it->m, &it[-1].m))
			it->peer = it[-1].peer;
		else
			it->peer = siphash_peer(
				p->env.secret, it->m.peer.p, it->m.peer.len, it->m.realm
			);
		for (uint16_t n = 0; n < it->record_count; n++) {
			if (n > 0 && view_equal(r[n].device, r[n - 1].device))
				memcpy(r[n].name, r[n - 1].name, sizeof(r[n].name));
			else
				siphash13_128(
					p->env.secret, r[n].device.p, r[n].device.len, r[n].name
				);
		}
	}
}

// The burst order. A stage that judges or changes records stands between decode and route.
static void run_stages(struct pipeline *p) {
	struct burst *b = &p->burst;

	for (uint16_t from = 0; from < b->item_count;) {
		uint16_t to = decode_burst(p->decoder, b, from);
		name_burst(p, from, to);
		authorize_burst(b, from, to, &p->env.authority);
		devices_burst(p, from, to);
		dedup_burst(p, from, to);
		watch_burst(p, from, to);
		map_burst(b, from, to, &p->env.authority);
		validate_burst(p, from, to);
		match_burst(b, from, to, p->matcher, &p->env.enforcer);
		route_burst(b, from, to, p->config, p->env.egress_count);
		admit_burst(p, from, to);
		for (uint16_t i = from; i < to; i++)
			if (b->items[i].state == ITEM_REFUSED || b->items[i].state == ITEM_SHED)
				turn_away(p, &b->items[i]);
		for (uint16_t i = from; i < to; i++)
			if (b->items[i].state == ITEM_DUPLICATE)
				settle_duplicate(p, &b->items[i]);
		from = to;
	}
	b->item_count = 0;
}

// The message's profile, by the rules of config/select.h.
static void profile_choose(const struct pipeline *p, struct item *it) {
	const struct profile_selector *s = p->config->selector;
	const struct authority *a = &p->env.authority;
	const struct profile *chosen = nullptr;
	struct device_facts facts = {0};

	if (it->m.listener == LISTENER_NONE)
		return;
	if (s != nullptr && a->facts_of != nullptr && profile_select_asks_registry(s)) {
		struct view device = message_device(it);
		if (device.len > 0)
			facts = a->facts_of(a->owner, device);
		chosen = profile_select_named(s, facts.profile);
	}
	if (s != nullptr && chosen == nullptr)
		chosen = profile_select(s, it->m.listener, it->m.path, facts.labels);
	if (chosen != nullptr)
		it->m.profile = chosen;
	if (it->m.profile->format != 0)
		it->m.format = (enum payload_format)(it->m.profile->format - 1);
}

// `k`: parked before, nullptr: it has just come.
static void push(struct pipeline *p, const struct message *m, const struct parked *k) {
	struct burst *b = &p->burst;
	struct item *it = &b->items[b->item_count++];

	it->m = *m;
	it->state = ITEM_GOING;
	it->record_count = 0;
	it->key.hash = 0;
	it->tries = k != nullptr ? k->tries + (k->tries < UINT8_MAX) : 0;
	it->registered = k != nullptr && k->registered;
	it->waited = k != nullptr && k->waited;
	it->signature = 0;
	it->disconnect = false;
	profile_choose(p, it);
	if (m->rx_ns > p->now_ns)
		p->now_ns = m->rx_ns;
	if (b->item_count == BURST_MESSAGES)
		run_stages(p);
}

void pipeline_push(struct pipeline *p, const struct message *m) {
	push(p, m, nullptr);
}

void pipeline_push_parked(struct pipeline *p, const struct parked *k) {
	struct message m = k->m;
	struct verdict gone = {.outcome = OUTCOME_SHED, .shed = SHED_HANDOVER};

	m.profile = parked_profile(k, p->config);
	if (m.profile != nullptr) {
		push(p, &m, k);
		return;
	}
	p->env.ledger->messages[m.transport].received++;
	p->env.ledger->messages[m.transport].shed[SHED_HANDOVER]++;
	settle_later(p, &m, &gone);
}

void pipeline_flush(struct pipeline *p) {
	if (p->burst.item_count > 0)
		run_stages(p);
}

// A worker that was idle has not told the time for long.
static void time_moves(struct pipeline *p, uint64_t now_ns) {
	if (now_ns > p->now_ns)
		p->now_ns = now_ns;
}

void pipeline_unheard(struct pipeline *p, const struct pipeline_peer *peer, uint16_t port) {
	time_moves(p, peer->now_ns);
	watch_port(p, peer, port);
}

void pipeline_ban_declined(
	struct pipeline *p,
	const struct pipeline_peer *peer,
	uint32_t signature,
	uint32_t devices
) {
	time_moves(p, peer->now_ns);
	watch_ban(p, peer, signature, devices);
}

void pipeline_letter(struct pipeline *p, const struct pipeline_letter *l) {
	handover_letter(p, l);
}

void pipeline_run(struct pipeline *p, uint64_t now_ns, int64_t wall_ns) {
	p->now_ns = now_ns;
	p->wall_ns = wall_ns;
	pipeline_flush(p);
	late_lane_run(p);
	settle_due(p, now_ns);
}

uint64_t pipeline_tick(struct pipeline *p, uint64_t now_ns) {
	if (p->env.workers > 1)
		handover_poll(p);
	uint64_t watch_due = watch_poll(p);
	uint64_t due = batch_set_seal_due(&p->batches, now_ns);

	return watch_due < due ? watch_due : due;
}

void pipeline_rest(struct pipeline *p) {
	batch_set_seal_unless_busy(&p->batches);
}

void pipeline_seal_all(struct pipeline *p) {
	batch_set_seal_all(&p->batches);
}

bool pipeline_idle(const struct pipeline *p) {
	return p->burst.item_count == 0 && p->due_count == 0
		&& p->batches.free_count == p->batches.count && p->waiters.used == 0
		&& p->late.first == nullptr && handover_idle(p);
}

static unsigned percent(uint64_t part, uint64_t whole) {
	if (part >= whole)
		return 100;
	// Asked for each message; the narrow division takes half the time.
	if (part <= UINT32_MAX / 100 && whole <= UINT32_MAX)
		return (uint32_t)part * 100 / (uint32_t)whole;
	return (unsigned)(part * 100 / whole);
}

unsigned pipeline_pressure(const struct pipeline *p) {
	unsigned records = percent(p->in_flight_records, p->env.in_flight_records_max);
	unsigned bytes = percent(p->in_flight_bytes, p->env.in_flight_bytes_max);
	unsigned batches =
		percent((uint64_t)p->batches.count - p->batches.free_count, p->batches.count);
	unsigned most = records > bytes ? records : bytes;

	return most > batches ? most : batches;
}

const struct latency *pipeline_latency(const struct pipeline *p, enum transport t) {
	return &p->latency[t];
}
