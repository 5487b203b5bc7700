// SPDX-License-Identifier: Apache-2.0
// TCP connections by the hundred thousand, as light as a load generator may have them: IPv4, no
// options but MSS, no congestion control, one retransmission timer per connection. What a
// connection sends is a function of the offset in its stream, so nothing is kept to send it again.
// One thread; the peer is our own sluiced.
#pragma once

#include "bench/gen/gen.h"

#include <stdbool.h>
#include <stdint.h>

enum tcp_client_state : uint8_t { CLIENT_IDLE, CLIENT_SYN_SENT, CLIENT_UP, CLIENT_CLOSED };

struct tcp_client_app {
	void *owner;
	void (*established)(void *owner, uint32_t conn);
	// Returns how many bytes are taken; the peer will send the others again.
	uint32_t (*received)(void *owner, uint32_t conn, const uint8_t *bytes, uint32_t len);
	void (*acknowledged)(void *owner, uint32_t conn, uint32_t offset);
	// The peer ended it.
	void (*closed)(void *owner, uint32_t conn, enum tcp_client_state before);
	// `len` bytes of the stream from `offset`.
	void (*bytes)(void *owner, uint32_t conn, uint32_t offset, uint8_t *out, uint32_t len);
};

struct tcp_client_stats {
	uint64_t rx_frames, tx_frames, rx_bytes, tx_bytes;
	uint64_t acks; // segments that say nothing else
	uint64_t retransmits, resets, out_of_order, foreign;
};

struct tcp_client;

int tcp_client_create(
	const struct gen_options *o,
	const struct gen_wire *wire,
	const struct tcp_client_app *app,
	struct tcp_client **out
);
void tcp_client_destroy(struct tcp_client *c); // accepts NULL

// The port takes what is given to it. Whoever has something new to send asks first: answers have
// precedence, or a port that is full would stop us from receiving.
bool tcp_client_ready(const struct tcp_client *c);
bool tcp_client_connect(struct tcp_client *c, uint32_t conn);
// The next `len` bytes of the stream in one segment; false if the window or the port is full.
bool tcp_client_push(struct tcp_client *c, uint32_t conn, uint32_t len);
// An acknowledgement alone: all that completes the handshake of a connection that sends nothing.
bool tcp_client_acknowledge(struct tcp_client *c, uint32_t conn);
enum tcp_client_state tcp_client_state(const struct tcp_client *c, uint32_t conn);
// Receives, acknowledges, retransmits, and sends what waits. Called in a loop.
void tcp_client_turn(struct tcp_client *c);
// A reset for each connection that is up.
void tcp_client_reset_all(struct tcp_client *c);
const struct tcp_client_stats *tcp_client_stats(const struct tcp_client *c);
