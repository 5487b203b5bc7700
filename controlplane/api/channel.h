// SPDX-License-Identifier: Apache-2.0
// What sluice-controld and sluiced say to each other over a UNIX SOCK_SEQPACKET socket: one packet,
// one message. Fixed width, host order (both ends are one machine), no pointers.
//
//   sluiced   --HELLO-->      its version, epoch and what it already has
//   controld  --HELLO-->      or REFUSED with both version numbers, then the connection closes
//   controld  --DEVICES...    registry changes since sluiced's version; whole if it has none; with
//                             the CLAIMS, LABELS and CREDENTIALS that they need
//             --GENERATION--> a file to load: configuration or signatures
//             --FLOW_LIST-->, FLOW_ACTION
//   sluiced   --ACK-->        every worker uses what message `seq` brought
//             --EVENTS-->, COUNTERS, FLOWS
//
// A message is a struct channel_header and `count` elements of the type's fixed size. Whole
// registries arrive as DEVICES messages between FLAG_FIRST and FLAG_LAST; only then do they replace
// what was there. Everything here is a pure function of bytes; any thread.
#pragma once

#include "parsers/labels.h"

#include <stddef.h>
#include <stdint.h>

#define CHANNEL_MAGIC 0x43554c53u // "SLUC"
#define CHANNEL_VERSION 3
#define CHANNEL_MESSAGE_MAX 32768u
#define CHANNEL_NAME_MAX 64 // of a device id
#define CHANNEL_PATTERN_MAX 128
#define CHANNEL_TEXT_MAX 256

// label, element struct; at most CHANNEL_MESSAGE_MAX bytes of them in one message
#define CHANNEL_TYPES(X)                                                                           \
	X(CHANNEL_HELLO, "hello", struct channel_hello)                                            \
	X(CHANNEL_REFUSED, "refused", struct channel_refused)                                      \
	X(CHANNEL_ACK, "ack", struct channel_ack)                                                  \
	X(CHANNEL_DEVICES, "devices", struct channel_device)                                       \
	X(CHANNEL_LABELS, "labels", struct channel_labels)                                         \
	X(CHANNEL_CLAIMS, "claims", struct channel_claim)                                          \
	X(CHANNEL_CREDENTIALS, "credentials", struct channel_credential)                           \
	X(CHANNEL_GENERATION, "generation", struct channel_generation)                             \
	X(CHANNEL_EVENTS, "events", struct channel_event)                                          \
	X(CHANNEL_COUNTERS, "counters", struct channel_counter)                                    \
	X(CHANNEL_FLOW_LIST, "flow-list", struct channel_flow_query)                               \
	X(CHANNEL_FLOWS, "flows", struct channel_flow)                                             \
	X(CHANNEL_FLOW_ACTION, "flow-action", struct channel_flow_action)                          \
	X(CHANNEL_WHY, "why", struct channel_why)                                                  \
	X(CHANNEL_LETTERS, "letters", struct channel_letters)                                      \
	X(CHANNEL_TEXT, "text", struct channel_text)                                               \
	X(CHANNEL_BLOCKS, "blocks", struct channel_block)                                          \
	X(CHANNEL_TOPICS, "topics", struct channel_topics)

enum channel_type : uint16_t {
	CHANNEL_NONE, // 0 is no message
#define X(id, label, element) id,
	CHANNEL_TYPES(X)
#undef X
		CHANNEL_TYPE_COUNT
};

enum channel_flag : uint16_t {
	CHANNEL_FLAG_FIRST = 1 << 0, // a whole transfer begins
	CHANNEL_FLAG_LAST = 1 << 1, // and ends: put it in place
};

struct channel_header {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint32_t len; // of the whole packet
	uint16_t count; // elements
	uint16_t flags;
	uint64_t seq; // of the sender, from 1; a reply carries that of its request
	uint64_t registry_version; // DEVICES, CLAIMS, CREDENTIALS, ACK: what is reached with it
};
static_assert(sizeof(struct channel_header) == 32);

// An address as the packet had it: IPv4 in the first 4 bytes.
struct channel_address {
	uint8_t bytes[16];
	uint8_t family; // 4, 6; 0 none
	uint8_t prefix_len;
	uint16_t port; // host order, 0 none
	uint16_t realm;
	uint16_t reserved;
};
static_assert(sizeof(struct channel_address) == 24);

struct channel_hello {
	uint64_t epoch; // of the appliance, as sluiced counts its starts
	uint64_t registry_version; // 0: send everything
	uint64_t registry_id; // which registry that version belongs to; random at its creation
	uint64_t config_generation; // in force; 0: the file as it was at the start
	uint32_t pid;
	uint16_t workers;
	uint16_t reserved;
	char build[32];
};
static_assert(sizeof(struct channel_hello) == 72);

struct channel_refused {
	uint16_t ours;
	uint16_t theirs;
	uint32_t reserved;
	char text[CHANNEL_TEXT_MAX];
};
static_assert(sizeof(struct channel_refused) == 264);

struct channel_ack {
	int32_t result; // 0 or -errno
	uint16_t type; // what was acknowledged
	uint16_t workers; // that use it
	uint64_t apply_ns; // from the last byte received to the last worker
	uint64_t number; // generation in force, flows hit
	uint32_t pending; // GENERATION: options that take effect at the next start only
	uint32_t reserved;
	char text[CHANNEL_TEXT_MAX]; // why not
};
static_assert(sizeof(struct channel_ack) == 288);

// The states a device can be in; the registry, the API and the data plane count them alike.
#define DEVICE_STATES(X)                                                                           \
	X(DEVICE_PENDING, "pending")                                                               \
	X(DEVICE_ACTIVE, "active")                                                                 \
	X(DEVICE_SUSPENDED, "suspended")                                                           \
	X(DEVICE_REVOKED, "revoked")

enum device_state : uint8_t {
#define X(id, label) id,
	DEVICE_STATES(X)
#undef X
		DEVICE_STATE_COUNT
};

enum channel_op : uint8_t { CHANNEL_PUT, CHANNEL_REMOVE, CHANNEL_OP_COUNT };

struct channel_device {
	char name[CHANNEL_NAME_MAX]; // not terminated
	uint8_t name_len;
	uint8_t op;
	uint8_t state;
	uint8_t reserved;
	uint32_t records_per_s; // 0: no limit
	uint32_t bytes_per_s;
	uint16_t connections;
	uint16_t reserved2;
	uint32_t claims; // claim set; 0: only under its own id
	char profile[32];
	uint32_t labels; // a set of this transfer's LABELS; 0: none
};
static_assert(sizeof(struct channel_device) == 120);

// Labels that any number of devices share. A transfer brings the sets of all devices it is about
// before them; from one transfer to the next a number may come to mean another set.
struct channel_labels {
	uint32_t set;
	uint16_t len;
	uint16_t reserved;
	uint8_t bytes[LABELS_BYTES_MAX]; // parsers/labels.h
};
static_assert(sizeof(struct channel_labels) == 1024);

// What members of a claim set may claim beyond their own id. `%d` in a pattern is the device.
enum claim_kind : uint8_t { CLAIM_ID, CLAIM_TOPIC, CLAIM_PATH, CLAIM_KIND_COUNT };

struct channel_claim {
	uint32_t set;
	uint8_t op;
	uint8_t kind;
	uint8_t len;
	uint8_t reserved;
	char pattern[CHANNEL_PATTERN_MAX];
};
static_assert(sizeof(struct channel_claim) == 136);

#define CREDENTIAL_KINDS(X)                                                                        \
	X(CREDENTIAL_PASSWORD, "password") /* encoded hash, never the password */                  \
	X(CREDENTIAL_HMAC, "hmac-sha-256")                                                         \
	X(CREDENTIAL_AES, "aes-128-gcm")                                                           \
	X(CREDENTIAL_CERTIFICATE, "certificate") /* SHA-256 of the DER */

enum credential_kind : uint8_t {
#define X(id, label) id,
	CREDENTIAL_KINDS(X)
#undef X
		CREDENTIAL_KIND_COUNT
};

struct channel_credential {
	char name[CHANNEL_NAME_MAX];
	uint8_t name_len;
	uint8_t op;
	uint8_t kind;
	uint8_t number; // of the key, for frames
	uint16_t len;
	uint16_t reserved;
	uint8_t bytes[160];
};
static_assert(sizeof(struct channel_credential) == 232);

enum generation_kind : uint32_t { GENERATION_CONFIG, GENERATION_SIGNATURES, GENERATION_KIND_COUNT };

enum generation_flag : uint32_t {
	GENERATION_CHECK = 1 << 0, // say what would come of it, and change nothing
	GENERATION_LATER =
		1 << 1, // if anything needs a restart, leave all of it for the next start
};

struct channel_generation {
	uint32_t kind;
	uint32_t flags; // enum generation_flag
	uint64_t number;
	uint8_t sha256[32]; // of the file; another content is refused
	char path[CHANNEL_TEXT_MAX];
};
static_assert(sizeof(struct channel_generation) == 304);

#define CHANNEL_EVENTS_LIST(X)                                                                     \
	X(EVENT_CONNECTED, "connected")                                                            \
	X(EVENT_DISCONNECTED, "disconnected")                                                      \
	X(EVENT_REFUSED, "refused")                                                                \
	X(EVENT_SEEN, "seen") /* first in a while, with counters since the last report */          \
	X(EVENT_UNKNOWN, "unknown") /* a device the registry does not have */                      \
	X(EVENT_CLONED, "cloned") /* one identity live from two places */                          \
	X(EVENT_BAN_DECLINED, "ban-declined") /* too many good devices behind that address */

enum channel_event_kind : uint8_t {
#define X(id, label) id,
	CHANNEL_EVENTS_LIST(X)
#undef X
		CHANNEL_EVENT_KIND_COUNT
};

struct channel_event {
	int64_t wall_ns;
	char name[CHANNEL_NAME_MAX];
	uint8_t name_len;
	uint8_t kind;
	uint16_t worker;
	uint32_t repeated; // times since the last report of the same
	uint32_t connections; // EVENT_CONNECTED, EVENT_DISCONNECTED: the device's, now
	uint32_t reserved;
	struct channel_address peer;
	char transport[16];
	char reason[32]; // label, e.g. "device-not-active"
	char listener[32];
	uint64_t records; // since the last report
	uint64_t bytes;
};
static_assert(sizeof(struct channel_event) == 208);

// One counter by its metrics name with labels, e.g. messages_refused_total{transport="udp"}.
struct channel_counter {
	uint64_t value;
	uint8_t gauge; // else monotonic
	uint8_t reserved[7];
	char name[112]; // terminated
};
static_assert(sizeof(struct channel_counter) == 128);

struct channel_flow_query {
	char device[CHANNEL_NAME_MAX]; // empty: any
	uint8_t device_len;
	uint8_t transport; // sluiced's number + 1, 0: any; not read from the channel
	uint8_t by_realm; // peer.realm counts
	uint8_t reserved;
	uint32_t limit;
	struct channel_address peer; // family 0: any
	uint64_t cursor; // 0 at first, then from the last FLOWS
	char transport_label[8]; // empty: any
};
static_assert(sizeof(struct channel_flow_query) == 112);

struct channel_flow {
	uint64_t cursor; // where to go on after this one; in the last element of the last message 0
	char device[CHANNEL_NAME_MAX];
	uint8_t device_len;
	uint8_t reserved;
	uint16_t worker;
	uint32_t idle_ms;
	struct channel_address peer;
	char transport[16];
	uint64_t bytes;
	uint64_t records;
	uint64_t drops;
	int64_t seen_ns; // wall clock of the last activity
};
static_assert(sizeof(struct channel_flow) == 152);

enum block_action : uint8_t { BLOCK_ACTION_BLOCK, BLOCK_ACTION_LIMIT, BLOCK_ACTION_COUNT };

// Who may not send, or only so much. From the registry: PUT and REMOVE, whole sets between FIRST
// and LAST. From sluiced: a ban that a signature asked for.
struct channel_block {
	uint64_t id; // of the registry; 0: not known there
	uint64_t for_s; // time left, 0: for ever
	uint32_t records_per_s; // of a limit
	uint32_t signature; // that asked for it, 0: an operator did
	uint8_t op;
	uint8_t action;
	uint8_t device_len; // 0: by address
	uint8_t reserved[5];
	struct channel_address peer;
	char device[CHANNEL_NAME_MAX];
	char reason[64];
};
static_assert(sizeof(struct channel_block) == 184);

// End the connections of a device, or from a prefix; they may come back. The acknowledgement's
// number says how many.
struct channel_flow_action {
	char device[CHANNEL_NAME_MAX]; // empty: by address
	uint8_t device_len;
	uint8_t by_realm; // peer.realm counts
	uint8_t reserved[2];
	struct channel_address peer;
};
static_assert(sizeof(struct channel_flow_action) == 92);

// Report every message of this device for a while, as EVENTS.
struct channel_why {
	char device[CHANNEL_NAME_MAX];
	uint8_t device_len;
	uint8_t reserved[3];
	uint32_t for_s; // 0: stop
	uint32_t events_max;
	uint32_t reserved2;
};
static_assert(sizeof(struct channel_why) == 80);

enum letters_op : uint8_t { LETTERS_LIST, LETTERS_SHOW, LETTERS_REPLAY, LETTERS_OP_COUNT };

// Dead letters: which are there, what is in one, send them through the pipeline again. Answered by
// a JSON document in TEXT messages, or by an ACK with what is wrong.
struct channel_letters {
	uint8_t op;
	uint8_t again; // REPLAY: also those that were replayed before
	uint8_t device_len;
	uint8_t reserved;
	int32_t partition; // -1: all
	int64_t offset; // this one; -1: the newest `scan` of each partition
	int64_t since_ns; // wall clock of arrival, 0: any
	uint32_t scan;
	uint32_t limit;
	char device[CHANNEL_NAME_MAX]; // empty: any
	char reason[32]; // reason or detail; empty: any
};
static_assert(sizeof(struct channel_letters) == 128);

enum topics_op : uint8_t { TOPICS_CHECK, TOPICS_CREATE, TOPICS_OP_COUNT };

// Kafka's topics: are those of the configuration fit, make one. Answered by a JSON document in TEXT
// messages, or by an ACK with what is wrong.
struct channel_topics {
	uint8_t op;
	uint8_t reserved[3];
	uint32_t partitions; // CREATE; 0: as many as the data plane keeps for it
	uint32_t replicas; // CREATE
	char name[252]; // CREATE; Kafka allows 249 bytes
};
static_assert(sizeof(struct channel_topics) == 264);

// A piece of an answer; the last message has FLAG_LAST.
struct channel_text {
	uint32_t len;
	char bytes[4092];
};
static_assert(sizeof(struct channel_text) == 4096);

#define CHANNEL_RCS(X)                                                                             \
	X(CHANNEL_OK, "ok")                                                                        \
	X(CHANNEL_BAD_MAGIC, "not-this-protocol")                                                  \
	X(CHANNEL_BAD_VERSION, "other-version")                                                    \
	X(CHANNEL_BAD_TYPE, "unknown-type")                                                        \
	X(CHANNEL_BAD_LENGTH, "length-mismatch")                                                   \
	X(CHANNEL_BAD_FIELD, "field-out-of-range")

enum channel_rc : uint8_t {
#define X(id, label) id,
	CHANNEL_RCS(X)
#undef X
		CHANNEL_RC_COUNT
};

// A decoded message; `elements` points into the packet, which must be 8-byte aligned.
struct channel_message {
	const struct channel_header *header;
	enum channel_type type;
	uint16_t count;
	const void *elements;
};

// Check a packet whole: header, size, and every field whose value the reader would use as an index
// or length; texts are terminated. With CHANNEL_BAD_VERSION *theirs is the other's version.
enum channel_rc
channel_decode(const void *packet, size_t len, struct channel_message *out, uint16_t *theirs);

size_t channel_element_size(enum channel_type type); // 0 for no such type
uint32_t channel_room(enum channel_type type); // elements that fit into one message

// Fill in the header of a packet with `count` elements behind it. Returns its length.
size_t channel_seal(
	struct channel_header *h,
	enum channel_type type,
	uint16_t count,
	uint16_t flags,
	uint64_t seq,
	uint64_t registry_version
);

const char *channel_rc_label(enum channel_rc rc);
const char *channel_type_label(enum channel_type t);
const char *device_state_label(enum device_state s);
const char *credential_kind_label(enum credential_kind k);
const char *channel_event_label(enum channel_event_kind k);
// The state with that label; -1 if none.
int device_state_find(const char *label);
