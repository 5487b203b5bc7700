// SPDX-License-Identifier: Apache-2.0
// An mqtt_server between arrays: what it sends, closes and submits is recorded, time stands still
// until the test moves it. Several rigs can exchange letters.
#pragma once

#include "dataplane/mqtt/server.h"
#include "tests/support/mqtt_packets.h"

#include <stdbool.h>

#define RIG_CONNS 32
#define RIG_MESSAGES 256
#define RIG_WORKERS 4

struct rig_message {
	char topic[256], payload[512], device[128], content_type[64];
	char property[8][2][64];
	uint16_t properties;
	uint16_t realm;
	uint64_t epoch, seq;
	uint32_t token;
	bool retained;
	uint8_t peer_len;
	uint8_t peer0;
	bool answered;
};

struct rig {
	struct mqtt_server *m;
	struct mqtt_config config;
	struct mqtt_listener listeners[3];
	struct profile profile;
	struct ledger_messages ledger;
	struct rig *others[RIG_WORKERS]; // by worker; for letters
	uint64_t now_ns;
	unsigned pressure;
	bool hold; // answers are given by the test
	bool letters_blocked;
	enum outcome outcome; // otherwise at the end of each call
	enum refuse_reason refuse;
	uint32_t unanswered[RIG_MESSAGES];
	uint32_t unanswered_count;

	struct {
		uint32_t session;
		bool open;
		bool closed; // by the server
		bool resumed;
		uint8_t out[8192];
		uint32_t out_len;
		uint8_t left[70000]; // bytes the server did not take
		uint32_t left_len;
		uint8_t addr[4];
	} conns[RIG_CONNS];
	uint32_t conn_count;

	struct rig_message messages[RIG_MESSAGES];
	uint32_t message_count;

	struct auth_request requests[16];
	uint32_t request_count;
	bool verify_full;

	struct mqtt_mail letters[64]; // on their way to us
	uint32_t letter_count;
};

// Fills the rig with defaults that a test may change before rig_start().
void rig_init(struct rig *r);
void rig_start(struct rig *r);
void rig_stop(struct rig *r);

uint32_t rig_open(struct rig *r); // a connection from 10.0.0.1
uint32_t rig_open_from(struct rig *r, uint8_t last_octet, uint16_t listener);
void rig_input(struct rig *r, uint32_t conn, const void *bytes, uint32_t n);
void rig_send(struct rig *r, uint32_t conn, struct packet *p); // and empties the packet
void rig_hang_up(struct rig *r, uint32_t conn); // the peer closes
void rig_advance(struct rig *r, uint64_t ms); // in steps of 100 ms, polling
void rig_poll(struct rig *r);
void rig_answer(struct rig *r, uint32_t message, enum outcome o); // of a held message
void rig_letters(struct rig *const *rigs, unsigned n); // deliver until none is under way

// The bytes that came since the last call are exactly these?
bool rig_got(struct rig *r, uint32_t conn, const void *bytes, uint32_t n);
#define RIG_GOT(r, conn, s) rig_got(r, conn, s, sizeof(s) - 1)
void rig_flush_out(struct rig *r, uint32_t conn);

// Connect and expect success; returns the connection.
uint32_t
rig_connect(struct rig *r, uint8_t version, bool clean, const char *id, uint16_t keep_alive);
void rig_publish(
	struct rig *r,
	uint32_t conn,
	uint8_t version,
	uint8_t qos,
	uint16_t id,
	const char *payload
);
