// SPDX-License-Identifier: Apache-2.0
// Neighbour discovery (RFC 4861) of a host with a static gateway: solicitations and advertisements,
// and duplicate address detection (RFC 4862 section 5.4).
#include "dataplane/net/checksum.h"
#include "dataplane/net/stack.h"

#include <netinet/in.h>
#include <string.h>

#define HEADER 24 // type to target address
#define OPTION 8 // a link-layer address
#define OPTION_SOURCE 1
#define OPTION_TARGET 2
#define HOP_LIMIT 255
#define FLAG_SOLICITED 0x40
#define FLAG_OVERRIDE 0x20

static const uint8_t unspecified[16];
static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};

// A solicitation or advertisement, its options checked.
struct nd {
	uint8_t type;
	uint8_t flags;
	const uint8_t *target;
	const uint8_t *mac; // of the option that the type wants, else NULL
};

static bool options_parse(const uint8_t *p, uint32_t len, uint8_t wanted, const uint8_t **mac) {
	*mac = NULL;
	while (len > 0) {
		if (len < 8 || p[1] == 0 || p[1] * 8u > len)
			return false;
		if (p[0] == wanted && p[1] == 1)
			*mac = p + 2;
		len -= p[1] * 8u;
		p += p[1] * 8u;
	}
	return *mac == NULL || ((*mac)[0] & 1) == 0;
}

// RFC 4861 section 7.1.1 and 7.1.2, apart from the hop limit.
static bool nd_parse(struct rte_mbuf *m, uint8_t type, struct nd *out) {
	const struct packet *p = packet_of(m);
	uint32_t len = m->pkt_len - p->l4_offset;
	const uint8_t *h = rte_pktmbuf_mtod_offset(m, const uint8_t *, p->l4_offset);
	bool group = p->key.local[0] == 0xff;
	uint8_t wanted = type == ND_SOLICITATION ? OPTION_SOURCE : OPTION_TARGET;

	if (len < HEADER || m->data_len < p->l4_offset + len || h[1] != 0 || h[8] == 0xff)
		return false;
	*out = (struct nd) {.type = type, .flags = h[4], .target = h + 8};
	if (!options_parse(h + HEADER, len - HEADER, wanted, &out->mac))
		return false;
	if (type == ND_ADVERTISEMENT)
		return !(group && (out->flags & FLAG_SOLICITED));
	if (memcmp(p->key.remote, unspecified, 16) == 0)
		return group && out->mac == NULL && memcmp(p->key.local, all_nodes, 16) != 0;
	return true;
}

static void solicited_node(const uint8_t *target, uint8_t out[16]) {
	static const uint8_t prefix[13] = {0xff, 2, [11] = 1, 0xff};

	memcpy(out, prefix, sizeof(prefix));
	memcpy(out + 13, target + 13, 3);
}

// What differs between the four messages that we send.
struct nd_message {
	uint8_t type;
	uint8_t flags;
	const uint8_t *target;
	const uint8_t *source;
	const uint8_t *destination;
	const uint8_t *mac; // NULL = the destination is a group
	bool option; // with our link-layer address
};

static void nd_send(struct net *n, const struct net_interface *i, const struct nd_message *d) {
	uint8_t group[6] = {0x33, 0x33};
	uint8_t body[HEADER + OPTION] = {d->type, [4] = d->flags};
	uint32_t len = HEADER + (d->option ? OPTION : 0);
	struct rte_mbuf *m = rte_pktmbuf_alloc(n->env.pool);
	uint8_t addresses[32];
	uint16_t checksum;
	char *to;

	if (m == NULL) {
		n->stats.tx_no_mbuf++;
		return;
	}
	memcpy(group + 2, d->destination + 12, 4);
	memcpy(addresses, d->source, 16);
	memcpy(addresses + 16, d->destination, 16);
	memcpy(body + 8, d->target, 16);
	body[HEADER] = d->type == ND_SOLICITATION ? OPTION_SOURCE : OPTION_TARGET;
	body[HEADER + 1] = 1;
	memcpy(body + HEADER + 2, n->ports[i->port].mac.addr_bytes, 6);
	checksum = (uint16_t)~checksum_fold(
		checksum_pseudo(addresses, 6, IPPROTO_ICMPV6, len) + checksum_sum(body, len)
	);
	memcpy(body + 2, &checksum, sizeof(checksum));
	to = rte_pktmbuf_append(m, (uint16_t)len);
	struct ip6_fields f = {
		.source = d->source,
		.destination = d->destination,
		.protocol = IPPROTO_ICMPV6,
		.hop_limit = HOP_LIMIT,
	};
	if (to != NULL)
		memcpy(to, body, len);
	if (to == NULL || !ip6_prepend(n, m, &f)) {
		n->stats.tx_refused++;
		rte_pktmbuf_free(m);
		return;
	}
	eth_output(n, i, d->mac != NULL ? d->mac : group, RTE_ETHER_TYPE_IPV6, m);
}

void nd_solicit(
	struct net *n,
	const struct net_interface *i,
	const uint8_t target[16],
	const uint8_t *mac
) {
	const uint8_t *source = net_source_for(i, 6, target);
	uint8_t group[16];

	solicited_node(target, group);
	if (source != NULL)
		nd_send(n,
			i,
			&(struct nd_message) {
				.type = ND_SOLICITATION,
				.target = target,
				.source = source,
				.destination = mac != NULL ? target : group,
				.mac = mac,
				.option = true,
			});
}

void nd_announce(struct net *n, const struct net_interface *i, const uint8_t own[16], bool probe) {
	uint8_t group[16];

	solicited_node(own, group);
	nd_send(n,
		i,
		&(struct nd_message) {
			.type = probe ? ND_SOLICITATION : ND_ADVERTISEMENT,
			.flags = probe ? 0 : FLAG_OVERRIDE,
			.target = own,
			.source = probe ? unspecified : own,
			.destination = probe ? group : all_nodes,
			.option = !probe,
		});
}

// An answer to `to`, or to all nodes if the question came from nowhere (DAD of somebody else).
static void advertise(
	struct net *n,
	const struct net_interface *i,
	const uint8_t *own,
	const uint8_t *to,
	const uint8_t *mac
) {
	bool solicited = memcmp(to, unspecified, 16) != 0;

	nd_send(n,
		i,
		&(struct nd_message) {
			.type = ND_ADVERTISEMENT,
			.flags = FLAG_OVERRIDE | (solicited ? FLAG_SOLICITED : 0),
			.target = own,
			.source = own,
			.destination = solicited ? to : all_nodes,
			.mac = solicited ? mac : NULL,
			.option = true,
		});
}

static enum drop_reason
solicitation_input(struct net *n, struct rte_mbuf *m, struct net_interface *i, const struct nd *d) {
	const struct packet *p = packet_of(m);
	const uint8_t *mac = d->mac != NULL ? d->mac : p->remote_mac;
	struct net_address *own = net_address_find(i, 6, d->target);
	bool probe = memcmp(p->key.remote, unspecified, 16) == 0;

	if (own != NULL && probe && own->state == ADDRESS_PROBING) {
		net_tell_others(n, m, PACKET_NEIGHBOUR);
		address_conflict(n, i, own);
	}
	if (own == NULL || own->state == ADDRESS_CONFLICT)
		return net_unwanted(n, m, DROP_IP_NOT_OURS);
	if (net_address_find(i, 6, p->key.remote) != NULL)
		return DROP_IP_SOURCE;
	if (!rate_take(&n->neighbour, n->now_ns))
		return DROP_NEIGHBOUR_LIMIT;
	if (!probe)
		neighbour_heard(n, i, 6, p->key.remote, mac);
	advertise(n, i, own->prefix.addr, p->key.remote, mac);
	return net_consume(n, m);
}

// Only what we asked for, said to us, makes a neighbour reachable.
static void
advertisement_use(struct net *n, struct rte_mbuf *m, struct net_interface *i, const struct nd *d) {
	const struct packet *p = packet_of(m);
	const uint8_t *mac = d->mac != NULL ? d->mac : p->remote_mac;
	struct net_address *own = net_address_find(i, 6, d->target);

	if (own != NULL)
		address_conflict(n, i, own);
	else if (!(d->flags & FLAG_SOLICITED) || !neighbour_answered(n, i, 6, d->target, mac))
		neighbour_heard(n, i, 6, d->target, mac);
}

enum drop_reason nd_input(struct net *n, struct rte_mbuf *m, uint8_t type) {
	const struct packet *p = packet_of(m);
	struct net_interface *i = net_interface_of(n, p);
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, p->l3_offset);
	struct nd d;

	if (ip[7] != HOP_LIMIT)
		return DROP_IP_TTL;
	if (!nd_parse(m, type, &d))
		return DROP_ND_BAD;
	if (type == ND_SOLICITATION)
		return solicitation_input(n, m, i, &d);
	advertisement_use(n, m, i, &d);
	net_tell_others(n, m, PACKET_NEIGHBOUR);
	net_punt_copy(n, m);
	return net_consume(n, m);
}

enum drop_reason nd_overheard(struct net *n, struct rte_mbuf *m) {
	const struct packet *p = packet_of(m);
	struct net_interface *i = net_interface_of(n, p);
	uint8_t type = *rte_pktmbuf_mtod_offset(m, const uint8_t *, p->l4_offset);
	struct net_address *own;
	struct nd d;

	if (!nd_parse(m, type, &d))
		return DROP_ND_BAD;
	own = net_address_find(i, 6, d.target);
	if (type == ND_ADVERTISEMENT)
		advertisement_use(n, m, i, &d);
	else if (own != NULL && own->state == ADDRESS_PROBING)
		address_conflict(n, i, own);
	return net_consume(n, m);
}
