// SPDX-License-Identifier: Apache-2.0
// Between the network and the protocols: which listener a packet belongs to, and which adapter
// speaks it. One per worker; that worker's thread.
#pragma once

#include "dataplane/net/net.h"
#include "pipelines/pipeline.h"

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct adapters;
struct blocks;
struct coap_stats;
struct flow_desk;
struct device_states;
struct frame_devices;
struct frame_stats;
struct letter_lane;
struct listener_table;
struct mirror_stats;
struct mqtt_adapter;
struct mqtt_shared;
struct settings;
struct why_box;
struct worker;

// Shared by all workers, outlives them.
struct adapters_shared {
	const struct listener_table *listeners;
	struct frame_devices *frame_devices; // NULL without protected frames
	struct mqtt_shared *mqtt; // NULL without MQTT listeners
	uint64_t secret[2]; // SipHash key of this start
	uint64_t identity[2]; // SipHash key that names records, from the state directory
	uint64_t appliance_epoch;
	struct signatures *signatures; // what to look for; NULL: nothing
	struct blocks *blocks; // who may not; NULL in a replay
	struct flow_desk **desks; // one per worker; NULL in a replay
	struct gate **gates; // one per worker: who may send
	struct why_box *why; // one per worker; NULL in a replay
	struct letter_lane
		*letters; // dead letters that go through again, worker 0; NULL in a replay
	struct device_states *states; // NULL: nothing is remembered of devices
};

int adapters_create(struct worker *w, const struct adapters_shared *shared, struct adapters **out);
void adapters_destroy(struct adapters *a); // accepts NULL
// Between bursts: another configuration generation.
void adapters_use(struct adapters *a, const struct settings *s);
// Fills the verdict callbacks of the pipeline that this worker is about to create.
void adapters_env(struct adapters *a, struct pipeline_env *env);

// L4 packets for this worker: takes ownership of all of them. Messages go to the pipeline, which
// is run before the packets are freed. Counts each frame as consumed, handed over, or dropped with
// its reason.
void adapters_input(
	struct adapters *a,
	struct rte_mbuf **packets,
	unsigned count,
	uint64_t now_ns,
	int64_t wall_ns
);
// Timers of all protocols; returns when the next is due, UINT64_MAX if none.
uint64_t adapters_poll(struct adapters *a, uint64_t now_ns);
// Somebody asks about flows, or live connections have to be looked at again: poll.
bool adapters_wanted(const struct adapters *a);
// Nothing waits for an answer any more. With `leaving` connections are ended as well.
// An answer that has been sent waits for nothing here, whether or not its client acknowledges it.
bool adapters_idle(struct adapters *a, bool leaving);
// What is left, to be told; looks at every MQTT message.
struct worker_rest;
void adapters_rest(const struct adapters *a, struct worker_rest *out);

// Counters beyond the ledger, owned by the adapters; NULL if the protocol is not configured.
const struct coap_stats *adapters_coap_stats(const struct adapters *a);
struct mqtt_adapter *adapters_mqtt(struct adapters *a);
const struct mirror_stats *adapters_mirror_stats(const struct adapters *a);
const struct frame_stats *adapters_frame_stats(const struct adapters *a);
