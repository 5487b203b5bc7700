// SPDX-License-Identifier: Apache-2.0
// A CoAP server without a network: what comes in is made here, what it sends and pushes is kept.
#pragma once

#include "dataplane/coap/server.h"
#include "parsers/coap.h"

#define MS 1000000ull
#define S 1000000000ull
#define RIG_KEPT 64 // datagrams and messages; older ones are overwritten

struct coap_rig {
	struct {
		uint8_t bytes[512];
		uint32_t len;
		struct flow_key key;
	} sent[RIG_KEPT];
	uint32_t sent_count;
	struct {
		struct message m;
		char path[64];
		char payload[256];
	} pushed[RIG_KEPT];
	uint32_t pushed_count;
	uint64_t random; // what the server draws
	struct ledger_messages ledger;
	struct coap_server *server;
	struct config config;
	struct profile profile;
	struct config_listener listener;
	struct flow_key peer; // who sends
	uint64_t now;
	uint16_t next_mid;
};

extern struct coap_rig rig;

// Of each test. At the end every message has gone through one door.
int rig_setup(void **state);
int rig_teardown(void **state);

struct rig_request {
	enum coap_type type;
	uint8_t code;
	uint16_t mid; // 0: the next one
	const char *path[4];
	uint16_t extra; // number of one more option, in its place after the path
	struct view extra_value;
	const char *payload;
	bool multicast;
};

#define POST_ENV .code = COAP_POST, .path = {"t", "dev-1", "env"}, .payload = "{\"temp\":21.4}"

void rig_send(struct rig_request r);
void rig_input(const void *bytes, uint32_t len, bool multicast);
// What becomes of a message that was pushed.
void rig_verdict(uint32_t pushed, enum outcome outcome);
// In steps, as the worker does it.
void rig_advance(uint64_t ns);

struct coap_message rig_reply(uint32_t sent);
bool rig_option(const struct coap_message *m, uint16_t number, struct view *out);
// The last datagram is number `sent`, and is this. mid 0: any.
void rig_expect(uint32_t sent, enum coap_type type, uint8_t code, uint16_t mid);
uint64_t rig_count(enum coap_counter c);
