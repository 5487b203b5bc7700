// SPDX-License-Identifier: Apache-2.0
// What travels through the pipeline.
//
// A *message* is what a device sent and waits for: a datagram, a CoAP request, an MQTT publish. A
// *record* is one device's fields at one device time. A message with k device/time pairs is k
// records with one acknowledgement, given when the last of them meets the route's contract. A
// message is accepted or refused whole.
// Thread: the worker that received it. Views live until pipeline_run() returns.
#pragma once

#include "parsers/payload.h"
#include "parsers/rd.h"
#include "pipelines/ledger.h"

#include <stdint.h>

struct profile; // config/config.h

#define TOKEN_NONE UINT32_MAX
#define LISTENER_NONE UINT16_MAX

// MQTT user properties and the like, carried into the record.
struct property {
	struct view name;
	struct view value;
};

// What becomes of a device that the registry does not know.
enum unknown_rule : uint8_t {
	UNKNOWN_RULE_NONE, // it may send: lab listeners, and identities proven by key or password
	UNKNOWN_RULE_REFUSE,
	UNKNOWN_RULE_PENDING, // refused, and entered into the registry as pending
};

struct message {
	enum transport transport;
	enum payload_format format;
	uint16_t realm;
	uint16_t worker; // receiving worker
	const struct profile *profile; // the listener's; pipeline_push() may know a better one
	uint16_t listener; // index into the configuration's; LISTENER_NONE: the profile stands
	struct view device; // identity the transport established; empty: the profile finds it in
			    // path, payload or address
	struct view path; // URI path or topic, empty for UDP
	struct view payload;
	struct view content_type; // MQTT 5, empty if none
	const struct property *properties;
	uint16_t property_count;
	bool retained; // MQTT retain flag as received
	enum unknown_rule unknown;
	uint8_t replays; // how often it went through the pipeline before, as a dead letter
	bool proven; // the sender's address is proven: authenticated frame, TCP, Echo
	bool copy; // the sender says that it may have sent this before (MQTT's DUP)
	uint16_t packet_id; // MQTT QoS 1 and 2, with `epoch` for the session; 0: none
	bool authenticated; // and `device` by a credential: it may be held to what it sent
	struct view peer; // remote IP address, 4 or 16 bytes
	uint16_t peer_port;
	int64_t rx_wall_ns; // arrival, wall clock
	uint64_t rx_ns; // arrival, monotonic
	uint64_t epoch; // session epoch: with seq it names the message for its device for ever
	uint64_t seq;
	uint32_t connection; // the adapter's handle of the connection it came by; MQTT only
	uint32_t token; // the adapter's handle for pipeline's verdict, TOKEN_NONE if nobody waits
	uint16_t remote; // pipelines/ only: worker + 1 at which `token` is a waiter; 0: it is not
};

enum outcome : uint8_t {
	OUTCOME_ACKED, // the contract of the route is met: acknowledge
	OUTCOME_REFUSED, // for good: the protocol's permanent error
	OUTCOME_SHED, // not accepted: the protocol's "later", or silence
};

struct verdict {
	enum outcome outcome;
	enum refuse_reason refuse; // if refused
	enum shed_reason shed; // if shed
	enum payload_rc payload; // if refused as malformed
	bool disconnect; // if refused: and end the sender's connection, where there is one
};

// How good our wall clock is; carried in every record.
enum clock_quality : uint8_t { CLOCK_UNKNOWN, CLOCK_HOLDOVER, CLOCK_SYNCED };
