// SPDX-License-Identifier: Apache-2.0
// UDP (RFC 768) in, and what of TCP is checked before its owner sees it. The way out: output.c.
#include "dataplane/net/checksum.h"
#include "dataplane/net/stack.h"

#include <rte_byteorder.h>
#include <rte_ip4.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <stddef.h>
#include <stdint.h>
#include <string.h>

bool l4_checksum_good(
	struct net *n,
	struct rte_mbuf *m,
	const void *addresses,
	uint32_t l4_len,
	bool software
) {
	const struct packet *p = packet_of(m);
	uint64_t said = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	if (!software && n->ports[p->port].rx_checksum) {
		// NONE: the field is unfilled, but the data was checked before (virtio).
		if (said == RTE_MBUF_F_RX_L4_CKSUM_GOOD || said == RTE_MBUF_F_RX_L4_CKSUM_NONE)
			return true;
		if (said == RTE_MBUF_F_RX_L4_CKSUM_BAD)
			return false;
	}
	uint32_t pseudo = checksum_pseudo(addresses, p->key.family, p->key.protocol, l4_len);
	return checksum_good(m, p->l4_offset, l4_len, pseudo);
}

// The rest of the key, in one store: it is hashed next, in words.
static void ports_set(struct packet *p, rte_be16_t remote, rte_be16_t local) {
	struct flow_key *key = &p->key;
	uint64_t tail = rte_be_to_cpu_16(remote) | (uint64_t)rte_be_to_cpu_16(local) << 16
		| (uint64_t)key->realm << 32 | (uint64_t)key->family << 48
		| (uint64_t)key->protocol << 56;

	static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN);
	static_assert(
		offsetof(struct flow_key, local_port) == offsetof(struct flow_key, remote_port) + 2
		&& offsetof(struct flow_key, realm) == offsetof(struct flow_key, remote_port) + 4
		&& offsetof(struct flow_key, family) == offsetof(struct flow_key, remote_port) + 6
		&& offsetof(struct flow_key, protocol) == offsetof(struct flow_key, remote_port) + 7
	);
	memcpy(&key->remote_port, &tail, sizeof(tail));
}

// Source and destination address as they stand in the header.
static const uint8_t *addresses_of(const struct rte_mbuf *m) {
	const struct packet *p = packet_of((struct rte_mbuf *)m);

	return rte_pktmbuf_mtod_offset(m, const uint8_t *, p->l3_offset)
		+ (p->key.family == 4 ? 12 : 8);
}

enum drop_reason udp_input(struct net *n, struct rte_mbuf *m, uint32_t l4_len, bool software) {
	struct packet *p = packet_of(m);
	const struct rte_udp_hdr *h;
	uint16_t len;

	if (l4_len < sizeof(*h) || m->data_len < p->l4_offset + sizeof(*h))
		return DROP_UDP_SHORT;
	h = rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, p->l4_offset);
	len = rte_be_to_cpu_16(h->dgram_len);
	if (len < sizeof(*h) || len > l4_len)
		return DROP_UDP_LENGTH;
	// RFC 8200 section 8.1: over IPv6 the checksum is not optional.
	if (h->dgram_cksum == 0 && p->key.family == 6)
		return DROP_UDP_CHECKSUM;
	if (h->dgram_cksum != 0 && !l4_checksum_good(n, m, addresses_of(m), len, software))
		return DROP_UDP_CHECKSUM;

	ports_set(p, h->src_port, h->dst_port);
	p->payload_offset = p->l4_offset + sizeof(*h);
	p->payload_len = len - sizeof(*h);
	return steer(n, m, !software);
}

enum drop_reason tcp_segment(struct net *n, struct rte_mbuf *m, uint32_t l4_len, bool software) {
	struct packet *p = packet_of(m);
	const struct rte_tcp_hdr *h;
	uint32_t header;

	if (l4_len < sizeof(*h) || m->data_len < p->l4_offset + sizeof(*h))
		return DROP_TCP_SHORT;
	h = rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, p->l4_offset);
	header = (h->data_off >> 4) * 4u;
	if (header < sizeof(*h) || header > l4_len || m->data_len < p->l4_offset + header)
		return DROP_TCP_SHORT;
	if (!l4_checksum_good(n, m, addresses_of(m), l4_len, software))
		return DROP_TCP_CHECKSUM;

	ports_set(p, h->src_port, h->dst_port);
	p->payload_offset = (uint16_t)(p->l4_offset + header);
	p->payload_len = (uint16_t)(l4_len - header);
	return steer(n, m, !software);
}
