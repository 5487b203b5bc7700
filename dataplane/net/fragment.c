// SPDX-License-Identifier: Apache-2.0
// Reassembly by librte_ip_frag: one table per realm, so that realms neither meet nor crowd each
// other out. A datagram has at most RTE_LIBRTE_IP_FRAG_MAX_FRAG pieces; overlapping ones never
// form a datagram (RFC 5722), because the library joins exact neighbours only.
//
// A fragment in a table is counted in frames.in_reassembly until it leaves: as part of a datagram
// (which goes on as one frame, its other pieces are `consumed`) or dropped.
#include "dataplane/net/stack.h"

#include <rte_byteorder.h>
#include <rte_icmp.h>
#include <rte_ip4.h>
#include <rte_ip6.h>
#include <rte_ip_frag.h>

#include <netinet/in.h>
#include <string.h>

#define DATAGRAM_MAX 65535
#define IP6_FRAGMENT_HEADER 8

// RFC 792, RFC 8200 section 4.5: the sender is told, if we have seen the first piece.
static void tell_expired(struct net *n, struct rte_mbuf *m) {
	const struct packet *p = packet_of(m);
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, p->l3_offset);

	if (p->key.protocol != IPPROTO_UDP || !n->ports[p->port].transmits)
		return;
	if (p->key.family == 4 && (ip[6] & 0x1f) == 0 && ip[7] == 0)
		icmp_error_send(n, m, RTE_ICMP_TYPE_TTL_EXCEEDED, 1);
	else if (p->key.family == 6 && ip[42] == 0 && (ip[43] & 0xf8) == 0)
		icmp6_error_send(n, m, ICMP6_TIME_EXCEEDED, 1, 0);
}

// Dispose of what the library gave up.
static void row_bury(struct net *n, enum drop_reason why) {
	struct rte_ip_frag_death_row *row = &n->fragments->row;

	n->frames->in_reassembly -= row->cnt;
	n->frames->dropped[why] += row->cnt;
	for (uint32_t i = 0; why == DROP_FRAGMENT_EXPIRED && i < row->cnt; i++)
		tell_expired(n, row->row[i]);
	rte_ip_frag_free_death_row(row, 0);
}

uint64_t fragment_poll(struct net *n, uint64_t now_ns) {
	struct fragments *f = n->fragments;

	if (n->frames->in_reassembly == 0)
		return UINT64_MAX;
	if (now_ns < f->due_ns)
		return f->due_ns;
	// The library stops at the first entry that is young enough or when the row is full.
	for (uint32_t i = 0; i < f->count; i++) {
		rte_ip_frag_table_del_expired_entries(f->realms[i].table, &f->row, now_ns);
		if (f->row.cnt > 0)
			row_bury(n, DROP_FRAGMENT_EXPIRED);
	}
	f->due_ns = now_ns + f->period_ns;
	return f->due_ns;
}

static struct rte_ip_frag_tbl *table_of(struct net *n, const struct packet *p) {
	struct fragments *f = n->fragments;
	struct rte_ip_frag_tbl *t = f->realms[net_interface_of(n, p)->fragment_table].table;

	rte_ip_frag_table_del_expired_entries(t, &f->row, n->now_ns);
	if (f->row.cnt > 0)
		row_bury(n, DROP_FRAGMENT_EXPIRED);
	if (n->frames->in_reassembly == 0)
		f->due_ns = n->now_ns + f->period_ns;
	return t;
}

// The key of the library is source, destination and identification. The protocol belongs to it as
// well (RFC 791), so ICMP is filed with the addresses exchanged: nothing else comes from us.
static void addresses_exchange(uint8_t *a, uint32_t len) {
	uint8_t t[16];

	memcpy(t, a, len);
	memcpy(a, a + len, len);
	memcpy(a + len, t, len);
}

// `whole` is a datagram, or NULL if its fragment waits or was refused.
static enum drop_reason settle(struct net *n, struct rte_mbuf *whole) {
	if (whole == NULL) {
		// A fragment that comes back alone found no place; a datagram that was given up
		// comes back with all its pieces.
		uint32_t count = n->fragments->row.cnt;
		if (count > 0)
			row_bury(n, count == 1 ? DROP_FRAGMENT_FULL : DROP_FRAGMENT_BAD);
		return FRAME_TAKEN;
	}
	n->whole = whole;
	n->frames->in_reassembly -= whole->nb_segs;
	n->frames->consumed += whole->nb_segs - 1u;
	whole->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	// One piece if it fits into one; larger ones stay a chain, see net_payload().
	rte_pktmbuf_linearize(whole);
	return DROP_NONE;
}

static bool
protocol_refused(struct net *n, struct rte_mbuf *m, uint8_t protocol, enum drop_reason *v) {
	bool mirror = !n->ports[packet_of(m)->port].transmits;
	uint8_t icmp = packet_of(m)->key.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (protocol == IPPROTO_UDP || (protocol == icmp && !mirror))
		return false;
	*v = protocol == IPPROTO_TCP ? DROP_FRAGMENT_TCP : net_unwanted(n, m, DROP_IP_PROTOCOL);
	return true;
}

// Lengths that can be part of a datagram.
static bool
piece_valid(const struct rte_mbuf *m, uint32_t at, uint32_t len, bool more, uint32_t header) {
	return len > 0 && !(more && len % 8 != 0) && at + len + header <= DATAGRAM_MAX
		&& m->nb_segs == 1;
}

enum drop_reason fragment_input4(struct net *n, struct rte_mbuf *m) {
	struct packet *p = packet_of(m);
	struct rte_ipv4_hdr *h = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, p->l3_offset);
	uint16_t field = rte_be_to_cpu_16(h->fragment_offset);
	uint32_t header = rte_ipv4_hdr_len(h);
	bool icmp = h->next_proto_id == IPPROTO_ICMP;
	struct rte_ip_frag_tbl *table;
	enum drop_reason verdict;
	struct rte_mbuf *whole;

	if (protocol_refused(n, m, h->next_proto_id, &verdict))
		return verdict;
	if (!piece_valid(
		    m,
		    (field & RTE_IPV4_HDR_OFFSET_MASK) * 8u,
		    m->pkt_len - p->l3_offset - header,
		    (field & RTE_IPV4_HDR_MF_FLAG) != 0,
		    header
	    ))
		return DROP_FRAGMENT_BAD;
	table = table_of(n, p);
	m->l2_len = p->l3_offset;
	m->l3_len = header;
	if (icmp)
		addresses_exchange((uint8_t *)&h->src_addr, 4);
	n->frames->in_reassembly++;
	whole = rte_ipv4_frag_reassemble_packet(table, &n->fragments->row, m, n->now_ns, h);
	verdict = settle(n, whole);
	if (verdict != DROP_NONE)
		return verdict;
	h = rte_pktmbuf_mtod_offset(whole, struct rte_ipv4_hdr *, packet_of(whole)->l3_offset);
	if (icmp)
		addresses_exchange((uint8_t *)&h->src_addr, 4);
	return ip4_datagram(n, whole, true);
}

static bool header_is_fragment6(const struct rte_mbuf *m, uint32_t at) {
	return m->data_len >= at + IP6_FRAGMENT_HEADER;
}

enum drop_reason fragment_input6(struct net *n, struct rte_mbuf *m, bool behind_others) {
	struct packet *p = packet_of(m);
	struct rte_ipv6_hdr *h = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, p->l3_offset);
	uint8_t *f = (uint8_t *)(h + 1);
	uint32_t header = sizeof(*h) + IP6_FRAGMENT_HEADER;
	struct rte_ip_frag_tbl *table;
	enum drop_reason verdict;
	struct rte_mbuf *whole;

	// The library knows fragment headers right behind the IPv6 header.
	if (behind_others)
		return DROP_IP6_EXTENSION;
	if (!header_is_fragment6(m, p->l3_offset + sizeof(*h)))
		return DROP_FRAGMENT_BAD;
	if (f[0] == IPPROTO_HOPOPTS || f[0] == IPPROTO_ROUTING || f[0] == IPPROTO_DSTOPTS
	    || f[0] == IPPROTO_FRAGMENT)
		return DROP_IP6_EXTENSION;
	if (protocol_refused(n, m, f[0], &verdict))
		return verdict;
	if (!piece_valid(
		    m,
		    ((uint32_t)f[2] << 8 | f[3]) & 0xfff8,
		    m->pkt_len - p->l3_offset - header,
		    (f[3] & 1) != 0,
		    0
	    ))
		return DROP_FRAGMENT_BAD;
	bool icmp = f[0] == IPPROTO_ICMPV6;
	p->key.protocol = f[0];
	table = table_of(n, p);
	m->l2_len = p->l3_offset;
	m->l3_len = header;
	if (icmp)
		addresses_exchange(h->src_addr.a, 16);
	n->frames->in_reassembly++;
	whole = rte_ipv6_frag_reassemble_packet(
		table, &n->fragments->row, m, n->now_ns, h, (struct rte_ipv6_fragment_ext *)f
	);
	verdict = settle(n, whole);
	if (verdict != DROP_NONE)
		return verdict;
	p = packet_of(whole);
	h = rte_pktmbuf_mtod_offset(whole, struct rte_ipv6_hdr *, p->l3_offset);
	h->payload_len = rte_cpu_to_be_16((uint16_t)(whole->pkt_len - p->l3_offset - sizeof(*h)));
	if (icmp)
		addresses_exchange(h->src_addr.a, 16);
	return ip6_datagram(n, whole, true);
}
