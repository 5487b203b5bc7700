// SPDX-License-Identifier: Apache-2.0
#include "dataplane/datagram.h"

static struct view peer_of(const struct flow_key *key) {
	return view_of(key->remote, key->family == 4 ? 4 : 16);
}

bool listener_trusts(const struct config_listener *l, const struct flow_key *key) {
	if (l->auth != AUTH_TRUST)
		return true;
	// A protected frame proves its device itself; ranges only narrow where it may come from.
	if (l->protocol == LISTEN_FRAME && l->trust_count == 0)
		return true;
	for (uint32_t i = 0; i < l->trust_count; i++)
		if (ip_prefix_contains(&l->trust[i], key->family, key->remote))
			return true;
	return false;
}

// A protected frame is vouched for by the key file, an MQTT password by its hash.
enum unknown_rule listener_unknown_rule(const struct config_listener *l) {
	if (l->protocol == LISTEN_FRAME || l->auth == AUTH_PASSWORD)
		return UNKNOWN_RULE_NONE;
	switch (l->unknown) {
	case UNKNOWN_ACCEPT:
		return UNKNOWN_RULE_NONE;
	case UNKNOWN_PENDING:
		return UNKNOWN_RULE_PENDING;
	default:
		return UNKNOWN_RULE_REFUSE;
	}
}

struct message
message_of(const struct adapter_env *env, enum transport t, const struct datagram *d) {
	return (struct message) {
		.transport = t,
		.format = d->listener->format,
		.realm = d->key->realm,
		.worker = env->worker,
		.profile = d->listener->profile,
		.listener = d->listener->number,
		.unknown = listener_unknown_rule(d->listener),
		.payload = view_of(d->bytes, d->len),
		.peer = peer_of(d->key),
		.peer_port = d->key->remote_port,
		.rx_wall_ns = d->wall_ns,
		.rx_ns = d->now_ns,
		.token = TOKEN_NONE,
	};
}
