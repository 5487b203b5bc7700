// SPDX-License-Identifier: Apache-2.0
// ICMP: echo, errors about our flows, and when errors of ours are sent (row 67).
#include "dataplane/net/net.h"
#include "rig.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct rig *r;
static struct net_icmp_error heard;
static int heard_count;

static void on_error(void *, const struct net_icmp_error *e) {
	heard = *e;
	heard_count++;
}

static int setup(void **) {
	r = rig_new(0, 1);
	rig_start(r);
	heard_count = 0;
	net_on_icmp_error(r->net, on_error, NULL);
	return 0;
}

static int teardown(void **) {
	rig_end(r);
	return 0;
}

static void ping_is_answered(void **) {
	struct frame f = ip(0, "10.77.0.2", "10.77.0.1", 1, "\x08\0\0\0\x12\x34\0\x01hello", 13);

	assert_int_equal(rig_in(r, 0, &f), 0);
	struct frame a = rig_last(r);
	assert_int_equal(a.bytes[34], 0);
	assert_memory_equal(a.bytes + 26, "\x0a\x4d\0\1\x0a\x4d\0\2", 8);
	assert_memory_equal(a.bytes + 38, "\x12\x34\0\x01hello", 9);
	assert_memory_equal(a.bytes, device_mac, 6);
	assert_int_equal(r->frames.consumed, 1);
}

// Checksums at the edges of one's complement arithmetic.
static void every_checksum_survives(void **) {
	for (uint32_t v = 0; v < 0x10000; v += 0x111) {
		uint8_t b[8] = {8, 0, 0, 0, (uint8_t)(v >> 8), (uint8_t)v, 0xf7, 0xff};
		struct frame f = ip(0, "10.77.0.2", "10.77.0.1", 1, b, 8);
		r->now_ns += SECOND;
		rig_in(r, 0, &f);
		check_all(r);
		assert_int_equal(rig_last(r).bytes[34], 0);
		rig_clear(r);
	}
}

static void rfc_67_echo_is_rate_limited(void **) {
	struct frame f = ip(0, "10.77.0.2", "10.77.0.1", 1, "\x08\0\0\0\x12\x34\0\x01", 8);

	for (int i = 0; i < 50; i++)
		rig_in(r, 0, &f);
	assert_int_equal(r->frames.consumed, 11); // a tenth of a second's worth, and one
	assert_int_equal(r->frames.dropped[DROP_ICMP_LIMIT], 39);
	r->now_ns += SECOND / 100;
	rig_in(r, 0, &f);
	assert_int_equal(r->frames.consumed, 12);
}

static void ignored_and_malformed(void **) {
	struct frame f = ip(0, "10.77.0.2", "10.77.0.1", 1, "\x08\0\0\0", 4);

	expect_drop(r, "short", &f, DROP_ICMP_BAD);
	f = ip(0, "10.77.0.2", "10.77.0.1", 1, "\x08\0\0\0\0\0\0\0", 8);
	f.bytes[36] ^= 1;
	expect_drop(r, "checksum", &f, DROP_ICMP_BAD);
	f = ip(0, "10.77.0.2", "10.77.0.1", 1, "\x08\1\0\0\0\0\0\0", 8);
	expect_drop(r, "echo with a code", &f, DROP_ICMP_BAD);
	f = ip(0, "10.77.0.2", "10.77.0.1", 1, "\x0d\0\0\0\0\0\0\0", 8);
	expect_drop(r, "timestamp", &f, DROP_ICMP_IGNORED);
	f = ip(0, "10.77.0.2", "10.77.0.1", 1, "\x05\0\0\0\0\0\0\0", 8);
	expect_drop(r, "redirect", &f, DROP_ICMP_IGNORED);
	f = ip(0, "10.77.0.2", "224.0.1.187", 1, "\x08\0\0\0\0\0\0\0", 8);
	expect_drop(r, "echo to a group", &f, DROP_ICMP_IGNORED);
}

// The packet of ours that an error quotes.
static struct frame quoted(bool v6, uint8_t protocol, const char *from) {
	uint8_t l4[20] = {0x1f, 0x9e, 0x0f, 0xa0, 0x11, 0x22, 0x33, 0x44, [12] = 0x50};
	struct frame f = v6 ? ip(0, from, "fd77::9", protocol, l4, 20)
			    : ip(0, from, "10.77.0.9", protocol, l4, 20);

	// The checksum written into the transport header must not disturb the sequence number.
	if (protocol == 17)
		memcpy(f.bytes + f.len - 20 + 4, "\x11\x22\x33\x44", 4);
	return f;
}

static struct frame
error_about(const struct frame *q, uint8_t type, uint8_t code, uint32_t word, uint32_t len) {
	bool v6 = q->bytes[12] == 0x86;
	struct frame b = {.len = 0};

	add(&b, (uint8_t[]) {type, code, 0, 0}, 4);
	add32(&b, word);
	add(&b, q->bytes + 14, len);
	return v6 ? ip(0, "fd77::fe", "fd77::1", 58, b.bytes, b.len)
		  : ip(0, "10.77.0.254", "10.77.0.1", 1, b.bytes, b.len);
}

static void errors_about_our_flows_are_passed_on(void **) {
	struct frame q = quoted(false, 6, "10.77.0.1");
	struct frame f = error_about(&q, 3, 4, 1400, 28);

	rig_in(r, 0, &f);
	assert_int_equal(heard_count, 1);
	assert_int_equal(heard.type, 3);
	assert_int_equal(heard.code, 4);
	assert_int_equal(heard.mtu, 1400);
	assert_int_equal(heard.seq, 0x11223344);
	assert_int_equal(heard.key.local_port, 0x1f9e);
	assert_int_equal(heard.key.remote_port, 0x0fa0);
	assert_memory_equal(heard.key.remote, "\x0a\x4d\0\x09\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(heard.key.protocol, 6);
	f = error_about(&q, 11, 0, 0, 28);
	rig_in(r, 0, &f);
	assert_int_equal(heard.mtu, 0);
	q = quoted(true, 17, "fd77::1");
	f = error_about(&q, 2, 0, 1280, 48);
	rig_in(r, 0, &f);
	assert_int_equal(heard_count, 3);
	assert_int_equal(heard.key.family, 6);
	assert_int_equal(heard.mtu, 1280);
	assert_int_equal(heard.key.remote_port, 0x0fa0);
	assert_memory_equal(heard.key.remote, "\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\x09", 16);
	assert_int_equal(r->frames.consumed, 3);
	assert_int_equal(r->sent.count, 0);
}

static void errors_are_validated(void **) {
	struct frame q = quoted(false, 6, "10.77.0.1"), f;

	for (uint32_t len = 0; len < 28; len++) {
		f = error_about(&q, 3, 1, 0, len);
		expect_drop(r, "quote too short", &f, DROP_ICMP_BAD);
	}
	q = quoted(false, 6, "10.77.0.7");
	f = error_about(&q, 3, 1, 0, 28);
	expect_drop(r, "not from us", &f, DROP_ICMP_BAD);
	q = quoted(false, 1, "10.77.0.1");
	f = error_about(&q, 3, 1, 0, 28);
	expect_drop(r, "about ICMP", &f, DROP_ICMP_BAD);
	q = quoted(false, 6, "10.77.0.1");
	q.bytes[21] = 1;
	f = error_about(&q, 3, 1, 0, 28);
	expect_drop(r, "about a later fragment", &f, DROP_ICMP_BAD);
	q = quoted(true, 6, "fd77::1");
	for (uint32_t len = 0; len < 48; len++) {
		f = error_about(&q, 1, 1, 0, len);
		expect_drop(r, "quote too short, IPv6", &f, DROP_ICMP_BAD);
	}
	q = quoted(true, 58, "fd77::1");
	f = error_about(&q, 1, 1, 0, 48);
	expect_drop(r, "about ICMPv6", &f, DROP_ICMP_BAD);
	assert_int_equal(heard_count, 0);
}

static void nobody_listens_for_errors(void **) {
	struct frame q = quoted(false, 6, "10.77.0.1");
	struct frame f = error_about(&q, 3, 1, 0, 28);

	net_on_icmp_error(r->net, NULL, NULL);
	expect_drop(r, "no listener", &f, DROP_ICMP_IGNORED);
}

static void reject(const struct frame *f) {
	assert_int_equal(rig_in(r, 0, f), 1);
	net_reject(r->net, r->delivered.frames[r->delivered.count - 1]);
}

static void rfc_67_port_unreachable(void **) {
	uint8_t large[1400] = {1};
	struct frame f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 9, large, sizeof(large));

	reject(&f);
	struct frame a = rig_last(r);
	assert_memory_equal(a.bytes + 34, "\3\3", 2);
	assert_int_equal(a.len, 14 + 576); // RFC 1812: no more
	assert_memory_equal(a.bytes + 42, f.bytes + 14, 548);
	f = udp(0, "fd77::2", 4000, "fd77::1", 9, large, sizeof(large));
	reject(&f);
	a = rig_last(r);
	assert_memory_equal(a.bytes + 54, "\1\4", 2);
	assert_int_equal(a.len, 14 + 1280);
	assert_memory_equal(a.bytes + 62, f.bytes + 14, 1232);
}

static void rfc_67_no_error_about_a_group(void **) {
	struct frame f = udp(0, "10.77.0.2", 4000, "224.0.1.187", 9, "x", 1);

	reject(&f);
	f = udp(0, "fd77::2", 4000, "ff02::fd", 9, "x", 1);
	reject(&f);
	assert_int_equal(r->sent.count, 0);
}

static void rfc_67_no_error_about_an_error(void **) {
	struct frame q = quoted(false, 6, "10.77.0.1"), f, parts[4];

	f = error_about(&q, 3, 1, 0, 12);
	rig_in(r, 0, &f);
	// With an option that asks for a parameter problem.
	f = ip(0, "fd77::2", "fd77::1", 60, "\x3a\0\x84\2\0\0\1\0\1\1\0\0\0\0\0\0", 16);
	rig_in(r, 0, &f);
	assert_int_equal(r->frames.dropped[DROP_IP6_EXTENSION], 1);
	// A later fragment of an unknown protocol.
	f = ip(0, "10.77.0.2", "10.77.0.1", 89, (uint8_t[64]) {1}, 64);
	cut(&f, 32, 1, parts, 4);
	rig_in(r, 0, &parts[1]);
	// Should somebody ask for one about an ICMP message.
	f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 9, "x", 1);
	rig_in(r, 0, &f);
	packet_of(r->delivered.frames[0])->key.protocol = 1;
	net_reject(r->net, r->delivered.frames[0]);
	f = udp(0, "fd77::2", 4000, "fd77::1", 9, "x", 1);
	rig_in(r, 0, &f);
	packet_of(r->delivered.frames[1])->key.protocol = 58;
	net_reject(r->net, r->delivered.frames[1]);
	assert_int_equal(r->sent.count, 0);
}

static void rfc_67_errors_are_rate_limited(void **) {
	struct frame f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 9, "x", 1);
	uint32_t errors = 0;

	for (int i = 0; i < 50; i++)
		reject(&f);
	for (uint32_t i = 0; i < r->sent.count; i++)
		errors += rig_bytes(r->sent.frames[i]).bytes[13] == 0;
	assert_int_equal(errors, 11);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(ping_is_answered),
		TEST(every_checksum_survives),
		TEST(rfc_67_echo_is_rate_limited),
		TEST(ignored_and_malformed),
		TEST(errors_about_our_flows_are_passed_on),
		TEST(errors_are_validated),
		TEST(nobody_listens_for_errors),
		TEST(rfc_67_port_unreachable),
		TEST(rfc_67_no_error_about_a_group),
		TEST(rfc_67_no_error_about_an_error),
		TEST(rfc_67_errors_are_rate_limited),
	};
	if (rig_eal("neticmp") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
