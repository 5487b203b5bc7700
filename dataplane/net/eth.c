// SPDX-License-Identifier: Apache-2.0
// Ethernet and one 802.1Q tag, in band or taken out by the hardware: both give the same realm.
#include "dataplane/net/stack.h"

#include <rte_byteorder.h>
#include <rte_ip4.h>

#include <string.h>

// VRRP owners' MAC addresses (RFC 5798 section 7.3): keepalived on the TAP twin wants them.
static bool is_vrrp(const struct rte_ether_addr *mac) {
	static const uint8_t prefix[4] = {0x00, 0x00, 0x5e, 0x00};

	return memcmp(mac->addr_bytes, prefix, 4) == 0
		&& (mac->addr_bytes[4] == 1 || mac->addr_bytes[4] == 2);
}

// Where the network header starts and of what kind it is.
struct eth_type {
	uint16_t type; // host order
	uint16_t vlan;
	uint16_t offset;
	enum drop_reason bad; // DROP_NONE if none
};

static bool is_tag(uint16_t type) {
	return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ
		|| type == RTE_ETHER_TYPE_QINQ1;
}

static struct eth_type type_of(const struct rte_mbuf *m) {
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	bool stripped = (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0;
	struct eth_type t = {
		.type = rte_be_to_cpu_16(eth->ether_type),
		.vlan = stripped ? m->vlan_tci & 0xfff : 0,
		.offset = sizeof(*eth),
		.bad = DROP_NONE,
	};

	if (likely(!is_tag(t.type)))
		return t;
	if (stripped || t.type != RTE_ETHER_TYPE_VLAN) {
		t.bad = DROP_VLAN_STACKED;
		return t;
	}
	const struct rte_vlan_hdr *tag = (const struct rte_vlan_hdr *)(eth + 1);
	if (m->data_len < sizeof(*eth) + sizeof(*tag)) {
		t.bad = DROP_L2_SHORT;
		return t;
	}
	t.type = rte_be_to_cpu_16(tag->eth_proto);
	t.vlan = rte_be_to_cpu_16(tag->vlan_tci) & 0xfff;
	t.offset += sizeof(*tag);
	if (is_tag(t.type))
		t.bad = DROP_VLAN_STACKED;
	return t;
}

// The hardware filter of a promiscuous port lets everything through.
static enum drop_reason
addresses_check(const struct net_port *port, const struct rte_ether_hdr *eth, bool *vrrp) {
	*vrrp = false;
	if (rte_is_multicast_ether_addr(&eth->src_addr) || rte_is_zero_ether_addr(&eth->src_addr))
		return DROP_L2_SOURCE;
	if (!port->transmits)
		return DROP_NONE;
	if (rte_is_same_ether_addr(&eth->src_addr, &port->mac))
		return DROP_L2_SOURCE;
	if (rte_is_same_ether_addr(&eth->dst_addr, &port->mac)
	    || rte_is_multicast_ether_addr(&eth->dst_addr))
		return DROP_NONE;
	*vrrp = port->exception && is_vrrp(&eth->dst_addr);
	return *vrrp ? DROP_NONE : DROP_L2_NOT_OURS;
}

enum drop_reason eth_input(struct net *n, uint16_t port, struct rte_mbuf *m) {
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	struct packet *p = packet_of(m);
	enum drop_reason bad;
	struct eth_type t;
	bool vrrp;

	*p = (struct packet) {.port = port, .interface = INTERFACE_NONE};
	if (unlikely(m->data_len < sizeof(*eth)))
		return DROP_L2_SHORT;
	bad = addresses_check(&n->ports[port], eth, &vrrp);
	if (unlikely(bad != DROP_NONE))
		return bad;
	t = type_of(m);
	if (unlikely(t.bad != DROP_NONE))
		return t.bad;

	memcpy(p->remote_mac, eth->src_addr.addr_bytes, sizeof(p->remote_mac));
	p->l3_offset = t.offset;
	p->interface = n->by_vlan[port][t.vlan];
	if (unlikely(p->interface == INTERFACE_NONE))
		return net_unwanted(n, m, DROP_VLAN_UNKNOWN);
	if (unlikely(vrrp))
		return net_unwanted(n, m, DROP_L2_NOT_OURS);
	p->key.realm = n->interfaces[p->interface].realm;
	if (rte_is_multicast_ether_addr(&eth->dst_addr))
		p->flags |= PACKET_LOCAL_MULTICAST;

	switch (t.type) {
	case RTE_ETHER_TYPE_IPV4:
		return ip4_input(n, m);
	case RTE_ETHER_TYPE_IPV6:
		return ip6_input(n, m);
	case RTE_ETHER_TYPE_ARP:
		return arp_input(n, m);
	default:
		return net_unwanted(n, m, DROP_ETHERTYPE);
	}
}

static bool header_prepend(
	struct rte_mbuf *m,
	const uint8_t destination[6],
	const uint8_t source[6],
	uint16_t vlan,
	uint16_t ether_type
) {
	uint16_t len = sizeof(struct rte_ether_hdr) + (vlan != 0 ? 4 : 0);
	uint8_t *h = (uint8_t *)rte_pktmbuf_prepend(m, len);
	uint16_t type = rte_cpu_to_be_16(ether_type);

	if (h == NULL)
		return false;
	memcpy(h, destination, 6);
	memcpy(h + 6, source, 6);
	if (vlan != 0) {
		uint16_t tag[2] = {RTE_BE16(RTE_ETHER_TYPE_VLAN), rte_cpu_to_be_16(vlan)};
		memcpy(h + 12, tag, 4);
	}
	memcpy(h + len - 2, &type, 2);
	m->l2_len = len;
	return true;
}

void eth_output(
	struct net *n,
	const struct net_interface *i,
	const uint8_t mac[6],
	uint16_t ether_type,
	struct rte_mbuf *m
) {
	const struct net_port *port = &n->ports[i->port];

	if (!port->transmits
	    || !header_prepend(m, mac, port->mac.addr_bytes, i->vlan, ether_type)) {
		n->stats.tx_refused++;
		rte_pktmbuf_free(m);
		return;
	}
	m->port = i->port;
	n->stats.tx++;
	n->env.transmit(n->env.owner, i->port, m);
}

bool eth_tag_restore(struct rte_mbuf *m) {
	struct rte_ether_hdr *eth;
	uint8_t macs[12];

	if ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) == 0)
		return true;
	eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	memcpy(macs, eth, sizeof(macs));
	uint16_t tag[2] = {RTE_BE16(RTE_ETHER_TYPE_VLAN), rte_cpu_to_be_16(m->vlan_tci)};
	uint8_t *h = (uint8_t *)rte_pktmbuf_prepend(m, 4);
	if (h == NULL)
		return false;
	memcpy(h, macs, sizeof(macs));
	memcpy(h + 12, tag, sizeof(tag));
	m->ol_flags &= ~(RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_VLAN);
	packet_of(m)->l3_offset += 4;
	return true;
}
