// SPDX-License-Identifier: Apache-2.0
// The one place where a worker may sleep: adaptive polling.
//
// Where every queue of the worker has a descriptor that says when a frame is there (AF_XDP), a
// worker that finds nothing sleeps at once, and frames or results from egress wake it. Waking up
// for each frame costs more than the frame, so while several come at a time it sleeps for a fixed
// time instead and takes them together. Without such descriptors it looks for a while, then sleeps
// longer and longer, and only results wake it.
#pragma once

#include <poll.h>
#include <stdint.h>

struct bell;

// A worker that cannot be woken by frames and has found nothing for that long sleeps. By time and
// not by turns: one takes from a tenth of a microsecond to several, by device.
#define IDLE_SPIN_NS 20000u
#define IDLE_SLEEP_MIN_NS 20000u
#define IDLE_SLEEP_MAX_NS 1000000u
#define IDLE_WOKEN_MAX_NS 2000000u // where frames end it
#define IDLE_TWIN_NS                                                                               \
	160000u // the first one where a TAP twin, which wakes nobody, is to be looked at
#define IDLE_QUEUES_MAX 32
#define IDLE_CROWD                                                                                 \
	3 // frames between two sleeps, in the mean, from which on they are taken together

struct idle {
	struct pollfd fds[1 + IDLE_QUEUES_MAX]; // the bell first
	uint32_t count;
	bool frames_wake; // every queue is among fds
	uint64_t first_ns; // the first sleep after work; each further one is twice as long
	uint64_t max_ns;
	uint32_t mean; // frames between two sleeps, in 1/16
	uint32_t frames; // since the last sleep
	uint32_t naps; // since there was work
};

// Main thread. `queues` are the descriptors of the worker's queues, -1 among them: one has none.
// `first_ns`: how long the first sleep after work may be for the sake of what wakes nobody.
void idle_init(
	struct idle *i,
	const struct bell *bell,
	const int *queues,
	unsigned count,
	uint64_t first_ns
);

void idle_begin(void); // once, on the worker's thread

// The worker found nothing: may it sleep already, `quiet_ns` after it last worked?
static inline bool idle_may_sleep(const struct idle *i, uint64_t quiet_ns) {
	return i->frames_wake || quiet_ns >= IDLE_SPIN_NS;
}

// Frames are few at a time, so what is in flight is waited for: the bell is to be listened to.
bool idle_awaits(struct idle *i);
// Sleeps, never past `due_ns`. Between bell_listen() and bell_hush() if idle_awaits() said so, and
// then returns whether the bell was rung.
bool idle_sleep(struct idle *i, bool awaits, uint64_t now_ns, uint64_t due_ns);
