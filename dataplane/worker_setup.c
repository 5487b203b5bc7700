// SPDX-License-Identifier: Apache-2.0
// The control side of a worker: memory, rings, snapshots. Main thread.
#include "config/config.h"
#include "dataplane/adapters.h"
#include "dataplane/eal.h"
#include "dataplane/egress.h"
#include "dataplane/enforce.h"
#include "dataplane/gate.h"
#include "dataplane/letters/lane.h"
#include "dataplane/packet.h"
#include "dataplane/signatures.h"
#include "dataplane/why.h"
#include "dataplane/worker.h"
#include "pipelines/handover.h"
#include "pipelines/match_compile.h"

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SNAPSHOT_TRIES 200 // of 1 ms
#define LINEAR_BYTES 65536

struct rte_mempool *worker_pool_create(const struct config *c, uint16_t index) {
	char name[RTE_MEMPOOL_NAMESIZE];
	uint32_t room = RTE_PKTMBUF_HEADROOM + 2048;

	// AF_XDP receives into the buffers themselves, of which the kernel keeps a part.
	for (uint32_t p = 0; p < c->port_count; p++)
		room =
			RTE_MAX(room,
				c->ports[p].mtu + PORT_LINK_BYTES + RTE_PKTMBUF_HEADROOM
					+ PORT_XDP_HEADROOM);
	snprintf(name, sizeof(name), "packets%u", index);
	return rte_pktmbuf_pool_create(
		name,
		c->dataplane.mbufs,
		256,
		PACKET_PRIV_SIZE,
		(uint16_t)RTE_ALIGN_CEIL(room, RTE_MBUF_PRIV_ALIGN),
		(int)rte_lcore_to_socket_id(eal_worker_lcore(index))
	);
}

static int batches_create(struct worker *w) {
	const struct config *c = w->config;

	w->batch_count = (uint16_t)c->egress.batches;
	w->batches =
		rte_zmalloc("batches", w->batch_count * sizeof(*w->batches), RTE_CACHE_LINE_SIZE);
	if (w->batches == nullptr)
		return -ENOMEM;
	for (uint16_t i = 0; i < w->batch_count; i++) {
		struct batch *b = &w->batches[i];
		b->worker = w->index;
		b->index = i;
		b->capacity = c->egress.batch_bytes;
		b->buf = rte_malloc("batch", b->capacity, RTE_CACHE_LINE_SIZE);
		if (b->buf == nullptr)
			return -ENOMEM;
	}
	return 0;
}

static void queues_assign(struct worker *w) {
	for (uint16_t p = 0; p < w->port_count; p++) {
		const struct port *port = &w->ports[p];
		w->tx[p].ethdev = UINT16_MAX;
		w->tx[p].via = w->index;
		w->exception_tx[p].ethdev = port->exception_ethdev;
		if (port->queue_count == 0)
			continue;
		uint16_t q = w->index < port->queue_count ? w->index : w->index % port->queue_count;
		w->tx[p].ethdev = port->queues[q].ethdev;
		w->tx[p].queue = port->queues[q].queue;
		w->tx[p].via = q % w->count;
	}
}

static int net_start(struct worker *w, const struct worker_env *env) {
	struct net_port ports[CONFIG_PORTS_MAX];
	struct net_env net = {
		.config = w->config,
		.worker = w->index,
		.workers = w->count,
		.ports = ports,
		.pool = w->pool,
		.secret = {env->shared->secret[0], env->shared->secret[1]},
		.blocks = env->shared->blocks,
		.frames = &w->ledger.frames,
		.transmit = worker_transmit,
		.punt = worker_punt,
		.handover = worker_handover,
		.owner = w,
	};

	for (uint16_t p = 0; p < w->port_count; p++)
		ports[p] = w->ports[p].net;
	return net_create(&net, &w->net);
}

static void batch_sealed(void *owner, struct batch *b) {
	struct worker *w = owner;

	egress_submit(w->egress, b);
}

static bool mail_sent(void *owner, uint16_t to, const struct pipeline_letter *l) {
	struct worker *w = owner;

	return rte_ring_sp_enqueue_elem(w->mail_out[to], (void *)(uintptr_t)l, sizeof(*l)) == 0;
}

static int pipeline_start(struct worker *w, const struct worker_env *env) {
	const struct config *c = w->config;
	struct pipeline_env pipeline = {
		.worker = w->index,
		.egress_count = (uint16_t)c->egress.threads,
		.batches = w->batches,
		.batch_count = w->batch_count,
		.ack_slots = c->egress.in_flight_records,
		.in_flight_records_max = c->egress.in_flight_records,
		.in_flight_bytes_max = c->egress.in_flight_bytes,
		.appliance_epoch = env->shared->appliance_epoch,
		.ledger = &w->ledger,
		.states = env->shared->states,
		.workers = w->count,
		.park_bytes = c->pipeline.park_bytes,
		.secret = {env->shared->secret[0], env->shared->secret[1]},
		.mail = mail_sent,
		.sealed = batch_sealed,
		.owner = w,
		.enforcer = {.enforce = enforce_order, .owner = w},
	};

	adapters_env(w->adapters, &pipeline);
	if (w->letters != nullptr) {
		pipeline.adapters[TRANSPORT_REPLAY].done = lane_done;
		pipeline.adapters[TRANSPORT_REPLAY].adapter = w->letters;
	}
	if (env->shared->gates != nullptr)
		pipeline.authority = (struct authority) {.judge = gate_judge,
							 .facts_of = gate_facts_of,
							 .owner = env->shared->gates[w->index]};
	int ret = pipeline_create(&pipeline, c, &w->pipeline);
	// What the seat holds from the beginning; later sets come by it (worker.c).
	const struct match_set *first = signatures_current(env->shared->signatures);
	if (ret == 0 && first != nullptr)
		pipeline_match(
			w->pipeline,
			match_set_matcher((struct match_set *)(uintptr_t)first, w->index)
		);
	return ret;
}

// Frames and letters of other workers, and what the kernel sends through a TAP twin, wake nobody.
static uint64_t first_sleep(const struct worker *w) {
	uint64_t first_ns = IDLE_WOKEN_MAX_NS;

	for (uint16_t p = 0; p < w->port_count && w->index == 0; p++)
		if (w->ports[p].exception_ethdev != UINT16_MAX)
			first_ns = IDLE_TWIN_NS;
	return w->count > 1 ? IDLE_SLEEP_MIN_NS : first_ns;
}

static void idle_prepare(struct worker *w) {
	int queues[PORT_QUEUES_MAX * CONFIG_PORTS_MAX];
	unsigned count = 0;

	for (uint16_t p = 0; p < w->port_count; p++)
		for (uint16_t q = w->index; q < w->ports[p].queue_count; q += w->count)
			queues[count++] = w->ports[p].queues[q].fd;
	idle_init(&w->idle, egress_bell(w->egress, w->index), queues, count, first_sleep(w));
}

int worker_create(const struct worker_env *env, struct worker **out, char *why, size_t why_len) {
	struct worker *w = rte_zmalloc("worker", sizeof(*w), RTE_CACHE_LINE_SIZE);
	int ret = -ENOMEM;

	why[0] = '\0';
	if (w == nullptr)
		goto err;
	w->index = env->index;
	w->count = env->count;
	w->config = env->config;
	w->clock = env->clock;
	w->ports = env->ports;
	w->port_count = (uint16_t)env->config->port_count;
	w->pool = env->pool;
	w->egress = env->egress;
	w->why = env->shared->why != nullptr ? &env->shared->why[w->index] : nullptr;
	w->letters = w->index == 0 ? env->shared->letters : nullptr;
	w->blocks = env->shared->blocks;
	if (env->shared->signatures != nullptr)
		w->signatures = signatures_seat(env->shared->signatures, w->index);
	w->linear = rte_malloc("linear", LINEAR_BYTES, RTE_CACHE_LINE_SIZE);
	if (w->linear == nullptr)
		goto err;
	queues_assign(w);
	w->polling = env->config->dataplane.polling;
	if (w->egress != nullptr)
		idle_prepare(w);
	worker_rates(w, env->config);
	ret = batches_create(w);
	if (ret == 0)
		ret = net_start(w, env);
	if (ret == 0)
		ret = adapters_create(w, env->shared, &w->adapters);
	if (ret == 0)
		ret = pipeline_start(w, env);
	if (ret != 0)
		goto err;
	*out = w;
	return 0;

err:
	if (why[0] == '\0')
		snprintf(
			why,
			why_len,
			"worker %u: %s: raise dataplane.memory_mib (now %u) or lower "
			"egress.batches, "
			"coap.exchanges or dataplane.mbufs",
			env->index,
			strerror(-ret),
			env->config->dataplane.memory_mib
		);
	worker_destroy(w);
	return ret;
}

void worker_destroy(struct worker *w) {
	if (w == nullptr)
		return;
	pipeline_destroy(w->pipeline);
	adapters_destroy(w->adapters);
	net_destroy(w->net);
	for (uint16_t i = 0; w->batches != nullptr && i < w->batch_count; i++)
		rte_free(w->batches[i].buf);
	rte_free(w->batches);
	for (uint16_t from = 0; from < w->count; from++) {
		rte_ring_free(w->in[from]);
		rte_ring_free(w->mail_in[from]);
	}
	rte_free(w->linear);
	rte_free(w);
}

static int
ring_create(const char *kind, uint16_t from, uint16_t to, unsigned esize, struct rte_ring **out) {
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s%u-%u", kind, from, to);
	*out = rte_ring_create_elem(
		name,
		esize,
		esize == sizeof(void *) ? WORKER_RING_SIZE : WORKER_MAIL,
		SOCKET_ID_ANY,
		RING_F_SP_ENQ | RING_F_SC_DEQ
	);
	return *out != nullptr ? 0 : -rte_errno;
}

int workers_connect(struct worker *const *workers, uint16_t count) {
	for (uint16_t from = 0; from < count; from++) {
		for (uint16_t to = 0; to < count; to++) {
			struct worker *a = workers[from];
			struct worker *b = workers[to];
			if (from == to)
				continue;
			int ret = ring_create("over", from, to, sizeof(void *), &a->out[to]);
			b->in[from] = a->out[to];
			if (ret == 0)
				ret = ring_create(
					"devices",
					from,
					to,
					sizeof(struct pipeline_letter),
					&a->mail_out[to]
				);
			b->mail_in[from] = a->mail_out[to];
			if (ret != 0)
				return ret;
		}
	}
	return 0;
}

int worker_snapshot(struct worker *w, struct worker_report *out) {
	uint64_t wanted = atomic_load_explicit(&w->report_wanted, memory_order_relaxed) + 1;

	atomic_store_explicit(&w->report_wanted, wanted, memory_order_release);
	for (unsigned i = 0; i < SNAPSHOT_TRIES; i++) {
		if (!atomic_load_explicit(&w->running, memory_order_acquire)
		    || atomic_load_explicit(&w->report_made, memory_order_acquire) == wanted) {
			*out = w->report;
			return 0;
		}
		usleep(1000);
	}
	return -ETIMEDOUT;
}

void worker_follow(struct worker *w, struct generation_seat *seat) {
	w->seat = seat;
}

void worker_drain(struct worker *w) {
	atomic_store_explicit(&w->drain, true, memory_order_relaxed);
}

bool worker_drained(const struct worker *w) {
	return atomic_load_explicit(&w->drained, memory_order_acquire);
}

void worker_stop(struct worker *w) {
	atomic_store_explicit(&w->stop, true, memory_order_relaxed);
}
