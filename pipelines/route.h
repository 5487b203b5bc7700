// SPDX-License-Identifier: Apache-2.0
// Stage: from profile to topic, from device to partition and egress thread.
#pragma once

#include "pipelines/burst.h"

// Items whose topic has no pinned partition count yet end as SHED_SINK_UNKNOWN.
void route_burst(
	struct burst *b,
	uint16_t from,
	uint16_t to,
	const struct config *c,
	uint16_t egress_count
);
