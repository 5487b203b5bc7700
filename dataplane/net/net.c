// SPDX-License-Identifier: Apache-2.0
#include "dataplane/net/net.h"
#include "dataplane/net/stack.h"

#include <rte_byteorder.h>
#include <rte_ip6.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>
#include <rte_thash.h>

#include <errno.h>
#include <string.h>

#define PREFETCH_AHEAD 4
#define DEAD_MAX 64
#define NEIGHBOUR_ANSWERS_PPS 1000
#define NEIGHBOUR_COPIES_PPS 1000

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
	return p->family == family && memcmp(p->addr, addr, family == 4 ? 4 : 16) == 0;
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

static void port_init(struct net *n, uint16_t i) {
	struct net_port *p = &n->ports[i];
	uint32_t room = rte_pktmbuf_data_room_size(n->env.pool) - RTE_PKTMBUF_HEADROOM;

	*p = n->env.ports[i];
	for (uint32_t v = 0; v < VLANS; v++)
		n->by_vlan[i][v] = INTERFACE_NONE;
	n->mtu[i] = RTE_MIN(p->mtu < MTU_MIN ? MTU_MIN : p->mtu, room);
	if (p->rss && p->rss_key_len >= 40) {
		uint32_t len = RTE_MIN(p->rss_key_len, (uint32_t)sizeof(n->rss_key[i])) & ~3u;
		rte_convert_rss_key((const uint32_t *)p->rss_key, n->rss_key[i], (int)len);
	} else {
		p->rss = false;
	}
}

static bool is_group(const struct ip_prefix *p) {
	static const uint8_t broadcast[4] = {255, 255, 255, 255};

	if (p->family == 6)
		return p->addr[0] == 0xff;
	return (p->addr[0] & 0xf0) == 0xe0 || memcmp(p->addr, broadcast, 4) == 0;
}

// The groups of an interface are those that a listener of its realm names.
static uint32_t
groups_collect(const struct config *c, uint16_t realm, struct ip_prefix *out, uint32_t max) {
	uint32_t count = 0;

	for (uint32_t l = 0; l < c->listener_count; l++) {
		const struct config_listener *listener = &c->listeners[l];
		if (listener->realm != realm)
			continue;
		for (uint32_t a = 0; a < listener->address_count && count < max; a++)
			if (is_group(&listener->addresses[a]))
				out[count++] = listener->addresses[a];
	}
	return count;
}

static uint32_t group_bound(const struct config *c) {
	uint32_t bound = 0;

	for (uint32_t l = 0; l < c->listener_count; l++)
		bound += c->listeners[l].address_count;
	return bound;
}

static int interface_init(struct net *n, uint16_t index) {
	const struct config_interface *c = &n->env.config->interfaces[index];
	struct net_interface *i = &n->interfaces[index];
	uint32_t bound = group_bound(n->env.config);

	if (c->port >= n->port_count || c->vlan >= VLANS - 1)
		return -EINVAL;
	*i = (struct net_interface) {
		.index = index,
		.port = c->port,
		.vlan = c->vlan,
		.realm = c->realm,
		.address_count = c->address_count,
		.gateway4 = c->gateway4,
		.gateway6 = c->gateway6,
	};
	i->addresses = rte_zmalloc(NULL, sizeof(*i->addresses) * (c->address_count + 1), 0);
	i->groups = rte_zmalloc(NULL, sizeof(*i->groups) * (bound + 1), 0);
	if (i->addresses == NULL || i->groups == NULL)
		return -ENOMEM;
	for (uint32_t a = 0; a < c->address_count; a++)
		i->addresses[a].prefix = c->addresses[a];
	i->group_count = groups_collect(n->env.config, c->realm, i->groups, bound);
	if (n->by_vlan[c->port][c->vlan] != INTERFACE_NONE)
		return -EEXIST;
	n->by_vlan[c->port][c->vlan] = index;
	return 0;
}

static int tables_init(struct net *n) {
	const struct config *c = n->env.config;
	int ret;

	n->by_vlan = rte_zmalloc(NULL, sizeof(*n->by_vlan) * (n->port_count + 1), 0);
	n->interfaces = rte_zmalloc(NULL, sizeof(*n->interfaces) * (c->interface_count + 1), 0);
	if (n->by_vlan == NULL || n->interfaces == NULL)
		return -ENOMEM;
	for (uint16_t p = 0; p < n->port_count; p++)
		port_init(n, p);
	for (uint32_t i = 0; i < c->interface_count; i++) {
		n->interface_count = i + 1;
		ret = interface_init(n, (uint16_t)i);
		if (ret < 0)
			return ret;
	}
	ret = neighbour_init(&n->neighbours, c->net.neighbours);
	if (ret < 0)
		return ret;
	return fragment_init(n);
}

int net_create(const struct net_env *env, struct net **out) {
	struct net *n;
	int ret;

	if (env->config->port_count > CONFIG_PORTS_MAX || env->workers == 0
	    || env->config->interface_count >= INTERFACE_NONE)
		return -EINVAL;
	n = rte_zmalloc(NULL, sizeof(*n), RTE_CACHE_LINE_SIZE);
	if (n == NULL)
		return -ENOMEM;
	n->env = *env;
	n->frames = env->frames;
	n->port_count = (uint16_t)env->config->port_count;
	n->icmp =
		rate_make(env->config->net.icmp_rate_pps, env->config->net.icmp_rate_pps / 10 + 1);
	n->neighbour = rate_make(NEIGHBOUR_ANSWERS_PPS, NEIGHBOUR_ANSWERS_PPS / 10);
	n->copies = rate_make(NEIGHBOUR_COPIES_PPS, NEIGHBOUR_COPIES_PPS / 10);
	ret = tables_init(n);
	if (ret < 0) {
		net_destroy(n);
		return ret;
	}
	*out = n;
	return 0;
}

void net_destroy(struct net *n) {
	if (n == NULL)
		return;
	neighbour_fini(&n->neighbours);
	fragment_fini(n);
	for (uint32_t i = 0; i < n->interface_count; i++) {
		rte_free(n->interfaces[i].addresses);
		rte_free(n->interfaces[i].groups);
	}
	rte_free(n->interfaces);
	rte_free(n->by_vlan);
	rte_free(n);
}
