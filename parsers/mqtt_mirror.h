// SPDX-License-Identifier: Apache-2.0
// The publishes in one direction of somebody else's MQTT connection: client-to-server bytes in,
// publishes with their session's context out. Nothing is answered; what a broker would refuse is
// skipped and told.
//
// Begins at CONNECT, or in the middle where the next bytes are a whole packet that a client may
// send. Without a CONNECT the version is taken from the first PUBLISH that decides it, and client
// id and aliases set earlier are unknown.
// Pure, fixed size, one per stream; any thread. Views point into the bytes given, the client id and
// aliased topics into the struct until the next call.
#pragma once

#include "parsers/mqtt.h"

#define MQTT_MIRROR_ALIASES 16
#define MQTT_MIRROR_TOPIC 128
#define MQTT_MIRROR_CLIENT_ID 64

enum mqtt_mirror_rc : uint8_t {
	MQTT_MIRROR_PUBLISH, // *out is a publish
	MQTT_MIRROR_OTHER, // a packet without a message
	MQTT_MIRROR_SKIPPED, // a publish that cannot be told: unknown or too long aliased topic
	MQTT_MIRROR_MORE, // call again with more bytes behind what is left
	MQTT_MIRROR_LOST, // not MQTT (any more): leave the stream alone until it begins again
};

struct mqtt_mirror {
	enum mqtt_version version; // 0: not known yet
	bool connected; // CONNECT was seen
	uint8_t client_id_len; // 0 if unknown or longer than we keep
	uint8_t client_id[MQTT_MIRROR_CLIENT_ID];
	uint8_t topic_len[MQTT_MIRROR_ALIASES]; // 0: not set
	uint8_t topics[MQTT_MIRROR_ALIASES][MQTT_MIRROR_TOPIC];
};

void mqtt_mirror_init(struct mqtt_mirror *m);

// Take one packet off the front of *in. Packets above `max_len` end the stream.
enum mqtt_mirror_rc mqtt_mirror_next(
	struct mqtt_mirror *m,
	struct view *in,
	uint32_t max_len,
	struct mqtt_publish *out
);

static inline struct view mqtt_mirror_client_id(const struct mqtt_mirror *m) {
	return view_of(m->client_id, m->client_id_len);
}
