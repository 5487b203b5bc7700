// SPDX-License-Identifier: Apache-2.0
#include "parsers/mqtt_mirror.h"

void mqtt_mirror_init(struct mqtt_mirror *m) {
	memset(m, 0, sizeof(*m));
}

static enum mqtt_mirror_rc connect_take(struct mqtt_mirror *m, const struct mqtt_frame *f) {
	struct mqtt_connect c;

	if (mqtt_connect_decode(f, &c) != MQTT_OK)
		return MQTT_MIRROR_LOST;
	mqtt_mirror_init(m);
	m->connected = true;
	m->version = c.version;
	if (c.client_id.len <= MQTT_MIRROR_CLIENT_ID && c.client_id.len > 0) {
		memcpy(m->client_id, c.client_id.p, c.client_id.len);
		m->client_id_len = (uint8_t)c.client_id.len;
	}
	return MQTT_MIRROR_OTHER;
}

// Every PUBLISH of MQTT 5 also reads as one of 3.1.1 with a longer payload, hardly ever the other
// way round: what reads as 5 is 5.
static enum mqtt_rc
publish_read(struct mqtt_mirror *m, const struct mqtt_frame *f, struct mqtt_publish *out) {
	if (m->version != 0)
		return mqtt_publish_decode(f, m->version, out);
	if (mqtt_publish_decode(f, MQTT_V5, out) == MQTT_OK) {
		m->version = MQTT_V5;
		return MQTT_OK;
	}
	enum mqtt_rc rc = mqtt_publish_decode(f, MQTT_V311, out);
	if (rc == MQTT_OK)
		m->version = MQTT_V311;
	return rc;
}

static enum mqtt_mirror_rc alias_apply(struct mqtt_mirror *m, struct mqtt_publish *p) {
	uint32_t alias = mqtt_props_number(&p->props, MQTT_PROP_ALIAS, 0);

	if (alias == 0)
		return MQTT_MIRROR_PUBLISH;
	if (alias > MQTT_MIRROR_ALIASES)
		return p->topic.len > 0 ? MQTT_MIRROR_PUBLISH : MQTT_MIRROR_SKIPPED;
	uint8_t *len = &m->topic_len[alias - 1];
	uint8_t *topic = m->topics[alias - 1];
	if (p->topic.len > 0) {
		// Too long to keep: better unknown than the topic it had before.
		*len = p->topic.len <= MQTT_MIRROR_TOPIC ? (uint8_t)p->topic.len : 0;
		memcpy(topic, p->topic.p, *len);
		return MQTT_MIRROR_PUBLISH;
	}
	if (*len == 0)
		return MQTT_MIRROR_SKIPPED;
	p->topic = view_of(topic, *len);
	return MQTT_MIRROR_PUBLISH;
}

static bool from_client(const struct mqtt_mirror *m, const struct mqtt_frame *f) {
	struct mqtt_ack ack;

	switch (f->type) {
	case MQTT_PUBACK:
	case MQTT_PUBREC:
	case MQTT_PUBREL:
	case MQTT_PUBCOMP:
		return mqtt_ack_decode(f, MQTT_V5, &ack) == MQTT_OK;
	case MQTT_SUBSCRIBE:
	case MQTT_UNSUBSCRIBE:
		return f->flags == 2 && f->body.len >= 5;
	case MQTT_PINGREQ:
		return mqtt_pingreq_decode(f) == MQTT_OK;
	case MQTT_DISCONNECT:
		return f->flags == 0 && (f->body.len == 0 || m->version != MQTT_V311);
	case MQTT_AUTH:
		return f->flags == 0;
	default:
		return false;
	}
}

enum mqtt_mirror_rc mqtt_mirror_next(
	struct mqtt_mirror *m,
	struct view *in,
	uint32_t max_len,
	struct mqtt_publish *out
) {
	enum mqtt_mirror_rc rc;
	struct mqtt_frame f;

	switch (mqtt_frame(*in, max_len, &f)) {
	case MQTT_OK:
		break;
	case MQTT_MORE:
		return MQTT_MIRROR_MORE;
	default:
		return MQTT_MIRROR_LOST;
	}
	if (f.type == MQTT_CONNECT)
		rc = connect_take(m, &f);
	else if (f.type == MQTT_PUBLISH)
		rc = publish_read(m, &f, out) == MQTT_OK ? alias_apply(m, out) : MQTT_MIRROR_LOST;
	else
		rc = from_client(m, &f) ? MQTT_MIRROR_OTHER : MQTT_MIRROR_LOST;
	if (rc != MQTT_MIRROR_LOST)
		*in = view_of(in->p + f.len, in->len - f.len);
	return rc;
}
