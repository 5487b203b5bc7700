// SPDX-License-Identifier: Apache-2.0
// UDP telemetry: a datagram is a message, nothing is ever answered.
//
// A datagram names nobody but a spoofable address, so its source must be inside the listener's
// trusted ranges unless the listener says `auth: none`. Every arrival is a message of its own:
// epoch is the appliance epoch and this worker, seq counts arrivals; a payload that carries a
// sequence lets the pipeline recognise copies.
#pragma once

#include "dataplane/datagram.h"

struct udp_telemetry {
	struct adapter_env env;
	uint64_t arrivals;
};

void udp_telemetry_init(struct udp_telemetry *t, const struct adapter_env *env);
void udp_telemetry_input(struct udp_telemetry *t, const struct datagram *d);
