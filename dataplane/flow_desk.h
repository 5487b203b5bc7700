// SPDX-License-Identifier: Apache-2.0
// A worker's answers about its flows, and what it does to them: one desk per worker.
//
//   main thread   flow_desk_ask() --> query            flow_desk_take() <-- ring of answers
//   worker        flow_desk_turn(): looks at FLOW_DESK_LOOKS flows, copies those that fit, and
//   comes
//                 again next turn; nothing waits for it, and a full ring makes it wait
//
// Flows are the MQTT sessions with a connection, and for the other transports the entries of the
// flow book. Connections that a query wants dropped are ended on the way.
//
// Whenever a device loses its standing (device_table_standing) or something is blocked
// (blocks_generation), the desk looks at every live session again and ends those that may not go
// on: a million of them in well under a second, in slices.
#pragma once

#include "controlplane/api/channel.h"
#include "dataplane/flow_key.h"
#include "dataplane/gate.h"

#include <stdbool.h>
#include <stdint.h>

struct flow_desk;
struct mqtt_server;

#define FLOW_DESK_LOOKS 64 // flows looked at per turn
#define FLOW_DESK_RING 256

enum flow_desk_kind : uint8_t { FLOW_DESK_LIST, FLOW_DESK_DROP };

struct flow_desk_query {
	enum flow_desk_kind kind;
	struct channel_flow_query filter; // its limit bounds a list
	uint64_t from; // place to go on at, 0: the beginning
};

// `sessions` are the slots of the worker's mqtt_server, 0 without MQTT. The gate outlives the desk.
int flow_desk_create(struct gate *g, uint32_t sessions, struct flow_desk **out); // 0 or -ENOMEM
void flow_desk_destroy(struct flow_desk *d); // accepts NULL

// --- worker

// The worker's sessions and how to find a connection's addresses; mqtt NULL without MQTT.
struct flow_desk_line {
	struct mqtt_server *mqtt;
	bool (*key)(void *owner, uint32_t conn, struct flow_key *out);
	void *owner;
};

bool flow_desk_wanted(const struct flow_desk *d); // a query, or something to look at again
// A slice of what is to do; true if there is more. Between bursts only.
bool flow_desk_turn(struct flow_desk *d, const struct flow_desk_line *line, int64_t wall_ns);

enum flow_desk_rc : uint8_t {
	FLOW_DESK_OK,
	FLOW_DESK_NOT_ACTIVE,
	FLOW_DESK_BLOCKED,
	FLOW_DESK_CONNECTIONS,
};

// May `device` be connected over `session` (an index below `sessions`)? With `entering` it counts
// until flow_desk_left(). Refusals are noted in the device's record.
enum flow_desk_rc flow_desk_admit(
	struct flow_desk *d,
	uint32_t session,
	struct view device,
	const struct flow_key *key,
	int64_t wall_ns,
	bool entering
);
void flow_desk_left(struct flow_desk *d, uint32_t session, int64_t wall_ns);

// --- main thread; one query at a time

void flow_desk_ask(struct flow_desk *d, const struct flow_desk_query *q);
// Answers so far, at most max; *done when none will follow, with how many flows fitted in *hits.
// The cursor of the last answer goes on behind it.
uint32_t flow_desk_take(
	struct flow_desk *d,
	struct channel_flow *out,
	uint32_t max,
	bool *done,
	uint64_t *hits
);
void flow_desk_cancel(struct flow_desk *d); // answers that are under way are thrown away

// The standing that every live session has been measured against.
uint32_t flow_desk_checked(const struct flow_desk *d);
