// SPDX-License-Identifier: Apache-2.0
// Egress threads: sealed batches from the workers go to a sink, results come back.
//
//   worker w                            egress thread e
//   pipeline: sealed(batch)
//     egress_submit() ---- ring w>e ---> sink.submit()      keeps order, offers again on -EAGAIN
//     egress_collect() <-- ring e>w ---- sink.poll()        runs of entries with their results
//
// One thread per config->egress.threads, one sink instance each, made with the affinity of the
// thread that calls egress_create() (the housekeeping CPUs; librdkafka's threads inherit it). A
// worker and an egress thread share two rings (one producer, one consumer each) and nothing else;
// both are sized so that they are never full: egress.batches slots for batches, and one completion
// slot per entry of every batch.
#pragma once

#include "pipelines/batch.h"
#include "pipelines/sink.h"

#include <stddef.h>
#include <stdint.h>

struct config;
struct clock;
struct bell;
struct egress;

// Main thread, after EAL is up and kafka_topics_resolve() has set the partitions, before workers
// run. `c` and `clock` must outlive it. `epoch` is the appliance epoch. -errno, and `why` tells the
// operator what to do.
int egress_create(
	const struct config *c,
	uint16_t workers,
	const struct clock *clock,
	uint64_t epoch,
	struct egress **out,
	char *why,
	size_t why_len
);

// Main thread: take what may change while running (the interval of checkpoints, polling) from this
// generation. Nothing of it is kept.
void egress_use(struct egress *e, const struct config *c);

// The worker that owns `b`, sealed: gives it to thread b->egress. Never fails, never waits.
void egress_submit(struct egress *e, struct batch *b);

// Worker `worker`: up to `max` runs that have results, from all egress threads in turn.
unsigned egress_collect(struct egress *e, uint16_t worker, struct completion *out, unsigned max);

// Worker `worker`, which has found nothing to do: threads that sleep while batches of its lie
// before them are woken. May enter the kernel.
void egress_nudge(struct egress *e, uint16_t worker);
// Are there results for it?
bool egress_ready(const struct egress *e, uint16_t worker);
// Rung when there are.
struct bell *egress_bell(struct egress *e, uint16_t worker);

// Main thread. Ask the threads to push what they have and end once nothing is in flight, at the
// latest after drain_ms; workers go on calling egress_collect() meanwhile. Returns 0, or
// -ETIMEDOUT if something stayed unacknowledged (devices will send it again).
int egress_stop(struct egress *e, unsigned drain_ms);

// Accepts NULL. After egress_stop() and after the workers have ended.
void egress_destroy(struct egress *e);

// Any thread: sum over the threads; `oldest_unacked_ns` is the maximum.
void egress_stats(const struct egress *e, struct sink_stats *out);

// Entries with their result, by topic of the configuration it was created with.
struct egress_topic {
	uint64_t delivered;
	uint64_t refused;
};
// Any thread. The number written, at most `max`.
uint32_t egress_topics(const struct egress *e, struct egress_topic *out, uint32_t max);
