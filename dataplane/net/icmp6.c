// SPDX-License-Identifier: Apache-2.0
// ICMPv6 (RFC 4443), without neighbour discovery (nd.c).
#include "dataplane/net/checksum.h"
#include "dataplane/net/stack.h"

#include <rte_byteorder.h>
#include <rte_ip6.h>

#include <netinet/in.h>
#include <string.h>

#define HEADER 8
#define ECHO_REQUEST 128
#define ECHO_REPLY 129
#define MLD_QUERY 130
#define MLD_DONE 132
#define ROUTER_SOLICITATION 133
#define ROUTER_ADVERTISEMENT 134
#define REDIRECT 137
#define MLD2_REPORT 143
#define PACKET_TOO_BIG 2
#define PARAMETER_PROBLEM 4
// RFC 4443 section 2.4 c: as much of the packet as fits into the least MTU
#define QUOTE_MAX (1280 - sizeof(struct rte_ipv6_hdr) - HEADER)

// Source and destination address of what is in `m`.
static const uint8_t *addresses_of(const struct rte_mbuf *m) {
	return rte_pktmbuf_mtod_offset(
		m, const uint8_t *, packet_of((struct rte_mbuf *)m)->l3_offset + 8
	);
}

static enum drop_reason echo_answer(struct net *n, struct rte_mbuf *m) {
	struct packet *p = packet_of(m);
	struct flow_key key = p->key;
	uint16_t *checksum;
	uint8_t *h;

	if (p->flags & PACKET_LOCAL_MULTICAST || m->nb_segs > 1
	    || m->pkt_len - p->l4_offset + sizeof(struct rte_ipv6_hdr) > n->mtu[p->port])
		return DROP_ICMP_IGNORED;
	if (!rate_take(&n->icmp, n->now_ns))
		return DROP_ICMP_LIMIT;
	// The addresses change places, which their sum does not see.
	h = rte_pktmbuf_mtod_offset(m, uint8_t *, p->l4_offset);
	h[0] = ECHO_REPLY;
	checksum = (uint16_t *)(h + 2);
	*checksum =
		checksum_replace(*checksum, RTE_BE16(ECHO_REQUEST << 8), RTE_BE16(ECHO_REPLY << 8));
	struct net_path path = net_path_of(m);
	n->frames->consumed++;
	rte_pktmbuf_adj(m, p->l4_offset);
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	struct ip6_fields f = {
		.source = key.local,
		.destination = key.remote,
		.protocol = IPPROTO_ICMPV6,
		.hop_limit = IP_TTL_OURS,
	};
	if (!ip6_prepend(n, m, &f)) {
		n->stats.tx_refused++;
		rte_pktmbuf_free(m);
		return FRAME_TAKEN;
	}
	neighbour_output(n, &n->interfaces[path.interface], 6, key.remote, path.mac, m);
	return FRAME_TAKEN;
}

bool icmp6_error_parse(struct rte_mbuf *m, struct net_icmp_error *e) {
	const struct packet *p = packet_of(m);
	const uint8_t *h = rte_pktmbuf_mtod_offset(m, const uint8_t *, p->l4_offset);
	uint8_t room[sizeof(struct rte_ipv6_hdr) + 8 + 8];
	uint32_t at = p->l4_offset + HEADER;
	const uint8_t *ip, *l4;
	uint8_t protocol;

	*e = (struct net_icmp_error) {.type = h[0], .code = h[1]};
	if (e->type == PACKET_TOO_BIG)
		e->mtu = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
	ip = rte_pktmbuf_read(m, at, sizeof(struct rte_ipv6_hdr) + 8, room);
	if (ip == NULL || ip[0] >> 4 != 6)
		return false;
	protocol = ip[6];
	l4 = ip + sizeof(struct rte_ipv6_hdr);
	if (protocol == IPPROTO_FRAGMENT) { // of ours: the only extension header we send
		ip = rte_pktmbuf_read(m, at, sizeof(room), room);
		if (ip == NULL)
			return false;
		l4 = ip + sizeof(struct rte_ipv6_hdr) + 8;
		protocol = l4[-8];
		if (l4[-6] != 0 || (l4[-5] & 0xf8) != 0)
			return false;
	}
	if (memcmp(ip + 8, p->key.local, 16) != 0
	    || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP))
		return false;
	e->key = (struct flow_key) {
		.realm = p->key.realm,
		.family = 6,
		.protocol = protocol,
		.local_port = (uint16_t)(l4[0] << 8 | l4[1]),
		.remote_port = (uint16_t)(l4[2] << 8 | l4[3]),
	};
	memcpy(e->key.local, ip + 8, 16);
	memcpy(e->key.remote, ip + 24, 16);
	e->seq = (uint32_t)l4[4] << 24 | (uint32_t)l4[5] << 16 | (uint32_t)l4[6] << 8 | l4[7];
	return true;
}

static bool is_odd_source(struct net *n, const struct packet *p) {
	static const uint8_t unspecified[16];

	return memcmp(p->key.remote, unspecified, 16) == 0
		|| net_address_find(net_interface_of(n, p), 6, p->key.remote) != NULL;
}

enum drop_reason icmp6_input(struct net *n, struct rte_mbuf *m, bool reassembled) {
	const struct packet *p = packet_of(m);
	uint32_t len = m->pkt_len - p->l4_offset;
	uint32_t pseudo;
	uint8_t type;

	if (!n->ports[p->port].transmits)
		return DROP_MIRROR;
	if (len < HEADER || m->data_len < p->l4_offset + HEADER)
		return DROP_ICMP_BAD;
	pseudo = checksum_pseudo(addresses_of(m), 6, IPPROTO_ICMPV6, len);
	if (!checksum_good(m, p->l4_offset, len, pseudo))
		return DROP_ICMP_BAD;
	type = *rte_pktmbuf_mtod_offset(m, const uint8_t *, p->l4_offset);
	// RFC 6980: neighbour discovery does not come in fragments.
	if (type == ND_SOLICITATION || type == ND_ADVERTISEMENT)
		return reassembled ? DROP_ND_BAD : nd_input(n, m, type);
	if (is_odd_source(n, p))
		return DROP_IP_SOURCE;
	if (type == ECHO_REQUEST)
		return echo_answer(n, m);
	if (type >= ICMP6_UNREACHABLE && type <= PARAMETER_PROBLEM)
		return icmp_error_input(n, m);
	if ((type >= MLD_QUERY && type <= ROUTER_ADVERTISEMENT) || type == REDIRECT
	    || type == MLD2_REPORT)
		return net_unwanted(n, m, DROP_ICMP_IGNORED);
	return DROP_ICMP_IGNORED;
}

// RFC 4443 section 2.4 e: never about an ICMPv6 error, a group, or a source that is not one host.
static bool error_allowed(struct net *n, struct rte_mbuf *m) {
	const struct packet *p = packet_of(m);

	return !(p->flags & PACKET_LOCAL_MULTICAST) && p->key.protocol != IPPROTO_ICMPV6
		&& n->ports[p->port].transmits && !is_odd_source(n, p);
}

void icmp6_error_send(
	struct net *n,
	struct rte_mbuf *m,
	uint8_t type,
	uint8_t code,
	uint32_t pointer
) {
	const struct packet *p = packet_of(m);
	uint32_t word = rte_cpu_to_be_32(pointer);
	uint8_t header[HEADER] = {type, code};

	if (!error_allowed(n, m) || !rate_take(&n->icmp, n->now_ns))
		return;
	memcpy(header + 4, &word, sizeof(word));
	struct rte_mbuf *e = icmp_quote(n, m, header, QUOTE_MAX);
	if (e == NULL)
		return;
	struct ip6_fields f = {
		.source = p->key.local,
		.destination = p->key.remote,
		.protocol = IPPROTO_ICMPV6,
		.hop_limit = IP_TTL_OURS,
	};
	uint8_t addresses[32];
	memcpy(addresses, p->key.local, 16);
	memcpy(addresses + 16, p->key.remote, 16);
	uint32_t pseudo = checksum_pseudo(addresses, 6, IPPROTO_ICMPV6, e->pkt_len);
	uint16_t checksum = (uint16_t)~checksum_of(e, 0, e->pkt_len, pseudo);
	memcpy(rte_pktmbuf_mtod_offset(e, uint8_t *, 2), &checksum, sizeof(checksum));
	if (!ip6_prepend(n, e, &f)) {
		rte_pktmbuf_free(e);
		return;
	}
	neighbour_output(n, net_interface_of(n, p), 6, p->key.remote, p->remote_mac, e);
}
