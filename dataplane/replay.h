// SPDX-License-Identifier: Apache-2.0
// `sluiced replay`: captures through the same code as live traffic, as fast as possible. Every
// clock is the capture's time stamp, so the output is a function of the files and configuration.
#pragma once

enum replay_out { REPLAY_JSON, REPLAY_KAFKA, REPLAY_SIGNATURES };

// Records as JSON lines on stdout (or to Kafka as configured), the ledgers on stderr; with
// REPLAY_SIGNATURES nothing but what signatures have hit, on stdout. `signatures` takes the place
// of the configuration's match.signatures unless it is NULL. The first port of the configuration
// receives the frames; what it would send is dropped. Returns the process's exit status
// (dataplane/daemon.h).
int replay_run(
	const char *config_path,
	const char *signatures,
	enum replay_out out,
	char *const *files,
	int file_count
);
