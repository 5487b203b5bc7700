// SPDX-License-Identifier: Apache-2.0
// What the mirror counts beside the ledgers.
#pragma once

#include <stdint.h>

#define MIRROR_COUNTERS(X)                                                                         \
	X(MIRROR_STREAMS, "streams-from-syn")                                                      \
	X(MIRROR_PICKED_UP, "streams-picked-up")                                                   \
	X(MIRROR_NOT_PICKED_UP, "segments-of-unknown-streams")                                     \
	X(MIRROR_AFTER_END, "segments-after-end")                                                  \
	X(MIRROR_BYTES, "bytes-in-order")                                                          \
	X(MIRROR_BYTES_AGAIN, "bytes-seen-before")                                                 \
	X(MIRROR_REORDERED, "segments-held")                                                       \
	X(MIRROR_GAPS, "gaps")                                                                     \
	X(MIRROR_CLOSED, "streams-closed")                                                         \
	X(MIRROR_EVICTED, "streams-evicted")                                                       \
	X(MIRROR_SEGMENT_BAD, "segments-malformed")                                                \
	X(MIRROR_CONNECTS, "mqtt-connects")                                                        \
	X(MIRROR_PUBLISHES, "mqtt-publishes")                                                      \
	X(MIRROR_NOT_MQTT, "mqtt-undecodable")                                                     \
	X(MIRROR_ALIAS_UNKNOWN, "mqtt-alias-unknown")                                              \
	X(MIRROR_NO_MEMORY, "mqtt-no-memory")

enum mirror_counter : uint8_t {
#define X(id, label) id,
	MIRROR_COUNTERS(X)
#undef X
		MIRROR_COUNTER_COUNT
};

struct mirror_stats {
	uint64_t count[MIRROR_COUNTER_COUNT];
};

static inline const char *mirror_counter_label(enum mirror_counter c) {
	static const char *const labels[] = {
#define X(id, label) label,
		MIRROR_COUNTERS(X)
#undef X
	};

	return c < MIRROR_COUNTER_COUNT ? labels[c] : "unknown";
}
