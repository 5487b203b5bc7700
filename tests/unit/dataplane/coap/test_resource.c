// SPDX-License-Identifier: Apache-2.0
// What is asked of a resource: refusals, formats, discovery, proof of the source, groups, uploads.
#include "tests/unit/dataplane/coap/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *name;
	struct rig_request r;
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
		struct rig_request r = refusals[i].r;
		r.type = COAP_CON;
		rig_send(r);
		struct coap_message m = rig_reply(i);
		if (m.type != COAP_ACK || m.code != refusals[i].code)
			fail_msg("%s: %u.%02u", refusals[i].name, m.code >> 5, m.code & 31);
	}
	assert_int_equal(rig.pushed_count, 0);
	assert_int_equal(rig.ledger.received, sizeof(refusals) / sizeof(refusals[0]));
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

	rig.listener.format = PAYLOAD_LINE;
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig_send((struct rig_request) {
			.type = COAP_CON,
			POST_ENV,
			.extra = COAP_CONTENT_FORMAT,
			.extra_value = rows[i].value,
		});
		assert_int_equal(rig.pushed_count, i + 1);
		assert_int_equal(rig.pushed[i].m.format, rows[i].format);
		rig_verdict(i, OUTCOME_ACKED);
	}
}

static void rfc7252_8_1_multicast(void **) {
	rig_send((struct rig_request) {.type = COAP_CON, POST_ENV, .multicast = true});
	assert_int_equal(rig.pushed_count, 0);
	rig_send((struct rig_request) {.type = COAP_NON, POST_ENV, .multicast = true});
	assert_int_equal(rig.pushed_count, 1);
	assert_true(rig.pushed[0].m.token == TOKEN_NONE);
	// Errors are not worth a group's bandwidth; resets neither.
	rig_send((struct rig_request
	) {.type = COAP_NON, .code = COAP_GET, .path = {"x"}, .multicast = true});
	rig_input("\x40\x00\x12\x34", 4, true);
	rig_input("\x4f\x02\x12\x34", 4, true);
	assert_int_equal(rig.sent_count, 0);
}

static void rfc7252_8_2_multicast_discovery_waits_its_leisure(void **) {
	struct rig_request r = {
		.type = COAP_NON,
		.code = COAP_GET,
		.path = {".well-known", "core"},
		.multicast = true,
	};

	rig_send(r); // unproven: no answer larger than the question
	rig_advance(6 * S);
	assert_int_equal(rig.sent_count, 0);

	coap_destroy(rig.server);
	rig.config.coap.echo = false;
	assert_int_equal(rig_setup(NULL), 0);
	rig.config.coap.echo = false;
	coap_use(rig.server, &rig.config);
	memcpy(rig.peer.local, "\xe0\x00\x01\xbb", 4);
	rig.random = 2000;
	rig_send(r);
	rig_advance(1900 * MS);
	assert_int_equal(rig.sent_count, 0);
	rig_advance(300 * MS);
	rig_expect(0, COAP_NON, COAP_CONTENT, 0);
	assert_memory_equal(rig.sent[0].key.local, "\x0a\x00\x00\x01", 4);
}

static void rfc9175_2_4_no_amplification_for_an_unproven_source(void **) {
	struct rig_request r = {
		.type = COAP_CON, .code = COAP_GET, .path = {".well-known", "core"}
	};
	struct view echo;

	rig_send(r);
	rig_expect(0, COAP_ACK, COAP_UNAUTHORIZED, 0);
	struct coap_message m = rig_reply(0);
	assert_true(rig_option(&m, COAP_ECHO, &echo));
	assert_true(rig.sent[0].len <= 4 + 2 + 12 + 5); // the request's own size

	r.extra = COAP_ECHO;
	r.extra_value = echo;
	rig_send(r);
	rig_expect(1, COAP_ACK, COAP_CONTENT, 0);
	m = rig_reply(1);
	assert_non_null(memmem(m.payload.p, m.payload.len, "</t>", 4));
	assert_int_equal(rig_count(COAP_ECHO_ASKED), 1);

	// Another endpoint cannot use it, and it ages.
	rig.peer.remote_port++;
	rig_send(r);
	rig_expect(2, COAP_ACK, COAP_UNAUTHORIZED, 0);
	rig.peer.remote_port--;
	rig.now += 61 * S;
	rig_send(r);
	rig_expect(3, COAP_ACK, COAP_UNAUTHORIZED, 0);
	assert_int_equal(rig_count(COAP_ECHO_BAD), 2);
}

static void no_answer_outgrows_an_unproven_request(void **) {
	for (uint32_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		uint32_t before = rig.sent_count;
		struct rig_request r = refusals[i].r;
		r.type = COAP_CON;
		rig_send(r);
		uint32_t smallest = 4 + 2;
		for (uint32_t n = 0; n < 4 && r.path[n] != NULL; n++)
			smallest += 1 + (uint32_t)strlen(r.path[n]);
		smallest += r.payload != NULL ? 1 + (uint32_t)strlen(r.payload) : 0;
		smallest += r.extra != 0 ? 2 + r.extra_value.len : 0;
		assert_int_equal(rig.sent_count, before + 1);
		assert_true(rig.sent[before].len <= smallest);
	}
}

static void rfc9175_an_echo_proves_the_source_of_telemetry(void **) {
	struct view echo;

	rig_send((struct rig_request
	) {.type = COAP_CON, .code = COAP_GET, .path = {".well-known", "core"}});
	struct coap_message m = rig_reply(0);
	assert_true(rig_option(&m, COAP_ECHO, &echo));
	rig_send((struct rig_request
	) {.type = COAP_CON, POST_ENV, .extra = COAP_ECHO, .extra_value = echo});
	assert_true(rig.pushed[0].m.proven);
}

static void rfc6690_discovery_in_blocks(void **) {
	struct rig_request r = {
		.type = COAP_CON,
		.code = COAP_GET,
		.path = {".well-known", "core"},
		.extra = COAP_BLOCK2,
	};
	char text[256];
	uint32_t len = 0;
	bool more = true;

	rig.config.coap.echo = false;
	coap_use(rig.server, &rig.config);
	for (uint32_t num = 0; more; num++) {
		uint8_t value = (uint8_t)(num << 4 | 1); // 32 bytes
		struct view block;
		struct coap_block b;
		r.extra_value = view_of(&value, 1);
		rig_send(r);
		struct coap_message m = rig_reply(num);
		assert_int_equal(m.code, COAP_CONTENT);
		assert_true(rig_option(&m, COAP_BLOCK2, &block));
		assert_true(coap_block_decode(block, &b));
		memcpy(text + len, m.payload.p, m.payload.len);
		len += m.payload.len;
		more = b.more;
		assert_true(num < 8);
	}
	assert_non_null(memmem(text, len, "ct=\"42 50 60 110 112\"", 21));
	r.extra_value = VIEW_LITERAL("\x71"); // block 7
	uint32_t before = rig.sent_count;
	rig_send(r);
	rig_expect(before, COAP_ACK, COAP_BAD_REQUEST, 0);
}

static void block_send(uint16_t mid, uint32_t num, bool more, const char *payload) {
	uint8_t value = (uint8_t)(num << 4 | (uint32_t)more << 3);

	rig_send((struct rig_request) {
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
	rig_expect(0, COAP_ACK, COAP_CONTINUE, 1);
	struct coap_message m = rig_reply(0);
	assert_true(rig_option(&m, COAP_BLOCK1, &block));
	assert_true(view_equal(block, VIEW_LITERAL("\x08")));
	block_send(1, 0, true, "{\"a\":1,\"bbbbb\":2"); // copy
	rig_expect(1, COAP_ACK, COAP_CONTINUE, 1);
	assert_memory_equal(rig.sent[0].bytes, rig.sent[1].bytes, rig.sent[0].len);
	block_send(2, 1, false, ",\"c\":3}");
	assert_int_equal(rig.pushed_count, 1);
	assert_string_equal(rig.pushed[0].payload, "{\"a\":1,\"bbbbb\":2,\"c\":3}");
	rig_verdict(0, OUTCOME_ACKED);
	rig_expect(2, COAP_ACK, COAP_CHANGED, 2);
	m = rig_reply(2);
	assert_true(rig_option(&m, COAP_BLOCK1, &block));
	assert_true(view_equal(block, VIEW_LITERAL("\x10")));
	assert_int_equal(rig.ledger.received, 1); // one upload is one message
}

static void rfc7959_2_9_uploads_that_fail(void **) {
	struct view size;

	block_send(1, 1, true, "0123456789abcdef");
	rig_expect(0, COAP_ACK, COAP_INCOMPLETE, 1);
	block_send(2, 7, true, "0123456789abcdef"); // 128 bytes: more than the limit
	rig_expect(1, COAP_ACK, COAP_ENTITY_TOO_LARGE, 2);
	struct coap_message m = rig_reply(1);
	assert_true(rig_option(&m, COAP_SIZE1, &size));
	assert_true(view_equal(size, VIEW_LITERAL("\x64")));
	block_send(3, 0, true, "short");
	rig_expect(2, COAP_ACK, COAP_BAD_REQUEST, 3);

	for (uint16_t i = 0; i < 3; i++) {
		rig.peer.remote_port = 50000 + i;
		block_send(4, 0, true, "0123456789abcdef");
	}
	rig_expect(5, COAP_ACK, COAP_UNAVAILABLE, 4);
	assert_int_equal(rig.ledger.shed[SHED_UPLOAD_LIMIT], 1);
	rig_advance(11 * S); // the two open ones end as messages that came to nothing
	assert_int_equal(rig.ledger.shed[SHED_UPLOAD_LIMIT], 3);
	assert_int_equal(rig_count(COAP_UPLOAD_EXPIRED), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(refused_requests),
		TEST(rfc7252_5_10_3_content_format_names_the_payload_format),
		TEST(rfc7252_8_1_multicast),
		TEST(rfc7252_8_2_multicast_discovery_waits_its_leisure),
		TEST(rfc9175_2_4_no_amplification_for_an_unproven_source),
		TEST(no_answer_outgrows_an_unproven_request),
		TEST(rfc9175_an_echo_proves_the_source_of_telemetry),
		TEST(rfc6690_discovery_in_blocks),
		TEST(rfc7959_block1_upload),
		TEST(rfc7959_2_9_uploads_that_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
