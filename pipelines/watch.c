// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "parsers/siphash.h"
#include "pipelines/alert.h"
#include "pipelines/pipeline_state.h"
#include "pipelines/watch.h"

#include <string.h>

#define SECOND_NS 1000000000ull

static uint32_t seconds_of(const struct pipeline *p) {
	return (uint32_t)(p->now_ns / SECOND_NS);
}

static uint64_t hash_of(const struct watch *w, struct view bytes, uint64_t kind) {
	uint64_t key[2] = {w->secret, kind};

	return siphash13(key, bytes.p, bytes.len) | 1;
}

static struct watched *set_of(const struct watch *w, uint64_t key) {
	return &w->entries[(key >> 32) % (WATCH_ENTRIES / WATCH_WAYS) * WATCH_WAYS];
}

static void entry_prefetch(const struct watch *w, uint64_t key) {
	const char *set = (const char *)set_of(w, key);

	for (uint32_t at = 0; at < WATCH_WAYS * sizeof(struct watched); at += 64)
		__builtin_prefetch(set + at, 1);
}

// The entry of that key, or the one of its set that was seen least recently and has nothing raised.
static struct watched *entry_of(struct watch *w, uint64_t key, uint32_t now_s) {
	struct watched *set = set_of(w, key);
	struct watched *oldest = nullptr;

	for (uint32_t i = 0; i < WATCH_WAYS; i++) {
		if (set[i].key == key) {
			set[i].seen_s = now_s;
			return &set[i];
		}
		if (set[i].raised == 0
		    && (oldest == nullptr || now_s - set[i].seen_s > now_s - oldest->seen_s))
			oldest = &set[i];
	}
	if (oldest != nullptr)
		*oldest = (struct watched) {
			.key = key,
			.seen_s = now_s,
			.window = now_s / WATCH_WINDOW_S,
			.minute_s = now_s,
		};
	return oldest;
}

// --- raised alerts

struct subject {
	enum transport transport;
	uint16_t realm;
	struct view device, peer;
	uint32_t signature;
	int64_t wall_ns;
};

static bool tell(struct pipeline *p, const struct watch_raised *r, bool raise, int64_t wall_ns) {
	struct alert a = {
		.raise = raise,
		.kind = watch_kind_label((enum watch_kind)(r->kind - 1)),
		.transport = r->transport,
		.realm = r->realm,
		.device = view_of(r->device, r->device_len),
		.peer = view_of(r->peer, r->peer_len),
		.profile = "",
		.count = raise ? r->count : 0,
		.signature = r->signature,
		.arrival_ns = wall_ns,
		.rx_ns = p->now_ns,
	};
	return alert_send(p, &a);
}

static struct watch_raised *
raised_find(struct watch *w, const struct watched *e, enum watch_kind k) {
	uint32_t index = (uint32_t)(e - w->entries);

	for (uint32_t i = 0; i < WATCH_RAISED; i++)
		if (w->raised[i].kind == k + 1u && w->raised[i].entry == index)
			return &w->raised[i];
	return nullptr;
}

static struct watch_raised *raised_take(struct watch *w) {
	if (w->raised_count == WATCH_RAISED)
		return nullptr;
	for (uint32_t i = 0; i < WATCH_RAISED; i++)
		if (w->raised[i].kind == 0)
			return &w->raised[i];
	return nullptr;
}

static void
hold(struct pipeline *p,
     struct watched *e,
     enum watch_kind k,
     const struct subject *s,
     uint64_t count) {
	struct watch *w = &p->watch;
	bool is_raised = (e->raised >> k & 1) != 0;
	struct watch_raised *r = is_raised ? raised_find(w, e, k) : raised_take(w);

	if (is_raised) {
		r->last_s = seconds_of(p);
		return;
	}
	if (r == nullptr || s->device.len > DEVICE_ID_MAX || s->peer.len > sizeof(r->peer)) {
		p->env.ledger->stages.counters[STAGE_ALERTS_HELD]++;
		return;
	}
	*r = (struct watch_raised) {
		.kind = (uint8_t)(k + 1),
		.transport = s->transport,
		.realm = s->realm,
		.device_len = (uint8_t)s->device.len,
		.peer_len = (uint8_t)s->peer.len,
		.entry = (uint32_t)(e - w->entries),
		.last_s = seconds_of(p),
		.signature = s->signature,
		.count = count,
		.wall_ns = s->wall_ns,
	};
	if (s->device.len > 0)
		memcpy(r->device, s->device.p, s->device.len);
	if (s->peer.len > 0)
		memcpy(r->peer, s->peer.p, s->peer.len);
	r->told = tell(p, r, true, r->wall_ns);
	e->raised |= (uint8_t)(1u << k);
	w->raised_count++;
}

uint64_t watch_poll(struct pipeline *p) {
	struct watch *w = &p->watch;
	uint32_t now_s = seconds_of(p);

	if (w->raised_count == 0)
		return UINT64_MAX;
	if (w->sweep_s == now_s)
		return (now_s + 1) * SECOND_NS;
	w->sweep_s = now_s;
	for (uint32_t i = 0; i < WATCH_RAISED; i++) {
		struct watch_raised *r = &w->raised[i];
		if (r->kind == 0)
			continue;
		bool over = now_s - r->last_s >= p->config->watch.quiet_s;
		if (!over && !r->told)
			r->told = tell(p, r, true, r->wall_ns);
		// What nobody was told of goes without a word as well.
		if (!over || (r->told && !tell(p, r, false, p->wall_ns)))
			continue;
		w->entries[r->entry].raised &= (uint8_t)~(1u << (r->kind - 1));
		w->raised_count--;
		r->kind = 0;
	}
	return (now_s + 1) * SECOND_NS;
}

// --- what is looked at

static void new_minute(struct watched *e, uint32_t now_s) {
	if (now_s - e->minute_s < WATCH_MINUTE_S)
		return;
	e->minute_s = now_s;
	e->connections = 0;
	e->turns = 0;
	e->ports = 0;
}

static void look_rate(struct pipeline *p, struct watched *e, const struct subject *s) {
	const typeof(p->config->watch) *limit = &p->config->watch;
	uint32_t window = seconds_of(p) / WATCH_WINDOW_S;

	if (window != e->window) {
		// Windows in which nothing came count as such, as far as they matter.
		uint32_t empty = window - e->window - 1;
		bool usual = (e->raised >> WATCH_RATE & 1) == 0;
		float weight = e->windows < WATCH_WARMUP ? 1.0f / (float)(e->windows + 1) : 0.1f;
		if (usual)
			e->mean += weight * ((float)e->count - e->mean);
		for (uint32_t i = 0; i < empty && i < 64 && usual; i++)
			e->mean *= 0.9f;
		if (e->windows < UINT8_MAX)
			e->windows++;
		e->window = window;
		e->count = 0;
	}
	e->count++;
	if (limit->rate_factor > 0 && e->windows >= WATCH_WARMUP && e->count >= limit->rate_min
	    && (float)e->count > (float)limit->rate_factor * e->mean)
		hold(p, e, WATCH_RATE, s, e->count);
}

static void look_address(
	struct pipeline *p,
	struct watched *e,
	const struct subject *s,
	const struct item *it
) {
	const typeof(p->config->watch) *limit = &p->config->watch;
	const struct message *m = &it->m;
	uint32_t peer = (uint32_t)it->peer | 1;
	bool moved = e->peer != 0 && peer != e->peer;

	if (m->transport == TRANSPORT_MQTT && (moved || m->peer_port != e->port)
	    && e->connections < UINT8_MAX)
		e->connections += e->peer != 0;
	if (moved) {
		e->turns += peer == e->peer_before && e->turns < UINT8_MAX;
		e->peer_before = e->peer;
	}
	e->peer = peer;
	e->port = m->peer_port;
	if (limit->connections > 0 && e->connections > limit->connections)
		hold(p, e, WATCH_FLAPPING, s, e->connections);
	if (limit->returns > 0 && e->turns >= limit->returns)
		hold(p, e, WATCH_IDENTITY, s, e->turns);
}

static uint64_t key_of(const struct pipeline *p, const struct item *it) {
	return p->burst.records[it->first_record].name[1] | 1;
}

static void look(struct pipeline *p, const struct item *it) {
	const struct message *m = &it->m;
	const struct record *rec = &p->burst.records[it->first_record];
	uint32_t now_s = seconds_of(p);
	struct subject s = {
		.transport = m->transport,
		.realm = m->realm,
		.device = rec->device,
		.peer = m->peer,
		.wall_ns = m->rx_wall_ns,
	};

	struct watched *e = entry_of(&p->watch, key_of(p, it), now_s);
	if (e == nullptr)
		return;
	new_minute(e, now_s);
	look_address(p, e, &s, it);
	look_rate(p, e, &s);
}

static bool followed(const struct item *it) {
	return it->state == ITEM_GOING && !it->waited && it->m.transport != TRANSPORT_REPLAY;
}

void watch_burst(struct pipeline *p, uint16_t from, uint16_t to) {
	for (uint16_t i = from; i < to; i++) {
		const struct item *it = &p->burst.items[i];
		if (followed(it))
			entry_prefetch(&p->watch, key_of(p, it));
	}
	for (uint16_t i = from; i < to; i++)
		if (followed(&p->burst.items[i]))
			look(p, &p->burst.items[i]);
}

static struct watched *
entry_of_peer(struct pipeline *p, const struct pipeline_peer *peer, struct subject *s) {
	uint64_t key = hash_of(&p->watch, peer->address, (uint64_t)peer->realm << 8 | 1);

	*s = (struct subject) {
		.transport = peer->transport,
		.realm = peer->realm,
		.peer = peer->address,
		.wall_ns = peer->wall_ns,
	};
	return entry_of(&p->watch, key, seconds_of(p));
}

void watch_port(struct pipeline *p, const struct pipeline_peer *peer, uint16_t port) {
	struct subject s;

	if (peer->address.len == 0)
		return;
	struct watched *e = entry_of_peer(p, peer, &s);
	if (e == nullptr)
		return;
	new_minute(e, seconds_of(p));
	e->ports |= 1ull << (port * 0x9e3779b1u >> 26);
	uint32_t tried = (uint32_t)__builtin_popcountll(e->ports);
	if (p->config->watch.ports > 0 && tried >= p->config->watch.ports)
		hold(p, e, WATCH_SCAN, &s, tried);
}

void watch_ban(
	struct pipeline *p,
	const struct pipeline_peer *peer,
	uint32_t signature,
	uint32_t devices
) {
	struct subject s;
	struct watched *e = entry_of_peer(p, peer, &s);

	s.signature = signature;
	if (e == nullptr)
		p->env.ledger->stages.counters[STAGE_ALERTS_HELD]++;
	else
		hold(p, e, WATCH_BAN, &s, devices);
}
