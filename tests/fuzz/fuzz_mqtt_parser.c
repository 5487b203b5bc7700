// SPDX-License-Identifier: Apache-2.0
// The first byte chooses the protocol version, the rest is a client's byte stream. Every view that
// a decoder hands out must lie inside its frame.
#include "parsers/mqtt.h"
#include "parsers/mqtt_topic.h"

#include <stdlib.h>

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void inside(const struct mqtt_frame *f, struct view v) {
	CHECK(v.len == 0 || (v.p >= f->body.p && v.p + v.len <= f->body.p + f->body.len));
}

static void props_inside(const struct mqtt_frame *f, const struct mqtt_props *p) {
	for (unsigned id = 0; id < MQTT_PROP_COUNT; id++)
		if (id == MQTT_PROP_CONTENT_TYPE || id == MQTT_PROP_RESPONSE_TOPIC
		    || id == MQTT_PROP_CORRELATION || id == MQTT_PROP_AUTH_METHOD
		    || id == MQTT_PROP_AUTH_DATA)
			inside(f, mqtt_props_bytes(p, id));
	for (unsigned i = 0; i < p->user_count; i++) {
		inside(f, p->user[i].name);
		inside(f, p->user[i].value);
	}
}

static void connect(const struct mqtt_frame *f) {
	static struct mqtt_connect c;

	if (mqtt_connect_decode(f, &c) != MQTT_OK)
		return;
	inside(f, c.client_id);
	inside(f, c.will_topic);
	inside(f, c.will_payload);
	inside(f, c.username);
	inside(f, c.password);
	props_inside(f, &c.props);
	props_inside(f, &c.will_props);
}

static void publish(const struct mqtt_frame *f, enum mqtt_version v) {
	static struct mqtt_publish p;

	if (mqtt_publish_decode(f, v, &p) != MQTT_OK)
		return;
	inside(f, p.topic);
	inside(f, p.payload);
	props_inside(f, &p.props);
	CHECK(p.topic.len > 0 || mqtt_props_has(&p.props, MQTT_PROP_ALIAS));
	CHECK((p.qos > 0) == (p.packet_id != 0));
}

static void subscribe(const struct mqtt_frame *f, enum mqtt_version v) {
	static const struct view own = VIEW_LITERAL("cmd/d/#");
	struct mqtt_subscribe s;
	struct mqtt_filter t;
	unsigned n = 0;

	if (mqtt_subscribe_decode(f, v, &s) != MQTT_OK)
		return;
	for (; mqtt_filter_next(&s, &t); n++) {
		inside(f, t.filter);
		CHECK(mqtt_filter_within(t.filter, t.filter) || t.filter.p[0] == '$');
		mqtt_filter_within(t.filter, own);
	}
	CHECK(n == s.count && n > 0);
}

static void decode(const struct mqtt_frame *f, enum mqtt_version v) {
	struct mqtt_disconnect disconnect;
	struct mqtt_auth auth;
	struct mqtt_ack ack;

	switch (f->type) {
	case MQTT_CONNECT:
		connect(f);
		break;
	case MQTT_PUBLISH:
		publish(f, v);
		break;
	case MQTT_SUBSCRIBE:
	case MQTT_UNSUBSCRIBE:
		subscribe(f, v);
		break;
	case MQTT_DISCONNECT:
		mqtt_disconnect_decode(f, v, &disconnect);
		break;
	case MQTT_AUTH:
		if (mqtt_auth_decode(f, &auth) == MQTT_OK)
			inside(f, auth.method);
		break;
	default:
		mqtt_ack_decode(f, v, &ack);
		mqtt_pingreq_decode(f);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
	if (n < 1 || n > 1u << 20)
		return 0;
	enum mqtt_version v = MQTT_V31 + bytes[0] % 3;
	struct view in = {bytes + 1, (uint32_t)(n - 1)};

	while (in.len > 0) {
		struct mqtt_frame f;
		if (mqtt_frame(in, 65536, &f) != MQTT_OK)
			break;
		CHECK(f.len >= 2 && f.len <= in.len);
		decode(&f, v);
		in = view_of(in.p + f.len, in.len - f.len);
	}
	return 0;
}
