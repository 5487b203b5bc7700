// SPDX-License-Identifier: Apache-2.0
// `sluiced run`: from a configuration to running workers and back, in one place.
#pragma once

#include <stdint.h>

// Runs until SIGTERM or SIGINT (or, if for_s > 0, that many seconds), then drains within
// dataplane.drain_ms. Returns the process's exit status: 0, 1 (start-up failed), 2 (configuration),
// 3 (the ledgers did not balance at exit).
int daemon_run(const char *config_path, unsigned for_s);

enum exit_status {
	EXIT_STATUS_OK,
	EXIT_STATUS_START,
	EXIT_STATUS_CONFIG,
	EXIT_STATUS_LEDGER,
	EXIT_STATUS_NOT_TAKEN, // `sluiced profile test`: the message would be refused
};

struct config;
// Load or explain on stderr. NULL means exit with EXIT_STATUS_CONFIG.
struct config *daemon_load_config(const char *path);
