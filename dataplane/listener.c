// SPDX-License-Identifier: Apache-2.0
#include "dataplane/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

// Zero-padded, no holes: hashed and compared as bytes.
struct listener_key {
	uint8_t address[16];
	uint16_t realm;
	uint16_t port;
	uint8_t family;
	uint8_t protocol;
	uint16_t zero;
};
static_assert(sizeof(struct listener_key) == 24);

struct listener_slot {
	struct listener_key key;
	const struct config_listener *listener; // NULL: free
};

// Open addressing, at most half full. Keys come from the configuration, so the hash needs neither
// secret nor strength; what a peer chooses can only miss.
struct listener_table {
	uint32_t mask;
	struct listener_slot slots[];
};

#define FAMILY_ANY 0 // the slot of a port, whatever the address

static uint8_t ip_protocol(enum listener_protocol p) {
	return p == LISTEN_MQTT ? IPPROTO_TCP : IPPROTO_UDP;
}

static uint32_t key_hash(const struct listener_key *key) {
	uint64_t w[3];

	memcpy(w, key, sizeof(w));
	uint64_t h = ((w[0] * 0x9e3779b97f4a7c15 ^ w[1]) * 0x9e3779b97f4a7c15 ^ w[2])
		* 0x9e3779b97f4a7c15;
	return (uint32_t)(h >> 32);
}

static bool key_is(const struct listener_key *a, const struct listener_key *b) {
	uint64_t x[3], y[3];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) == 0;
}

static struct listener_slot *
slot_of(const struct listener_table *t, const struct listener_key *key) {
	uint32_t i = key_hash(key) & t->mask;

	while (t->slots[i].listener != nullptr && !key_is(&t->slots[i].key, key))
		i = (i + 1) & t->mask;
	return (struct listener_slot *)&t->slots[i];
}

static int
claim(struct listener_table *t,
      const struct config_listener *l,
      uint8_t family,
      const uint8_t *address) {
	struct listener_key key = {
		.realm = l->realm,
		.port = l->port,
		.family = family,
		.protocol = ip_protocol(l->protocol),
	};

	memcpy(key.address, address, family == 4 ? 4 : 16);
	struct listener_slot *s = slot_of(t, &key);
	// The same listener may name an address twice, directly or through an interface.
	if (s->listener != nullptr && s->listener != l)
		return -EEXIST;
	s->key = key;
	s->listener = l;
	return 0;
}

static int claim_all(
	struct listener_table *t,
	const struct config_listener *l,
	const struct ip_prefix *addresses,
	uint32_t count
) {
	for (uint32_t i = 0; i < count; i++)
		if (claim(t, l, addresses[i].family, addresses[i].addr) < 0)
			return -EEXIST;
	return 0;
}

static int claim_groups(struct listener_table *t, const struct config_listener *l) {
	static const struct ip_prefix all_coap_nodes[] = {
		{4, 32, {224, 0, 1, 187}},
		{6, 128, {0xff, 0x02, [15] = 0xfd}},
		{6, 128, {0xff, 0x05, [15] = 0xfd}},
	};

	return claim_all(t, l, all_coap_nodes, sizeof(all_coap_nodes) / sizeof(*all_coap_nodes));
}

static int
claim_listener(struct listener_table *t, const struct config *c, const struct config_listener *l) {
	static const uint8_t any[16];
	int ret = claim_all(t, l, l->addresses, l->address_count);

	for (uint32_t i = 0; ret == 0 && l->address_count == 0 && i < c->interface_count; i++)
		if (c->interfaces[i].realm == l->realm)
			ret = claim_all(
				t, l, c->interfaces[i].addresses, c->interfaces[i].address_count
			);
	// Two listeners of a realm may share port 5683 on different addresses; the group belongs to
	// the first.
	if (ret == 0 && l->protocol == LISTEN_COAP)
		claim_groups(t, l);
	if (ret == 0)
		claim(t, l, FAMILY_ANY, any);
	return ret;
}

static uint32_t slots_needed(const struct config *c) {
	uint32_t ours = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->interface_count; i++)
		ours += c->interfaces[i].address_count;
	for (uint32_t i = 0; i < c->listener_count; i++)
		n += 4 + (c->listeners[i].address_count > 0 ? c->listeners[i].address_count : ours);
	uint32_t size = 16;
	while (size < 2 * n)
		size *= 2;
	return size;
}

int listener_table_create(const struct config *c, struct listener_table **out, uint32_t *culprit) {
	uint32_t size = slots_needed(c);
	struct listener_table *t = calloc(1, sizeof(*t) + size * sizeof(t->slots[0]));

	if (t == nullptr)
		return -ENOMEM;
	t->mask = size - 1;
	for (uint32_t i = 0; i < c->listener_count; i++) {
		if (claim_listener(t, c, &c->listeners[i]) < 0) {
			*culprit = i;
			listener_table_destroy(t);
			return -EEXIST;
		}
	}
	*out = t;
	return 0;
}

void listener_table_destroy(struct listener_table *t) {
	free(t);
}

const struct config_listener *
listener_lookup(const struct listener_table *t, const struct flow_key *key) {
	struct listener_key k = {
		.realm = key->realm,
		.port = key->local_port,
		.family = key->family,
		.protocol = key->protocol,
	};

	memcpy(k.address, key->local, sizeof(k.address));
	return slot_of(t, &k)->listener;
}

const struct config_listener *
listener_lookup_port(const struct listener_table *t, const struct flow_key *key) {
	struct listener_key k = {
		.realm = key->realm,
		.port = key->local_port,
		.family = FAMILY_ANY,
		.protocol = key->protocol,
	};

	return slot_of(t, &k)->listener;
}
