// SPDX-License-Identifier: Apache-2.0
// The input is a sequence of steps for one server: a length byte and a datagram, or a command
// (length 0xf0 and above) that lets time pass, gives a verdict or moves the peer. After every input
// the ledger balances and every pushed view lies inside what it may point to; every answer is a
// message that our own decoder accepts, and none to an unproven source outgrows its request.
#include "dataplane/coap/server.h"
#include "parsers/coap_request.h"

#include <stdlib.h>
#include <string.h>

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct ledger_messages ledger;
static uint32_t waiting[64];
static uint32_t waiting_count;
static uint32_t request_len; // 0: an answer may be of any length
static uint64_t touched;

static void touch(struct view v) {
	for (uint32_t i = 0; i < v.len; i++)
		touched += v.p[i];
}

static void push(void *, const struct message *m) {
	ledger.received++;
	ledger.accepted++;
	touch(m->path);
	touch(m->payload);
	CHECK(m->path.len > 4 && memcmp(m->path.p, "t/", 2) == 0);
	CHECK(m->format < PAYLOAD_FORMAT_COUNT);
	if (m->token != TOKEN_NONE) {
		CHECK(waiting_count < 64);
		waiting[waiting_count++] = m->token;
	}
}

static void
answer(void *, const struct flow_key *, const struct net_path *, const void *bytes, uint32_t len) {
	struct coap_message m;

	CHECK(len >= COAP_HEADER_BYTES);
	CHECK(coap_decode(view_of(bytes, len), &m) == COAP_OK);
	CHECK(request_len == 0 || len <= request_len);
}

static uint64_t random_number(void *) {
	return touched;
}

static struct coap_server *server_make(void) {
	static struct config c;
	const struct coap_env env = {
		.adapter = {.ledger = &ledger, .push = push, .send = answer, .secret = {1, 2}},
		.random = random_number,
	};
	struct coap_server *s;

	c.coap.exchanges = 16;
	c.coap.pending = 8;
	c.coap.ack_delay_ms = 500;
	c.coap.max_age_s = 10;
	c.coap.uploads = 2;
	c.coap.upload_bytes = 64;
	c.coap.upload_timeout_ms = 5000;
	c.coap.echo = true;
	CHECK(coap_create(&env, &c, &s) == 0);
	return s;
}

static void verdict(struct coap_server *s, uint8_t what) {
	struct verdict v = {.outcome = what % 3, .refuse = what % REFUSE_REASON_COUNT};

	if (waiting_count > 0)
		coap_done(s, waiting[--waiting_count], &v);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
	static const struct profile profiles[2] = {{.separate = false}, {.separate = true}};
	struct config_listener listener = {
		.auth = AUTH_NONE, .format = PAYLOAD_JSON, .profile = &profiles[1]
	};
	struct flow_key key = {.remote_port = 1, .family = 4};
	struct coap_server *s = server_make();
	struct datagram d = {.key = &key, .listener = &listener, .now_ns = 1};
	struct ledger l = {0};
	char why[128];

	ledger = (struct ledger_messages) {0};
	waiting_count = 0;
	for (size_t i = 0; i < n; i++) {
		uint8_t len = bytes[i];
		request_len = 0;
		if (len >= 0xf0) {
			uint8_t what = i + 1 < n ? bytes[++i] : 0;
			if (len == 0xf0)
				d.now_ns += (uint64_t)what << 28;
			else if (len == 0xf1)
				verdict(s, what);
			else if (len == 0xf2)
				key.remote_port = what;
			else if (len == 0xf3)
				listener.profile = &profiles[what % 2];
			else
				d.multicast = len == 0xf4;
			coap_poll(s, d.now_ns);
			continue;
		}
		if (len > n - i - 1)
			len = (uint8_t)(n - i - 1);
		// On the heap and exactly as long, so that an over-read is seen.
		uint8_t *copy = malloc(len + 1u);
		memcpy(copy, bytes + i + 1, len);
		d.bytes = copy;
		d.len = len;
		request_len = len;
		coap_input(s, &d);
		request_len = 0;
		coap_poll(s, d.now_ns);
		free(copy);
		i += len;
	}
	request_len = 0;
	while (waiting_count > 0)
		verdict(s, 0);
	coap_poll(s, d.now_ns + (1ull << 40));
	l.messages[TRANSPORT_COAP] = ledger;
	CHECK(ledger_balanced(&l, why, sizeof(why)));
	coap_destroy(s);
	return 0;
}
