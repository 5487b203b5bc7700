// SPDX-License-Identifier: Apache-2.0
// CoAP server for one worker (RFC 7252, 7959 Block1, 7967 No-Response, 9175 Echo, 6690).
//
//   coap_input()   a datagram: a reply at once, or a message for the pipeline and the reply later
//   coap_done()    the pipeline's verdict on a message: the response
//   coap_poll()    timers: empty ACKs, retransmissions, expiry. After pipeline_run(), because it
//                  gives back the buffers of bodies that were handed to the pipeline
//
//   CON, contract met within ack_delay      ACK 2.04
//   CON, later                              ACK (empty) ... CON 2.04, retransmitted until ACK
//   CON, later, profile `separate: no`      ACK 5.03 Max-Age
//   NON                                     NON 2.04
//
// A telemetry request is a message of the ledger; one upload in blocks is one message, counted
// when it ends. Pings, ACKs, resets, blocks and discovery are counted in struct coap_stats.
//
// Identity: message.epoch is the keyed SipHash of (realm, endpoint), message.seq of (message id,
// token, payload), so that every copy of a message has the same record id whether or not it was
// recognised as a copy. Message ids come round: the same id, token and payload from the same
// endpoint after EXCHANGE_LIFETIME is another message with the same record id. Consumers that
// deduplicate by record id must bound their window by the same 247 s for CoAP.
// Thread: the worker's own. Nothing allocates after coap_create().
#pragma once

#include "dataplane/datagram.h"
#include "parsers/coap.h"

#include <stdint.h>

struct coap_server;

#define COAP_COUNTERS(X)                                                                           \
	X(COAP_PING, "pings")                                                                      \
	X(COAP_RESET_SENT, "resets-sent")                                                          \
	X(COAP_ACK_RECEIVED, "acks")                                                               \
	X(COAP_RESET_RECEIVED, "resets")                                                           \
	X(COAP_STRAY, "acks-unexpected")                                                           \
	X(COAP_DISCOVERY, "discoveries")                                                           \
	X(COAP_ECHO_ASKED, "echo-challenges")                                                      \
	X(COAP_ECHO_BAD, "echo-stale-or-forged")                                                   \
	X(COAP_BLOCK, "blocks")                                                                    \
	X(COAP_BLOCK_LOST, "blocks-out-of-sequence")                                               \
	X(COAP_UPLOAD_STARTED, "uploads")                                                          \
	X(COAP_UPLOAD_REPLACED, "uploads-restarted")                                               \
	X(COAP_UPLOAD_EXPIRED, "uploads-expired")                                                  \
	X(COAP_PIGGYBACKED, "responses-piggybacked")                                               \
	X(COAP_NON_RESPONSE, "responses-non-confirmable")                                          \
	X(COAP_SEPARATE, "responses-separate")                                                     \
	X(COAP_EMPTY_ACK, "acks-empty-sent")                                                       \
	X(COAP_RETRANSMITTED, "responses-retransmitted")                                           \
	X(COAP_GAVE_UP, "responses-never-acknowledged")                                            \
	X(COAP_SUPPRESSED, "responses-suppressed")                                                 \
	X(COAP_UNANSWERED, "requests-without-slot")                                                \
	X(COAP_MULTICAST, "multicasts")                                                            \
	X(COAP_COPY_ANSWERED, "copies-answered")                                                   \
	X(COAP_MID_REUSED, "message-ids-reused-early")                                             \
	X(COAP_EVICTED, "exchanges-evicted-early")

enum coap_counter {
#define X(id, label) id,
	COAP_COUNTERS(X)
#undef X
		COAP_COUNTER_COUNT
};

// Monotonic; one writer, the worker.
struct coap_stats {
	uint64_t count[COAP_COUNTER_COUNT];
	uint64_t decoded[COAP_RC_COUNT]; // datagrams by what the decoder said of them
};
const char *coap_counter_label(enum coap_counter c);

// Beyond what all adapters need.
struct coap_env {
	struct adapter_env adapter; // ledger = messages[TRANSPORT_COAP]
	// Replace the group in key->local by our address on that interface; false: stay silent.
	// NULL: never answer multicast.
	bool (*unicast_local)(void *owner, struct flow_key *key, const struct net_path *path);
	uint64_t (*random)(void *owner); // for retransmission and leisure; need not be secret
};

// Reserves everything from c->coap: exchanges, pending, uploads. 0 or -ENOMEM.
int coap_create(const struct coap_env *env, const struct config *c, struct coap_server **out);
void coap_destroy(struct coap_server *s); // accepts NULL

// Between bursts: use this generation's delays and limits; table sizes stay.
void coap_use(struct coap_server *s, const struct config *c);

// Before the datagrams of a burst: which ones are coming, in order, so that what is known of their
// exchanges is on its way into the cache when coap_input() asks. A hint; what was announced and
// never came is passed over. `key` must be the very one that the datagram will have.
#define COAP_AHEAD_MAX 32
void coap_ahead_begin(struct coap_server *s);
void coap_ahead(struct coap_server *s, const struct flow_key *key, struct view datagram);
void coap_ahead_end(struct coap_server *s);

void coap_input(struct coap_server *s, const struct datagram *d);

// pipeline_env.adapters[TRANSPORT_COAP].done, with the server as adapter.
void coap_done(void *server, uint32_t token, const struct verdict *v);

// Budgeted. Returns the monotonic time of the next due timer, UINT64_MAX if none.
uint64_t coap_poll(struct coap_server *s, uint64_t now_ns);

const struct coap_stats *coap_stats(const struct coap_server *s);
uint32_t coap_pending(const struct coap_server *s); // gauge: requests and responses in progress

// Of those: what still waits for somebody else.
struct coap_waiting {
	uint32_t requests; // handed to the pipeline, without a verdict
	uint32_t answers; // separate ones, sent at least once, not acknowledged by their client
};
struct coap_waiting coap_waiting(const struct coap_server *s);
