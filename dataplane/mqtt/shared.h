// SPDX-License-Identifier: Apache-2.0
// What the MQTT adapters of all workers have in common: credentials, the authentication thread, and
// the letter boxes between them. Made and destroyed by the main thread; outlives the workers.
#pragma once

#include "config/config.h"
#include "dataplane/mqtt/auth_thread.h"

#include <rte_ring.h>

#include <stddef.h>
#include <stdint.h>

struct mqtt_shared {
	struct auth_table *credentials; // NULL without users
	struct auth_thread *thread; // NULL without users
	uint16_t workers;
	// [from][to], of struct mqtt_mail; NULL for from == to
	struct rte_ring *mail[WORKERS_MAX][WORKERS_MAX];
};

// After EAL and after the affinity of the housekeeping threads is set. *out stays NULL, and 0 is
// returned, if no listener speaks MQTT. -EINVAL for a secret that is no encoded hash.
int mqtt_shared_create(
	const struct config *c,
	const uint64_t secret[2],
	struct mqtt_shared **out,
	char *why,
	size_t why_len
);
void mqtt_shared_destroy(struct mqtt_shared *s); // accepts NULL
