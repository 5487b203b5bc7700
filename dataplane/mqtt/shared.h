// SPDX-License-Identifier: Apache-2.0
// What the MQTT adapters of all workers have in common: credentials, the authentication thread, and
// the letter boxes between them. Made and destroyed by the main thread; outlives the workers.
#pragma once

#include "config/config.h"
#include "dataplane/mqtt/auth_thread.h"

#include <rte_ring.h>

#include <stddef.h>
#include <stdint.h>

#define MQTT_PLACES_MAX 255

// The MQTT listeners by number. A session and a TCP service name theirs by it, so a listener keeps
// its place from one configuration generation to the next.
struct mqtt_places {
	uint32_t count;
	const struct config_listener *at[MQTT_PLACES_MAX]; // NULL: gone
};

// Places of the listeners of `c`; those that `before` has (by name) stay where they are. -ENOSPC:
// more than there are places.
int mqtt_places_set(
	const struct config *c,
	const struct mqtt_places *before, // NULL: none
	struct mqtt_places *out
);

struct auth_registry;

struct mqtt_shared {
	struct mqtt_places places; // of the start
	// Of the start; those in force later belong to the generation that brought them.
	struct auth_table *credentials;
	struct auth_thread *thread;
	uint16_t workers;
	// [from][to], of struct mqtt_mail; NULL for from == to
	struct rte_ring *mail[WORKERS_MAX][WORKERS_MAX];
};

// After EAL and after the affinity of the housekeeping threads is set. *out stays NULL, and 0 is
// returned, if no listener speaks MQTT. `registry` has the devices' passwords; NULL: none. -EINVAL
// for a secret that is no encoded hash.
int mqtt_shared_create(
	const struct config *c,
	const uint64_t secret[2],
	const struct auth_registry *registry,
	struct mqtt_shared **out,
	char *why,
	size_t why_len
);
// The credentials of a new generation, successors of those in use.
int mqtt_credentials_create(
	const struct config *c,
	const uint64_t secret[2],
	const struct auth_table *previous, // NULL: none
	struct auth_table **out,
	char *why,
	size_t why_len
);
void mqtt_shared_destroy(struct mqtt_shared *s); // accepts NULL
