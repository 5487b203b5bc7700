// SPDX-License-Identifier: Apache-2.0
// The way out: transport header and payload to frames, in fragments if they exceed the MTU.
#include "dataplane/net/checksum.h"
#include "dataplane/net/stack.h"
#include "parsers/siphash.h"

#include <rte_byteorder.h>
#include <rte_ip4.h>
#include <rte_ip6.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#define FRAGMENTS_MAX 64
#define IP6_FRAGMENT_HEADER 8

// Everything that the frames of one datagram have in common.
struct outgoing {
	const struct net_interface *interface;
	const uint8_t *fallback_mac; // NULL if none
	uint8_t family;
	uint8_t protocol;
	uint8_t addresses[32]; // source, destination
	uint32_t ports; // of the flow label
	uint32_t mtu;
};

static uint32_t address_len(const struct outgoing *o) {
	return o->family == 4 ? 4 : 16;
}

static const uint8_t *destination_of(const struct outgoing *o) {
	return o->addresses + address_len(o);
}

static bool is_unspecified(const uint8_t *addr, uint32_t len) {
	static const uint8_t zero[16];

	return memcmp(addr, zero, len) == 0;
}

static int outgoing_init(
	struct net *n,
	const struct flow_key *key,
	const struct net_path *path,
	struct outgoing *o
) {
	const struct net_interface *i = net_interface_for(n, key, path);
	const uint8_t *source;

	if (i == NULL || !n->ports[i->port].transmits)
		return -ENETUNREACH;
	*o = (struct outgoing) {
		.interface = i,
		.fallback_mac = path != NULL ? path->mac : NULL,
		.family = key->family,
		.protocol = key->protocol,
		.ports = (uint32_t)key->local_port << 16 | key->remote_port,
		.mtu = n->mtu[i->port],
	};
	// A source port of 0 asks for no answer (RFC 768). What was sent to a group is answered
	// from an address of ours.
	source = key->local;
	if (net_address_find(i, key->family, key->local) == NULL)
		source = net_source_for(i, key->family, key->remote);
	if (source == NULL || key->remote_port == 0 || is_unspecified(key->remote, address_len(o)))
		return -ENETUNREACH;
	memcpy(o->addresses, source, address_len(o));
	memcpy(o->addresses + address_len(o), key->remote, address_len(o));
	return 0;
}

// Where a frame's payload stands in its datagram.
struct piece {
	uint32_t from;
	uint32_t len;
	bool more;
	bool whole;
	uint32_t id; // unless whole
};

static bool ip6_fragment_prepend(struct rte_mbuf *m, uint8_t protocol, const struct piece *p) {
	uint8_t *h = (uint8_t *)rte_pktmbuf_prepend(m, IP6_FRAGMENT_HEADER);
	uint32_t id = rte_cpu_to_be_32(p->id);

	if (h == NULL)
		return false;
	h[0] = protocol;
	h[1] = 0;
	h[2] = (uint8_t)(p->from >> 8); // a multiple of 8: the low three bits are flags
	h[3] = (uint8_t)((p->from & 0xf8) | p->more);
	memcpy(h + 4, &id, 4);
	return true;
}

static bool network_prepend(
	struct net *n,
	const struct outgoing *o,
	struct rte_mbuf *m,
	const struct piece *p
) {
	if (o->family == 4) {
		struct ip4_fields f = {
			.source = o->addresses,
			.destination = destination_of(o),
			.protocol = o->protocol,
			.id = p->whole ? 0 : (uint16_t)p->id,
			.fragment = RTE_IPV4_HDR_DF_FLAG,
		};
		if (!p->whole)
			f.fragment = (uint16_t)(p->from / 8 | (p->more ? RTE_IPV4_HDR_MF_FLAG : 0));
		return ip4_prepend(m, &f);
	}
	if (!p->whole && !ip6_fragment_prepend(m, o->protocol, p))
		return false;
	struct ip6_fields f = {
		.source = o->addresses,
		.destination = destination_of(o),
		.protocol = p->whole ? o->protocol : IPPROTO_FRAGMENT,
		.hop_limit = IP_TTL_OURS,
		.flow = o->ports,
	};
	return ip6_prepend(n, m, &f);
}

static void
piece_send(struct net *n, const struct outgoing *o, struct rte_mbuf *m, const struct piece *p) {
	if (!network_prepend(n, o, m, p)) {
		n->stats.tx_refused++;
		rte_pktmbuf_free(m);
		return;
	}
	neighbour_output(n, o->interface, o->family, destination_of(o), o->fallback_mac, m);
}

// Complete the transport checksum, or leave the pseudo-header's sum to the hardware.
static uint16_t
l4_checksum(const struct outgoing *o, uint32_t len, uint32_t body_sum, bool hardware) {
	uint32_t sum = checksum_pseudo(o->addresses, o->family, o->protocol, len);

	if (hardware)
		return checksum_fold(sum);
	sum = (uint16_t)~checksum_fold(sum + body_sum);
	return sum == 0 && o->protocol == IPPROTO_UDP ? 0xffff : (uint16_t)sum;
}

static void hardware_ask(const struct outgoing *o, struct rte_mbuf *m) {
	m->ol_flags |= o->family == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	m->ol_flags |=
		o->protocol == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	m->l3_len = o->family == 4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
}

// Bytes [p->from, p->from + p->len) of header and payload, which stand apart.
static bool piece_fill(
	struct rte_mbuf *m,
	const struct rte_udp_hdr *h,
	const uint8_t *payload,
	const struct piece *p
) {
	uint8_t *to = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)p->len);
	uint32_t skip = p->from;
	uint32_t len = p->len;

	if (to == NULL)
		return false;
	if (skip == 0) { // the first piece is never shorter than the header
		memcpy(to, h, sizeof(*h));
		to += sizeof(*h);
		len -= sizeof(*h);
	} else {
		skip -= sizeof(*h);
	}
	if (len > 0)
		memcpy(to, payload + skip, len);
	return true;
}

static int fragments_send(
	struct net *n,
	const struct outgoing *o,
	const struct rte_udp_hdr *h,
	const uint8_t *payload,
	uint32_t total
) {
	uint32_t header = o->family == 4 ? sizeof(struct rte_ipv4_hdr)
					 : sizeof(struct rte_ipv6_hdr) + IP6_FRAGMENT_HEADER;
	uint32_t room = (o->mtu - header) & ~7u;
	uint32_t count = (total + room - 1) / room;
	uint64_t seed[2] = {++n->datagrams, n->env.worker};
	uint32_t id = (uint32_t)siphash13(n->env.secret, seed, sizeof(seed));
	struct rte_mbuf *ms[FRAGMENTS_MAX];

	if (count > FRAGMENTS_MAX)
		return -EMSGSIZE;
	if (rte_pktmbuf_alloc_bulk(n->env.pool, ms, count) != 0) {
		n->stats.tx_no_mbuf++;
		return -ENOBUFS;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct piece p = {.from = i * room, .id = id, .more = i + 1 < count};
		p.len = RTE_MIN(room, total - p.from);
		if (piece_fill(ms[i], h, payload, &p))
			piece_send(n, o, ms[i], &p);
		else
			rte_pktmbuf_free(ms[i]);
	}
	return 0;
}

static int whole_send(
	struct net *n,
	const struct outgoing *o,
	const struct rte_udp_hdr *h,
	const uint8_t *payload,
	uint32_t total,
	bool hardware
) {
	struct piece p = {.len = total, .whole = true};
	struct rte_mbuf *m = rte_pktmbuf_alloc(n->env.pool);

	if (m == NULL) {
		n->stats.tx_no_mbuf++;
		return -ENOBUFS;
	}
	if (!piece_fill(m, h, payload, &p)) {
		rte_pktmbuf_free(m);
		return -EMSGSIZE;
	}
	if (hardware)
		hardware_ask(o, m);
	piece_send(n, o, m, &p);
	return 0;
}

static uint32_t network_len(uint8_t family) {
	return family == 4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
}

int net_udp_send(
	struct net *n,
	const struct flow_key *key,
	const struct net_path *path,
	const void *payload,
	uint32_t len
) {
	uint32_t total = len + sizeof(struct rte_udp_hdr);
	struct outgoing o;
	int ret;

	if (len > UINT16_MAX || total + (key->family == 4 ? network_len(4) : 0) > UINT16_MAX)
		return -EMSGSIZE;
	ret = outgoing_init(n, key, path, &o);
	if (ret < 0)
		return ret;
	bool fits = network_len(o.family) + total <= o.mtu;
	bool hardware = fits && n->ports[o.interface->port].tx_checksum;
	struct rte_udp_hdr h = {
		.src_port = rte_cpu_to_be_16(key->local_port),
		.dst_port = rte_cpu_to_be_16(key->remote_port),
		.dgram_len = rte_cpu_to_be_16((uint16_t)total),
	};
	uint32_t body =
		hardware ? 0 : (uint32_t)checksum_sum(&h, sizeof(h)) + checksum_sum(payload, len);
	o.protocol = IPPROTO_UDP;
	h.dgram_cksum = l4_checksum(&o, total, body, hardware);
	if (fits)
		return whole_send(n, &o, &h, payload, total, hardware);
	return fragments_send(n, &o, &h, payload, total);
}

static uint16_t *checksum_field(struct rte_mbuf *m, uint8_t protocol) {
	uint32_t at = protocol == IPPROTO_TCP ? offsetof(struct rte_tcp_hdr, cksum)
					      : offsetof(struct rte_udp_hdr, dgram_cksum);

	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
	    || m->data_len < at + sizeof(uint16_t))
		return NULL;
	return rte_pktmbuf_mtod_offset(m, uint16_t *, at);
}

int net_ip_send(
	struct net *n,
	const struct flow_key *key,
	const struct net_path *path,
	struct rte_mbuf *m
) {
	uint32_t len = m->pkt_len;
	struct outgoing o;
	int ret;

	ret = outgoing_init(n, key, path, &o);
	if (ret == 0 && network_len(o.family) + len > o.mtu)
		ret = -EMSGSIZE;
	uint16_t *field = checksum_field(m, key->protocol);
	if (ret == 0 && field == NULL)
		ret = -EINVAL;
	if (ret < 0) {
		rte_pktmbuf_free(m);
		return ret;
	}
	bool hardware = n->ports[o.interface->port].tx_checksum;
	*field = 0;
	uint32_t body = hardware ? 0 : checksum_of(m, 0, len, 0);
	*field = l4_checksum(&o, len, body, hardware);
	if (hardware)
		hardware_ask(&o, m);
	piece_send(n, &o, m, &(struct piece) {.len = len, .whole = true});
	return 0;
}
