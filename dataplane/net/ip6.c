// SPDX-License-Identifier: Apache-2.0
// IPv6 (RFC 8200) with few and short extension headers.
#include "dataplane/net/stack.h"
#include "parsers/siphash.h"

#include <rte_byteorder.h>
#include <rte_ip6.h>

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#define EXTENSIONS_MAX 4
#define EXTENSION_BYTES_MAX 128
#define OPTION_PAD1 0
#define OPTION_PADN 1
#define OPTION_ROUTER_ALERT 5
#define PARAMETER_FIELD 0
#define PARAMETER_NEXT_HEADER 1
#define PARAMETER_OPTION 2

static const uint8_t *header_of(const struct rte_mbuf *m) {
	return rte_pktmbuf_mtod_offset(
		m, const uint8_t *, packet_of((struct rte_mbuf *)m)->l3_offset
	);
}

static enum drop_reason header_check(struct rte_mbuf *m) {
	uint32_t offset = packet_of(m)->l3_offset;
	const struct rte_ipv6_hdr *h;
	uint32_t total;

	if (m->data_len < offset + sizeof(*h))
		return DROP_IP_SHORT;
	h = (const struct rte_ipv6_hdr *)header_of(m);
	if (header_of(m)[0] >> 4 != 6)
		return DROP_IP_VERSION;
	total = sizeof(*h) + rte_be_to_cpu_16(h->payload_len);
	if (offset + total > m->pkt_len)
		return DROP_IP_LENGTH;
	if (m->pkt_len > offset + total
	    && rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - offset - total)) < 0)
		return DROP_IP_LENGTH;
	return DROP_NONE;
}

// RFC 4291 section 2.5 and 2.7: what may never be a source. The unspecified address and our own
// are let through for ND alone (duplicate address detection), which icmp6_input() sees to.
static bool source_valid(const struct net_interface *i, const struct rte_ipv6_hdr *h) {
	if (rte_ipv6_addr_is_mcast(&h->src_addr) || rte_ipv6_addr_is_loopback(&h->src_addr)
	    || rte_ipv6_addr_is_v4mapped(&h->src_addr))
		return false;
	if (h->proto == IPPROTO_ICMPV6)
		return true;
	return !rte_ipv6_addr_is_unspec(&h->src_addr)
		&& net_address_find(i, 6, h->src_addr.a) == NULL;
}

// ff02::1 and the solicited-node groups of our addresses, of interest to ND alone.
static bool is_nd_group(const struct net_interface *i, const uint8_t *a) {
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	static const uint8_t solicited[13] = {0xff, 2, [11] = 1, 0xff};

	if (memcmp(a, all_nodes, 16) == 0)
		return true;
	if (memcmp(a, solicited, sizeof(solicited)) != 0)
		return false;
	for (uint32_t k = 0; k < i->address_count; k++)
		if (i->addresses[k].prefix.family == 6
		    && memcmp(a + 13, i->addresses[k].prefix.addr + 13, 3) == 0)
			return true;
	return false;
}

static enum drop_reason destination_check(
	struct net *n,
	struct rte_mbuf *m,
	const struct net_interface *i,
	const struct rte_ipv6_hdr *h
) {
	struct packet *p = packet_of(m);

	if (net_address_ours(i, 6, h->dst_addr.a))
		return p->flags & PACKET_LOCAL_MULTICAST ? DROP_IP_NOT_OURS : DROP_NONE;
	if (!net_group_ours(i, 6, h->dst_addr.a)
	    && !(h->proto == IPPROTO_ICMPV6 && is_nd_group(i, h->dst_addr.a)))
		return net_unwanted(n, m, DROP_IP_NOT_OURS);
	p->flags |= PACKET_LOCAL_MULTICAST;
	return DROP_NONE;
}

// The walk over the extension headers. Offsets are from the IPv6 header.
struct chain {
	uint32_t offset; // of the current header
	uint32_t next_at; // of the byte that named it
	uint8_t next; // its type
	uint8_t count;
};

// Refuse, and say what about it, unless it may be an ICMP error that we would answer.
static enum drop_reason
refuse(struct net *n, struct rte_mbuf *m, uint8_t after, uint8_t code, uint32_t pointer) {
	if (after == IPPROTO_UDP || after == IPPROTO_TCP)
		icmp6_error_send(n, m, ICMP6_PARAMETER, code, pointer);
	return DROP_IP6_EXTENSION;
}

// RFC 8200 section 4.2: an option we do not know says by its two top bits what becomes of the
// packet.
static enum drop_reason
options_walk(struct net *n, struct rte_mbuf *m, const uint8_t *h, uint32_t len, uint32_t offset) {
	for (uint32_t at = 2; at < len;) {
		uint8_t type = h[at];
		if (type == OPTION_PAD1) {
			at++;
			continue;
		}
		if (at + 2 > len || at + 2 + h[at + 1] > len)
			return DROP_IP6_EXTENSION;
		if (type != OPTION_PADN && type != OPTION_ROUTER_ALERT && type >> 6 != 0) {
			if (type >> 6 == 1)
				return DROP_IP6_EXTENSION;
			return refuse(n, m, h[0], PARAMETER_OPTION, offset + at);
		}
		at += 2u + h[at + 1];
	}
	return DROP_NONE;
}

// Type 0 is deprecated (RFC 5095), and a host is no waypoint of any other.
static enum drop_reason
routing_check(struct net *n, struct rte_mbuf *m, const uint8_t *h, uint32_t offset) {
	if (h[2] == 0)
		return DROP_IP6_EXTENSION;
	return h[3] == 0 ? DROP_NONE : refuse(n, m, h[0], PARAMETER_FIELD, offset + 2);
}

static enum drop_reason extension_skip(struct net *n, struct rte_mbuf *m, struct chain *c) {
	uint32_t start = packet_of(m)->l3_offset;
	const uint8_t *h = header_of(m) + c->offset;
	enum drop_reason bad;
	uint32_t len;

	if (++c->count > EXTENSIONS_MAX || m->data_len < start + c->offset + 8)
		return DROP_IP6_EXTENSION;
	len = (h[1] + 1u) * 8;
	if (c->offset + len > sizeof(struct rte_ipv6_hdr) + EXTENSION_BYTES_MAX
	    || m->data_len < start + c->offset + len)
		return DROP_IP6_EXTENSION;
	if (c->next == IPPROTO_HOPOPTS && c->count > 1)
		return DROP_IP6_EXTENSION;
	bad = c->next == IPPROTO_ROUTING ? routing_check(n, m, h, c->offset)
					 : options_walk(n, m, h, len, c->offset);
	c->next_at = c->offset;
	c->next = h[0];
	c->offset += len;
	return bad;
}

// A fragment header around a whole datagram (RFC 6946) is skipped like any other.
static bool is_atomic(const struct rte_mbuf *m, const struct chain *c) {
	const uint8_t *h = header_of(m) + c->offset;

	return m->data_len >= packet_of((struct rte_mbuf *)m)->l3_offset + c->offset + 8
		&& h[2] == 0 && (h[3] & 0xf9) == 0;
}

static enum drop_reason extensions_walk(struct net *n, struct rte_mbuf *m, struct chain *c) {
	enum drop_reason bad = DROP_NONE;

	while (bad == DROP_NONE) {
		switch (c->next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			bad = extension_skip(n, m, c);
			break;
		case IPPROTO_FRAGMENT:
			if (!is_atomic(m, c))
				return DROP_NONE;
			if (++c->count > EXTENSIONS_MAX)
				return DROP_IP6_EXTENSION;
			c->next_at = c->offset;
			c->next = header_of(m)[c->offset];
			c->offset += 8;
			break;
		default:
			return DROP_NONE;
		}
	}
	return bad;
}

enum drop_reason ip6_datagram(struct net *n, struct rte_mbuf *m, bool reassembled) {
	struct packet *p = packet_of(m);
	struct chain c = {
		.offset = sizeof(struct rte_ipv6_hdr),
		.next_at = offsetof(struct rte_ipv6_hdr, proto),
		.next = header_of(m)[offsetof(struct rte_ipv6_hdr, proto)],
	};
	enum drop_reason verdict;
	uint32_t len;

	verdict = extensions_walk(n, m, &c);
	if (unlikely(verdict != DROP_NONE))
		return verdict;
	p->key.protocol = c.next;
	p->l4_offset = (uint16_t)(p->l3_offset + c.offset);
	len = m->pkt_len - p->l4_offset;
	bool software = reassembled || c.count > 0;
	switch (c.next) {
	case IPPROTO_UDP:
		return udp_input(n, m, len, software);
	case IPPROTO_TCP:
		return tcp_segment(n, m, len, software);
	case IPPROTO_ICMPV6:
		return icmp6_input(n, m, reassembled);
	case IPPROTO_FRAGMENT:
		return reassembled ? DROP_FRAGMENT_BAD : fragment_input6(n, m, c.count > 0);
	default:
		verdict = net_unwanted(n, m, DROP_IP_PROTOCOL);
		if (verdict == DROP_IP_PROTOCOL && c.next != IPPROTO_NONE)
			icmp6_error_send(n, m, ICMP6_PARAMETER, PARAMETER_NEXT_HEADER, c.next_at);
		return verdict;
	}
}

enum drop_reason ip6_input(struct net *n, struct rte_mbuf *m) {
	struct packet *p = packet_of(m);
	const struct net_interface *i = net_interface_of(n, p);
	const struct rte_ipv6_hdr *h;
	enum drop_reason bad;

	bad = header_check(m);
	if (unlikely(bad != DROP_NONE))
		return bad;
	h = (const struct rte_ipv6_hdr *)header_of(m);
	if (unlikely(!source_valid(i, h)))
		return DROP_IP_SOURCE;
	if (unlikely(net_blocked(n, i, 6, h->src_addr.a)))
		return DROP_BLOCKED;
	if (likely(n->ports[p->port].transmits)) {
		bad = destination_check(n, m, i, h);
		if (bad != DROP_NONE)
			return bad;
	}
	p->key.family = 6;
	memcpy(p->key.remote, h->src_addr.a, 16);
	memcpy(p->key.local, h->dst_addr.a, 16);
	return ip6_datagram(n, m, false);
}

// RFC 6437: one label per flow, which says nothing else about it.
static uint32_t flow_label(const struct net *n, const struct ip6_fields *f) {
	uint8_t flow[20];

	if (f->flow == 0)
		return 0;
	memcpy(flow, f->destination, 16);
	memcpy(flow + 16, &f->flow, 4);
	return (uint32_t)siphash13(n->env.secret, flow, sizeof(flow)) & 0xfffff;
}

bool ip6_prepend(struct net *n, struct rte_mbuf *m, const struct ip6_fields *f) {
	uint32_t len = m->pkt_len;
	struct rte_ipv6_hdr *h = (struct rte_ipv6_hdr *)rte_pktmbuf_prepend(m, sizeof(*h));

	if (h == NULL)
		return false;
	h->vtc_flow = rte_cpu_to_be_32(6u << 28 | flow_label(n, f));
	h->payload_len = rte_cpu_to_be_16((uint16_t)len);
	h->proto = f->protocol;
	h->hop_limits = f->hop_limit;
	memcpy(h->src_addr.a, f->source, 16);
	memcpy(h->dst_addr.a, f->destination, 16);
	return true;
}
