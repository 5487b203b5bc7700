// SPDX-License-Identifier: Apache-2.0
#include "dataplane/idle.h"

#include <time.h>

void idle_wait(uint32_t idle_turns, uint64_t now_ns, uint64_t due_ns) {
	uint32_t step = idle_turns - IDLE_TURNS_BEFORE_SLEEP;
	uint64_t sleep_ns = step < 5 ? (uint64_t)IDLE_SLEEP_MIN_NS << step : IDLE_SLEEP_MAX_NS;

	if (sleep_ns > IDLE_SLEEP_MAX_NS)
		sleep_ns = IDLE_SLEEP_MAX_NS;
	if (due_ns <= now_ns)
		return;
	if (due_ns - now_ns < sleep_ns)
		sleep_ns = due_ns - now_ns;
	nanosleep(&(struct timespec) {.tv_nsec = (long)sleep_ns}, nullptr);
}
