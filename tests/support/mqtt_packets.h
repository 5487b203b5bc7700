// SPDX-License-Identifier: Apache-2.0
// MQTT packets as a client writes them, for tests: no checks, so that wrong ones can be made.
#pragma once

#include "parsers/mqtt.h"

#include <stdint.h>
#include <string.h>

struct packet {
	uint8_t bytes[70000];
	uint32_t len;
};

static inline void pk_u8(struct packet *p, unsigned v) {
	p->bytes[p->len++] = (uint8_t)v;
}

static inline void pk_u16(struct packet *p, unsigned v) {
	pk_u8(p, v >> 8);
	pk_u8(p, v & 0xff);
}

static inline void pk_u32(struct packet *p, uint32_t v) {
	pk_u16(p, v >> 16);
	pk_u16(p, v & 0xffff);
}

static inline void pk_bytes(struct packet *p, const void *bytes, uint32_t n) {
	if (n > 0)
		memcpy(p->bytes + p->len, bytes, n);
	p->len += n;
}

static inline void pk_text(struct packet *p, const char *s) {
	pk_u16(p, (unsigned)strlen(s));
	pk_bytes(p, s, (uint32_t)strlen(s));
}

static inline void pk_varint(struct packet *p, uint32_t v) {
	for (; v >= 0x80; v >>= 7)
		pk_u8(p, v | 0x80);
	pk_u8(p, v);
}

static inline void pk_append(struct packet *p, unsigned first, const struct packet *body) {
	pk_u8(p, first);
	pk_varint(p, body->len);
	pk_bytes(p, body->bytes, body->len);
}

struct pk_props {
	uint8_t bytes[2048];
	uint32_t len;
};

struct pk_connect {
	uint8_t version;
	bool clean;
	uint16_t keep_alive;
	const char *id;
	const char *user; // NULL: none
	const char *password;
	const char *will_topic;
	const char *will_payload;
	uint8_t will_qos;
	bool will_retain;
	struct pk_props props;
	struct pk_props will_props;
};

static inline void pk_block(struct packet *p, const struct pk_props *props) {
	pk_varint(p, props->len);
	pk_bytes(p, props->bytes, props->len);
}

static inline void pk_connect(struct packet *out, const struct pk_connect *c) {
	static struct packet b;

	b.len = 0;
	pk_text(&b, c->version == MQTT_V31 ? "MQIsdp" : "MQTT");
	pk_u8(&b, c->version);
	pk_u8(&b,
	      (c->user != NULL ? 0x80u : 0) | (c->password != NULL ? 0x40u : 0)
		      | (c->will_topic != NULL ? 4u : 0) | (c->will_retain ? 0x20u : 0)
		      | (unsigned)c->will_qos << 3 | (c->clean ? 2u : 0));
	pk_u16(&b, c->keep_alive);
	if (c->version == MQTT_V5)
		pk_block(&b, &c->props);
	pk_text(&b, c->id);
	if (c->will_topic != NULL) {
		if (c->version == MQTT_V5)
			pk_block(&b, &c->will_props);
		pk_text(&b, c->will_topic);
		pk_text(&b, c->will_payload);
	}
	if (c->user != NULL)
		pk_text(&b, c->user);
	if (c->password != NULL)
		pk_text(&b, c->password);
	pk_append(out, 0x10, &b);
}

struct pk_publish {
	uint8_t version;
	uint8_t qos;
	bool dup;
	bool retain;
	uint16_t id;
	const char *topic;
	const char *payload;
	struct pk_props props;
};

static inline void pk_publish(struct packet *out, const struct pk_publish *p) {
	static struct packet b;

	b.len = 0;
	pk_text(&b, p->topic);
	if (p->qos > 0)
		pk_u16(&b, p->id);
	if (p->version == MQTT_V5)
		pk_block(&b, &p->props);
	pk_bytes(&b, p->payload, (uint32_t)strlen(p->payload));
	pk_append(out, 0x30u | (p->dup ? 8u : 0) | (unsigned)p->qos << 1 | p->retain, &b);
}

static inline void pk_ack(struct packet *out, enum mqtt_type type, uint16_t id) {
	pk_u8(out, (unsigned)type << 4 | (type == MQTT_PUBREL ? 2u : 0));
	pk_u8(out, 2);
	pk_u16(out, id);
}

static inline void
pk_subscribe(struct packet *out, uint8_t version, uint16_t id, const char *filter, uint8_t qos) {
	static struct packet b;

	b.len = 0;
	pk_u16(&b, id);
	if (version == MQTT_V5)
		pk_u8(&b, 0);
	pk_text(&b, filter);
	pk_u8(&b, qos);
	pk_append(out, 0x82, &b);
}

// Properties.
static inline void pp_u8(struct pk_props *p, unsigned v) {
	p->bytes[p->len++] = (uint8_t)v;
}

static inline void pp_number(struct pk_props *p, enum mqtt_prop id, unsigned width, uint32_t v) {
	pp_u8(p, id);
	for (unsigned i = width; i-- > 0;)
		pp_u8(p, v >> (8 * i) & 0xff);
}

static inline void pp_text(struct pk_props *p, int id, const char *s) {
	if (id >= 0)
		pp_u8(p, (unsigned)id);
	pp_u8(p, (unsigned)(strlen(s) >> 8));
	pp_u8(p, (unsigned)strlen(s) & 0xff);
	memcpy(p->bytes + p->len, s, strlen(s));
	p->len += (uint32_t)strlen(s);
}

static inline void pp_user(struct pk_props *p, const char *name, const char *value) {
	pp_text(p, MQTT_PROP_USER, name);
	pp_text(p, -1, value);
}
