// SPDX-License-Identifier: Apache-2.0
// MQTT 5 properties (section 2.2.2), as a client may send them.
// Pure; any thread. Views point into the packet.
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

enum mqtt_rc : uint8_t;

enum mqtt_prop : uint8_t {
	MQTT_PROP_PAYLOAD_FORMAT = 1,
	MQTT_PROP_MESSAGE_EXPIRY = 2,
	MQTT_PROP_CONTENT_TYPE = 3,
	MQTT_PROP_RESPONSE_TOPIC = 8,
	MQTT_PROP_CORRELATION = 9,
	MQTT_PROP_SUBSCRIPTION_ID = 11,
	MQTT_PROP_SESSION_EXPIRY = 17,
	MQTT_PROP_ASSIGNED_CLIENT_ID = 18,
	MQTT_PROP_SERVER_KEEP_ALIVE = 19,
	MQTT_PROP_AUTH_METHOD = 21,
	MQTT_PROP_AUTH_DATA = 22,
	MQTT_PROP_REQUEST_PROBLEM = 23,
	MQTT_PROP_WILL_DELAY = 24,
	MQTT_PROP_REQUEST_RESPONSE = 25,
	MQTT_PROP_RESPONSE_INFO = 26,
	MQTT_PROP_SERVER_REFERENCE = 28,
	MQTT_PROP_REASON_STRING = 31,
	MQTT_PROP_RECEIVE_MAXIMUM = 33,
	MQTT_PROP_ALIAS_MAXIMUM = 34,
	MQTT_PROP_ALIAS = 35,
	MQTT_PROP_MAXIMUM_QOS = 36,
	MQTT_PROP_RETAIN_AVAILABLE = 37,
	MQTT_PROP_USER = 38,
	MQTT_PROP_MAXIMUM_PACKET = 39,
	MQTT_PROP_WILDCARD_AVAILABLE = 40,
	MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE = 41,
	MQTT_PROP_SHARED_AVAILABLE = 42,
};
#define MQTT_PROP_COUNT 43
#define MQTT_USER_PROPERTIES_MAX 32

struct mqtt_user_property {
	struct view name;
	struct view value;
};

// Only what `seen` names is set: read through the functions below.
struct mqtt_props {
	uint64_t seen; // bit n: property n
	struct view block; // as it came, its length included; set if any was seen
	uint16_t user_count;
	uint32_t number[MQTT_PROP_COUNT];
	struct view bytes[MQTT_PROP_COUNT];
	struct mqtt_user_property user[MQTT_USER_PROPERTIES_MAX];
};

// Where a set of properties stands; the others are named by their packet type.
#define MQTT_PROPS_WILL 0

// Read a property length and the properties: each must be known, allowed in `place` (a packet type
// or MQTT_PROPS_WILL), single unless it is a user property, and of a permitted value.
enum mqtt_rc mqtt_props_decode(struct rd *r, uint8_t place, struct mqtt_props *out);

static inline bool mqtt_props_has(const struct mqtt_props *p, enum mqtt_prop id) {
	return (p->seen >> id & 1) != 0;
}

static inline uint32_t
mqtt_props_number(const struct mqtt_props *p, enum mqtt_prop id, uint32_t absent) {
	return mqtt_props_has(p, id) ? p->number[id] : absent;
}

static inline struct view mqtt_props_bytes(const struct mqtt_props *p, enum mqtt_prop id) {
	return mqtt_props_has(p, id) ? p->bytes[id] : (struct view) {0};
}

// A variable byte integer of at most four bytes. MQTT_BAD_VARINT if longer, MQTT_BAD_FIELD if cut
// off; *padded if fewer bytes would have done.
enum mqtt_rc mqtt_varint_read(struct rd *r, uint32_t *value, bool *padded);
