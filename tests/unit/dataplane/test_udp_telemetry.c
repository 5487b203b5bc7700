// SPDX-License-Identifier: Apache-2.0
#include "dataplane/udp/telemetry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct message last;
static uint32_t pushed;
static struct ledger_messages ledger;

static void push(void *, const struct message *m) {
	last = *m;
	pushed++;
}

static struct udp_telemetry adapter(void) {
	const struct adapter_env env = {
		.worker = 3,
		.appliance_epoch = 9,
		.ledger = &ledger,
		.push = push,
	};
	struct udp_telemetry t;

	pushed = 0;
	ledger = (struct ledger_messages) {0};
	udp_telemetry_init(&t, &env);
	return t;
}

static void a_datagram_is_a_message(void **) {
	struct udp_telemetry t = adapter();
	const struct profile profile = {.name = "p"};
	const struct config_listener l = {
		.auth = AUTH_NONE, .format = PAYLOAD_LINE, .profile = &profile
	};
	const struct flow_key key = {
		.remote = {10, 0, 0, 9}, .remote_port = 4000, .family = 4, .realm = 2
	};
	uint8_t bytes[] = "m,d=x t=1";
	const struct datagram d = {
		.bytes = bytes, .len = 9, .key = &key, .listener = &l, .now_ns = 5, .wall_ns = 7
	};

	udp_telemetry_input(&t, &d);
	assert_int_equal(pushed, 1);
	assert_int_equal(last.transport, TRANSPORT_UDP);
	assert_int_equal(last.format, PAYLOAD_LINE);
	assert_int_equal(last.realm, 2);
	assert_int_equal(last.worker, 3);
	assert_ptr_equal(last.profile, &profile);
	assert_ptr_equal(last.payload.p, bytes);
	assert_int_equal(last.payload.len, 9);
	assert_int_equal(last.peer.len, 4);
	assert_int_equal(last.peer_port, 4000);
	assert_true(last.token == TOKEN_NONE);
	assert_false(last.proven);
	assert_true(last.rx_ns == 5 && last.rx_wall_ns == 7);
	uint64_t seq = last.seq;
	udp_telemetry_input(&t, &d);
	assert_true(last.seq == seq + 1 && last.epoch == (9 << 16 | 3));
	assert_int_equal(ledger.received, 0); // the pipeline counts it
}

static void an_untrusted_source_is_refused_and_counted(void **) {
	struct udp_telemetry t = adapter();
	struct ip_prefix trust[] = {{4, 24, {10, 0, 1, 0}}, {6, 64, {0xfd}}};
	const struct config_listener l = {.auth = AUTH_TRUST, .trust = trust, .trust_count = 2};
	struct flow_key key = {.remote = {10, 0, 0, 9}, .family = 4};
	uint8_t bytes[] = "x";
	const struct datagram d = {.bytes = bytes, .len = 1, .key = &key, .listener = &l};

	udp_telemetry_input(&t, &d);
	assert_int_equal(pushed, 0);
	assert_int_equal(ledger.received, 1);
	assert_int_equal(ledger.refused[REFUSE_UNTRUSTED], 1);
	key.remote[2] = 1;
	udp_telemetry_input(&t, &d);
	assert_int_equal(pushed, 1);
	key.family = 6; // fd00::/64 does not hold 0a00:0109::
	udp_telemetry_input(&t, &d);
	assert_int_equal(pushed, 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_is_a_message),
		cmocka_unit_test(an_untrusted_source_is_refused_and_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
