// SPDX-License-Identifier: Apache-2.0
// Messages, their copies and their answers.
#include "dataplane/coap/exchange.h"
#include "tests/unit/dataplane/coap/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void rfc7252_5_2_1_piggybacked_response(void **) {
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	assert_int_equal(rig.pushed_count, 1);
	assert_int_equal(rig.sent_count, 0); // nothing is acknowledged before the contract is met
	assert_string_equal(rig.pushed[0].path, "t/dev-1/env");
	assert_string_equal(rig.pushed[0].payload, "{\"temp\":21.4}");
	assert_int_equal(rig.pushed[0].m.format, PAYLOAD_JSON);
	assert_false(rig.pushed[0].m.proven);
	rig_verdict(0, OUTCOME_ACKED);
	rig_expect(0, COAP_ACK, COAP_CHANGED, 7);
	assert_int_equal(coap_pending(rig.server), 0);
}

static void rfc7252_5_2_3_non_confirmable(void **) {
	rig_send((struct rig_request) {.type = COAP_NON, .mid = 7, POST_ENV});
	rig_verdict(0, OUTCOME_ACKED);
	rig_expect(0, COAP_NON, COAP_CHANGED, 0);
	assert_int_equal(coap_pending(rig.server), 0);
}

static void rfc7252_5_2_2_separate_response_until_it_is_acknowledged(void **) {
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	rig_advance(600 * MS);
	rig_expect(0, COAP_ACK, COAP_EMPTY, 7);
	rig_verdict(0, OUTCOME_ACKED);
	rig_expect(1, COAP_CON, COAP_CHANGED, 0);
	uint16_t mid = rig_reply(1).mid;

	rig_advance(2200 * MS); // ACK_TIMEOUT
	rig_expect(2, COAP_CON, COAP_CHANGED, mid);
	assert_memory_equal(rig.sent[1].bytes, rig.sent[2].bytes, rig.sent[1].len);
	uint8_t ack[4] = {0x60, 0, (uint8_t)(mid >> 8), (uint8_t)mid};
	rig_input(ack, 4, false);
	assert_int_equal(coap_pending(rig.server), 0);
	rig_advance(100 * S);
	assert_int_equal(rig.sent_count, 3);
}

static void rfc7252_4_2_retransmission_ends_after_four(void **) {
	rig_send((struct rig_request) {.type = COAP_CON, POST_ENV});
	rig_advance(600 * MS);
	rig_verdict(0, OUTCOME_ACKED);
	rig_advance(100 * S);
	assert_int_equal(rig.sent_count, 1 + 1 + 4);
	assert_int_equal(rig_count(COAP_RETRANSMITTED), 4);
	assert_int_equal(rig_count(COAP_GAVE_UP), 1);
	assert_int_equal(coap_pending(rig.server), 0);
}

// What a drain has to wait for: verdicts, and not clients that have gone.
static void answers_wait_for_clients_and_requests_for_verdicts(void **) {
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 8, POST_ENV});
	rig_send((struct rig_request) {.type = COAP_NON, .mid = 9, POST_ENV});
	assert_int_equal(coap_waiting(rig.server).requests, 3);
	rig_advance(600 * MS);
	rig_verdict(0, OUTCOME_ACKED);
	rig_verdict(2, OUTCOME_ACKED);
	assert_int_equal(coap_waiting(rig.server).requests, 1);
	assert_int_equal(coap_waiting(rig.server).answers, 1);
	assert_int_equal(coap_pending(rig.server), 2);
	rig_verdict(1, OUTCOME_REFUSED);
	assert_int_equal(coap_waiting(rig.server).requests, 0);
	assert_int_equal(coap_waiting(rig.server).answers, 2);
	uint16_t mid = rig_reply(rig.sent_count - 1).mid;
	uint8_t ack[4] = {0x60, 0, (uint8_t)(mid >> 8), (uint8_t)mid};
	rig_input(ack, 4, false);
	assert_int_equal(coap_waiting(rig.server).answers, 1);
	rig_advance(100 * S);
	assert_int_equal(coap_waiting(rig.server).answers, 0);
	assert_int_equal(coap_pending(rig.server), 0);
}

static void rfc7252_4_2_reset_ends_retransmission(void **) {
	rig_send((struct rig_request) {.type = COAP_CON, POST_ENV});
	rig_advance(600 * MS);
	rig_verdict(0, OUTCOME_ACKED);
	uint16_t mid = rig_reply(1).mid;
	uint8_t rst[4] = {0x70, 0, (uint8_t)(mid >> 8), (uint8_t)mid};
	rig_input(rst, 4, false);
	assert_int_equal(coap_pending(rig.server), 0);
}

static void separate_no_answers_5_03_in_time(void **) {
	struct view max_age;

	rig.profile.separate = false;
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	rig_advance(600 * MS);
	rig_expect(0, COAP_ACK, COAP_UNAVAILABLE, 7);
	struct coap_message m = rig_reply(0);
	assert_true(rig_option(&m, COAP_MAX_AGE, &max_age));
	assert_true(view_equal(max_age, VIEW_LITERAL("\x1e")));
	rig_verdict(0, OUTCOME_ACKED);
	assert_int_equal(rig.sent_count, 1);
	// A copy of the request gets what became of it.
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	rig_expect(1, COAP_ACK, COAP_CHANGED, 7);
	assert_int_equal(rig.pushed_count, 1);
}

static void rfc7252_4_5_copies_of_a_confirmable_message(void **) {
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV}); // attaches
	assert_int_equal(rig.sent_count, 0);
	assert_int_equal(rig.pushed_count, 1);
	rig_verdict(0, OUTCOME_ACKED);
	rig_expect(0, COAP_ACK, COAP_CHANGED, 7);
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	rig_expect(1, COAP_ACK, COAP_CHANGED, 7);
	assert_int_equal(rig.ledger.duplicate, 2);
	assert_int_equal(rig.ledger.received, 3);

	rig.now += (EXCHANGE_LIFETIME_S + 1) * S;
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	assert_int_equal(rig.pushed_count, 2);
}

static void rfc7252_4_5_copies_while_the_response_is_separate(void **) {
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	rig_advance(600 * MS);
	rig_expect(0, COAP_ACK, COAP_EMPTY, 7);
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	rig_expect(1, COAP_ACK, COAP_EMPTY, 7);
	rig_verdict(0, OUTCOME_ACKED);
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	rig_expect(3, COAP_ACK, COAP_EMPTY, 7);
	assert_int_equal(rig.pushed_count, 1);
}

static void rfc7252_4_5_copies_of_a_non_confirmable_message(void **) {
	rig_send((struct rig_request) {.type = COAP_NON, .mid = 7, POST_ENV});
	rig_verdict(0, OUTCOME_ACKED);
	rig_send((struct rig_request) {.type = COAP_NON, .mid = 7, POST_ENV});
	assert_int_equal(rig.sent_count, 1);
	assert_int_equal(rig.pushed_count, 1);
	assert_int_equal(rig.ledger.duplicate, 1);
}

static void a_reused_message_id_with_other_content_is_another_message(void **) {
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	rig_verdict(0, OUTCOME_ACKED);
	rig_send((struct rig_request) {
		.type = COAP_CON,
		.mid = 7,
		.code = COAP_POST,
		.path = {"t", "dev-1", "env"},
		.payload = "{\"temp\":99}",
	});
	assert_int_equal(rig.pushed_count, 2);
	assert_int_equal(rig_count(COAP_MID_REUSED), 1);
	assert_true(rig.pushed[0].m.seq != rig.pushed[1].m.seq);
	rig_verdict(1, OUTCOME_ACKED);
	rig_expect(1, COAP_ACK, COAP_CHANGED, 7);
}

static void every_copy_has_the_same_record_identity(void **) {
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	rig_verdict(0, OUTCOME_ACKED);
	// Forgotten by now, so the copy is taken for new.
	rig.now += (EXCHANGE_LIFETIME_S + 1) * S;
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	assert_true(rig.pushed[0].m.seq == rig.pushed[1].m.seq);
	assert_true(rig.pushed[0].m.epoch == rig.pushed[1].m.epoch);
	rig_verdict(1, OUTCOME_ACKED);

	rig.peer.realm = 2; // the same address in another realm is another device
	rig_send((struct rig_request) {.type = COAP_CON, .mid = 7, POST_ENV});
	assert_int_equal(rig.pushed_count, 3);
	assert_true(rig.pushed[2].m.epoch != rig.pushed[0].m.epoch);
}

static void verdicts_become_response_codes(void **) {
	static const struct {
		struct verdict v;
		uint8_t code;
		const char *diagnostic;
	} rows[] = {
		{{.outcome = OUTCOME_ACKED}, COAP_CHANGED, ""},
		{{.outcome = OUTCOME_SHED, .shed = SHED_IN_FLIGHT},
		 COAP_UNAVAILABLE,
		 "in-flight-limit"},
		{{.outcome = OUTCOME_REFUSED,
		  .refuse = REFUSE_MALFORMED,
		  .payload = PAYLOAD_BAD_UTF8},
		 COAP_BAD_REQUEST,
		 "bad-utf8"},
		{{.outcome = OUTCOME_REFUSED, .refuse = REFUSE_FORMAT},
		 COAP_UNSUPPORTED_FORMAT,
		 "format-unsupported"},
		{{.outcome = OUTCOME_REFUSED, .refuse = REFUSE_TOO_LARGE},
		 COAP_ENTITY_TOO_LARGE,
		 "too-large"},
		{{.outcome = OUTCOME_REFUSED, .refuse = REFUSE_DEVICE_UNKNOWN},
		 COAP_FORBIDDEN,
		 "device-unknown"},
		{{.outcome = OUTCOME_REFUSED, .refuse = REFUSE_SINK},
		 COAP_INTERNAL_ERROR,
		 "sink-refused"},
	};

	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig_send((struct rig_request) {.type = COAP_CON, POST_ENV});
		coap_done(rig.server, rig.pushed[i].m.token, &rows[i].v);
		rig_expect(i, COAP_ACK, rows[i].code, 0);
		struct coap_message m = rig_reply(i);
		assert_int_equal(m.payload.len, strlen(rows[i].diagnostic));
		assert_memory_equal(m.payload.p, rows[i].diagnostic, m.payload.len);
	}
}

static void rfc7252_4_3_ping_is_reset(void **) {
	rig_input("\x40\x00\x12\x34", 4, false);
	rig_expect(0, COAP_RST, COAP_EMPTY, 0x1234);
	assert_int_equal(rig_count(COAP_PING), 1);
	assert_int_equal(rig.ledger.received, 0); // not a message
}

static void rfc7252_4_2_what_cannot_be_understood_is_reset(void **) {
	rig_input("\x49\x02\x12\x34", 4, false); // token length 9
	rig_expect(0, COAP_RST, COAP_EMPTY, 0x1234);
	rig_input("\x59\x02\x12\x35", 4, false); // NON: silence
	rig_input("\x80\x02\x12\x36", 4, false); // version 2: silence
	rig_input("\x40", 1, false);
	assert_int_equal(rig.sent_count, 1);
	assert_int_equal(rig.ledger.refused[REFUSE_PROTOCOL], 4);
	assert_int_equal(coap_stats(rig.server)->decoded[COAP_BAD_TOKEN], 2);
	// A response nobody asked for.
	rig_input("\x40\x45\x12\x37", 4, false);
	rig_expect(1, COAP_RST, COAP_EMPTY, 0x1237);
}

static void rfc7967_no_response(void **) {
	const struct view none = VIEW_LITERAL("\x1a");
	const struct view no_success = VIEW_LITERAL("\x02");

	rig_send((struct rig_request
	) {.type = COAP_NON, POST_ENV, .extra = COAP_NO_RESPONSE, .extra_value = none});
	assert_true(rig.pushed[0].m.token == TOKEN_NONE);
	assert_int_equal(coap_pending(rig.server), 0);

	// CON: the empty ACK takes the response's place, so it waits for the contract.
	rig_send((struct rig_request) {.type = COAP_CON,
				       .mid = 7,
				       POST_ENV,
				       .extra = COAP_NO_RESPONSE,
				       .extra_value = no_success});
	rig_advance(2 * S);
	assert_int_equal(rig.sent_count, 0);
	rig_verdict(1, OUTCOME_ACKED);
	rig_expect(0, COAP_ACK, COAP_EMPTY, 7);
	// "later" is always said to a Confirmable request.
	rig_send((struct rig_request
	) {.type = COAP_CON, .mid = 8, POST_ENV, .extra = COAP_NO_RESPONSE, .extra_value = none});
	rig_verdict(2, OUTCOME_SHED);
	rig_expect(1, COAP_ACK, COAP_UNAVAILABLE, 8);
	// Only the classes named are suppressed.
	rig_send((struct rig_request
	) {.type = COAP_NON, POST_ENV, .extra = COAP_NO_RESPONSE, .extra_value = no_success});
	rig_verdict(3, OUTCOME_REFUSED);
	rig_expect(2, COAP_NON, COAP_BAD_REQUEST, 0);
}

static void without_a_slot_con_is_told_later_and_non_goes_unanswered(void **) {
	for (uint32_t i = 0; i < 8; i++)
		rig_send((struct rig_request) {.type = COAP_CON, POST_ENV});
	rig_send((struct rig_request) {.type = COAP_CON, POST_ENV});
	rig_expect(0, COAP_ACK, COAP_UNAVAILABLE, 0);
	assert_int_equal(rig.ledger.shed[SHED_NO_TOKEN], 1);
	rig_send((struct rig_request) {.type = COAP_NON, POST_ENV});
	assert_int_equal(rig.pushed_count, 9);
	assert_true(rig.pushed[8].m.token == TOKEN_NONE);
	assert_int_equal(rig_count(COAP_UNANSWERED), 1);
}

static void an_exchange_table_too_small_is_counted(void **) {
	for (uint32_t i = 0; i < 300; i++) {
		rig_send((struct rig_request) {.type = COAP_NON, POST_ENV});
		rig_verdict(i % 64, OUTCOME_ACKED);
	}
	coap_poll(rig.server, rig.now);
	assert_int_equal(rig_count(COAP_EVICTED), 300 - 256);
	assert_int_equal(rig.pushed_count, 300);
}

static void an_untrusted_source_is_not_answered(void **) {
	struct ip_prefix trust = {4, 24, {10, 0, 1, 0}};

	rig.listener.auth = AUTH_TRUST;
	rig.listener.trust = &trust;
	rig.listener.trust_count = 1;
	rig_send((struct rig_request) {.type = COAP_CON, POST_ENV});
	assert_int_equal(rig.sent_count, 0);
	assert_int_equal(rig.ledger.refused[REFUSE_UNTRUSTED], 1);
	rig.peer.remote[2] = 1;
	rig_send((struct rig_request) {.type = COAP_CON, POST_ENV});
	assert_int_equal(rig.pushed_count, 1);
}

static void nothing_is_due_when_nothing_waits(void **) {
	assert_true(coap_poll(rig.server, rig.now) == UINT64_MAX);
	rig_send((struct rig_request) {.type = COAP_CON, POST_ENV});
	assert_true(coap_poll(rig.server, rig.now) <= rig.now + 600 * MS);
	rig_verdict(0, OUTCOME_ACKED);
	assert_true(coap_poll(rig.server, rig.now) > rig.now + 200 * S);
	rig.now += 300 * S;
	assert_true(coap_poll(rig.server, rig.now) == UINT64_MAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(rfc7252_5_2_1_piggybacked_response),
		TEST(rfc7252_5_2_3_non_confirmable),
		TEST(rfc7252_5_2_2_separate_response_until_it_is_acknowledged),
		TEST(rfc7252_4_2_retransmission_ends_after_four),
		TEST(answers_wait_for_clients_and_requests_for_verdicts),
		TEST(rfc7252_4_2_reset_ends_retransmission),
		TEST(separate_no_answers_5_03_in_time),
		TEST(rfc7252_4_5_copies_of_a_confirmable_message),
		TEST(rfc7252_4_5_copies_while_the_response_is_separate),
		TEST(rfc7252_4_5_copies_of_a_non_confirmable_message),
		TEST(a_reused_message_id_with_other_content_is_another_message),
		TEST(every_copy_has_the_same_record_identity),
		TEST(verdicts_become_response_codes),
		TEST(rfc7252_4_3_ping_is_reset),
		TEST(rfc7252_4_2_what_cannot_be_understood_is_reset),
		TEST(rfc7967_no_response),
		TEST(without_a_slot_con_is_told_later_and_non_goes_unanswered),
		TEST(an_exchange_table_too_small_is_counted),
		TEST(an_untrusted_source_is_not_answered),
		TEST(nothing_is_due_when_nothing_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
