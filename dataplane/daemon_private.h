// SPDX-License-Identifier: Apache-2.0
// What daemon.c and daemon_start.c share. Main thread.
#pragma once

#include "config/config.h"
#include "dataplane/adapters.h"
#include "dataplane/clock.h"
#include "dataplane/port.h"
#include "dataplane/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUPERVISE_MS 250
#define LOADING_EVERY_MS 1 // while workers take over a new generation

struct config_loader;
struct control;
struct egress;
struct frame_devices;
struct letters;
struct listener_table;
struct status;
struct topics;

// Everything that runs, in order of creation; daemon_run() undoes whatever part exists.
struct daemon {
	struct config *config;
	struct clock clock;
	struct adapters_shared shared;
	struct listener_table *listeners;
	struct frame_devices
		*frame_devices; // the registry's keys, even if no listener takes frames
	uint64_t started_ns;
	bool eal;
	struct rte_mempool *pools[WORKERS_MAX];
	struct port ports[CONFIG_PORTS_MAX];
	uint16_t ports_open;
	struct egress *egress;
	struct worker *workers[WORKERS_MAX];
	uint16_t worker_count;
	uint16_t launched;
	int signals; // signalfd
	struct status *status;
	struct control *control;
	struct config_loader *loader;
	struct letters *letters;
	struct topics *topics;
};

// From the configuration to running workers. On an error `why` says what an operator can do, and
// what exists is left to be undone; -ECANCELED: told to stop meanwhile.
int daemon_start(struct daemon *d, char *why, size_t why_len);

// Until a signal, word from the control plane, or the time is up. True: told to stop.
bool daemon_wait(struct daemon *d, int timeout_ms);
