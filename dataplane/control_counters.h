// SPDX-License-Identifier: Apache-2.0
// The ledgers as named counters for the control plane's metrics. Main thread.
#pragma once

#include "controlplane/api/channel.h"
#include "dataplane/gate.h"

#include <stdbool.h>
#include <stdint.h>

struct signatures;
struct status;

// Counters are numbered as they are listed; those in [skip, skip + room) are written.
struct counter_list {
	struct channel_counter *out;
	uint32_t room;
	uint32_t skip;
	uint32_t seen;
	uint32_t count;
};

// All there is before the workers run: nothing has been counted.
void counters_waiting(struct counter_list *l);
void counters_list(struct counter_list *l, const struct status *s, bool balanced);
// Of the signatures that have hit, the first COUNTERS_SIGNATURES_MAX; `s` may be NULL.
#define COUNTERS_SIGNATURES_MAX 256
void counters_signatures(struct counter_list *l, const struct signatures *s);
void counters_gates(
	struct counter_list *l,
	struct gate *const *gates,
	uint16_t workers,
	const struct device_table *t
);
