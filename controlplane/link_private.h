// SPDX-License-Identifier: Apache-2.0
// What the files of the link share: link.c has the connection, link_sync.c brings the peer up to
// date, link_ask.c waits for answers. Main thread.
#pragma once

#include "controlplane/link.h"

#define LINK_MESSAGES_PER_TURN 64 // so that a million devices do not keep the API waiting

enum sync_phase {
	SYNC_IDLE,
	SYNC_CLAIMS,
	SYNC_LABELS,
	SYNC_DEVICES,
	SYNC_REMOVED,
	SYNC_CREDENTIALS,
	SYNC_END
};

struct link {
	struct registry *registry;
	char path[108];
	int listener;
	int peer;
	bool greeted;
	bool blocked; // the socket was full
	struct link_state state;
	uint64_t seq;
	// what is being sent
	enum sync_phase phase;
	bool first;
	bool blocks_due; // the whole set of blocks has to be sent
	int64_t blocks_cursor;
	uint64_t since;
	uint64_t target;
	uint64_t sent; // version the peer has been brought to
	int64_t cursor;
	// what a caller waits for
	uint64_t ack_seq;
	bool acked;
	struct channel_ack ack;
	// the configuration to be in force
	struct channel_generation configuration; // number 0: none yet
	uint64_t configuration_seq; // of its last announcement
	uint64_t flows_seq;
	struct channel_flow *flows;
	uint32_t flow_count, flow_max;
	uint64_t flow_cursor;
	bool flows_done;
	struct link_question *questions; // borrowed: put, and not answered
	// reports
	struct channel_counter counters[LINK_COUNTERS_MAX];
	uint32_t counter_count;
	uint32_t counter_filling;
	struct channel_event events[LINK_EVENTS_KEPT];
	uint64_t event_count;
	_Alignas(8) uint8_t out[CHANNEL_MESSAGE_MAX];
	_Alignas(8) uint8_t in[CHANNEL_MESSAGE_MAX];
};

void link_peer_close(struct link *l);

// Where the elements of the next message are written.
static inline void *link_element(struct link *l) {
	return l->out + sizeof(struct channel_header);
}

// 0, -EAGAIN if the socket is full, or -ENOTCONN after closing it.
int link_send(struct link *l, enum channel_type type, uint16_t count, uint16_t flags, uint64_t v);
