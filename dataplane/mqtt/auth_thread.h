// SPDX-License-Identifier: Apache-2.0
// The authentication thread: slow password hashes, one at a time, behind bounded queues.
//
// Each worker has a ring to the thread and one back, both with a single producer and a single
// consumer. A credential has at most one request under way, so that nobody can fill the queue with
// guesses for one device.
#pragma once

#include "dataplane/mqtt/auth.h"

#include <stdbool.h>
#include <stdint.h>

struct auth_thread;

// Starts the thread, with the affinity of the caller. `queue` requests may wait per worker (a power
// of two). The table outlives the thread. 0 or -errno.
int auth_thread_create(
	const struct auth_table *t,
	uint16_t workers,
	uint32_t queue,
	struct auth_thread **out
);
// Main thread: look into another table from the next request on. Only when it holds that one may
// the one before be freed.
void auth_thread_use(struct auth_thread *a, const struct auth_table *t);
bool auth_thread_holds(const struct auth_thread *a, const struct auth_table *t);
// Joins: nothing reads the table any more. Accepts NULL.
void auth_thread_stop(struct auth_thread *a);
// Stops; passwords in the queues are wiped. Accepts NULL.
void auth_thread_destroy(struct auth_thread *a);

// Worker r->worker only. False if the queue is full or this user is being looked at already.
bool auth_thread_ask(struct auth_thread *a, const struct auth_request *r);
// Worker `worker` only. False if there is no answer.
bool auth_thread_answer(struct auth_thread *a, uint16_t worker, struct auth_answer *out);
