// SPDX-License-Identifier: Apache-2.0
// Our own addresses: probed and announced at start (RFC 5227 section 2, RFC 4862 section 5.4),
// defended later. They serve from the first moment (RFC 4429): an appliance that is silent for five
// seconds after each start loses more than an address that two hosts share for as long.
#include "dataplane/net/stack.h"

#include <string.h>

#define SECOND 1000000000ull
#define PROBES4 3
#define PROBES6 1
#define ANNOUNCEMENTS 2
#define STEP_NS SECOND
#define ANNOUNCE_NS (2 * SECOND) // ANNOUNCE_INTERVAL
#define CONFLICT_NS (60 * SECOND) // RATE_LIMIT_INTERVAL: until we try the address again
#define DEFEND_NS (10 * SECOND) // DEFEND_INTERVAL
#define BUDGET 16

static void
say(struct net *n, const struct net_interface *i, const struct net_address *a, bool probe) {
	// One worker speaks for all; each keeps the state for itself.
	if (n->env.worker != 0 || !n->ports[i->port].transmits)
		return;
	if (a->prefix.family == 4)
		arp_announce(n, i, a->prefix.addr, probe);
	else
		nd_announce(n, i, a->prefix.addr, probe);
}

static void probing_step(struct net *n, struct net_interface *i, struct net_address *a) {
	uint8_t probes = a->prefix.family == 4 ? PROBES4 : PROBES6;

	a->due_ns = n->now_ns + STEP_NS;
	if (a->sent < probes) {
		a->sent++;
		say(n, i, a, true);
		return;
	}
	a->state = ADDRESS_ANNOUNCING;
	a->sent = 0;
}

static void announcing_step(struct net *n, struct net_interface *i, struct net_address *a) {
	a->sent++;
	a->due_ns = n->now_ns + ANNOUNCE_NS;
	say(n, i, a, false);
	if (a->sent == ANNOUNCEMENTS) {
		a->state = ADDRESS_OWNED;
		a->due_ns = UINT64_MAX;
	}
}

static void address_step(struct net *n, struct net_interface *i, struct net_address *a) {
	switch (a->state) {
	case ADDRESS_CONFLICT:
		a->state = ADDRESS_PROBING;
		a->sent = 0;
		n->stats.conflicts--;
		[[fallthrough]];
	case ADDRESS_PROBING:
		probing_step(n, i, a);
		break;
	case ADDRESS_ANNOUNCING:
		announcing_step(n, i, a);
		break;
	case ADDRESS_OWNED:
		break;
	}
}

uint64_t address_poll(struct net *n, uint64_t now_ns) {
	uint64_t next = UINT64_MAX;
	uint32_t budget = BUDGET;

	if (now_ns < n->address_due_ns)
		return n->address_due_ns;
	for (uint32_t i = 0; i < n->interface_count; i++) {
		struct net_interface *f = &n->interfaces[i];
		for (uint32_t a = 0; a < f->address_count; a++) {
			struct net_address *own = &f->addresses[a];
			if (own->due_ns <= now_ns && budget > 0) {
				address_step(n, f, own);
				budget--;
			}
			if (own->due_ns < next)
				next = own->due_ns;
		}
	}
	n->address_due_ns = next;
	return next;
}

void address_conflict(struct net *n, struct net_interface *i, struct net_address *a) {
	n->stats.conflicts_seen++;
	if (a->state == ADDRESS_PROBING) {
		a->state = ADDRESS_CONFLICT;
		a->due_ns = n->now_ns + CONFLICT_NS;
		n->address_due_ns = 0;
		n->stats.conflicts++;
	} else if (a->state != ADDRESS_CONFLICT && n->now_ns >= a->defended_ns) {
		a->defended_ns = n->now_ns + DEFEND_NS;
		say(n, i, a, false);
	}
}
