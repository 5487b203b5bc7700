// SPDX-License-Identifier: Apache-2.0
// One packet worker: an lcore that runs everything from the NIC queue to the sealed batch to
// completion, sharing nothing but rings with the others.
//
//   worker_create() x n   main thread: reserves everything
//   worker_loop()         the lcore; returns when told to stop
//   worker_snapshot()     main thread: a consistent copy of the counters, taken between bursts
//   worker_drain()        main thread: stop receiving, finish what is in flight
//   worker_stop()         main thread: leave the loop
#pragma once

#include "dataplane/clock.h"
#include "dataplane/coap/server.h"
#include "dataplane/frame/frame.h"
#include "dataplane/generation.h"
#include "dataplane/idle.h"
#include "dataplane/memory.h"
#include "dataplane/mirror/counters.h"
#include "dataplane/mqtt/server.h"
#include "dataplane/net/net.h"
#include "dataplane/net/rate.h"
#include "dataplane/port.h"
#include "dataplane/tcp/tcp.h"
#include "pipelines/ledger.h"
#include "pipelines/pipeline.h"

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct blocks;
struct config;
struct egress;
struct settings;
struct adapters;
struct adapters_shared;
struct letter_lane;
struct why_box;
struct generation_seat;

#define WORKER_BURST 32
#define WORKER_TX_BURST 64
#define WORKER_RING_SIZE 1024
#define WORKER_MAIL 1024

// Frames waiting for one transmit queue, flushed at the end of each turn.
struct tx_queue {
	struct rte_mbuf *frames[WORKER_TX_BURST];
	uint16_t count;
	uint16_t ethdev;
	uint16_t queue;
	uint16_t via; // worker that owns the queue
	uint64_t sent;
	uint64_t full; // frames the device did not take
};

// What a drain has not seen the end of.
struct worker_rest {
	struct coap_waiting coap;
	uint32_t mqtt_messages; // without a verdict
	uint32_t mqtt_connections; // not closed yet
};

// What the main thread may see of a worker.
struct worker_report {
	struct ledger ledger;
	struct latency latency[TRANSPORT_COUNT];
	struct net_stats net;
	struct coap_stats coap;
	struct frame_stats frame;
	struct tcp_stats tcp;
	struct mqtt_stats mqtt;
	struct mirror_stats mirror;
	struct memory_account memory;
	uint64_t now_ns;
	uint64_t busy_ns; // turns that found work
	uint64_t tx_sent;
	uint64_t tx_full;
	uint32_t pressure; // of the in-flight budget, percent
	struct worker_rest rest; // while draining
};

struct worker {
	// [fixed]
	uint16_t index;
	uint16_t count; // of all workers
	const struct config *config;
	struct clock *clock;
	struct port *ports;
	uint16_t port_count;
	struct rte_mempool *pool;
	struct net *net;
	struct pipeline *pipeline;
	struct adapters *adapters;
	struct egress *egress;
	struct why_box *why; // NULL in a replay
	struct letter_lane *letters; // worker 0 only, NULL in a replay
	struct blocks *blocks; // NULL in a replay
	struct generation_seat *signatures; // NULL: none are looked for
	struct rte_ring *in[WORKERS_MAX]; // from worker i
	struct rte_ring *out[WORKERS_MAX]; // to worker i
	struct rte_ring *mail_in[WORKERS_MAX]; // between the pipelines
	struct rte_ring *mail_out[WORKERS_MAX];
	struct batch *batches;
	uint16_t batch_count;
	struct generation_seat *seat; // of the configuration, NULL: it never changes (replay)

	// [c>w]
	alignas(RTE_CACHE_LINE_SIZE) atomic_bool stop;
	atomic_bool drain;
	_Atomic(uint64_t) report_wanted; // request number

	// [w>c]
	alignas(RTE_CACHE_LINE_SIZE) _Atomic(uint64_t) report_made; // last request answered
	atomic_bool drained;
	atomic_bool running;
	struct worker_report report;

	// [w]
	alignas(RTE_CACHE_LINE_SIZE) struct ledger ledger;
	enum polling polling;
	struct tx_queue tx[CONFIG_PORTS_MAX];
	struct tx_queue exception_tx[CONFIG_PORTS_MAX]; // worker 0 only
	struct rate exception_rate[CONFIG_PORTS_MAX]; // worker 0 only
	uint64_t now_ns; // read once per turn
	uint64_t busy_ns;
	uint64_t due_ns; // next timer
	uint64_t worked_ns; // end of the last turn that found work
	struct idle idle;
	uint8_t *linear; // a datagram of several segments is copied here
};

struct worker_env {
	uint16_t index;
	uint16_t count;
	const struct config *config;
	struct clock *clock;
	struct port *ports;
	struct rte_mempool *pool;
	struct egress *egress;
	const struct adapters_shared *shared;
};

// The packet pool of worker `index`; made before the ports, because queues receive into it.
struct rte_mempool *worker_pool_create(const struct config *c, uint16_t index);

int worker_create(const struct worker_env *env, struct worker **out, char *why, size_t why_len);
void worker_destroy(struct worker *w); // accepts NULL; not while running
// After all are created: rings[from][to].
int workers_connect(struct worker *const *workers, uint16_t count);

int worker_loop(void *worker); // for rte_eal_remote_launch

// 0 with *out filled, -ETIMEDOUT if the worker did not answer within 200 ms. A worker that does not
// run (any more) is read directly.
int worker_snapshot(struct worker *w, struct worker_report *out);

// Before it is launched: where it finds new configuration generations (struct settings).
void worker_follow(struct worker *w, struct generation_seat *seat);

void worker_drain(struct worker *w);
bool worker_drained(const struct worker *w);
void worker_stop(struct worker *w);

// A worker without an lcore (replay): one thread feeds it frames and time, instead of
// worker_loop().
void worker_feed(
	struct worker *w,
	uint16_t port,
	struct rte_mbuf **frames,
	unsigned count,
	uint64_t now_ns
);
void worker_settle(struct worker *w, uint64_t now_ns); // completions and due timers
void worker_report_now(struct worker *w); // what worker_snapshot() then returns

// The rates that belong to the worker itself, from this configuration.
void worker_rates(struct worker *w, const struct config *c);

// For the adapters: hand a frame to a port's queue. Takes ownership.
void worker_transmit(void *worker, uint16_t port, struct rte_mbuf *m);
// Callbacks of the net layer, same shape.
void worker_handover(void *worker, uint16_t to, struct rte_mbuf *m);
void worker_punt(void *worker, uint16_t port, struct rte_mbuf *m);
