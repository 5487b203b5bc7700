// SPDX-License-Identifier: Apache-2.0
#include "parsers/mqtt.h"
#include "parsers/mqtt_props.h"
#include "parsers/mqtt_topic.h"

enum prop_kind : uint8_t {
	PROP_UNKNOWN,
	PROP_BOOL,
	PROP_U16,
	PROP_U32,
	PROP_VARINT,
	PROP_TEXT,
	PROP_BINARY,
	PROP_PAIR,
};

#define IN(type) (1u << (type))
#define IN_WILL IN(MQTT_PROPS_WILL)
#define IN_MESSAGE (IN(MQTT_PUBLISH) | IN_WILL)
#define IN_ACKS (IN(MQTT_PUBACK) | IN(MQTT_PUBREC) | IN(MQTT_PUBREL) | IN(MQTT_PUBCOMP))
#define IN_SUBSCRIBES (IN(MQTT_SUBSCRIBE) | IN(MQTT_UNSUBSCRIBE))

// Table 2-4, without the packets that only a server sends.
static const struct {
	enum prop_kind kind;
	bool not_zero;
	uint16_t places;
} rules[MQTT_PROP_COUNT] = {
	[MQTT_PROP_PAYLOAD_FORMAT] = {PROP_BOOL, false, IN_MESSAGE},
	[MQTT_PROP_MESSAGE_EXPIRY] = {PROP_U32, false, IN_MESSAGE},
	[MQTT_PROP_CONTENT_TYPE] = {PROP_TEXT, false, IN_MESSAGE},
	[MQTT_PROP_RESPONSE_TOPIC] = {PROP_TEXT, false, IN_MESSAGE},
	[MQTT_PROP_CORRELATION] = {PROP_BINARY, false, IN_MESSAGE},
	[MQTT_PROP_SUBSCRIPTION_ID] = {PROP_VARINT, true, IN(MQTT_SUBSCRIBE)},
	[MQTT_PROP_SESSION_EXPIRY] = {PROP_U32, false, IN(MQTT_CONNECT) | IN(MQTT_DISCONNECT)},
	[MQTT_PROP_ASSIGNED_CLIENT_ID] = {PROP_TEXT, false, 0},
	[MQTT_PROP_SERVER_KEEP_ALIVE] = {PROP_U16, false, 0},
	[MQTT_PROP_AUTH_METHOD] = {PROP_TEXT, false, IN(MQTT_CONNECT) | IN(MQTT_AUTH)},
	[MQTT_PROP_AUTH_DATA] = {PROP_BINARY, false, IN(MQTT_CONNECT) | IN(MQTT_AUTH)},
	[MQTT_PROP_REQUEST_PROBLEM] = {PROP_BOOL, false, IN(MQTT_CONNECT)},
	[MQTT_PROP_WILL_DELAY] = {PROP_U32, false, IN_WILL},
	[MQTT_PROP_REQUEST_RESPONSE] = {PROP_BOOL, false, IN(MQTT_CONNECT)},
	[MQTT_PROP_RESPONSE_INFO] = {PROP_TEXT, false, 0},
	[MQTT_PROP_SERVER_REFERENCE] = {PROP_TEXT, false, 0},
	[MQTT_PROP_REASON_STRING] =
		{PROP_TEXT, false, IN_ACKS | IN(MQTT_DISCONNECT) | IN(MQTT_AUTH)},
	[MQTT_PROP_RECEIVE_MAXIMUM] = {PROP_U16, true, IN(MQTT_CONNECT)},
	[MQTT_PROP_ALIAS_MAXIMUM] = {PROP_U16, false, IN(MQTT_CONNECT)},
	[MQTT_PROP_ALIAS] = {PROP_U16, true, IN(MQTT_PUBLISH)},
	[MQTT_PROP_MAXIMUM_QOS] = {PROP_BOOL, false, 0},
	[MQTT_PROP_RETAIN_AVAILABLE] = {PROP_BOOL, false, 0},
	[MQTT_PROP_USER] =
		{PROP_PAIR,
		 false,
		 IN(MQTT_CONNECT) | IN_MESSAGE | IN_ACKS | IN_SUBSCRIBES | IN(MQTT_DISCONNECT)
			 | IN(MQTT_AUTH)},
	[MQTT_PROP_MAXIMUM_PACKET] = {PROP_U32, true, IN(MQTT_CONNECT)},
	[MQTT_PROP_WILDCARD_AVAILABLE] = {PROP_BOOL, false, 0},
	[MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE] = {PROP_BOOL, false, 0},
	[MQTT_PROP_SHARED_AVAILABLE] = {PROP_BOOL, false, 0},
};

enum mqtt_rc mqtt_varint_read(struct rd *r, uint32_t *value, bool *padded) {
	*value = 0;
	*padded = false;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t b = rd_u8(r);
		if (r->failed)
			return MQTT_BAD_FIELD;
		*value |= (uint32_t)(b & 0x7f) << (7 * i);
		if ((b & 0x80) == 0) {
			*padded = i > 0 && b == 0;
			return MQTT_OK;
		}
	}
	return MQTT_BAD_VARINT;
}

static enum mqtt_rc number_read(struct rd *r, enum prop_kind kind, uint32_t *value) {
	bool padded;

	switch (kind) {
	case PROP_BOOL:
		*value = rd_u8(r);
		return *value > 1 ? MQTT_PROPERTY_VALUE : MQTT_OK;
	case PROP_U16:
		*value = rd_be16(r);
		return MQTT_OK;
	case PROP_U32:
		*value = rd_be32(r);
		return MQTT_OK;
	default: {
		enum mqtt_rc rc = mqtt_varint_read(r, value, &padded);
		return rc == MQTT_OK && padded ? MQTT_BAD_VARINT : rc;
	}
	}
}

static enum mqtt_rc user_read(struct rd *r, struct mqtt_props *out) {
	struct view name = rd_take(r, rd_be16(r));
	struct view value = rd_take(r, rd_be16(r));

	if (r->failed)
		return MQTT_BAD_FIELD;
	if (!mqtt_utf8_valid(name) || !mqtt_utf8_valid(value))
		return MQTT_BAD_UTF8;
	if (out->user_count == MQTT_USER_PROPERTIES_MAX)
		return MQTT_TOO_MANY;
	out->user[out->user_count++] = (struct mqtt_user_property) {name, value};
	return MQTT_OK;
}

static enum mqtt_rc value_read(struct rd *r, uint32_t id, struct mqtt_props *out) {
	enum prop_kind kind = rules[id].kind;
	enum mqtt_rc rc;

	if (kind == PROP_TEXT || kind == PROP_BINARY) {
		out->bytes[id] = rd_take(r, rd_be16(r));
		if (r->failed)
			return MQTT_BAD_FIELD;
		if (kind == PROP_TEXT && !mqtt_utf8_valid(out->bytes[id]))
			return MQTT_BAD_UTF8;
		return MQTT_OK;
	}
	rc = number_read(r, kind, &out->number[id]);
	if (r->failed)
		return MQTT_BAD_FIELD;
	if (rc == MQTT_OK && rules[id].not_zero && out->number[id] == 0)
		return id == MQTT_PROP_ALIAS ? MQTT_BAD_ALIAS : MQTT_PROPERTY_VALUE;
	return rc;
}

static enum mqtt_rc property_read(struct rd *r, uint8_t place, struct mqtt_props *out) {
	uint32_t id;
	bool padded;
	enum mqtt_rc rc = mqtt_varint_read(r, &id, &padded);

	if (rc != MQTT_OK)
		return rc;
	if (padded || id >= MQTT_PROP_COUNT || rules[id].kind == PROP_UNKNOWN)
		return MQTT_BAD_PROPERTY;
	if ((rules[id].places & IN(place)) == 0)
		return MQTT_PROPERTY_NOT_HERE;
	if (rules[id].kind == PROP_PAIR) {
		out->seen |= 1ull << id;
		return user_read(r, out);
	}
	if ((out->seen >> id & 1) != 0)
		return MQTT_PROPERTY_TWICE;
	out->seen |= 1ull << id;
	return value_read(r, id, out);
}

enum mqtt_rc mqtt_props_decode(struct rd *r, uint8_t place, struct mqtt_props *out) {
	const uint8_t *start = r->p;
	uint32_t len;
	bool padded;
	enum mqtt_rc rc = mqtt_varint_read(r, &len, &padded);

	out->seen = 0;
	out->user_count = 0;
	if (rc != MQTT_OK)
		return rc;
	if (padded)
		return MQTT_BAD_VARINT;
	if (len == 0)
		return MQTT_OK;

	struct view block = rd_take(r, len);
	struct rd in = rd_from(block);
	if (r->failed)
		return MQTT_BAD_FIELD;
	out->block = view_of(start, (uint32_t)(r->p - start));
	while (rd_left(&in) > 0) {
		rc = property_read(&in, place, out);
		if (rc != MQTT_OK)
			return rc;
	}
	return MQTT_OK;
}
