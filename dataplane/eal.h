// SPDX-License-Identifier: Apache-2.0
// The DPDK environment, started from the configuration. Main thread, once per process.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct config;

// Start EAL: one lcore per worker, devices of all ports, huge pages if there are any (or as
// configured). Returns 0, or -errno with a sentence for the operator in `why`.
int eal_start(const struct config *c, char *why, size_t why_len);
void eal_stop(void);

// The EAL lcore id of worker w (lcore 0 is the main thread).
static inline unsigned eal_worker_lcore(uint16_t w) {
	return w + 1u;
}

// CPUs that all threads but the workers run on, for pthread_setaffinity_np.
#include <sched.h>
void eal_housekeeping_cpus(const struct config *c, cpu_set_t *set);
// The CPU worker w is pinned to.
unsigned eal_worker_cpu(const struct config *c, uint16_t w);
