// SPDX-License-Identifier: Apache-2.0
// Messages kept for later: those that wait for the pipeline, and wills. Kept in the form of a small
// header and the parts that a message is made of, properties as they came.
#include "dataplane/mqtt/state.h"

struct kept {
	uint64_t epoch;
	uint64_t seq;
	uint16_t listener;
	uint16_t peer_port;
	uint16_t realm;
	uint16_t device_len;
	uint16_t topic_len;
	uint8_t place; // of the properties
	uint8_t peer_len;
	uint8_t peer[16];
	bool retain;
	bool dup;
	uint16_t packet_id;
	uint8_t version;
	uint32_t props_len;
};

uint32_t kept_store(
	struct mqtt_server *m,
	struct mqtt_chain *chain,
	uint32_t s,
	struct view topic,
	const struct mqtt_props *props,
	uint8_t place,
	struct view payload,
	const struct kept_as *as
) {
	const struct active *a = active_at(m, s);
	struct view device = session_device(m, s);
	struct kept k = {
		.epoch = as->epoch,
		.seq = as->seq,
		.listener = session_at(m, s)->listener,
		.peer_port = a->peer_port,
		.realm = a->peer_realm,
		.device_len = (uint16_t)device.len,
		.topic_len = (uint16_t)topic.len,
		.place = place,
		.peer_len = a->peer_len,
		.retain = as->retain,
		.dup = as->dup,
		.packet_id = as->packet_id,
		.version = session_at(m, s)->version,
		.props_len = props->seen != 0 ? props->block.len : 0,
	};

	memcpy(k.peer, a->peer, sizeof(k.peer));
	const struct view parts[] = {
		view_of(&k, sizeof(k)),
		device,
		topic,
		view_of(props->block.p, k.props_len),
		payload,
	};
	return mqtt_chain_store(chain, parts, sizeof(parts) / sizeof(parts[0]));
}

bool kept_submit(
	struct mqtt_server *m,
	struct mqtt_chain *chain,
	uint32_t handle,
	uint64_t epoch,
	uint64_t seq,
	uint32_t token
) {
	uint32_t len = mqtt_chain_len(chain, handle);
	static const struct mqtt_props none;
	struct mqtt_props *props = &m->publish.props;
	struct kept k;

	if (!arena_reserve(m, len + MESSAGE_ARENA))
		return false;
	uint8_t *bytes = arena_take(m, len);
	mqtt_chain_load(chain, handle, bytes);
	struct rd r = rd_from(view_of(bytes, len));
	struct view header = rd_take(&r, sizeof(k));
	memcpy(&k, header.p, sizeof(k));

	struct message_parts p = {
		.listener = k.listener,
		.device = rd_take(&r, k.device_len),
		.topic = rd_take(&r, k.topic_len),
		.props = &none,
		.retain = k.retain,
		.dup = k.dup,
		.packet_id = k.packet_id,
		.will = k.place == MQTT_PROPS_WILL,
		.peer = view_of(header.p + offsetof(struct kept, peer), k.peer_len),
		.peer_port = k.peer_port,
		.realm = k.realm,
		.epoch = epoch != 0 ? epoch : k.epoch,
		.seq = epoch != 0 ? seq : k.seq,
		.connection = MQTT_NONE,
		.token = token,
	};
	struct rd block = rd_from(rd_take(&r, k.props_len));
	if (k.props_len > 0 && mqtt_props_decode(&block, k.place, props) == MQTT_OK)
		p.props = props;
	p.payload = rd_rest(&r);
	message_submit(m, &p);
	return true;
}

void will_drop(struct mqtt_server *m, uint32_t s) {
	struct active *a = active_at(m, s);

	if (a == nullptr || a->will == MQTT_NONE)
		return;
	mqtt_chain_drop(&m->wills, a->will);
	a->will = MQTT_NONE;
	active_settle(m, s);
}

void will_publish(struct mqtt_server *m, uint32_t s) {
	struct active *a = active_at(m, s);
	struct session *se = session_at(m, s);

	if (a == nullptr || a->will == MQTT_NONE)
		return;
	uint32_t will = a->will;
	a->will = MQTT_NONE; // submitting may run the pipeline, and that may come back here
	if (kept_submit(m, &m->wills, will, se->epoch, se->seq++, TOKEN_NONE))
		m->stats.wills++;
	else
		m->stats.wills_lost++;
	mqtt_chain_drop(&m->wills, will);
	active_settle(m, s);
}
