// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_desk.h"
#include "dataplane/mqtt/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SESSION_PLACE (1ull << 32) // places from here on are sessions
#define PLACE_END UINT64_MAX

// The connection that a session counts as.
struct counted {
	uint32_t slot; // + 1, 0: none
	uint32_t sequence;
};

struct flow_desk {
	// [fixed]
	struct gate *gate;
	uint32_t sessions;
	struct counted *counted; // [w] by session
	// [c>w]
	alignas(64) _Atomic uint32_t wanted; // number of the query
	_Atomic uint32_t tail;
	_Atomic uint32_t cancelled; // number of the last query that nobody wants any more
	struct flow_desk_query query;
	// [w>c]
	alignas(64) _Atomic uint32_t done; // number of the last query answered
	_Atomic uint32_t head;
	_Atomic uint32_t checked; // standing
	uint64_t hits;
	// [w]
	alignas(64) uint64_t place; // of the query
	uint32_t busy_with; // number of the query that `place` belongs to
	uint32_t given;
	uint32_t pass_at; // session to look at next
	bool passing;
	uint32_t pass_standing, pass_blocks;
	uint32_t blocks_seen;
	int64_t wall_ns;
	const struct flow_desk_line *line;
	struct channel_flow ring[FLOW_DESK_RING];
};

int flow_desk_create(struct gate *g, uint32_t sessions, struct flow_desk **out) {
	struct flow_desk *d = aligned_alloc(64, sizeof(*d));

	if (d == NULL)
		return -ENOMEM;
	memset(d, 0, sizeof(*d));
	d->gate = g;
	d->sessions = sessions;
	d->counted = calloc(sessions > 0 ? sessions : 1, sizeof(*d->counted));
	if (d->counted == NULL) {
		flow_desk_destroy(d);
		return -ENOMEM;
	}
	*out = d;
	return 0;
}

void flow_desk_destroy(struct flow_desk *d) {
	if (d == NULL)
		return;
	free(d->counted);
	free(d);
}

// --- who may be connected

static uint32_t address_hash(const struct channel_address *a) {
	uint32_t h = 2166136261u ^ a->realm;

	for (uint32_t i = 0; i < (a->family == 4 ? 4u : 16u); i++)
		h = (h ^ a->bytes[i]) * 16777619u;
	return h | 1;
}

static struct channel_address address_of(const struct flow_key *key) {
	struct channel_address a = {
		.family = key->family,
		.prefix_len = key->family == 4 ? 32 : 128,
		.port = key->remote_port,
		.realm = key->realm,
	};

	memcpy(a.bytes, key->remote, key->family == 4 ? 4 : 16);
	return a;
}

static enum flow_desk_rc turned_away(
	struct flow_desk *d,
	const struct device_entry *e,
	const struct device_contact *c,
	enum flow_desk_rc rc
) {
	static const uint8_t reasons[] = {
		[FLOW_DESK_NOT_ACTIVE] = REFUSE_DEVICE_STATE,
		[FLOW_DESK_BLOCKED] = REFUSE_BLOCKED,
		[FLOW_DESK_CONNECTIONS] = GATE_REASON_CONNECTIONS,
	};

	if (e->slot != DEVICE_NONE)
		device_table_refused(d->gate->table, e->slot, c, reasons[rc]);
	return rc;
}

enum flow_desk_rc flow_desk_admit(
	struct flow_desk *d,
	uint32_t session,
	struct view device,
	const struct flow_key *key,
	int64_t wall_ns,
	bool entering
) {
	struct device_contact c = {
		.transport = TRANSPORT_MQTT, .peer = address_of(key), .wall_ns = wall_ns
	};
	struct device_entry e;
	uint32_t sequence;

	if (device.len == 0 || device.len > CHANNEL_NAME_MAX || session >= d->sessions)
		return FLOW_DESK_OK;
	c.peer_hash = address_hash(&c.peer);
	device_table_lookup(d->gate->table, &device, 1, &e);
	if (d->gate->blocks != NULL && blocks_device(d->gate->blocks, device))
		return turned_away(d, &e, &c, FLOW_DESK_BLOCKED);
	if (e.slot == DEVICE_NONE)
		return FLOW_DESK_OK; // its messages are judged by the listener's rule
	if (e.state != DEVICE_ACTIVE)
		return turned_away(d, &e, &c, FLOW_DESK_NOT_ACTIVE);
	if (!entering)
		return FLOW_DESK_OK;
	if (!device_connect(d->gate->table, &e, &c, &sequence))
		return turned_away(d, &e, &c, FLOW_DESK_CONNECTIONS);
	d->counted[session] = (struct counted) {e.slot + 1, sequence};
	return FLOW_DESK_OK;
}

void flow_desk_left(struct flow_desk *d, uint32_t session, int64_t wall_ns) {
	struct counted *c;

	if (session >= d->sessions)
		return;
	c = &d->counted[session];
	if (c->slot != 0)
		device_disconnect(d->gate->table, c->slot - 1, c->sequence, wall_ns);
	c->slot = 0;
}

// --- looking at live sessions again

static enum mqtt_end standing_of(const struct flow_desk *d, const struct mqtt_visit *v) {
	const struct blocks *b = d->gate->blocks;
	struct device_entry e;
	struct flow_key key;

	if (!v->admitted)
		return MQTT_END_NOT_ADMITTED;
	if (b != NULL && d->line->key(d->line->owner, v->conn, &key)
	    && blocks_source_peek(b, key.family, key.remote, key.realm))
		return MQTT_END_BLOCKED;
	if (v->device.len == 0 || v->device.len > CHANNEL_NAME_MAX)
		return MQTT_END_COUNT;
	if (b != NULL && blocks_device(b, v->device))
		return MQTT_END_BLOCKED;
	device_table_lookup(d->gate->table, &v->device, 1, &e);
	if (e.slot != DEVICE_NONE)
		return e.state == DEVICE_ACTIVE ? MQTT_END_COUNT : MQTT_END_NOT_ALLOWED;
	// Counted once, it was registered: it has been removed.
	return d->counted[v->session].slot != 0 ? MQTT_END_NOT_ALLOWED : MQTT_END_COUNT;
}

static enum mqtt_end pass_visit(void *visitor, const struct mqtt_visit *v) {
	const struct flow_desk *d = visitor;

	return v->session < d->sessions ? standing_of(d, v) : MQTT_END_COUNT;
}

static uint32_t blocks_now(const struct flow_desk *d) {
	return d->gate->blocks != NULL ? blocks_generation(d->gate->blocks) : 0;
}

static bool pass_wanted(const struct flow_desk *d) {
	return d->passing
		|| atomic_load_explicit(&d->checked, memory_order_relaxed)
		!= device_table_standing(d->gate->table)
		|| d->blocks_seen != blocks_now(d);
}

static void pass_step(struct flow_desk *d) {
	if (!d->passing) {
		d->passing = true;
		d->pass_at = 0;
		d->pass_standing = device_table_standing(d->gate->table);
		d->pass_blocks = blocks_now(d);
	}
	if (d->line->mqtt != NULL) {
		d->pass_at = mqtt_walk(d->line->mqtt, d->pass_at, FLOW_DESK_LOOKS, pass_visit, d);
		if (d->pass_at != UINT32_MAX)
			return;
	}
	d->passing = false;
	d->blocks_seen = d->pass_blocks;
	atomic_store_explicit(&d->checked, d->pass_standing, memory_order_release);
}

uint32_t flow_desk_checked(const struct flow_desk *d) {
	return atomic_load_explicit(&d->checked, memory_order_acquire);
}

// --- queries

static bool
address_inside(const struct channel_address *prefix, const struct channel_address *address) {
	uint32_t whole = prefix->prefix_len / 8, rest = prefix->prefix_len % 8;

	if (prefix->family != address->family || memcmp(prefix->bytes, address->bytes, whole) != 0)
		return false;
	return rest == 0 || ((prefix->bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}

static bool fits(const struct channel_flow_query *q, const struct channel_flow *f) {
	if (q->device_len > 0
	    && (f->device_len != q->device_len || memcmp(f->device, q->device, q->device_len) != 0))
		return false;
	if (q->transport != 0 && q->transport - 1 != f->transport[0])
		return false;
	if (q->by_realm != 0 && q->peer.realm != f->peer.realm)
		return false;
	return q->peer.family == 0 || address_inside(&q->peer, &f->peer);
}

static bool ring_full(const struct flow_desk *d) {
	return atomic_load_explicit(&d->head, memory_order_relaxed)
		- atomic_load_explicit(&d->tail, memory_order_acquire)
		== FLOW_DESK_RING;
}

// The transport's number stands in transport[0]: labels are the main thread's business.
static void answer(struct flow_desk *d, const struct channel_flow *f) {
	uint32_t head = atomic_load_explicit(&d->head, memory_order_relaxed);

	d->hits++;
	if (d->query.kind != FLOW_DESK_LIST)
		return;
	d->ring[head % FLOW_DESK_RING] = *f;
	d->given++;
	atomic_store_explicit(&d->head, head + 1, memory_order_release);
}

static void entry_answer(struct flow_desk *d, const struct flow_entry *e) {
	struct channel_flow f = {
		.cursor = d->place + 1,
		.device_len = e->device_len,
		.worker = d->gate->worker,
		.peer =
			{
				.family = e->family,
				.prefix_len = e->family == 4 ? 32 : 128,
				.port = e->port,
				.realm = e->realm,
			},
		.transport = {(char)e->transport},
		.records = e->records,
		.bytes = e->bytes,
		.drops = e->drops,
		.seen_ns = e->seen_ns,
	};

	memcpy(f.peer.bytes, e->address, 16);
	memcpy(f.device, e->device, sizeof(f.device));
	if (fits(&d->query.filter, &f))
		answer(d, &f);
}

static enum mqtt_end session_visit(void *visitor, const struct mqtt_visit *v) {
	struct flow_desk *d = visitor;
	struct channel_flow f = {
		.worker = d->gate->worker,
		.transport = {(char)TRANSPORT_MQTT},
		.cursor = SESSION_PLACE + v->session + 1,
		.records = v->messages,
		.seen_ns = d->wall_ns - (int64_t)v->idle_ms * 1000000,
	};
	struct flow_id id = {.transport = TRANSPORT_MQTT};
	struct flow_key key;

	if (!d->line->key(d->line->owner, v->conn, &key))
		return MQTT_END_COUNT;
	f.peer = address_of(&key);
	f.device_len = v->device.len <= CHANNEL_NAME_MAX ? (uint8_t)v->device.len : 0;
	if (f.device_len > 0)
		memcpy(f.device, v->device.p, f.device_len);
	if (!fits(&d->query.filter, &f))
		return MQTT_END_COUNT;
	id.peer = f.peer;
	id.device = (struct view) {(const uint8_t *)f.device, f.device_len};
	if (d->gate->book != NULL)
		flow_book_id(d->gate->book, &id);
	const struct flow_entry *e =
		d->gate->book != NULL ? flow_book_find(d->gate->book, &id) : NULL;
	if (e != NULL) {
		f.records = e->records;
		f.bytes = e->bytes;
		f.drops = e->drops;
	}
	answer(d, &f);
	return d->query.kind == FLOW_DESK_DROP ? MQTT_END_DROPPED : MQTT_END_COUNT;
}

static uint32_t book_size(const struct flow_desk *d) {
	return d->gate->book != NULL && d->query.kind == FLOW_DESK_LIST
		? flow_book_capacity(d->gate->book)
		: 0;
}

static bool enough(const struct flow_desk *d) {
	return d->query.kind == FLOW_DESK_LIST
		&& (d->given >= d->query.filter.limit || ring_full(d));
}

static void book_step(struct flow_desk *d) {
	uint32_t size = book_size(d);

	for (unsigned n = 0; n < FLOW_DESK_LOOKS && d->place < size && !enough(d); n++) {
		const struct flow_entry *e = flow_book_at(d->gate->book, (uint32_t)d->place);
		__builtin_prefetch(e + 4);
		if (e->family != 0 && e->transport != TRANSPORT_MQTT)
			entry_answer(d, e);
		d->place++;
	}
	if (d->place >= size)
		d->place = SESSION_PLACE;
}

// A slot at a time where answers are bounded, so that none is looked at and not given.
static void session_step(struct flow_desk *d) {
	uint32_t most = d->query.kind == FLOW_DESK_LIST ? 1 : FLOW_DESK_LOOKS;

	for (unsigned n = 0; n < FLOW_DESK_LOOKS && !enough(d); n += most) {
		uint32_t next = mqtt_walk(
			d->line->mqtt, (uint32_t)(d->place - SESSION_PLACE), most, session_visit, d
		);
		if (next == UINT32_MAX) {
			d->place = PLACE_END;
			return;
		}
		d->place = SESSION_PLACE + next;
	}
}

static void query_step(struct flow_desk *d, uint32_t number) {
	if (d->busy_with != number) {
		d->busy_with = number;
		d->place = d->query.from;
		d->given = 0;
		d->hits = 0;
	}
	if (d->place < SESSION_PLACE)
		book_step(d);
	else if (d->place != PLACE_END && d->line->mqtt != NULL)
		session_step(d);
	else
		d->place = PLACE_END;
	bool full = d->query.kind == FLOW_DESK_LIST && d->given >= d->query.filter.limit;
	bool unwanted = atomic_load_explicit(&d->cancelled, memory_order_relaxed) == number;
	if (d->place == PLACE_END || full || unwanted)
		atomic_store_explicit(&d->done, number, memory_order_release);
}

static bool query_open(const struct flow_desk *d, uint32_t *number) {
	*number = atomic_load_explicit(&d->wanted, memory_order_acquire);
	return *number != atomic_load_explicit(&d->done, memory_order_relaxed);
}

bool flow_desk_wanted(const struct flow_desk *d) {
	uint32_t number;

	return query_open(d, &number) || pass_wanted(d);
}

bool flow_desk_turn(struct flow_desk *d, const struct flow_desk_line *line, int64_t wall_ns) {
	uint32_t number;

	d->line = line;
	d->wall_ns = wall_ns;
	if (pass_wanted(d))
		pass_step(d);
	if (query_open(d, &number))
		query_step(d, number);
	return flow_desk_wanted(d);
}

// --- main thread

void flow_desk_ask(struct flow_desk *d, const struct flow_desk_query *q) {
	d->query = *q;
	atomic_store_explicit(
		&d->wanted,
		atomic_load_explicit(&d->wanted, memory_order_relaxed) + 1,
		memory_order_release
	);
}

uint32_t flow_desk_take(
	struct flow_desk *d,
	struct channel_flow *out,
	uint32_t max,
	bool *done,
	uint64_t *hits
) {
	// Before the head: what was answered before it was done is seen.
	bool ended = atomic_load_explicit(&d->done, memory_order_acquire)
		== atomic_load_explicit(&d->wanted, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&d->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&d->head, memory_order_acquire);
	uint32_t n = 0;

	for (; tail != head && n < max; tail++)
		out[n++] = d->ring[tail % FLOW_DESK_RING];
	atomic_store_explicit(&d->tail, tail, memory_order_release);
	*done = ended && tail == head;
	if (*done)
		*hits = d->hits;
	return n;
}

void flow_desk_cancel(struct flow_desk *d) {
	atomic_store_explicit(
		&d->cancelled,
		atomic_load_explicit(&d->wanted, memory_order_relaxed),
		memory_order_relaxed
	);
}
