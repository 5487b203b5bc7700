// SPDX-License-Identifier: Apache-2.0
// IPv6, extension headers, ICMPv6 and neighbour discovery.
#include "dataplane/net/net.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct rig *r;

static int setup(void **) {
	r = rig_new(0, 1);
	rig_start(r);
	return 0;
}

static int teardown(void **) {
	rig_end(r);
	return 0;
}

static struct frame good(void) {
	return udp(0, "fd77::2", 4000, "fd77::1", 8094, "m v=1", 5);
}

// A good frame with extension headers put before its UDP header; `first` is the type of the first
// one, and the last one's next header is expected to be 17.
static struct frame extended(uint8_t first, const void *headers, uint32_t len) {
	struct frame g = good(), f = {.len = 0};

	add(&f, g.bytes, 54);
	add(&f, headers, len);
	add(&f, g.bytes + 54, g.len - 54);
	f.bytes[18] = (uint8_t)((13 + len) >> 8);
	f.bytes[19] = (uint8_t)(13 + len);
	f.bytes[20] = first;
	return f;
}

static void udp_is_delivered(void **) {
	struct frame f = good();
	uint8_t room[2048];

	add(&f, "\xee\xee", 2); // padding
	assert_int_equal(rig_in(r, 0, &f), 1);
	struct rte_mbuf *m = r->delivered.frames[0];
	const struct packet *p = packet_of(m);
	assert_int_equal(p->key.family, 6);
	assert_memory_equal(p->key.remote, "\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
	assert_memory_equal(p->key.local, "\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	assert_int_equal(p->key.remote_port, 4000);
	assert_int_equal(p->key.local_port, 8094);
	assert_memory_equal(net_payload(m, room), "m v=1", 5);
	assert_int_equal(m->pkt_len, f.len - 2);
}

static const struct {
	const char *name;
	uint32_t at; // from the IPv6 header
	const char *bytes;
	uint32_t len;
	enum drop_reason why;
} edits[] = {
	{"version 4", 0, "\x40", 1, DROP_IP_VERSION},
	{"payload beyond the frame", 5, "\x0e", 1, DROP_IP_LENGTH},
	{"source multicast", 8, "\xff\x02", 2, DROP_IP_SOURCE},
	{"source loopback", 8, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, DROP_IP_SOURCE},
	{"source unspecified", 8, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, DROP_IP_SOURCE},
	{"source v4-mapped", 8, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16, DROP_IP_SOURCE},
	{"source our own", 23, "\1", 1, DROP_IP_SOURCE},
	{"destination not ours", 39, "\x09", 1, DROP_IP_NOT_OURS},
	{"UDP to all nodes", 24, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, DROP_IP_NOT_OURS},
	{"UDP length", 45, "\7", 1, DROP_UDP_LENGTH},
	{"UDP checksum", 46, "\x5a\x5a", 2, DROP_UDP_CHECKSUM},
	{"payload shorter than UDP", 5, "\7", 1, DROP_UDP_SHORT},
};

static void bad_headers_each_have_a_reason(void **) {
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct frame f = good();
		memcpy(f.bytes + 14 + edits[i].at, edits[i].bytes, edits[i].len);
		expect_drop(r, edits[i].name, &f, edits[i].why);
	}
}

static void every_truncation_is_dropped(void **) {
	for (uint32_t len = 14; len < 67; len++) {
		struct frame f = good();
		f.len = len;
		expect_drop(r, "truncated", &f, len < 54 ? DROP_IP_SHORT : DROP_IP_LENGTH);
	}
}

static void rfc_71_udp_without_checksum_is_refused(void **) {
	struct frame f = good();

	f.bytes[60] = f.bytes[61] = 0;
	expect_drop(r, "zero checksum", &f, DROP_UDP_CHECKSUM);
}

static void extension_headers_are_skipped(void **) {
	static const uint8_t hop[8] = {17, 0, 5, 2, 0, 0, 1, 0}; // router alert, PadN
	static const uint8_t chain[24] = {60, 0, 1, 4, [8] = 43, 0, 1, 4, [16] = 17, 0, 4, 0};
	static const uint8_t atomic[8] = {17, 0, 0, 0, 1, 2, 3, 4};
	struct frame f = extended(0, hop, 8);

	assert_int_equal(rig_in(r, 0, &f), 1);
	assert_int_equal(packet_of(r->delivered.frames[0])->l4_offset, 62);
	f = extended(0, chain, 24);
	assert_int_equal(rig_in(r, 0, &f), 1);
	assert_int_equal(packet_of(r->delivered.frames[1])->payload_len, 5);
	f = extended(44, atomic, 8);
	assert_int_equal(rig_in(r, 0, &f), 1);
	assert_int_equal(packet_of(r->delivered.frames[2])->key.protocol, 17);
}

static void extension_headers_are_limited(void **) {
	uint8_t many[40] = {60, 0, 1,	      4, [8] = 60, 0, 1,	 4, [16] = 60, 0,
			    1,	4, [24] = 60, 0, 1,	   4, [32] = 17, 0, 1,	       4};
	uint8_t large[136] = {17, 16, 1, 132};
	struct frame f = extended(60, many, 40);

	expect_drop(r, "five headers", &f, DROP_IP6_EXTENSION);
	many[24] = 17;
	f = extended(60, many, 32);
	assert_int_equal(rig_in(r, 0, &f), 1);
	f = extended(60, large, 136);
	expect_drop(r, "136 bytes", &f, DROP_IP6_EXTENSION);
	large[1] = 15;
	large[3] = 124;
	f = extended(60, large, 128);
	assert_int_equal(rig_in(r, 0, &f), 1);
	f = extended(60, "\x3c\0\1\4\0\0\0\0\x11\x20\1\4\0\0\0\0", 16);
	expect_drop(r, "beyond the packet", &f, DROP_IP6_EXTENSION);
	f = extended(60, "\0\0\1\4\0\0\0\0\x11\0\1\4\0\0\0\0", 16);
	expect_drop(r, "hop-by-hop not first", &f, DROP_IP6_EXTENSION);
	f = extended(43, "\x11\2\0\1\0\0\0\0\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\3", 24);
	expect_drop(r, "routing type 0", &f, DROP_IP6_EXTENSION);
	f = extended(60, "\x11\0\x44\7\0\0\0\0", 8);
	expect_drop(r, "option beyond its header, discard", &f, DROP_IP6_EXTENSION);
	f = extended(60, "\x11\0\x44\2\0\0\1\0", 8);
	expect_drop(r, "unknown option, discard silently", &f, DROP_IP6_EXTENSION);
	f = extended(60, "\x11\0\x1e\2\0\0\1\0", 8);
	assert_int_equal(rig_in(r, 0, &f), 1);
}

// RFC 8200 section 4.2: bits 10 ask for a parameter problem that points at the option.
static void parameter_problems(void **) {
	struct frame f = extended(60, "\x11\0\x84\2\0\0\1\0", 8);

	rig_in(r, 0, &f);
	assert_int_equal(r->frames.dropped[DROP_IP6_EXTENSION], 1);
	struct frame a = rig_last(r);
	assert_memory_equal(a.bytes + 54, "\4\2", 2);
	assert_memory_equal(a.bytes + 58, "\0\0\0\x2a", 4);
	assert_memory_equal(a.bytes + 62, f.bytes + 14, f.len - 14);
	f = extended(43, "\x11\2\2\1\0\0\0\0\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\3", 24);
	rig_in(r, 0, &f);
	a = rig_last(r);
	assert_memory_equal(a.bytes + 54, "\4\0", 2);
	assert_memory_equal(a.bytes + 58, "\0\0\0\x2a", 4);
	f = ip(0, "fd77::2", "fd77::1", 89, "ospf", 4);
	rig_in(r, 0, &f);
	assert_int_equal(r->frames.dropped[DROP_IP_PROTOCOL], 1);
	a = rig_last(r);
	assert_memory_equal(a.bytes + 54, "\4\1", 2);
	assert_memory_equal(a.bytes + 58, "\0\0\0\6", 4);
	uint32_t sent = r->sent.count;
	f = ip(0, "fd77::2", "fd77::1", 59, "", 0);
	rig_in(r, 0, &f);
	assert_int_equal(r->sent.count, sent); // "no next header" is not a mistake
}

static void ping_is_answered(void **) {
	struct frame f = ip(0, "fd77::2", "fd77::1", 58, "\x80\0\0\0\x12\x34\0\x01hello", 13);

	assert_int_equal(rig_in(r, 0, &f), 0);
	struct frame a = rig_last(r);
	assert_int_equal(a.bytes[54], 129);
	assert_memory_equal(a.bytes + 58, "\x12\x34\0\x01hello", 9);
	assert_memory_equal(a.bytes + 22, f.bytes + 38, 16);
	assert_int_equal(r->frames.consumed, 1);
	check_all(r);
	f = ip(0, "fd77::2", "ff02::1", 58, "\x80\0\0\0\x12\x34\0\x01hello", 13);
	expect_drop(r, "ping of all nodes", &f, DROP_ICMP_IGNORED);
	f = ip(0, "fd77::2", "fd77::1", 58, "\x81\0\0\0\x12\x34\0\x01hello", 13);
	expect_drop(r, "echo reply", &f, DROP_ICMP_IGNORED);
	f.bytes[60] ^= 1;
	expect_drop(r, "checksum", &f, DROP_ICMP_BAD);
	f = ip(0, "fd77::2", "fd77::1", 58, "\x80\0\0\0", 4);
	expect_drop(r, "short", &f, DROP_ICMP_BAD);
	f = ip(0, "fd77::1", "fd77::1", 58, "\x80\0\0\0\0\0\0\0", 8);
	expect_drop(r, "from ourselves", &f, DROP_IP_SOURCE);
}

// A neighbour solicitation with a source link-layer address.
static struct frame solicitation(const char *from, const char *to, uint8_t target) {
	uint8_t b[32] = {135, [8] = 0xfd, 0x77, [23] = target, 1, 1, 2, 0, 0, 0, 0, 0xd1};

	return ip(0, from, to, 58, b, 32);
}

static void rfc_69_solicitations_are_answered(void **) {
	struct frame f = solicitation("fd77::2", "ff02::1:ff00:1", 1);

	rig_in(r, 0, &f);
	assert_int_equal(r->sent.count, 1);
	struct frame a = rig_last(r);
	assert_memory_equal(a.bytes, device_mac, 6);
	assert_int_equal(a.bytes[21], 255);
	assert_memory_equal(a.bytes + 38, f.bytes + 22, 16); // to the asker
	assert_int_equal(a.bytes[54], 136);
	assert_int_equal(a.bytes[58], 0x60); // solicited, override
	assert_memory_equal(a.bytes + 62, "\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	assert_memory_equal(a.bytes + 78, "\2\1", 2);
	assert_memory_equal(a.bytes + 80, rig_mac, 6);
	f = solicitation("fd77::2", "fd77::1", 1); // unreachability detection
	rig_in(r, 0, &f);
	assert_int_equal(r->sent.count, 2);
	f = solicitation("fd77::2", "fd77::1", 9);
	expect_drop(r, "another target", &f, DROP_IP_NOT_OURS);
}

static void rfc_69_a_probe_of_somebody_else_is_answered_to_all(void **) {
	struct frame f = ip(
		0, "::", "ff02::1:ff00:1", 58, (uint8_t[24]) {135, [8] = 0xfd, 0x77, [23] = 1}, 24
	);

	for (int i = 0; i < 10; i++) // past our own detection
		net_poll(r->net, r->now_ns += SECOND);
	rig_clear(r);
	rig_in(r, 0, &f);
	assert_int_equal(r->sent.count, 1);
	struct frame a = rig_last(r);
	assert_memory_equal(a.bytes, "\x33\x33\0\0\0\1", 6);
	assert_int_equal(a.bytes[58], 0x20); // override only
}

static void rfc_69_malformed(void **) {
	struct frame f = solicitation("fd77::2", "fd77::1", 1);
	uint8_t b[40] = {135, [8] = 0xfd, 0x77, [23] = 1, 1, 1, 2, 0, 0, 0, 0, 0xd1};

	f.bytes[21] = 254;
	expect_drop(r, "hop limit", &f, DROP_IP_TTL);
	f = solicitation("fd77::2", "fd77::1", 1);
	f.bytes[56] ^= 1;
	expect_drop(r, "checksum", &f, DROP_ICMP_BAD);
	f = ip(0, "fd77::2", "fd77::1", 58, b, 23);
	expect_drop(r, "short", &f, DROP_ND_BAD);
	f = ip(0, "fd77::2", "fd77::1", 58, b, 31);
	expect_drop(r, "option cut", &f, DROP_ND_BAD);
	b[25] = 0;
	f = ip(0, "fd77::2", "fd77::1", 58, b, 32);
	expect_drop(r, "option length 0", &f, DROP_ND_BAD);
	b[25] = 2;
	f = ip(0, "fd77::2", "fd77::1", 58, b, 32);
	expect_drop(r, "option beyond", &f, DROP_ND_BAD);
	b[25] = 1;
	b[1] = 1;
	f = ip(0, "fd77::2", "fd77::1", 58, b, 32);
	expect_drop(r, "code", &f, DROP_ND_BAD);
	b[1] = 0;
	b[8] = 0xff;
	f = ip(0, "fd77::2", "fd77::1", 58, b, 32);
	expect_drop(r, "target is a group", &f, DROP_ND_BAD);
	b[8] = 0xfd;
	f = ip(0, "::", "ff02::1:ff00:1", 58, b, 32);
	expect_drop(r, "probe with a link-layer address", &f, DROP_ND_BAD);
	f = ip(0, "::", "fd77::1", 58, b, 24);
	expect_drop(r, "probe to one host", &f, DROP_ND_BAD);
	b[0] = 136;
	b[4] = 0x40;
	f = ip(0, "fd77::2", "ff02::1", 58, b, 24);
	expect_drop(r, "solicited advertisement to all", &f, DROP_ND_BAD);
	b[26] |= 1;
	b[0] = 135;
	f = ip(0, "fd77::2", "fd77::1", 58, b, 32);
	expect_drop(r, "link-layer address is a group", &f, DROP_ND_BAD);
}

static void rfc_69_duplicate_address_detection(void **) {
	net_poll(r->net, r->now_ns);
	// One probe per IPv6 address: interfaces 0 and 1 have fd77::1.
	uint32_t probes = 0;
	for (uint32_t i = 0; i < r->sent.count; i++) {
		struct frame f = rig_bytes(r->sent.frames[i]);
		uint32_t l3 = l3_of(&f);
		if (f.bytes[l3] >> 4 != 6)
			continue;
		probes++;
		assert_memory_equal(f.bytes, "\x33\x33\xff\0\0\1", 6);
		assert_int_equal(f.bytes[l3 + 40], 135);
		assert_int_equal(f.bytes[l3 + 5], 24); // no option
		assert_memory_equal(f.bytes + l3 + 8, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	}
	assert_int_equal(probes, 2);
	// Somebody has it: out of service in that realm, and there alone.
	uint8_t na[32] = {136, [4] = 0x20, [8] = 0xfd, 0x77, [23] = 1, 2, 1, 2, 0, 0, 0, 0, 0xd1};
	struct frame f = ip(0, "fd77::1", "ff02::1", 58, na, 32);
	rig_in(r, 0, &f);
	assert_int_equal(net_stats(r->net)->conflicts, 1);
	f = good();
	expect_drop(r, "address in conflict", &f, DROP_IP_NOT_OURS);
	f = udp(7, "fd77::2", 4000, "fd77::1", 8094, "m v=1", 5);
	assert_int_equal(rig_in(r, 0, &f), 1);
	// Tried again after a minute, and announced.
	for (int i = 0; i < 70; i++)
		net_poll(r->net, r->now_ns += SECOND);
	assert_int_equal(net_stats(r->net)->conflicts, 0);
	f = good();
	assert_int_equal(rig_in(r, 0, &f), 1);
}

static void a_later_claim_is_answered_by_an_announcement(void **) {
	uint8_t na[32] = {136, [4] = 0x20, [8] = 0xfd, 0x77, [23] = 1, 2, 1, 2, 0, 0, 0, 0, 0xd1};
	struct frame claim = ip(0, "fd77::1", "ff02::1", 58, na, 32);

	for (int i = 0; i < 10; i++)
		net_poll(r->net, r->now_ns += SECOND);
	rig_clear(r);
	rig_in(r, 0, &claim);
	rig_in(r, 0, &claim); // within ten seconds: not again
	assert_int_equal(r->sent.count, 1);
	struct frame a = rig_last(r);
	assert_int_equal(a.bytes[54], 136);
	assert_int_equal(net_stats(r->net)->conflicts, 0);
	assert_int_equal(net_stats(r->net)->conflicts_seen, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(udp_is_delivered),
		TEST(bad_headers_each_have_a_reason),
		TEST(every_truncation_is_dropped),
		TEST(rfc_71_udp_without_checksum_is_refused),
		TEST(extension_headers_are_skipped),
		TEST(extension_headers_are_limited),
		TEST(parameter_problems),
		TEST(ping_is_answered),
		TEST(rfc_69_solicitations_are_answered),
		TEST(rfc_69_a_probe_of_somebody_else_is_answered_to_all),
		TEST(rfc_69_malformed),
		TEST(rfc_69_duplicate_address_detection),
		TEST(a_later_claim_is_answered_by_an_announcement),
	};
	if (rig_eal("netip6") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
