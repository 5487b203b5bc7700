// SPDX-License-Identifier: Apache-2.0
#include "dataplane/net/neighbour.h"
#include "dataplane/net/stack.h"

#include <string.h>

#define WAYS NEIGHBOUR_WAYS
#define TRIES 3
#define SECOND 1000000000ull
#define RETRY_NS SECOND
#define REACHABLE_NS (30 * SECOND) // RFC 4861 section 10, REACHABLE_TIME
#define FAILED_NS (20 * SECOND)

static void pending_drop(struct neighbour *e) {
	rte_pktmbuf_free_bulk(e->pending, e->pending_count);
	e->pending_count = 0;
}

static bool is_asking(const struct neighbour *e) {
	return e->state == NEIGHBOUR_INCOMPLETE || e->state == NEIGHBOUR_PROBING;
}

static bool
matches(const struct neighbour *e, uint16_t interface, uint8_t family, const uint8_t *addr) {
	return e->state != NEIGHBOUR_FREE && e->interface == interface && e->family == family
		&& net_address_equal(family, e->addr, addr);
}

// The peers of a link choose addresses, hence a keyed hash; they never see where it puts one, and
// the worst they could do is crowd each other out of a bucket, so that one multiplication will do.
static struct neighbour *
bucket_of(struct net *n, uint16_t interface, uint8_t family, const uint8_t *addr) {
	uint64_t part[2] = {0};

	memcpy(part, addr, family == 4 ? 4 : 16);
	part[0] ^= n->env.secret[0];
	part[1] ^= n->env.secret[1] ^ (uint64_t)interface << 16 ^ family;
	unsigned __int128 product = (unsigned __int128)part[0] * part[1];
	uint64_t h = (uint64_t)product ^ (uint64_t)(product >> 64);
	return &n->neighbours.entries[(h & (n->neighbours.buckets - 1)) * WAYS];
}

static struct neighbour *
lookup(struct net *n, const struct net_interface *i, uint8_t family, const uint8_t *addr) {
	struct neighbour *b = bucket_of(n, i->index, family, addr);

	for (uint32_t w = 0; w < WAYS; w++)
		if (matches(&b[w], i->index, family, addr))
			return &b[w];
	return NULL;
}

// A free place of the bucket, else the one used longest ago that nobody waits for.
static struct neighbour *
place_for(struct net *n, uint16_t interface, uint8_t family, const uint8_t *addr) {
	struct neighbour *b = bucket_of(n, interface, family, addr);
	struct neighbour *oldest = NULL;

	for (uint32_t w = 0; w < WAYS; w++) {
		if (b[w].state == NEIGHBOUR_FREE)
			return &b[w];
		if (!is_asking(&b[w]) && (oldest == NULL || b[w].used_ns < oldest->used_ns))
			oldest = &b[w];
	}
	return oldest;
}

static void ask(struct net *n, struct neighbour *e) {
	const struct net_interface *i = &n->interfaces[e->interface];
	const uint8_t *mac = e->state == NEIGHBOUR_PROBING && e->tries == 0 ? e->mac : NULL;

	e->tries++;
	e->due_ns = n->now_ns + RETRY_NS;
	if (e->family == 4)
		arp_request(n, i, e->addr, mac);
	else
		nd_solicit(n, i, e->addr, mac);
}

static bool asking_start(struct net *n, struct neighbour *e, enum neighbour_state state) {
	struct neighbours *t = &n->neighbours;

	if (t->active_count == NEIGHBOUR_ACTIVE_MAX)
		return false;
	t->active[t->active_count++] = (uint32_t)(e - t->entries);
	e->state = state;
	e->tries = 0;
	ask(n, e);
	return true;
}

static void asking_stop(struct neighbours *t, const struct neighbour *e) {
	uint32_t index = (uint32_t)(e - t->entries);

	for (uint32_t a = 0; a < t->active_count; a++) {
		if (t->active[a] == index) {
			t->active[a] = t->active[--t->active_count];
			return;
		}
	}
}

static struct neighbour *
entry_add(struct net *n, const struct net_interface *i, uint8_t family, const uint8_t *addr) {
	struct neighbour *e = place_for(n, i->index, family, addr);

	if (e == NULL || n->neighbours.active_count == NEIGHBOUR_ACTIVE_MAX) {
		n->stats.neighbours_full++;
		return NULL;
	}
	if (e->state == NEIGHBOUR_FREE)
		n->neighbours.used++;
	*e = (struct neighbour) {.interface = i->index, .family = family};
	memcpy(e->addr, addr, family == 4 ? 4 : 16);
	asking_start(n, e, NEIGHBOUR_INCOMPLETE);
	return e;
}

// The MAC to send to now, or NULL. Starts whatever question is due.
static const uint8_t *mac_of(struct net *n, struct neighbour *e) {
	e->used_ns = n->now_ns;
	switch (e->state) {
	case NEIGHBOUR_REACHABLE:
		if (n->now_ns >= e->due_ns)
			asking_start(n, e, NEIGHBOUR_PROBING);
		return e->mac;
	case NEIGHBOUR_PROBING:
		return e->mac;
	case NEIGHBOUR_FAILED:
		if (n->now_ns >= e->due_ns)
			asking_start(n, e, NEIGHBOUR_INCOMPLETE);
		return NULL;
	default:
		return NULL;
	}
}

// The next hop: the destination itself if it is on one of our prefixes, else the gateway.
static const uint8_t *
next_hop(const struct net_interface *i, uint8_t family, const uint8_t *destination) {
	const struct ip_prefix *gateway = family == 4 ? &i->gateway4 : &i->gateway6;

	if (family == 6 && destination[0] == 0xfe && (destination[1] & 0xc0) == 0x80)
		return destination;
	for (uint32_t a = 0; a < i->address_count; a++)
		if (i->addresses[a].prefix.family == family
		    && net_on_link(&i->addresses[a].prefix, family, destination))
			return destination;
	return gateway->family == family ? gateway->addr : NULL;
}

static void wait_for(struct net *n, struct neighbour *e, struct rte_mbuf *m) {
	if (e != NULL && e->state == NEIGHBOUR_INCOMPLETE
	    && e->pending_count < NEIGHBOUR_PENDING_MAX) {
		e->pending[e->pending_count++] = m;
		return;
	}
	n->stats.tx_unresolved++;
	rte_pktmbuf_free(m);
}

void neighbour_output(
	struct net *n,
	const struct net_interface *i,
	uint8_t family,
	const uint8_t *destination,
	const uint8_t *fallback_mac,
	struct rte_mbuf *m
) {
	const uint8_t *hop = next_hop(i, family, destination);
	const uint8_t *mac = NULL;
	struct neighbour *e = NULL;

	if (hop != NULL) {
		e = lookup(n, i, family, hop);
		if (e == NULL)
			e = entry_add(n, i, family, hop);
		if (e != NULL)
			mac = mac_of(n, e);
	}
	if (mac == NULL)
		mac = fallback_mac;
	if (mac == NULL)
		wait_for(n, e, m);
	else
		eth_output(n, i, mac, family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6, m);
}

bool neighbour_answered(
	struct net *n,
	const struct net_interface *i,
	uint8_t family,
	const void *addr,
	const uint8_t mac[6]
) {
	uint16_t type = family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;
	struct neighbour *e = lookup(n, i, family, addr);

	if (e == NULL || !is_asking(e) || (mac[0] & 1) != 0)
		return false;
	asking_stop(&n->neighbours, e);
	memcpy(e->mac, mac, sizeof(e->mac));
	e->state = NEIGHBOUR_REACHABLE;
	e->due_ns = n->now_ns + REACHABLE_NS;
	for (uint32_t p = 0; p < e->pending_count; p++)
		eth_output(n, i, e->mac, type, e->pending[p]);
	e->pending_count = 0;
	return true;
}

void neighbour_heard(
	struct net *n,
	const struct net_interface *i,
	uint8_t family,
	const void *addr,
	const uint8_t mac[6]
) {
	struct neighbour *e = lookup(n, i, family, addr);

	if (e == NULL)
		return;
	if (e->state == NEIGHBOUR_REACHABLE && memcmp(e->mac, mac, sizeof(e->mac)) != 0)
		asking_start(n, e, NEIGHBOUR_PROBING);
	else if (e->state == NEIGHBOUR_FAILED)
		e->due_ns = n->now_ns; // alive: worth another question
}

static void give_up(struct net *n, struct neighbour *e) {
	asking_stop(&n->neighbours, e);
	n->stats.tx_unresolved += e->pending_count;
	pending_drop(e);
	e->state = NEIGHBOUR_FAILED;
	e->due_ns = n->now_ns + FAILED_NS;
}

uint64_t neighbour_poll(struct net *n, uint64_t now_ns) {
	struct neighbours *t = &n->neighbours;
	uint64_t next = UINT64_MAX;

	// Backwards, because giving up moves the last one into the hole.
	for (uint32_t a = t->active_count; a-- > 0;) {
		struct neighbour *e = &t->entries[t->active[a]];
		if (e->due_ns <= now_ns && e->tries >= TRIES) {
			give_up(n, e);
			continue;
		}
		if (e->due_ns <= now_ns)
			ask(n, e);
		next = RTE_MIN(next, e->due_ns);
	}
	return next;
}

enum drop_reason neighbour_overheard(struct net *n, struct rte_mbuf *m) {
	return packet_of(m)->key.family == 6 ? nd_overheard(n, m) : arp_overheard(n, m);
}
