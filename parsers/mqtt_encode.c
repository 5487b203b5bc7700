// SPDX-License-Identifier: Apache-2.0
#include "parsers/mqtt_encode.h"

// Bounded writer; failure is sticky.
struct wr {
	uint8_t *p;
	uint8_t *end;
	bool failed;
};

static void put(struct wr *w, const void *bytes, uint32_t n) {
	if (w->failed || (size_t)(w->end - w->p) < n) {
		w->failed = true;
		return;
	}
	if (n > 0)
		memcpy(w->p, bytes, n);
	w->p += n;
}

static void put_u8(struct wr *w, uint8_t v) {
	put(w, &v, 1);
}

static void put_u16(struct wr *w, uint16_t v) {
	put(w, (uint8_t[]) {v >> 8, v & 0xff}, 2);
}

static void put_u32(struct wr *w, uint32_t v) {
	put_u16(w, v >> 16);
	put_u16(w, v & 0xffff);
}

static void put_text(struct wr *w, struct view s) {
	put_u16(w, (uint16_t)s.len);
	put(w, s.p, s.len);
}

static uint32_t varint_len(uint32_t v) {
	return v < 1u << 7 ? 1 : v < 1u << 14 ? 2 : v < 1u << 21 ? 3 : 4;
}

static void put_varint(struct wr *w, uint32_t v) {
	while (v >= 0x80) {
		put_u8(w, (uint8_t)(v | 0x80));
		v >>= 7;
	}
	put_u8(w, (uint8_t)v);
}

static struct wr wr_packet(uint8_t *out, uint32_t cap, uint32_t max_packet) {
	return (struct wr) {.p = out, .end = out + (cap < max_packet ? cap : max_packet)};
}

static uint32_t wr_len(const struct wr *w, const uint8_t *out) {
	return w->failed ? 0 : (uint32_t)(w->p - out);
}

uint8_t mqtt_connack_legacy(uint8_t reason) {
	switch (reason) {
	case MQTT_SUCCESS:
		return 0;
	case MQTT_UNSUPPORTED_VERSION:
		return 1;
	case MQTT_CLIENT_ID_INVALID:
		return 2;
	case MQTT_SERVER_UNAVAILABLE:
	case MQTT_SERVER_BUSY:
	case MQTT_SHUTTING_DOWN:
	case MQTT_QUOTA_EXCEEDED:
	case MQTT_RATE_EXCEEDED:
		return 3;
	case MQTT_BAD_CREDENTIALS:
		return 4;
	case MQTT_NOT_AUTHORIZED:
	case MQTT_BANNED:
		return 5;
	default:
		return 0xff;
	}
}

static void connack_props(struct wr *w, const struct mqtt_connack *c, bool with_reason) {
	if (with_reason && c->reason_string.len > 0) {
		put_u8(w, MQTT_PROP_REASON_STRING);
		put_text(w, c->reason_string);
	}
	if (c->reason != MQTT_SUCCESS)
		return;
	if (c->has_session_expiry) {
		put_u8(w, MQTT_PROP_SESSION_EXPIRY);
		put_u32(w, c->session_expiry_s);
	}
	if (c->receive_maximum > 0) {
		put_u8(w, MQTT_PROP_RECEIVE_MAXIMUM);
		put_u16(w, c->receive_maximum);
	}
	if (c->maximum_qos < 2) {
		put_u8(w, MQTT_PROP_MAXIMUM_QOS);
		put_u8(w, c->maximum_qos);
	}
	if (c->no_retain) {
		put_u8(w, MQTT_PROP_RETAIN_AVAILABLE);
		put_u8(w, 0);
	}
	if (c->maximum_packet > 0) {
		put_u8(w, MQTT_PROP_MAXIMUM_PACKET);
		put_u32(w, c->maximum_packet);
	}
	if (c->assigned_client_id.len > 0) {
		put_u8(w, MQTT_PROP_ASSIGNED_CLIENT_ID);
		put_text(w, c->assigned_client_id);
	}
	if (c->alias_maximum > 0) {
		put_u8(w, MQTT_PROP_ALIAS_MAXIMUM);
		put_u16(w, c->alias_maximum);
	}
	if (c->no_wildcard)
		put(w, (uint8_t[]) {MQTT_PROP_WILDCARD_AVAILABLE, 0}, 2);
	if (c->no_subscription_id)
		put(w, (uint8_t[]) {MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE, 0}, 2);
	if (c->no_shared)
		put(w, (uint8_t[]) {MQTT_PROP_SHARED_AVAILABLE, 0}, 2);
	if (c->has_server_keep_alive) {
		put_u8(w, MQTT_PROP_SERVER_KEEP_ALIVE);
		put_u16(w, c->server_keep_alive_s);
	}
}

#define CONNACK_PROPS_MAX 512

static uint32_t connack_write(
	uint8_t *out,
	uint32_t cap,
	uint32_t max_packet,
	const struct mqtt_connack *c,
	bool reason
) {
	uint8_t props[CONNACK_PROPS_MAX];
	struct wr p = {.p = props, .end = props + sizeof(props)};
	struct wr w = wr_packet(out, cap, max_packet);

	connack_props(&p, c, reason);
	uint32_t n = wr_len(&p, props);
	if (p.failed)
		return 0;
	put_u8(&w, MQTT_CONNACK << 4);
	put_varint(&w, 2 + varint_len(n) + n);
	put_u8(&w, c->reason == MQTT_SUCCESS && c->session_present);
	put_u8(&w, c->reason);
	put_varint(&w, n);
	put(&w, props, n);
	return wr_len(&w, out);
}

uint32_t mqtt_connack_encode(
	uint8_t *out,
	uint32_t cap,
	enum mqtt_version v,
	uint32_t max_packet,
	const struct mqtt_connack *c
) {
	if (v != MQTT_V5) {
		uint8_t code = mqtt_connack_legacy(c->reason);
		// 3.1 knows no Session Present: its flags byte is reserved.
		bool present = v == MQTT_V311 && code == 0 && c->session_present;
		struct wr w = wr_packet(out, cap, max_packet);
		if (code == 0xff)
			return 0;
		put(&w, (uint8_t[]) {MQTT_CONNACK << 4, 2, present, code}, 4);
		return wr_len(&w, out);
	}
	uint32_t n = connack_write(out, cap, max_packet, c, true);
	return n > 0 ? n : connack_write(out, cap, max_packet, c, false);
}

static uint32_t ack_write(
	uint8_t *out,
	uint32_t cap,
	uint32_t max_packet,
	enum mqtt_type type,
	uint16_t packet_id,
	uint8_t reason,
	struct view text
) {
	struct wr w = wr_packet(out, cap, max_packet);
	uint32_t n = text.len > 0 ? 3 + text.len : 0;

	put_u8(&w, (uint8_t)(type << 4 | (type == MQTT_PUBREL ? 2 : 0)));
	put_varint(&w, n > 0 ? 3 + varint_len(n) + n : reason != 0 ? 3 : 2);
	put_u16(&w, packet_id);
	if (n > 0 || reason != 0)
		put_u8(&w, reason);
	if (n > 0) {
		put_varint(&w, n);
		put_u8(&w, MQTT_PROP_REASON_STRING);
		put_text(&w, text);
	}
	return wr_len(&w, out);
}

uint32_t mqtt_ack_encode(
	uint8_t *out,
	uint32_t cap,
	enum mqtt_version v,
	uint32_t max_packet,
	enum mqtt_type type,
	uint16_t packet_id,
	uint8_t reason,
	struct view reason_string
) {
	const struct view none = {0};

	if (v != MQTT_V5)
		return ack_write(out, cap, max_packet, type, packet_id, 0, none);
	uint32_t n = ack_write(out, cap, max_packet, type, packet_id, reason, reason_string);
	return n > 0 ? n : ack_write(out, cap, max_packet, type, packet_id, reason, none);
}

uint32_t mqtt_suback_encode(
	uint8_t *out,
	uint32_t cap,
	enum mqtt_version v,
	uint32_t max_packet,
	enum mqtt_type type,
	uint16_t packet_id,
	struct view codes
) {
	struct wr w = wr_packet(out, cap, max_packet);

	if (type == MQTT_UNSUBACK && v != MQTT_V5)
		codes.len = 0;
	put_u8(&w, (uint8_t)(type << 4));
	put_varint(&w, 2 + (v == MQTT_V5) + codes.len);
	put_u16(&w, packet_id);
	if (v == MQTT_V5)
		put_u8(&w, 0);
	put(&w, codes.p, codes.len);
	return wr_len(&w, out);
}

uint32_t mqtt_pingresp_encode(uint8_t *out, uint32_t cap) {
	struct wr w = wr_packet(out, cap, 2);

	put(&w, (uint8_t[]) {MQTT_PINGRESP << 4, 0}, 2);
	return wr_len(&w, out);
}

static uint32_t disconnect_write(
	uint8_t *out,
	uint32_t cap,
	uint32_t max_packet,
	uint8_t reason,
	struct view text
) {
	struct wr w = wr_packet(out, cap, max_packet);
	uint32_t n = text.len > 0 ? 3 + text.len : 0;

	put_u8(&w, MQTT_DISCONNECT << 4);
	put_varint(&w, n > 0 ? 1 + varint_len(n) + n : 1);
	put_u8(&w, reason);
	if (n > 0) {
		put_varint(&w, n);
		put_u8(&w, MQTT_PROP_REASON_STRING);
		put_text(&w, text);
	}
	return wr_len(&w, out);
}

uint32_t mqtt_disconnect_encode(
	uint8_t *out,
	uint32_t cap,
	uint32_t max_packet,
	uint8_t reason,
	struct view reason_string
) {
	uint32_t n = disconnect_write(out, cap, max_packet, reason, reason_string);

	return n > 0 ? n : disconnect_write(out, cap, max_packet, reason, (struct view) {0});
}
