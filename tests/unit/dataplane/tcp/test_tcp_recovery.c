// SPDX-License-Identifier: Apache-2.0
// Loss: rows 49..56, 65 and 66 of docs/tcp.md.
#include "dataplane/tcp/tcp_types.h"
#include "rig.h"

#define TABLE(name, options, ...)                                                                  \
	static void name(void **) {                                                                \
		static const struct step steps[] = {__VA_ARGS__, END};                             \
		rig_table(steps, options);                                                         \
	}

// An MSS that is in both tables of the cookie, so that one script fits both families.
static const struct rig_options plain = {.mss = 1440};
static const struct rig_options sack = {.mss = 1440, .ts = true, .sack = true};

// RFC 6298 section 2, computed by hand.
static void rfc_49_rto_vectors(void **) {
	static const struct {
		uint32_t rtt[4];
		uint32_t rto; // after them
	} cases[] = {
		{{100}, 300}, // srtt 100, rttvar 50
		{{100, 100}, 250}, // rttvar 37.5
		{{100, 100, 100}, 212}, // 28.1
		{{100, 500}, 700}, // srtt 150, rttvar 37.5 + 100 = 137.5
		{{1, 0}, 200}, // the minimum
		{{40000, 0}, 60000}, // the maximum
		{{400}, 1200},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tcp t = {
			.config = {.rto_initial_ms = 1000, .rto_min_ms = 200, .rto_max_ms = 60000}
		};
		struct tcb c = {0};
		assert_int_equal(rto_ms(&t, &c), 1000);
		for (unsigned k = 0; k < 4 && cases[i].rtt[k] != 0; k++)
			rtt_sample(&t, &c, cases[i].rtt[k]);
		assert_in_range(rto_ms(&t, &c), cases[i].rto - 2, cases[i].rto + 2);
		c.backoff = 1;
		assert_in_range(
			rto_ms(&t, &c),
			2 * cases[i].rto - 4 > 60000 ? 60000 : 2 * cases[i].rto - 4,
			2 * cases[i].rto + 4
		);
		rtt_sample(&t, &c, 100);
		assert_int_equal(c.backoff, 0);
	}
}

// Doubling, restart by a new ACK, and Karn: a resent segment's ACK is no sample.
TABLE(rfc_49_50_doubling,
      &plain,
      SEND(10),
      OUT(A, 1, 1, 10),
      WAIT(990),
      NONE,
      WAIT(30),
      OUT(A, 1, 1, 10),
      WAIT(1970),
      NONE,
      WAIT(50),
      OUT(A, 1, 1, 10),
      WAIT(3960),
      NONE,
      WAIT(50),
      OUT(A, 1, 1, 10),
      IN(A, 1, 11, 0),
      // the backoff stays without a sample (8 s), and goes with one
      SEND(10),
      OUT(A, 11, 1, 10),
      WAIT(7900),
      NONE,
      WAIT(200),
      OUT(A, 11, 1, 10),
      IN(A, 1, 21, 0),
      SEND(10),
      OUT(A, 21, 1, 10),
      WAIT(100),
      IN(A, 1, 31, 0),
      SEND(10),
      OUT(A, 31, 1, 10),
      WAIT(280),
      NONE,
      WAIT(40),
      OUT(A, 31, 1, 10),
      IN(A, 1, 41, 0))

TABLE(rfc_49_restart_on_new_ack,
      &plain,
      SEND(2880),
      OUT(A, 1, 1, 1440),
      OUT(A, 1441, 1, 1440),
      WAIT(200),
      IN(A, 1, 1441, 0),
      WAIT(590),
      NONE,
      WAIT(30),
      OUT(A, 1441, 1, 1440),
      IN(A, 1, 2881, 0))

// rig_check_sent() compares the bytes of every segment, first or not.
TABLE(rfc_51_first_unacknowledged_first,
      &plain,
      SEND(4000),
      OUT(A, 1, 1, 1440),
      OUT(A, 1441, 1, 1440),
      OUT(A, 2881, 1, 1120),
      IN(A, 1, 500, 0),
      WAIT(1100),
      OUT(A, 500, 1, 1440),
      IN(A, 1, 1940, 0),
      OUT(A, 1940, 1, 1440),
      OUT(A, 3380, 1, 621),
      IN(A, 1, 4001, 0),
      NONE)

TABLE(rfc_52_abort_after_r2,
      &plain,
      SEND(10),
      WAIT(200000),
      DROP,
      EVENT(CLOSED(TCP_CLOSED_TIMEOUT)),
      COUNT(TCP_RST_SENT, 1))

static void few(struct tcp_config *c) {
	c->retries_max = 3;
}

static const struct rig_options three = {.mss = 1440, .tune = few};

TABLE(rfc_52_abort_after_retries,
      &three,
      SEND(10),
      OUT(A, 1, 1, 10),
      WAIT(7100),
      OUT(A, 1, 1, 10),
      OUT(A, 1, 1, 10),
      OUT(A, 1, 1, 10),
      WAIT(8100),
      OUT(R | A, 11, 1, 0),
      EVENT(CLOSED(TCP_CLOSED_TIMEOUT)))

// An ACK one byte short of a chunk's end leaves that byte to be resent.
static void rfc_51_one_byte_left(void **) {
	static const struct step steps[] = {
		SEND(10),
		OUT(A, 1, 1, 10),
		IN(A, 1, 10, 0),
		WAIT(1100),
		{.op = OP_OUT, .flags = A, .seq = 10, .ack = 1, .len = 1},
		{.op = OP_DROP},
		IN(A, 1, 11, 0),
		NONE,
		END,
	};

	rig_table(steps, &plain);
}

static struct tcb *conn_of(struct rig *r) {
	return tcb_of(r->tcp, r->conn);
}

static void send_all(struct rig *r, uint32_t n) {
	const struct step s[] = {SEND(n), DROP, END};
	rig_run(r, s);
}

static void ack_to(struct rig *r, uint32_t ack) {
	const struct step s[] = {IN(A, 1, ack, 0), DROP, END};
	rig_run(r, s);
}

// IW10, a segment per ACK in slow start, about one per round trip beyond ssthresh, half after a
// timeout.
static void rfc_53_congestion_window(void **) {
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct rig r;
		rig_start(&r, family, &plain);
		struct tcb *c = conn_of(&r);
		assert_int_equal(c->cwnd, 14400);
		send_all(&r, 16000);
		assert_int_equal(c->snd_nxt - c->snd_una, 14400);
		ack_to(&r, 1441);
		assert_int_equal(c->cwnd, 14400 + 1440);
		ack_to(&r, 1441 + 200); // a small ACK is worth its bytes
		assert_int_equal(c->cwnd, 14400 + 1440 + 200);
		rig_advance(&r, 1100);
		r.out_count = 0;
		uint32_t flight = 16000 - 1640;
		assert_int_equal(c->ssthresh, flight / 2);
		assert_int_equal(c->cwnd, 1440);
		rig_advance(&r, 2100); // the second timeout leaves ssthresh alone
		r.out_count = 0;
		assert_int_equal(c->ssthresh, flight / 2);
		assert_int_equal(c->cwnd, 1440);
		ack_to(&r, 16001);
		c->cwnd = 8 * 1440;
		c->ssthresh = 4 * 1440;
		r.written = 0; // the bytes of this test are compared no more
		uint32_t before = c->cwnd;
		r.isn_known = false;
		send_all(&r, 8 * 1440);
		for (uint32_t i = 1; i <= 4; i++)
			ack_to(&r, 16001 + i * 1440);
		assert_in_range(c->cwnd, before + 600, before + 760);
		rig_stop(&r);
	}
}

TABLE(rfc_54_fast_retransmit,
      &plain,
      SEND(7200),
      DROP,
      IN(A, 1, 1441, 0),
      IN(A, 1, 1441, 0),
      IN(A, 1, 1441, 0),
      NONE,
      IN(A, 1, 1441, 0),
      OUT(A, 1441, 1, 1440),
      COUNT(TCP_FAST_RTX, 1),
      // a partial ACK: the next hole at once, without three more
      IN(A, 1, 2881, 0),
      OUT(A, 2881, 1, 1440),
      // recover: dup ACKs of what was in flight before start nothing again
      IN(A, 1, 7201, 0),
      NONE,
      COUNT(TCP_FAST_RTX, 1))

TABLE(rfc_54_sacked_is_left_out,
      &sack,
      SEND(8568),
      DROP, // six segments of 1428
      IN(A, 1, 1, 0, .sacks = 1, .sack = {1429, 2857}),
      IN(A, 1, 1, 0, .sacks = 1, .sack = {1429, 4285}),
      IN(A, 1, 1, 0, .sacks = 2, .sack = {5713, 7141, 1429, 4285}),
      OUT(A, 1, 1, 1428),
      // each further dup ACK fills the next hole, what is sacked stays out
      IN(A, 1, 1, 0, .sacks = 2, .sack = {5713, 8569, 1429, 4285}),
      OUT(A, 4285, 1, 1428),
      IN(A, 1, 4285, 0, .sacks = 1, .sack = {5713, 8569}),
      NONE,
      IN(A, 1, 8569, 0),
      NONE,
      COUNT(TCP_RTX_SEGMENTS, 2))

TABLE(rfc_54_absurd_sack_is_ignored,
      &sack,
      SEND(2856),
      DROP,
      IN(A, 1, 1, 0, .sacks = 3, .sack = {2000, 1000, 100000, 200000, 0, 1}),
      IN(A, 1, 1, 0, .sacks = 1, .sack = {1, 2857}),
      IN(A, 1, 1, 0),
      IN(A, 1, 1, 0),
      DROP,
      IN(A, 1, 2857, 0),
      NONE)

static void rfc_54_limited_transmit(void **) {
	static const struct step steps[] = {
		SEND(16000),
		DROP, // cwnd is used up: 14400
		IN(A, 1, 1, 0),
		OUT(A, 14401, 1, 1440),
		IN(A, 1, 1, 0),
		OUT(A, 15841, 1, 160),
		IN(A, 1, 1, 0),
		OUT(A, 1, 1, 1440),
		IN(A, 1, 16001, 0),
		NONE,
		END,
	};

	rig_table(steps, &plain);
}

// Neither data, nor a changed window, nor an ACK with nothing outstanding is a dup ACK.
TABLE(rfc_55_what_is_no_dup_ack,
      &plain,
      SEND(7200),
      DROP,
      IN(A, 1, 1441, 0),
      IN(A, 1, 1441, 0, .win = 50000),
      IN(A, 1, 1441, 0, .win = 50001),
      IN(A, 1, 1441, 0, .win = 50002),
      IN(A, 1, 1441, 0, .win = 50003),
      NONE,
      IN(A, 1, 1441, 5),
      IN(A, 6, 1441, 5),
      IN(A, 11, 1441, 5),
      DROP,
      COUNT(TCP_FAST_RTX, 0),
      IN(A, 16, 7201, 0),
      IN(A, 16, 7201, 0),
      IN(A, 16, 7201, 0),
      IN(A, 16, 7201, 0),
      NONE,
      COUNT(TCP_FAST_RTX, 0))

static void rfc_56_restart_after_idle(void **) {
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct rig r;
		rig_start(&r, family, &plain);
		struct tcb *c = conn_of(&r);
		send_all(&r, 14400);
		for (uint32_t i = 1; i <= 10; i++)
			ack_to(&r, 1 + i * 1440);
		assert_true(c->cwnd > 14400 + 2 * 1440);
		uint32_t grown = c->cwnd;
		rig_advance(&r, 100);
		send_all(&r, 10);
		assert_int_equal(c->cwnd, grown);
		ack_to(&r, 14411);
		rig_advance(&r, 5000);
		send_all(&r, 10);
		assert_int_equal(c->cwnd, 14400);
		rig_stop(&r);
	}
}

TABLE(rfc_65_icmp_soft_errors,
      &plain,
      SEND(10),
      OUT(A, 1, 1, 10),
      {.op = OP_ICMP, .seq = 1},
      COUNT(TCP_SOFT_ICMP, 1),
      {.op = OP_ICMP, .seq = 11},
      {.op = OP_ICMP, .seq = 0},
      {.op = OP_ICMP, .seq = 100000},
      COUNT(TCP_BAD_ICMP, 3),
      NONE,
      EVENT(0),
      IN(A, 1, 11, 0))

TABLE(rfc_65_icmp_of_a_stranger,
      &plain,
      {.op = OP_PTB, .seq = 1, .len = 600},
      COUNT(TCP_BAD_ICMP, 1),
      COUNT(TCP_PATH_MTU_LOWERED, 0))

static void rfc_66_path_mtu(void **) {
	static const uint32_t floor_mss[] = {[4] = 512, [6] = 1220};

	for (uint8_t family = 4; family <= 6; family += 2) {
		struct rig r;
		uint32_t mss = 1300 - (family == 4 ? 40 : 60);
		rig_start(&r, family, &plain);
		const struct step s[] = {
			SEND(2880),
			OUT(A, 1, 1, 1440),
			OUT(A, 1441, 1, 1440),
			{.op = OP_PTB, .seq = 100000, .len = 1300}, // forged
			NONE,
			{.op = OP_PTB, .seq = 1, .len = 1300},
			OUT(A, 1, 1, mss), // at once
			OUT(A, 1 + mss, 1, mss),
			OUT(A, 1 + 2 * mss, 1, 2880 - 2 * mss),
			COUNT(TCP_PATH_MTU_LOWERED, 1),
			{.op = OP_PTB, .seq = 1, .len = 1400}, // larger: nothing
			NONE,
			{.op = OP_PTB, .seq = 1, .len = 68}, // not below the floor
			DROP,
			IN(A, 1, 2881, 0),
			SEND(1440),
			OUT(A, 2881, 1, floor_mss[family]),
			DROP,
			IN(A, 1, 4321, 0),
			WAIT(660000), // ten minutes later the path may be better
			SEND(1440),
			OUT(A, 4321, 1, 1440),
			IN(A, 1, 5761, 0),
			END,
		};
		rig_run(&r, s);
		rig_stop(&r);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_49_rto_vectors),
		cmocka_unit_test(rfc_49_50_doubling),
		cmocka_unit_test(rfc_49_restart_on_new_ack),
		cmocka_unit_test(rfc_51_first_unacknowledged_first),
		cmocka_unit_test(rfc_51_one_byte_left),
		cmocka_unit_test(rfc_52_abort_after_r2),
		cmocka_unit_test(rfc_52_abort_after_retries),
		cmocka_unit_test(rfc_53_congestion_window),
		cmocka_unit_test(rfc_54_fast_retransmit),
		cmocka_unit_test(rfc_54_sacked_is_left_out),
		cmocka_unit_test(rfc_54_absurd_sack_is_ignored),
		cmocka_unit_test(rfc_54_limited_transmit),
		cmocka_unit_test(rfc_55_what_is_no_dup_ack),
		cmocka_unit_test(rfc_56_restart_after_idle),
		cmocka_unit_test(rfc_65_icmp_soft_errors),
		cmocka_unit_test(rfc_65_icmp_of_a_stranger),
		cmocka_unit_test(rfc_66_path_mtu),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
