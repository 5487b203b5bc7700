// SPDX-License-Identifier: Apache-2.0
// What differs between two configurations, option by option, from the option table. Pure; any
// thread.
#pragma once

#include "config/config.h"

#define CONFIG_CHANGE_PATH 160

struct config_change {
	char path[CONFIG_CHANGE_PATH]; // "listeners[2].port", as the new file numbers its elements
	bool live; // may take effect while running, as far as the table says
};

// Elements of lists are compared by name, where they have one. Where the order of a list is part of
// its meaning (one that needs a restart: others point into it by number) another order is a change
// of the list. Returns how many changes there are; the first `max` are in out[].
uint32_t config_diff(
	const struct config *running,
	const struct config *next,
	struct config_change *out,
	uint32_t max
);
