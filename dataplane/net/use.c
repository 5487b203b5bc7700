// SPDX-License-Identifier: Apache-2.0
// What a configuration generation changes in a running network layer.
#include "dataplane/net/net.h"
#include "dataplane/net/stack.h"

#include <string.h>

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

uint32_t net_groups_bound(const struct config *c) {
	uint32_t bound = 0;

	for (uint32_t l = 0; l < c->listener_count; l++)
		bound += c->listeners[l].address_count;
	return bound;
}

void net_use(struct net *n, const struct config *c) {
	n->icmp = rate_make(c->net.icmp_rate_pps, c->net.icmp_rate_pps / 10 + 1);
	for (uint32_t i = 0; i < n->interface_count; i++) {
		struct net_interface *at = &n->interfaces[i];
		at->group_count = groups_collect(c, at->realm, at->groups, at->groups_max);
	}
}
