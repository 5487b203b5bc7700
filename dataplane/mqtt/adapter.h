// SPDX-License-Identifier: Apache-2.0
// MQTT over TCP on one worker: joins tcp/, mqtt_server and the pipeline.
//
//   mqtt_adapter_begin()    a burst
//   mqtt_adapter_segment()  x n: TCP segments, in the order received
//   mqtt_adapter_input()    processes them; messages are pushed
//   pipeline_run()          the caller's; then the mbufs may be freed
//   mqtt_adapter_end()      replies leave
//   mqtt_adapter_poll()     timers, letters, answers; runs the pipeline if it has to
// Thread: the worker's.
#pragma once

#include "config/config.h"
#include "dataplane/mqtt/server.h"
#include "dataplane/net/net.h"
#include "pipelines/pipeline.h"

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

struct flow_desk;
struct mqtt_adapter;
struct mqtt_live;
struct mqtt_places;
struct mqtt_shared;
struct tcp_stats;

struct mqtt_adapter_env {
	const struct config *config;
	struct mqtt_shared *shared;
	uint16_t worker;
	uint16_t workers;
	struct net *net;
	struct rte_mempool *pool;
	uint8_t *linear; // 64 KiB for a segment that lies in several buffers
	struct ledger_messages *ledger;
	uint64_t secret[2];
	uint64_t identity[2];
	uint64_t appliance_epoch;
	uint64_t now_ns;
	struct pipeline *const *pipeline; // set before the first burst
	struct flow_desk *desk; // who may be connected, and lists; NULL: anybody, none
};

int mqtt_adapter_create(const struct mqtt_adapter_env *env, struct mqtt_adapter **out);
void mqtt_adapter_destroy(struct mqtt_adapter *a); // accepts NULL

// Between bursts: another configuration generation. `places` outlives its use; live->credentials
// and live->remembered are as mqtt_use() says.
void mqtt_adapter_use(
	struct mqtt_adapter *a,
	const struct config *c,
	const struct mqtt_places *places,
	struct mqtt_live *live
);

void mqtt_adapter_begin(struct mqtt_adapter *a, uint64_t now_ns, int64_t wall_ns);
// Borrows `m` until the next mqtt_adapter_end().
void mqtt_adapter_segment(struct mqtt_adapter *a, struct rte_mbuf *m);
void mqtt_adapter_input(struct mqtt_adapter *a);
void mqtt_adapter_end(struct mqtt_adapter *a);
uint64_t mqtt_adapter_poll(struct mqtt_adapter *a, uint64_t now_ns, int64_t wall_ns);

// A signature says so: mqtt_cut().
void mqtt_adapter_cut(struct mqtt_adapter *a, uint32_t session, uint64_t epoch);
void mqtt_adapter_done(void *adapter, uint32_t token, const struct verdict *v);
// No message waits for an answer. With `leaving` connections are then ended as well, in slices.
bool mqtt_adapter_idle(struct mqtt_adapter *a, bool leaving);
uint32_t mqtt_adapter_unsettled(const struct mqtt_adapter *a); // messages that do

const struct mqtt_stats *mqtt_adapter_stats(struct mqtt_adapter *a);
void mqtt_adapter_memory(const struct mqtt_adapter *a, struct memory_account *out); // its parts
void mqtt_adapter_tcp_stats(const struct mqtt_adapter *a, struct tcp_stats *out);
