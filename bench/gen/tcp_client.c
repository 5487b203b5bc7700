// SPDX-License-Identifier: Apache-2.0
#include "bench/gen/tcp_client.h"

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BURST 32
#define TX_MAX (8 * BURST)
#define PORT_BASE 4000
#define PORTS 60000
#define RTO_S 1
#define TIMER_SCAN 32
#define STAMP_SHIFT 20 // of the TSC, so that a time fits into 32 bits

struct conn {
	uint32_t iss;
	uint32_t una;
	uint32_t nxt;
	uint32_t rcv_nxt;
	uint32_t stamp; // of the last thing sent or acknowledged
	uint16_t window;
	enum tcp_client_state state;
	bool ack_queued; // has an entry in the queue of acknowledgements
	bool ack_due;
};

struct due {
	uint64_t at;
	uint32_t conn;
};

struct tcp_client {
	const struct gen_options *o;
	const struct gen_wire *wire;
	struct tcp_client_app app;
	struct tcp_client_stats stats;
	uint64_t ack_delay;
	uint32_t rto;
	uint32_t salt;
	uint32_t timer_at;
	struct rte_mbuf *tx[TX_MAX];
	unsigned tx_count;
	struct due *due; // in order of time; each connection at most once
	uint32_t due_head, due_tail;
	struct conn conns[];
};

static uint32_t stamp_now(void) {
	return (uint32_t)(rte_rdtsc() >> STAMP_SHIFT);
}

static void tx_flush(struct tcp_client *c) {
	if (c->tx_count == 0)
		return;
	unsigned sent = rte_eth_tx_burst(c->wire->port, 0, c->tx, (uint16_t)c->tx_count);
	c->tx_count -= sent;
	memmove(c->tx, c->tx + sent, c->tx_count * sizeof(c->tx[0]));
}

// A frame with everything but the TCP payload, which the caller fills; nullptr if the port is full.
static struct rte_tcp_hdr *
frame_make(struct tcp_client *c, uint32_t i, uint32_t seq, uint8_t flags, uint32_t len) {
	const struct conn *n = &c->conns[i];

	if (c->tx_count == TX_MAX)
		tx_flush(c);
	struct rte_mbuf *m = c->tx_count < TX_MAX ? rte_pktmbuf_alloc(c->wire->pool) : nullptr;
	if (m == nullptr)
		return nullptr;
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)rte_pktmbuf_append(
		m,
		(uint16_t)(sizeof(*eth) + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_tcp_hdr)
			   + len)
	);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);

	eth->dst_addr = *c->wire->peer;
	eth->src_addr = *c->wire->mac;
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	*ip = (struct rte_ipv4_hdr) {
		.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + sizeof(*tcp) + len)),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = rte_cpu_to_be_32(c->o->source + i % c->o->sources),
		.dst_addr = rte_cpu_to_be_32(c->o->target),
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*tcp = (struct rte_tcp_hdr) {
		.src_port = rte_cpu_to_be_16((uint16_t)(PORT_BASE + i / c->o->sources)),
		.dst_port = rte_cpu_to_be_16(c->o->port),
		.sent_seq = rte_cpu_to_be_32(seq),
		.recv_ack = rte_cpu_to_be_32(flags & RTE_TCP_ACK_FLAG ? n->rcv_nxt : 0),
		.data_off = 5 << 4,
		.tcp_flags = flags,
		.rx_win = rte_cpu_to_be_16(8192),
	};
	c->tx[c->tx_count++] = m;
	c->stats.tx_frames++;
	c->stats.tx_bytes += m->pkt_len;
	return tcp;
}

static void frame_finish(struct rte_tcp_hdr *tcp) {
	tcp->cksum = rte_ipv4_udptcp_cksum((struct rte_ipv4_hdr *)tcp - 1, tcp);
}

static bool syn_send(struct tcp_client *c, uint32_t i) {
	static const uint8_t mss[4] = {2, 4, 1460 >> 8, 1460 & 0xff};
	struct rte_tcp_hdr *tcp = frame_make(c, i, c->conns[i].iss, RTE_TCP_SYN_FLAG, sizeof(mss));

	if (tcp == nullptr)
		return false;
	memcpy(tcp + 1, mss, sizeof(mss));
	tcp->data_off = 6 << 4;
	frame_finish(tcp);
	c->conns[i].stamp = stamp_now();
	return true;
}

bool tcp_client_connect(struct tcp_client *c, uint32_t i) {
	struct conn *n = &c->conns[i];

	n->iss = (i + c->salt) * 0x9e3779b1;
	n->una = n->iss;
	n->nxt = n->iss + 1;
	if (!syn_send(c, i))
		return false;
	n->state = CLIENT_SYN_SENT;
	return true;
}

static bool data_send(struct tcp_client *c, uint32_t i, uint32_t seq, uint32_t len) {
	struct conn *n = &c->conns[i];
	struct rte_tcp_hdr *tcp = frame_make(c, i, seq, RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG, len);

	if (tcp == nullptr)
		return false;
	c->app.bytes(c->app.owner, i, seq - n->iss - 1, (uint8_t *)(tcp + 1), len);
	frame_finish(tcp);
	n->ack_due = false;
	n->stamp = stamp_now();
	return true;
}

bool tcp_client_push(struct tcp_client *c, uint32_t i, uint32_t len) {
	struct conn *n = &c->conns[i];

	if (n->state != CLIENT_UP || n->nxt - n->una + len > n->window
	    || !data_send(c, i, n->nxt, len))
		return false;
	n->nxt += len;
	return true;
}

bool tcp_client_ready(const struct tcp_client *c) {
	return c->tx_count < BURST;
}

enum tcp_client_state tcp_client_state(const struct tcp_client *c, uint32_t conn) {
	return c->conns[conn].state;
}

static bool bare_send(struct tcp_client *c, uint32_t i, uint8_t flags) {
	struct rte_tcp_hdr *tcp = frame_make(c, i, c->conns[i].nxt, flags, 0);

	if (tcp == nullptr)
		return false;
	frame_finish(tcp);
	c->stats.acks += flags == RTE_TCP_ACK_FLAG;
	return true;
}

bool tcp_client_acknowledge(struct tcp_client *c, uint32_t i) {
	return c->conns[i].state == CLIENT_UP && bare_send(c, i, RTE_TCP_ACK_FLAG);
}

static void ack_want(struct tcp_client *c, uint32_t i) {
	struct conn *n = &c->conns[i];

	n->ack_due = true;
	if (n->ack_queued)
		return;
	n->ack_queued = true;
	c->due[c->due_tail++ % c->o->devices] =
		(struct due) {.at = rte_rdtsc() + c->ack_delay, .conn = i};
}

static void acks_send(struct tcp_client *c) {
	uint64_t now = rte_rdtsc();

	for (unsigned k = 0; k < BURST && c->due_head != c->due_tail; k++) {
		const struct due *d = &c->due[c->due_head % c->o->devices];
		struct conn *n = &c->conns[d->conn];
		if (d->at > now)
			return;
		if (n->ack_due && n->state == CLIENT_UP && !bare_send(c, d->conn, RTE_TCP_ACK_FLAG))
			return;
		n->ack_due = n->ack_queued = false;
		c->due_head++;
	}
}

static void again(struct tcp_client *c, uint32_t i) {
	struct conn *n = &c->conns[i];
	uint32_t len = n->nxt - n->una;

	c->stats.retransmits++;
	if (n->state == CLIENT_SYN_SENT)
		syn_send(c, i);
	else
		data_send(c, i, n->una, len < 1460 ? len : 1460);
}

static void timers_run(struct tcp_client *c) {
	uint32_t now = stamp_now();

	for (unsigned k = 0; k < TIMER_SCAN; k++) {
		uint32_t i = c->timer_at;
		struct conn *n = &c->conns[i];
		c->timer_at = i + 1 < c->o->devices ? i + 1 : 0;
		if (n->una != n->nxt && (n->state == CLIENT_SYN_SENT || n->state == CLIENT_UP)
		    && now - n->stamp > c->rto)
			again(c, i);
	}
}

static void closed(struct tcp_client *c, uint32_t i) {
	enum tcp_client_state before = c->conns[i].state;

	c->stats.resets++;
	c->conns[i].state = CLIENT_CLOSED;
	c->app.closed(c->app.owner, i, before);
}

static void
payload_input(struct tcp_client *c, uint32_t i, uint32_t seq, const uint8_t *p, uint32_t len) {
	struct conn *n = &c->conns[i];
	uint32_t old = n->rcv_nxt - seq;

	if (old < len)
		n->rcv_nxt += c->app.received(c->app.owner, i, p + old, len - old);
	else
		c->stats.out_of_order++;
	ack_want(c, i);
}

static void
segment_input(struct tcp_client *c, uint32_t i, const struct rte_tcp_hdr *tcp, uint32_t len) {
	struct conn *n = &c->conns[i];
	uint32_t seq = rte_be_to_cpu_32(tcp->sent_seq), ack = rte_be_to_cpu_32(tcp->recv_ack);
	uint32_t header = (uint32_t)(tcp->data_off >> 4) * 4;

	if (n->state != CLIENT_SYN_SENT && n->state != CLIENT_UP)
		return;
	if ((tcp->tcp_flags & (RTE_TCP_RST_FLAG | RTE_TCP_FIN_FLAG)) != 0) {
		closed(c, i);
		return;
	}
	n->window = rte_be_to_cpu_16(tcp->rx_win);
	if (ack - n->una <= n->nxt - n->una && ack != n->una) {
		n->una = ack;
		n->stamp = stamp_now();
		if (n->state == CLIENT_UP)
			c->app.acknowledged(c->app.owner, i, ack - n->iss - 1);
	}
	if (n->state == CLIENT_SYN_SENT) {
		if ((tcp->tcp_flags & RTE_TCP_SYN_FLAG) == 0 || n->una != n->nxt)
			return;
		n->rcv_nxt = seq + 1;
		n->state = CLIENT_UP;
		c->app.established(c->app.owner, i);
	} else if (len > header) {
		payload_input(c, i, seq, (const uint8_t *)tcp + header, len - header);
	}
}

static void frame_input(struct tcp_client *c, struct rte_mbuf *m) {
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(eth + 1);
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(ip + 1);

	c->stats.rx_frames++;
	c->stats.rx_bytes += m->pkt_len;
	if (m->data_len < 54 || eth->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)
	    || ip->version_ihl != 0x45 || ip->next_proto_id != IPPROTO_TCP) {
		c->wire->other(c->wire->owner, m);
		return;
	}
	uint32_t host = rte_be_to_cpu_32(ip->dst_addr) - c->o->source;
	uint32_t port = rte_be_to_cpu_16(tcp->dst_port);
	uint32_t len = rte_be_to_cpu_16(ip->total_length);
	uint64_t i = (uint64_t)(port - PORT_BASE) * c->o->sources + host;
	if (port < PORT_BASE || host >= c->o->sources || i >= c->o->devices || len < 40
	    || len + sizeof(*eth) > m->data_len || tcp->data_off < 5 << 4
	    || (uint32_t)(tcp->data_off >> 4) * 4 > len - 20)
		c->stats.foreign++;
	else
		segment_input(c, (uint32_t)i, tcp, len - 20);
}

void tcp_client_turn(struct tcp_client *c) {
	struct rte_mbuf *frames[BURST];

	tx_flush(c);
	// A frame received may ask for one to be sent: never receive without room for it.
	if (TX_MAX - c->tx_count >= BURST) {
		uint16_t n = rte_eth_rx_burst(c->wire->port, 0, frames, BURST);
		for (uint16_t i = 0; i < n; i++)
			frame_input(c, frames[i]);
		if (n > 0)
			rte_pktmbuf_free_bulk(frames, n);
	}
	if (TX_MAX - c->tx_count >= BURST)
		acks_send(c);
	if (tcp_client_ready(c))
		timers_run(c);
}

void tcp_client_reset_all(struct tcp_client *c) {
	uint64_t end = rte_rdtsc() + 10 * rte_get_tsc_hz();

	for (uint32_t i = 0; i < c->o->devices && rte_rdtsc() < end;) {
		if (c->conns[i].state == CLIENT_UP
		    && !bare_send(c, i, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG))
			continue;
		c->conns[i++].state = CLIENT_CLOSED;
	}
	while (c->tx_count > 0 && rte_rdtsc() < end)
		tx_flush(c);
}

const struct tcp_client_stats *tcp_client_stats(const struct tcp_client *c) {
	return &c->stats;
}

int tcp_client_create(
	const struct gen_options *o,
	const struct gen_wire *wire,
	const struct tcp_client_app *app,
	struct tcp_client **out
) {
	if (o->sources == 0 || o->devices / o->sources >= PORTS)
		return -EINVAL;
	struct tcp_client *c = calloc(1, sizeof(*c) + o->devices * sizeof(c->conns[0]));
	if (c == nullptr)
		return -ENOMEM;
	c->due = calloc(o->devices, sizeof(*c->due));
	if (c->due == nullptr) {
		free(c);
		return -ENOMEM;
	}
	c->o = o;
	c->wire = wire;
	c->app = *app;
	c->salt = (uint32_t)rte_rdtsc();
	c->ack_delay = o->ack_delay_ms * (rte_get_tsc_hz() / 1000);
	c->rto = (uint32_t)(RTO_S * rte_get_tsc_hz() >> STAMP_SHIFT);
	*out = c;
	return 0;
}

void tcp_client_destroy(struct tcp_client *c) {
	if (c == nullptr)
		return;
	rte_pktmbuf_free_bulk(c->tx, c->tx_count);
	free(c->due);
	free(c);
}
