// SPDX-License-Identifier: Apache-2.0
// Cycles per CoAP request: the parser alone, then the server from datagram to answer with a
// pipeline that accepts at once, NON and CON, and a copy of a CON.
#include "bench/cycles.h"
#include "dataplane/coap/server.h"
#include "parsers/coap_request.h"

#include <string.h>

#define REQUESTS 9600 // whole bursts

struct load {
	struct coap_server *server;
	uint8_t bytes[256];
	uint32_t len;
	bool copies;
};

static const struct profile profile = {.separate = true};
static const struct config_listener listener =
	{.auth = AUTH_NONE, .format = PAYLOAD_JSON, .profile = &profile};
static struct ledger_messages ledger;
static struct coap_server *server;
static uint16_t mid;
static uint64_t now_ns = 1;
static uint64_t answered;

static void push(void *, const struct message *m) {
	static const struct verdict ok = {.outcome = OUTCOME_ACKED};

	coap_done(server, m->token, &ok);
}

static void
sent(void *, const struct flow_key *, const struct net_path *, const void *, uint32_t len) {
	answered += len;
}

static uint64_t random_number(void *) {
	return 4;
}

static void parse(void *input) {
	const struct load *l = input;

	for (uint32_t i = 0; i < REQUESTS; i++) {
		struct coap_message m;
		struct coap_request r;
		if (coap_decode(view_of(l->bytes, l->len), &m) != COAP_OK
		    || coap_request_decode(&m, &r) != COAP_REQUEST_OK)
			exit(1);
	}
}

static void make(const struct load *l, struct flow_key *key, uint8_t *bytes) {
	memcpy(bytes, l->bytes, l->len);
	if (!l->copies)
		mid++;
	*key = (struct flow_key) {.remote = {10}, .family = 4};
	key->remote_port = l->copies ? 1 : (uint16_t)(1024 + mid % 1000);
	bytes[2] = (uint8_t)(mid >> 8);
	bytes[3] = (uint8_t)mid;
}

// 1,000 endpoints in turn, so that message ids do not come round within the lifetime.
static void serve(void *input) {
	static struct flow_key keys[COAP_AHEAD_MAX];
	static uint8_t bytes[COAP_AHEAD_MAX][256];
	const struct load *l = input;

	for (uint32_t done = 0; done < REQUESTS; done += COAP_AHEAD_MAX) {
		coap_ahead_begin(server);
		for (uint32_t i = 0; i < COAP_AHEAD_MAX; i++) {
			make(l, &keys[i], bytes[i]);
			coap_ahead(server, &keys[i], view_of(bytes[i], l->len));
		}
		coap_ahead_end(server);
		for (uint32_t i = 0; i < COAP_AHEAD_MAX; i++) {
			const struct datagram d = {
				.bytes = bytes[i],
				.len = l->len,
				.key = &keys[i],
				.listener = &listener,
				.now_ns = now_ns,
			};
			coap_input(server, &d);
		}
	}
	now_ns += 300ull * 1000000000;
	coap_poll(server, now_ns);
}

static struct load request(enum coap_type type) {
	static const char payload[] =
		"{\"temp\":21.4,\"hum\":40.1,\"bat\":3.71,\"rssi\":-71,\"seq\":123456,"
		"\"time\":1790000000000,\"state\":\"ok\",\"x\":12345}";
	struct load l = {0};
	struct coap_writer w = coap_write(
		l.bytes, sizeof(l.bytes), type, COAP_POST, 0, VIEW_LITERAL("\x01\x02\x03\x04")
	);

	coap_write_option(&w, COAP_URI_PATH, VIEW_LITERAL("t"));
	coap_write_option(&w, COAP_URI_PATH, VIEW_LITERAL("device-123456"));
	coap_write_option(&w, COAP_URI_PATH, VIEW_LITERAL("env"));
	coap_write_uint(&w, COAP_CONTENT_FORMAT, 50);
	coap_write_payload(&w, VIEW_LITERAL(payload));
	l.len = coap_writer_len(&w);
	return l;
}

int main(void) {
	static struct config c;
	const struct coap_env env = {
		.adapter = {.ledger = &ledger, .push = push, .send = sent, .secret = {1, 2}},
		.random = random_number,
	};
	struct load non = request(COAP_NON);
	struct load con = request(COAP_CON);
	struct load copy = request(COAP_CON);

	c.coap.exchanges = 262144;
	c.coap.pending = 16384;
	c.coap.ack_delay_ms = 500;
	copy.copies = true;
	if (coap_create(&env, &c, &server) != 0)
		return 1;
	cycles_print("coap parse", "post-100", cycles_per_operation(parse, &non, REQUESTS));
	cycles_print("coap serve", "non-post-100", cycles_per_operation(serve, &non, REQUESTS));
	cycles_print("coap serve", "con-post-100", cycles_per_operation(serve, &con, REQUESTS));
	cycles_print("coap serve", "con-copy-100", cycles_per_operation(serve, &copy, REQUESTS));
	coap_destroy(server);
	return answered > 0 ? 0 : 1;
}
