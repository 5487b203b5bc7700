// SPDX-License-Identifier: Apache-2.0
// MQTT packets as a server sends them. Pure; any thread.
//
// Every encoder writes at most `cap` bytes to `out` and returns the length of the packet, or 0 if
// it does not fit. Reason strings and other properties that the specification lets us leave out are
// left out when the packet would exceed `max_packet`, the client's Maximum Packet Size
// [MQTT-3.2.2-19, 3.4.2-2, 3.9.2-1, 3.14.2-3]. A packet that exceeds it without them is not written
// at all [MQTT-3.1.2-24, 25].
#pragma once

#include "parsers/mqtt.h"

struct mqtt_connack {
	uint8_t reason; // MQTT 5 code; older versions get their nearest return code
	bool session_present;
	// MQTT 5 only, and only with reason 0 unless said otherwise.
	struct view assigned_client_id; // empty: none
	bool has_session_expiry;
	bool has_server_keep_alive;
	uint32_t session_expiry_s;
	uint16_t server_keep_alive_s;
	uint16_t receive_maximum; // 0: not sent (65,535)
	uint16_t alias_maximum; // 0: not sent
	uint8_t maximum_qos; // 2: not sent
	bool no_retain; // Retain Available 0
	bool no_wildcard, no_subscription_id, no_shared;
	uint32_t maximum_packet; // 0: not sent
	struct view reason_string; // with any reason
};

uint32_t mqtt_connack_encode(
	uint8_t *out,
	uint32_t cap,
	enum mqtt_version v,
	uint32_t max_packet,
	const struct mqtt_connack *c
);

// What a client of 3.1 or 3.1.1 is told for an MQTT 5 reason (section 3.2.2.3 of 3.1.1), or 0xff if
// none of its return codes applies and the connection is closed in silence [MQTT-3.2.2-6].
uint8_t mqtt_connack_legacy(uint8_t reason);

// PUBACK, PUBREC, PUBREL, PUBCOMP. Before MQTT 5 there is no reason to give: the caller decides
// whether to answer at all.
uint32_t mqtt_ack_encode(
	uint8_t *out,
	uint32_t cap,
	enum mqtt_version v,
	uint32_t max_packet,
	enum mqtt_type type,
	uint16_t packet_id,
	uint8_t reason,
	struct view reason_string
);

// SUBACK or UNSUBACK with one code per filter, in their order; UNSUBACK before MQTT 5 has none.
uint32_t mqtt_suback_encode(
	uint8_t *out,
	uint32_t cap,
	enum mqtt_version v,
	uint32_t max_packet,
	enum mqtt_type type,
	uint16_t packet_id,
	struct view codes
);

uint32_t mqtt_pingresp_encode(uint8_t *out, uint32_t cap);

// MQTT 5 only: before it a server just closes.
uint32_t mqtt_disconnect_encode(
	uint8_t *out,
	uint32_t cap,
	uint32_t max_packet,
	uint8_t reason,
	struct view reason_string
);

#define MQTT_ACK_LEN_MAX 6
