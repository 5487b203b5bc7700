// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dataplane/coap/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct coap_rig rig;

static void push(void *, const struct message *m) {
	uint32_t i = rig.pushed_count++ % RIG_KEPT;

	rig.ledger.received++;
	rig.ledger.accepted++;
	rig.pushed[i].m = *m;
	snprintf(rig.pushed[i].path, 64, "%.*s", (int)m->path.len, m->path.p);
	snprintf(rig.pushed[i].payload, 256, "%.*s", (int)m->payload.len, m->payload.p);
}

static void
sent(void *, const struct flow_key *key, const struct net_path *, const void *bytes, uint32_t len) {
	uint32_t i = rig.sent_count++ % RIG_KEPT;

	memcpy(rig.sent[i].bytes, bytes, len);
	rig.sent[i].len = len;
	rig.sent[i].key = *key;
}

static uint64_t random_number(void *) {
	return rig.random;
}

static bool unicast_local(void *, struct flow_key *key, const struct net_path *) {
	memcpy(key->local, "\x0a\x00\x00\x01", 4);
	return true;
}

int rig_setup(void **) {
	const struct coap_env env = {
		.adapter =
			{
				.ledger = &rig.ledger,
				.push = push,
				.send = sent,
				.secret = {1, 2},
				.identity = {3, 4},
			},
		.unicast_local = unicast_local,
		.random = random_number,
	};

	rig.sent_count = 0;
	rig.pushed_count = 0;
	rig.random = 0;
	rig.ledger = (struct ledger_messages) {0};
	rig.profile = (struct profile) {.separate = true};
	rig.listener = (struct config_listener) {
		.protocol = LISTEN_COAP,
		.auth = AUTH_NONE,
		.format = PAYLOAD_JSON,
		.profile = &rig.profile,
	};
	rig.config.coap.exchanges = 256;
	rig.config.coap.pending = 8;
	rig.config.coap.ack_delay_ms = 500;
	rig.config.coap.max_age_s = 30;
	rig.config.coap.uploads = 2;
	rig.config.coap.upload_bytes = 100;
	rig.config.coap.upload_timeout_ms = 10000;
	rig.config.coap.echo = true;
	rig.peer = (struct flow_key) {
		.remote = {10, 0, 0, 9},
		.local = {10, 0, 0, 1},
		.remote_port = 40000,
		.local_port = 5683,
		.family = 4,
		.protocol = 17,
	};
	rig.now = 100 * S;
	rig.next_mid = 1000;
	return coap_create(&env, &rig.config, &rig.server);
}

int rig_teardown(void **) {
	struct ledger l = {.messages[TRANSPORT_COAP] = rig.ledger};
	char why[128] = "";

	coap_destroy(rig.server);
	if (!ledger_balanced(&l, why, sizeof(why)))
		fail_msg("%s", why);
	return 0;
}

// As in a burst: it is announced among others, of which some never come and some are no CoAP.
static void announce(const void *bytes, uint32_t len) {
	static const struct flow_key stranger = {.remote = {10, 9, 9, 9}, .family = 4};
	static uint32_t turn;
	uint8_t other_mid[4] = {0};

	coap_ahead_begin(rig.server);
	if (++turn % 3 == 0)
		return; // not announced at all
	coap_ahead(rig.server, &stranger, view_of(bytes, len));
	coap_ahead(rig.server, &rig.peer, view_of(other_mid, sizeof(other_mid)));
	coap_ahead(rig.server, &rig.peer, view_of(bytes, len < 3 ? len : 3));
	coap_ahead(rig.server, &rig.peer, view_of(bytes, len));
	coap_ahead(rig.server, &stranger, view_of(bytes, len));
	for (uint32_t i = 0; i < COAP_AHEAD_MAX; i++) // more than there is room for
		coap_ahead(rig.server, &stranger, view_of(other_mid, sizeof(other_mid)));
	coap_ahead_end(rig.server);
}

void rig_input(const void *bytes, uint32_t len, bool multicast) {
	uint8_t copy[1024];
	struct datagram d = {
		.bytes = copy,
		.len = len,
		.key = &rig.peer,
		.listener = &rig.listener,
		.multicast = multicast,
		.now_ns = rig.now,
		.wall_ns = 5,
	};

	memcpy(copy, bytes, len);
	announce(bytes, len);
	coap_input(rig.server, &d);
}

void rig_send(struct rig_request r) {
	uint8_t out[512];
	uint16_t mid = r.mid != 0 ? r.mid : rig.next_mid++;
	struct coap_writer w =
		coap_write(out, sizeof(out), r.type, r.code, mid, VIEW_LITERAL("to"));

	if (r.extra != 0 && r.extra < COAP_URI_PATH)
		coap_write_option(&w, r.extra, r.extra_value);
	for (uint32_t i = 0; i < 4 && r.path[i] != NULL; i++)
		coap_write_option(
			&w, COAP_URI_PATH, view_of(r.path[i], (uint32_t)strlen(r.path[i]))
		);
	if (r.extra > COAP_URI_PATH)
		coap_write_option(&w, r.extra, r.extra_value);
	if (r.payload != NULL)
		coap_write_payload(&w, view_of(r.payload, (uint32_t)strlen(r.payload)));
	assert_int_not_equal(coap_writer_len(&w), 0);
	rig_input(out, coap_writer_len(&w), r.multicast);
}

void rig_verdict(uint32_t pushed, enum outcome outcome) {
	struct verdict v = {
		.outcome = outcome, .refuse = REFUSE_MALFORMED, .payload = PAYLOAD_BAD_SYNTAX
	};

	coap_done(rig.server, rig.pushed[pushed].m.token, &v);
}

struct coap_message rig_reply(uint32_t i) {
	struct coap_message m;

	assert_true(i < rig.sent_count);
	assert_int_equal(coap_decode(view_of(rig.sent[i].bytes, rig.sent[i].len), &m), COAP_OK);
	return m;
}

bool rig_option(const struct coap_message *m, uint16_t number, struct view *out) {
	struct coap_options it = coap_options_of(m);
	struct coap_option o;

	*out = (struct view) {0};
	while (coap_option_next(&it, &o))
		if (o.number == number) {
			*out = o.value;
			return true;
		}
	return false;
}

void rig_expect(uint32_t i, enum coap_type type, uint8_t code, uint16_t mid) {
	struct coap_message m = rig_reply(i);

	assert_int_equal(m.type, type);
	assert_int_equal(m.code, code);
	if (mid != 0)
		assert_int_equal(m.mid, mid);
	if (code != COAP_EMPTY)
		assert_true(view_equal(m.token, VIEW_LITERAL("to")));
	assert_int_equal(rig.sent_count, i + 1);
}

void rig_advance(uint64_t ns) {
	for (uint64_t end = rig.now + ns; rig.now < end; rig.now += 50 * MS)
		coap_poll(rig.server, rig.now);
}

uint64_t rig_count(enum coap_counter c) {
	return coap_stats(rig.server)->count[c];
}
