// SPDX-License-Identifier: Apache-2.0
#include "dataplane/bell.h"
#include "dataplane/idle.h"

#include <sys/prctl.h>
#include <time.h>

#define MEAN_ONE 16
#define MEAN_OVER 8 // sleeps
#define DOUBLINGS_MAX 8

void idle_init(
	struct idle *i,
	const struct bell *bell,
	const int *queues,
	unsigned count,
	uint64_t first_ns
) {
	*i = (struct idle) {.count = 1, .first_ns = first_ns, .max_ns = IDLE_WOKEN_MAX_NS};
	i->fds[0] = (struct pollfd) {.fd = bell->fd, .events = POLLIN};
	i->frames_wake = count > 0 && count <= IDLE_QUEUES_MAX;
	for (unsigned q = 0; q < count && i->frames_wake; q++) {
		i->fds[i->count++] = (struct pollfd) {.fd = queues[q], .events = POLLIN};
		i->frames_wake = queues[q] >= 0;
	}
	if (i->frames_wake)
		return;
	i->count = 1;
	i->first_ns = IDLE_SLEEP_MIN_NS;
	i->max_ns = IDLE_SLEEP_MAX_NS;
}

void idle_begin(void) {
	// The kernel adds 50 us of its own to every sleep unless told otherwise.
	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
}

bool idle_awaits(struct idle *i) {
	if (i->frames > 0)
		i->mean += i->frames * MEAN_ONE / MEAN_OVER - i->mean / MEAN_OVER;
	i->frames = 0;
	// Whoever has slept that long in vain waits for whatever comes.
	return i->naps > 0 || !i->frames_wake || i->mean < IDLE_CROWD * MEAN_ONE;
}

bool idle_sleep(struct idle *i, bool awaits, uint64_t now_ns, uint64_t due_ns) {
	uint32_t nap = i->naps++;

	if (due_ns <= now_ns)
		return false;
	uint64_t sleep_ns = nap < DOUBLINGS_MAX ? i->first_ns << nap : i->max_ns;
	if (!awaits)
		sleep_ns = IDLE_SLEEP_MIN_NS;
	if (sleep_ns > i->max_ns)
		sleep_ns = i->max_ns;
	if (due_ns - now_ns < sleep_ns)
		sleep_ns = due_ns - now_ns;
	const struct timespec t = {.tv_nsec = (long)sleep_ns};
	if (!awaits) {
		nanosleep(&t, nullptr);
		return false;
	}
	return ppoll(i->fds, i->count, &t, nullptr) > 0 && i->fds[0].revents != 0;
}
