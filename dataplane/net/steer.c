// SPDX-License-Identifier: Apache-2.0
// Which worker owns a flow: never trust the queue. A port with RSS is followed as its NIC does it,
// any other port is spread by SipHash, which the flow tables need anyway.
#include "dataplane/net/stack.h"

#include <rte_byteorder.h>
#include <rte_thash.h>

#include <netinet/in.h>
#include <string.h>

static uint64_t key_hash(const struct net *n, const struct flow_key *key) {
	return flow_key_hash(n->env.secret, key);
}

// Toeplitz over what the NIC sees arriving: source = remote, destination = local.
static uint32_t toeplitz(const uint32_t *rss_key, const struct flow_key *key) {
	uint32_t words[9];
	uint32_t count = key->family == 4 ? 1 : 4;
	uint32_t be;

	for (uint32_t i = 0; i < count; i++) {
		memcpy(&be, key->remote + 4 * i, 4);
		words[i] = rte_be_to_cpu_32(be);
		memcpy(&be, key->local + 4 * i, 4);
		words[count + i] = rte_be_to_cpu_32(be);
	}
	words[2 * count] = (uint32_t)key->remote_port << 16 | key->local_port;
	return rte_softrss_be(words, 2 * count + 1, (const uint8_t *)rss_key);
}

static uint16_t by_reta(const struct net *n, const struct net_port *port, uint32_t hash) {
	return port->reta[hash % port->reta_size] % n->env.workers;
}

uint16_t net_owner(const struct net *n, uint16_t port, const struct flow_key *key) {
	const struct net_port *p = &n->ports[port];

	if (n->env.workers == 1)
		return 0;
	if (p->rss)
		return by_reta(n, p, toeplitz(n->rss_key[port], key));
	return (uint16_t)(key_hash(n, key) % n->env.workers);
}

static uint16_t owner_of(const struct net *n, struct rte_mbuf *m, bool nic_hash) {
	const struct packet *p = packet_of(m);
	const struct net_port *port = &n->ports[p->port];

	if (!port->rss)
		return (uint16_t)(p->owner_hash % n->env.workers);
	if (nic_hash && (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH))
		return by_reta(n, port, m->hash.rss);
	return by_reta(n, port, toeplitz(n->rss_key[p->port], &p->key));
}

enum drop_reason steer(struct net *n, struct rte_mbuf *m, bool nic_hash) {
	struct packet *p = packet_of(m);
	uint16_t owner;

	// TCP's table looks for it in any case.
	if (n->env.workers == 1 && p->key.protocol != IPPROTO_TCP)
		return FRAME_DELIVER;
	p->owner_hash = key_hash(n, &p->key);
	if (n->env.workers == 1)
		return FRAME_DELIVER;
	owner = owner_of(n, m, nic_hash);
	if (owner == n->env.worker)
		return FRAME_DELIVER;
	p->flags |= PACKET_TAKEN_OVER;
	n->env.handover(n->env.owner, owner, m);
	return FRAME_TAKEN;
}
