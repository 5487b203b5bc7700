// SPDX-License-Identifier: Apache-2.0
#include "dataplane/gate.h"

#include <string.h>

static void count(_Atomic uint64_t *counter) {
	uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, n + 1, memory_order_relaxed); // one writer
}

const char *gate_reason_label(uint8_t reason) {
	if (reason < REFUSE_REASON_COUNT)
		return refuse_reason_label((enum refuse_reason)reason);
	return reason == GATE_REASON_QUOTA ? shed_reason_label(SHED_QUOTA) : "connections";
}

static struct channel_address peer_of(const struct message *m) {
	struct channel_address a = {
		.family = m->peer.len == 4 ? 4 : 6,
		.prefix_len = m->peer.len == 4 ? 32 : 128,
		.port = m->peer_port,
		.realm = m->realm,
	};

	if (m->peer.len <= sizeof(a.bytes))
		memcpy(a.bytes, m->peer.p, m->peer.len);
	return a;
}

// Addresses, not ports: a device that opens another connection has not moved. Never 0.
static uint32_t peer_hash(const struct message *m) {
	uint32_t h = 2166136261u ^ m->realm;

	for (uint32_t i = 0; i < m->peer.len; i++)
		h = (h ^ m->peer.p[i]) * 16777619u;
	return h | 1;
}

static void note(struct gate *g, const struct judgement *j) {
	uint32_t head = atomic_load_explicit(&g->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&g->tail, memory_order_acquire);

	if (head - tail == GATE_NOTES || j->device.len > CHANNEL_NAME_MAX) {
		count(&g->notes_lost);
		return;
	}
	struct gate_note *n = &g->notes[head % GATE_NOTES];
	n->name_len = (uint8_t)j->device.len;
	memcpy(n->name, j->device.p, j->device.len);
	n->transport = j->message->transport;
	n->pending = j->message->unknown == UNKNOWN_RULE_PENDING;
	n->wall_ns = j->message->rx_wall_ns;
	n->peer = peer_of(j->message);
	atomic_store_explicit(&g->head, head + 1, memory_order_release);
}

static void judge_unknown(struct gate *g, struct judgement *j) {
	count(&g->unknown);
	if (j->message->unknown == UNKNOWN_RULE_NONE) {
		j->rc = JUDGED_OK;
		return;
	}
	note(g, j);
	j->rc = j->message->unknown == UNKNOWN_RULE_PENDING ? JUDGED_STATE : JUDGED_UNKNOWN;
}

static struct device_contact contact_of(const struct message *m) {
	return (struct device_contact) {
		.peer_hash = peer_hash(m),
		.transport = m->transport,
		.peer = peer_of(m),
		.wall_ns = m->rx_wall_ns,
	};
}

static void
refuse(struct gate *g, struct judgement *j, uint32_t slot, enum judgement_rc rc, uint8_t reason) {
	struct device_contact c = contact_of(j->message);

	j->rc = rc;
	if (slot != DEVICE_NONE)
		device_table_refused(g->table, slot, &c, reason);
}

// What an operator or a signature has decided about the device or its address comes before what the
// registry says of it.
static bool blocked(struct gate *g, struct judgement *j, const struct device_entry *e) {
	if (g->blocks == NULL)
		return false;
	struct channel_address peer = peer_of(j->message);
	switch (blocks_judge(g->blocks, j->device, &peer, j->records, j->message->rx_ns)) {
	case BLOCK_NONE:
		return false;
	case BLOCK_REFUSED:
		refuse(g, j, e->slot, JUDGED_BLOCKED, REFUSE_BLOCKED);
		return true;
	case BLOCK_LIMITED:
		count(&g->over_quota);
		refuse(g, j, e->slot, JUDGED_QUOTA, GATE_REASON_QUOTA);
		return true;
	}
	return false;
}

// May who sends this speak for the device, and use this topic or path?
static bool claim_denied(struct gate *g, struct judgement *j, const struct device_entry *e) {
	const struct message *m = j->message;
	bool for_another = m->device.len > 0 && !view_equal(m->device, j->device);
	struct view who = for_another ? m->device : j->device;
	struct device_entry sender = *e;

	if (for_another) {
		device_table_lookup(g->table, &who, 1, &sender);
		bool known = sender.slot != DEVICE_NONE;
		bool allowed = j->granted
			|| (known && g->claims != NULL
			    && claims_allow(g->claims, sender.claims, CLAIM_ID, who, j->device));
		if (!allowed || (known && sender.state != DEVICE_ACTIVE)) {
			refuse(g, j, sender.slot, JUDGED_CLAIM, REFUSE_CLAIM);
			return true;
		}
	}
	if (sender.slot == DEVICE_NONE || sender.claims == 0
	    || (m->transport != TRANSPORT_MQTT && m->transport != TRANSPORT_COAP))
		return false;
	enum claim_kind kind = m->transport == TRANSPORT_MQTT ? CLAIM_TOPIC : CLAIM_PATH;
	if (g->claims != NULL && claims_allow(g->claims, sender.claims, kind, who, m->path))
		return false;
	refuse(g, j, sender.slot, JUDGED_CLAIM, REFUSE_CLAIM);
	return true;
}

static void judge_known(struct gate *g, struct judgement *j, const struct device_entry *e) {
	if (e->state != DEVICE_ACTIVE) {
		count(&g->inactive);
		refuse(g, j, e->slot, JUDGED_STATE, REFUSE_DEVICE_STATE);
		return;
	}
	if (claim_denied(g, j, e)) {
		count(&g->claims_denied);
		return;
	}
	if (!device_quota_take(g->table, e, j->records, j->bytes, j->message->rx_ns)) {
		count(&g->over_quota);
		refuse(g, j, e->slot, JUDGED_QUOTA, GATE_REASON_QUOTA);
		return;
	}
	struct device_contact c = contact_of(j->message);
	count(&g->known);
	device_table_seen(g->table, e->slot, &c, j->records, j->bytes);
	j->rc = JUDGED_OK;
}

static void judge(struct gate *g, struct judgement *j, const struct device_entry *e) {
	if (blocked(g, j, e))
		return;
	if (e->slot != DEVICE_NONE) {
		judge_known(g, j, e);
		return;
	}
	if (j->message->device.len > 0 && !view_equal(j->message->device, j->device)
	    && claim_denied(g, j, e)) {
		count(&g->claims_denied);
		return;
	}
	judge_unknown(g, j);
}

static struct flow_id flow_of(const struct judgement *j) {
	return (struct flow_id) {
		.peer = peer_of(j->message),
		.device = j->device,
		.transport = j->message->transport,
	};
}

static void flow_count(struct gate *g, const struct judgement *j, uint64_t hash) {
	struct flow_id id = flow_of(j);
	struct flow_entry *e = flow_book_entry(g->book, hash, &id);

	e->port = j->message->peer_port;
	e->seen_ns = j->message->rx_wall_ns;
	if (j->rc == JUDGED_OK) {
		e->records += j->records;
		e->bytes += j->bytes;
	} else {
		e->drops++;
	}
}

void gate_judge(void *gate, struct judgement *j, uint32_t n) {
	struct device_entry entries[DEVICE_BURST];
	struct view names[DEVICE_BURST] = {0};
	uint64_t hashes[DEVICE_BURST];
	struct gate *g = gate;

	static_assert(JUDGEMENTS_MAX <= DEVICE_BURST);
	for (uint32_t i = 0; i < n; i++)
		names[i] = j[i].device;
	for (uint32_t i = 0; g->book != NULL && i < n; i++) {
		struct flow_id id = flow_of(&j[i]);
		hashes[i] = flow_book_hash(g->book, &id);
	}
	device_table_lookup(g->table, names, n, entries);
	for (uint32_t i = 0; i < n; i++) {
		j[i].registered = entries[i].slot != DEVICE_NONE;
		judge(g, &j[i], &entries[i]);
	}
	for (uint32_t i = 0; g->book != NULL && i < n; i++)
		flow_count(g, &j[i], hashes[i]);
}

struct view gate_profile_of(void *gate, struct view device) {
	const struct gate *g = gate;
	struct device_entry e;

	device_table_lookup(g->table, &device, 1, &e);
	return e.slot == DEVICE_NONE ? (struct view) {0}
				     : device_table_profile(g->table, e.profile);
}

uint32_t gate_notes_take(struct gate *g, struct gate_note *out, uint32_t max) {
	uint32_t tail = atomic_load_explicit(&g->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&g->head, memory_order_acquire);
	uint32_t n = 0;

	for (; tail != head && n < max; tail++)
		out[n++] = g->notes[tail % GATE_NOTES];
	atomic_store_explicit(&g->tail, tail, memory_order_release);
	return n;
}
