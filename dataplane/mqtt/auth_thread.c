// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/digest.h"
#include "dataplane/mqtt/auth_thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define CACHE_LINE 64
#define IDLE_NS 1000000
#define IDLE_MAX_NS 8000000

// One direction of one worker: single producer, single consumer.
struct lane {
	alignas(CACHE_LINE) _Atomic(uint32_t) written;
	alignas(CACHE_LINE) _Atomic(uint32_t) read;
};

struct worker_lanes {
	struct lane ask, answer;
	struct auth_request *requests; // owned
	struct auth_answer *answers; // owned
};

struct auth_thread {
	// [fixed]
	uint16_t workers;
	uint32_t queue;
	struct worker_lanes *lanes;
	pthread_t thread;
	bool started;
	// [w] each worker its own part: users that it has asked for
	uint32_t **asked;
	uint32_t *asked_count;
	// [c>t]
	alignas(CACHE_LINE) atomic_bool stop;
	_Atomic(const struct auth_table *) next;
	// [t>c]
	_Atomic(const struct auth_table *) held;
};

static bool answer_one(struct auth_thread *a, const struct auth_table *t, uint16_t w) {
	struct worker_lanes *l = &a->lanes[w];
	uint32_t at = atomic_load_explicit(&l->ask.read, memory_order_relaxed);

	if (at == atomic_load_explicit(&l->ask.written, memory_order_acquire))
		return false;
	struct auth_request *r = &l->requests[at & (a->queue - 1)];
	struct auth_answer answer = {
		.user = r->user,
		.session = r->session,
		.worker = r->worker,
		.generation = r->generation,
	};
	answer.accepted =
		auth_verify(t, r->user, view_of(r->password, r->password_len), &answer.version);
	digest_wipe(r, sizeof(*r));
	atomic_store_explicit(&l->ask.read, at + 1, memory_order_release);

	// No more than `queue` are outstanding, so there is room.
	uint32_t to = atomic_load_explicit(&l->answer.written, memory_order_relaxed);
	l->answers[to & (a->queue - 1)] = answer;
	atomic_store_explicit(&l->answer.written, to + 1, memory_order_release);
	return true;
}

// One request of each worker in turn: none waits for another's queue.
static void *run(void *arg) {
	struct auth_thread *a = arg;
	long idle_ns = IDLE_NS;

	while (!atomic_load_explicit(&a->stop, memory_order_acquire)) {
		const struct auth_table *t = atomic_load_explicit(&a->next, memory_order_acquire);
		bool worked = false;
		atomic_store_explicit(&a->held, t, memory_order_release);
		for (uint16_t w = 0; w < a->workers; w++)
			worked |= answer_one(a, t, w);
		idle_ns = worked ? IDLE_NS : idle_ns < IDLE_MAX_NS ? idle_ns * 2 : idle_ns;
		if (!worked)
			nanosleep(&(struct timespec) {.tv_nsec = idle_ns}, nullptr);
	}
	return nullptr;
}

static int lanes_create(struct auth_thread *a) {
	a->lanes = aligned_alloc(CACHE_LINE, a->workers * sizeof(*a->lanes));
	a->asked = calloc(a->workers, sizeof(*a->asked));
	a->asked_count = calloc(a->workers, sizeof(*a->asked_count));
	if (a->lanes == nullptr || a->asked == nullptr || a->asked_count == nullptr)
		return -ENOMEM;
	memset(a->lanes, 0, a->workers * sizeof(*a->lanes));
	for (uint16_t w = 0; w < a->workers; w++) {
		a->lanes[w].requests = calloc(a->queue, sizeof(struct auth_request));
		a->lanes[w].answers = calloc(a->queue, sizeof(struct auth_answer));
		a->asked[w] = calloc(a->queue, sizeof(uint32_t));
		if (a->lanes[w].requests == nullptr || a->lanes[w].answers == nullptr
		    || a->asked[w] == nullptr)
			return -ENOMEM;
	}
	return 0;
}

void auth_thread_use(struct auth_thread *a, const struct auth_table *t) {
	atomic_store_explicit(&a->next, t, memory_order_release);
}

bool auth_thread_holds(const struct auth_thread *a, const struct auth_table *t) {
	return atomic_load_explicit(&a->held, memory_order_acquire) == t;
}

int auth_thread_create(
	const struct auth_table *t,
	uint16_t workers,
	uint32_t queue,
	struct auth_thread **out
) {
	struct auth_thread *a;
	int ret;

	if (workers == 0 || queue == 0 || (queue & (queue - 1)) != 0)
		return -EINVAL;
	a = aligned_alloc(CACHE_LINE, sizeof(*a));
	if (a == nullptr)
		return -ENOMEM;
	memset(a, 0, sizeof(*a));
	auth_thread_use(a, t);
	a->workers = workers;
	a->queue = queue;
	ret = lanes_create(a);
	if (ret == 0)
		ret = -pthread_create(&a->thread, nullptr, run, a);
	if (ret < 0) {
		auth_thread_destroy(a);
		return ret;
	}
	a->started = true;
	*out = a;
	return 0;
}

void auth_thread_stop(struct auth_thread *a) {
	if (a == nullptr)
		return;
	atomic_store_explicit(&a->stop, true, memory_order_release);
	if (a->started)
		pthread_join(a->thread, nullptr);
	a->started = false;
}

void auth_thread_destroy(struct auth_thread *a) {
	if (a == nullptr)
		return;
	auth_thread_stop(a);
	for (uint16_t w = 0; a->lanes != nullptr && w < a->workers; w++) {
		if (a->lanes[w].requests != nullptr)
			digest_wipe(a->lanes[w].requests, a->queue * sizeof(struct auth_request));
		free(a->lanes[w].requests);
		free(a->lanes[w].answers);
		if (a->asked != nullptr)
			free(a->asked[w]);
	}
	free(a->lanes);
	free(a->asked);
	free(a->asked_count);
	free(a);
}

static bool is_asked(const struct auth_thread *a, uint16_t w, uint32_t user) {
	for (uint32_t i = 0; i < a->asked_count[w]; i++)
		if (a->asked[w][i] == user)
			return true;
	return false;
}

bool auth_thread_ask(struct auth_thread *a, const struct auth_request *r) {
	uint16_t w = r->worker;
	struct worker_lanes *l = &a->lanes[w];
	uint32_t at = atomic_load_explicit(&l->ask.written, memory_order_relaxed);

	if (a->asked_count[w] == a->queue || is_asked(a, w, r->user))
		return false;
	l->requests[at & (a->queue - 1)] = *r;
	atomic_store_explicit(&l->ask.written, at + 1, memory_order_release);
	a->asked[w][a->asked_count[w]++] = r->user;
	return true;
}

bool auth_thread_answer(struct auth_thread *a, uint16_t w, struct auth_answer *out) {
	struct worker_lanes *l = &a->lanes[w];
	uint32_t at = atomic_load_explicit(&l->answer.read, memory_order_relaxed);

	if (at == atomic_load_explicit(&l->answer.written, memory_order_acquire))
		return false;
	*out = l->answers[at & (a->queue - 1)];
	atomic_store_explicit(&l->answer.read, at + 1, memory_order_release);
	for (uint32_t i = 0; i < a->asked_count[w]; i++) {
		if (a->asked[w][i] != out->user)
			continue;
		a->asked[w][i] = a->asked[w][--a->asked_count[w]];
		break;
	}
	return true;
}
