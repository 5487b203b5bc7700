// SPDX-License-Identifier: Apache-2.0
// A port: the queues of one or several ethdevs that carry the same addresses (AF_XDP needs one vdev
// per queue), and its exception twin. Main thread before workers start; afterwards workers read the
// [fixed] fields and touch only their own queues.
#pragma once

#include "config/config.h"
#include "dataplane/net/net.h"

#include <rte_mempool.h>

#include <stddef.h>
#include <stdint.h>

#define PORT_QUEUES_MAX 32
#define PORT_XDP_HEADROOM 256 // the kernel's own, in front of a frame of AF_XDP
#define PORT_LINK_BYTES 18 // Ethernet header with a tag

struct port_queue {
	uint16_t ethdev;
	uint16_t queue;
	int fd; // readable when a frame is there; -1: the device has none
};

// [fixed] after port_open()
struct port {
	struct net_port net; // what the net layer needs to know
	const struct config_port *config;
	// Receive: queue i is polled by worker i % workers. Transmit: worker w owns queue w if
	// there are enough, else it hands its frames to worker w % queue_count.
	struct port_queue queues[PORT_QUEUES_MAX];
	uint16_t queue_count;
	uint16_t exception_ethdev; // the TAP twin; UINT16_MAX = none. Polled by worker 0.
	uint8_t rss_key[52];
	uint16_t reta[1024];
	uint16_t ethdevs[CONFIG_PORT_DEVICES_MAX];
	uint16_t ethdev_count;
};

// Counters of the PMD itself: "lost before us". Accumulated positive differences, because some PMDs
// reset them. Main thread.
struct port_lost {
	uint64_t missed; // imissed
	uint64_t no_mbuf; // rx_nombuf
	uint64_t errors; // ierrors
	uint64_t last[3];
};

// Before EAL makes the devices: interfaces that AF_XDP is about to use lose an XDP program that an
// earlier run left behind. -errno and a sentence in `why`.
int ports_prepare(const struct config *c, char *why, size_t why_len);

// Configure and start every device of configured port `index`. `pools[w]` receives for worker w.
// 0, or -errno and a sentence in `why`.
int port_open(
	const struct config *c,
	uint16_t index,
	struct rte_mempool *const *pools,
	struct port *out,
	char *why,
	size_t why_len
);
// Stops and closes the devices, the exception twin included. Accepts a half-open port.
void port_close(struct port *p);
void port_lost_update(const struct port *p, struct port_lost *lost);
