// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coap/exchange.h"
#include "dataplane/coap/server.h"
#include "parsers/coap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000000ull
#define S 1000000000ull

// What the server did: datagrams sent and messages pushed, in order.
static struct {
	struct {
		uint8_t bytes[512];
		uint32_t len;
		struct flow_key key;
	} sent[64];
	uint32_t sent_count;
	struct {
		struct message m;
		char path[64];
		char payload[256];
	} pushed[64];
	uint32_t pushed_count;
	uint64_t random;
} seen;

static struct ledger_messages ledger;
static struct coap_server *server;
static struct config config;
static struct profile profile;
static struct config_listener listener;
static struct flow_key peer;
static uint64_t now;
static uint16_t next_mid;

static void push(void *, const struct message *m) {
	uint32_t i = seen.pushed_count++ % 64;

	ledger.received++;
	ledger.accepted++;
	seen.pushed[i].m = *m;
	snprintf(seen.pushed[i].path, 64, "%.*s", (int)m->path.len, m->path.p);
	snprintf(seen.pushed[i].payload, 256, "%.*s", (int)m->payload.len, m->payload.p);
}

static void
sent(void *, const struct flow_key *key, const struct net_path *, const void *bytes, uint32_t len) {
	uint32_t i = seen.sent_count++ % 64;

	memcpy(seen.sent[i].bytes, bytes, len);
	seen.sent[i].len = len;
	seen.sent[i].key = *key;
}

static uint64_t random_number(void *) {
	return seen.random;
}

static bool unicast_local(void *, struct flow_key *key, const struct net_path *) {
	memcpy(key->local, "\x0a\x00\x00\x01", 4);
	return true;
}

static int setup(void **) {
	const struct coap_env env = {
		.adapter =
			{
				.ledger = &ledger,
				.push = push,
				.send = sent,
				.secret = {1, 2},
				.identity = {3, 4},
			},
		.unicast_local = unicast_local,
		.random = random_number,
	};

	seen.sent_count = 0;
	seen.pushed_count = 0;
	seen.random = 0;
	ledger = (struct ledger_messages) {0};
	profile = (struct profile) {.separate = true};
	listener = (struct config_listener) {
		.protocol = LISTEN_COAP,
		.auth = AUTH_NONE,
		.format = PAYLOAD_JSON,
		.profile = &profile,
	};
	config.coap.exchanges = 256;
	config.coap.pending = 8;
	config.coap.ack_delay_ms = 500;
	config.coap.max_age_s = 30;
	config.coap.uploads = 2;
	config.coap.upload_bytes = 100;
	config.coap.upload_timeout_ms = 10000;
	config.coap.echo = true;
	peer = (struct flow_key) {
		.remote = {10, 0, 0, 9},
		.local = {10, 0, 0, 1},
		.remote_port = 40000,
		.local_port = 5683,
		.family = 4,
		.protocol = 17,
	};
	now = 100 * S;
	next_mid = 1000;
	return coap_create(&env, &config, &server);
}

// Whatever happened, every message went through one door.
static int teardown(void **) {
	struct ledger l = {.messages[TRANSPORT_COAP] = ledger};
	char why[128] = "";

	coap_destroy(server);
	if (!ledger_balanced(&l, why, sizeof(why)))
		fail_msg("%s", why);
	return 0;
}

// As in a burst: it is announced among others, of which some never come and some are no CoAP.
static void announce(const void *bytes, uint32_t len) {
	static const struct flow_key stranger = {.remote = {10, 9, 9, 9}, .family = 4};
	static uint32_t turn;
	uint8_t other_mid[4] = {0};

	coap_ahead_begin(server);
	if (++turn % 3 == 0)
		return; // not announced at all
	coap_ahead(server, &stranger, view_of(bytes, len));
	coap_ahead(server, &peer, view_of(other_mid, sizeof(other_mid)));
	coap_ahead(server, &peer, view_of(bytes, len < 3 ? len : 3));
	coap_ahead(server, &peer, view_of(bytes, len));
	coap_ahead(server, &stranger, view_of(bytes, len));
	for (uint32_t i = 0; i < COAP_AHEAD_MAX; i++) // more than there is room for
		coap_ahead(server, &stranger, view_of(other_mid, sizeof(other_mid)));
	coap_ahead_end(server);
}

static void input(const void *bytes, uint32_t len, bool multicast) {
	uint8_t copy[1024];
	struct datagram d = {
		.bytes = copy,
		.len = len,
		.key = &peer,
		.listener = &listener,
		.multicast = multicast,
		.now_ns = now,
		.wall_ns = 5,
	};

	memcpy(copy, bytes, len);
	announce(bytes, len);
	coap_input(server, &d);
}

struct request {
	enum coap_type type;
	uint8_t code;
	uint16_t mid; // 0: the next one
	const char *path[4];
	uint16_t extra; // number of one more option, in its place after the path
	struct view extra_value;
	const char *payload;
	bool multicast;
};

static void send(struct request r) {
	uint8_t out[512];
	uint16_t mid = r.mid != 0 ? r.mid : next_mid++;
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
	input(out, coap_writer_len(&w), r.multicast);
}

#define POST_ENV .code = COAP_POST, .path = {"t", "dev-1", "env"}, .payload = "{\"temp\":21.4}"

static void verdict(uint32_t pushed, enum outcome outcome) {
	struct verdict v = {
		.outcome = outcome, .refuse = REFUSE_MALFORMED, .payload = PAYLOAD_BAD_SYNTAX
	};

	coap_done(server, seen.pushed[pushed].m.token, &v);
}

static struct coap_message reply(uint32_t i) {
	struct coap_message m;

	assert_true(i < seen.sent_count);
	assert_int_equal(coap_decode(view_of(seen.sent[i].bytes, seen.sent[i].len), &m), COAP_OK);
	return m;
}

static bool option_of(const struct coap_message *m, uint16_t number, struct view *out) {
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

static void expect(uint32_t i, enum coap_type type, uint8_t code, uint16_t mid) {
	struct coap_message m = reply(i);

	assert_int_equal(m.type, type);
	assert_int_equal(m.code, code);
	if (mid != 0)
		assert_int_equal(m.mid, mid);
	if (code != COAP_EMPTY)
		assert_true(view_equal(m.token, VIEW_LITERAL("to")));
	assert_int_equal(seen.sent_count, i + 1);
}

static void advance(uint64_t ns) {
	// In steps, as the worker does it.
	for (uint64_t end = now + ns; now < end; now += 50 * MS)
		coap_poll(server, now);
}

static uint64_t count(enum coap_counter c) {
	return coap_stats(server)->count[c];
}

static void rfc7252_5_2_1_piggybacked_response(void **) {
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	assert_int_equal(seen.pushed_count, 1);
	assert_int_equal(seen.sent_count, 0); // nothing is acknowledged before the contract is met
	assert_string_equal(seen.pushed[0].path, "t/dev-1/env");
	assert_string_equal(seen.pushed[0].payload, "{\"temp\":21.4}");
	assert_int_equal(seen.pushed[0].m.format, PAYLOAD_JSON);
	assert_false(seen.pushed[0].m.proven);
	verdict(0, OUTCOME_ACKED);
	expect(0, COAP_ACK, COAP_CHANGED, 7);
	assert_int_equal(coap_pending(server), 0);
}

static void rfc7252_5_2_3_non_confirmable(void **) {
	send((struct request) {.type = COAP_NON, .mid = 7, POST_ENV});
	verdict(0, OUTCOME_ACKED);
	expect(0, COAP_NON, COAP_CHANGED, 0);
	assert_int_equal(coap_pending(server), 0);
}

static void rfc7252_5_2_2_separate_response_until_it_is_acknowledged(void **) {
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	advance(600 * MS);
	expect(0, COAP_ACK, COAP_EMPTY, 7);
	verdict(0, OUTCOME_ACKED);
	expect(1, COAP_CON, COAP_CHANGED, 0);
	uint16_t mid = reply(1).mid;

	advance(2200 * MS); // ACK_TIMEOUT
	expect(2, COAP_CON, COAP_CHANGED, mid);
	assert_memory_equal(seen.sent[1].bytes, seen.sent[2].bytes, seen.sent[1].len);
	uint8_t ack[4] = {0x60, 0, (uint8_t)(mid >> 8), (uint8_t)mid};
	input(ack, 4, false);
	assert_int_equal(coap_pending(server), 0);
	advance(100 * S);
	assert_int_equal(seen.sent_count, 3);
}

static void rfc7252_4_2_retransmission_ends_after_four(void **) {
	send((struct request) {.type = COAP_CON, POST_ENV});
	advance(600 * MS);
	verdict(0, OUTCOME_ACKED);
	advance(100 * S);
	assert_int_equal(seen.sent_count, 1 + 1 + 4);
	assert_int_equal(count(COAP_RETRANSMITTED), 4);
	assert_int_equal(count(COAP_GAVE_UP), 1);
	assert_int_equal(coap_pending(server), 0);
}

// What a drain has to wait for: verdicts, and not clients that have gone.
static void answers_wait_for_clients_and_requests_for_verdicts(void **) {
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	send((struct request) {.type = COAP_CON, .mid = 8, POST_ENV});
	send((struct request) {.type = COAP_NON, .mid = 9, POST_ENV});
	assert_int_equal(coap_waiting(server).requests, 3);
	advance(600 * MS);
	verdict(0, OUTCOME_ACKED);
	verdict(2, OUTCOME_ACKED);
	assert_int_equal(coap_waiting(server).requests, 1);
	assert_int_equal(coap_waiting(server).answers, 1);
	assert_int_equal(coap_pending(server), 2);
	verdict(1, OUTCOME_REFUSED);
	assert_int_equal(coap_waiting(server).requests, 0);
	assert_int_equal(coap_waiting(server).answers, 2);
	uint16_t mid = reply(seen.sent_count - 1).mid;
	uint8_t ack[4] = {0x60, 0, (uint8_t)(mid >> 8), (uint8_t)mid};
	input(ack, 4, false);
	assert_int_equal(coap_waiting(server).answers, 1);
	advance(100 * S);
	assert_int_equal(coap_waiting(server).answers, 0);
	assert_int_equal(coap_pending(server), 0);
}

static void rfc7252_4_2_reset_ends_retransmission(void **) {
	send((struct request) {.type = COAP_CON, POST_ENV});
	advance(600 * MS);
	verdict(0, OUTCOME_ACKED);
	uint16_t mid = reply(1).mid;
	uint8_t rst[4] = {0x70, 0, (uint8_t)(mid >> 8), (uint8_t)mid};
	input(rst, 4, false);
	assert_int_equal(coap_pending(server), 0);
}

static void separate_no_answers_5_03_in_time(void **) {
	struct view max_age;

	profile.separate = false;
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	advance(600 * MS);
	expect(0, COAP_ACK, COAP_UNAVAILABLE, 7);
	struct coap_message m = reply(0);
	assert_true(option_of(&m, COAP_MAX_AGE, &max_age));
	assert_true(view_equal(max_age, VIEW_LITERAL("\x1e")));
	verdict(0, OUTCOME_ACKED);
	assert_int_equal(seen.sent_count, 1);
	// A copy of the request gets what became of it.
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	expect(1, COAP_ACK, COAP_CHANGED, 7);
	assert_int_equal(seen.pushed_count, 1);
}

static void rfc7252_4_5_copies_of_a_confirmable_message(void **) {
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV}); // attaches
	assert_int_equal(seen.sent_count, 0);
	assert_int_equal(seen.pushed_count, 1);
	verdict(0, OUTCOME_ACKED);
	expect(0, COAP_ACK, COAP_CHANGED, 7);
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	expect(1, COAP_ACK, COAP_CHANGED, 7);
	assert_int_equal(ledger.duplicate, 2);
	assert_int_equal(ledger.received, 3);

	now += (EXCHANGE_LIFETIME_S + 1) * S;
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	assert_int_equal(seen.pushed_count, 2);
}

static void rfc7252_4_5_copies_while_the_response_is_separate(void **) {
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	advance(600 * MS);
	expect(0, COAP_ACK, COAP_EMPTY, 7);
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	expect(1, COAP_ACK, COAP_EMPTY, 7);
	verdict(0, OUTCOME_ACKED);
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	expect(3, COAP_ACK, COAP_EMPTY, 7);
	assert_int_equal(seen.pushed_count, 1);
}

static void rfc7252_4_5_copies_of_a_non_confirmable_message(void **) {
	send((struct request) {.type = COAP_NON, .mid = 7, POST_ENV});
	verdict(0, OUTCOME_ACKED);
	send((struct request) {.type = COAP_NON, .mid = 7, POST_ENV});
	assert_int_equal(seen.sent_count, 1);
	assert_int_equal(seen.pushed_count, 1);
	assert_int_equal(ledger.duplicate, 1);
}

static void a_reused_message_id_with_other_content_is_another_message(void **) {
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	verdict(0, OUTCOME_ACKED);
	send((struct request) {
		.type = COAP_CON,
		.mid = 7,
		.code = COAP_POST,
		.path = {"t", "dev-1", "env"},
		.payload = "{\"temp\":99}",
	});
	assert_int_equal(seen.pushed_count, 2);
	assert_int_equal(count(COAP_MID_REUSED), 1);
	assert_true(seen.pushed[0].m.seq != seen.pushed[1].m.seq);
	verdict(1, OUTCOME_ACKED);
	expect(1, COAP_ACK, COAP_CHANGED, 7);
}

static void every_copy_has_the_same_record_identity(void **) {
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	verdict(0, OUTCOME_ACKED);
	// Forgotten by now, so the copy is taken for new.
	now += (EXCHANGE_LIFETIME_S + 1) * S;
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	assert_true(seen.pushed[0].m.seq == seen.pushed[1].m.seq);
	assert_true(seen.pushed[0].m.epoch == seen.pushed[1].m.epoch);
	verdict(1, OUTCOME_ACKED);

	peer.realm = 2; // the same address in another realm is another device
	send((struct request) {.type = COAP_CON, .mid = 7, POST_ENV});
	assert_int_equal(seen.pushed_count, 3);
	assert_true(seen.pushed[2].m.epoch != seen.pushed[0].m.epoch);
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
		send((struct request) {.type = COAP_CON, POST_ENV});
		coap_done(server, seen.pushed[i].m.token, &rows[i].v);
		expect(i, COAP_ACK, rows[i].code, 0);
		struct coap_message m = reply(i);
		assert_int_equal(m.payload.len, strlen(rows[i].diagnostic));
		assert_memory_equal(m.payload.p, rows[i].diagnostic, m.payload.len);
	}
}

static const struct {
	const char *name;
	struct request r;
	uint8_t code;
} refusals[] = {
	{"RFC7252-5.8.1 GET telemetry",
	 {.code = COAP_GET, .path = {"t", "d", "s"}},
	 COAP_METHOD_NOT_ALLOWED},
	{"RFC7252-5.8.4 DELETE telemetry",
	 {.code = COAP_DELETE, .path = {"t", "d", "s"}},
	 COAP_METHOD_NOT_ALLOWED},
	{"RFC8132 FETCH telemetry", {.code = 5, .path = {"t", "d", "s"}}, COAP_METHOD_NOT_ALLOWED},
	{"POST discovery",
	 {.code = COAP_POST, .path = {".well-known", "core"}},
	 COAP_METHOD_NOT_ALLOWED},
	{"unknown path", {.code = COAP_POST, .path = {"x", "d", "s"}}, COAP_NOT_FOUND},
	{"path too short", {.code = COAP_POST, .path = {"t", "d"}}, COAP_NOT_FOUND},
	{"path too long", {.code = COAP_POST, .path = {"t", "d", "s", "x"}}, COAP_NOT_FOUND},
	{"no path", {.code = COAP_POST}, COAP_NOT_FOUND},
	{"empty segment", {.code = COAP_POST, .path = {"t", "", "s"}}, COAP_NOT_FOUND},
	{"slash in a segment", {.code = COAP_POST, .path = {"t", "a/b", "s"}}, COAP_NOT_FOUND},
	{"RFC7252-5.4.1 unknown critical option",
	 {.code = COAP_POST, .path = {"t", "d", "s"}, .extra = 9},
	 COAP_BAD_OPTION_RESPONSE},
	{"RFC7252-5.7.2 proxy-scheme",
	 {.code = COAP_POST, .path = {"t", "d", "s"}, .extra = COAP_PROXY_SCHEME},
	 COAP_NO_PROXY},
	{"RFC7252-5.10.3 unknown content format",
	 {.code = COAP_POST,
	  .path = {"t", "d", "s"},
	  .extra = COAP_CONTENT_FORMAT,
	  .extra_value = VIEW_LITERAL("\x29"),
	  .payload = "<xml/>"},
	 COAP_UNSUPPORTED_FORMAT},
	{"query",
	 {.code = COAP_POST,
	  .path = {"t", "d", "s"},
	  .extra = COAP_URI_QUERY,
	  .extra_value = VIEW_LITERAL("q")},
	 COAP_BAD_REQUEST},
	{"RFC7959-2.2 reserved block size",
	 {.code = COAP_POST,
	  .path = {"t", "d", "s"},
	  .extra = COAP_BLOCK1,
	  .extra_value = VIEW_LITERAL("\x0f"),
	  .payload = "x"},
	 COAP_BAD_REQUEST},
};

static void refused_requests(void **) {
	for (uint32_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct request r = refusals[i].r;
		r.type = COAP_CON;
		send(r);
		struct coap_message m = reply(i);
		if (m.type != COAP_ACK || m.code != refusals[i].code)
			fail_msg("%s: %u.%02u", refusals[i].name, m.code >> 5, m.code & 31);
	}
	assert_int_equal(seen.pushed_count, 0);
	assert_int_equal(ledger.received, sizeof(refusals) / sizeof(refusals[0]));
}

static void rfc7252_5_10_3_content_format_names_the_payload_format(void **) {
	static const struct {
		struct view value;
		enum payload_format format;
	} rows[] = {
		{VIEW_LITERAL("\x2a"), PAYLOAD_RAW},
		{VIEW_LITERAL("\x32"), PAYLOAD_JSON},
		{VIEW_LITERAL("\x3c"), PAYLOAD_CBOR},
		{VIEW_LITERAL("\x6e"), PAYLOAD_SENML_JSON},
		{VIEW_LITERAL("\x70"), PAYLOAD_SENML_CBOR},
		{VIEW_LITERAL(""), PAYLOAD_LINE}, // text/plain: the listener's own
	};

	listener.format = PAYLOAD_LINE;
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		send((struct request) {
			.type = COAP_CON,
			POST_ENV,
			.extra = COAP_CONTENT_FORMAT,
			.extra_value = rows[i].value,
		});
		assert_int_equal(seen.pushed_count, i + 1);
		assert_int_equal(seen.pushed[i].m.format, rows[i].format);
		verdict(i, OUTCOME_ACKED);
	}
}

static void rfc7252_4_3_ping_is_reset(void **) {
	input("\x40\x00\x12\x34", 4, false);
	expect(0, COAP_RST, COAP_EMPTY, 0x1234);
	assert_int_equal(count(COAP_PING), 1);
	assert_int_equal(ledger.received, 0); // not a message
}

static void rfc7252_4_2_what_cannot_be_understood_is_reset(void **) {
	input("\x49\x02\x12\x34", 4, false); // token length 9
	expect(0, COAP_RST, COAP_EMPTY, 0x1234);
	input("\x59\x02\x12\x35", 4, false); // NON: silence
	input("\x80\x02\x12\x36", 4, false); // version 2: silence
	input("\x40", 1, false);
	assert_int_equal(seen.sent_count, 1);
	assert_int_equal(ledger.refused[REFUSE_PROTOCOL], 4);
	assert_int_equal(coap_stats(server)->decoded[COAP_BAD_TOKEN], 2);
	// A response nobody asked for.
	input("\x40\x45\x12\x37", 4, false);
	expect(1, COAP_RST, COAP_EMPTY, 0x1237);
}

static void rfc7252_8_1_multicast(void **) {
	send((struct request) {.type = COAP_CON, POST_ENV, .multicast = true});
	assert_int_equal(seen.pushed_count, 0);
	send((struct request) {.type = COAP_NON, POST_ENV, .multicast = true});
	assert_int_equal(seen.pushed_count, 1);
	assert_true(seen.pushed[0].m.token == TOKEN_NONE);
	// Errors are not worth a group's bandwidth; resets neither.
	send((struct request) {.type = COAP_NON, .code = COAP_GET, .path = {"x"}, .multicast = true}
	);
	input("\x40\x00\x12\x34", 4, true);
	input("\x4f\x02\x12\x34", 4, true);
	assert_int_equal(seen.sent_count, 0);
}

static void rfc7252_8_2_multicast_discovery_waits_its_leisure(void **) {
	struct request r = {
		.type = COAP_NON,
		.code = COAP_GET,
		.path = {".well-known", "core"},
		.multicast = true,
	};

	send(r); // unproven: no answer larger than the question
	advance(6 * S);
	assert_int_equal(seen.sent_count, 0);

	coap_destroy(server);
	config.coap.echo = false;
	assert_int_equal(setup(NULL), 0);
	config.coap.echo = false;
	coap_use(server, &config);
	memcpy(peer.local, "\xe0\x00\x01\xbb", 4);
	seen.random = 2000;
	send(r);
	advance(1900 * MS);
	assert_int_equal(seen.sent_count, 0);
	advance(300 * MS);
	expect(0, COAP_NON, COAP_CONTENT, 0);
	assert_memory_equal(seen.sent[0].key.local, "\x0a\x00\x00\x01", 4);
}

static void rfc9175_2_4_no_amplification_for_an_unproven_source(void **) {
	struct request r = {.type = COAP_CON, .code = COAP_GET, .path = {".well-known", "core"}};
	struct view echo;

	send(r);
	expect(0, COAP_ACK, COAP_UNAUTHORIZED, 0);
	struct coap_message m = reply(0);
	assert_true(option_of(&m, COAP_ECHO, &echo));
	assert_true(seen.sent[0].len <= 4 + 2 + 12 + 5); // the request's own size

	r.extra = COAP_ECHO;
	r.extra_value = echo;
	send(r);
	expect(1, COAP_ACK, COAP_CONTENT, 0);
	m = reply(1);
	assert_non_null(memmem(m.payload.p, m.payload.len, "</t>", 4));
	assert_int_equal(count(COAP_ECHO_ASKED), 1);

	// Another endpoint cannot use it, and it ages.
	peer.remote_port++;
	send(r);
	expect(2, COAP_ACK, COAP_UNAUTHORIZED, 0);
	peer.remote_port--;
	now += 61 * S;
	send(r);
	expect(3, COAP_ACK, COAP_UNAUTHORIZED, 0);
	assert_int_equal(count(COAP_ECHO_BAD), 2);
}

static void no_answer_outgrows_an_unproven_request(void **) {
	for (uint32_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		uint32_t before = seen.sent_count;
		struct request r = refusals[i].r;
		r.type = COAP_CON;
		send(r);
		uint32_t smallest = 4 + 2;
		for (uint32_t n = 0; n < 4 && r.path[n] != NULL; n++)
			smallest += 1 + (uint32_t)strlen(r.path[n]);
		smallest += r.payload != NULL ? 1 + (uint32_t)strlen(r.payload) : 0;
		smallest += r.extra != 0 ? 2 + r.extra_value.len : 0;
		assert_int_equal(seen.sent_count, before + 1);
		assert_true(seen.sent[before].len <= smallest);
	}
}

static void rfc9175_an_echo_proves_the_source_of_telemetry(void **) {
	struct view echo;

	send((struct request) {.type = COAP_CON, .code = COAP_GET, .path = {".well-known", "core"}}
	);
	struct coap_message m = reply(0);
	assert_true(option_of(&m, COAP_ECHO, &echo));
	send((struct request) {.type = COAP_CON, POST_ENV, .extra = COAP_ECHO, .extra_value = echo}
	);
	assert_true(seen.pushed[0].m.proven);
}

static void rfc6690_discovery_in_blocks(void **) {
	struct request r = {
		.type = COAP_CON,
		.code = COAP_GET,
		.path = {".well-known", "core"},
		.extra = COAP_BLOCK2,
	};
	char text[256];
	uint32_t len = 0;
	bool more = true;

	config.coap.echo = false;
	coap_use(server, &config);
	for (uint32_t num = 0; more; num++) {
		uint8_t value = (uint8_t)(num << 4 | 1); // 32 bytes
		struct view block;
		struct coap_block b;
		r.extra_value = view_of(&value, 1);
		send(r);
		struct coap_message m = reply(num);
		assert_int_equal(m.code, COAP_CONTENT);
		assert_true(option_of(&m, COAP_BLOCK2, &block));
		assert_true(coap_block_decode(block, &b));
		memcpy(text + len, m.payload.p, m.payload.len);
		len += m.payload.len;
		more = b.more;
		assert_true(num < 8);
	}
	assert_non_null(memmem(text, len, "ct=\"42 50 60 110 112\"", 21));
	r.extra_value = VIEW_LITERAL("\x71"); // block 7
	uint32_t before = seen.sent_count;
	send(r);
	expect(before, COAP_ACK, COAP_BAD_REQUEST, 0);
}

static void rfc7967_no_response(void **) {
	const struct view none = VIEW_LITERAL("\x1a");
	const struct view no_success = VIEW_LITERAL("\x02");

	send((struct request
	) {.type = COAP_NON, POST_ENV, .extra = COAP_NO_RESPONSE, .extra_value = none});
	assert_true(seen.pushed[0].m.token == TOKEN_NONE);
	assert_int_equal(coap_pending(server), 0);

	// CON: the empty ACK takes the response's place, so it waits for the contract.
	send((struct request) {.type = COAP_CON,
			       .mid = 7,
			       POST_ENV,
			       .extra = COAP_NO_RESPONSE,
			       .extra_value = no_success});
	advance(2 * S);
	assert_int_equal(seen.sent_count, 0);
	verdict(1, OUTCOME_ACKED);
	expect(0, COAP_ACK, COAP_EMPTY, 7);
	// "later" is always said to a Confirmable request.
	send((struct request
	) {.type = COAP_CON, .mid = 8, POST_ENV, .extra = COAP_NO_RESPONSE, .extra_value = none});
	verdict(2, OUTCOME_SHED);
	expect(1, COAP_ACK, COAP_UNAVAILABLE, 8);
	// Only the classes named are suppressed.
	send((struct request
	) {.type = COAP_NON, POST_ENV, .extra = COAP_NO_RESPONSE, .extra_value = no_success});
	verdict(3, OUTCOME_REFUSED);
	expect(2, COAP_NON, COAP_BAD_REQUEST, 0);
}

static void block_send(uint16_t mid, uint32_t num, bool more, const char *payload) {
	uint8_t value = (uint8_t)(num << 4 | (uint32_t)more << 3);

	send((struct request) {
		.type = COAP_CON,
		.mid = mid,
		.code = COAP_POST,
		.path = {"t", "dev-1", "env"},
		.extra = COAP_BLOCK1,
		.extra_value = view_of(&value, 1),
		.payload = payload,
	});
}

static void rfc7959_block1_upload(void **) {
	struct view block;

	block_send(1, 0, true, "{\"a\":1,\"bbbbb\":2");
	expect(0, COAP_ACK, COAP_CONTINUE, 1);
	struct coap_message m = reply(0);
	assert_true(option_of(&m, COAP_BLOCK1, &block));
	assert_true(view_equal(block, VIEW_LITERAL("\x08")));
	block_send(1, 0, true, "{\"a\":1,\"bbbbb\":2"); // copy
	expect(1, COAP_ACK, COAP_CONTINUE, 1);
	assert_memory_equal(seen.sent[0].bytes, seen.sent[1].bytes, seen.sent[0].len);
	block_send(2, 1, false, ",\"c\":3}");
	assert_int_equal(seen.pushed_count, 1);
	assert_string_equal(seen.pushed[0].payload, "{\"a\":1,\"bbbbb\":2,\"c\":3}");
	verdict(0, OUTCOME_ACKED);
	expect(2, COAP_ACK, COAP_CHANGED, 2);
	m = reply(2);
	assert_true(option_of(&m, COAP_BLOCK1, &block));
	assert_true(view_equal(block, VIEW_LITERAL("\x10")));
	assert_int_equal(ledger.received, 1); // one upload is one message
}

static void rfc7959_2_9_uploads_that_fail(void **) {
	struct view size;

	block_send(1, 1, true, "0123456789abcdef");
	expect(0, COAP_ACK, COAP_INCOMPLETE, 1);
	block_send(2, 7, true, "0123456789abcdef"); // 128 bytes: more than the limit
	expect(1, COAP_ACK, COAP_ENTITY_TOO_LARGE, 2);
	struct coap_message m = reply(1);
	assert_true(option_of(&m, COAP_SIZE1, &size));
	assert_true(view_equal(size, VIEW_LITERAL("\x64")));
	block_send(3, 0, true, "short");
	expect(2, COAP_ACK, COAP_BAD_REQUEST, 3);

	for (uint16_t i = 0; i < 3; i++) {
		peer.remote_port = 50000 + i;
		block_send(4, 0, true, "0123456789abcdef");
	}
	expect(5, COAP_ACK, COAP_UNAVAILABLE, 4);
	assert_int_equal(ledger.shed[SHED_UPLOAD_LIMIT], 1);
	advance(11 * S); // the two open ones end as messages that came to nothing
	assert_int_equal(ledger.shed[SHED_UPLOAD_LIMIT], 3);
	assert_int_equal(count(COAP_UPLOAD_EXPIRED), 2);
}

static void an_exchange_table_too_small_is_counted(void **) {
	for (uint32_t i = 0; i < 300; i++) {
		send((struct request) {.type = COAP_NON, POST_ENV});
		verdict(i % 64, OUTCOME_ACKED);
	}
	coap_poll(server, now);
	assert_int_equal(count(COAP_EVICTED), 300 - 256);
	assert_int_equal(seen.pushed_count, 300);
}

static void without_a_slot_con_is_told_later_and_non_goes_unanswered(void **) {
	for (uint32_t i = 0; i < 8; i++)
		send((struct request) {.type = COAP_CON, POST_ENV});
	send((struct request) {.type = COAP_CON, POST_ENV});
	expect(0, COAP_ACK, COAP_UNAVAILABLE, 0);
	assert_int_equal(ledger.shed[SHED_NO_TOKEN], 1);
	send((struct request) {.type = COAP_NON, POST_ENV});
	assert_int_equal(seen.pushed_count, 9);
	assert_true(seen.pushed[8].m.token == TOKEN_NONE);
	assert_int_equal(count(COAP_UNANSWERED), 1);
}

static void an_untrusted_source_is_not_answered(void **) {
	struct ip_prefix trust = {4, 24, {10, 0, 1, 0}};

	listener.auth = AUTH_TRUST;
	listener.trust = &trust;
	listener.trust_count = 1;
	send((struct request) {.type = COAP_CON, POST_ENV});
	assert_int_equal(seen.sent_count, 0);
	assert_int_equal(ledger.refused[REFUSE_UNTRUSTED], 1);
	peer.remote[2] = 1;
	send((struct request) {.type = COAP_CON, POST_ENV});
	assert_int_equal(seen.pushed_count, 1);
}

static void nothing_is_due_when_nothing_waits(void **) {
	assert_true(coap_poll(server, now) == UINT64_MAX);
	send((struct request) {.type = COAP_CON, POST_ENV});
	assert_true(coap_poll(server, now) <= now + 600 * MS);
	verdict(0, OUTCOME_ACKED);
	assert_true(coap_poll(server, now) > now + 200 * S);
	now += 300 * S;
	assert_true(coap_poll(server, now) == UINT64_MAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
		TEST(refused_requests),
		TEST(rfc7252_5_10_3_content_format_names_the_payload_format),
		TEST(rfc7252_4_3_ping_is_reset),
		TEST(rfc7252_4_2_what_cannot_be_understood_is_reset),
		TEST(rfc7252_8_1_multicast),
		TEST(rfc7252_8_2_multicast_discovery_waits_its_leisure),
		TEST(rfc9175_2_4_no_amplification_for_an_unproven_source),
		TEST(no_answer_outgrows_an_unproven_request),
		TEST(rfc9175_an_echo_proves_the_source_of_telemetry),
		TEST(rfc6690_discovery_in_blocks),
		TEST(rfc7967_no_response),
		TEST(rfc7959_block1_upload),
		TEST(rfc7959_2_9_uploads_that_fail),
		TEST(without_a_slot_con_is_told_later_and_non_goes_unanswered),
		TEST(an_exchange_table_too_small_is_counted),
		TEST(an_untrusted_source_is_not_answered),
		TEST(nothing_is_due_when_nothing_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
