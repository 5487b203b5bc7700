// SPDX-License-Identifier: Apache-2.0
// The one place where a worker may sleep: adaptive polling.
#pragma once

#include <stdint.h>

#define IDLE_TURNS_BEFORE_SLEEP 2000
#define IDLE_SLEEP_MIN_NS 50000u
#define IDLE_SLEEP_MAX_NS 1000000u

// Sleep after `idle_turns` turns without work, 50 us doubling to 1 ms, never past `due_ns`.
void idle_wait(uint32_t idle_turns, uint64_t now_ns, uint64_t due_ns);
