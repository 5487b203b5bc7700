// SPDX-License-Identifier: Apache-2.0
// The account of what the data plane reserves, part by part: status.json, metrics and the text that
// SIGUSR1 prints list it. Parts that grow with the number of connections say what one costs; an
// idle MQTT connection is the sum of those, and is at most MEMORY_IDLE_MAX bytes.
#pragma once

#include <stdint.h>

#define MEMORY_IDLE_MAX 320

// How a part grows:
//   per connection, per session   one item for each, whether anything happens or not
//   when busy                     an item while something is in flight, half received or kept
//   fixed                         the same for one connection and for a million
#define MEMORY_SCALES(X)                                                                           \
	X(MEMORY_PER_CONNECTION, "connection")                                                     \
	X(MEMORY_PER_SESSION, "session")                                                           \
	X(MEMORY_WHEN_BUSY, "busy")                                                                \
	X(MEMORY_FIXED, "fixed")

enum memory_scale : uint8_t {
#define X(id, label) id,
	MEMORY_SCALES(X)
#undef X
};

// clang-format off
#define MEMORY_PARTS(X)                                                                            \
	X(MEMORY_TCP_BLOCKS, "tcp-control-blocks", MEMORY_PER_CONNECTION)                          \
	X(MEMORY_TCP_FLOWS, "tcp-flow-table", MEMORY_PER_CONNECTION)                               \
	X(MEMORY_TCP_BURST, "tcp-burst-ring", MEMORY_PER_CONNECTION)                               \
	X(MEMORY_MQTT_SESSIONS, "mqtt-sessions", MEMORY_PER_SESSION)                               \
	X(MEMORY_MQTT_DEADLINES, "mqtt-deadlines", MEMORY_PER_SESSION)                             \
	X(MEMORY_MQTT_CLIENT_IDS, "mqtt-client-ids", MEMORY_PER_SESSION)                           \
	X(MEMORY_MQTT_DIRECTORY, "mqtt-directory", MEMORY_PER_SESSION)                             \
	X(MEMORY_TCP_BUFFERS, "tcp-buffers", MEMORY_WHEN_BUSY)                                     \
	X(MEMORY_TCP_TIME_WAIT, "tcp-time-wait", MEMORY_WHEN_BUSY)                                 \
	X(MEMORY_TCP_SOURCES, "tcp-sources", MEMORY_WHEN_BUSY)                                     \
	X(MEMORY_MQTT_BUSY, "mqtt-busy", MEMORY_WHEN_BUSY)                                         \
	X(MEMORY_MQTT_MESSAGES, "mqtt-messages", MEMORY_WHEN_BUSY)                                 \
	X(MEMORY_MQTT_ALIASES, "mqtt-aliases", MEMORY_WHEN_BUSY)                                   \
	X(MEMORY_MQTT_TOPICS, "mqtt-alias-topics", MEMORY_WHEN_BUSY)                               \
	X(MEMORY_MQTT_POOL, "mqtt-pool", MEMORY_WHEN_BUSY)                                         \
	X(MEMORY_MQTT_WILLS, "mqtt-wills", MEMORY_WHEN_BUSY)                                       \
	X(MEMORY_MQTT_REST, "mqtt-rest", MEMORY_FIXED)                                             \
	X(MEMORY_TCP_REST, "tcp-rest", MEMORY_FIXED)                                               \
	X(MEMORY_DPDK, "dpdk", MEMORY_FIXED)                                                       \
	X(MEMORY_DEVICES, "device-table", MEMORY_FIXED)                                            \
	X(MEMORY_STATES, "device-states", MEMORY_FIXED)
// clang-format on

enum memory_part : uint8_t {
#define X(id, label, scale) id,
	MEMORY_PARTS(X)
#undef X
		MEMORY_PART_COUNT
};

// One part: `reserved` bytes for `capacity` items, of which `used` are taken. A part without items
// counts bytes.
struct memory_use {
	uint64_t reserved;
	uint64_t capacity;
	uint64_t used;
};

struct memory_account {
	struct memory_use part[MEMORY_PART_COUNT];
};

const char *memory_part_label(enum memory_part p);
enum memory_scale memory_part_scale(enum memory_part p);
const char *memory_scale_label(enum memory_scale s);

// Bytes behind the items in use.
uint64_t memory_used(const struct memory_use *u);

void memory_add(struct memory_account *sum, const struct memory_account *a);
uint64_t memory_reserved(const struct memory_account *a); // all parts

// What one connection with nothing in flight costs, rounded up: its share of every part that scales
// with connections or sessions. 0 if there are none.
uint32_t memory_idle_bytes(const struct memory_account *a);
