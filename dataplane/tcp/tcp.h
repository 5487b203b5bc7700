// SPDX-License-Identifier: Apache-2.0
// Server-side TCP for one worker, as a pure library: segments, time and a seed in; segments and
// events out. It reads no clock, draws no randomness, and allocates nothing after tcp_create().
// docs/tcp.md says what it implements and how each requirement is tested.
//
// One turn of the worker:
//   tcp_input()      a burst of TCP segments for our addresses (any number of times)
//   tcp_icmp_error() ICMP errors that quote one of our segments
//   app calls        tcp_send(), tcp_resume(), ... for completions
//   tcp_poll()       timers, budgeted
//   tcp_burst_end()  coalesced acknowledgements and replies leave now; always last
//
// Thread: the owning worker only. Monotonic nanoseconds everywhere a time is asked for; the time
// of tcp_input()/tcp_poll() also holds for the app calls that follow it.
#pragma once

#include "dataplane/flow_key.h"
#include "dataplane/memory.h"
#include "parsers/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcp;

// A connection as the app holds it. Stale handles are recognised and ignored by every call.
struct tcp_conn {
	uint32_t index; // 0 = none
	uint32_t gen;
};

// How to reach the peer below IP. Opaque here: remembered from the segment that opened the
// connection (or is being answered) and given back with every segment sent.
struct tcp_path {
	uint8_t bytes[10];
};

struct tcp_segment_in {
	const struct flow_key *key; // remote/local as seen from us
	struct tcp_path path;
	const uint8_t *bytes; // TCP header and payload, without link-layer padding
	uint32_t len;
	bool checksum_ok; // verified by someone before; else verified here
	uint64_t hash; // flow_key_hash(tcp_config.seed, key), if known; 0: taken here
};

struct tcp_segment_out {
	const struct flow_key *key; // valid during the call
	struct tcp_path path;
	uint8_t *bytes; // what tcp_env.room() gave, filled with TCP header and payload
	uint32_t len;
};

// The way out. room() returns `len` writable bytes (e.g. the data area of a fresh mbuf) or NULL if
// there are none: the segment then counts as lost on the wire. Each successful room() is followed
// by send() before anything else happens.
struct tcp_env {
	void *owner;
	uint8_t *(*room)(void *owner, uint32_t len);
	void (*send)(void *owner, const struct tcp_segment_out *segment);
};

#define TCP_CLOSE_REASONS(X)                                                                       \
	X(TCP_CLOSED_NORMAL, "normal")                                                             \
	X(TCP_CLOSED_RESET, "reset-by-peer")                                                       \
	X(TCP_CLOSED_ABORT, "aborted-by-us")                                                       \
	X(TCP_CLOSED_UNREAD, "data-after-close")                                                   \
	X(TCP_CLOSED_TIMEOUT, "retransmission-timeout")                                            \
	X(TCP_CLOSED_ZERO_WINDOW, "zero-window-timeout")                                           \
	X(TCP_CLOSED_KEEPALIVE, "keepalive-timeout")                                               \
	X(TCP_CLOSED_FIRST_BYTE, "first-byte-deadline")                                            \
	X(TCP_CLOSED_AUTH, "authentication-deadline")                                              \
	X(TCP_CLOSED_FIN_WAIT, "fin-wait-timeout")                                                 \
	X(TCP_CLOSED_PROXY, "bad-proxy-header")                                                    \
	X(TCP_CLOSED_MEMORY, "memory-pressure")

enum tcp_close_reason : uint8_t {
#define X(id, label) id,
	TCP_CLOSE_REASONS(X)
#undef X
		TCP_CLOSE_REASON_COUNT
};

// What the app of a listener is told. Callbacks may call every app function of this header for
// any connection. closed() comes exactly once for each connection that opened() accepted, and the
// handle is dead afterwards; it also follows tcp_abort(), within that call.
struct tcp_app {
	void *owner;
	// The handshake is complete (and the PROXY header read). `key` is the real client if a
	// listed balancer named one (`proxied`). False refuses the connection with a reset.
	bool (*opened)(
		void *owner,
		struct tcp_conn conn,
		uint8_t listener,
		const struct flow_key *key,
		bool proxied
	);
	// All bytes not consumed yet, contiguous, in order; the view ends with the call. Returns
	// how many bytes are consumed; the rest is kept and shown again with more behind it, unless
	// the app calls tcp_pause(). The view never exceeds tcp_config.hold_max bytes: an app whose
	// messages are longer must consume in parts.
	uint32_t (*received)(void *owner, struct tcp_conn conn, struct view bytes);
	// The peer will send no more. We may still send; the app decides when to tcp_close().
	void (*peer_closed)(void *owner, struct tcp_conn conn);
	// After tcp_send() took less than asked: there is room again.
	void (*writable)(void *owner, struct tcp_conn conn);
	// Nothing was received for the time set by tcp_set_idle(); asked again each such period.
	void (*idle)(void *owner, struct tcp_conn conn);
	// The time set by tcp_set_deadline() has come.
	void (*deadline)(void *owner, struct tcp_conn conn);
	void (*closed)(void *owner, struct tcp_conn conn, enum tcp_close_reason reason);
};

// One address and port that accepts connections. A listener has as many as it has addresses.
struct tcp_service {
	uint8_t address[16]; // IPv4 in the first 4 bytes, rest zero
	uint16_t port;
	uint16_t realm;
	uint8_t family; // 4 or 6
	uint8_t listener; // index into tcp_config.listeners
	uint16_t mtu; // of the interface that owns the address
};

struct tcp_listener {
	const struct tcp_app *app;
	bool proxy_v2; // connections from tcp_config.balancers start with a PROXY v2 header
};

struct tcp_prefix {
	uint8_t address[16];
	uint16_t realm;
	uint8_t family;
	uint8_t bits;
};

struct tcp_config {
	const struct tcp_service *services; // copied
	uint32_t service_count;
	uint32_t service_max; // room for services added later; less than service_count: none
	const struct tcp_listener *listeners; // copied; the apps are borrowed
	uint32_t listener_count; // at most 255
	const struct tcp_prefix *balancers; // copied
	uint32_t balancer_count;

	uint32_t max_conns;
	uint64_t buffer_bytes; // partial, out-of-order and unacknowledged data of all connections
	uint32_t time_wait_max; // records
	uint32_t source_max; // sources with unauthenticated connections that are told apart
	uint32_t window; // receive window a connection begins with
	uint32_t window_max; // and what it grows to if it fills it within a second
	uint32_t hold_max; // unconsumed bytes of a connection, at most 65520
	uint32_t send_max; // queued and unacknowledged bytes of a connection
	uint32_t ooo_segments; // out-of-order pieces of a connection

	uint32_t delayed_ack_ms; // 0 = acknowledge at the end of each burst; at most 500
	uint32_t rto_initial_ms;
	uint32_t rto_min_ms;
	uint32_t rto_max_ms;
	uint32_t retries_max; // R2: retransmissions of one segment
	uint32_t user_timeout_ms; // R2: time without progress
	uint32_t zero_window_ms; // a peer that keeps its window closed; 0 = for ever
	uint32_t first_byte_ms;
	uint32_t auth_ms; // until tcp_authenticated()
	uint32_t fin_wait2_ms;
	uint32_t time_wait_ms; // 2 MSL
	uint32_t keepalive_s; // 0 = off
	uint32_t keepalive_interval_s;
	uint32_t keepalive_probes;

	uint32_t reset_rate; // resets per second for segments without connection
	uint32_t challenge_rate; // challenge ACKs per second, all connections
	// Under pressure: connections per second of one source that do not authenticate.
	uint32_t source_rate;
	// Under pressure, of max_conns and for one source: unauthenticated connections, and
	// connections that keep their window closed with something to send.
	uint32_t source_share_pct;

	uint64_t secret[2]; // cookies and ISNs: the same for all workers, from a CSPRNG
	uint64_t seed[2]; // flow table and budgets: this worker's own, from a CSPRNG
	bool prefault; // take all memory at create, not at first use
	bool fill_checksum; // compute the TCP checksum of what is sent (else somebody below does)
};

// 0 none; see tcp_pressure().
enum tcp_pressure_level : uint8_t {
	TCP_PRESSURE_NONE,
	TCP_PRESSURE_SHRINK, // new connections get small windows; per-source limits act
	TCP_PRESSURE_PAUSE, // the app should pause readers that can wait
	TCP_PRESSURE_NO_HANDSHAKE, // the app should start no TLS handshake
	TCP_PRESSURE_NO_SYN, // SYNs are dropped
	TCP_PRESSURE_SHED, // holders of buffers lose out-of-order data, then the connection
};

#define TCP_COUNTERS(X)                                                                            \
	X(TCP_RX_SEGMENTS, "rx-segments")                                                          \
	X(TCP_RX_BYTES, "rx-bytes")                                                                \
	X(TCP_TX_SEGMENTS, "tx-segments")                                                          \
	X(TCP_TX_BYTES, "tx-bytes")                                                                \
	X(TCP_TX_NO_ROOM, "tx-no-room")                                                            \
	X(TCP_OPENED, "opened")                                                                    \
	X(TCP_AUTHENTICATED, "authenticated")                                                      \
	X(TCP_SYN_COOKIES, "syn-cookies-sent")                                                     \
	X(TCP_RTX_SEGMENTS, "retransmitted-segments")                                              \
	X(TCP_RTX_TIMEOUTS, "retransmission-timeouts")                                             \
	X(TCP_FAST_RTX, "fast-retransmits")                                                        \
	X(TCP_PROBES, "zero-window-probes")                                                        \
	X(TCP_KEEPALIVES, "keepalive-probes")                                                      \
	X(TCP_RST_SENT, "rst-sent")                                                                \
	X(TCP_CHALLENGES, "challenge-acks")                                                        \
	X(TCP_TIME_WAITS, "time-wait")                                                             \
	X(TCP_TIME_WAIT_EVICTED, "time-wait-evicted")                                              \
	X(TCP_PATH_MTU_LOWERED, "path-mtu-lowered")                                                \
	X(TCP_PROXIED, "proxy-headers")                                                            \
	X(TCP_OOO_KEPT, "out-of-order-kept")                                                       \
	X(TCP_WINDOW_GROWN, "windows-grown")                                                       \
	X(TCP_BAD_SHORT, "bad-short")                                                              \
	X(TCP_BAD_OFFSET, "bad-data-offset")                                                       \
	X(TCP_BAD_CHECKSUM, "bad-checksum")                                                        \
	X(TCP_BAD_FLAGS, "bad-flags")                                                              \
	X(TCP_BAD_OPTION, "bad-option")                                                            \
	X(TCP_BAD_ADDRESS, "bad-address")                                                          \
	X(TCP_NO_LISTENER, "no-listener")                                                          \
	X(TCP_NO_CONN, "no-connection")                                                            \
	X(TCP_BAD_COOKIE, "bad-cookie")                                                            \
	X(TCP_LATE_COOKIE, "cookie-of-a-closed-connection")                                        \
	X(TCP_SYN_PRESSURE, "syn-dropped-pressure")                                                \
	X(TCP_CONNS_FULL, "connections-full")                                                      \
	X(TCP_SOURCE_LIMITED, "source-limited")                                                    \
	X(TCP_STALL_LIMITED, "zero-window-limited")                                                \
	X(TCP_REFUSED, "refused-by-app")                                                           \
	X(TCP_PAWS, "paws")                                                                        \
	X(TCP_NO_TIMESTAMP, "timestamp-missing")                                                   \
	X(TCP_OUT_OF_WINDOW, "out-of-window")                                                      \
	X(TCP_BAD_ACK, "unacceptable-ack")                                                         \
	X(TCP_BLIND_RST, "inexact-rst")                                                            \
	X(TCP_BLIND_SYN, "syn-on-connection")                                                      \
	X(TCP_CHALLENGE_LIMITED, "challenge-limited")                                              \
	X(TCP_RST_LIMITED, "rst-limited")                                                          \
	X(TCP_OOO_DROPPED, "out-of-order-dropped")                                                 \
	X(TCP_NO_BUFFER, "no-buffer")                                                              \
	X(TCP_BAD_ICMP, "icmp-not-ours")                                                           \
	X(TCP_SOFT_ICMP, "icmp-soft")                                                              \
	X(TCP_BAD_PROXY, "bad-proxy-header")

enum tcp_counter {
#define X(id, label) id,
	TCP_COUNTERS(X)
#undef X
		TCP_COUNTER_COUNT
};

// Gauges and counters, for the worker's statistics.
struct tcp_stats {
	uint64_t counters[TCP_COUNTER_COUNT];
	uint64_t closed[TCP_CLOSE_REASON_COUNT];
	uint32_t conns;
	uint32_t unauthenticated;
	uint32_t time_wait;
	uint32_t sources; // with unauthenticated connections
	uint32_t stalled; // connections that keep their window closed
	uint64_t buffer_bytes; // in use, whole pages
	enum tcp_pressure_level pressure;
};

const char *tcp_counter_label(enum tcp_counter c);
const char *tcp_close_reason_label(enum tcp_close_reason r);

// Shipped values of everything but services, listeners, secret and seed.
void tcp_config_default(struct tcp_config *c);

// Control thread. All memory is reserved here, as one mapping of tcp_bytes(). -EINVAL: the
// configuration contradicts itself; -ENOMEM. *out is set on success only.
int tcp_create(
	const struct tcp_config *config,
	const struct tcp_env *env,
	uint64_t now_ns,
	struct tcp **out
);
size_t tcp_bytes(const struct tcp_config *config);
void tcp_destroy(struct tcp *t); // accepts NULL; no callbacks

// Between bursts: accept connections on one more address and port. Services are never taken away:
// connections name theirs by number. 0; -EEXIST: it is served already; -ENOSPC: service_max.
int tcp_service_add(struct tcp *t, const struct tcp_service *s);

void tcp_input(struct tcp *t, const struct tcp_segment_in *segments, unsigned n, uint64_t now_ns);

// An ICMP error that quotes a segment of ours. Validated by flow and sequence number.
struct tcp_icmp {
	struct flow_key key;
	uint32_t seq;
	uint32_t mtu; // of "fragmentation needed" or "packet too big"; 0 = any other error
};
void tcp_icmp_error(struct tcp *t, const struct tcp_icmp *e, uint64_t now_ns);

// Runs at most `budget` timers. Returns true if more are due.
bool tcp_poll(struct tcp *t, uint64_t now_ns, unsigned budget);
void tcp_burst_end(struct tcp *t);
// When tcp_poll() has something to do next; UINT64_MAX: never.
uint64_t tcp_next_due(const struct tcp *t);

// Queue bytes (copied). Returns how many were taken, less than asked only if the connection's or
// the worker's buffer is full (writable() follows), 0 also for a stale or closing connection.
uint32_t tcp_send(struct tcp *t, struct tcp_conn conn, const void *bytes, uint32_t len);
uint32_t tcp_send_space(const struct tcp *t, struct tcp_conn conn);
// FIN after what is queued; goes on receiving until the peer closes (at most fin_wait2_ms).
void tcp_shutdown(struct tcp *t, struct tcp_conn conn);
// As tcp_shutdown(), but bytes that were not consumed, or come later, are answered with a reset.
void tcp_close(struct tcp *t, struct tcp_conn conn);
// Reset at once. closed(TCP_CLOSED_ABORT) is called before it returns.
void tcp_abort(struct tcp *t, struct tcp_conn conn);
// Stop and start received(). While paused the window closes; resume delivers what is kept (at
// tcp_burst_end()) and announces the window.
void tcp_pause(struct tcp *t, struct tcp_conn conn);
void tcp_resume(struct tcp *t, struct tcp_conn conn);
// The peer is known: deadlines and per-source limits end.
void tcp_authenticated(struct tcp *t, struct tcp_conn conn);
// idle() after that many seconds without a segment from the peer; 0 = off.
void tcp_set_idle(struct tcp *t, struct tcp_conn conn, uint16_t seconds);
// deadline() once, after that time; 0 = off. Only for authenticated, open connections.
void tcp_set_deadline(struct tcp *t, struct tcp_conn conn, uint32_t ms);
void tcp_set_app(struct tcp *t, struct tcp_conn conn, uint32_t word);
uint32_t tcp_app(const struct tcp *t, struct tcp_conn conn); // 0 if stale
// The handle of the connection that has this index now; a dead one if none has.
struct tcp_conn tcp_conn_at(const struct tcp *t, uint32_t index);
bool tcp_alive(const struct tcp *t, struct tcp_conn conn);
bool tcp_key(const struct tcp *t, struct tcp_conn conn, struct flow_key *out);

enum tcp_pressure_level tcp_pressure(const struct tcp *t);
void tcp_stats(const struct tcp *t, struct tcp_stats *out);
void tcp_memory(const struct tcp *t, struct memory_account *out); // the parts that are TCP's

// What an idle connection costs: control block, its share of the flow table, burst ring.
#define TCP_IDLE_BYTES 205

// Every invariant of docs/tcp.md, over all connections. NULL or what is broken. For tests: walks
// everything. Call between tcp_burst_end() and the next input.
const char *tcp_audit(const struct tcp *t);
