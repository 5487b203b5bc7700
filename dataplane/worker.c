// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/adapters.h"
#include "dataplane/bell.h"
#include "dataplane/blocks.h"
#include "dataplane/egress.h"
#include "dataplane/generation.h"
#include "dataplane/idle.h"
#include "dataplane/letters/lane.h"
#include "dataplane/mqtt/adapter.h"
#include "dataplane/settings.h"
#include "dataplane/why.h"
#include "dataplane/worker.h"
#include "pipelines/handover.h"
#include "pipelines/match_compile.h"

#include <rte_ethdev.h>
#include <rte_ring_elem.h>

#define COMPLETIONS_PER_TURN 256
#define MAIL_PER_TURN 64
#define HOUSEKEEPING_EVERY 64 // turns

static void tx_flush(struct tx_queue *q) {
	uint16_t sent = rte_eth_tx_burst(q->ethdev, q->queue, q->frames, q->count);

	q->sent += sent;
	// The device is full: these replies are lost like any frame on a wire, and counted.
	if (sent < q->count) {
		q->full += q->count - sent;
		rte_pktmbuf_free_bulk(q->frames + sent, q->count - sent);
	}
	q->count = 0;
}

static void tx_append(struct tx_queue *q, struct rte_mbuf *m) {
	if (q->ethdev == UINT16_MAX) { // replay: nobody to send to
		rte_pktmbuf_free(m);
		return;
	}
	q->frames[q->count++] = m;
	if (q->count == WORKER_TX_BURST)
		tx_flush(q);
}

static bool ring_give(struct worker *w, uint16_t to, struct rte_mbuf *m) {
	return rte_ring_sp_enqueue(w->out[to], m) == 0;
}

void worker_transmit(void *worker, uint16_t port, struct rte_mbuf *m) {
	struct worker *w = worker;
	struct tx_queue *q = &w->tx[port];

	if (q->via == w->index) {
		tx_append(q, m);
		return;
	}
	packet_of(m)->port = port;
	packet_of(m)->flags = PACKET_TRANSMIT;
	if (!ring_give(w, q->via, m)) {
		q->full++;
		rte_pktmbuf_free(m);
	}
}

void worker_handover(void *worker, uint16_t to, struct rte_mbuf *m) {
	struct worker *w = worker;

	if (ring_give(w, to, m)) {
		w->ledger.frames.handed_over++;
		return;
	}
	w->ledger.frames.dropped[DROP_HANDOVER_FULL]++;
	rte_pktmbuf_free(m);
}

// Worker 0 owns the exception port; the others hand over what they punt.
void worker_punt(void *worker, uint16_t port, struct rte_mbuf *m) {
	struct worker *w = worker;

	if (w->index == 0) {
		if (!rate_take(&w->exception_rate[port], w->now_ns)) {
			w->ledger.frames.dropped[DROP_PUNT_LIMIT]++;
			rte_pktmbuf_free(m);
			return;
		}
		w->ledger.frames.punted++;
		tx_append(&w->exception_tx[port], m);
		return;
	}
	packet_of(m)->port = port;
	packet_of(m)->flags = PACKET_PUNT;
	worker_handover(w, 0, m);
}

// A burst of 100 ms worth: enough for a handshake, too little to be a flood.
void worker_rates(struct worker *w, const struct config *c) {
	for (uint16_t p = 0; p < w->port_count; p++) {
		uint32_t pps = c->ports[p].exception_rate_pps;
		w->exception_rate[p] = rate_make(pps, pps / 10 + 1);
	}
}

static void packets_process(struct worker *w, struct rte_mbuf **packets, unsigned n) {
	adapters_input(w->adapters, packets, n, w->now_ns, clock_wall_ns(w->clock, w->now_ns));
}

static unsigned queues_poll(struct worker *w) {
	struct rte_mbuf *frames[WORKER_BURST], *packets[WORKER_BURST];
	unsigned work = 0;

	for (uint16_t p = 0; p < w->port_count; p++) {
		const struct port *port = &w->ports[p];
		for (uint16_t q = w->index; q < port->queue_count; q += w->count) {
			uint16_t n = rte_eth_rx_burst(
				port->queues[q].ethdev, port->queues[q].queue, frames, WORKER_BURST
			);
			if (n == 0)
				continue;
			work += n;
			unsigned mine = net_input(w->net, p, frames, n, w->now_ns, packets);
			if (mine > 0)
				packets_process(w, packets, mine);
		}
	}
	return work;
}

// Frames from other workers: to transmit, to punt, or to process.
static unsigned ring_poll(struct worker *w, uint16_t from) {
	struct rte_mbuf *frames[WORKER_BURST], *taken[WORKER_BURST], *packets[WORKER_BURST];
	unsigned n = rte_ring_sc_dequeue_burst(w->in[from], (void **)frames, WORKER_BURST, nullptr);
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++) {
		struct packet *p = packet_of(frames[i]);
		if (p->flags & PACKET_TRANSMIT) {
			tx_append(&w->tx[p->port], frames[i]);
		} else if (p->flags & PACKET_PUNT) {
			w->ledger.frames.taken_over++;
			worker_punt(w, p->port, frames[i]);
		} else {
			taken[count++] = frames[i];
		}
	}
	if (count > 0) {
		unsigned mine = net_taken_over(w->net, taken, count, w->now_ns, packets);
		if (mine > 0)
			packets_process(w, packets, mine);
	}
	return n;
}

// Letters between the pipelines: devices that change hands.
static unsigned mail_poll(struct worker *w, uint16_t from) {
	struct pipeline_letter letters[MAIL_PER_TURN];
	unsigned n = rte_ring_sc_dequeue_burst_elem(
		w->mail_in[from], letters, sizeof(letters[0]), MAIL_PER_TURN, nullptr
	);

	for (unsigned i = 0; i < n; i++)
		pipeline_letter(w->pipeline, &letters[i]);
	return n;
}

// What the kernel sends through the TAP twin goes out as it is.
static unsigned exception_poll(struct worker *w) {
	struct rte_mbuf *frames[WORKER_BURST];
	unsigned work = 0;

	for (uint16_t p = 0; p < w->port_count; p++) {
		if (w->ports[p].exception_ethdev == UINT16_MAX)
			continue;
		uint16_t n =
			rte_eth_rx_burst(w->ports[p].exception_ethdev, 0, frames, WORKER_BURST);
		for (uint16_t i = 0; i < n; i++)
			worker_transmit(w, p, frames[i]);
		work += n;
	}
	return work;
}

static unsigned completions_poll(struct worker *w) {
	struct completion done[COMPLETIONS_PER_TURN];
	unsigned n = egress_collect(w->egress, w->index, done, COMPLETIONS_PER_TURN);

	for (unsigned i = 0; i < n; i++)
		pipeline_complete(w->pipeline, done[i], w->now_ns);
	return n;
}

static void timers_run(struct worker *w) {
	uint64_t due = net_poll(w->net, w->now_ns);
	uint64_t next = adapters_poll(w->adapters, w->now_ns);

	// Timers may push: frames that were parked, whose buffers last until the next poll.
	pipeline_run(w->pipeline, w->now_ns, clock_wall_ns(w->clock, w->now_ns));
	if (next < due)
		due = next;
	next = pipeline_tick(w->pipeline, w->now_ns);
	w->due_ns = next < due ? next : due;
}

static void tx_flush_all(struct worker *w) {
	for (uint16_t p = 0; p < w->port_count; p++) {
		if (w->tx[p].count > 0)
			tx_flush(&w->tx[p]);
		if (w->exception_tx[p].count > 0)
			tx_flush(&w->exception_tx[p]);
	}
}

static void report_fill(struct worker *w) {
	struct worker_report *r = &w->report;

	r->ledger = w->ledger;
	for (enum transport t = 0; t < TRANSPORT_COUNT; t++)
		r->latency[t] = *pipeline_latency(w->pipeline, t);
	r->net = *net_stats(w->net);
	if (adapters_coap_stats(w->adapters) != nullptr)
		r->coap = *adapters_coap_stats(w->adapters);
	if (adapters_frame_stats(w->adapters) != nullptr)
		r->frame = *adapters_frame_stats(w->adapters);
	if (adapters_mqtt(w->adapters) != nullptr) {
		r->mqtt = *mqtt_adapter_stats(adapters_mqtt(w->adapters));
		mqtt_adapter_tcp_stats(adapters_mqtt(w->adapters), &r->tcp);
		mqtt_adapter_memory(adapters_mqtt(w->adapters), &r->memory);
	}
	if (adapters_mirror_stats(w->adapters) != nullptr)
		r->mirror = *adapters_mirror_stats(w->adapters);
	r->now_ns = w->now_ns;
	r->busy_ns = w->busy_ns;
	r->pressure = pipeline_pressure(w->pipeline);
	if (atomic_load_explicit(&w->drain, memory_order_relaxed))
		adapters_rest(w->adapters, &r->rest);
	r->tx_sent = 0;
	r->tx_full = 0;
	for (uint16_t p = 0; p < w->port_count; p++) {
		r->tx_sent += w->tx[p].sent;
		r->tx_full += w->tx[p].full;
	}
}

// Between two turns nothing is half counted: the only place where a snapshot may be taken.
static void report_answer(struct worker *w) {
	uint64_t wanted = atomic_load_explicit(&w->report_wanted, memory_order_acquire);

	if (wanted == atomic_load_explicit(&w->report_made, memory_order_relaxed))
		return;
	report_fill(w);
	atomic_store_explicit(&w->report_made, wanted, memory_order_release);
}

void worker_settle(struct worker *w, uint64_t now_ns) {
	w->now_ns = now_ns;
	completions_poll(w);
	timers_run(w);
	tx_flush_all(w);
}

void worker_feed(
	struct worker *w,
	uint16_t port,
	struct rte_mbuf **frames,
	unsigned count,
	uint64_t now_ns
) {
	struct rte_mbuf *packets[WORKER_BURST];

	// Timers that were due before these frames came fire before them.
	if (w->due_ns < now_ns)
		worker_settle(w, w->due_ns > w->now_ns ? w->due_ns : w->now_ns);
	w->now_ns = now_ns;
	unsigned mine = net_input(w->net, port, frames, count, now_ns, packets);
	if (mine > 0)
		packets_process(w, packets, mine);
	worker_settle(w, now_ns);
}

void worker_report_now(struct worker *w) {
	report_fill(w);
}

static unsigned turn(struct worker *w, bool draining) {
	unsigned received = draining ? 0 : queues_poll(w);
	unsigned work = received;

	w->idle.frames += received;

	for (uint16_t from = 0; from < w->count; from++)
		if (from != w->index)
			work += ring_poll(w, from) + mail_poll(w, from);
	if (w->index == 0)
		work += exception_poll(w);
	if (w->letters != nullptr && !draining)
		work += lane_poll(w->letters, w->pipeline, w->now_ns);
	work += completions_poll(w);
	if (w->now_ns >= w->due_ns || work > 0)
		timers_run(w);
	if (received == 0)
		pipeline_rest(w->pipeline);
	tx_flush_all(w);
	return work;
}

static void clock_follow(struct worker *w) {
	pipeline_clock(
		w->pipeline,
		(enum clock_quality)atomic_load_explicit(&w->clock->quality, memory_order_relaxed),
		atomic_load_explicit(&w->clock->max_error_us, memory_order_relaxed)
	);
}

// Between two turns nothing of the generation before is at work, and what waits longer than a turn
// names things by value or by a number that stays valid: the only place where it may change.
static void settings_follow(struct worker *w) {
	const struct settings *next = w->seat != nullptr ? generation_next(w->seat) : nullptr;

	if (next == nullptr)
		return;
	const struct config *c = next->config;
	w->polling = c->dataplane.polling;
	worker_rates(w, c);
	net_use(w->net, c);
	adapters_use(w->adapters, next);
	pipeline_use(w->pipeline, c);
	generation_hold(w->seat, next);
}

// Between two turns no hit of the old set is in anybody's hands: records name signatures by value.
static void signatures_follow(struct worker *w) {
	const void *next = w->signatures != nullptr ? generation_next(w->signatures) : nullptr;

	if (next == nullptr)
		return;
	pipeline_match(
		w->pipeline, match_set_matcher((struct match_set *)(uintptr_t)next, w->index)
	);
	generation_hold(w->signatures, next);
}

// Bans that would have hit a crowd become alerts.
static void declines_follow(struct worker *w) {
	struct block_decline d;

	while (w->blocks != nullptr && blocks_declined(w->blocks, w->index, &d)) {
		struct pipeline_peer peer = {
			.address = view_of(d.peer.bytes, d.peer.family == 4 ? 4 : 16),
			.realm = d.peer.realm,
			.transport = (enum transport)d.transport,
			.now_ns = w->now_ns,
			.wall_ns = clock_wall_ns(w->clock, w->now_ns),
		};
		pipeline_ban_declined(w->pipeline, &peer, d.signature, d.devices);
		w->due_ns = 0; // its batch has to be sent, nothing else may be to do
	}
}

static void drain_step(struct worker *w) {
	pipeline_seal_all(w->pipeline);
	atomic_store_explicit(
		&w->drained,
		pipeline_idle(w->pipeline) && adapters_idle(w->adapters, true),
		memory_order_release
	);
}

// A turn has found nothing.
static void rest(struct worker *w) {
	struct bell *bell = egress_bell(w->egress, w->index);

	egress_nudge(w->egress, w->index);
	if (!idle_may_sleep(&w->idle, w->now_ns - w->worked_ns))
		return;
	bool awaits = idle_awaits(&w->idle);
	if (!awaits) {
		idle_sleep(&w->idle, false, w->now_ns, w->due_ns);
		return;
	}
	bool rung = false;
	bell_listen(bell);
	if (!egress_ready(w->egress, w->index))
		rung = idle_sleep(&w->idle, true, w->now_ns, w->due_ns);
	bell_hush(bell, rung);
}

int worker_loop(void *worker) {
	struct worker *w = worker;
	bool draining = false;

	idle_begin();
	atomic_store_explicit(&w->running, true, memory_order_release);
	for (uint32_t turns = 0;; turns++) {
		if (turns % HOUSEKEEPING_EVERY == 0 || w->idle.naps > 0) {
			if (atomic_load_explicit(&w->stop, memory_order_relaxed))
				break;
			draining = atomic_load_explicit(&w->drain, memory_order_relaxed);
			if (draining)
				drain_step(w);
			clock_follow(w);
			settings_follow(w);
			signatures_follow(w);
			declines_follow(w);
			report_answer(w);
			if (w->why != nullptr && why_asked(w->why))
				why_answer(w->why, w->pipeline);
			if (adapters_wanted(w->adapters))
				w->due_ns = 0;
		}
		w->now_ns = clock_now_ns(w->clock);
		if (turn(w, draining) > 0) {
			w->worked_ns = clock_now_ns(w->clock);
			w->idle.naps = 0;
			w->busy_ns += w->worked_ns - w->now_ns;
			continue;
		}
		if (w->polling == POLLING_ADAPTIVE)
			rest(w);
	}
	report_fill(w);
	atomic_store_explicit(&w->running, false, memory_order_release);
	return 0;
}
