// SPDX-License-Identifier: Apache-2.0
#include "dataplane/idle.h"

#include <sys/prctl.h>
#include <time.h>

void idle_begin(void) {
	// The kernel adds 50 us of its own to every sleep unless told otherwise.
	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
}

void idle_wait(uint32_t nap, uint64_t now_ns, uint64_t due_ns) {
	uint64_t sleep_ns = nap < 6 ? (uint64_t)IDLE_SLEEP_MIN_NS << nap : IDLE_SLEEP_MAX_NS;

	if (sleep_ns > IDLE_SLEEP_MAX_NS)
		sleep_ns = IDLE_SLEEP_MAX_NS;
	if (due_ns <= now_ns)
		return;
	if (due_ns - now_ns < sleep_ns)
		sleep_ns = due_ns - now_ns;
	nanosleep(&(struct timespec) {.tv_nsec = (long)sleep_ns}, nullptr);
}
