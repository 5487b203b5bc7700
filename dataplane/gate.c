// SPDX-License-Identifier: Apache-2.0
#include "dataplane/gate.h"

#include <string.h>

static void count(_Atomic uint64_t *counter) {
	uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, n + 1, memory_order_relaxed); // one writer
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

static void judge_known(struct gate *g, struct judgement *j, const struct device_entry *e) {
	struct device_contact c = {
		.peer_hash = peer_hash(j->message),
		.transport = j->message->transport,
		.peer = peer_of(j->message),
		.wall_ns = j->message->rx_wall_ns,
	};

	if (e->state != DEVICE_ACTIVE) {
		count(&g->inactive);
		device_table_refused(g->table, e->slot, &c, REFUSE_DEVICE_STATE);
		j->rc = JUDGED_STATE;
	} else if (!device_quota_take(g->table, e, j->records, j->bytes, j->message->rx_ns)) {
		count(&g->over_quota);
		device_table_refused(g->table, e->slot, &c, REFUSE_REASON_COUNT);
		j->rc = JUDGED_QUOTA;
	} else {
		count(&g->known);
		device_table_seen(g->table, e->slot, &c, j->records, j->bytes);
		j->rc = JUDGED_OK;
	}
}

// What an operator or a signature has decided about the device or its address comes before what the
// registry says of it.
static bool judge_blocks(struct gate *g, struct judgement *j, const struct device_entry *e) {
	struct device_contact c;

	if (g->blocks == NULL)
		return false;
	struct channel_address peer = peer_of(j->message);
	enum block_verdict v =
		blocks_judge(g->blocks, j->device, &peer, j->records, j->message->rx_ns);
	if (v == BLOCK_NONE)
		return false;
	j->rc = v == BLOCK_REFUSED ? JUDGED_BLOCKED : JUDGED_QUOTA;
	if (e->slot == DEVICE_NONE)
		return true;
	c = (struct device_contact) {
		.peer_hash = peer_hash(j->message),
		.transport = j->message->transport,
		.peer = peer,
		.wall_ns = j->message->rx_wall_ns,
	};
	device_table_refused(
		g->table, e->slot, &c, v == BLOCK_REFUSED ? REFUSE_BLOCKED : REFUSE_REASON_COUNT
	);
	return true;
}

void gate_judge(void *gate, struct judgement *j, uint32_t n) {
	struct device_entry entries[DEVICE_BURST];
	struct view names[DEVICE_BURST] = {0};
	struct gate *g = gate;

	static_assert(JUDGEMENTS_MAX <= DEVICE_BURST);
	for (uint32_t i = 0; i < n; i++)
		names[i] = j[i].device;
	device_table_lookup(g->table, names, n, entries);
	for (uint32_t i = 0; i < n; i++) {
		if (judge_blocks(g, &j[i], &entries[i]))
			continue;
		if (entries[i].slot == DEVICE_NONE)
			judge_unknown(g, &j[i]);
		else
			judge_known(g, &j[i], &entries[i]);
	}
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
