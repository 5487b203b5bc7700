// SPDX-License-Identifier: Apache-2.0
// What the data plane says about itself: ledgers, losses before us, latency, egress. Main thread.
#pragma once

#include "dataplane/egress.h"
#include "dataplane/port.h"
#include "dataplane/worker.h"
#include "pipelines/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct config;

#define STATUS_TOPICS_MAX 256

struct status {
	const struct config *config;
	uint64_t epoch;
	uint64_t uptime_ns;
	uint16_t worker_count;
	bool unanswered[WORKERS_MAX]; // this worker's figures are old
	struct worker_report workers[WORKERS_MAX];
	struct ledger sum;
	struct latency latency[TRANSPORT_COUNT];
	struct port_lost lost[CONFIG_PORTS_MAX];
	struct sink_stats egress;
	struct egress_topic topics[STATUS_TOPICS_MAX];
	uint32_t topic_count;
	uint64_t cpu_ns; // of the whole process
	struct memory_account memory; // all workers, and what they share
	uint64_t resident; // bytes of the process that are in memory
};

// Snapshot every worker and add up. Keeps the previous figures of a worker that does not answer.
void status_collect(struct status *s, struct worker *const *workers, struct port *ports);

// Do the ledgers close, worker by worker and in sum? On false `why` says which and by how much.
bool status_balanced(const struct status *s, char *why, size_t why_len);

// For people: the ledgers as text.
void status_print(const struct status *s, FILE *out);
// For programs: `run_dir`/status.json, replaced atomically.
int status_write_json(const struct status *s, const char *path);
