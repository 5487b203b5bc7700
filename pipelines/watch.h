// SPDX-License-Identifier: Apache-2.0
// Detectors that look at who sends, not at what: in constant memory per worker, so only the devices
// and peers that a worker hears of most are followed, which those that misbehave are.
//
//   flapping-connections  an MQTT device that sends from more than watch.connections new
//                         connections in a minute
//   cloned-identity       a device that is heard of from two addresses in turn, A B A B, within a
//                         minute: two places, not one that moved
//   rate                  a device that sends watch.rate_factor times as much in 10 s as it used to
//   port-scan             a peer that tries watch.ports ports nobody listens on within a minute
//   ban-declined          a peer that a signature wanted banned, with more good devices behind it
//                         than match.ban_devices_max
//
// An alert is raised once, and cleared when its reason has not been seen for watch.quiet, which is
// no shorter than the minute that is counted: what raised it has been forgotten by then. One that
// finds no room in the batches is tried again every second for so long. Thread: the worker's own.
#pragma once

#include "parsers/payload.h"
#include "pipelines/record.h"

#include <stdbool.h>
#include <stdint.h>

struct item;
struct pipeline;
struct pipeline_peer;

#define WATCH_ENTRIES 4096 // devices and peers followed per worker
#define WATCH_WAYS 4
#define WATCH_RAISED 256 // alerts raised at once per worker
#define WATCH_MINUTE_S 60
#define WATCH_WINDOW_S 10
#define WATCH_WARMUP 6 // windows before `rate` means anything

// A device or a peer.
struct watched {
	uint64_t key; // 0: free
	uint32_t seen_s;
	uint32_t window; // number of the 10 s window that `count` is of
	uint32_t count;
	float mean; // of the windows before
	uint64_t ports; // 64 classes of port numbers: bit per class tried
	uint32_t minute_s; // when `connections` and `turns` and `ports` began
	uint32_t peer, peer_before; // hashes of addresses
	uint16_t port; // of the last connection
	uint8_t windows;
	uint8_t connections;
	uint8_t turns; // back to the address before
	uint8_t raised; // alerts that are
};

struct watch_raised {
	uint8_t kind; // enum watch_kind + 1; 0: free
	bool told; // else there was no room yet
	enum transport transport;
	uint8_t device_len, peer_len;
	uint16_t realm;
	uint32_t entry;
	uint32_t last_s; // when its reason was last seen
	uint32_t signature; // WATCH_BAN, else 0
	uint64_t count; // when it was first seen
	int64_t wall_ns; // the same
	uint8_t device[DEVICE_ID_MAX];
	uint8_t peer[16];
};

struct watch {
	struct watched *entries; // owned
	struct watch_raised *raised; // owned
	uint32_t raised_count;
	uint32_t sweep_s;
	uint64_t secret;
};

int watch_init(struct watch *w, uint64_t secret); // 0 or -ENOMEM
void watch_fini(struct watch *w);

// Every message that goes on after dedup, when it arrives: also what validate refuses, or sends
// waiting in the late lane.
void watch_burst(struct pipeline *p, uint16_t from, uint16_t to);
// A packet for a port nobody listens on.
void watch_port(struct pipeline *p, const struct pipeline_peer *peer, uint16_t port);
// A ban of that peer was declined: of `signature`, because of so many devices behind it.
void watch_ban(
	struct pipeline *p,
	const struct pipeline_peer *peer,
	uint32_t signature,
	uint32_t devices
);
// Clear what is over. Returns when to look again, UINT64_MAX: nothing is raised.
uint64_t watch_poll(struct pipeline *p);
