// SPDX-License-Identifier: Apache-2.0
// One configuration generation as a running sluiced uses it: the file, and what was made of it for
// the workers. Built aside, checked whole against what this run has reserved, then published
// (dataplane/generation.h). Main thread, except `struct settings` itself, which workers read.
//
// What is laid out at the start (ports, tables, topics, threads) stays as the first configuration
// said; `base` below is that one. It lives until the end, and whatever points into it may stay.
#pragma once

#include "config/config.h"
#include "config/diff.h"
#include "dataplane/mqtt/server.h"
#include "dataplane/mqtt/shared.h"

#include <stddef.h>
#include <stdint.h>

struct frame_devices;
struct frame_keys;
struct listener_table;

struct settings {
	// [fixed] once published
	struct config *config; // owned, unless it is the base
	struct listener_table *listeners; // owned
	struct mqtt_places places;
	struct auth_table *credentials; // owned by the newest generation that has it; NULL: no MQTT
	uint64_t number; // 0: the file as it was at the start
	// [w] each worker its own
	struct mqtt_live mqtt[WORKERS_MAX];
	// [m]
	const struct config *base;
	struct frame_keys *replaced; // keys that nobody reads once the generation after this one is
				     // held; owned
};

// What the running process has, besides configurations.
struct settings_env {
	const struct config *base;
	uint16_t workers;
	struct frame_devices *frame_devices; // NULL: started without protected frames
	struct mqtt_shared *mqtt; // NULL: started without MQTT listeners
	const uint64_t *secret; // SipHash key of this start
};

// The generation of the start. `listeners` and the credentials of env->mqtt become its own.
int settings_first(
	const struct settings_env *env,
	struct listener_table *listeners,
	struct settings **out
);

#define SETTINGS_CHANGES_MAX 64

// What stands between a file and its being used while running.
struct settings_verdict {
	uint32_t changed; // options
	uint32_t pending; // of them: only at the next start
	struct config_change changes[SETTINGS_CHANGES_MAX]; // the pending ones first
};

// Compare `next` with what runs. Options that the table calls live may need a restart all the same
// where this run has reserved nothing for them; then they are pending.
void settings_judge(
	const struct settings_env *env,
	const struct settings *running,
	const struct config *next,
	struct settings_verdict *out
);

// Make a generation of `next`, which becomes its own, also if this fails. Loads frame keys again:
// publish what comes out, or the process is between two generations. Only if nothing is pending.
int settings_build(
	const struct settings_env *env,
	struct settings *running,
	struct config *next,
	uint64_t number,
	struct settings **out,
	char *why,
	size_t why_len
);

// `newest` is what everybody holds now, NULL at the end: what it shares with `s` stays.
void settings_free(struct settings *s, const struct settings *newest);
