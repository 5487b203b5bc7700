// SPDX-License-Identifier: Apache-2.0
// A small TCP client of its own making, against which the stack is tested over the virtual link.
// Shares no code with dataplane/tcp/. Simple on purpose: fixed congestion window, go-back-N after a
// timeout, one resend after three dup ACKs, every received byte checked against a pattern.
#pragma once

#include "dataplane/flow_key.h"

#include <stdbool.h>
#include <stdint.h>

#define REF_BUFFER 65536u

enum ref_state : uint8_t { REF_IDLE, REF_SYN_SENT, REF_OPEN, REF_DONE, REF_RESET };

struct ref_client {
	// what it is like
	struct flow_key key; // as the server sees it: remote is this client
	bool ts, sack, scale, lazy_ack, bare_probes;
	uint8_t shift;
	uint16_t mss;
	uint32_t buffer; // receive buffer, at most REF_BUFFER
	uint32_t salt; // of the byte patterns

	// what it shall do
	uint64_t limit; // bytes it may send by now
	bool fin_wanted; // after them
	bool reading; // false: the window closes

	// what happened
	enum ref_state state;
	uint64_t received;
	bool fin_received;
	const char *broken; // a byte or a segment that must not be

	uint32_t iss, una, nxt, high, peer_wnd;
	uint8_t peer_shift;
	bool ts_on, sack_on, fin_sent;
	unsigned dupacks;
	uint32_t irs, rcv_nxt, unread, adv;
	uint32_t ts_recent, ts_offset;
	uint32_t backoff;
	uint64_t rtx_at, ack_at; // 0 = off
	uint32_t last_block; // start of the newest early bytes
	uint8_t early[REF_BUFFER / 8]; // bitmap by sequence number modulo REF_BUFFER
	uint64_t now;
	void *owner;
	void (*send)(void *owner, struct ref_client *c, const uint8_t *bytes, uint32_t len);
};

uint8_t ref_byte_up(uint32_t salt, uint64_t i); // client to server
uint8_t ref_byte_down(uint32_t salt, uint64_t i);

void ref_connect(struct ref_client *c, uint32_t iss, uint64_t now);
void ref_input(struct ref_client *c, const uint8_t *bytes, uint32_t len, uint64_t now);
void ref_timer(struct ref_client *c, uint64_t now);
uint64_t ref_due(const struct ref_client *c); // UINT64_MAX = never
void ref_kick(struct ref_client *c, uint64_t now); // limit, fin_wanted or reading changed
void ref_abort(struct ref_client *c, uint64_t now);
