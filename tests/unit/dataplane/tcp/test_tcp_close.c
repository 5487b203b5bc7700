// SPDX-License-Identifier: Apache-2.0
// Resets, FINs, half close and TIME_WAIT: requirement rows 30..36, 57..62 of docs/tcp.md.
#include "rig.h"

#define TABLE(name, options, ...)                                                                  \
	static void name(void **) {                                                                \
		static const struct step steps[] = {__VA_ARGS__, END};                             \
		rig_table(steps, options);                                                         \
	}

static const struct rig_options with_ts = {.ts = true};

TABLE(rfc_30_acceptable_edges,
      NULL,
      // RCV.NXT = 1, window 8192: the table of RFC 9293 section 3.10.7.4, case by case.
      IN(A, 1, 1, 0),
      NONE, // len 0, window > 0, at the left edge
      IN(A, 8192, 1, 0),
      NONE, // last byte of the window
      IN(A, 8193, 1, 0),
      OUT(A, 1, 1, 0), // one beyond
      WAIT(600),
      IN(A, 0, 1, 1),
      OUT(A, 1, 1, 0), // len > 0, entirely old
      IN(A, 8192, 1, 2),
      OUT(A, 1, 1, 0), // begins inside
      IN(A, 8193, 1, 1),
      OUT(A, 1, 1, 0), // begins beyond
      GOT(0))

TABLE(rfc_30_acceptable_zero_window,
      NULL,
      EAT(0),
      DO(PAUSE),
      IN(A, 1, 1, 1400),
      DROP,
      IN(A, 1401, 1, 1400),
      DROP,
      IN(A, 2801, 1, 1400),
      DROP,
      IN(A, 4201, 1, 1400),
      DROP,
      IN(A, 5601, 1, 1400),
      DROP,
      IN(A, 7001, 1, 1192),
      OUT(A, 1, 8193, 0, .win = -1),
      // len 0 at RCV.NXT passes, len > 0 does not, elsewhere nothing does
      WAIT(600),
      IN(A, 8193, 1, 0),
      NONE,
      IN(A, 8193, 1, 1),
      OUT(A, 1, 8193, 0, .win = -1),
      WAIT(600),
      IN(A, 8194, 1, 0),
      OUT(A, 1, 8193, 0, .win = -1),
      GOT(0))

TABLE(rfc_31_unacceptable_is_answered,
      NULL,
      SEND(10),
      OUT(A, 1, 1, 10),
      IN(A, 60000, 11, 5),
      OUT(A, 11, 1, 0),
      COUNT(TCP_OUT_OF_WINDOW, 1),
      IN(A, 1, 11, 0),
      NONE)

TABLE(rfc_32_reset_outside_window_is_ignored,
      NULL,
      IN(R, 60000, 0, 0),
      NONE,
      IN(R | A, 0, 1, 0),
      NONE,
      EVENT(0),
      COUNT(TCP_OUT_OF_WINDOW, 2))

TABLE(rfc_33_exact_reset,
      NULL,
      IN(R, 2, 0, 0),
      OUT(A, 1, 1, 0),
      COUNT(TCP_BLIND_RST, 1),
      EVENT(0),
      IN(R, 1, 0, 0),
      NONE,
      EVENT(CLOSED(TCP_CLOSED_RESET)))

TABLE(rfc_34_syn_on_connection,
      NULL,
      IN(S, 1, 0, 0),
      OUT(A, 1, 1, 0),
      WAIT(600),
      IN(S, 5000, 0, 0),
      OUT(A, 1, 1, 0),
      WAIT(600),
      IN(S | A, 100, 1, 0),
      OUT(A, 1, 1, 0),
      COUNT(TCP_BLIND_SYN, 3),
      EVENT(0))

TABLE(rfc_35_ack_outside_range,
      NULL,
      SEND(10),
      OUT(A, 1, 1, 10),
      IN(A, 1, 12, 5),
      OUT(A, 11, 1, 0),
      GOT(0),
      WAIT(150),
      IN(A, 1, 11 - 70000, 5),
      NONE,
      GOT(0),
      COUNT(TCP_BAD_ACK, 2),
      IN(A, 1, 11, 5),
      OUT(A, 11, 6, 0),
      GOT(5))

TABLE(rfc_36_challenges_are_limited,
      NULL,
      IN(S, 1, 0, 0),
      OUT(A, 1, 1, 0),
      IN(S, 1, 0, 0),
      IN(S, 1, 0, 0),
      IN(S, 1, 0, 0),
      NONE,
      COUNT(TCP_CHALLENGE_LIMITED, 3),
      // retransmitted data is not challenged and not limited
      IN(A, 1, 1, 3),
      OUT(A, 1, 4, 0),
      IN(A, 1, 1, 3),
      OUT(A, 1, 4, 0),
      IN(A, 1, 1, 3),
      OUT(A, 1, 4, 0),
      GOT(3))

TABLE(rfc_57_fin_is_a_byte,
      NULL,
      SEND(10),
      OUT(A, 1, 1, 10),
      DO(CLOSE),
      OUT(A | F, 11, 1, 0),
      IN(A, 1, 11, 0),
      NONE,
      WAIT(210),
      OUT(A | F, 11, 1, 0),
      IN(A, 1, 12, 0),
      NONE,
      EVENT(0),
      IN(A | F, 1, 12, 0),
      OUT(A, 12, 2, 0),
      EVENT(CLOSED(TCP_CLOSED_NORMAL)))

static void rfc_57_data_and_fin_in_one(void **) {
	static const struct step steps[] = {
		IN(A | F, 1, 1, 10),
		OUT(A, 1, 12, 0),
		GOT(10),
		EVENT(EV_EOF),
		SEND(5),
		OUT(A, 1, 12, 5),
		DO(CLOSE),
		OUT(A | F, 6, 12, 0),
		IN(A, 12, 7, 0),
		NONE,
		EVENT(CLOSED(TCP_CLOSED_NORMAL)),
		END,
	};
	rig_table(steps, NULL);
	rig_table(steps, &with_ts);
}

TABLE(rfc_58_early_fin_waits,
      NULL,
      IN(A | F, 11, 1, 10),
      OUT(A, 1, 1, 0),
      GOT(0),
      EVENT(0),
      IN(A, 1, 1, 10),
      OUT(A, 1, 22, 0),
      GOT(20),
      EVENT(EV_EOF))

TABLE(rfc_58_bare_early_fin_waits,
      NULL,
      IN(A | F, 11, 1, 0),
      OUT(A, 1, 1, 0),
      EVENT(0),
      IN(A, 1, 1, 10),
      OUT(A, 1, 12, 0),
      GOT(10),
      EVENT(EV_EOF))

TABLE(rfc_59_half_close,
      NULL,
      IN(A | F, 1, 1, 0),
      OUT(A, 1, 2, 0),
      EVENT(EV_EOF),
      SEND(3000),
      OUT(A, 1, 2, 0, .any_len = true),
      OUT(A, -1, 2, 0, .any_len = true),
      OUT(A, -1, 2, 0, .any_len = true),
      IN(A, 2, 3001, 0),
      DO(CLOSE),
      OUT(A | F, 3001, 2, 0),
      IN(A, 2, 3001, 0),
      NONE,
      IN(A, 2, 3002, 0),
      NONE,
      EVENT(CLOSED(TCP_CLOSED_NORMAL)))

TABLE(rfc_60_simultaneous_close,
      NULL,
      DO(CLOSE),
      OUT(A | F, 1, 1, 0),
      IN(A | F, 1, 1, 0),
      OUT(A, 2, 2, 0),
      EVENT(EV_EOF & 0),
      IN(A, 2, 2, 0),
      OUT(A, 2, 2, 0),
      EVENT(CLOSED(TCP_CLOSED_NORMAL)),
      COUNT(TCP_TIME_WAITS, 1))

TABLE(rfc_61_data_after_close,
      NULL,
      DO(CLOSE),
      OUT(A | F, 1, 1, 0),
      IN(A, 1, 2, 10),
      OUT(R | A, 2, 1, 0),
      EVENT(CLOSED(TCP_CLOSED_UNREAD)))

TABLE(rfc_61_unread_at_close,
      NULL,
      EAT(4),
      IN(A, 1, 1, 10),
      OUT(A, 1, 11, 0),
      DO(CLOSE),
      OUT(R | A, 1, 11, 0),
      EVENT(CLOSED(TCP_CLOSED_UNREAD)))

TABLE(rfc_61_shutdown_goes_on_reading,
      NULL,
      DO(SHUTDOWN),
      OUT(A | F, 1, 1, 0),
      IN(A, 1, 2, 10),
      OUT(A, 2, 11, 0),
      GOT(10),
      IN(A | F, 11, 2, 0),
      OUT(A, 2, 12, 0),
      EVENT(EV_EOF | CLOSED(TCP_CLOSED_NORMAL)))

// The peer's FIN is in, its bytes were never shown: the app that closed hears no more of them.
static void rfc_61_unread_behind_a_fin(void **) {
	static const struct step steps[] = {
		EAT(0),
		DO(PAUSE),
		IN(A | F, 1, 1, 100),
		OUT(A, 1, 102, 0),
		EAT(1000),
		DO(CLOSE),
		OUT(R | A, 1, 102, 0),
		GOT(0),
		EVENT(CLOSED(TCP_CLOSED_UNREAD)),
		END,
	};

	rig_table(steps, NULL);
}

static void rfc_62_time_wait(void **) {
	static const struct step steps[] = {
		DO(CLOSE),
		OUT(A | F, 1, 1, 0),
		IN(A | F, 1, 2, 0),
		OUT(A, 2, 2, 0),
		EVENT(CLOSED(TCP_CLOSED_NORMAL)),
		// the FIN again: answered, time starts anew; RST ignored; bare ACK ignored
		WAIT(50000),
		IN(A | F, 1, 2, 0),
		OUT(A, 2, 2, 0),
		WAIT(50000),
		IN(R, 2, 0, 0),
		NONE,
		IN(A, 2, 2, 0),
		NONE,
		IN(A | F, 1, 2, 0),
		OUT(A, 2, 2, 0),
		// an old SYN gets the ACK, a newer one a new connection
		IN(S, -1000, 0, 0, .ts = -200000),
		OUT(A, 2, 2, 0),
		IN(S, 5000, 0, 0),
		{.op = OP_OUT, .flags = S | A, .seq = -1, .ack = 5001},
		END,
	};
	rig_table(steps, NULL);
	rig_table(steps, &with_ts);
}

TABLE(rfc_62_time_wait_ends,
      NULL,
      DO(CLOSE),
      OUT(A | F, 1, 1, 0),
      IN(A | F, 1, 2, 0),
      OUT(A, 2, 2, 0),
      EVENT(CLOSED(TCP_CLOSED_NORMAL)),
      WAIT(200000),
      IN(A | F, 1, 2, 0),
      OUT(R, 2, 0, 0))

// A duplicate of the handshake's ACK must not revive a connection that is closed.
TABLE(tombstone_keeps_old_cookies_out,
      NULL,
      IN(A | F, 1, 1, 0),
      OUT(A, 1, 2, 0),
      DO(CLOSE),
      OUT(A | F, 1, 2, 0),
      IN(A, 2, 2, 0),
      EVENT(EV_EOF | CLOSED(TCP_CLOSED_NORMAL)),
      IN(A, 1, 1, 0),
      OUT(R, 1, 0, 0),
      COUNT(TCP_LATE_COOKIE, 1),
      EVENT(0),
      WAIT(135000),
      IN(A, 1, 1, 0),
      OUT(R, 1, 0, 0),
      EVENT(0),
      COUNT(TCP_LATE_COOKIE, 1))

TABLE(fin_wait2_is_limited,
      NULL,
      DO(CLOSE),
      OUT(A | F, 1, 1, 0),
      IN(A, 1, 2, 0),
      NONE,
      WAIT(29000),
      NONE,
      WAIT(2000),
      OUT(R | A, 2, 1, 0),
      EVENT(CLOSED(TCP_CLOSED_FIN_WAIT)))

TABLE(abort_resets,
      NULL,
      SEND(5),
      OUT(A, 1, 1, 5),
      DO(ABORT),
      OUT(R | A, 6, 1, 0),
      EVENT(CLOSED(TCP_CLOSED_ABORT)),
      IN(A, 1, 6, 0),
      OUT(R, 6, 0, 0))

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_30_acceptable_edges),
		cmocka_unit_test(rfc_30_acceptable_zero_window),
		cmocka_unit_test(rfc_31_unacceptable_is_answered),
		cmocka_unit_test(rfc_32_reset_outside_window_is_ignored),
		cmocka_unit_test(rfc_33_exact_reset),
		cmocka_unit_test(rfc_34_syn_on_connection),
		cmocka_unit_test(rfc_35_ack_outside_range),
		cmocka_unit_test(rfc_36_challenges_are_limited),
		cmocka_unit_test(rfc_57_fin_is_a_byte),
		cmocka_unit_test(rfc_57_data_and_fin_in_one),
		cmocka_unit_test(rfc_58_early_fin_waits),
		cmocka_unit_test(rfc_58_bare_early_fin_waits),
		cmocka_unit_test(rfc_59_half_close),
		cmocka_unit_test(rfc_60_simultaneous_close),
		cmocka_unit_test(rfc_61_data_after_close),
		cmocka_unit_test(rfc_61_unread_at_close),
		cmocka_unit_test(rfc_61_shutdown_goes_on_reading),
		cmocka_unit_test(rfc_61_unread_behind_a_fin),
		cmocka_unit_test(rfc_62_time_wait),
		cmocka_unit_test(rfc_62_time_wait_ends),
		cmocka_unit_test(tombstone_keeps_old_cookies_out),
		cmocka_unit_test(fin_wait2_is_limited),
		cmocka_unit_test(abort_resets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
