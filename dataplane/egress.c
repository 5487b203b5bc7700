// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/bell.h"
#include "dataplane/clock.h"
#include "dataplane/egress.h"
#include "pipelines/sink_counters.h"

#include <rte_malloc.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define SUBMITS_PER_TURN 8
#define RUNS_PER_TURN 512
// A worker wakes us only when it has nothing else to do, and librdkafka waits in milliseconds, so
// the thread looks at both and sleeps a little in between: longer the longer nothing comes. The
// first sleep after work nobody ends: what comes within it is taken together.
#define SLEEP_FIRST_NS 20000
#define SLEEP_MAX_NS 500000
#define SLEEP_RUNG_MAX_NS 2000000 // with nothing out, while workers ring before they sleep
#define FLUSH_MS 100
#define STOP_STEP_MS 2

struct egress_thread {
	// [fixed]
	struct egress *egress;
	uint16_t index;
	const struct sink_ops *ops;
	struct sink *sink;
	pthread_t thread;
	bool running;
	struct rte_ring **batches; // by worker, w > e
	struct rte_ring **completions; // by worker, e > w
	struct bell bell; // ours
	// [e]
	struct batch **held; // by worker: taken from the ring, refused by the sink with -EAGAIN
	uint64_t entries_in; // entries the sink has or we hold, not yet reported
	// [e>c] by topic
	struct {
		_Atomic(uint64_t) delivered, refused;
	} *topics;
	// [c>e]
	alignas(RTE_CACHE_LINE_SIZE) atomic_bool drain;
	atomic_bool stop;
	// [e>c]
	alignas(RTE_CACHE_LINE_SIZE) atomic_bool idle; // all rings empty, nothing in flight
};

struct egress {
	const struct config *config;
	const struct clock *clock;
	uint16_t workers;
	uint32_t thread_count;
	_Atomic(uint32_t) checkpoint_ms; // [main > e]
	atomic_bool workers_ring; // [main > e] polling is adaptive
	uint32_t topic_count;
	struct egress_thread *threads;
	struct bell *bells; // by worker
};

static const struct sink_ops *ops_of(enum sink_kind kind) {
	switch (kind) {
	case SINK_FILE:
		return &sink_file_ops;
	case SINK_DISCARD:
		return &sink_discard_ops;
	default:
		return &sink_kafka_ops;
	}
}

static int rings_create(struct egress_thread *t, char *why, size_t why_len) {
	const struct config *c = t->egress->config;
	uint16_t workers = t->egress->workers;
	char name[RTE_RING_NAMESIZE];

	t->batches = calloc(workers, sizeof(struct rte_ring *));
	t->completions = calloc(workers, sizeof(struct rte_ring *));
	t->held = calloc(workers, sizeof(struct batch *));
	t->topics = calloc(t->egress->topic_count + 1, sizeof(*t->topics));
	if (t->batches == nullptr || t->completions == nullptr || t->held == nullptr
	    || t->topics == nullptr)
		return -ENOMEM;
	for (uint16_t w = 0; w < workers; w++) {
		snprintf(name, sizeof(name), "egress_b%u_%u", t->index, w);
		t->batches[w] = rte_ring_create(
			name,
			rte_align32pow2(c->egress.batches + 1),
			SOCKET_ID_ANY,
			RING_F_SP_ENQ | RING_F_SC_DEQ
		);
		// A run is at least one entry, so this many can never be exceeded.
		snprintf(name, sizeof(name), "egress_c%u_%u", t->index, w);
		t->completions[w] = rte_ring_create_elem(
			name,
			sizeof(struct completion),
			rte_align32pow2(c->egress.batches * c->egress.batch_records + 1),
			SOCKET_ID_ANY,
			RING_F_SP_ENQ | RING_F_SC_DEQ
		);
		if (t->batches[w] == nullptr || t->completions[w] == nullptr) {
			snprintf(
				why,
				why_len,
				"egress %u: no memory for its rings: raise dataplane.memory_mib or "
				"lower egress.batches",
				t->index
			);
			return -ENOMEM;
		}
	}
	return 0;
}

static unsigned batches_take(struct egress_thread *t, uint64_t now_ns) {
	unsigned taken = 0;

	for (uint16_t w = 0; w < t->egress->workers; w++) {
		for (unsigned i = 0; i < SUBMITS_PER_TURN; i++) {
			struct batch *b = t->held[w];
			if (b == nullptr) {
				if (rte_ring_sc_dequeue(t->batches[w], (void **)&b) != 0)
					break;
				t->entries_in += b->count;
			}
			int ret = t->ops->submit(t->sink, b, now_ns);
			t->held[w] = ret == 0 ? nullptr : b;
			if (ret != 0)
				break;
			taken++;
		}
	}
	return taken;
}

static void topic_count(struct egress_thread *t, const struct sink_done *d) {
	const struct batch *b = d->batch;
	uint32_t refused = 0;

	if (b->topic >= t->egress->topic_count)
		return;
	for (uint16_t i = d->first; i < d->first + d->count; i++)
		refused += atomic_load_explicit(&b->entries[i].result, memory_order_relaxed)
			== RESULT_REFUSED;
	sink_counter_add(&t->topics[b->topic].refused, refused);
	sink_counter_add(&t->topics[b->topic].delivered, d->count - refused);
}

static void results_give(struct egress_thread *t, const struct sink_done *done, unsigned n) {
	for (unsigned i = 0; i < n; i++) {
		struct completion c = {
			.batch = done[i].batch->index,
			.first = done[i].first,
			.count = done[i].count,
		};
		topic_count(t, &done[i]);
		// Releases the entries' results to the worker. The ring holds one run per entry
		// that can be out, so it is never full.
		int ret = rte_ring_sp_enqueue_elem(
			t->completions[done[i].batch->worker], &c, sizeof(c)
		);
		assert(ret == 0);
		(void)ret;
		t->entries_in -= done[i].count;
		bell_ring(&t->egress->bells[done[i].batch->worker]);
	}
}

static bool rings_empty(const struct egress_thread *t) {
	for (uint16_t w = 0; w < t->egress->workers; w++)
		if (t->held[w] != nullptr || !rte_ring_empty(t->batches[w]))
			return false;
	return true;
}

// One look at the rings and the sink. Returns whether there was anything to do.
static bool thread_turn(struct egress_thread *t) {
	struct sink_done done[RUNS_PER_TURN];
	uint64_t now_ns = clock_now_ns(t->egress->clock);
	unsigned taken = batches_take(t, now_ns);
	unsigned n = t->ops->poll(t->sink, now_ns, 0, done, RUNS_PER_TURN);

	results_give(t, done, n);
	return taken > 0 || n > 0;
}

static void thread_sleep(struct egress_thread *t, long sleep_ns) {
	const struct timespec s = {.tv_nsec = sleep_ns};
	struct pollfd fd = {.fd = t->bell.fd, .events = POLLIN};

	if (sleep_ns == SLEEP_FIRST_NS) {
		nanosleep(&s, nullptr);
		return;
	}
	bell_listen(&t->bell);
	bool rung = rings_empty(t) && ppoll(&fd, 1, &s, nullptr) > 0;
	bell_hush(&t->bell, rung);
}

// What is out comes back without a word.
static long sleep_max(const struct egress_thread *t, bool nothing) {
	bool rung = atomic_load_explicit(&t->egress->workers_ring, memory_order_relaxed);

	return nothing && rung ? SLEEP_RUNG_MAX_NS : SLEEP_MAX_NS;
}

static void *thread_main(void *arg) {
	struct egress_thread *t = arg;
	long sleep_ns = SLEEP_FIRST_NS;

	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		bool busy = thread_turn(t);
		bool nothing = !busy && t->entries_in == 0 && rings_empty(t);
		if (nothing && atomic_load_explicit(&t->drain, memory_order_relaxed))
			t->ops->flush(t->sink, FLUSH_MS);
		atomic_store_explicit(&t->idle, nothing, memory_order_release);
		if (busy) {
			sleep_ns = SLEEP_FIRST_NS;
			continue;
		}
		thread_sleep(t, sleep_ns);
		sleep_ns = RTE_MIN(sleep_ns * 2, sleep_max(t, nothing));
	}
	t->ops->flush(t->sink, FLUSH_MS);
	return nullptr;
}

static int thread_start(struct egress *e, uint16_t index, uint64_t epoch, char *why, size_t len) {
	struct egress_thread *t = &e->threads[index];
	const struct sink_env env = {
		.config = e->config,
		.egress = index,
		.epoch = epoch,
		.wall_offset_ns = &e->clock->wall_offset_ns,
		.clock_quality = &e->clock->quality,
		.checkpoint_ms = &e->checkpoint_ms,
	};

	t->egress = e;
	t->index = index;
	t->ops = ops_of(e->config->egress.sink);
	int ret = bell_open(&t->bell);
	if (ret == 0)
		ret = rings_create(t, why, len);
	if (ret == 0)
		ret = t->ops->create(&env, &t->sink, why, len);
	if (ret != 0)
		return ret;
	ret = -pthread_create(&t->thread, nullptr, thread_main, t);
	if (ret != 0) {
		snprintf(why, len, "egress %u: no thread: %s", index, strerror(-ret));
		return ret;
	}
	t->running = true;
	char name[16];
	snprintf(name, sizeof(name), "egress-%u", index);
	pthread_setname_np(t->thread, name);
	return 0;
}

static int bells_create(struct egress *e) {
	int ret = 0;

	e->bells = aligned_alloc(RTE_CACHE_LINE_SIZE, e->workers * sizeof(*e->bells));
	if (e->bells == nullptr)
		return -ENOMEM;
	for (uint16_t w = 0; w < e->workers; w++)
		e->bells[w].fd = -1;
	for (uint16_t w = 0; w < e->workers && ret == 0; w++)
		ret = bell_open(&e->bells[w]);
	return ret;
}

int egress_create(
	const struct config *c,
	uint16_t workers,
	const struct clock *clock,
	uint64_t epoch,
	struct egress **out,
	char *why,
	size_t why_len
) {
	struct egress *e = calloc(1, sizeof(*e));

	snprintf(why, why_len, "out of memory for egress");
	if (e == nullptr)
		return -ENOMEM;
	e->config = c;
	e->clock = clock;
	e->workers = workers;
	e->topic_count = c->topic_count;
	e->thread_count = c->egress.threads;
	egress_use(e, c);
	e->threads = aligned_alloc(RTE_CACHE_LINE_SIZE, e->thread_count * sizeof(*e->threads));
	if (e->threads == nullptr) {
		free(e);
		return -ENOMEM;
	}
	memset(e->threads, 0, e->thread_count * sizeof(*e->threads));
	int bells = bells_create(e);
	if (bells != 0) {
		snprintf(why, why_len, "egress: %s", strerror(-bells));
		egress_destroy(e);
		return bells;
	}
	for (uint16_t i = 0; i < e->thread_count; i++) {
		int ret = thread_start(e, i, epoch, why, why_len);
		if (ret != 0) {
			egress_destroy(e);
			return ret;
		}
	}
	*out = e;
	return 0;
}

void egress_use(struct egress *e, const struct config *c) {
	atomic_store_explicit(&e->checkpoint_ms, c->egress.checkpoint_ms, memory_order_relaxed);
	atomic_store_explicit(
		&e->workers_ring, c->dataplane.polling == POLLING_ADAPTIVE, memory_order_relaxed
	);
}

void egress_submit(struct egress *e, struct batch *b) {
	int ret = rte_ring_sp_enqueue(e->threads[b->egress].batches[b->worker], b);

	// The ring has a place for every batch of the worker.
	assert(ret == 0);
	(void)ret;
}

unsigned egress_collect(struct egress *e, uint16_t worker, struct completion *out, unsigned max) {
	unsigned n = 0;

	for (uint32_t i = 0; i < e->thread_count && n < max; i++)
		n += rte_ring_sc_dequeue_burst_elem(
			e->threads[i].completions[worker], out + n, sizeof(*out), max - n, nullptr
		);
	return n;
}

void egress_nudge(struct egress *e, uint16_t worker) {
	for (uint32_t i = 0; i < e->thread_count; i++)
		if (!rte_ring_empty(e->threads[i].batches[worker]))
			bell_ring(&e->threads[i].bell);
}

bool egress_ready(const struct egress *e, uint16_t worker) {
	for (uint32_t i = 0; i < e->thread_count; i++)
		if (!rte_ring_empty(e->threads[i].completions[worker]))
			return true;
	return false;
}

struct bell *egress_bell(struct egress *e, uint16_t worker) {
	return &e->bells[worker];
}

static bool all_idle(const struct egress *e) {
	for (uint32_t i = 0; i < e->thread_count; i++)
		if (!atomic_load_explicit(&e->threads[i].idle, memory_order_acquire))
			return false;
	return true;
}

int egress_stop(struct egress *e, unsigned drain_ms) {
	bool idle = false;

	if (e == nullptr)
		return 0;
	for (uint32_t i = 0; i < e->thread_count; i++)
		atomic_store_explicit(&e->threads[i].drain, true, memory_order_relaxed);
	for (unsigned ms = 0; ms < drain_ms && !(idle = all_idle(e)); ms += STOP_STEP_MS)
		nanosleep(&(struct timespec) {.tv_nsec = STOP_STEP_MS * 1000000}, nullptr);
	for (uint32_t i = 0; i < e->thread_count; i++)
		atomic_store_explicit(&e->threads[i].stop, true, memory_order_relaxed);
	for (uint32_t i = 0; i < e->thread_count; i++) {
		if (!e->threads[i].running)
			continue;
		pthread_join(e->threads[i].thread, nullptr);
		e->threads[i].running = false;
	}
	return idle ? 0 : -ETIMEDOUT;
}

static void thread_destroy(struct egress_thread *t) {
	if (t->ops != nullptr)
		t->ops->destroy(t->sink);
	for (uint16_t w = 0; w < t->egress->workers; w++) {
		if (t->batches != nullptr)
			rte_ring_free(t->batches[w]);
		if (t->completions != nullptr)
			rte_ring_free(t->completions[w]);
	}
	bell_close(&t->bell);
	free(t->batches);
	free(t->completions);
	free(t->held);
	free(t->topics);
}

void egress_destroy(struct egress *e) {
	if (e == nullptr)
		return;
	egress_stop(e, 0);
	for (uint32_t i = 0; i < e->thread_count; i++)
		if (e->threads[i].egress != nullptr)
			thread_destroy(&e->threads[i]);
	for (uint16_t w = 0; w < e->workers && e->bells != nullptr; w++)
		bell_close(&e->bells[w]);
	free(e->bells);
	free(e->threads);
	free(e);
}

void egress_stats(const struct egress *e, struct sink_stats *out) {
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < e->thread_count; i++) {
		struct sink_stats s;
		e->threads[i].ops->stats(e->threads[i].sink, &s);
		out->submitted += s.submitted;
		out->acknowledged += s.acknowledged;
		out->messages += s.messages;
		out->refused += s.refused;
		out->bytes += s.bytes;
		out->checkpoints_made += s.checkpoints_made;
		out->checkpoints_delivered += s.checkpoints_delivered;
		out->in_flight += s.in_flight;
		out->errors += s.errors;
		if (s.oldest_unacked_ns > out->oldest_unacked_ns)
			out->oldest_unacked_ns = s.oldest_unacked_ns;
	}
}

uint32_t egress_topics(const struct egress *e, struct egress_topic *out, uint32_t max) {
	uint32_t n = e->topic_count < max ? e->topic_count : max;

	memset(out, 0, n * sizeof(*out));
	for (uint32_t i = 0; i < e->thread_count; i++)
		for (uint32_t k = 0; k < n; k++) {
			out[k].delivered += atomic_load_explicit(
				&e->threads[i].topics[k].delivered, memory_order_relaxed
			);
			out[k].refused += atomic_load_explicit(
				&e->threads[i].topics[k].refused, memory_order_relaxed
			);
		}
	return n;
}
