// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/letters/letters.h"
#include "dataplane/letters/letters_work.h"
#include "pipelines/kafka_letters.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum phase { PHASE_IDLE, PHASE_ASKED, PHASE_DONE };

struct letters {
	struct letters_work work; // the thread's, once it runs
	pthread_t thread;
	bool started;
	// Under the lock: main and this thread, no worker.
	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_bool stop;
	enum phase phase;
	struct channel_letters query;
	struct letters_answer answer;
};

int letters_create(
	const struct config *c,
	struct letter_lane *lane,
	struct letters **out,
	char *why,
	size_t why_len
) {
	struct letters *l = calloc(1, sizeof(*l));
	int ret = 0;

	if (l == nullptr) {
		snprintf(why, why_len, "out of memory");
		return -ENOMEM;
	}
	l->work.lane = lane;
	l->work.stop = &l->stop;
	snprintf(
		l->work.marks_path, sizeof(l->work.marks_path), "%s/letters.replayed", c->state_dir
	);
	if (c->egress.sink == SINK_KAFKA)
		ret = letters_reader_create(c, &l->work.reader, why, why_len);
	if (ret != 0) {
		free(l);
		return ret;
	}
	pthread_mutex_init(&l->lock, nullptr);
	pthread_cond_init(&l->wake, nullptr);
	*out = l;
	return 0;
}

static void *thread_main(void *arg) {
	struct letters *l = arg;

	pthread_mutex_lock(&l->lock);
	while (!l->stop) {
		if (l->phase != PHASE_ASKED) {
			pthread_cond_wait(&l->wake, &l->lock);
			continue;
		}
		const struct channel_letters query = l->query;
		pthread_mutex_unlock(&l->lock);
		struct letters_answer a = {0};
		letters_work_do(&l->work, &query, &a);
		pthread_mutex_lock(&l->lock);
		a.seq = l->answer.seq;
		l->answer = a;
		l->phase = PHASE_DONE;
	}
	pthread_mutex_unlock(&l->lock);
	return nullptr;
}

int letters_ask(struct letters *l, const struct channel_letters *q, uint64_t seq) {
	int ret = -EBUSY;

	pthread_mutex_lock(&l->lock);
	if (l->phase == PHASE_IDLE) {
		l->query = *q;
		l->answer = (struct letters_answer) {.seq = seq};
		l->phase = PHASE_ASKED;
		ret = 0;
	}
	pthread_mutex_unlock(&l->lock);
	if (ret != 0)
		return ret;
	if (!l->started) {
		ret = -pthread_create(&l->thread, nullptr, thread_main, l);
		l->started = ret == 0;
		if (ret == 0)
			pthread_setname_np(l->thread, "letters");
		else
			l->phase = PHASE_IDLE;
	}
	pthread_cond_signal(&l->wake);
	return ret;
}

bool letters_answered(struct letters *l, struct letters_answer *out) {
	pthread_mutex_lock(&l->lock);
	bool done = l->phase == PHASE_DONE;
	if (done) {
		*out = l->answer;
		l->answer = (struct letters_answer) {0};
		l->phase = PHASE_IDLE;
	}
	pthread_mutex_unlock(&l->lock);
	return done;
}

void letters_destroy(struct letters *l) {
	if (l == nullptr)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_mutex_unlock(&l->lock);
	pthread_cond_signal(&l->wake);
	if (l->started)
		pthread_join(l->thread, nullptr);
	letters_work_end(&l->work);
	free(l->answer.json);
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
