// SPDX-License-Identifier: Apache-2.0
// IPv4 (RFC 791, RFC 1122 section 3).
#include "dataplane/net/checksum.h"
#include "dataplane/net/stack.h"

#include <rte_byteorder.h>
#include <rte_icmp.h>
#include <rte_ip4.h>

#include <netinet/in.h>
#include <string.h>

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_LSRR 131
#define OPTION_SSRR 137

// Of a header without options, which lies in one piece.
static bool plain_header_good(const uint8_t *header) {
	uint32_t w[5];

	memcpy(w, header, sizeof(w));
	uint64_t sum = (uint64_t)w[0] + w[1] + w[2] + w[3] + w[4];
	sum = (sum & 0xffffffff) + (sum >> 32);
	return checksum_fold((uint32_t)(sum & 0xffff) + (uint32_t)(sum >> 16)) == 0xffff;
}

static bool header_checksum_good(const struct net *n, const struct rte_mbuf *m, uint32_t len) {
	uint16_t port = packet_of((struct rte_mbuf *)m)->port;
	uint64_t said = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	if (n->ports[port].rx_checksum) {
		if (said == RTE_MBUF_F_RX_IP_CKSUM_GOOD || said == RTE_MBUF_F_RX_IP_CKSUM_NONE)
			return true;
		if (said == RTE_MBUF_F_RX_IP_CKSUM_BAD)
			return false;
	}
	uint32_t offset = packet_of((struct rte_mbuf *)m)->l3_offset;
	return len == sizeof(struct rte_ipv4_hdr)
		? plain_header_good(rte_pktmbuf_mtod_offset(m, const uint8_t *, offset))
		: checksum_good(m, offset, len, 0);
}

// Lengths that agree with each other and with the frame; the frame's padding is cut off.
static enum drop_reason header_check(struct net *n, struct rte_mbuf *m) {
	uint32_t offset = packet_of(m)->l3_offset;
	const struct rte_ipv4_hdr *h;
	uint32_t header, total;

	if (m->data_len < offset + sizeof(*h))
		return DROP_IP_SHORT;
	h = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, offset);
	if (h->version_ihl >> 4 != 4)
		return DROP_IP_VERSION;
	header = rte_ipv4_hdr_len(h);
	total = rte_be_to_cpu_16(h->total_length);
	if (header < sizeof(*h) || total < header || offset + total > m->pkt_len)
		return DROP_IP_LENGTH;
	if (m->data_len < offset + header)
		return DROP_IP_SHORT;
	if (!header_checksum_good(n, m, header))
		return DROP_IP_CHECKSUM;
	if (m->pkt_len > offset + total
	    && rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - offset - total)) < 0)
		return DROP_IP_LENGTH;
	return DROP_NONE;
}

// Source routes are refused (RFC 7126 section 4.3), so is what cannot be walked; other options are
// of no concern to a host.
static bool options_acceptable(const uint8_t *p, uint32_t len) {
	while (len > 0 && p[0] != OPTION_END) {
		uint32_t step = 1;
		if (p[0] == OPTION_LSRR || p[0] == OPTION_SSRR)
			return false;
		if (p[0] != OPTION_NOP) {
			if (len < 2 || p[1] < 2 || p[1] > len)
				return false;
			step = p[1];
		}
		p += step;
		len -= step;
	}
	return true;
}

// RFC 1122 section 3.2.1.3: what may never be a source.
static bool source_valid(const struct net_interface *i, const uint8_t *a) {
	if (a[0] == 0 || a[0] == 127 || a[0] >= 0xe0)
		return false;
	return net_address_find(i, 4, a) == NULL;
}

// The all-ones host of one of our prefixes.
static bool is_subnet_broadcast(const struct net_interface *i, const uint8_t *a) {
	uint32_t addr = (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];

	for (uint32_t k = 0; k < i->address_count; k++) {
		const struct ip_prefix *p = &i->addresses[k].prefix;
		if (p->family != 4 || p->prefix_len >= 31)
			continue;
		uint32_t host = UINT32_MAX >> p->prefix_len;
		if (net_on_link(p, 4, a) && (addr & host) == host)
			return true;
	}
	return false;
}

static enum drop_reason destination_check(
	struct net *n,
	struct rte_mbuf *m,
	const struct net_interface *i,
	const uint8_t *destination
) {
	struct packet *p = packet_of(m);

	if (net_address_ours(i, 4, destination)) {
		// RFC 1122 section 3.3.6: a link broadcast may not carry a unicast datagram.
		return p->flags & PACKET_LOCAL_MULTICAST ? DROP_IP_NOT_OURS : DROP_NONE;
	}
	if (!net_group_ours(i, 4, destination))
		return net_unwanted(n, m, DROP_IP_NOT_OURS);
	p->flags |= PACKET_LOCAL_MULTICAST;
	return DROP_NONE;
}

enum drop_reason ip4_input(struct net *n, struct rte_mbuf *m) {
	struct packet *p = packet_of(m);
	const struct net_interface *i = net_interface_of(n, p);
	const struct rte_ipv4_hdr *h;
	enum drop_reason bad;

	bad = header_check(n, m);
	if (unlikely(bad != DROP_NONE))
		return bad;
	h = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, p->l3_offset);
	if (unlikely(
		    !source_valid(i, (const uint8_t *)&h->src_addr)
		    || is_subnet_broadcast(i, (const uint8_t *)&h->src_addr)
	    ))
		return DROP_IP_SOURCE;
	if (unlikely(net_blocked(n, i, 4, (const uint8_t *)&h->src_addr)))
		return DROP_BLOCKED;
	if (likely(n->ports[p->port].transmits)) {
		bad = destination_check(n, m, i, (const uint8_t *)&h->dst_addr);
		if (bad != DROP_NONE)
			return bad;
	}
	if (unlikely(h->version_ihl != 0x45)
	    && !options_acceptable((const uint8_t *)(h + 1), rte_ipv4_hdr_len(h) - sizeof(*h)))
		return DROP_IP_OPTIONS;

	p->key.family = 4;
	p->key.protocol = h->next_proto_id;
	// As words, which is how the key is hashed soon.
	uint64_t remote = h->src_addr, local = h->dst_addr;
	memcpy(p->key.remote, &remote, sizeof(remote));
	memcpy(p->key.local, &local, sizeof(local));
	if (unlikely(
		    (h->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG))
		    != 0
	    ))
		return fragment_input4(n, m);
	return ip4_datagram(n, m, false);
}

enum drop_reason ip4_datagram(struct net *n, struct rte_mbuf *m, bool reassembled) {
	struct packet *p = packet_of(m);
	const struct rte_ipv4_hdr *h =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, p->l3_offset);
	uint32_t header = rte_ipv4_hdr_len(h);
	enum drop_reason verdict;

	p->l4_offset = (uint16_t)(p->l3_offset + header);
	uint32_t len = m->pkt_len - p->l4_offset;
	switch (h->next_proto_id) {
	case IPPROTO_UDP:
		return udp_input(n, m, len, reassembled);
	case IPPROTO_TCP:
		return tcp_segment(n, m, len, reassembled);
	case IPPROTO_ICMP:
		return icmp_input(n, m);
	default:
		verdict = net_unwanted(n, m, DROP_IP_PROTOCOL);
		if (verdict == DROP_IP_PROTOCOL && !reassembled)
			icmp_error_send(
				n, m, RTE_ICMP_TYPE_DEST_UNREACHABLE, RTE_ICMP_CODE_UNREACH_PROTO
			);
		return verdict;
	}
}

bool ip4_prepend(struct rte_mbuf *m, const struct ip4_fields *f) {
	struct rte_ipv4_hdr *h;
	uint32_t total = m->pkt_len + sizeof(*h);

	h = (struct rte_ipv4_hdr *)rte_pktmbuf_prepend(m, sizeof(*h));
	if (h == NULL)
		return false;
	*h = (struct rte_ipv4_hdr) {
		.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16((uint16_t)total),
		.packet_id = rte_cpu_to_be_16(f->id),
		.fragment_offset = rte_cpu_to_be_16(f->fragment),
		.time_to_live = IP_TTL_OURS,
		.next_proto_id = f->protocol,
	};
	memcpy(&h->src_addr, f->source, 4);
	memcpy(&h->dst_addr, f->destination, 4);
	// Summed field by field: wide loads would wait for the narrow stores above.
	uint64_t sum = (uint64_t)h->src_addr + h->dst_addr + h->total_length + h->packet_id
		+ h->fragment_offset + RTE_BE16(0x4500)
		+ rte_cpu_to_be_16((uint16_t)(IP_TTL_OURS << 8 | f->protocol));
	sum = (sum & 0xffffffff) + (sum >> 32);
	h->hdr_checksum =
		(uint16_t)~checksum_fold((uint32_t)(sum & 0xffff) + (uint32_t)(sum >> 16));
	return true;
}
