// SPDX-License-Identifier: Apache-2.0
#include "parsers/mqtt.h"
#include "parsers/mqtt_topic.h"

const char *mqtt_rc_label(enum mqtt_rc rc) {
	static const char *const labels[MQTT_RC_COUNT] = {
#define X(id, label, reason) [id] = label,
		MQTT_RCS(X)
#undef X
	};
	return rc < MQTT_RC_COUNT ? labels[rc] : "unknown";
}

uint8_t mqtt_rc_reason(enum mqtt_rc rc) {
	static const uint8_t reasons[MQTT_RC_COUNT] = {
#define X(id, label, reason) [id] = reason,
		MQTT_RCS(X)
#undef X
	};
	return rc < MQTT_RC_COUNT ? reasons[rc] : 0x80;
}

enum mqtt_rc mqtt_frame(struct view in, uint32_t max_len, struct mqtt_frame *out) {
	uint32_t remaining = 0;

	out->len = 0;
	if (in.len == 0)
		return MQTT_MORE;
	out->type = in.p[0] >> 4;
	out->flags = in.p[0] & 0x0f;
	if (out->type == 0)
		return MQTT_BAD_TYPE;

	for (uint32_t i = 0; i < MQTT_HEADER_MAX - 1; i++) {
		if (in.len < 2 + i)
			return MQTT_MORE;
		uint8_t b = in.p[1 + i];
		remaining |= (uint32_t)(b & 0x7f) << (7 * i);
		if ((b & 0x80) != 0)
			continue;

		// Judge the size before waiting for the bytes: a peer that announces 256 MB must
		// not make us buffer any of them.
		uint32_t total = 2 + i + remaining;
		if (total > max_len)
			return MQTT_BAD_SIZE;
		out->len = total;
		if (in.len < total)
			return MQTT_MORE;
		out->padded = i > 0 && b == 0;
		out->body = view_of(in.p + 2 + i, remaining);
		return MQTT_OK;
	}
	return MQTT_BAD_VARINT;
}

// Section 2.1.3. MQTT 3.1 lets a client set DUP on what it sends again.
static bool flags_valid(const struct mqtt_frame *f, enum mqtt_version v) {
	switch (f->type) {
	case MQTT_PUBLISH:
		return true;
	case MQTT_PUBREL:
	case MQTT_SUBSCRIBE:
	case MQTT_UNSUBSCRIBE:
		return f->flags == 0x02 || (v == MQTT_V31 && f->flags == 0x0a);
	default:
		return f->flags == 0;
	}
}

static enum mqtt_rc frame_check(const struct mqtt_frame *f, enum mqtt_version v) {
	if (!flags_valid(f, v))
		return MQTT_BAD_FLAGS;
	if (f->padded && v == MQTT_V5)
		return MQTT_BAD_VARINT; // [MQTT-1.5.5-1]
	return MQTT_OK;
}

static enum mqtt_rc text_read(struct rd *r, struct view *out) {
	*out = rd_take(r, rd_be16(r));
	if (r->failed)
		return MQTT_BAD_FIELD;
	return mqtt_utf8_valid(*out) ? MQTT_OK : MQTT_BAD_UTF8;
}

static enum mqtt_rc end_check(const struct rd *r) {
	if (r->failed)
		return MQTT_BAD_FIELD;
	return rd_left(r) > 0 ? MQTT_BAD_TRAILING : MQTT_OK;
}

static enum mqtt_rc version_read(struct rd *r, struct mqtt_connect *out) {
	static const struct view mqtt = VIEW_LITERAL("MQTT");
	static const struct view isdp = VIEW_LITERAL("MQIsdp");
	struct view name;
	enum mqtt_rc rc = text_read(r, &name);

	if (rc != MQTT_OK)
		return rc;
	bool old = view_equal(name, isdp);
	if (!old && !view_equal(name, mqtt))
		return MQTT_BAD_PROTOCOL;
	out->level = rd_u8(r);
	if (r->failed)
		return MQTT_BAD_FIELD;
	if (old ? out->level != MQTT_V31 : out->level != MQTT_V311 && out->level != MQTT_V5)
		return MQTT_BAD_VERSION;
	out->version = out->level;
	return MQTT_OK;
}

static enum mqtt_rc connect_flags_read(struct rd *r, struct mqtt_connect *out) {
	uint8_t flags = rd_u8(r);

	out->clean_start = (flags & 0x02) != 0;
	out->has_will = (flags & 0x04) != 0;
	out->will_qos = flags >> 3 & 3;
	out->will_retain = (flags & 0x20) != 0;
	out->has_password = (flags & 0x40) != 0;
	out->has_username = (flags & 0x80) != 0;

	if ((flags & 0x01) != 0 && out->version != MQTT_V31)
		return MQTT_BAD_CONNECT_FLAGS; // [MQTT-3.1.2-3]
	if (!out->has_will && (out->will_qos != 0 || out->will_retain))
		return MQTT_BAD_CONNECT_FLAGS; // [MQTT-3.1.2-11]
	if (out->will_qos == 3)
		return MQTT_BAD_QOS;
	if (out->version != MQTT_V5 && out->has_password && !out->has_username)
		return MQTT_BAD_CONNECT_FLAGS; // [MQTT-3.1.2-22] of 3.1.1
	return MQTT_OK;
}

static enum mqtt_rc will_read(struct rd *r, struct mqtt_connect *out) {
	enum mqtt_rc rc;

	if (out->version == MQTT_V5) {
		rc = mqtt_props_decode(r, MQTT_PROPS_WILL, &out->will_props);
		if (rc != MQTT_OK)
			return rc;
	}
	rc = text_read(r, &out->will_topic);
	if (rc != MQTT_OK)
		return rc;
	out->will_payload = rd_take(r, rd_be16(r));
	if (r->failed)
		return MQTT_BAD_FIELD;
	if (!mqtt_topic_valid(out->will_topic))
		return MQTT_BAD_TOPIC;
	struct view response = mqtt_props_bytes(&out->will_props, MQTT_PROP_RESPONSE_TOPIC);
	if (mqtt_props_has(&out->will_props, MQTT_PROP_RESPONSE_TOPIC)
	    && !mqtt_topic_valid(response))
		return MQTT_BAD_TOPIC;
	return MQTT_OK;
}

static enum mqtt_rc credentials_read(struct rd *r, struct mqtt_connect *out) {
	// MQTT 3.1: the flags may promise what the length then leaves out.
	if (out->version == MQTT_V31 && rd_left(r) == 0)
		out->has_username = false;
	if (out->has_username) {
		enum mqtt_rc rc = text_read(r, &out->username);
		if (rc != MQTT_OK)
			return rc;
	}
	if (out->version == MQTT_V31 && rd_left(r) == 0)
		out->has_password = false;
	if (out->has_password)
		out->password = rd_take(r, rd_be16(r));
	return end_check(r);
}

static enum mqtt_rc connect_read(const struct mqtt_frame *f, struct mqtt_connect *out) {
	struct rd r = rd_from(f->body);
	enum mqtt_rc rc = version_read(&r, out);

	if (rc != MQTT_OK)
		return rc;
	rc = frame_check(f, out->version);
	if (rc != MQTT_OK)
		return rc;
	rc = connect_flags_read(&r, out);
	if (rc != MQTT_OK)
		return rc;
	out->keep_alive_s = rd_be16(&r);
	if (out->version == MQTT_V5) {
		rc = mqtt_props_decode(&r, MQTT_CONNECT, &out->props);
		if (rc != MQTT_OK)
			return rc;
		if (mqtt_props_has(&out->props, MQTT_PROP_AUTH_DATA)
		    && !mqtt_props_has(&out->props, MQTT_PROP_AUTH_METHOD))
			return MQTT_PROPERTY_NOT_HERE; // section 3.1.2.11.10
	}
	rc = text_read(&r, &out->client_id);
	if (rc != MQTT_OK)
		return rc;
	if (out->has_will) {
		rc = will_read(&r, out);
		if (rc != MQTT_OK)
			return rc;
	}
	return credentials_read(&r, out);
}

static void connect_clear(struct mqtt_connect *c) {
	c->level = 0;
	c->version = MQTT_V311;
	c->client_id = c->will_topic = c->will_payload = (struct view) {0};
	c->username = c->password = (struct view) {0};
	c->props.seen = c->will_props.seen = 0;
	c->props.user_count = c->will_props.user_count = 0;
}

enum mqtt_rc mqtt_connect_decode(const struct mqtt_frame *f, struct mqtt_connect *out) {
	connect_clear(out);
	enum mqtt_rc rc = connect_read(f, out);
	if (rc != MQTT_OK) {
		uint8_t level = out->level;
		enum mqtt_version version = out->version;
		connect_clear(out);
		out->level = level;
		out->version = version; // in which words to refuse
	}
	return rc;
}

static enum mqtt_rc topic_check(const struct mqtt_publish *p, enum mqtt_version v) {
	if (p->topic.len == 0)
		return v == MQTT_V5 && mqtt_props_has(&p->props, MQTT_PROP_ALIAS) ? MQTT_OK
										  : MQTT_BAD_TOPIC;
	if (!mqtt_utf8_valid(p->topic))
		return MQTT_BAD_UTF8;
	if (!mqtt_topic_valid(p->topic))
		return MQTT_BAD_TOPIC;
	if (mqtt_props_has(&p->props, MQTT_PROP_RESPONSE_TOPIC)
	    && !mqtt_topic_valid(p->props.bytes[MQTT_PROP_RESPONSE_TOPIC]))
		return MQTT_BAD_TOPIC; // [MQTT-3.3.2-14]
	return MQTT_OK;
}

enum mqtt_rc
mqtt_publish_decode(const struct mqtt_frame *f, enum mqtt_version v, struct mqtt_publish *out) {
	struct rd r = rd_from(f->body);
	enum mqtt_rc rc = frame_check(f, v);

	out->props.seen = 0;
	out->props.user_count = 0;
	if (rc != MQTT_OK)
		return rc;
	out->retain = (f->flags & 1) != 0;
	out->qos = f->flags >> 1 & 3;
	out->dup = (f->flags & 8) != 0;
	if (out->qos == 3)
		return MQTT_BAD_QOS;
	if (out->dup && out->qos == 0 && v != MQTT_V31)
		return MQTT_BAD_DUP; // [MQTT-3.3.1-2]

	out->topic = rd_take(&r, rd_be16(&r));
	out->packet_id = out->qos > 0 ? rd_be16(&r) : 0;
	if (r.failed)
		return MQTT_BAD_FIELD;
	if (out->qos > 0 && out->packet_id == 0)
		return MQTT_BAD_PACKET_ID;
	if (v == MQTT_V5) {
		rc = mqtt_props_decode(&r, MQTT_PUBLISH, &out->props);
		if (rc != MQTT_OK)
			return rc;
	}
	out->payload = rd_rest(&r);
	return topic_check(out, v);
}

static bool ack_reason_valid(enum mqtt_type type, uint8_t reason) {
	if (type == MQTT_PUBREL || type == MQTT_PUBCOMP)
		return reason == 0 || reason == MQTT_PACKET_ID_NOT_FOUND;
	switch (reason) {
	case 0x00:
	case 0x10:
	case 0x80:
	case 0x83:
	case 0x87:
	case 0x90:
	case 0x91:
	case 0x97:
	case 0x99:
		return true;
	default:
		return false;
	}
}

enum mqtt_rc
mqtt_ack_decode(const struct mqtt_frame *f, enum mqtt_version v, struct mqtt_ack *out) {
	struct rd r = rd_from(f->body);
	enum mqtt_rc rc = frame_check(f, v);

	if (rc != MQTT_OK)
		return rc;
	out->packet_id = rd_be16(&r);
	out->reason = 0;
	if (r.failed)
		return MQTT_BAD_FIELD;
	if (out->packet_id == 0)
		return MQTT_BAD_PACKET_ID;
	if (v != MQTT_V5 || rd_left(&r) == 0)
		return end_check(&r);

	out->reason = rd_u8(&r);
	if (!ack_reason_valid(f->type, out->reason))
		return MQTT_BAD_REASON;
	if (rd_left(&r) > 0) {
		struct mqtt_props props;
		rc = mqtt_props_decode(&r, f->type, &props);
		if (rc != MQTT_OK)
			return rc;
	}
	return end_check(&r);
}

static enum mqtt_rc options_check(uint8_t options, enum mqtt_version v, struct view filter) {
	if ((options & 3) == 3)
		return v == MQTT_V5 ? MQTT_BAD_OPTIONS : MQTT_BAD_QOS;
	if (v != MQTT_V5)
		return (options & 0xfc) != 0 ? MQTT_BAD_OPTIONS : MQTT_OK;
	if ((options & 0xc0) != 0)
		return MQTT_BAD_OPTIONS; // [MQTT-3.8.3-5]
	if ((options >> 4 & 3) == 3)
		return MQTT_PROPERTY_VALUE; // Retain Handling 3 is a protocol error
	if ((options & 4) != 0 && mqtt_filter_shared(filter))
		return MQTT_BAD_SHARE; // [MQTT-3.8.3-4]
	return MQTT_OK;
}

static enum mqtt_rc filters_check(struct mqtt_subscribe *s, enum mqtt_version v) {
	struct rd r = s->filters;

	s->count = 0;
	while (rd_left(&r) > 0) {
		struct view filter;
		enum mqtt_rc rc = text_read(&r, &filter);
		if (rc != MQTT_OK)
			return rc;
		if (!mqtt_filter_valid(filter, v == MQTT_V5))
			return MQTT_BAD_FILTER;
		if (s->with_options) {
			uint8_t options = rd_u8(&r);
			if (r.failed)
				return MQTT_BAD_FIELD;
			rc = options_check(options, v, filter);
			if (rc != MQTT_OK)
				return rc;
		}
		if (s->count == MQTT_FILTERS_MAX)
			return MQTT_TOO_MANY;
		s->count++;
	}
	return s->count == 0 ? MQTT_NO_FILTER : MQTT_OK;
}

enum mqtt_rc
mqtt_subscribe_decode(const struct mqtt_frame *f, enum mqtt_version v, struct mqtt_subscribe *out) {
	struct rd r = rd_from(f->body);
	enum mqtt_rc rc = frame_check(f, v);

	if (rc != MQTT_OK)
		return rc;
	out->with_options = f->type == MQTT_SUBSCRIBE;
	out->subscription_id = 0;
	out->packet_id = rd_be16(&r);
	if (r.failed)
		return MQTT_BAD_FIELD;
	if (out->packet_id == 0)
		return MQTT_BAD_PACKET_ID;
	if (v == MQTT_V5) {
		struct mqtt_props props;
		rc = mqtt_props_decode(&r, f->type, &props);
		if (rc != MQTT_OK)
			return rc;
		out->subscription_id = mqtt_props_number(&props, MQTT_PROP_SUBSCRIPTION_ID, 0);
	}
	out->filters = r;
	return filters_check(out, v);
}

bool mqtt_filter_next(struct mqtt_subscribe *s, struct mqtt_filter *out) {
	if (rd_left(&s->filters) == 0)
		return false;
	out->filter = rd_take(&s->filters, rd_be16(&s->filters));
	uint8_t options = s->with_options ? rd_u8(&s->filters) : 0;
	out->qos = options & 3;
	out->no_local = (options & 4) != 0;
	out->retain_as_published = (options & 8) != 0;
	out->retain_handling = options >> 4 & 3;
	return !s->filters.failed;
}

enum mqtt_rc mqtt_pingreq_decode(const struct mqtt_frame *f) {
	if (f->flags != 0)
		return MQTT_BAD_FLAGS;
	return f->body.len > 0 ? MQTT_BAD_TRAILING : MQTT_OK;
}

// Table 3-10, what a client may say.
static bool disconnect_reason_valid(uint8_t reason) {
	switch (reason) {
	case 0x00:
	case 0x04:
	case 0x80:
	case 0x81:
	case 0x82:
	case 0x83:
	case 0x90:
	case 0x93:
	case 0x94:
	case 0x95:
	case 0x96:
	case 0x97:
	case 0x98:
	case 0x99:
		return true;
	default:
		return false;
	}
}

enum mqtt_rc mqtt_disconnect_decode(
	const struct mqtt_frame *f,
	enum mqtt_version v,
	struct mqtt_disconnect *out
) {
	struct rd r = rd_from(f->body);
	enum mqtt_rc rc = frame_check(f, v);

	*out = (struct mqtt_disconnect) {0};
	if (rc != MQTT_OK)
		return rc;
	if (v != MQTT_V5 || f->body.len == 0)
		return end_check(&r);
	out->reason = rd_u8(&r);
	if (!disconnect_reason_valid(out->reason))
		return MQTT_BAD_REASON;
	if (rd_left(&r) > 0) {
		struct mqtt_props props;
		rc = mqtt_props_decode(&r, MQTT_DISCONNECT, &props);
		if (rc != MQTT_OK)
			return rc;
		out->has_expiry = mqtt_props_has(&props, MQTT_PROP_SESSION_EXPIRY);
		out->session_expiry_s = mqtt_props_number(&props, MQTT_PROP_SESSION_EXPIRY, 0);
	}
	return end_check(&r);
}

enum mqtt_rc mqtt_auth_decode(const struct mqtt_frame *f, struct mqtt_auth *out) {
	struct rd r = rd_from(f->body);
	enum mqtt_rc rc = frame_check(f, MQTT_V5);

	*out = (struct mqtt_auth) {0};
	if (rc != MQTT_OK || f->body.len == 0)
		return rc;
	out->reason = rd_u8(&r);
	if (out->reason != 0x00 && out->reason != 0x18 && out->reason != 0x19)
		return MQTT_BAD_REASON;
	if (rd_left(&r) > 0) {
		struct mqtt_props props;
		rc = mqtt_props_decode(&r, MQTT_AUTH, &props);
		if (rc != MQTT_OK)
			return rc;
		out->method = mqtt_props_bytes(&props, MQTT_PROP_AUTH_METHOD);
	}
	return end_check(&r);
}
