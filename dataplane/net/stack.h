// SPDX-License-Identifier: Apache-2.0
// What the files of dataplane/net share: the worker's state and the steps a frame goes through.
// Nobody else includes this. Thread: one worker.
//
// A step gets a frame and returns a verdict: a drop reason (the caller counts it and frees the
// frame), FRAME_TAKEN (somebody else owns the frame and it has been counted) or FRAME_DELIVER (an
// L4 packet for this worker; struct packet is filled).
#pragma once

#include "config/config.h"
#include "dataplane/blocks.h"
#include "dataplane/net/neighbour.h"
#include "dataplane/net/net.h"
#include "dataplane/net/rate.h"
#include "dataplane/packet.h"
#include "pipelines/ledger.h"

#include <rte_ether.h>
#include <rte_ip_frag.h>
#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

constexpr enum drop_reason FRAME_TAKEN = 253;
constexpr enum drop_reason FRAME_DELIVER = 254;

constexpr uint16_t INTERFACE_NONE = UINT16_MAX;
constexpr uint32_t VLANS = 4096;
constexpr uint8_t IP_TTL_OURS = 64;
constexpr uint32_t MTU_MIN = 1280;

// One of our addresses on one interface, and how sure we are that nobody else has it.
enum address_state : uint8_t {
	ADDRESS_PROBING,
	ADDRESS_ANNOUNCING,
	ADDRESS_OWNED,
	ADDRESS_CONFLICT
};
struct net_address {
	struct ip_prefix prefix;
	enum address_state state;
	uint8_t sent; // probes or announcements so far
	uint64_t due_ns; // of the next step
	uint64_t defended_ns;
};

struct net_interface {
	uint16_t index; // in config->interfaces and net->interfaces
	uint16_t port;
	uint16_t vlan; // 0 = untagged
	uint16_t realm;
	struct net_address *addresses;
	uint32_t address_count;
	struct ip_prefix *groups; // multicast and broadcast addresses that a listener names
	uint32_t group_count;
	uint32_t groups_max;
	struct ip_prefix gateway4;
	struct ip_prefix gateway6;
	uint32_t fragment_table; // of its realm
};

struct net {
	struct net_env env;
	uint64_t now_ns; // of the current burst
	struct ledger_frames *frames;
	struct net_stats stats;

	struct net_port ports[CONFIG_PORTS_MAX];
	uint16_t port_count;
	uint16_t (*by_vlan)[VLANS]; // [port][vlan] -> interface
	struct net_interface *interfaces;
	uint32_t interface_count;
	uint32_t rss_key[CONFIG_PORTS_MAX][16]; // as rte_softrss_be wants it
	uint32_t mtu[CONFIG_PORTS_MAX]; // what fits into one mbuf, at most the port's

	struct neighbours neighbours;
	uint64_t address_due_ns; // first due_ns of all addresses
	struct fragments *fragments;
	// The datagram that the current frame completed: the verdict is about this then, since the
	// frame itself is somewhere in its chain. NULL otherwise.
	struct rte_mbuf *whole;
	uint64_t datagrams; // fragmented datagrams sent, for their identification

	struct rate icmp; // answers and errors we send
	struct rate neighbour; // ARP and ND answers
	struct rate copies; // ARP replies and NAs handed to the other workers

	void (*icmp_error)(void *owner, const struct net_icmp_error *e);
	void *icmp_error_owner;
};

// Datagrams in reassembly, a table per realm. See fragment.c.
struct fragments {
	struct rte_ip_frag_death_row row;
	uint64_t due_ns; // of the next look for expired datagrams
	uint64_t period_ns;
	uint32_t count;
	struct {
		struct rte_ip_frag_tbl *table;
		uint16_t realm;
	} realms[];
};

static inline bool net_on_link(const struct ip_prefix *p, uint8_t family, const uint8_t *addr) {
	uint32_t bytes = p->prefix_len / 8;
	uint8_t mask = (uint8_t)(0xff00 >> (p->prefix_len % 8));

	return p->family == family && memcmp(p->addr, addr, bytes) == 0
		&& (mask == 0 || ((p->addr[bytes] ^ addr[bytes]) & mask) == 0);
}

static inline struct net_interface *net_interface_of(struct net *n, const struct packet *p) {
	return &n->interfaces[p->interface];
}

// net.c

static inline bool net_address_equal(uint8_t family, const void *a, const void *b) {
	return family == 4 ? memcmp(a, b, 4) == 0 : memcmp(a, b, 16) == 0;
}

// The frame has done its work here.
enum drop_reason net_consume(struct net *n, struct rte_mbuf *m);
// Nothing here owns this: to the port's TAP twin if it has one, else dropped for `why`.
enum drop_reason net_unwanted(struct net *n, struct rte_mbuf *m, enum drop_reason why);
// As above for frames of a kind that interests both us and the kernel: a copy is punted.
void net_punt_copy(struct net *n, struct rte_mbuf *m);
// Hand a copy to each other worker, within a rate.
void net_tell_others(struct net *n, struct rte_mbuf *m, uint16_t flag);
// The interface's entry for this address, or NULL.
struct net_address *
net_address_find(const struct net_interface *i, uint8_t family, const void *addr);
// The same, and it may be used: no conflict.
bool net_address_ours(const struct net_interface *i, uint8_t family, const void *addr);
bool net_group_ours(const struct net_interface *i, uint8_t family, const void *addr);
// Our address to speak to `remote` from: on its prefix if there is one, else the first of the
// family; NULL if there is none.
const uint8_t *net_source_for(const struct net_interface *i, uint8_t family, const uint8_t *remote);
struct net_interface *
net_interface_for(struct net *n, const struct flow_key *key, const struct net_path *path);

// True if nothing may come from there; counted by the caller as DROP_BLOCKED.
static inline bool net_blocked(
	const struct net *n,
	const struct net_interface *i,
	uint8_t family,
	const uint8_t *source
) {
	return n->env.blocks != NULL && blocks_source(n->env.blocks, family, source, i->realm);
}

// eth.c

enum drop_reason eth_input(struct net *n, uint16_t port, struct rte_mbuf *m);
// `m` starts with the network header. Takes ownership.
void eth_output(
	struct net *n,
	const struct net_interface *i,
	const uint8_t mac[6],
	uint16_t ether_type,
	struct rte_mbuf *m
);
// Put a tag that the PMD stripped back into the frame. False if there is no room.
bool eth_tag_restore(struct rte_mbuf *m);

// arp.c

enum drop_reason arp_input(struct net *n, struct rte_mbuf *m);
enum drop_reason arp_overheard(struct net *n, struct rte_mbuf *m);
void arp_request(
	struct net *n,
	const struct net_interface *i,
	const uint8_t target[4],
	const uint8_t *mac // NULL = broadcast
);
// sender 0.0.0.0 = probe, else announcement (RFC 5227)
void arp_announce(struct net *n, const struct net_interface *i, const uint8_t own[4], bool probe);

// address.c

// The next step of every own address that is due. Returns when the next one is.
uint64_t address_poll(struct net *n, uint64_t now_ns);
// Somebody else uses the address.
void address_conflict(struct net *n, struct net_interface *i, struct net_address *a);

// ip4.c

enum drop_reason ip4_input(struct net *n, struct rte_mbuf *m);
// A datagram in `m` that is whole, its header valid and its destination ours.
enum drop_reason ip4_datagram(struct net *n, struct rte_mbuf *m, bool reassembled);
struct ip4_fields {
	const uint8_t *source;
	const uint8_t *destination;
	uint8_t protocol;
	uint16_t id;
	uint16_t fragment; // offset and flags as in the header, host order
};
// Prepend a header to the payload in `m`. False if there is no headroom.
bool ip4_prepend(struct rte_mbuf *m, const struct ip4_fields *f);

// ip6.c

enum drop_reason ip6_input(struct net *n, struct rte_mbuf *m);
enum drop_reason ip6_datagram(struct net *n, struct rte_mbuf *m, bool reassembled);
struct ip6_fields {
	const uint8_t *source;
	const uint8_t *destination;
	uint8_t protocol;
	uint8_t hop_limit;
	uint32_t flow; // what the flow label is made from; 0 = no label
};
bool ip6_prepend(struct net *n, struct rte_mbuf *m, const struct ip6_fields *f);

// icmp.c

enum drop_reason icmp_input(struct net *n, struct rte_mbuf *m);
// An ICMP or ICMPv6 error: to the owner of the flow it speaks of.
enum drop_reason icmp_error_input(struct net *n, struct rte_mbuf *m);
enum drop_reason icmp_error_taken_over(struct net *n, struct rte_mbuf *m);
// A new mbuf with the 8 bytes of `header` and at most `max` bytes of the packet in `m` from its
// network header on; NULL if the pool is empty.
struct rte_mbuf *
icmp_quote(struct net *n, struct rte_mbuf *m, const uint8_t header[8], uint32_t max);
// Send an error about the packet in `m`, if RFC 1122 section 3.2.2 allows one.
void icmp_error_send(struct net *n, struct rte_mbuf *m, uint8_t type, uint8_t code);

// icmp6.c

constexpr uint8_t ICMP6_UNREACHABLE = 1;
constexpr uint8_t ICMP6_UNREACHABLE_PORT = 4;
constexpr uint8_t ICMP6_TIME_EXCEEDED = 3;
constexpr uint8_t ICMP6_PARAMETER = 4;
enum drop_reason icmp6_input(struct net *n, struct rte_mbuf *m, bool reassembled);
bool icmp6_error_parse(struct rte_mbuf *m, struct net_icmp_error *e);
// `pointer` is the third word of the message: the offset of a bad parameter.
void icmp6_error_send(
	struct net *n,
	struct rte_mbuf *m,
	uint8_t type,
	uint8_t code,
	uint32_t pointer
);

// nd.c

constexpr uint8_t ND_SOLICITATION = 135;
constexpr uint8_t ND_ADVERTISEMENT = 136;
enum drop_reason nd_input(struct net *n, struct rte_mbuf *m, uint8_t type);
void nd_solicit(
	struct net *n,
	const struct net_interface *i,
	const uint8_t target[16],
	const uint8_t *mac // NULL = the solicited-node group
);
// probe: duplicate address detection; else an unsolicited advertisement (RFC 4861 section 7.2.6)
void nd_announce(struct net *n, const struct net_interface *i, const uint8_t own[16], bool probe);

enum drop_reason nd_overheard(struct net *n, struct rte_mbuf *m);

// fragment.c

enum drop_reason fragment_input4(struct net *n, struct rte_mbuf *m);
enum drop_reason fragment_input6(struct net *n, struct rte_mbuf *m, bool behind_others);
uint64_t fragment_poll(struct net *n, uint64_t now_ns);

// udp.c

enum drop_reason udp_input(struct net *n, struct rte_mbuf *m, uint32_t l4_len, bool software);
enum drop_reason tcp_segment(struct net *n, struct rte_mbuf *m, uint32_t l4_len, bool software);
// Checksum of an L4 packet: what the hardware said if it may be believed, else our own sum.
bool l4_checksum_good(
	struct net *n,
	struct rte_mbuf *m,
	const void *addresses,
	uint32_t l4_len,
	bool software
);

// steer.c

// Fill in the owner's hash; deliver here or hand over.
enum drop_reason steer(struct net *n, struct rte_mbuf *m, bool nic_hash);

// An ARP reply or NA that another worker received.
enum drop_reason neighbour_overheard(struct net *n, struct rte_mbuf *m);
