// SPDX-License-Identifier: Apache-2.0
// MQTT sessions of one worker: bytes of clients in, messages and answers out.
//
// The library is pure: time, randomness and the network are handed in, so that it runs over TCP,
// TLS or a test's array. All memory is reserved by create; nothing is allocated per message.
//
//   mqtt_begin()      once per burst: the clocks; what the last burst lent out is void
//   mqtt_open()       a connection has been established
//   mqtt_input()      bytes of it, in order
//   mqtt_closed()     the peer or the network ended it
//   mqtt_verdict()    the pipeline's answer to a submitted message
//   mqtt_mail()       a letter of another worker's mqtt_server
//   mqtt_auth_done()  the authentication thread's answer
//   mqtt_poll()       timers; submits what had to wait
//
// Views in a submitted message live until the next mqtt_begin() or, where memory for them runs out
// earlier, until env.flush() has returned: the caller runs the pipeline in both places.
// Thread: the worker's. env callbacks run inside these calls; only env.flush may lead to
// mqtt_verdict().
#pragma once

#include "config/config.h"
#include "dataplane/mqtt/auth.h"
#include "dataplane/mqtt/directory.h"
#include "parsers/mqtt.h"
#include "pipelines/ledger.h"
#include "pipelines/record.h"

#include <stdbool.h>
#include <stdint.h>

struct mqtt_server;

// Why a connection ended: counter, label, and the reason code an MQTT 5 client gets (0: none sent).
#define MQTT_ENDS(X)                                                                               \
	X(MQTT_END_PEER, "peer-closed", 0)                                                         \
	X(MQTT_END_DISCONNECT, "disconnect", 0)                                                    \
	X(MQTT_END_NOT_CONNECT, "first-packet-not-connect", 0)                                     \
	X(MQTT_END_REFUSED, "connect-refused", 0)                                                  \
	X(MQTT_END_CONNECT_TIMEOUT, "connect-timeout", 0)                                          \
	X(MQTT_END_PACKET_TIMEOUT, "packet-too-slow", 0x81)                                        \
	X(MQTT_END_KEEP_ALIVE, "keep-alive-timeout", 0x8d)                                         \
	X(MQTT_END_TAKEN_OVER, "taken-over", 0x8e)                                                 \
	X(MQTT_END_PACKET, "bad-packet", 0x81)                                                     \
	X(MQTT_END_SECOND_CONNECT, "second-connect", 0x82)                                         \
	X(MQTT_END_EXPIRY, "expiry-raised-at-disconnect", 0x82)                                    \
	X(MQTT_END_AUTH, "auth-not-supported", 0x82)                                               \
	X(MQTT_END_RECEIVE_MAXIMUM, "receive-maximum-exceeded", 0x93)                              \
	X(MQTT_END_ALIAS, "topic-alias-invalid", 0x94)                                             \
	X(MQTT_END_TOPIC, "topic-too-long", 0x90)                                                  \
	X(MQTT_END_USER_PROPERTIES, "too-many-user-properties", 0x97)                              \
	X(MQTT_END_RATE, "publish-rate", 0x96)                                                     \
	X(MQTT_END_SHED, "not-accepted", 0x97)                                                     \
	X(MQTT_END_BACKPRESSURE, "waited-too-long", 0x97)                                          \
	X(MQTT_END_NO_MEMORY, "no-memory", 0x97)                                                   \
	X(MQTT_END_NOT_ADMITTED, "no-longer-admitted", 0x87)                                       \
	X(MQTT_END_NOT_ALLOWED, "device-not-active", 0x87)                                         \
	X(MQTT_END_BLOCKED, "blocked", 0x98)                                                       \
	X(MQTT_END_DROPPED, "dropped-by-operator", 0x98)                                           \
	X(MQTT_END_SIGNATURE, "signature", 0x98)                                                   \
	X(MQTT_END_SHUTDOWN, "shutdown", 0x8b)

enum mqtt_end : uint8_t {
#define X(id, label, reason) id,
	MQTT_ENDS(X)
#undef X
		MQTT_END_COUNT
};

// Why a CONNECT was refused: counter, label, MQTT 5 reason code (older clients: the nearest).
#define MQTT_REFUSALS(X)                                                                           \
	X(MQTT_REFUSED_MALFORMED, "malformed", 0x81)                                               \
	X(MQTT_REFUSED_VERSION, "protocol-version", 0x84)                                          \
	X(MQTT_REFUSED_CLIENT_ID, "client-id", 0x85)                                               \
	X(MQTT_REFUSED_OTHER_IDENTITY, "client-id-of-another", 0x85)                               \
	X(MQTT_REFUSED_CREDENTIALS, "credentials", 0x86)                                           \
	X(MQTT_REFUSED_AUTH_METHOD, "auth-method", 0x8c)                                           \
	X(MQTT_REFUSED_RATE, "connect-rate", 0x9f)                                                 \
	X(MQTT_REFUSED_AUTH_BUSY, "auth-busy", 0x89)                                               \
	X(MQTT_REFUSED_FULL, "sessions-full", 0x97)                                                \
	X(MQTT_REFUSED_WILL, "will-too-large", 0x97)                                               \
	X(MQTT_REFUSED_DEVICE, "device-not-active", 0x87)                                          \
	X(MQTT_REFUSED_BLOCKED, "blocked", 0x8a)                                                   \
	X(MQTT_REFUSED_CONNECTIONS, "too-many-connections", 0x97)                                  \
	X(MQTT_REFUSED_TIMEOUT, "no-answer-in-time", 0x89)

enum mqtt_refusal : uint8_t {
#define X(id, label, reason) id,
	MQTT_REFUSALS(X)
#undef X
		MQTT_REFUSAL_COUNT
};

const char *mqtt_end_label(enum mqtt_end e);
const char *mqtt_refusal_label(enum mqtt_refusal r);

struct mqtt_stats {
	uint64_t opened;
	uint64_t connected;
	uint64_t resumed; // of connected: with a session that was there
	uint64_t packets;
	uint64_t publishes[3]; // by QoS, duplicates included
	uint64_t duplicates; // attached to a message that is pending or already received
	uint64_t acked; // PUBACK and PUBREC of success
	uint64_t refused_acked; // refused for good, answered positively: 3.1.1 has no other way
	uint64_t parked; // messages that waited in the pool
	uint64_t paused; // times a connection was not read
	uint64_t asked; // CONNECTs whose password the authentication thread judged
	uint64_t wills; // submitted
	uint64_t wills_lost; // no memory when they were due
	uint64_t filters_granted;
	uint64_t filters_refused;
	uint64_t subscriptions; // SUBSCRIBE packets
	uint64_t letters_lost; // mail that found no room
	uint64_t retained; // publishes with the flag
	uint64_t bad[MQTT_RC_COUNT];
	uint64_t ended[MQTT_END_COUNT];
	uint64_t refused[MQTT_REFUSAL_COUNT];
	// gauges
	uint32_t sessions; // slots in use
	uint32_t connections;
	uint32_t stored; // sessions without a connection
	uint32_t in_flight;
	uint64_t pool_free; // bytes
};

// What a listener means for its sessions. Owned by the caller, outlives the server.
struct mqtt_listener {
	const struct profile *profile;
	enum payload_format format;
	uint16_t tenant;
	enum unknown_rule unknown; // what a device that is not in the registry may do
	bool password; // else no authentication: the source address is the identity
	enum mqtt_subscribe_policy subscribe;
	// Command space of a device: a filter in which %d stands for the device's id and %c for the
	// client id. Both must be whole levels and may not hold a wildcard or a separator.
	struct view own_filter;
};

// Where a connection comes from. `addr` is 4 or 16 bytes and need only live during the call.
struct mqtt_peer {
	struct view addr;
	uint16_t port;
	uint16_t realm;
};

#define MQTT_MAIL_IDS 64

enum mqtt_letter : uint8_t {
	MQTT_LETTER_CLAIM, // to the shard: `from` wants the key
	MQTT_LETTER_CLAIMED, // its answer, if there is no state to wait for
	MQTT_LETTER_TAKEOVER, // to the holder: give the state to `from`
	MQTT_LETTER_STATE, // from the holder to the claimant
	MQTT_LETTER_RELEASE, // to the shard: `from` has ended
	MQTT_LETTER_VERDICT, // a message of a session that has moved was answered
};

// Between workers; fixed size, no pointers.
struct mqtt_mail {
	enum mqtt_letter letter;
	enum mqtt_claim claim;
	bool clean_start;
	bool present; // STATE: there is a session to resume
	uint8_t id_count;
	enum outcome outcome;
	enum refuse_reason refuse;
	uint16_t packet_id;
	uint32_t identity;
	uint32_t seq;
	uint64_t key;
	uint64_t epoch;
	struct mqtt_holder from;
	struct mqtt_holder to;
	struct {
		uint32_t print;
		uint16_t packet_id;
		uint8_t qos;
		uint8_t state;
	} ids[MQTT_MAIL_IDS]; // messages not yet settled
};

struct mqtt_env {
	void *owner;
	// Bytes to the client; copied before the call returns.
	void (*send)(void *owner, uint32_t conn, struct view bytes);
	// End the connection after what was sent. Its session is gone for the caller.
	void (*close)(void *owner, uint32_t conn);
	// CONNECT was accepted. May be NULL.
	void (*connected)(void *owner, uint32_t conn);
	// May `device` (empty if the transport does not know it) be connected? MQTT_REFUSAL_COUNT:
	// yes. Asked when it is authenticated, and with `entering` just before it is accepted: from
	// then on it counts as a connection until left(). May be NULL.
	enum mqtt_refusal (*admit)(
		void *owner,
		uint32_t session,
		uint32_t conn,
		struct view device,
		bool entering
	);
	void (*left)(void *owner, uint32_t session); // the connection is over; NULL as admit is
	// Offer again what mqtt_input() did not take (or nothing, if that was all).
	void (*resume)(void *owner, uint32_t conn);
	void (*submit)(void *owner, const struct message *m);
	void (*flush)(void *owner); // run the pipeline: lent memory is about to be used again
	unsigned (*pressure)(void *owner); // of the pipeline, 0..100
	uint64_t (*random)(void *owner); // from a cryptographic generator
	// False if there is no room now; it is offered again.
	bool (*mail)(void *owner, uint16_t worker, const struct mqtt_mail *m);
	// May be NULL if no credential needs it. False if the queue is full.
	bool (*verify)(void *owner, const struct auth_request *r);
	struct ledger_messages *ledger; // counts what never reaches the pipeline; may be NULL
};

struct mqtt_config {
	uint16_t worker;
	uint16_t workers;
	bool resident; // take all memory at create, not at first use
	uint32_t sessions; // live and stored
	uint32_t active; // of them, with something in flight or half received at once
	uint32_t in_flight; // messages of all sessions
	uint16_t inflight_max; // per session: Receive Maximum, 1..MQTT_MAIL_IDS
	uint32_t packet_max;
	uint32_t topic_max;
	uint16_t client_id_max;
	uint16_t alias_max;
	uint16_t user_properties_max;
	uint16_t keep_alive_max_s; // 0: as the client says
	uint32_t session_expiry_max_s;
	uint32_t publish_rate; // per second and session, 0: any
	uint32_t connect_rate; // per second, 0: any
	uint32_t close_rate; // deliberate closes per second
	uint32_t pool_bytes; // what waits: messages, half packets, CONNECTs
	uint32_t will_bytes;
	uint32_t will_max; // one will
	uint32_t connect_timeout_ms;
	uint32_t packet_timeout_ms; // plus a second per 256 bytes
	uint8_t pressure_high; // percent at which messages begin to wait
	uint8_t pressure_low; // and at which they go on
	uint64_t secret[2]; // of this start, the same on all workers
	uint64_t identity_key[2]; // of this appliance: names records across a crash
	uint64_t appliance_epoch;
	const struct mqtt_listener *listeners;
	uint16_t listener_count;
	const struct auth_table *credentials; // NULL without passwords
};

// Values of a small appliance; the caller sets secrets, listeners and what it knows better.
struct mqtt_config mqtt_config_defaults(void);

int mqtt_server_create(
	const struct mqtt_config *c,
	const struct mqtt_env *env,
	struct mqtt_server **out
);

// What a configuration generation changes for a running server. `listeners` of mqtt_config are the
// caller's array, which it has rewritten; a listener keeps its index.
struct mqtt_live {
	uint16_t keep_alive_max_s;
	uint32_t session_expiry_max_s;
	uint32_t publish_rate;
	uint32_t connect_rate;
	const struct auth_table *credentials;
	// An empty one for these credentials, NULL if they are the same as before; the server's old
	// one when the call returns.
	struct auth_memory *remembered;
};
// Between bursts. Sessions whose user is gone, or whose listener asks for another kind of identity
// now, end within the next second.
void mqtt_use(struct mqtt_server *m, struct mqtt_live *live);
void mqtt_server_destroy(struct mqtt_server *m); // accepts NULL

void mqtt_begin(struct mqtt_server *m, uint64_t now_ns, int64_t wall_ns);

// The session's handle, to be given back with everything that concerns the connection until
// env.close or mqtt_closed(); MQTT_NONE if there is no slot.
uint32_t mqtt_open(struct mqtt_server *m, uint32_t conn, uint16_t listener);

// Takes bytes from the front of `bytes` and says how many. Fewer than offered: the caller keeps the
// rest and offers it again after env.resume(). After env.close() the return value means nothing.
uint32_t mqtt_input(
	struct mqtt_server *m,
	uint32_t session,
	const struct mqtt_peer *peer,
	struct view bytes
);

void mqtt_closed(struct mqtt_server *m, uint32_t session);
void mqtt_verdict(struct mqtt_server *m, uint32_t token, const struct verdict *v);
// End the session for what it sent, at the next poll: its answer goes out before. Nothing happens
// if `epoch` is not the session's any more.
void mqtt_cut(struct mqtt_server *m, uint32_t session, uint64_t epoch);
void mqtt_mail(struct mqtt_server *m, const struct mqtt_mail *mail);
void mqtt_auth_done(struct mqtt_server *m, const struct auth_answer *a);

// Timers of at most a slice of the sessions, messages that can go on. When to come again; at the
// latest 10 ms from now while there is anything to watch.
uint64_t mqtt_poll(struct mqtt_server *m);

// End every connection (0x8b), `budget` per call; true when none is left.
bool mqtt_shutdown(struct mqtt_server *m, uint32_t budget);

// A live session as others may see it; `device` lives during the call only.
struct mqtt_visit {
	uint32_t session;
	uint32_t conn;
	struct view device; // empty if the transport does not know it
	enum unknown_rule unknown; // of its listener
	bool admitted; // its credential is good still
	uint32_t idle_ms; // since the last whole packet
	uint32_t messages; // of this session so far
};

// Visit the live sessions among the next `most` slots; the answer ends the session, MQTT_END_COUNT
// does not. Returns where to go on, MQTT_NONE at the end. Between bursts only.
uint32_t mqtt_walk(
	struct mqtt_server *m,
	uint32_t from,
	uint32_t most,
	enum mqtt_end (*visit)(void *visitor, const struct mqtt_visit *v),
	void *visitor
);

// No message of ours waits for a verdict or for room.
bool mqtt_idle(const struct mqtt_server *m);
uint32_t mqtt_unsettled(const struct mqtt_server *m); // how many do; looks at all of them

const struct mqtt_stats *mqtt_server_stats(struct mqtt_server *m);

void mqtt_server_memory(const struct mqtt_server *m, struct memory_account *out); // MQTT's parts

// What one idle session costs (asserted in state.h), and with a client id of `len` bytes.
#define MQTT_IDLE_BYTES 112
uint32_t mqtt_idle_bytes(uint32_t client_id_len);
