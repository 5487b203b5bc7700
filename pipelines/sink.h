// SPDX-License-Identifier: Apache-2.0
// Where sealed batches go. One sink instance per egress thread; every call on that thread unless
// said otherwise.
//
// A sink takes a sealed batch, assigns `ledger_seq` to its records in order (per topic and
// partition, gap-free within the appliance epoch), patches it into the fixed-width place, and
// later reports each entry's own result. Order per partition is the order of submission.
#pragma once

#include "pipelines/batch.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct sink;

// A run of finished entries, as reported by sink_poll. The result is in each entry.
struct sink_done {
	struct batch *batch;
	uint16_t first;
	uint16_t count;
};

struct sink_stats {
	uint64_t submitted; // entries, derived ones included
	uint64_t acknowledged;
	uint64_t messages; // Kafka messages they shared
	uint64_t refused;
	uint64_t bytes;
	uint64_t checkpoints_made;
	uint64_t checkpoints_delivered;
	uint64_t in_flight; // gauge
	uint64_t oldest_unacked_ns; // gauge: age of the oldest entry without a result
	uint64_t errors; // transient errors seen (broker down, time-outs)
};

// What a sink needs from whoever runs it; lives as long as the sink.
struct sink_env {
	const struct config *config; // topics[].partitions resolved
	uint16_t egress; // index of the egress thread
	uint64_t epoch; // appliance epoch
	// Wall clock = now_ns + *wall_offset_ns, of quality *clock_quality (enum clock_quality).
	const _Atomic(int64_t) *wall_offset_ns;
	const _Atomic(uint8_t) *clock_quality;
	// Interval of checkpoints in force now; NULL: config->egress.checkpoint_ms. 0 if and only
	// if that is 0.
	const _Atomic(uint32_t) *checkpoint_ms;
};

struct sink_ops {
	const char *name; // "kafka", "file", "discard"
	// Any thread, before the egress thread runs. -errno, `why` tells the operator what to do.
	int (*create)(const struct sink_env *env, struct sink **out, char *why, size_t len);
	// Accepts NULL. Undelivered entries get no result; they stay unacknowledged.
	void (*destroy)(struct sink *s);
	// 0: the sink has the batch and will report each entry. -EAGAIN: full, offer it again
	// later, in the same order.
	int (*submit)(struct sink *s, struct batch *b, uint64_t now_ns);
	// Collect results, waiting at most timeout_us for one. Returns how many runs were written
	// to done[0..max).
	unsigned (*poll)(
		struct sink *s,
		uint64_t now_ns,
		unsigned timeout_us,
		struct sink_done *done,
		unsigned max
	);
	// Push what is buffered; part of the bounded drain at shutdown.
	void (*flush)(struct sink *s, unsigned timeout_ms);
	void (*stats)(const struct sink *s, struct sink_stats *out); // any thread
};

extern const struct sink_ops sink_kafka_ops;
extern const struct sink_ops sink_file_ops;
extern const struct sink_ops sink_discard_ops;
