// SPDX-License-Identifier: Apache-2.0
// MQTT publishes out of connections that end elsewhere: a mirror port, a capture.
//
// CONNECT gives version, client id and user name; a stream that was picked up without one is MQTT 5
// if its first publish is well formed as MQTT 5, else 3.1.1. Nobody is answered, nothing is
// verified: the broker does that. Wills are the broker's to publish and are not followed.
// A publish sent again on another connection (DUP) is a message of its own.
// Thread: the worker's. Nothing here allocates after create, locks, logs or reads a clock.
#pragma once

#include "dataplane/datagram.h"
#include "dataplane/mirror/counters.h"

struct mirror_mqtt;

struct mirror_mqtt_env {
	struct adapter_env adapter; // `send` is not used
	// pipeline_run(): after it, nothing points to memory of ours any more.
	void (*flush)(void *owner);
	const struct config_listener *(*listener)(void *owner, const struct flow_key *key);
	uint32_t streams; // followed at once
	uint32_t packet_max;
	uint16_t alias_max;
};

int mirror_mqtt_create(const struct mirror_mqtt_env *env, struct mirror_mqtt **out);
void mirror_mqtt_destroy(struct mirror_mqtt *m); // accepts NULL

// One segment towards a listener; `tcp` begins with the TCP header. The bytes may go when this
// returns.
void mirror_mqtt_input(
	struct mirror_mqtt *m,
	const struct flow_key *key,
	struct view tcp,
	uint64_t now_ns,
	int64_t wall_ns
);

const struct mirror_stats *mirror_mqtt_stats(const struct mirror_mqtt *m);
