// SPDX-License-Identifier: Apache-2.0
// SUBSCRIBE and UNSUBSCRIBE of a server that has nothing to say yet: filters inside a device's own
// command space are granted and stay silent, since many clients take a refusal for a broken
// connection; everything else is refused filter by filter.
#include "dataplane/mqtt/state.h"
#include "parsers/mqtt_encode.h"
#include "parsers/mqtt_topic.h"

#define OWN_MAX 512

// A whole, literal level of a topic, whatever a client wrote into its id.
static bool plain(struct view level) {
	if (level.len == 0)
		return false;
	for (uint32_t i = 0; i < level.len; i++)
		if (level.p[i] == '/' || level.p[i] == '+' || level.p[i] == '#')
			return false;
	return true;
}

static bool append(uint8_t *out, uint32_t *n, struct view v) {
	if (v.len > OWN_MAX - *n)
		return false;
	memcpy(out + *n, v.p, v.len);
	*n += v.len;
	return true;
}

// The session's command space; empty if it has none.
static struct view own_space(struct mqtt_server *m, uint32_t s, uint8_t *out) {
	struct view pattern = m->config.listeners[session_at(m, s)->listener].own_filter;
	struct view id = session_client_id(m, s);
	struct view device = session_device(m, s);
	uint32_t n = 0;

	if (device.len == 0)
		device = id;
	for (uint32_t i = 0; i < pattern.len; i++) {
		struct view v = view_of(pattern.p + i, 1);
		if (pattern.p[i] == '%' && i + 1 < pattern.len) {
			i++;
			v = pattern.p[i] == 'd' ? device : id;
			if (!plain(v))
				return (struct view) {0};
		}
		if (!append(out, &n, v))
			return (struct view) {0};
	}
	return view_of(out, n);
}

static uint8_t
judge(const struct mqtt_filter *f,
      enum mqtt_subscribe_policy policy,
      uint8_t version,
      struct view own) {
	if (version == MQTT_V5 && mqtt_filter_shared(f->filter))
		return MQTT_SHARED_UNSUPPORTED;
	if (policy == MQTT_SUBSCRIBE_OWN && own.len > 0 && mqtt_filter_within(f->filter, own))
		return f->qos;
	return version == MQTT_V5 ? MQTT_NOT_AUTHORIZED : MQTT_UNSPECIFIED;
}

static void
answer(struct mqtt_server *m,
       uint32_t s,
       enum mqtt_type type,
       const struct mqtt_subscribe *sub,
       const uint8_t *codes) {
	uint8_t out[MQTT_FILTERS_MAX + 8];
	const struct session *se = session_at(m, s);
	uint32_t n = mqtt_suback_encode(
		out,
		sizeof(out),
		se->version,
		session_packet_max(se),
		type,
		sub->packet_id,
		view_of(codes, sub->count)
	);

	session_send(m, s, out, n);
}

// Nothing is stored for a silent subscription: what would have been granted existed.
static void
unsubscribe(struct mqtt_server *m, uint32_t s, struct mqtt_subscribe *sub, struct view own) {
	enum mqtt_subscribe_policy policy =
		m->config.listeners[session_at(m, s)->listener].subscribe;
	uint8_t codes[MQTT_FILTERS_MAX];
	struct mqtt_filter filter;

	for (unsigned i = 0; mqtt_filter_next(sub, &filter); i++) {
		uint8_t code = judge(&filter, policy, session_at(m, s)->version, own);
		codes[i] = code <= MQTT_GRANTED_QOS_2 ? MQTT_SUCCESS : MQTT_NO_SUBSCRIPTION;
	}
	answer(m, s, MQTT_UNSUBACK, sub, codes);
}

void subscribe_input(struct mqtt_server *m, uint32_t s, const struct mqtt_frame *f) {
	const struct session *se = session_at(m, s);
	enum mqtt_subscribe_policy policy = m->config.listeners[se->listener].subscribe;
	uint8_t codes[MQTT_FILTERS_MAX];
	uint8_t space[OWN_MAX];
	struct mqtt_subscribe sub;
	struct mqtt_filter filter;
	enum mqtt_rc rc = mqtt_subscribe_decode(f, se->version, &sub);

	if (rc != MQTT_OK) {
		m->stats.bad[rc]++;
		session_end_reason(m, s, MQTT_END_PACKET, mqtt_rc_reason(rc));
		return;
	}
	struct view own = own_space(m, s, space);
	if (f->type == MQTT_UNSUBSCRIBE) {
		unsubscribe(m, s, &sub, own);
		return;
	}
	m->stats.subscriptions++;
	for (unsigned i = 0; mqtt_filter_next(&sub, &filter); i++) {
		codes[i] = judge(&filter, policy, se->version, own);
		if (codes[i] <= MQTT_GRANTED_QOS_2)
			m->stats.filters_granted++;
		else
			m->stats.filters_refused++;
	}
	answer(m, s, MQTT_SUBACK, &sub, codes);
}
