// SPDX-License-Identifier: Apache-2.0
#include "dataplane/gate.h"
#include "dataplane/label_sets.h"

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

// A judgement as the gate works on it.
struct asked {
	struct judgement *j;
	const struct device_entry *entry;
	struct flow_id flow;
};

// Each field is written once and read much later: a wide load of what narrow stores have just
// written would wait for them.
static void peer_fill(const struct message *m, struct channel_address *a) {
	bool v4 = m->peer.len == 4;

	memset(a->bytes, 0, sizeof(a->bytes));
	if (v4)
		memcpy(a->bytes, m->peer.p, 4);
	else if (m->peer.len == sizeof(a->bytes))
		memcpy(a->bytes, m->peer.p, sizeof(a->bytes));
	a->family = v4 ? 4 : 6;
	a->prefix_len = v4 ? 32 : 128;
	a->port = m->peer_port;
	a->realm = m->realm;
	a->reserved = 0;
}

// Addresses, not ports: a device that opens another connection has not moved. Never 0.
static uint32_t peer_hash(const struct message *m) {
	uint32_t h = 2166136261u ^ m->realm;

	for (uint32_t i = 0; i < m->peer.len; i++)
		h = (h ^ m->peer.p[i]) * 16777619u;
	return h | 1;
}

static void note(struct gate *g, const struct asked *a) {
	const struct judgement *j = a->j;
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
	n->peer = a->flow.peer;
	atomic_store_explicit(&g->head, head + 1, memory_order_release);
}

static void judge_unknown(struct gate *g, const struct asked *a) {
	struct judgement *j = a->j;

	count(&g->unknown);
	if (j->message->unknown == UNKNOWN_RULE_NONE) {
		j->rc = JUDGED_OK;
		return;
	}
	note(g, a);
	j->rc = j->message->unknown == UNKNOWN_RULE_PENDING ? JUDGED_STATE : JUDGED_UNKNOWN;
}

static struct device_contact contact_of(const struct asked *a) {
	return (struct device_contact) {
		.peer_hash = peer_hash(a->j->message),
		.transport = a->j->message->transport,
		.peer = a->flow.peer,
		.wall_ns = a->j->message->rx_wall_ns,
	};
}

static void
refuse(struct gate *g, const struct asked *a, uint32_t slot, enum judgement_rc rc, uint8_t reason) {
	a->j->rc = rc;
	if (slot == DEVICE_NONE)
		return;
	struct device_contact c = contact_of(a);
	device_table_refused(g->table, slot, &c, reason);
}

// What an operator or a signature has decided about the device or its address comes before what the
// registry says of it.
static bool blocked(struct gate *g, const struct asked *a) {
	struct judgement *j = a->j;

	if (g->blocks == NULL)
		return false;
	switch (blocks_judge(g->blocks, j->device, &a->flow.peer, j->records, j->message->rx_ns)) {
	case BLOCK_NONE:
		return false;
	case BLOCK_REFUSED:
		refuse(g, a, a->entry->slot, JUDGED_BLOCKED, REFUSE_BLOCKED);
		return true;
	case BLOCK_LIMITED:
		count(&g->over_quota);
		refuse(g, a, a->entry->slot, JUDGED_QUOTA, GATE_REASON_QUOTA);
		return true;
	}
	return false;
}

// May who sends this speak for the device, and use this topic or path?
static bool claim_denied(struct gate *g, const struct asked *a) {
	struct judgement *j = a->j;
	const struct message *m = j->message;
	bool for_another = m->device.len > 0 && !view_equal(m->device, j->device);
	struct view who = for_another ? m->device : j->device;
	struct device_entry sender = *a->entry;

	if (for_another) {
		device_table_lookup(g->table, &who, 1, &sender);
		bool known = sender.slot != DEVICE_NONE;
		bool allowed = j->granted
			|| (known && g->claims != NULL
			    && claims_allow(g->claims, sender.claims, CLAIM_ID, who, j->device));
		if (!allowed || (known && sender.state != DEVICE_ACTIVE)) {
			refuse(g, a, sender.slot, JUDGED_CLAIM, REFUSE_CLAIM);
			return true;
		}
	}
	if (sender.slot == DEVICE_NONE || sender.claims == 0
	    || (m->transport != TRANSPORT_MQTT && m->transport != TRANSPORT_COAP))
		return false;
	enum claim_kind kind = m->transport == TRANSPORT_MQTT ? CLAIM_TOPIC : CLAIM_PATH;
	if (g->claims != NULL && claims_allow(g->claims, sender.claims, kind, who, m->path))
		return false;
	refuse(g, a, sender.slot, JUDGED_CLAIM, REFUSE_CLAIM);
	return true;
}

static void judge_known(struct gate *g, const struct asked *a) {
	const struct device_entry *e = a->entry;
	struct judgement *j = a->j;

	if (e->state != DEVICE_ACTIVE) {
		count(&g->inactive);
		refuse(g, a, e->slot, JUDGED_STATE, REFUSE_DEVICE_STATE);
		return;
	}
	if (claim_denied(g, a)) {
		count(&g->claims_denied);
		return;
	}
	if (!device_quota_take(g->table, e, j->records, j->bytes, j->message->rx_ns)) {
		count(&g->over_quota);
		refuse(g, a, e->slot, JUDGED_QUOTA, GATE_REASON_QUOTA);
		return;
	}
	struct device_contact c = contact_of(a);
	count(&g->known);
	device_table_seen(g->table, e->slot, &c, j->records, j->bytes);
	j->rc = JUDGED_OK;
}

static void judge(struct gate *g, const struct asked *a) {
	const struct judgement *j = a->j;

	if (blocked(g, a))
		return;
	if (a->entry->slot != DEVICE_NONE) {
		judge_known(g, a);
		return;
	}
	if (j->message->device.len > 0 && !view_equal(j->message->device, j->device)
	    && claim_denied(g, a)) {
		count(&g->claims_denied);
		return;
	}
	judge_unknown(g, a);
}

static void flow_count(struct gate *g, const struct asked *a, uint64_t hash) {
	const struct judgement *j = a->j;
	struct flow_entry *e = flow_book_entry(g->book, hash, &a->flow);

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
	uint64_t names[DEVICE_BURST][2];
	struct asked asked[DEVICE_BURST];
	uint64_t hashes[DEVICE_BURST];
	struct gate *g = gate;
	const bool counted = g->book != NULL;

	static_assert(JUDGEMENTS_MAX <= DEVICE_BURST);
	for (uint32_t i = 0; i < n; i++) {
		asked[i].j = &j[i];
		asked[i].entry = &entries[i];
		peer_fill(j[i].message, &asked[i].flow.peer);
		asked[i].flow.device = j[i].device;
		asked[i].flow.name = names[i][0] = j[i].name[0];
		names[i][1] = j[i].name[1];
		asked[i].flow.address = j[i].peer;
		asked[i].flow.transport = j[i].message->transport;
	}
	for (uint32_t i = 0; counted && i < n; i++)
		hashes[i] = flow_book_hash(g->book, &asked[i].flow);
	device_table_find(g->table, names, n, entries);
	for (uint32_t i = 0; counted && i < n; i++)
		flow_book_prefetch(g->book, hashes[i]);
	for (uint32_t i = 0; i < n; i++) {
		j[i].registered = entries[i].slot != DEVICE_NONE;
		judge(g, &asked[i]);
	}
	for (uint32_t i = 0; counted && i < n; i++)
		flow_count(g, &asked[i], hashes[i]);
}

struct device_facts gate_facts_of(void *gate, struct view device) {
	const struct gate *g = gate;
	struct device_entry e;

	device_table_lookup(g->table, &device, 1, &e);
	if (e.slot == DEVICE_NONE)
		return (struct device_facts) {0};
	return (struct device_facts) {
		.profile = device_table_profile(g->table, e.profile),
		.labels = label_sets_at(device_table_labels(g->table), e.labels),
	};
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
