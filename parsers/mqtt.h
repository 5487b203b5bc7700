// SPDX-License-Identifier: Apache-2.0
// MQTT control packets as a server receives them: 3.1, 3.1.1 (OASIS, 2014) and 5.0 (OASIS, 2019).
//
// Framing is apart from decoding: mqtt_frame() finds where a packet ends and judges its size before
// anybody waits for its bytes; the decoders take one whole frame. All of them are pure, read
// nothing outside the frame and take time linear in its length.
// Thread: any. Views point into the frame and live exactly as long as it does.
#pragma once

#include "parsers/mqtt_props.h"
#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

// Return code, counter index, label, and the MQTT 5 reason code that tells the client.
#define MQTT_RCS(X)                                                                                \
	X(MQTT_OK, "ok", 0x00)                                                                     \
	X(MQTT_MORE, "incomplete", 0x00)                                                           \
	X(MQTT_BAD_VARINT, "varint-overlong", 0x81)                                                \
	X(MQTT_BAD_SIZE, "packet-too-large", 0x95)                                                 \
	X(MQTT_BAD_TYPE, "packet-type", 0x82)                                                      \
	X(MQTT_BAD_FLAGS, "fixed-header-flags", 0x81)                                              \
	X(MQTT_BAD_FIELD, "field-past-packet", 0x81)                                               \
	X(MQTT_BAD_TRAILING, "bytes-after-packet", 0x81)                                           \
	X(MQTT_BAD_UTF8, "bad-utf8", 0x81)                                                         \
	X(MQTT_BAD_PROTOCOL, "protocol-name", 0x84)                                                \
	X(MQTT_BAD_VERSION, "protocol-version", 0x84)                                              \
	X(MQTT_BAD_CONNECT_FLAGS, "connect-flags", 0x81)                                           \
	X(MQTT_BAD_QOS, "qos-reserved", 0x81)                                                      \
	X(MQTT_BAD_DUP, "dup-with-qos-0", 0x81)                                                    \
	X(MQTT_BAD_PACKET_ID, "packet-id-zero", 0x82)                                              \
	X(MQTT_BAD_TOPIC, "topic-name", 0x90)                                                      \
	X(MQTT_BAD_FILTER, "topic-filter", 0x8f)                                                   \
	X(MQTT_NO_FILTER, "no-topic-filter", 0x82)                                                 \
	X(MQTT_BAD_OPTIONS, "subscription-options", 0x81)                                          \
	X(MQTT_BAD_SHARE, "no-local-on-shared", 0x82)                                              \
	X(MQTT_BAD_REASON, "reason-code", 0x82)                                                    \
	X(MQTT_BAD_PROPERTY, "property-unknown", 0x81)                                             \
	X(MQTT_PROPERTY_NOT_HERE, "property-not-allowed", 0x82)                                    \
	X(MQTT_PROPERTY_TWICE, "property-twice", 0x82)                                             \
	X(MQTT_PROPERTY_VALUE, "property-value", 0x82)                                             \
	X(MQTT_BAD_ALIAS, "topic-alias", 0x94)                                                     \
	X(MQTT_TOO_MANY, "too-many-properties-or-filters", 0x97)

enum mqtt_rc : uint8_t {
#define X(id, label, reason) id,
	MQTT_RCS(X)
#undef X
		MQTT_RC_COUNT
};

const char *mqtt_rc_label(enum mqtt_rc rc);
uint8_t mqtt_rc_reason(enum mqtt_rc rc);

enum mqtt_version : uint8_t { MQTT_V31 = 3, MQTT_V311 = 4, MQTT_V5 = 5 };

enum mqtt_type : uint8_t {
	MQTT_CONNECT = 1,
	MQTT_CONNACK,
	MQTT_PUBLISH,
	MQTT_PUBACK,
	MQTT_PUBREC,
	MQTT_PUBREL,
	MQTT_PUBCOMP,
	MQTT_SUBSCRIBE,
	MQTT_SUBACK,
	MQTT_UNSUBSCRIBE,
	MQTT_UNSUBACK,
	MQTT_PINGREQ,
	MQTT_PINGRESP,
	MQTT_DISCONNECT,
	MQTT_AUTH,
};

// MQTT 5 reason codes that we send or look at.
enum mqtt_reason : uint8_t {
	MQTT_SUCCESS = 0x00,
	MQTT_GRANTED_QOS_2 = 0x02,
	MQTT_DISCONNECT_WITH_WILL = 0x04,
	MQTT_NO_SUBSCRIPTION = 0x11,
	MQTT_UNSPECIFIED = 0x80,
	MQTT_MALFORMED = 0x81,
	MQTT_PROTOCOL_ERROR = 0x82,
	MQTT_IMPLEMENTATION = 0x83,
	MQTT_UNSUPPORTED_VERSION = 0x84,
	MQTT_CLIENT_ID_INVALID = 0x85,
	MQTT_BAD_CREDENTIALS = 0x86,
	MQTT_NOT_AUTHORIZED = 0x87,
	MQTT_SERVER_UNAVAILABLE = 0x88,
	MQTT_SERVER_BUSY = 0x89,
	MQTT_BANNED = 0x8a,
	MQTT_SHUTTING_DOWN = 0x8b,
	MQTT_BAD_AUTH_METHOD = 0x8c,
	MQTT_KEEP_ALIVE_TIMEOUT = 0x8d,
	MQTT_TAKEN_OVER = 0x8e,
	MQTT_FILTER_INVALID = 0x8f,
	MQTT_TOPIC_INVALID = 0x90,
	MQTT_PACKET_ID_NOT_FOUND = 0x92,
	MQTT_RECEIVE_MAXIMUM_EXCEEDED = 0x93,
	MQTT_ALIAS_INVALID = 0x94,
	MQTT_PACKET_TOO_LARGE = 0x95,
	MQTT_RATE_TOO_HIGH = 0x96,
	MQTT_QUOTA_EXCEEDED = 0x97,
	MQTT_ADMINISTRATIVE = 0x98,
	MQTT_PAYLOAD_FORMAT_INVALID = 0x99,
	MQTT_RETAIN_UNSUPPORTED = 0x9a,
	MQTT_QOS_UNSUPPORTED = 0x9b,
	MQTT_SHARED_UNSUPPORTED = 0x9e,
	MQTT_RATE_EXCEEDED = 0x9f,
	MQTT_SUBSCRIPTION_ID_UNSUPPORTED = 0xa1,
	MQTT_WILDCARD_UNSUPPORTED = 0xa2,
};

struct mqtt_frame {
	struct view body; // after the fixed header
	uint32_t len; // whole frame, fixed header included
	enum mqtt_type type;
	uint8_t flags; // low four bits of the first byte
	bool padded; // the length uses more bytes than it needs: an error in MQTT 5 only
};

// Delimit the frame at the start of `in`.
//
//   MQTT_OK    *out is the frame; out->len <= max_len
//   MQTT_MORE  call again with more bytes; out->len is how many the frame needs, 0 if not known yet
//   other      the stream cannot be resynchronised, close the connection
enum mqtt_rc mqtt_frame(struct view in, uint32_t max_len, struct mqtt_frame *out);

// The longest fixed header: type and four bytes of length.
#define MQTT_HEADER_MAX 5

struct mqtt_connect {
	enum mqtt_version version;
	uint8_t level; // as received, also on MQTT_BAD_VERSION
	bool clean_start;
	bool has_will;
	bool will_retain;
	bool has_username;
	bool has_password;
	uint8_t will_qos;
	uint16_t keep_alive_s;
	struct view client_id;
	struct view will_topic;
	struct view will_payload;
	struct view username;
	struct view password;
	struct mqtt_props props;
	struct mqtt_props will_props;
};

struct mqtt_publish {
	struct view topic; // empty only with a topic alias
	struct view payload;
	uint16_t packet_id; // 0 when qos == 0
	uint8_t qos;
	bool dup;
	bool retain;
	struct mqtt_props props;
};

// PUBACK, PUBREC, PUBREL, PUBCOMP.
struct mqtt_ack {
	uint16_t packet_id;
	uint8_t reason;
};

struct mqtt_subscribe {
	uint16_t packet_id;
	uint16_t count; // filters, 1..MQTT_FILTERS_MAX
	struct rd filters; // for mqtt_filter_next()
	bool with_options; // SUBSCRIBE, not UNSUBSCRIBE
	uint32_t subscription_id; // 0 if none
};
#define MQTT_FILTERS_MAX 256

struct mqtt_filter {
	struct view filter;
	uint8_t qos; // requested
	bool no_local;
	bool retain_as_published;
	uint8_t retain_handling;
};

struct mqtt_disconnect {
	uint8_t reason;
	bool has_expiry;
	uint32_t session_expiry_s;
};

struct mqtt_auth {
	uint8_t reason;
	struct view method;
};

// Each takes a frame of its own type and says MQTT_OK or what is wrong, never MQTT_MORE. On an
// error *out holds no view, except that mqtt_connect.level is set on MQTT_BAD_VERSION.
enum mqtt_rc mqtt_connect_decode(const struct mqtt_frame *f, struct mqtt_connect *out);
enum mqtt_rc
mqtt_publish_decode(const struct mqtt_frame *f, enum mqtt_version v, struct mqtt_publish *out);
enum mqtt_rc mqtt_ack_decode(const struct mqtt_frame *f, enum mqtt_version v, struct mqtt_ack *out);
enum mqtt_rc
mqtt_subscribe_decode(const struct mqtt_frame *f, enum mqtt_version v, struct mqtt_subscribe *out);
enum mqtt_rc mqtt_pingreq_decode(const struct mqtt_frame *f);
enum mqtt_rc mqtt_disconnect_decode(
	const struct mqtt_frame *f,
	enum mqtt_version v,
	struct mqtt_disconnect *out
);
enum mqtt_rc mqtt_auth_decode(const struct mqtt_frame *f, struct mqtt_auth *out);

// Filters in the order of the packet; mqtt_subscribe_decode() has checked all of them. False after
// the last.
bool mqtt_filter_next(struct mqtt_subscribe *s, struct mqtt_filter *out);
