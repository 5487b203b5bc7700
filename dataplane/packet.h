// SPDX-License-Identifier: Apache-2.0
// What the data plane knows about a frame beyond its bytes. Lives in the mbuf's private area, so it
// travels with the mbuf over rings. Written by the receiving worker, read by the owner.
#pragma once

#include "dataplane/flow_key.h"

#include <rte_mbuf.h>

#include <stdint.h>

struct packet {
	struct flow_key key;
	uint16_t port; // index into the worker's ports
	uint16_t interface; // index into config.interfaces
	uint16_t l3_offset; // from the start of the frame
	uint16_t l4_offset;
	uint16_t payload_offset; // of the UDP payload
	uint16_t payload_len;
	uint8_t remote_mac[6];
	uint16_t flags;
	// SipHash of the key; owner worker = owner_hash % workers; also TCP's. With one worker of
	// TCP's segments only.
	uint64_t owner_hash;
};

enum packet_flag : uint16_t {
	PACKET_LOCAL_MULTICAST = 1 << 0, // destination was multicast or broadcast
	PACKET_TAKEN_OVER = 1 << 1, // came from another worker: key and offsets are set
	PACKET_NEIGHBOUR = 1 << 2, // copy of an ARP or ND answer, for the net layer of each worker
	PACKET_ICMP_ERROR = 1 << 3, // concerns a flow of the worker it was handed to
	PACKET_TRANSMIT = 1 << 4, // on its way out through the queue of another worker
	PACKET_PUNT = 1 << 5, // on its way to the exception port, which worker 0 owns
};

#define PACKET_PRIV_SIZE RTE_ALIGN_CEIL(sizeof(struct packet), RTE_MBUF_PRIV_ALIGN)

static inline struct packet *packet_of(struct rte_mbuf *m) {
	return (struct packet *)rte_mbuf_to_priv(m);
}
