// SPDX-License-Identifier: Apache-2.0
// ICMP (RFC 792, RFC 1122 section 3.2.2): echo is answered, errors about our flows are passed on,
// errors of ours are sent where that is allowed.
#include "dataplane/net/checksum.h"
#include "dataplane/net/stack.h"

#include <rte_byteorder.h>
#include <rte_icmp.h>
#include <rte_ip4.h>

#include <netinet/in.h>
#include <string.h>

#define ICMP_HEADER 8
#define QUOTE_MAX (576 - 20 - ICMP_HEADER) // RFC 1812 section 4.3.2.3
#define EMBEDDED_L4 8 // what RFC 792 promises of the transport header
#define CODE_FRAGMENTATION_NEEDED 4

static bool is_error(uint8_t type) {
	return type == RTE_ICMP_TYPE_DEST_UNREACHABLE || type == RTE_ICMP_TYPE_TTL_EXCEEDED
		|| type == RTE_ICMP_TYPE_PARAM_PROBLEM;
}

static enum drop_reason echo_answer(struct net *n, struct rte_mbuf *m) {
	struct packet *p = packet_of(m);
	struct flow_key key = p->key;
	struct rte_icmp_hdr *h;

	if (p->flags & PACKET_LOCAL_MULTICAST || m->nb_segs > 1
	    || m->pkt_len - p->l4_offset + sizeof(struct rte_ipv4_hdr) > n->mtu[p->port])
		return DROP_ICMP_IGNORED;
	if (!rate_take(&n->icmp, n->now_ns))
		return DROP_ICMP_LIMIT;
	// The request becomes the answer: only the type changes, and the checksum by as much.
	h = rte_pktmbuf_mtod_offset(m, struct rte_icmp_hdr *, p->l4_offset);
	h->icmp_type = RTE_ICMP_TYPE_ECHO_REPLY;
	h->icmp_cksum = checksum_replace(
		h->icmp_cksum,
		RTE_BE16(RTE_ICMP_TYPE_ECHO_REQUEST << 8),
		RTE_BE16(RTE_ICMP_TYPE_ECHO_REPLY << 8)
	);
	n->frames->consumed++;
	struct net_path path = net_path_of(m);
	rte_pktmbuf_adj(m, p->l4_offset);
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	struct ip4_fields f = {
		.source = key.local,
		.destination = key.remote,
		.protocol = IPPROTO_ICMP,
		.fragment = RTE_IPV4_HDR_DF_FLAG,
	};
	if (!ip4_prepend(m, &f)) {
		n->stats.tx_refused++;
		rte_pktmbuf_free(m);
		return FRAME_TAKEN;
	}
	neighbour_output(n, &n->interfaces[path.interface], 4, key.remote, path.mac, m);
	return FRAME_TAKEN;
}

// The flow that an error speaks of: the packet we sent stands in it, our address as its source.
static bool embedded_parse(struct rte_mbuf *m, struct net_icmp_error *e) {
	const struct packet *p = packet_of(m);
	uint8_t room[sizeof(struct rte_ipv4_hdr) + 40 + EMBEDDED_L4];
	uint32_t at = p->l4_offset + ICMP_HEADER;
	const struct rte_ipv4_hdr *ip;
	const uint8_t *l4;
	uint32_t header;

	ip = rte_pktmbuf_read(m, at, sizeof(*ip), room);
	if (ip == NULL || ip->version_ihl >> 4 != 4)
		return false;
	header = rte_ipv4_hdr_len(ip);
	if (header < sizeof(*ip))
		return false;
	ip = rte_pktmbuf_read(m, at, header + EMBEDDED_L4, room);
	if (ip == NULL || (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return false;
	if (memcmp(&ip->src_addr, p->key.local, 4) != 0
	    || (ip->next_proto_id != IPPROTO_TCP && ip->next_proto_id != IPPROTO_UDP))
		return false;
	l4 = (const uint8_t *)ip + header;
	e->key = (struct flow_key) {
		.realm = p->key.realm,
		.family = 4,
		.protocol = ip->next_proto_id,
		.local_port = (uint16_t)(l4[0] << 8 | l4[1]),
		.remote_port = (uint16_t)(l4[2] << 8 | l4[3]),
	};
	memcpy(e->key.local, &ip->src_addr, 4);
	memcpy(e->key.remote, &ip->dst_addr, 4);
	e->seq = (uint32_t)l4[4] << 24 | (uint32_t)l4[5] << 16 | (uint32_t)l4[6] << 8 | l4[7];
	return true;
}

static bool error_parse(struct rte_mbuf *m, struct net_icmp_error *e) {
	const uint8_t *h = rte_pktmbuf_mtod_offset(m, const uint8_t *, packet_of(m)->l4_offset);

	*e = (struct net_icmp_error) {.type = h[0], .code = h[1]};
	if (e->type == RTE_ICMP_TYPE_DEST_UNREACHABLE && e->code == CODE_FRAGMENTATION_NEEDED)
		e->mtu = (uint32_t)h[6] << 8 | h[7];
	return embedded_parse(m, e);
}

static bool any_error_parse(struct rte_mbuf *m, struct net_icmp_error *e) {
	return packet_of(m)->key.family == 4 ? error_parse(m, e) : icmp6_error_parse(m, e);
}

static enum drop_reason
error_deliver(struct net *n, struct rte_mbuf *m, const struct net_icmp_error *e) {
	if (n->icmp_error == NULL)
		return DROP_ICMP_IGNORED;
	n->icmp_error(n->icmp_error_owner, e);
	return net_consume(n, m);
}

enum drop_reason icmp_error_input(struct net *n, struct rte_mbuf *m) {
	struct packet *p = packet_of(m);
	struct net_icmp_error e;
	uint16_t owner;

	if (!any_error_parse(m, &e))
		return DROP_ICMP_BAD;
	owner = net_owner(n, p->port, &e.key);
	if (owner == n->env.worker)
		return error_deliver(n, m, &e);
	p->flags |= PACKET_TAKEN_OVER | PACKET_ICMP_ERROR;
	n->env.handover(n->env.owner, owner, m);
	return FRAME_TAKEN;
}

enum drop_reason icmp_error_taken_over(struct net *n, struct rte_mbuf *m) {
	struct net_icmp_error e;

	return any_error_parse(m, &e) ? error_deliver(n, m, &e) : DROP_ICMP_BAD;
}

enum drop_reason icmp_input(struct net *n, struct rte_mbuf *m) {
	const struct packet *p = packet_of(m);
	uint32_t len = m->pkt_len - p->l4_offset;
	const struct rte_icmp_hdr *h;

	if (!n->ports[p->port].transmits)
		return DROP_MIRROR;
	if (len < ICMP_HEADER || m->data_len < p->l4_offset + ICMP_HEADER)
		return DROP_ICMP_BAD;
	if (!checksum_good(m, p->l4_offset, len, 0))
		return DROP_ICMP_BAD;
	h = rte_pktmbuf_mtod_offset(m, const struct rte_icmp_hdr *, p->l4_offset);
	if (h->icmp_type == RTE_ICMP_TYPE_ECHO_REQUEST)
		return h->icmp_code == 0 ? echo_answer(n, m) : DROP_ICMP_BAD;
	if (is_error(h->icmp_type))
		return icmp_error_input(n, m);
	return DROP_ICMP_IGNORED;
}

struct rte_mbuf *
icmp_quote(struct net *n, struct rte_mbuf *m, const uint8_t header[8], uint32_t max) {
	uint32_t start = packet_of(m)->l3_offset;
	uint32_t quote = RTE_MIN(m->pkt_len - start, max);
	struct rte_mbuf *e = rte_pktmbuf_alloc(n->env.pool);
	const void *quoted;
	uint8_t *to;

	if (e == NULL) {
		n->stats.tx_no_mbuf++;
		return NULL;
	}
	to = (uint8_t *)rte_pktmbuf_append(e, (uint16_t)(ICMP_HEADER + quote));
	if (to == NULL) {
		rte_pktmbuf_free(e);
		return NULL;
	}
	memcpy(to, header, ICMP_HEADER);
	quoted = rte_pktmbuf_read(m, start, quote, to + ICMP_HEADER);
	if (quoted != to + ICMP_HEADER)
		memcpy(to + ICMP_HEADER, quoted, quote);
	return e;
}

// RFC 1122 section 3.2.2: never about an ICMP message, a group, or a fragment but the first. What
// gets here has passed ip4_input(), so its source is one host.
static bool error_allowed(struct net *n, struct rte_mbuf *m) {
	const struct packet *p = packet_of(m);

	return !(p->flags & PACKET_LOCAL_MULTICAST) && p->key.protocol != IPPROTO_ICMP
		&& n->ports[p->port].transmits;
}

void icmp_error_send(struct net *n, struct rte_mbuf *m, uint8_t type, uint8_t code) {
	const struct packet *p = packet_of(m);
	uint8_t header[ICMP_HEADER] = {type, code};
	struct rte_mbuf *e;

	if (!error_allowed(n, m) || !rate_take(&n->icmp, n->now_ns))
		return;
	e = icmp_quote(n, m, header, QUOTE_MAX);
	if (e == NULL)
		return;
	uint16_t checksum = (uint16_t)~checksum_of(e, 0, e->pkt_len, 0);
	memcpy(rte_pktmbuf_mtod_offset(e, uint8_t *, 2), &checksum, sizeof(checksum));
	struct ip4_fields f = {
		.source = p->key.local,
		.destination = p->key.remote,
		.protocol = IPPROTO_ICMP,
		.fragment = RTE_IPV4_HDR_DF_FLAG,
	};
	if (!ip4_prepend(e, &f)) {
		rte_pktmbuf_free(e);
		return;
	}
	neighbour_output(n, net_interface_of(n, p), 4, p->key.remote, p->remote_mac, e);
}

void net_reject(struct net *n, struct rte_mbuf *m) {
	if (packet_of(m)->key.family == 4)
		icmp_error_send(n, m, RTE_ICMP_TYPE_DEST_UNREACHABLE, RTE_ICMP_CODE_UNREACH_PORT);
	else
		icmp6_error_send(n, m, ICMP6_UNREACHABLE, ICMP6_UNREACHABLE_PORT, 0);
}
