// SPDX-License-Identifier: Apache-2.0
#include "dataplane/adapters.h"
#include "dataplane/blocks.h"
#include "dataplane/enforce.h"
#include "dataplane/mqtt/adapter.h"
#include "dataplane/worker.h"
#include "pipelines/match.h"

#include <string.h>

static void reason_set(struct block_ask *ask, struct view name) {
	static const char head[] = "signature ";
	size_t n = name.len < sizeof(ask->reason) - sizeof(head)
		? name.len
		: sizeof(ask->reason) - sizeof(head);

	memcpy(ask->reason, head, sizeof(head) - 1);
	memcpy(ask->reason + sizeof(head) - 1, name.p, n);
	ask->reason[sizeof(head) - 1 + n] = '\0';
}

// A device that proved who it is, else the address it proved to own: whoever merely claims a name
// must not have it blocked for its owner.
static void ban(struct worker *w, const struct match_order *o) {
	const struct message *m = o->message;
	struct block_ask ask = {
		.for_s = o->ban_s,
		.signature = o->signature,
		.transport = m->transport,
	};

	if (o->device.len > 0 && o->device.len <= sizeof(ask.device)) {
		memcpy(ask.device, o->device.p, o->device.len);
		ask.device_len = (uint8_t)o->device.len;
	} else {
		if (m->peer.len > sizeof(ask.peer.bytes))
			return;
		memcpy(ask.peer.bytes, m->peer.p, m->peer.len);
		ask.peer.family = m->peer.len == 4 ? 4 : 6;
		ask.peer.prefix_len = (uint8_t)(m->peer.len * 8);
		ask.peer.realm = m->realm;
	}
	reason_set(&ask, o->name);
	(void)blocks_ask(w->blocks, w->index, &ask); // a lost one is counted there
}

void enforce_order(void *worker, const struct match_order *o) {
	struct worker *w = worker;

	if (o->message->transport == TRANSPORT_MQTT && adapters_mqtt(w->adapters) != nullptr)
		mqtt_adapter_cut(
			adapters_mqtt(w->adapters), o->message->connection, o->message->epoch
		);
	if (o->ban_s > 0 && w->blocks != nullptr)
		ban(w, o);
}
