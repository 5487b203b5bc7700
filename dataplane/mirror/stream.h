// SPDX-License-Identifier: Apache-2.0
// One direction of TCP connections, put together by somebody who only listens.
//
// A stream begins with its SYN, or in its middle where `pick_up` accepts a segment's bytes. Bytes
// are shown once and in order; of bytes that come twice the first copy counts. A hole that is not
// filled within gap_ns, or behind which more is held than the limits allow, is a gap: it is counted
// and the stream is not followed again until its next SYN.
// Pure: no clock, no DPDK. All memory is reserved by create. Thread: one at a time, the worker's.
#pragma once

#include "dataplane/flow_key.h"
#include "dataplane/mirror/counters.h"
#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

struct mirror_streams;

#define MIRROR_CHUNK_BYTES 1024
#define MIRROR_AHEAD_MAX (1u << 24) // bytes past a hole that still belong to the same stream

struct mirror_limits {
	uint32_t streams;
	uint32_t chunks; // out-of-order bytes of all streams, in MIRROR_CHUNK_BYTES
	uint16_t chunks_per_stream;
	uint64_t gap_ns;
	uint64_t secret[2]; // SipHash key
};

// `stream` is an index below limits.streams, its holder's until end().
struct mirror_stream_env {
	void *owner;
	bool (*pick_up)(void *owner, struct view bytes);
	void (*begin)(void *owner, uint32_t stream, bool picked_up);
	// The bytes live as long as the call. False: leave this stream alone until its next SYN.
	bool (*bytes)(void *owner, uint32_t stream, const struct flow_key *key, struct view bytes);
	void (*end)(void *owner, uint32_t stream);
	struct mirror_stats *stats;
};

// 0, -EINVAL or -ENOMEM.
int mirror_streams_create(
	const struct mirror_limits *limits,
	const struct mirror_stream_env *env,
	struct mirror_streams **out
);
void mirror_streams_destroy(struct mirror_streams *t); // accepts NULL; calls no end()

// `tcp` begins with the TCP header; the checksum has been judged. key->remote is the sender.
void mirror_streams_input(
	struct mirror_streams *t,
	const struct flow_key *key,
	struct view tcp,
	uint64_t now_ns
);

uint32_t mirror_streams_held(const struct mirror_streams *t); // chunks in use
