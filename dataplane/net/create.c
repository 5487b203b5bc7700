// SPDX-License-Identifier: Apache-2.0
// Control path: tables sized from the configuration before the worker starts.
#include "dataplane/net/net.h"
#include "dataplane/net/stack.h"

#include <rte_ip_frag.h>
#include <rte_malloc.h>
#include <rte_thash.h>

#include <errno.h>
#include <string.h>

#define NEIGHBOUR_ANSWERS_PPS 1000
#define NEIGHBOUR_COPIES_PPS 1000
#define FRAGMENT_WAYS 4
#define FRAGMENT_ENTRIES_MIN 4
#define CHECKS_PER_TIMEOUT 8

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

static int interface_init(struct net *n, uint16_t index) {
	const struct config_interface *c = &n->env.config->interfaces[index];
	struct net_interface *i = &n->interfaces[index];
	uint32_t bound = net_groups_bound(n->env.config) + NET_GROUPS_LIVE;

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
	i->groups = rte_zmalloc(NULL, sizeof(*i->groups) * bound, 0);
	i->groups_max = bound;
	if (i->addresses == NULL || i->groups == NULL)
		return -ENOMEM;
	for (uint32_t a = 0; a < c->address_count; a++)
		i->addresses[a].prefix = c->addresses[a];
	if (n->by_vlan[c->port][c->vlan] != INTERFACE_NONE)
		return -EEXIST;
	n->by_vlan[c->port][c->vlan] = index;
	return 0;
}

static int neighbour_init(struct neighbours *t, uint32_t capacity) {
	t->buckets = rte_align32pow2(RTE_MAX((capacity + NEIGHBOUR_WAYS - 1) / NEIGHBOUR_WAYS, 4u));
	t->entries = rte_zmalloc(NULL, sizeof(*t->entries) * t->buckets * NEIGHBOUR_WAYS, 0);
	return t->entries != NULL ? 0 : -ENOMEM;
}

static void neighbour_fini(struct neighbours *t) {
	for (uint32_t i = 0; t->entries != NULL && i < t->buckets * NEIGHBOUR_WAYS; i++)
		rte_pktmbuf_free_bulk(t->entries[i].pending, t->entries[i].pending_count);
	rte_free(t->entries);
	t->entries = NULL;
}

static uint32_t realm_index(const struct fragments *f, uint16_t realm) {
	uint32_t i = 0;

	while (i < f->count && f->realms[i].realm != realm)
		i++;
	return i;
}

static void realms_collect(struct net *n, struct fragments *f) {
	for (uint32_t i = 0; i < n->interface_count; i++) {
		uint32_t at = realm_index(f, n->interfaces[i].realm);
		n->interfaces[i].fragment_table = at;
		if (at == f->count)
			f->realms[f->count++].realm = n->interfaces[i].realm;
	}
}

static int fragment_init(struct net *n) {
	size_t size = sizeof(struct fragments)
		+ n->interface_count * sizeof(((struct fragments *)NULL)->realms[0]);
	uint64_t timeout_ns = n->env.config->net.fragment_timeout_ms * 1000000ull;
	struct fragments *f = rte_zmalloc(NULL, size, 0);
	uint32_t entries;

	if (f == NULL)
		return -ENOMEM;
	n->fragments = f;
	f->period_ns = timeout_ns / CHECKS_PER_TIMEOUT + 1;
	realms_collect(n, f);
	entries = n->env.config->net.fragments / RTE_MAX(f->count, 1u);
	entries = RTE_MAX(entries, (uint32_t)FRAGMENT_ENTRIES_MIN);
	for (uint32_t i = 0; i < f->count; i++) {
		f->realms[i].table = rte_ip_frag_table_create(
			rte_align32pow2((entries + FRAGMENT_WAYS - 1) / FRAGMENT_WAYS),
			FRAGMENT_WAYS,
			entries,
			timeout_ns,
			SOCKET_ID_ANY
		);
		if (f->realms[i].table == NULL)
			return -ENOMEM;
	}
	return 0;
}

static void fragment_fini(struct net *n) {
	struct fragments *f = n->fragments;

	for (uint32_t i = 0; f != NULL && i < f->count; i++)
		if (f->realms[i].table != NULL)
			rte_ip_frag_table_destroy(f->realms[i].table);
	rte_free(f);
	n->fragments = NULL;
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
	n->neighbour = rate_make(NEIGHBOUR_ANSWERS_PPS, NEIGHBOUR_ANSWERS_PPS / 10);
	n->copies = rate_make(NEIGHBOUR_COPIES_PPS, NEIGHBOUR_COPIES_PPS / 10);
	ret = tables_init(n);
	if (ret < 0) {
		net_destroy(n);
		return ret;
	}
	net_use(n, env->config);
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
