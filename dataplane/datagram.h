// SPDX-License-Identifier: Apache-2.0
// What a worker and its datagram adapters (CoAP, protected frame, UDP telemetry) give each other.
//
//   listener_lookup()                              which adapter, with which settings
//   udp_telemetry_input() | frame_input() | coap_input()    per datagram of a burst
//   pipeline_run()                                 verdicts may already come back
//   frame_poll(), coap_poll()                      once per turn, after pipeline_run()
//
// Thread: the worker that owns the flow. Nothing here allocates, locks, logs or reads a clock.
#pragma once

#include "config/config.h"
#include "dataplane/net/net.h"
#include "dataplane/packet.h"
#include "pipelines/ledger.h"
#include "pipelines/record.h"

#include <stdbool.h>
#include <stdint.h>

// One UDP payload for one of our listeners. Everything it points to lives until pipeline_run() of
// the burst has returned. An adapter may rewrite the bytes (decryption, joining a path).
struct datagram {
	uint8_t *bytes;
	uint32_t len;
	const struct flow_key *key;
	struct net_path path;
	const struct config_listener *listener;
	bool multicast; // sent to a group or broadcast address
	uint64_t now_ns; // monotonic
	int64_t wall_ns; // arrival, wall clock
};

// What an adapter needs from whoever runs it. Copied at create.
struct adapter_env {
	uint16_t worker;
	uint64_t appliance_epoch;
	struct ledger_messages *ledger; // this worker's, of this adapter's transport
	// pipeline_push(); counts the message as received.
	void (*push)(void *owner, const struct message *m);
	// net_udp_send(); copies the bytes. A datagram it cannot send is lost like any other.
	void (*send)(
		void *owner,
		const struct flow_key *key,
		const struct net_path *path,
		const void *bytes,
		uint32_t len
	);
	void *owner;
	// SipHash keys. `secret` may be new at each start; `identity` names records and must stay
	// the same for as long as record ids are compared, so it belongs to the state directory.
	uint64_t secret[2];
	uint64_t identity[2];
};

// May this source speak to this listener at all? True for every `auth` but `trust`, and for
// protected frames unless ranges are listed.
bool listener_trusts(const struct config_listener *l, const struct flow_key *key);

// What the listener's `unknown` means for a message's device.
enum unknown_rule listener_unknown_rule(const struct config_listener *l);

// A message as all three adapters start it: who, where from, when; payload and identity are theirs.
struct message
message_of(const struct adapter_env *env, enum transport t, const struct datagram *d);

// Doors of the message ledger for what never reaches the pipeline.
static inline void adapter_refused(struct ledger_messages *l, enum refuse_reason why) {
	l->received++;
	l->refused[why]++;
}

static inline void adapter_shed(struct ledger_messages *l, enum shed_reason why) {
	l->received++;
	l->shed[why]++;
}

static inline void adapter_duplicate(struct ledger_messages *l) {
	l->received++;
	l->duplicate++;
}
