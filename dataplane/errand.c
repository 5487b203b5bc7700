// SPDX-License-Identifier: Apache-2.0
#include "dataplane/errand.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum phase { PHASE_IDLE, PHASE_ASKED, PHASE_DONE };

struct errand {
	char name[16];
	errand_work *work;
	void *owner;
	size_t query_len;
	pthread_t thread;
	bool started;
	atomic_bool stop;
	// Under the lock: main and this thread, no worker.
	pthread_mutex_t lock;
	pthread_cond_t wake;
	enum phase phase;
	_Alignas(8) uint8_t query[ERRAND_QUERY_MAX];
	struct errand_answer answer;
};

int errand_create(
	const char *name,
	size_t query_len,
	errand_work *work,
	void *owner,
	struct errand **out
) {
	struct errand *e = calloc(1, sizeof(*e));

	if (e == nullptr || query_len > sizeof(e->query)) {
		free(e);
		return -ENOMEM;
	}
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->work = work;
	e->owner = owner;
	e->query_len = query_len;
	pthread_mutex_init(&e->lock, nullptr);
	pthread_cond_init(&e->wake, nullptr);
	*out = e;
	return 0;
}

static void *thread_main(void *arg) {
	struct errand *e = arg;
	_Alignas(8) uint8_t query[ERRAND_QUERY_MAX];

	pthread_mutex_lock(&e->lock);
	while (!e->stop) {
		if (e->phase != PHASE_ASKED) {
			pthread_cond_wait(&e->wake, &e->lock);
			continue;
		}
		memcpy(query, e->query, e->query_len);
		pthread_mutex_unlock(&e->lock);
		struct errand_answer a = {0};
		e->work(e->owner, query, &e->stop, &a);
		pthread_mutex_lock(&e->lock);
		a.seq = e->answer.seq;
		e->answer = a;
		e->phase = PHASE_DONE;
	}
	pthread_mutex_unlock(&e->lock);
	return nullptr;
}

int errand_ask(struct errand *e, const void *query, uint64_t seq) {
	int ret = -EBUSY;

	pthread_mutex_lock(&e->lock);
	if (e->phase == PHASE_IDLE) {
		memcpy(e->query, query, e->query_len);
		e->answer = (struct errand_answer) {.seq = seq};
		e->phase = PHASE_ASKED;
		ret = 0;
	}
	pthread_mutex_unlock(&e->lock);
	if (ret != 0)
		return ret;
	if (!e->started) {
		ret = -pthread_create(&e->thread, nullptr, thread_main, e);
		e->started = ret == 0;
		if (ret == 0)
			pthread_setname_np(e->thread, e->name);
		else
			e->phase = PHASE_IDLE;
	}
	pthread_cond_signal(&e->wake);
	return ret;
}

bool errand_answered(struct errand *e, struct errand_answer *out) {
	pthread_mutex_lock(&e->lock);
	bool done = e->phase == PHASE_DONE;
	if (done) {
		*out = e->answer;
		e->answer = (struct errand_answer) {0};
		e->phase = PHASE_IDLE;
	}
	pthread_mutex_unlock(&e->lock);
	return done;
}

void errand_destroy(struct errand *e) {
	if (e == nullptr)
		return;
	pthread_mutex_lock(&e->lock);
	e->stop = true;
	pthread_mutex_unlock(&e->lock);
	pthread_cond_signal(&e->wake);
	if (e->started)
		pthread_join(e->thread, nullptr);
	free(e->answer.json);
	pthread_cond_destroy(&e->wake);
	pthread_mutex_destroy(&e->lock);
	free(e);
}
