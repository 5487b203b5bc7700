// SPDX-License-Identifier: Apache-2.0
// The one place where a worker may sleep: adaptive polling.
#pragma once

#include <stdint.h>

// A worker that has found nothing for that long sleeps. By time and not by turns: one takes from a
// tenth of a microsecond to several, by device, and what is answered within this time (by egress,
// by a peer on the same machine) is not worth a sleep.
#define IDLE_SPIN_NS 20000u
#define IDLE_SLEEP_MIN_NS 20000u
#define IDLE_SLEEP_MAX_NS 1000000u

void idle_begin(void); // once, on the worker's thread

// The `nap`th sleep since there was work: 20 us doubling to 1 ms, never past `due_ns`.
void idle_wait(uint32_t nap, uint64_t now_ns, uint64_t due_ns);
