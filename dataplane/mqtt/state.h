// SPDX-License-Identifier: Apache-2.0
// The inside of mqtt_server, shared by the files of this folder only.
#pragma once

#include "dataplane/mqtt/pool.h"
#include "dataplane/mqtt/server.h"

#include <stddef.h>

enum session_state : uint8_t {
	SESSION_FREE,
	SESSION_OPEN, // no CONNECT yet
	SESSION_AUTH, // CONNECT waits for the authentication thread
	SESSION_CLAIM, // CONNECT waits for the directory or the previous holder
	SESSION_FORWARD, // lost its key while waiting: passes the state on when it comes
	SESSION_LIVE,
	SESSION_STORED, // no connection
};

enum session_flag : uint8_t {
	SESSION_CLEAN_START = 1 << 0,
	SESSION_PROBLEM_INFO = 1 << 1, // the client wants reason strings
	SESSION_PAUSED = 1 << 2, // bytes were left with the caller
	SESSION_HELD = 1 << 3, // the directory has it under our holder
	SESSION_RESUMED = 1 << 4,
	SESSION_ASSIGNED_ID = 1 << 5,
	SESSION_ORPHAN = 1 << 6, // the connection went while the claim was under way
	SESSION_DOOMED = 1 << 7, // to be ended by the next poll: no message may be submitted here
};

// All there is of an idle connection, besides its client id (chain) and its place in the directory.
struct session {
	uint32_t conn;
	uint32_t active; // in mqtt_server.active, MQTT_NONE if nothing is in flight
	uint32_t client_id; // in mqtt_server.names
	uint32_t identity; // credential, or a keyed hash of the address with the top bit set
	uint32_t last_rx_ms; // last whole control packet; STORED: when the connection ended
	uint32_t expiry_s;
	uint64_t epoch;
	uint32_t seq;
	uint16_t keep_alive_s;
	uint16_t client_packet_max; // 65,535: any
	uint16_t listener;
	uint16_t rate; // publishes it may send now, in 1/16
	enum session_state state;
	uint8_t version;
	uint8_t flags;
	uint8_t generation;
};
static_assert(sizeof(struct session) == 48);

#define SESSION_ANONYMOUS 0x80000000u // in session.identity: no credential

#define NAME_CHUNK 32
#define NAME_INLINE (NAME_CHUNK - 8) // a client id up to this long takes one chunk

#define NAME_SPARE 8 // one session in so many may have a second chunk

// Session, deadline, client id with its part of the spare chunks, and directory entry. An id of
// more than NAME_INLINE bytes takes further chunks.
static_assert(
	sizeof(struct session) + sizeof(uint32_t) + NAME_CHUNK + NAME_CHUNK / NAME_SPARE
		+ (MQTT_DIRECTORY_ENTRY * 4 + 2) / 3
	<= MQTT_IDLE_BYTES
);

// Only while something is in flight, half received, remembered until PUBREL, or a will is stored.
struct active {
	uint32_t prev, next; // of the list of paused sessions
	uint32_t head, tail; // messages in the order received, answered in this order
	// Messages remembered without an order: QoS 2 ids whose PUBREL has not come, and what an
	// earlier connection of this session left unanswered.
	uint32_t memory;
	uint32_t partial, partial_tail; // first bytes of a packet
	uint32_t partial_need; // whole length, 0 while unknown
	uint32_t partial_since_ms;
	uint32_t aliases; // in mqtt_server.aliases
	uint32_t will; // in mqtt_server.wills
	uint32_t will_delay_s;
	uint32_t connect; // the CONNECT that waits, in mqtt_server.waiting
	uint32_t parked_bytes;
	uint32_t paused_since_ms;
	uint16_t in_flight; // of the ordered list, without QoS 0
	uint16_t received; // of the memory: PUBREC sent
	uint16_t remembered; // of the memory: all
	bool listed; // in the list of paused sessions
	uint8_t partial_header[MQTT_HEADER_MAX];
	uint8_t peer_len;
	uint16_t peer_port;
	uint16_t peer_realm;
	uint8_t peer[16]; // for what is sent when the connection is gone
	struct mqtt_holder forward; // SESSION_FORWARD
};

enum flight_state : uint8_t {
	FLIGHT_FREE,
	FLIGHT_SENT, // in the pipeline
	FLIGHT_PARKED, // not submitted yet
	FLIGHT_DONE, // waits for those before it
	FLIGHT_REFUSED, // the same, for good
	FLIGHT_RECEIVED, // PUBREC sent
	FLIGHT_REMOTE, // in the pipeline of another worker
};

struct flight {
	uint32_t next; // in its session's list
	uint32_t session; // MQTT_NONE: nobody to answer
	uint32_t kept; // FLIGHT_PARKED: in mqtt_server.waiting
	uint32_t parked_next;
	uint32_t print; // of topic and payload: DUP proves nothing
	uint16_t packet_id;
	uint8_t qos;
	enum flight_state state;
	uint8_t reason; // FLIGHT_REFUSED
	bool forward; // answer goes to another worker
	struct mqtt_holder to;
};

#define OUTBOX 256
#define DOOMED_MAX 64

struct mqtt_server {
	struct mqtt_config config;
	struct mqtt_env env;
	struct auth_memory *remembered;

	uint64_t now_ns;
	int64_t wall_ns;
	uint32_t now_ms; // never 0
	uint64_t epoch_last;

	struct session *sessions;
	uint32_t *due_ms; // per session, 0 = none
	uint32_t session_free, session_free_last; // list through session.conn
	uint32_t session_top; // all below have been used

	struct mqtt_pool active;
	struct mqtt_pool flights;
	struct mqtt_pool aliases;
	struct mqtt_chain names; // client ids
	struct mqtt_chain topics; // behind aliases
	struct mqtt_chain waiting;
	struct mqtt_chain wills;
	struct mqtt_directory directory;

	uint32_t parked_head, parked_tail; // flights, in the order they came
	uint32_t paused_head, paused_tail; // sessions

	uint8_t *arena;
	uint32_t arena_size;
	uint32_t arena_used;
	uint32_t packet_arena; // what one packet may need beside its own bytes
	uint32_t cut_count;
	struct {
		uint32_t session;
		uint64_t epoch;
	} cut[DOOMED_MAX]; // to be ended soon for what they sent
	uint32_t doomed[DOOMED_MAX]; // to be ended soon; those beyond wait for the sweep
	uint32_t doomed_count;
	bool submitted; // since the last flush or begin

	uint32_t shutdown_at;
	uint32_t sweep_at;
	uint32_t recheck; // sessions to ask again whether they may stay, at the next sweep
	uint32_t sweep_ms;
	uint32_t connect_tokens, close_tokens; // in 1/1000
	uint32_t tokens_ms;

	struct mqtt_mail outbox[OUTBOX];
	uint16_t outbox_to[OUTBOX];
	uint32_t outbox_count;

	struct view connect_raw;
	struct mqtt_connect connect; // decoding room: too large for a stack frame per packet
	struct mqtt_publish publish;
	struct mqtt_stats stats;
};

static inline struct session *session_at(struct mqtt_server *m, uint32_t s) {
	return &m->sessions[s];
}

static inline struct active *active_at(struct mqtt_server *m, uint32_t s) {
	uint32_t a = m->sessions[s].active;

	return a == MQTT_NONE ? nullptr : mqtt_pool_at(&m->active, a);
}

static inline struct flight *flight_at(struct mqtt_server *m, uint32_t f) {
	return mqtt_pool_at(&m->flights, f);
}

static inline bool before(uint32_t a_ms, uint32_t b_ms) {
	return (int32_t)(a_ms - b_ms) < 0;
}

// session.c: slots, their side blocks, ends
uint32_t session_take(struct mqtt_server *m);
struct active *active_need(struct mqtt_server *m, uint32_t s); // NULL if there is none left
void active_settle(struct mqtt_server *m, uint32_t s); // give it back if it holds nothing
struct mqtt_holder session_holder(struct mqtt_server *m, uint32_t s);
uint64_t session_key(struct mqtt_server *m, uint32_t s);
struct view session_client_id(struct mqtt_server *m, uint32_t s); // in the arena
void session_due(struct mqtt_server *m, uint32_t s); // set the deadline
void session_send(struct mqtt_server *m, uint32_t s, const uint8_t *bytes, uint32_t n);
uint32_t session_packet_max(const struct session *s);
// The connection is over, by us: tell the client, close, and keep or drop the session.
void session_end(struct mqtt_server *m, uint32_t s, enum mqtt_end why);
// The same with a reason code of its own, for bad packets.
void session_end_reason(struct mqtt_server *m, uint32_t s, enum mqtt_end why, uint8_t reason);
// Keep or drop what is left of a session whose connection has gone.
void session_detach(struct mqtt_server *m, uint32_t s, enum mqtt_end why);
// Forget it: messages in flight go on without anybody to answer to.
void session_drop(struct mqtt_server *m, uint32_t s);
// Stop reading. Returns false (the packet has to wait), or true if the session had to be ended.
bool session_pause(struct mqtt_server *m, uint32_t s);
void session_unpause(struct mqtt_server *m, uint32_t s);
// Where the connection comes from, for messages that outlive the call.
void active_peer(struct mqtt_server *m, uint32_t s, const struct mqtt_peer *peer);

// connect.c
void connect_input(
	struct mqtt_server *m,
	uint32_t s,
	const struct mqtt_peer *peer,
	const struct mqtt_frame *f,
	struct view raw
);
void connect_claimed(struct mqtt_server *m, uint32_t s); // goes on with the stored CONNECT
void connect_refuse(struct mqtt_server *m, uint32_t s, enum mqtt_refusal why);
// The same without forgetting the session.
void connect_reject(struct mqtt_server *m, uint32_t s, enum mqtt_refusal why);
void connect_timeout(struct mqtt_server *m, uint32_t s);

// takeover.c
enum mqtt_claim takeover_claim(struct mqtt_server *m, uint32_t s); // MQTT_CLAIM_TAKEN: wait
void takeover_release(struct mqtt_server *m, uint32_t s);
void takeover_verdict(struct mqtt_server *m, struct flight *f, const struct verdict *v);
void outbox_flush(struct mqtt_server *m);

// publish.c: false if the packet has to wait (the session is paused then)
bool publish_input(
	struct mqtt_server *m,
	uint32_t s,
	const struct mqtt_peer *peer,
	const struct mqtt_frame *f
);
void rate_fill(struct mqtt_server *m, uint32_t s);
bool publish_room(struct mqtt_server *m, uint32_t s); // may a paused session go on?

// flight.c: messages between PUBLISH and their answer
uint32_t flight_add(struct mqtt_server *m, uint32_t s, uint16_t id, uint8_t qos, uint32_t print);
// Handles a PUBLISH that is a copy of one we know. False if it is a new message.
bool flight_attach(
	struct mqtt_server *m,
	uint32_t s,
	uint16_t id,
	uint8_t qos,
	uint32_t print,
	bool dup
);
void flight_answer(struct mqtt_server *m, uint32_t s); // all that can be answered in order
void flight_pubrel(struct mqtt_server *m, uint32_t s, uint16_t packet_id);
void flight_remember(struct mqtt_server *m, uint32_t s); // the connection has gone
void flight_forget(struct mqtt_server *m, uint32_t s); // the session has gone
void flight_recall(
	struct mqtt_server *m,
	uint32_t s,
	uint16_t id,
	uint8_t qos,
	uint32_t print,
	uint8_t state
);
bool flight_known(struct mqtt_server *m, uint32_t s, uint16_t id, uint8_t qos);
// Not accepted by the pipeline: forget it and end the connection, so that the client sends it
// again.
void flight_shed(struct mqtt_server *m, uint32_t s, uint32_t f);
void flight_free(struct mqtt_server *m, uint32_t f);
void flight_park(struct mqtt_server *m, uint32_t s, uint32_t f, uint32_t kept);
bool flight_poll(struct mqtt_server *m); // submit what is parked; true if some is left
// The answer to a message of ours that another worker's pipeline has.
void flight_remote(struct mqtt_server *m, uint32_t s, const struct mqtt_mail *mail);
uint8_t flight_reason(enum refuse_reason r);

// alias.c
bool alias_resolve(struct mqtt_server *m, uint32_t s, uint16_t alias, struct view *topic);
bool alias_set(struct mqtt_server *m, uint32_t s, uint16_t alias, struct view topic);
void alias_drop_all(struct mqtt_server *m, uint32_t s);

// kept.c: messages kept for later
struct kept_as {
	bool retain;
	bool dup;
	uint16_t packet_id;
	uint64_t epoch;
	uint64_t seq;
};
uint32_t kept_store(
	struct mqtt_server *m,
	struct mqtt_chain *chain,
	uint32_t s,
	struct view topic,
	const struct mqtt_props *props,
	uint8_t place,
	struct view payload,
	const struct kept_as *as
);
// With another epoch unless it is 0. False if it no longer fits.
bool kept_submit(
	struct mqtt_server *m,
	struct mqtt_chain *chain,
	uint32_t handle,
	uint64_t epoch,
	uint64_t seq,
	uint32_t token
);
void will_publish(struct mqtt_server *m, uint32_t s);
void will_drop(struct mqtt_server *m, uint32_t s);

// message.c: from a publish to struct message
bool arena_reserve(struct mqtt_server *m, uint32_t bytes); // false: larger than the arena
uint8_t *arena_take(struct mqtt_server *m, uint32_t bytes); // after a sufficient reserve
struct message_parts {
	uint16_t listener;
	struct view device;
	struct view topic;
	struct view payload;
	const struct mqtt_props *props;
	bool retain;
	bool will;
	bool dup;
	uint16_t packet_id;
	struct view peer;
	uint16_t peer_port;
	uint16_t realm;
	uint64_t epoch;
	uint64_t seq;
	uint32_t connection; // session, MQTT_NONE: it has gone
	uint32_t token;
};
void message_submit(struct mqtt_server *m, const struct message_parts *p);
#define MESSAGE_ARENA ((MQTT_USER_PROPERTIES_MAX + 8) * (uint32_t)sizeof(struct property) + 128u)
struct view session_device(struct mqtt_server *m, uint32_t s); // in the arena or the credentials

// subscribe.c
void subscribe_input(struct mqtt_server *m, uint32_t s, const struct mqtt_frame *f);
