// SPDX-License-Identifier: Apache-2.0
// What the files of the CoAP server share. Not for anybody else.
#pragma once

#include "dataplane/coap/block.h"
#include "dataplane/coap/exchange.h"
#include "dataplane/coap/pending.h"
#include "dataplane/coap/server.h"
#include "parsers/coap_request.h"
#include "parsers/siphash.h"

#define NANOS_PER_MS 1000000ull
#define NANOS_PER_S 1000000000ull // DPDK has a NS_PER_S of its own, a double

// RFC 7252 section 4.8
#define ACK_TIMEOUT_MS 2000
#define MAX_RETRANSMIT 4
#define DEFAULT_LEISURE_MS 5000

// RFC 7967 section 2: which classes of response are not wanted.
#define NO_RESPONSE_2XX 0x02
#define NO_RESPONSE_4XX 0x08
#define NO_RESPONSE_5XX 0x10

// A datagram of the burst that is about to come in.
struct coap_ahead {
	const struct flow_key *key;
	uint64_t endpoint, exchange;
	uint16_t mid;
};

struct coap_server {
	struct coap_env env;
	struct coap_ahead ahead[COAP_AHEAD_MAX];
	uint32_t ahead_count, ahead_next;
	struct exchange_table exchanges;
	struct pending_table pending;
	struct coap_waiting waiting;
	struct uploads uploads;
	uint64_t ack_delay_ns;
	uint32_t max_age_s;
	bool echo;
	uint64_t now_ns; // of the latest input or poll
	struct coap_stats stats;
};

// One request while it is being processed.
struct coap_exchange {
	const struct datagram *d;
	struct coap_message m;
	struct coap_request r;
	uint64_t endpoint; // identity of (realm, endpoint), keyed
	uint64_t key; // of the exchange
	uint64_t seq; // of the message: keyed hash of message id, token, options, payload
	bool proven; // a fresh Echo of ours came with it
};

static inline void coap_count(struct coap_server *s, enum coap_counter c) {
	s->stats.count[c]++;
}

static inline uint32_t seconds_of(uint64_t now_ns) {
	return (uint32_t)(now_ns / NANOS_PER_S);
}

static inline uint64_t exchange_key(const struct coap_server *s, uint64_t endpoint, uint16_t mid) {
	uint64_t words[2] = {endpoint, mid};

	return siphash13(s->env.adapter.secret, words, sizeof(words));
}

// The message id of the one message that we start ourselves for a request: its own, mirrored. Ids
// are unique per direction, so ours are as unique within EXCHANGE_LIFETIME as the endpoint's, and
// an ACK leads back to the request without a table.
static inline uint16_t mirrored_mid(uint64_t endpoint, uint16_t mid) {
	return mid ^ (uint16_t)(endpoint >> 48);
}

// resource.c: what the request asks for. Answers, or hands a message to the pipeline.
void coap_request_input(struct coap_server *s, struct coap_exchange *x);
// The code under which `v` is told to the device.
uint8_t coap_code_of(const struct verdict *v);
// The /.well-known/core answer to a request that came by multicast.
void coap_discovery_due(struct coap_server *s, const struct pending *p);

// response.c

// Where a response goes, and what it may cost.
struct coap_target {
	const struct flow_key *key;
	const struct net_path *path;
	struct view token;
	enum coap_type type;
	uint16_t mid;
	uint32_t request_len;
	bool proven;
};

struct coap_answer {
	uint8_t code;
	struct view diagnostic; // left out where the answer would outgrow an unproven request
	bool has_block1;
	struct coap_block block1;
	uint32_t size1; // of 4.13; 0 = none
};

void coap_send_empty(
	struct coap_server *s,
	const struct flow_key *key,
	const struct net_path *path,
	enum coap_type type,
	uint16_t mid
);
void coap_send_answer(
	struct coap_server *s,
	const struct coap_target *to,
	const struct coap_answer *a
);
// Targets: the first answer to a request (ACK or NON), and the separate one.
struct coap_target coap_first_target(const struct coap_exchange *x);
struct coap_target coap_pending_target(const struct pending *p, bool separate);

uint64_t coap_endpoint(const struct coap_server *s, const struct flow_key *key);

// Echo (RFC 9175 section 2): an opaque value only we can make, good for ECHO_LIFETIME_S.
#define ECHO_BYTES 12
#define ECHO_LIFETIME_S 60
void coap_echo_make(const struct coap_server *s, uint64_t endpoint, uint8_t out[ECHO_BYTES]);
bool coap_echo_fresh(const struct coap_server *s, uint64_t endpoint, struct view value);
