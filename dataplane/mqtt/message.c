// SPDX-License-Identifier: Apache-2.0
// From a publish to struct message, and the memory that its views may point to.
#include "dataplane/mqtt/record_properties.h"
#include "dataplane/mqtt/state.h"
#include "parsers/siphash.h"

bool arena_reserve(struct mqtt_server *m, uint32_t bytes) {
	if (bytes > m->arena_size)
		return false;
	if (m->arena_size - m->arena_used >= bytes)
		return true;
	m->env.flush(m->env.owner);
	m->submitted = false;
	m->arena_used = 0;
	return true;
}

uint8_t *arena_take(struct mqtt_server *m, uint32_t bytes) {
	uint8_t *p = m->arena + m->arena_used;

	m->arena_used += (bytes + 7) & ~7u;
	return p;
}

struct view session_client_id(struct mqtt_server *m, uint32_t s) {
	uint32_t handle = session_at(m, s)->client_id;

	if (handle == MQTT_NONE)
		return (struct view) {0};
	uint32_t n = mqtt_chain_len(&m->names, handle);
	uint8_t *p = arena_take(m, n);
	mqtt_chain_load(&m->names, handle, p);
	return view_of(p, n);
}

// The transport's word about who this is: the credential's name, else the client id where the
// profile takes the identity for the device. Empty where the profile looks elsewhere.
struct view session_device(struct mqtt_server *m, uint32_t s) {
	const struct session *se = session_at(m, s);
	const struct mqtt_listener *l = &m->config.listeners[se->listener];

	if (l->password)
		return auth_user_name(m->config.credentials, se->identity);
	if (l->profile == nullptr || l->profile->device_from == DEVICE_FROM_IDENTITY)
		return session_client_id(m, s);
	return (struct view) {0};
}

void message_submit(struct mqtt_server *m, const struct message_parts *p) {
	const struct mqtt_listener *l = &m->config.listeners[p->listener];
	struct message out = {
		.transport = TRANSPORT_MQTT,
		.format = l->format,
		.realm = p->realm,
		.worker = m->config.worker,
		.profile = l->profile,
		.listener = p->listener,
		.device = p->device,
		.path = p->topic,
		.payload = p->payload,
		.content_type = mqtt_props_bytes(p->props, MQTT_PROP_CONTENT_TYPE),
		.retained = p->retain,
		.unknown = l->unknown,
		.proven = true,
		.copy = p->dup,
		.packet_id = p->packet_id,
		.authenticated = l->password,
		.connection = p->connection,
		.peer = p->peer,
		.peer_port = p->peer_port,
		.rx_wall_ns = m->wall_ns,
		.rx_ns = m->now_ns,
		.epoch = p->epoch,
		.seq = p->seq,
		.token = p->token,
	};

	if (p->props->seen != 0 || p->will) {
		uint32_t most = p->props->user_count + 8u;
		struct property *properties =
			(void *)arena_take(m, most * (uint32_t)sizeof(*properties));
		out.properties = properties;
		bool expires = mqtt_props_has(p->props, MQTT_PROP_MESSAGE_EXPIRY);
		uint8_t *expiry = expires ? arena_take(m, MQTT_EXPIRY_TEXT) : nullptr;
		out.property_count = mqtt_record_properties(p->props, expiry, properties);
		if (p->will)
			properties[out.property_count++] =
				(struct property) {VIEW_LITERAL("mqtt.will"), VIEW_LITERAL("true")};
	}
	m->stats.retained += p->retain;
	m->submitted = true;
	m->env.submit(m->env.owner, &out);
}
