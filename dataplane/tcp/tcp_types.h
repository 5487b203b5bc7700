// SPDX-License-Identifier: Apache-2.0
// Inside of the TCP library: the control block, the stack, and what its files call of each other.
// Nothing outside dataplane/tcp/ and its tests includes this.
#pragma once

#include "dataplane/tcp/flow_table.h"
#include "dataplane/tcp/slab.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/tcp_segment.h"
#include "dataplane/tcp/time_wait.h"
#include "dataplane/tcp/timer_wheel.h"
#include "parsers/siphash.h"

#include <stdalign.h>

#define TCP_BATCH 32 // segments looked up together
#define TCP_TICK_NS UINT64_C(4000000)
#define TCP_TICKS_PER_S 250u
#define TCP_SMALL_WINDOW 2048u // of connections opened under pressure
#define TCP_OOO_RUNS 4 // gaps a connection may have
#define TCP_DUPACKS 3
#define TCP_MSS_FLOOR_V4 216 // smallest entry of the cookie's table
#define TCP_MTU_FLOOR_V4 552 // path MTU that ICMP can make us believe
#define TCP_MTU_FLOOR_V6 1280
#define TCP_CWND_MAX (1u << 20)

enum tcp_state : uint8_t {
	TCP_FREE,
	TCP_ESTABLISHED,
	TCP_CLOSE_WAIT, // peer's FIN received
	TCP_FIN_WAIT1, // our FIN queued or sent
	TCP_FIN_WAIT2, // ours acknowledged, peer's awaited
	TCP_CLOSING, // both sent, ours not acknowledged
	TCP_LAST_ACK, // peer's first, ours queued or sent
	TCP_DYING, // closed() is being called
};

enum tcb_flag : uint32_t {
	F_TS = 1u << 0, // timestamps negotiated
	F_SACK = 1u << 1,
	F_ACK_NOW = 1u << 2, // acknowledge at the end of the burst
	F_DELACK = 1u << 3, // acknowledge by ack_at
	F_FIN_QUEUED = 1u << 4,
	F_FIN_SENT = 1u << 5,
	F_FIN_RCVD = 1u << 6,
	F_PAUSED = 1u << 7,
	F_APP_GONE = 1u << 8, // the app wants no more bytes
	F_RTX = 1u << 9, // rtx_at is armed: retransmission or zero-window probe
	F_WAIT = 1u << 10, // wait_at is armed: admission, app deadline or FIN_WAIT_2
	F_UNAUTH = 1u << 11,
	F_COUNTED = 1u << 12, // counted in its source's slot
	F_SOURCE_SHARED = 1u << 13, // its slot is the one shared by sources without their own
	F_LISTED = 1u << 14, // in the burst ring
	F_FAST_REC = 1u << 15, // fast recovery until `recover` is acknowledged
	F_RTO_REC = 1u << 16, // resending from rtx_nxt up to `recover`
	F_TIMING = 1u << 17, // measuring an RTT without timestamps
	F_DELIVER = 1u << 18, // resumed: show what is kept
	F_EOF_TOLD = 1u << 19,
	F_PROXY = 1u << 20, // PROXY header awaited
	F_OPENED = 1u << 21, // the app knows it
	F_WANT_SPACE = 1u << 22, // writable() is owed
	F_FIRST_BYTE = 1u << 23, // something was received
	F_SMALL = 1u << 24, // small window
	F_RTT_VALID = 1u << 25, // srtt holds a sample
	F_STALLED = 1u << 26, // probed with its window closed; counted in its source's slot
	F_GROWN = 1u << 27, // bits 27, 28: how often the receive window was doubled
	F_MSS_SHIFT = 1u << 29, // bits 29..31: index into the cookie's MSS table
};
#define TCB_MSS_INDEX(flags) ((flags) / F_MSS_SHIFT)
#define TCB_GROWTH_MAX 3u
#define TCB_GROWTH(flags) ((flags) / F_GROWN & TCB_GROWTH_MAX)

// Bytes kept for a connection, in a slab chunk. Chains are ordered by sequence number.
struct chunk {
	uint32_t next;
	uint32_t seq; // of bytes[off]
	uint16_t off;
	uint16_t len;
	uint8_t fin; // out of order only: a FIN follows the bytes
	uint8_t pad[3];
	uint8_t bytes[];
};
static_assert(sizeof(struct chunk) == 16);
#define CHUNK_DATA_MAX (SLAB_PAGE_BYTES - sizeof(struct chunk))

// What the peer has selectively acknowledged, sorted, disjoint. In a 64-byte chunk.
#define SACK_RUNS 5
struct sack_board {
	uint32_t count;
	struct {
		uint32_t start, end;
	} run[SACK_RUNS];
};

// Three cache lines. The fast path reads line 0, writes lines 0 and 1; line 2 is for the rest.
struct tcb {
	alignas(64) uint8_t remote[16];
	uint16_t remote_port;
	uint16_t service; // index into tcp.services: local address, port, realm, family
	uint16_t snd_mss; // bytes of TCP payload and options; never above peer's MSS and path
	enum tcp_state state;
	uint8_t snd_shift; // window scale of the peer
	uint32_t rcv_nxt;
	uint32_t rcv_adv; // right edge announced, never moves left
	uint32_t snd_una;
	uint32_t snd_nxt; // highest sent
	uint32_t snd_wnd;
	uint32_t ts_recent;
	uint32_t flags;
	uint32_t app;
	uint32_t tx_head; // chunks from snd_una to tx_end
	uint32_t rx; // one chunk: in order, not consumed

	struct wheel_node timer;
	uint16_t gen;
	uint8_t dupacks;
	uint8_t ack_segs; // data segments not acknowledged
	uint32_t rtx_at;
	uint32_t wait_at;
	uint32_t last_rx; // tick
	uint32_t srtt; // ms * 8
	uint32_t rttvar; // ms * 4
	uint32_t cwnd;
	uint32_t ssthresh;
	uint32_t recover;
	uint32_t tx_end; // sequence number behind the queued bytes (the FIN's)
	uint32_t stall_at; // tick of the last progress; while nothing is outstanding, of the last
	uint16_t path_mtu_at; // low bits of the tick, in units of 1024 (4 s); valid if non-zero
	uint16_t opened_at; // the same
			    // ACK

	uint32_t snd_wl1;
	uint32_t snd_wl2;
	union { // with and without timestamps
		struct {
			uint32_t ts_offset;
			uint32_t ts_recent_at; // tick
		};
		struct {
			uint32_t rtt_seq;
			uint32_t rtt_at; // ms
		};
	};
	uint32_t max_snd_wnd;
	uint32_t last_ack_sent;
	uint32_t ooo; // chunks, sorted, disjoint
	uint32_t tx_tail;
	uint32_t sack; // struct sack_board while the peer reports holes
	uint32_t rtx_nxt;
	struct tcp_path path;
	uint16_t challenge_at; // low bits of the tick, in units of 32
	uint16_t idle_s;
	uint16_t ack_at; // low bits of the tick
	uint8_t backoff;
	uint8_t tries; // retransmissions or keepalive probes since the peer was last heard of
	uint16_t grow_at; // low bits of the tick at which grow_seq was rcv_nxt
	uint32_t grow_seq;
};
static_assert(sizeof(struct tcb) == 192, "three cache lines");
static_assert(
	sizeof(struct tcb) + sizeof(uint32_t) + FLOW_TABLE_BYTES_EACH <= TCP_IDLE_BYTES,
	"control block, burst ring and flow table"
);
static_assert(offsetof(struct tcb, timer) == 64);
static_assert(offsetof(struct tcb, snd_wl1) == 128);

struct source {
	uint64_t id; // keyed hash of the prefix, 0 = unused
	uint32_t unauthenticated;
	uint32_t stalled;
	uint32_t stamp; // tick of the last refill
	uint32_t tokens; // in 1/250 of a connection
};

struct tcp {
	struct tcp_config config; // array pointers refer to the arena
	struct tcp_env env;
	void *arena;
	size_t arena_bytes;

	uint64_t now_ns;
	uint32_t tick;
	uint32_t ms; // timestamp clock

	struct tcb *tcbs; // element 0 unused
	uint32_t free; // through tx_head
	uint32_t fresh; // TCBs from here on were never used
	uint32_t conns;
	uint32_t unauthenticated;
	uint32_t showing; // connection whose received() runs

	struct flow_table flows;
	struct wheel wheel;
	struct slab slab;
	struct time_wait time_wait;

	uint16_t *service_hash; // service + 1, linear probing
	uint32_t service_mask;

	struct source *sources; // element 0 is shared
	uint32_t source_sets;
	uint32_t sources_used;
	uint32_t stalled; // connections with F_STALLED

	uint32_t *burst; // ring of connections to serve at the end of the burst
	uint32_t burst_head;
	uint32_t burst_count;

	uint32_t epoch; // of cookie_key[epoch & 1]
	uint64_t cookie_key[2][2];
	uint64_t draws; // of the budget's randomness
	uint32_t budget_at; // second of the budgets below
	uint32_t challenge_left;
	uint32_t reset_left;
	uint32_t shed_at; // cursor
	enum tcp_pressure_level pressure;

	uint64_t counters[TCP_COUNTER_COUNT];
	uint64_t closed[TCP_CLOSE_REASON_COUNT];
};

static inline bool seq_lt(uint32_t a, uint32_t b) {
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b) {
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b) {
	return seq_lt(a, b) ? b : a;
}

static inline uint32_t min_u32(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b) {
	return a > b ? a : b;
}

static inline uint32_t ms_to_ticks(uint32_t ms) {
	return (ms + 3) / 4;
}

static inline void count(struct tcp *t, enum tcp_counter c) {
	t->counters[c]++;
}

static inline uint32_t tcb_index(const struct tcp *t, const struct tcb *c) {
	return (uint32_t)(c - t->tcbs);
}

static inline struct tcp_conn tcb_conn(const struct tcp *t, const struct tcb *c) {
	return (struct tcp_conn) {tcb_index(t, c), c->gen};
}

// A callback ran: is this still the connection it was?
static inline bool tcb_same(const struct tcb *c, uint16_t gen) {
	return c->gen == gen && c->state != TCP_FREE && c->state != TCP_DYING;
}

static inline const struct tcp_service *tcb_service(const struct tcp *t, const struct tcb *c) {
	return &t->config.services[c->service];
}

static inline const struct tcp_app *tcb_app(const struct tcp *t, const struct tcb *c) {
	return t->config.listeners[tcb_service(t, c)->listener].app;
}

static inline struct chunk *chunk_at(const struct tcp *t, uint32_t ref) {
	return slab_at(&t->slab, ref);
}

static inline uint32_t chunk_room(const struct tcp *t, uint32_t ref) {
	return slab_bytes(&t->slab, ref) - (uint32_t)sizeof(struct chunk);
}

static inline bool fin_acked(const struct tcb *c) {
	return (c->flags & F_FIN_SENT) != 0 && c->snd_una == c->tx_end + 1;
}

// Something is queued that was never sent.
static inline bool tcb_unsent(const struct tcb *c) {
	if ((c->flags & F_FIN_SENT) != 0)
		return false;
	return c->snd_nxt != c->tx_end || (c->flags & F_FIN_QUEUED) != 0;
}

static inline uint32_t tcb_ts(const struct tcp *t, const struct tcb *c) {
	return t->ms + c->ts_offset;
}

// tcp_conn.c: life of a connection
struct tcb *tcb_lookup(struct tcp *t, const struct flow_key *key, uint64_t hash);
struct tcb *tcb_of(const struct tcp *t, struct tcp_conn conn); // NULL if stale
void tcb_key(const struct tcp *t, const struct tcb *c, struct flow_key *out);
uint64_t key_hash(const struct tcp *t, const struct flow_key *key);
struct tcb *tcb_open(struct tcp *t, const struct flow_key *key, uint64_t hash, uint16_t service);
// Tells the app, releases everything. Leaves a tombstone if a cookie could still revive it.
void tcb_close(struct tcp *t, struct tcb *c, enum tcp_close_reason reason);
void tcb_reset(struct tcp *t, struct tcb *c, enum tcp_close_reason reason); // with RST
void tcb_to_time_wait(struct tcp *t, struct tcb *c);
// If both FINs are through and everything is shown: TIME_WAIT or closed. True: it is gone.
bool tcb_finish(struct tcp *t, struct tcb *c);
void tcb_list(struct tcp *t, struct tcb *c); // serve at the end of the burst
void tcp_set_time(struct tcp *t, uint64_t now_ns);
uint32_t service_find(const struct tcp *t, const struct flow_key *key); // + 1, 0 = none

// tcp_cookie.c
struct cookie {
	uint16_t mss;
	uint8_t mss_index;
	uint8_t shift;
	bool ts, sack;
	uint32_t ts_offset;
};
void cookie_answer(
	struct tcp *t,
	const struct tcp_segment_in *in,
	const struct segment *s,
	uint16_t service
);
enum cookie_rc { COOKIE_GOOD, COOKIE_STRANGE, COOKIE_BAD };
// GOOD: *out is what was agreed. STRANGE: not a cookie of the last two minutes. BAD: looks like
// one, but not for this segment: it may belong to a handshake whose ACK has yet to arrive.
enum cookie_rc cookie_check(
	struct tcp *t,
	const struct flow_key *key,
	const struct segment *s,
	struct cookie *out
);
uint16_t cookie_mss(uint8_t family, uint8_t index);
uint32_t ts_offset_of(const struct tcp *t, const struct flow_key *key);

// tcp_input.c, tcp_listen.c
void tcb_input(struct tcp *t, struct tcb *c, const struct segment *s);
void listen_input(
	struct tcp *t,
	const struct tcp_segment_in *in,
	const struct segment *s,
	uint64_t hash
);

// tcp_reasm.c: bytes from the peer
// Process the segment's bytes and FIN, trimmed to the window. The connection may be gone after.
void rx_segment(struct tcp *t, struct tcb *c, const struct segment *s);
void rx_deliver_kept(struct tcp *t, struct tcb *c); // after resume
void rx_drop(struct tcp *t, struct tcb *c); // all kept bytes
void ooo_drop(struct tcp *t, struct tcb *c);
uint32_t rx_window(const struct tcp *t, const struct tcb *c); // room in it now
uint32_t rx_window_size(const struct tcp *t, const struct tcb *c);
unsigned
ooo_sack_blocks(const struct tcp *t, const struct tcb *c, uint32_t blocks[8], unsigned max);
// tcp_hold.c: in-order bytes the app has not consumed
uint32_t hold_append(struct tcp *t, struct tcb *c, const uint8_t *p, uint32_t len);
uint32_t hold_len(const struct tcp *t, const struct tcb *c);
void hold_consume(struct tcp *t, struct tcb *c, uint32_t len);

// tcp_output.c
void tcp_output(struct tcp *t, struct tcb *c); // everything allowed now, then timers
bool tcp_output_one(struct tcp *t, struct tcb *c, bool forced); // one new segment
void output_ack(struct tcp *t, struct tcb *c);
void output_challenge(struct tcp *t, struct tcb *c); // limited
bool output_segment(struct tcp *t, struct tcb *c, uint32_t seq, uint32_t len, uint8_t flags);
void output_reset(
	struct tcp *t,
	const struct flow_key *key,
	struct tcp_path path,
	uint32_t seq,
	uint32_t ack,
	uint8_t flags
);
void output_reset_for(struct tcp *t, const struct tcp_segment_in *in, const struct segment *s);
uint32_t payload_max(const struct tcb *c);
void tcb_arm(struct tcp *t, struct tcb *c); // the wheel fits what is outstanding
// tcp_send.c: the queue of bytes to send
uint32_t tx_append(struct tcp *t, struct tcb *c, const uint8_t *p, uint32_t len);
void tx_acked(struct tcp *t, struct tcb *c); // free chunks below snd_una
void tx_drop(struct tcp *t, struct tcb *c);
void tx_copy(const struct tcp *t, const struct tcb *c, uint32_t seq, uint8_t *out, uint32_t len);

// tcp_recovery.c: congestion control, SACK, retransmission
uint32_t initial_window(uint32_t mss);
uint32_t rto_ms(const struct tcp *t, const struct tcb *c); // with backoff
void rtt_sample(struct tcp *t, struct tcb *c, uint32_t ms);
void recovery_new_ack(struct tcp *t, struct tcb *c, uint32_t acked);
void recovery_dup_ack(struct tcp *t, struct tcb *c);
void recovery_timeout(struct tcp *t, struct tcb *c);
void recovery_resend_all(struct tcp *t, struct tcb *c); // without congestion response
void recovery_output(struct tcp *t, struct tcb *c); // resend what cwnd allows
// tcp_sack.c: what the peer holds of ours
void sack_input(struct tcp *t, struct tcb *c, const struct segment *s);
void sack_trim(struct tcp *t, struct tcb *c); // below snd_una
void sack_drop(struct tcp *t, struct tcb *c);
// First byte at or after seq that is not sacked, and how many until the next sacked one or `end`.
uint32_t
sack_hole(const struct tcp *t, const struct tcb *c, uint32_t seq, uint32_t end, uint32_t *len);
uint32_t sack_high(const struct tcp *t, const struct tcb *c); // end of the highest run, or snd_una

// tcp_timer.c
void timer_expire(struct tcp *t, struct tcb *c);
void timer_wait(struct tcp *t, struct tcb *c, uint32_t ms); // wait_at

// tcp_limits.c
bool source_admit(struct tcp *t, struct tcb *c); // counts it, or false
void source_release(struct tcp *t, struct tcb *c, bool proven);
// The peer keeps its window closed: counts it once; false if its source has too many of those.
bool source_stall(struct tcp *t, struct tcb *c);
void source_unstall(struct tcp *t, struct tcb *c);
bool budget_challenge(struct tcp *t);
bool budget_reset(struct tcp *t);
void pressure_update(struct tcp *t);
void pressure_shed(struct tcp *t);
bool address_usable(const struct tcp *t, const struct flow_key *key);
bool is_balancer(const struct tcp *t, const struct flow_key *key);
