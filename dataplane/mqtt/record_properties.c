// SPDX-License-Identifier: Apache-2.0
#include "dataplane/mqtt/record_properties.h"

static uint32_t decimal(uint8_t *out, uint32_t v) {
	uint8_t digits[10];
	uint32_t n = 0, len = 0;

	do {
		digits[n++] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	while (n > 0)
		out[len++] = digits[--n];
	return len;
}

// The names carry "mqtt." so that they do not meet a device's own.
uint16_t mqtt_record_properties(const struct mqtt_props *p, uint8_t *expiry, struct property *out) {
	static const struct {
		enum mqtt_prop id;
		struct view name;
	} carried[] = {
		{MQTT_PROP_RESPONSE_TOPIC, VIEW_LITERAL("mqtt.response-topic")},
		{MQTT_PROP_CORRELATION, VIEW_LITERAL("mqtt.correlation-data")},
	};
	uint16_t n = 0;

	for (uint16_t i = 0; i < p->user_count; i++)
		out[n++] = (struct property) {p->user[i].name, p->user[i].value};
	if (mqtt_props_has(p, MQTT_PROP_MESSAGE_EXPIRY)) {
		uint32_t len = decimal(expiry, p->number[MQTT_PROP_MESSAGE_EXPIRY]);
		out[n++] = (struct property) {VIEW_LITERAL("mqtt.message-expiry"),
					      view_of(expiry, len)};
	}
	if (mqtt_props_has(p, MQTT_PROP_PAYLOAD_FORMAT))
		out[n++] = (struct property) {
			VIEW_LITERAL("mqtt.payload-format"),
			p->number[MQTT_PROP_PAYLOAD_FORMAT] == 1 ? VIEW_LITERAL("utf-8")
								 : VIEW_LITERAL("bytes"),
		};
	for (unsigned i = 0; i < sizeof(carried) / sizeof(carried[0]); i++)
		if (mqtt_props_has(p, carried[i].id))
			out[n++] = (struct property) {carried[i].name, p->bytes[carried[i].id]};
	return n;
}
