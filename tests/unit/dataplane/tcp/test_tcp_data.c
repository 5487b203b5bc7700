// SPDX-License-Identifier: Apache-2.0
// Bytes and windows: rows 37..48 and 64 of docs/tcp.md, and what the app sees.
#include "rig.h"

#define TABLE(name, options, ...)                                                                  \
	static void name(void **) {                                                                \
		static const struct step steps[] = {__VA_ARGS__, END};                             \
		rig_table(steps, options);                                                         \
	}

static const struct rig_options mss1440 = {.mss = 1440};
static const struct rig_options pausing = {.pausing = true};
static const struct rig_options sack = {.ts = true, .sack = true};

TABLE(rfc_37_old_ack_keeps_payload,
      NULL,
      SEND(10),
      OUT(A, 1, 1, 10),
      IN(A, 1, 11, 0),
      SEND(10),
      OUT(A, 11, 1, 10),
      IN(A, 1, 21, 0),
      // sent before the peer saw either of ours
      IN(A, 1, 1, 10),
      OUT(A, 21, 11, 0),
      GOT(10),
      COUNT(TCP_BAD_ACK, 0))

TABLE(rfc_38_stale_window_update,
      &mss1440,
      IN(A, 11, 1, 10, .win = 700),
      OUT(A, 1, 1, 0),
      // an older segment, overtaken: its window must not count
      IN(A, 1, 1, 10, .win = 30000),
      OUT(A, 1, 21, 0),
      SEND(3000),
      NONE,
      WAIT(1100),
      OUT(A, 1, 21, 700),
      DROP,
      IN(A, 21, 701, 0, .win = 5000),
      OUT(A, 701, 21, 1440),
      OUT(A, 2141, 21, 860))

TABLE(rfc_39_window_shrinks,
      &mss1440,
      SEND(3000),
      OUT(A, 1, 1, 1440),
      OUT(A, 1441, 1, 1440),
      OUT(A, 2881, 1, 120),
      SEND(4000),
      OUT(A, 3001, 1, 1440),
      OUT(A, 4441, 1, 1440),
      OUT(A, 5881, 1, 1120),
      // the peer takes back what it had allowed, then closes the window
      IN(A, 1, 1441, 0, .win = 1000),
      NONE,
      IN(A, 1, 1441, 0, .win = -1),
      NONE,
      // what is in flight beyond it is probed, not resent as if lost
      WAIT(210),
      OUT(A, 1441, 1, 1),
      WAIT(410),
      OUT(A, 1441, 1, 1),
      // it opens: everything unacknowledged goes out again
      IN(A, 1, 1442, 0, .win = 60000),
      OUT(A, 1442, 1, 1440),
      OUT(A, 2882, 1, 1440),
      OUT(A, 4322, 1, 1440),
      OUT(A, 5762, 1, 1239),
      IN(A, 1, 7001, 0),
      NONE)

TABLE(rfc_40_overlaps,
      NULL,
      IN(A, 1, 1, 100),
      OUT(A, 1, 101, 0),
      IN(A, 51, 1, 100),
      OUT(A, 1, 151, 0),
      IN(A, 1, 1, 200),
      OUT(A, 1, 201, 0),
      IN(A, 100, 1, 50),
      OUT(A, 1, 201, 0),
      IN(A, 301, 1, 100),
      OUT(A, 1, 201, 0),
      IN(A, 251, 1, 200),
      OUT(A, 1, 201, 0),
      IN(A, 191, 1, 400),
      OUT(A, 1, 591, 0),
      GOT(590))

// Any order of any overlapping pieces delivers every byte once (the rig compares each of them).
static void rfc_40_random_overlaps(void **) {
	for (uint32_t seed = 1; seed <= 300; seed++) {
		struct rig r;
		uint32_t x = seed * 2654435761u;

		rig_start(&r, seed % 2 != 0 ? 4 : 6, &sack);
		for (int i = 0; r.delivered < 6000 && i < 4000; i++) {
			x = x * 1664525 + 1013904223;
			uint32_t at = (uint32_t)r.delivered + (x >> 8) % 1500;
			at = at > 400 ? at - 400 : 0;
			uint32_t len = 1 + (x >> 20) % 700;
			const struct step s = IN(A, 1 + (int64_t)at, 1, len);
			rig_in(&r, &s);
			r.out_count = 0;
		}
		assert_true(r.delivered >= 6000);
		rig_stop(&r);
	}
}

TABLE(rfc_41_gap,
      NULL,
      IN(A, 11, 1, 10, .more = true),
      OUT(A, 1, 1, 0),
      IN(A, 21, 1, 10, .more = true),
      OUT(A, 1, 1, 0),
      IN(A, 1, 1, 10),
      OUT(A, 1, 31, 0),
      GOT(30))

TABLE(rfc_41_held_pieces_are_bounded,
      NULL,
      IN(A, 3, 1, 1),
      IN(A, 5, 1, 1),
      IN(A, 7, 1, 1),
      IN(A, 9, 1, 1),
      DROP,
      COUNT(TCP_OOO_KEPT, 4),
      IN(A, 11, 1, 1),
      OUT(A, 1, 1, 0),
      COUNT(TCP_OOO_DROPPED, 1),
      IN(A, 1, 1, 11),
      OUT(A, 1, 12, 0),
      GOT(11))

TABLE(rfc_42_sack_blocks,
      &sack,
      IN(A, 101, 1, 100),
      OUT(A, 1, 1, 0, .sacks = 1, .sack = {101, 201}),
      IN(A, 301, 1, 100),
      OUT(A, 1, 1, 0, .sacks = 2, .sack = {301, 401, 101, 201}),
      IN(A, 201, 1, 100),
      OUT(A, 1, 1, 0, .sacks = 1, .sack = {101, 401}),
      IN(A, 501, 1, 10),
      OUT(A, 1, 1, 0, .sacks = 2, .sack = {501, 511, 101, 401}),
      IN(A, 601, 1, 10),
      OUT(A, 1, 1, 0, .sacks = 3, .sack = {601, 611, 101, 401, 501, 511}),
      IN(A, 701, 1, 10),
      OUT(A, 1, 1, 0, .sacks = 3, .sack = {701, 711, 101, 401, 501, 511}),
      IN(A, 1, 1, 100),
      OUT(A, 1, 401, 0, .sacks = 3, .sack = {701, 711, 501, 511, 601, 611}),
      IN(A, 401, 1, 310),
      OUT(A, 1, 711, 0, .no_sack = true))

TABLE(rfc_42_no_sack_unless_permitted, NULL, IN(A, 101, 1, 100), OUT(A, 1, 1, 0, .no_sack = true))

static void delayed(struct tcp_config *c) {
	c->delayed_ack_ms = 40;
}

static const struct rig_options delay = {.tune = delayed};

TABLE(rfc_43_delayed_ack,
      &delay,
      IN(A, 1, 1, 100),
      NONE,
      WAIT(30),
      NONE,
      WAIT(20),
      OUT(A, 1, 101, 0),
      IN(A, 101, 1, 1000),
      NONE,
      IN(A, 1101, 1, 1000),
      OUT(A, 1, 2101, 0),
      // one ACK for a burst
      IN(A, 2101, 1, 1000, .more = true),
      IN(A, 3101, 1, 1000, .more = true),
      IN(A, 4101, 1, 1000, .more = true),
      IN(A, 5101, 1, 1000),
      OUT(A, 1, 6101, 0),
      // a reply carries it
      IN(A, 6101, 1, 10),
      NONE,
      SEND(4),
      OUT(A, 1, 6111, 4),
      WAIT(100),
      NONE,
      IN(A, 6111, 5, 0))

// rig_check_sent() holds the right edge in every test; here the app reads byte by byte.
TABLE(rfc_44_45_silly_window,
      &pausing,
      EAT(0),
      IN(A, 1, 1, 1400),
      IN(A, 1401, 1, 1400),
      IN(A, 2801, 1, 1400),
      IN(A, 4201, 1, 1400),
      IN(A, 5601, 1, 1400),
      IN(A, 7001, 1, 1192),
      DROP,
      // a little is read: nothing to announce
      EAT(1),
      DO(RESUME),
      NONE,
      GOT(1),
      EAT(1000),
      DO(RESUME),
      NONE,
      GOT(1001),
      DO(RESUME),
      GOT(2001),
      OUT(A, 1, 8193, 0, .win = 2001))

TABLE(rfc_46_window_update_after_resume,
      NULL,
      EAT(0),
      DO(PAUSE),
      IN(A, 1, 1, 1400),
      OUT(A, 1, 1401, 0, .win = 6792),
      IN(A, 1401, 1, 1400),
      IN(A, 2801, 1, 1400),
      IN(A, 4201, 1, 1400),
      IN(A, 5601, 1, 1400),
      DROP,
      IN(A, 7001, 1, 1192),
      OUT(A, 1, 8193, 0, .win = -1),
      WAIT(5000),
      NONE,
      GOT(0),
      EAT(100000),
      DO(RESUME),
      OUT(A, 1, 8193, 0, .win = 8192),
      GOT(8192))

TABLE(rfc_47_probe_of_a_closed_window,
      NULL,
      EAT(0),
      DO(PAUSE),
      IN(A, 1, 1, 1400),
      IN(A, 1401, 1, 1400),
      IN(A, 2801, 1, 1400),
      IN(A, 4201, 1, 1400),
      IN(A, 5601, 1, 1400),
      IN(A, 7001, 1, 1192),
      DROP,
      IN(A, 8193, 1, 1),
      OUT(A, 1, 8193, 0, .win = -1),
      IN(A, 8193, 1, 1),
      OUT(A, 1, 8193, 0, .win = -1),
      IN(A, 8192, 1, 0),
      OUT(A, 1, 8193, 0, .win = -1),
      IN(A, 8192, 1, 0),
      OUT(A, 1, 8193, 0, .win = -1),
      EAT(100000),
      DO(RESUME),
      OUT(A, 1, 8193, 0, .win = 8192),
      GOT(8192))

static void patient(struct tcp_config *c) {
	c->zero_window_ms = 0;
}

static const struct rig_options no_limit = {.tune = patient};

// RFC 9293 section 3.8.6.1: as long as the peer answers, for ever; at intervals that double.
TABLE(rfc_48_zero_window_probes,
      &no_limit,
      IN(A, 1, 1, 0, .win = -1),
      SEND(100),
      NONE,
      WAIT(1010),
      OUT(A, 1, 1, 1),
      IN(A, 1, 1, 0, .win = -1),
      WAIT(1900),
      NONE,
      WAIT(200),
      OUT(A, 1, 1, 1),
      IN(A, 1, 1, 0, .win = -1),
      WAIT(3900),
      NONE,
      WAIT(200),
      OUT(A, 1, 1, 1),
      IN(A, 1, 1, 0, .win = -1),
      WAIT(8100),
      OUT(A, 1, 1, 1),
      IN(A, 1, 1, 0, .win = -1),
      WAIT(16100),
      OUT(A, 1, 1, 1),
      IN(A, 1, 1, 0, .win = -1),
      WAIT(32100),
      OUT(A, 1, 1, 1),
      IN(A, 1, 1, 0, .win = -1),
      WAIT(60100),
      OUT(A, 1, 1, 1),
      IN(A, 1, 1, 0, .win = -1),
      WAIT(60100),
      OUT(A, 1, 1, 1),
      IN(A, 1, 1, 0, .win = -1),
      EVENT(0),
      IN(A, 1, 2, 0),
      OUT(A, 2, 1, 99),
      IN(A, 1, 101, 0),
      NONE)

// While a probe is out, an ACK with the number behind it would lie outside the peer's window and be
// dropped: the peer would never learn what it acknowledges, nor that our window is open.
TABLE(rfc_48_acks_beside_a_probe_are_acceptable,
      &no_limit,
      IN(A, 1, 1, 0, .win = -1),
      SEND(100),
      WAIT(1010),
      OUT(A, 1, 1, 1),
      IN(A | P, 1, 1, 10, .win = -1),
      OUT(A, 1, 11, 0),
      IN(A, 10, 1, 0, .win = -1), // the peer's own probe
      OUT(A, 1, 11, 0),
      IN(A | P, 11, 2, 10, .win = -1), // the probe was taken after all
      OUT(A, 2, 21, 0),
      IN(A, 21, 2, 0), // and the window opens
      OUT(A | P, 2, 21, 99),
      IN(A, 21, 52, 0, .win = 20), // and shrinks below what is in flight
      IN(A | P, 21, 52, 10, .win = 20),
      OUT(A, 72, 31, 0),
      IN(A, 31, 101, 0),
      NONE)

TABLE(rfc_48_zero_window_silence,
      &no_limit,
      IN(A, 1, 1, 0, .win = -1),
      SEND(100),
      WAIT(130000),
      DROP,
      WAIT(130000),
      DROP,
      EVENT(CLOSED(TCP_CLOSED_TIMEOUT)))

// sockstress: answering every probe with a closed window is no way to stay.
static void zero_window_is_limited(void **) {
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct rig r;
		rig_start(&r, family, &(struct rig_options) {0});
		const struct step begin[] = {IN(A, 1, 1, 0, .win = -1), SEND(100), END};
		const struct step again = IN(A, 1, 1, 0, .win = -1);
		r.events = 0;
		rig_run(&r, begin);
		for (int i = 0; i < 200 && r.events == 0; i++) {
			rig_advance(&r, 1000);
			r.out_count = 0;
			rig_in(&r, &again);
		}
		assert_int_equal(r.events, CLOSED(TCP_CLOSED_ZERO_WINDOW));
		assert_true(r.now - UINT64_C(5000000000000) < UINT64_C(190000000000));
		rig_stop(&r);
	}
}

// The greatest window the peer was shown after `bytes` more in segments of 1,000, one each `ms`.
static uint32_t window_after(struct rig *r, uint32_t *at, uint32_t bytes, uint32_t ms) {
	uint32_t most = 0;

	for (uint32_t end = *at + bytes; *at < end; *at += 1000) {
		const struct step data = IN(A, 1 + *at, 1, 1000);
		rig_in(r, &data);
		for (const struct sent *s; (s = rig_pop(r)) != NULL;)
			most = sent_window(s) > most ? sent_window(s) : most;
		rig_advance(r, ms);
	}
	return most;
}

static void crowded(struct tcp_config *c) {
	c->max_conns = 1;
}

// The window doubles for who fills it within a second, up to window_max, never under pressure. The
// rig sees to it that the right edge does not move left.
static void rfc_44_window_grows(void **) {
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct rig r;
		uint32_t at = 0;

		rig_start(&r, family, &(struct rig_options) {0});
		assert_in_range(window_after(&r, &at, 8000, 10), 7000, 8192);
		assert_in_range(window_after(&r, &at, 9000, 10), 15000, 16384);
		assert_in_range(window_after(&r, &at, 17000, 10), 31000, 32768);
		assert_in_range(window_after(&r, &at, 33000, 10), 64000, 65520);
		assert_in_range(window_after(&r, &at, 70000, 10), 64000, 65520);
		assert_int_equal(rig_counter(&r, TCP_WINDOW_GROWN), 3);
		rig_stop(&r);

		at = 0;
		rig_start(&r, family, &(struct rig_options) {0});
		assert_in_range(window_after(&r, &at, 50000, 150), 7000, 8192);
		rig_stop(&r);

		at = 0;
		rig_start(&r, family, &(struct rig_options) {.tune = crowded});
		assert_in_range(window_after(&r, &at, 50000, 1), 7000, 8192);
		rig_stop(&r);
	}
}

static void keep(struct tcp_config *c) {
	c->keepalive_s = 60;
	c->keepalive_interval_s = 10;
	c->keepalive_probes = 3;
}

static const struct rig_options keepalive = {.tune = keep};

TABLE(rfc_64_keepalive_is_off_by_default, NULL, WAIT(86400000), NONE, EVENT(0))

TABLE(rfc_64_keepalive,
      &keepalive,
      WAIT(59000),
      NONE,
      WAIT(1100),
      OUT(A, 0, 1, 0),
      IN(A, 1, 1, 0),
      WAIT(59000),
      NONE,
      WAIT(1100),
      OUT(A, 0, 1, 0),
      WAIT(10100),
      OUT(A, 0, 1, 0),
      WAIT(10100),
      OUT(A, 0, 1, 0),
      WAIT(10100),
      OUT(R | A, 1, 1, 0),
      EVENT(CLOSED(TCP_CLOSED_KEEPALIVE)))

TABLE(rfc_64_peers_keepalive_is_answered,
      NULL,
      IN(A, 0, 1, 0),
      OUT(A, 1, 1, 0),
      IN(A, 0, 1, 0),
      OUT(A, 1, 1, 0),
      IN(A, 0, 1, 1),
      OUT(A, 1, 1, 0),
      GOT(0))

TABLE(partial_messages_are_kept,
      NULL,
      EAT(0),
      IN(A, 1, 1, 100),
      OUT(A, 1, 101, 0),
      IN(A, 101, 1, 100),
      OUT(A, 1, 201, 0),
      GOT(0),
      EAT(150),
      IN(A, 201, 1, 1),
      OUT(A, 1, 202, 0),
      GOT(150),
      EAT(1000),
      IN(A, 202, 1, 1),
      OUT(A, 1, 203, 0),
      GOT(202))

TABLE(eof_waits_for_resume,
      NULL,
      EAT(0),
      DO(PAUSE),
      IN(A | F, 1, 1, 100),
      OUT(A, 1, 102, 0),
      EVENT(0),
      EAT(1000),
      DO(RESUME),
      GOT(100),
      EVENT(EV_EOF))

TABLE(replies_of_a_burst_share_a_segment,
      NULL,
      SEND(0),
      {.op = OP_IN, .flags = A, .seq = 1, .ack = 1, .len = 5, .more = true},
      IN(A, 6, 1, 5, .more = true),
      SEND(4),
      OUT(A, 1, 11, 4),
      IN(A, 11, 5, 0))

TABLE(send_buffer_is_bounded,
      NULL,
      SEND(20000),
      DROP,
      EVENT(0),
      IN(A, 1, 14401, 0),
      DROP,
      EVENT(EV_WRITABLE))

TABLE(no_room_is_a_loss,
      NULL,
      {.op = OP_NO_ROOM, .len = 1},
      SEND(10),
      IN(A, 1, 1, 10),
      NONE,
      GOT(10),
      {.op = OP_NO_ROOM, .len = 0},
      WAIT(1100),
      OUT(A, 1, 11, 0, .any_len = true),
      DROP,
      IN(A, 11, 11, 0),
      EVENT(0))

static void idle_and_deadline(void **) {
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct rig r;
		rig_start(&r, family, &(struct rig_options) {0});
		r.events = 0;
		tcp_set_idle(r.tcp, r.conn, 90);
		rig_advance(&r, 80000);
		const struct step s[] = {
			IN(A, 1, 1, 1),
			OUT(A, 1, 2, 0),
			WAIT(89000),
			EVENT(0),
			WAIT(1100),
			EVENT(EV_IDLE),
			WAIT(89000),
			EVENT(0),
			WAIT(1100),
			EVENT(EV_IDLE),
			END
		};
		rig_run(&r, s);
		tcp_set_idle(r.tcp, r.conn, 0);
		tcp_set_deadline(r.tcp, r.conn, 5000);
		const struct step d[] = {
			WAIT(4900),
			EVENT(0),
			WAIT(200),
			EVENT(EV_DEADLINE),
			WAIT(100000),
			EVENT(0),
			END
		};
		rig_run(&r, d);
		rig_stop(&r);
	}
}

static void stale_handles_do_nothing(void **) {
	struct rig r;
	struct flow_key key;

	rig_start(&r, 4, &(struct rig_options) {0});
	struct tcp_conn old = r.conn;
	tcp_abort(r.tcp, old);
	r.out_count = 0;
	r.peer_isn += 100000;
	rig_advance(&r, 140000);
	r.events = 0;
	rig_open(&r);
	assert_int_equal(r.conn.index, old.index); // the slot is used again
	assert_false(tcp_alive(r.tcp, old));
	assert_int_equal(tcp_send(r.tcp, old, "x", 1), 0);
	assert_int_equal(tcp_send_space(r.tcp, old), 0);
	assert_int_equal(tcp_app(r.tcp, old), 0);
	assert_false(tcp_key(r.tcp, old, &key));
	tcp_close(r.tcp, old);
	tcp_abort(r.tcp, old);
	tcp_pause(r.tcp, old);
	tcp_resume(r.tcp, old);
	tcp_authenticated(r.tcp, old);
	tcp_set_idle(r.tcp, old, 1);
	tcp_set_deadline(r.tcp, old, 1);
	rig_advance(&r, 5000);
	assert_int_equal(r.events, EV_OPENED);
	assert_true(tcp_alive(r.tcp, r.conn));
	assert_true(tcp_key(r.tcp, r.conn, &key));
	assert_memory_equal(&key, &r.key, sizeof(key));
	rig_stop(&r);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_37_old_ack_keeps_payload),
		cmocka_unit_test(rfc_38_stale_window_update),
		cmocka_unit_test(rfc_39_window_shrinks),
		cmocka_unit_test(rfc_40_overlaps),
		cmocka_unit_test(rfc_40_random_overlaps),
		cmocka_unit_test(rfc_41_gap),
		cmocka_unit_test(rfc_41_held_pieces_are_bounded),
		cmocka_unit_test(rfc_42_sack_blocks),
		cmocka_unit_test(rfc_42_no_sack_unless_permitted),
		cmocka_unit_test(rfc_43_delayed_ack),
		cmocka_unit_test(rfc_44_45_silly_window),
		cmocka_unit_test(rfc_46_window_update_after_resume),
		cmocka_unit_test(rfc_47_probe_of_a_closed_window),
		cmocka_unit_test(rfc_48_zero_window_probes),
		cmocka_unit_test(rfc_48_acks_beside_a_probe_are_acceptable),
		cmocka_unit_test(rfc_48_zero_window_silence),
		cmocka_unit_test(zero_window_is_limited),
		cmocka_unit_test(rfc_44_window_grows),
		cmocka_unit_test(rfc_64_keepalive_is_off_by_default),
		cmocka_unit_test(rfc_64_keepalive),
		cmocka_unit_test(rfc_64_peers_keepalive_is_answered),
		cmocka_unit_test(partial_messages_are_kept),
		cmocka_unit_test(eof_waits_for_resume),
		cmocka_unit_test(replies_of_a_burst_share_a_segment),
		cmocka_unit_test(send_buffer_is_bounded),
		cmocka_unit_test(no_room_is_a_loss),
		cmocka_unit_test(idle_and_deadline),
		cmocka_unit_test(stale_handles_do_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
