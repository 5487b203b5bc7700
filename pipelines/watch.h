// SPDX-License-Identifier: Apache-2.0
// Detectors that look at who sends, not at what: in constant memory per worker, so only the devices
// and peers that a worker hears of most are followed, which those that misbehave are.
//
//   flapping-connections  an MQTT device that sends from more than WATCH_CONNECTIONS new
//   connections in
//                         a minute
//   cloned-identity       a device that is heard of from two addresses in turn, A B A B, within a
//                         minute: two places, not one that moved
//   rate                  a device that sends WATCH_RATE_FACTOR times as much in 10 s as it used to
//   port-scan             a peer that tries WATCH_PORTS ports nobody listens on within a minute
//
// An alert is raised once, and cleared when its reason has not been seen for a minute. One that
// finds no room, here or in the batches, is tried again while the reason lasts. Thread: the
// worker's own.
#pragma once

#include "parsers/payload.h"
#include "pipelines/record.h"

#include <stdbool.h>
#include <stdint.h>

struct item;
struct pipeline;

#define WATCH_CONNECTIONS 10 // more in a minute are flapping
#define WATCH_RATE_FACTOR 10
#define WATCH_PORTS 16 // of 64 classes of port numbers
#define WATCH_ENTRIES 4096 // devices and peers followed per worker
#define WATCH_WAYS 4
#define WATCH_RAISED 256 // alerts raised at once per worker
#define WATCH_QUIET_S 60
#define WATCH_WINDOW_S 10
#define WATCH_WARMUP 6 // windows before `rate` means anything
#define WATCH_RATE_MIN 50 // messages in a window below which no rate is remarkable

// A device or a peer.
struct watched {
	uint64_t key; // 0: free
	uint32_t seen_s;
	uint32_t window; // number of the 10 s window that `count` is of
	uint32_t count;
	float mean; // of the windows before
	uint64_t ports; // bit per hash of a port tried
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
	enum transport transport;
	uint8_t device_len, peer_len;
	uint16_t realm;
	uint32_t entry;
	uint32_t last_s; // when its reason was last seen
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

// Every message that goes on after dedup.
void watch_burst(struct pipeline *p, uint16_t from, uint16_t to);
// A packet for a port nobody listens on.
void watch_port(
	struct pipeline *p,
	struct view peer,
	uint16_t realm,
	uint16_t port,
	int64_t wall_ns
);
// Clear what is over.
void watch_poll(struct pipeline *p);
