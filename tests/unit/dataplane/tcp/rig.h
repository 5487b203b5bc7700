// SPDX-License-Identifier: Apache-2.0
// A TCP stack on a bench: segments are written and read by this file's own code (nothing of
// dataplane/tcp/tcp_segment.c), an app that checks every byte, and step tables that say what goes
// in and what must come out. Sequence numbers in tables are relative to both ends' ISN.
#pragma once

#include "dataplane/tcp/tcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { F = 1, S = 2, R = 4, P = 8, A = 16, U = 32 };

enum op : uint8_t {
	OP_END,
	OP_IN, // segment from the peer
	OP_OUT, // segment that must have been sent, in order
	OP_NONE, // nothing more was sent
	OP_WAIT, // time passes, timers run
	OP_SEND, // the app sends len bytes
	OP_CLOSE,
	OP_SHUTDOWN,
	OP_ABORT,
	OP_PAUSE,
	OP_RESUME,
	OP_AUTH,
	OP_EAT, // from now on the app consumes at most len bytes per call
	OP_GOT, // bytes delivered so far
	OP_EVENT, // events so far, since the last such step
	OP_PTB, // ICMP: packet too big, mtu len, quoting seq
	OP_ICMP, // ICMP: soft error quoting seq
	OP_NO_ROOM, // len = 1: no packet buffers; 0: again some
	OP_COUNT, // counter `seq` has value `len`
	OP_DROP, // forget what was sent
	OP_REOPEN, // forget the connection and shake hands again
};

enum event : uint32_t {
	EV_OPENED = 1,
	EV_EOF = 2,
	EV_WRITABLE = 4,
	EV_IDLE = 8,
	EV_DEADLINE = 16,
	EV_CLOSED = 32, // | reason << 8
};
#define CLOSED(reason) (EV_CLOSED | (uint32_t)(reason) << 8)

struct step {
	enum op op;
	uint8_t flags;
	int64_t seq;
	int64_t ack;
	uint32_t len;
	int32_t win; // as on the wire; 0 = do not care (OUT), 60000 (IN); -1 = zero
	bool more; // IN: the burst goes on
	bool no_ts; // IN: without the negotiated timestamp
	bool any_len; // OUT: length is not checked
	int32_t ts; // IN: added to the timestamp clock
	uint16_t mss; // IN of a SYN
	uint16_t urgent;
	uint32_t sack[8]; // IN: blocks of ours; OUT: blocks that must be there
	uint8_t sacks;
	bool no_sack; // OUT: no block
	bool fresh_ts; // OUT: timestamp option must be there
};

#define IN(f, s, a, l, ...) {.op = OP_IN, .flags = f, .seq = s, .ack = a, .len = l, __VA_ARGS__}
#define OUT(f, s, a, l, ...) {.op = OP_OUT, .flags = f, .seq = s, .ack = a, .len = l, __VA_ARGS__}
#define NONE {.op = OP_NONE}
#define WAIT(ms) {.op = OP_WAIT, .len = ms}
#define SEND(n) {.op = OP_SEND, .len = n}
#define DO(what) {.op = OP_##what}
#define EAT(n) {.op = OP_EAT, .len = n}
#define GOT(n) {.op = OP_GOT, .len = n}
#define EVENT(e) {.op = OP_EVENT, .len = e}
#define COUNT(c, n) {.op = OP_COUNT, .seq = c, .len = n}
#define DROP {.op = OP_DROP}
#define END {.op = OP_END}

struct sent {
	uint32_t len;
	uint8_t bytes[9300];
};

struct rig_options {
	bool ts, sack, scale; // what the peer offers
	uint8_t shift;
	uint16_t mss; // 0 = 1460/1440, 1 = none
	uint16_t win; // of the SYN and the final ACK
	bool proxy; // the listener expects PROXY headers from 10.0.0.0/8 and 2001:db8::/32
	bool no_auth; // do not authenticate
	bool pausing; // the app pauses when it leaves bytes
	bool closed; // do not open a connection
	uint16_t mtu;
	uint16_t refuse; // opened() says no
	void (*tune)(struct tcp_config *c);
};

#define RIG_QUEUE 512

struct rig {
	struct tcp *tcp;
	struct rig_options o;
	struct flow_key key;
	uint64_t now;
	uint32_t peer_isn, our_isn;
	bool isn_known;
	struct sent *out;
	unsigned out_head, out_count;
	bool no_room;

	struct tcp_conn conn;
	struct flow_key opened_key;
	bool proxied;
	uint64_t delivered;
	uint32_t eat; // per call
	uint32_t events;
	uint32_t written; // our bytes, from relative 1
	uint32_t our_tsval; // last seen
	bool ts_seen;
	uint32_t edge; // right edge of our window, relative
	bool edge_known;
	uint64_t conn_no;
	uint32_t writable_send; // the app sends that much on writable()
};

// Bytes of either direction, by relative sequence number.
static inline uint8_t peer_byte(uint64_t i) {
	return (uint8_t)(i * 7 + (i >> 8) * 3 + 1);
}

static inline uint8_t our_byte(uint64_t i) {
	return (uint8_t)(i * 13 + (i >> 8) * 5 + 2);
}

void rig_start(struct rig *r, uint8_t family, const struct rig_options *o);
void rig_stop(struct rig *r); // everything must have drained: the caller closed all connections
void rig_open(struct rig *r); // three-way handshake
void rig_in(struct rig *r, const struct step *s);
void rig_advance(struct rig *r, uint32_t ms);
void rig_flush(struct rig *r); // burst end and audit
void rig_run(struct rig *r, const struct step *steps);
struct sent *rig_pop(struct rig *r); // NULL if nothing was sent
void rig_check_sent(struct rig *r, const struct sent *s); // what holds for every segment

// The table for IPv4 and for IPv6, with a fresh stack each.
void rig_table(const struct step *steps, const struct rig_options *o);

// Fields of a segment, read independently.
static inline uint32_t sent_seq(const struct sent *s) {
	return (uint32_t)s->bytes[4] << 24 | (uint32_t)s->bytes[5] << 16
		| (uint32_t)s->bytes[6] << 8 | s->bytes[7];
}

static inline uint32_t sent_ack(const struct sent *s) {
	return (uint32_t)s->bytes[8] << 24 | (uint32_t)s->bytes[9] << 16
		| (uint32_t)s->bytes[10] << 8 | s->bytes[11];
}

static inline uint32_t sent_header(const struct sent *s) {
	return (uint32_t)(s->bytes[12] >> 4) * 4;
}

static inline uint32_t sent_payload(const struct sent *s) {
	return s->len - sent_header(s);
}

static inline uint32_t sent_window(const struct sent *s) {
	return (uint32_t)s->bytes[14] << 8 | s->bytes[15];
}

// Value bytes of an option, NULL if absent; fails on a malformed list.
const uint8_t *sent_option(const struct sent *s, uint8_t kind, uint8_t *len);
uint16_t rig_checksum(const struct flow_key *key, const uint8_t *p, uint32_t len);
// A raw segment of the peer's; returns its length. options is already padded to 4.
uint32_t rig_build(
	uint8_t *out,
	const struct flow_key *key,
	uint32_t seq,
	uint32_t ack,
	uint8_t flags,
	uint16_t window,
	const uint8_t *options,
	uint32_t option_bytes,
	const uint8_t *payload,
	uint32_t len
);
void rig_raw(struct rig *r, const uint8_t *bytes, uint32_t len);
uint64_t rig_counter(const struct rig *r, enum tcp_counter c);
