// SPDX-License-Identifier: Apache-2.0
#include "dataplane/net/net.h"
#include "dataplane/net/stack.h"

#include <rte_prefetch.h>

#include <string.h>

#define PREFETCH_AHEAD 4
#define DEAD_MAX 64

// Frames that a burst condemned, freed together.
struct dead {
	struct rte_mbuf *frames[DEAD_MAX];
	unsigned count;
};

static void bury(struct dead *d) {
	if (d->count > 0)
		rte_pktmbuf_free_bulk(d->frames, d->count);
	d->count = 0;
}

static void
settle(struct net *n,
       struct dead *d,
       struct rte_mbuf *m,
       enum drop_reason verdict,
       struct rte_mbuf **out,
       unsigned *delivered) {
	if (verdict == FRAME_DELIVER) {
		out[(*delivered)++] = m;
	} else if (verdict != FRAME_TAKEN) {
		n->frames->dropped[verdict]++;
		d->frames[d->count++] = m;
		if (d->count == DEAD_MAX)
			bury(d);
	}
}

unsigned net_input(
	struct net *n,
	uint16_t port,
	struct rte_mbuf **frames,
	unsigned count,
	uint64_t now_ns,
	struct rte_mbuf **out
) {
	struct dead dead = {.count = 0};
	unsigned delivered = 0;

	n->now_ns = now_ns;
	n->frames->rx += count;
	for (unsigned i = 0; i < count && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	for (unsigned i = 0; i < count; i++) {
		if (i + PREFETCH_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + PREFETCH_AHEAD], void *));
		struct rte_mbuf *m = frames[i]; // out may be the same array
		n->whole = NULL;
		enum drop_reason verdict = eth_input(n, port, m);
		settle(n, &dead, n->whole != NULL ? n->whole : m, verdict, out, &delivered);
	}
	bury(&dead);
	return delivered;
}

static enum drop_reason taken_over(struct net *n, struct rte_mbuf *m) {
	uint16_t flags = packet_of(m)->flags;

	if (flags & PACKET_NEIGHBOUR)
		return neighbour_overheard(n, m);
	if (flags & PACKET_ICMP_ERROR)
		return icmp_error_taken_over(n, m);
	return FRAME_DELIVER;
}

unsigned net_taken_over(
	struct net *n,
	struct rte_mbuf **frames,
	unsigned count,
	uint64_t now_ns,
	struct rte_mbuf **out
) {
	struct dead dead = {.count = 0};
	unsigned delivered = 0;

	n->now_ns = now_ns;
	n->frames->taken_over += count;
	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *m = frames[i];
		settle(n, &dead, m, taken_over(n, m), out, &delivered);
	}
	bury(&dead);
	return delivered;
}

enum drop_reason net_consume(struct net *n, struct rte_mbuf *m) {
	n->frames->consumed++;
	rte_pktmbuf_free(m);
	return FRAME_TAKEN;
}

enum drop_reason net_unwanted(struct net *n, struct rte_mbuf *m, enum drop_reason why) {
	const struct net_port *p = &n->ports[packet_of(m)->port];

	if (!p->transmits)
		return DROP_MIRROR;
	if (!p->exception)
		return why;
	if (!eth_tag_restore(m))
		return why;
	n->env.punt(n->env.owner, packet_of(m)->port, m);
	return FRAME_TAKEN;
}

void net_punt_copy(struct net *n, struct rte_mbuf *m) {
	uint16_t port = packet_of(m)->port;
	struct rte_mbuf *copy;

	if (!n->ports[port].exception)
		return;
	copy = rte_pktmbuf_copy(m, n->env.pool, 0, UINT32_MAX);
	if (copy == NULL)
		return;
	*packet_of(copy) = *packet_of(m);
	copy->vlan_tci = m->vlan_tci;
	copy->ol_flags |= m->ol_flags & (RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED);
	if (!eth_tag_restore(copy)) {
		rte_pktmbuf_free(copy);
		return;
	}
	n->frames->copied++;
	n->env.punt(n->env.owner, port, copy);
}

void net_tell_others(struct net *n, struct rte_mbuf *m, uint16_t flag) {
	if (n->env.workers < 2 || !rate_take(&n->copies, n->now_ns))
		return;
	for (uint16_t w = 0; w < n->env.workers; w++) {
		if (w == n->env.worker)
			continue;
		struct rte_mbuf *copy = rte_pktmbuf_copy(m, n->env.pool, 0, UINT32_MAX);
		if (copy == NULL)
			return;
		*packet_of(copy) = *packet_of(m);
		packet_of(copy)->flags |= flag | PACKET_TAKEN_OVER;
		n->frames->copied++;
		n->env.handover(n->env.owner, w, copy);
	}
}

static bool same_address(const struct ip_prefix *p, uint8_t family, const void *addr) {
	return p->family == family && net_address_equal(family, p->addr, addr);
}

struct net_address *
net_address_find(const struct net_interface *i, uint8_t family, const void *addr) {
	for (uint32_t a = 0; a < i->address_count; a++)
		if (same_address(&i->addresses[a].prefix, family, addr))
			return &i->addresses[a];
	return NULL;
}

bool net_address_ours(const struct net_interface *i, uint8_t family, const void *addr) {
	const struct net_address *a = net_address_find(i, family, addr);

	return a != NULL && a->state != ADDRESS_CONFLICT;
}

bool net_group_ours(const struct net_interface *i, uint8_t family, const void *addr) {
	for (uint32_t g = 0; g < i->group_count; g++)
		if (same_address(&i->groups[g], family, addr))
			return true;
	return false;
}

// fe80::/10 speaks to fe80::/10 and the rest to the rest, where there is a choice.
static bool scope_fits(const uint8_t *own, const uint8_t *remote) {
	bool own_local = own[0] == 0xfe && (own[1] & 0xc0) == 0x80;
	bool remote_local = (remote[0] == 0xfe && (remote[1] & 0xc0) == 0x80)
		|| (remote[0] == 0xff && (remote[1] & 0x0f) <= 2);

	return own_local == remote_local;
}

const uint8_t *
net_source_for(const struct net_interface *i, uint8_t family, const uint8_t *remote) {
	const uint8_t *first = NULL, *fitting = NULL;

	for (uint32_t a = 0; a < i->address_count; a++) {
		const struct ip_prefix *p = &i->addresses[a].prefix;
		if (p->family != family || i->addresses[a].state == ADDRESS_CONFLICT)
			continue;
		if (net_on_link(p, family, remote))
			return p->addr;
		if (first == NULL)
			first = p->addr;
		if (fitting == NULL && family == 6 && scope_fits(p->addr, remote))
			fitting = p->addr;
	}
	return fitting != NULL ? fitting : first;
}

struct net_interface *
net_interface_for(struct net *n, const struct flow_key *key, const struct net_path *path) {
	if (path != NULL)
		return path->interface < n->interface_count ? &n->interfaces[path->interface]
							    : NULL;
	for (uint32_t i = 0; i < n->interface_count; i++)
		if (n->interfaces[i].realm == key->realm
		    && net_address_find(&n->interfaces[i], key->family, key->local) != NULL)
			return &n->interfaces[i];
	return NULL;
}

struct net_path net_path_of(struct rte_mbuf *m) {
	const struct packet *p = packet_of(m);
	struct net_path path = {.port = p->port, .interface = p->interface};

	memcpy(path.mac, p->remote_mac, sizeof(path.mac));
	return path;
}

const struct net_stats *net_stats(const struct net *n) {
	return &n->stats;
}

void net_on_icmp_error(
	struct net *n,
	void (*fn)(void *owner, const struct net_icmp_error *e),
	void *owner
) {
	n->icmp_error = fn;
	n->icmp_error_owner = owner;
}

uint64_t net_poll(struct net *n, uint64_t now_ns) {
	uint64_t due, next;

	n->now_ns = now_ns;
	next = address_poll(n, now_ns);
	due = neighbour_poll(n, now_ns);
	next = RTE_MIN(next, due);
	due = fragment_poll(n, now_ns);
	return RTE_MIN(next, due);
}
