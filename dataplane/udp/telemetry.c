// SPDX-License-Identifier: Apache-2.0
#include "dataplane/udp/telemetry.h"

void udp_telemetry_init(struct udp_telemetry *t, const struct adapter_env *env) {
	*t = (struct udp_telemetry) {.env = *env};
}

void udp_telemetry_input(struct udp_telemetry *t, const struct datagram *d) {
	if (!listener_trusts(d->listener, d->key)) {
		adapter_refused(t->env.ledger, REFUSE_UNTRUSTED);
		return;
	}
	struct message m = message_of(&t->env, TRANSPORT_UDP, d);

	m.epoch = t->env.appliance_epoch << 16 | t->env.worker;
	m.seq = ++t->arrivals;
	t->env.push(t->env.owner, &m);
}
