// SPDX-License-Identifier: Apache-2.0
// What a stack is made of: shipped values, checks, and one arena for everything. Control thread.
#include "dataplane/pages.h"
#include "dataplane/tcp/tcp_types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void tcp_config_default(struct tcp_config *c) {
	*c = (struct tcp_config) {
		.max_conns = 1u << 20,
		.buffer_bytes = UINT64_C(256) << 20,
		.time_wait_max = 1u << 17,
		.source_max = 1u << 14,
		.window = 8192,
		.window_max = CHUNK_DATA_MAX,
		.hold_max = CHUNK_DATA_MAX,
		.send_max = 16384,
		.ooo_segments = 16,
		.delayed_ack_ms = 40,
		.rto_initial_ms = 1000,
		.rto_min_ms = 200,
		.rto_max_ms = 60000,
		.retries_max = 15,
		.user_timeout_ms = 120000,
		.zero_window_ms = 120000,
		.first_byte_ms = 5000,
		.auth_ms = 10000,
		.fin_wait2_ms = 30000,
		.time_wait_ms = 60000,
		.keepalive_interval_s = 75,
		.keepalive_probes = 9,
		.reset_rate = 1000,
		.challenge_rate = 1000,
		.source_rate = 2000,
		.source_share_pct = 5,
		.prefault = true,
	};
}

static bool config_valid(const struct tcp_config *c) {
	if (c->max_conns == 0 || c->max_conns >= UINT32_MAX / 8 || c->service_count > 65534
	    || c->listener_count == 0 || c->listener_count > 255)
		return false;
	if (c->hold_max > CHUNK_DATA_MAX || c->window > c->window_max || c->window_max > c->hold_max
	    || c->window < 1024 || c->send_max < 1024 || c->send_max > TCP_CWND_MAX)
		return false;
	if (c->delayed_ack_ms > 500 || c->rto_min_ms == 0 || c->rto_initial_ms < c->rto_min_ms
	    || c->rto_max_ms < c->rto_initial_ms || c->retries_max == 0 || c->retries_max > 250)
		return false;
	if (c->ooo_segments > 255 || c->buffer_bytes / SLAB_PAGE_BYTES < SLAB_CLASSES
	    || c->buffer_bytes / SLAB_PAGE_BYTES >= SLAB_PAGES_MAX)
		return false;
	for (uint32_t i = 0; i < c->service_count; i++) {
		const struct tcp_service *s = &c->services[i];
		if ((s->family != 4 && s->family != 6) || s->listener >= c->listener_count
		    || s->mtu < 296)
			return false;
	}
	return true;
}

static uint32_t services_room(const struct tcp_config *c) {
	return c->service_max > c->service_count ? c->service_max : c->service_count;
}

static uint32_t service_slots(const struct tcp_config *c) {
	uint32_t n = 16;

	while (n < 2 * services_room(c) + 1)
		n *= 2;
	return n;
}

// Four ways per set.
static uint32_t source_sets(const struct tcp_config *c) {
	uint32_t n = 1;

	while (n * 4 < c->source_max)
		n *= 2;
	return n;
}

// Hands out pieces of the arena; with base 0 it only adds up.
struct carver {
	uintptr_t base;
	size_t used;
};

static void *carve(struct carver *k, size_t count, size_t bytes) {
	void *p = (void *)(k->base + k->used);

	k->used += (count * bytes + 63) & ~(size_t)63;
	return k->base != 0 ? p : nullptr;
}

static struct tcp *carve_all(struct carver *k, const struct tcp_config *c) {
	uint32_t pages = (uint32_t)(c->buffer_bytes / SLAB_PAGE_BYTES);
	uint32_t sets = source_sets(c);
	struct tcp *t = carve(k, 1, sizeof(*t));
	struct tcb *tcbs = carve(k, c->max_conns + 1, sizeof(*tcbs));
	struct flow_bucket *buckets = carve(k, flow_table_buckets(c->max_conns), sizeof(*buckets));
	struct flow_bucket *overflow =
		carve(k, flow_table_overflow(c->max_conns) + 1, sizeof(*overflow));
	uint32_t *burst = carve(k, c->max_conns + 1, sizeof(*burst));
	struct tw_record *records = carve(k, c->time_wait_max + 1, sizeof(*records));
	uint32_t *tw_buckets = carve(k, time_wait_buckets(c->time_wait_max), sizeof(*tw_buckets));
	struct source *sources = carve(k, 4 * sets + 1, sizeof(*sources));
	uint16_t *service_hash = carve(k, service_slots(c), sizeof(*service_hash));
	struct tcp_service *services = carve(k, services_room(c), sizeof(*services));
	struct tcp_listener *listeners = carve(k, c->listener_count, sizeof(*listeners));
	struct tcp_prefix *balancers = carve(k, c->balancer_count, sizeof(*balancers));
	struct slab_page *page_heads = carve(k, pages, sizeof(*page_heads));
	uint8_t *page_bytes = carve(k, pages, SLAB_PAGE_BYTES);

	if (t == nullptr)
		return nullptr;
	t->config = *c;
	memcpy(services, c->services, c->service_count * sizeof(*services));
	memcpy(listeners, c->listeners, c->listener_count * sizeof(*listeners));
	if (c->balancer_count > 0)
		memcpy(balancers, c->balancers, c->balancer_count * sizeof(*balancers));
	t->config.services = services;
	t->config.listeners = listeners;
	t->config.balancers = balancers;
	t->tcbs = tcbs;
	t->burst = burst;
	t->sources = sources;
	t->source_sets = sets;
	t->service_hash = service_hash;
	t->service_mask = service_slots(c) - 1;
	flow_table_init(&t->flows, buckets, overflow, c->max_conns);
	time_wait_init(&t->time_wait, records, tw_buckets, c->time_wait_max);
	slab_init(&t->slab, page_bytes, page_heads, pages);
	return t;
}

// Services are ours, not a peer's choice: any even spread will do.
static uint32_t
service_slot(const struct tcp *t, const uint8_t address[16], uint16_t realm, uint16_t port) {
	uint64_t words[3];

	memcpy(words, address, 16);
	words[2] = (uint64_t)realm << 16 | port;
	return (uint32_t)siphash13(t->config.seed, words, sizeof(words)) & t->service_mask;
}

uint32_t service_find(const struct tcp *t, const struct flow_key *key) {
	uint32_t slot = service_slot(t, key->local, key->realm, key->local_port);

	for (;; slot = (slot + 1) & t->service_mask) {
		uint32_t i = t->service_hash[slot];
		if (i == 0)
			return 0;
		const struct tcp_service *s = &t->config.services[i - 1];
		if (s->port == key->local_port && s->realm == key->realm && s->family == key->family
		    && memcmp(s->address, key->local, 16) == 0)
			return i;
	}
}

static int service_index(struct tcp *t, uint32_t i) {
	const struct tcp_service *s = &t->config.services[i];
	struct flow_key key = {.local_port = s->port, .realm = s->realm, .family = s->family};

	memcpy(key.local, s->address, 16);
	if (service_find(t, &key) != 0)
		return -EEXIST;
	uint32_t slot = service_slot(t, s->address, s->realm, s->port);
	while (t->service_hash[slot] != 0)
		slot = (slot + 1) & t->service_mask;
	t->service_hash[slot] = (uint16_t)(i + 1);
	return 0;
}

static int services_index(struct tcp *t) {
	for (uint32_t i = 0; i < t->config.service_count; i++)
		if (service_index(t, i) < 0)
			return -EINVAL;
	return 0;
}

int tcp_service_add(struct tcp *t, const struct tcp_service *s) {
	struct tcp_config *c = &t->config;

	if (c->service_count >= services_room(c))
		return -ENOSPC;
	// Our own copy, see create.
	((struct tcp_service *)(uintptr_t)c->services)[c->service_count] = *s;
	int ret = service_index(t, c->service_count);
	if (ret == 0)
		c->service_count++;
	return ret;
}

size_t tcp_bytes(const struct tcp_config *config) {
	struct carver k = {0};

	carve_all(&k, config);
	return k.used;
}

int tcp_create(
	const struct tcp_config *config,
	const struct tcp_env *env,
	uint64_t now_ns,
	struct tcp **out
) {
	if (!config_valid(config))
		return -EINVAL;

	size_t bytes = tcp_bytes(config);
	void *arena = pages_map(bytes, "sluice tcp", config->prefault);
	if (arena == nullptr)
		return -ENOMEM;

	struct carver k = {.base = (uintptr_t)arena};
	struct tcp *t = carve_all(&k, config);
	t->arena = arena;
	t->arena_bytes = bytes;
	t->env = *env;
	t->fresh = 1;
	tcp_set_time(t, now_ns);
	t->epoch = (uint32_t)(now_ns / UINT64_C(64000000000)) - 1; // derive at first use
	t->time_wait.ticks[TW_TIME_WAIT] = ms_to_ticks(t->config.time_wait_ms);
	t->time_wait.ticks[TW_TOMBSTONE] = ms_to_ticks(132000); // a cookie's life, see tcp_conn.c
	wheel_init(&t->wheel, &t->tcbs[0].timer, sizeof(struct tcb), t->tick);
	t->tcbs[0].timer.slot = WHEEL_IDLE;
	int rc = services_index(t);
	if (rc != 0) {
		tcp_destroy(t);
		return rc;
	}
	*out = t;
	return 0;
}

void tcp_destroy(struct tcp *t) {
	if (t == nullptr)
		return;
	pages_unmap(t->arena, t->arena_bytes);
}

void tcp_memory(const struct tcp *t, struct memory_account *out) {
	static const enum memory_part named[] = {
		MEMORY_TCP_BLOCKS,
		MEMORY_TCP_FLOWS,
		MEMORY_TCP_BURST,
		MEMORY_TCP_BUFFERS,
		MEMORY_TCP_TIME_WAIT,
		MEMORY_TCP_SOURCES,
	};
	const struct tcp_config *c = &t->config;
	struct memory_use *part = out->part;
	uint64_t rest = t->arena_bytes; // of one mapping that holds them all

	part[MEMORY_TCP_BLOCKS] = (struct memory_use
	) {(c->max_conns + 1ull) * sizeof(struct tcb), c->max_conns, t->conns};
	part[MEMORY_TCP_FLOWS] = (struct memory_use
	) {(flow_table_buckets(c->max_conns) + flow_table_overflow(c->max_conns) + 1ull)
		   * sizeof(struct flow_bucket),
	   c->max_conns,
	   t->conns};
	part[MEMORY_TCP_BURST] = (struct memory_use
	) {(c->max_conns + 1ull) * sizeof(*t->burst), c->max_conns, t->burst_count};
	part[MEMORY_TCP_BUFFERS] = (struct memory_use
	) {t->slab.page_count * (SLAB_PAGE_BYTES + sizeof(struct slab_page)),
	   t->slab.page_count,
	   t->slab.pages_used};
	part[MEMORY_TCP_TIME_WAIT] = (struct memory_use
	) {(c->time_wait_max + 1ull) * sizeof(struct tw_record)
		   + time_wait_buckets(c->time_wait_max) * sizeof(*t->time_wait.buckets),
	   c->time_wait_max,
	   t->time_wait.used};
	part[MEMORY_TCP_SOURCES] = (struct memory_use
	) {(4ull * t->source_sets + 1) * sizeof(*t->sources), 4ull * t->source_sets, t->sources_used
	};
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		rest -= part[named[i]].reserved;
	part[MEMORY_TCP_REST] = (struct memory_use) {rest, rest, rest};
}

const char *tcp_counter_label(enum tcp_counter c) {
	static const char *const labels[TCP_COUNTER_COUNT] = {
#define X(id, label) [id] = label,
		TCP_COUNTERS(X)
#undef X
	};
	return labels[c];
}

const char *tcp_close_reason_label(enum tcp_close_reason r) {
	static const char *const labels[TCP_CLOSE_REASON_COUNT] = {
#define X(id, label) [id] = label,
		TCP_CLOSE_REASONS(X)
#undef X
	};
	return labels[r];
}
