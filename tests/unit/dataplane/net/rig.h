// SPDX-License-Identifier: Apache-2.0
// A net layer with real mbufs from a tiny pool and nothing around it: frames go in as bytes, and
// what was transmitted, punted and handed over lies in lists.
#pragma once

#include "config/config.h"
#include "dataplane/net/net.h"
#include "pipelines/ledger.h"

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RIG_LIST_MAX 256
#define RIG_POOL 511
#define RIG_FRAME_MAX 2048
#define SECOND 1000000000ull

struct rig_list {
	struct rte_mbuf *frames[RIG_LIST_MAX];
	uint16_t to[RIG_LIST_MAX]; // port or worker
	uint32_t count;
};

struct rig {
	struct config config;
	struct config_interface interfaces[4];
	struct ip_prefix addresses[4][4];
	struct config_listener listeners[1];
	struct ip_prefix groups[2];
	struct net_port ports[2];
	struct ledger_frames frames;
	struct net *net;
	struct rig_list sent, punted, handed, delivered;
	uint64_t now_ns;
};

// Port 0: endpoint with interfaces
//   0: untagged, realm 0: 10.77.0.1/24, fd77::1/64, gateway 10.77.0.254
//   1: VLAN 7, realm 7: 10.77.0.1/24, fd77::1/64
//   2: VLAN 8, realm 8: 10.77.0.1/24
// Port 1: mirror, interface 3: untagged, realm 0.
// Groups of realm 0: 224.0.1.187, ff02::fd.
extern const uint8_t rig_mac[6]; // of port 0
extern const uint8_t device_mac[6];

int rig_eal(const char *prefix); // once per program
struct rig *rig_new(uint16_t worker, uint16_t workers); // configured, not created
void rig_start(struct rig *r); // net_create
// Disposes of everything; fails if an mbuf is missing or the ledger does not balance.
void rig_end(struct rig *r);
void rig_clear(struct rig *r); // empty the lists
struct rte_mempool *rig_pool(void);

// A frame under construction.
struct frame {
	uint8_t bytes[10000];
	uint32_t len;
};

struct frame eth(const uint8_t *to, const uint8_t *from, uint16_t vlan, uint16_t type);
void add(struct frame *f, const void *bytes, uint32_t len);
void add16(struct frame *f, uint16_t v);
void add32(struct frame *f, uint32_t v);
struct frame arp(uint16_t vlan, uint16_t op, const char *sender, const char *target);
// Whole UDP datagrams with right lengths and checksums.
struct frame
udp(uint16_t vlan,
    const char *from,
    uint16_t from_port,
    const char *to,
    uint16_t to_port,
    const void *payload,
    uint32_t len);
// An IP packet around any transport bytes; for ICMP (1, 58) and UDP the checksum is filled in.
struct frame
ip(uint16_t vlan, const char *from, const char *to, uint8_t protocol, const void *l4, uint32_t len);
// Where the network header starts.
uint32_t l3_of(const struct frame *f);
// Make checksums of the (first) IPv4 header right again after an edit.
void ip4_reseal(struct frame *f);
uint16_t sum16(const void *bytes, uint32_t len, uint32_t start);

struct rte_mbuf *rig_mbuf(const struct frame *f);
// Give one frame to net_input(). Returns what was delivered (0 or 1, kept in r->delivered).
unsigned rig_in(struct rig *r, uint16_t port, const struct frame *f);
unsigned rig_in_mbuf(struct rig *r, uint16_t port, struct rte_mbuf *m);
struct frame rig_bytes(const struct rte_mbuf *m);
uint64_t rig_dropped(const struct rig *r); // all reasons

// Give a frame that must be dropped for this reason and no other, without a word.
void expect_drop(struct rig *r, const char *name, const struct frame *f, enum drop_reason why);
// The last frame sent.
struct frame rig_last(const struct rig *r);
// Cut the IP packet in `f` into fragments of `size` payload bytes (a multiple of 8). Returns how
// many; at most `max`.
unsigned cut(const struct frame *f, uint32_t size, uint16_t id, struct frame *out, unsigned max);

// Independent of the code under test: every length and checksum of a frame we sent, TTL, DF, and
// that IPv6 packets above 1280 bytes exist only where the MTU allows. Fails the test if wrong.
void check_frame(const struct frame *f, uint32_t mtu);
void check_all(const struct rig *r);
