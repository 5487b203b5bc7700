// SPDX-License-Identifier: Apache-2.0
// Ethernet to transport, for one worker: VLAN and realm, ARP, ND, IPv4, IPv6, reassembly, ICMP,
// UDP and TCP headers and checksums, owner steering; and the way back out.
//
//   net_input()       frames of a port's queue -> L4 packets that this worker owns
//   net_taken_over()  frames that other workers handed to this one -> the same
//   net_udp_send()    payload -> frame
//   net_ip_send()     transport segment -> frame
//   net_poll()        timers: neighbours, reassembly, rate limits
//
// Every mbuf given to net_input/net_taken_over is disposed of (answered, punted, handed over,
// dropped with one reason) unless it is returned as an L4 packet, which the caller then owns.
// Thread: one worker. No allocation, lock, log, system call, clock or randomness inside.
#pragma once

#include "dataplane/packet.h"
#include "pipelines/ledger.h"

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <stdbool.h>
#include <stdint.h>

struct blocks;
struct config;
struct net;

// A port as the net layer sees it.
struct net_port {
	struct rte_ether_addr mac;
	uint16_t mtu;
	bool rx_checksum; // the PMD sets checksum flags; otherwise software checks
	bool tx_checksum; // the PMD fills IPv4 and L4 checksums
	bool exception; // has a TAP twin
	bool transmits; // false for role mirror
	bool rss; // steer as the NIC does (Toeplitz over rss_key, reta), else SipHash
	const uint8_t *rss_key;
	uint32_t rss_key_len;
	const uint16_t *reta; // queue of each entry = worker
	uint32_t reta_size;
};

struct net_env {
	const struct config *config;
	uint16_t worker;
	uint16_t workers;
	const struct net_port *ports; // config->port_count
	struct rte_mempool *pool; // private area PACKET_PRIV_SIZE
	uint64_t secret[2]; // SipHash key, the same for all workers
	const struct blocks *blocks; // sources that may not send; NULL: none
	struct ledger_frames *frames;
	// Both take ownership of the mbuf. A full ring or queue is theirs to count and free.
	void (*transmit)(void *owner, uint16_t port, struct rte_mbuf *m);
	void (*punt)(void *owner, uint16_t port, struct rte_mbuf *m); // counts punted or dropped
	// To worker `to`'s ring; packet_of(m) says what is known. Counts handed_over or dropped.
	void (*handover)(void *owner, uint16_t to, struct rte_mbuf *m);
	void *owner;
};

int net_create(const struct net_env *env, struct net **out);
void net_destroy(struct net *n); // accepts NULL

// Between bursts: the ICMP rate and the groups of this generation's listeners, of which nothing is
// kept. Tables, addresses and interfaces stay; NET_GROUPS_LIVE groups more than at the start fit.
#define NET_GROUPS_LIVE 64
void net_use(struct net *n, const struct config *c);
// How many groups the listeners can name, repeated ones counted.
uint32_t net_groups_bound(const struct config *c);

// Returns how many L4 packets are in out[0..n): UDP and TCP for one of our addresses (or followed
// by a mirror port), checksum verified, struct packet filled, already counted as `consumed` by the
// caller once it is done with them. Counts frames.rx. now_ns is monotonic.
unsigned net_input(
	struct net *n,
	uint16_t port,
	struct rte_mbuf **frames,
	unsigned count,
	uint64_t now_ns,
	struct rte_mbuf **out
);

// Counts frames.taken_over.
unsigned net_taken_over(
	struct net *n,
	struct rte_mbuf **frames,
	unsigned count,
	uint64_t now_ns,
	struct rte_mbuf **out
);

// The way back to a peer, learnt from the packet it sent; small enough to keep in a session.
struct net_path {
	uint16_t port;
	uint16_t interface;
	uint8_t mac[6]; // the neighbour that delivered the packet
};

struct net_path net_path_of(struct rte_mbuf *m);

// Send `len` bytes from key->local to key->remote. The next hop is the neighbour table's answer
// (on-link or gateway); while that is unresolved, path->mac. Fragments IPv6/IPv4 if larger than
// the MTU. path NULL: the interface that has key->local. If key->local is a group, an address of
// the interface is the source. 0, -ENOBUFS (pool empty), -EMSGSIZE (also for more than 64
// fragments), -ENETUNREACH (no such interface or address, mirror port).
int net_udp_send(
	struct net *n,
	const struct flow_key *key,
	const struct net_path *path,
	const void *payload,
	uint32_t len
);

// As above for a transport segment already in `m` (m's data is the transport header and payload,
// with headroom; its checksum field is filled in here). Takes ownership of m. -EMSGSIZE if it
// exceeds the MTU: a transport knows its segment size.
int net_ip_send(
	struct net *n,
	const struct flow_key *key,
	const struct net_path *path,
	struct rte_mbuf *m
);

// ICMP/ICMPv6 "port unreachable" for an L4 packet nobody listens for. Rate limited. Does not take
// ownership.
void net_reject(struct net *n, struct rte_mbuf *m);

// An ICMP error concerning one of our flows (TCP wants it), delivered to whoever asks for it.
struct net_icmp_error {
	struct flow_key key; // of the flow, remote/local as seen from us
	uint8_t type; // ICMP/ICMPv6 type and code
	uint8_t code;
	uint32_t mtu; // of packet-too-big / fragmentation needed, else 0
	uint32_t seq; // TCP sequence number in the embedded header
};
void net_on_icmp_error(
	struct net *n,
	void (*fn)(void *owner, const struct net_icmp_error *e),
	void *owner
);

// What the frame ledger does not say. Monotonic, but for the gauge.
struct net_stats {
	uint64_t tx; // frames given to transmit()
	uint64_t tx_refused; // no headroom, or the port does not transmit
	uint64_t tx_no_mbuf; // pool empty
	uint64_t tx_unresolved; // the next hop did not answer
	uint64_t neighbours_full; // a question not asked: bucket or list of open questions full
	uint64_t conflicts_seen; // frames of somebody who uses one of our addresses
	uint64_t conflicts; // gauge: addresses out of service because of that
};
const struct net_stats *net_stats(const struct net *n);

// The UDP payload (or TCP payload) of an L4 packet as one piece: where it lies in the frame, or
// copied to `room`, which holds payload_len bytes, if reassembly or a jumbo frame split it.
static inline const uint8_t *net_payload(const struct rte_mbuf *m, void *room) {
	const struct packet *p = packet_of((struct rte_mbuf *)m);

	return rte_pktmbuf_read(m, p->payload_offset, p->payload_len, room);
}

// Budgeted. Returns the monotonic time of the next due timer, UINT64_MAX if none.
uint64_t net_poll(struct net *n, uint64_t now_ns);

// Which worker owns this flow on that port.
uint16_t net_owner(const struct net *n, uint16_t port, const struct flow_key *key);
