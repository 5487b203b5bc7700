// SPDX-License-Identifier: Apache-2.0
// ARP (RFC 826) with address conflict detection (RFC 5227).
#include "dataplane/net/stack.h"

#include <rte_arp.h>
#include <rte_byteorder.h>

#include <string.h>

// An ARP packet in host terms.
struct arp {
	uint16_t operation;
	uint8_t sender_mac[6];
	uint8_t sender[4];
	uint8_t target[4];
};

static const uint8_t unspecified[4];

static bool sender_valid(const struct arp *a) {
	return (a->sender_mac[0] & 1) == 0 && (a->sender[0] & 0xf0) < 0xe0 && a->sender[0] != 127;
}

static bool arp_parse(const struct rte_mbuf *m, struct arp *out) {
	uint16_t offset = packet_of((struct rte_mbuf *)m)->l3_offset;
	const struct rte_arp_hdr *h;

	if (m->data_len < offset + sizeof(*h))
		return false;
	h = rte_pktmbuf_mtod_offset(m, const struct rte_arp_hdr *, offset);
	if (h->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER)
	    || h->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) || h->arp_hlen != 6
	    || h->arp_plen != 4)
		return false;
	out->operation = rte_be_to_cpu_16(h->arp_opcode);
	memcpy(out->sender_mac, h->arp_data.arp_sha.addr_bytes, 6);
	memcpy(out->sender, &h->arp_data.arp_sip, 4);
	memcpy(out->target, &h->arp_data.arp_tip, 4);
	return (out->operation == RTE_ARP_OP_REQUEST || out->operation == RTE_ARP_OP_REPLY)
		&& sender_valid(out);
}

static void arp_send(
	struct net *n,
	const struct net_interface *i,
	uint16_t operation,
	const uint8_t *sender,
	const uint8_t *target,
	const uint8_t *mac // NULL = broadcast
) {
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct rte_mbuf *m = rte_pktmbuf_alloc(n->env.pool);
	struct rte_arp_hdr *h;

	if (m == NULL) {
		n->stats.tx_no_mbuf++;
		return;
	}
	h = (struct rte_arp_hdr *)rte_pktmbuf_append(m, sizeof(*h));
	if (h == NULL) {
		rte_pktmbuf_free(m);
		return;
	}
	*h = (struct rte_arp_hdr) {
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = 6,
		.arp_plen = 4,
		.arp_opcode = rte_cpu_to_be_16(operation),
		.arp_data.arp_sha = n->ports[i->port].mac,
	};
	memcpy(&h->arp_data.arp_sip, sender, 4);
	memcpy(&h->arp_data.arp_tip, target, 4);
	if (mac != NULL)
		memcpy(h->arp_data.arp_tha.addr_bytes, mac, 6);
	eth_output(n, i, mac != NULL ? mac : broadcast, RTE_ETHER_TYPE_ARP, m);
}

void arp_request(
	struct net *n,
	const struct net_interface *i,
	const uint8_t target[4],
	const uint8_t *mac
) {
	const uint8_t *sender = net_source_for(i, 4, target);

	if (sender != NULL)
		arp_send(n, i, RTE_ARP_OP_REQUEST, sender, target, mac);
}

void arp_announce(struct net *n, const struct net_interface *i, const uint8_t own[4], bool probe) {
	arp_send(n, i, RTE_ARP_OP_REQUEST, probe ? unspecified : own, own, NULL);
}

// RFC 5227 section 2.1.1 and 2.4: somebody sends from our address, or probes for it while we do.
static bool conflict_check(struct net *n, struct net_interface *i, const struct arp *a) {
	bool probe = memcmp(a->sender, unspecified, 4) == 0;
	struct net_address *own = net_address_find(i, 4, probe ? a->target : a->sender);

	// The kernel's TAP twin has our MAC and its own addresses; it contradicts nobody.
	if (memcmp(a->sender_mac, n->ports[i->port].mac.addr_bytes, 6) == 0)
		return false;
	if (own == NULL || (probe && own->state != ADDRESS_PROBING)
	    || (probe && a->operation != RTE_ARP_OP_REQUEST))
		return false;
	address_conflict(n, i, own);
	return true;
}

static enum drop_reason
request_input(struct net *n, struct rte_mbuf *m, struct net_interface *i, const struct arp *a) {
	if (!net_address_ours(i, 4, a->target))
		return net_unwanted(n, m, DROP_ARP_NOT_OURS);
	if (!rate_take(&n->neighbour, n->now_ns))
		return DROP_NEIGHBOUR_LIMIT;
	arp_send(n, i, RTE_ARP_OP_REPLY, a->target, a->sender, a->sender_mac);
	return net_consume(n, m);
}

static enum drop_reason
reply_input(struct net *n, struct rte_mbuf *m, struct net_interface *i, const struct arp *a) {
	if (!net_address_ours(i, 4, a->target))
		return net_unwanted(n, m, DROP_ARP_NOT_OURS);
	if (!neighbour_answered(n, i, 4, a->sender, a->sender_mac))
		neighbour_heard(n, i, 4, a->sender, a->sender_mac);
	net_tell_others(n, m, PACKET_NEIGHBOUR);
	net_punt_copy(n, m);
	return net_consume(n, m);
}

enum drop_reason arp_input(struct net *n, struct rte_mbuf *m) {
	struct net_interface *i = net_interface_of(n, packet_of(m));
	struct arp a;

	if (!n->ports[i->port].transmits)
		return DROP_MIRROR;
	if (!arp_parse(m, &a))
		return DROP_ARP_BAD;
	if (conflict_check(n, i, &a))
		net_tell_others(n, m, PACKET_NEIGHBOUR);
	if (a.operation == RTE_ARP_OP_REPLY)
		return reply_input(n, m, i, &a);
	neighbour_heard(n, i, 4, a.sender, a.sender_mac);
	return request_input(n, m, i, &a);
}

enum drop_reason arp_overheard(struct net *n, struct rte_mbuf *m) {
	struct net_interface *i = net_interface_of(n, packet_of(m));
	struct arp a;

	if (!arp_parse(m, &a))
		return DROP_ARP_BAD;
	conflict_check(n, i, &a);
	if (a.operation == RTE_ARP_OP_REPLY && !neighbour_answered(n, i, 4, a.sender, a.sender_mac))
		neighbour_heard(n, i, 4, a.sender, a.sender_mac);
	return net_consume(n, m);
}
