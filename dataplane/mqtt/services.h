// SPDX-License-Identifier: Apache-2.0
// What the configuration says of MQTT, in the terms of TCP and of the MQTT server: where it is
// served, how a listener treats its clients, and which limits hold. Pure; any thread.
#pragma once

#include "dataplane/mqtt/server.h"
#include "dataplane/mqtt/shared.h"
#include "dataplane/tcp/tcp.h"

#include <stdbool.h>
#include <stdint.h>

#define MQTT_SERVICES_MAX 256

struct mqtt_services {
	struct tcp_service at[MQTT_SERVICES_MAX];
	uint32_t count;
};

// Every address and port of the listeners from place `from` on; those beyond MQTT_SERVICES_MAX are
// left out.
void mqtt_services_of(
	const struct config *c,
	const struct mqtt_places *places,
	uint32_t from,
	struct mqtt_services *out
);
// There is room for all of them?
bool mqtt_services_fit(const struct config *c, const struct mqtt_places *places);

// Borrows the listener and its profile.
struct mqtt_listener mqtt_listener_of(const struct config_listener *l);

// Session slots that a worker has under this configuration.
uint32_t mqtt_adapter_sessions(const struct config *c);
// The limits that hold from the start on, in their places of `m`.
void mqtt_limits_of(const struct config *c, struct mqtt_config *m);
// Those that may change with each generation.
struct mqtt_live mqtt_live_of(const struct config *c);
