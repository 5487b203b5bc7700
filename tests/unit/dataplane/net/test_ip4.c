// SPDX-License-Identifier: Apache-2.0
// IPv4, ICMP and UDP over it: what is delivered, answered and dropped.
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
	return udp(0, "10.77.0.2", 4000, "10.77.0.1", 8094, "m v=1", 5);
}

static void udp_is_delivered(void **) {
	struct frame f = good();
	uint8_t room[2048];

	assert_int_equal(rig_in(r, 0, &f), 1);
	struct rte_mbuf *m = r->delivered.frames[0];
	const struct packet *p = packet_of(m);
	assert_int_equal(p->key.family, 4);
	assert_int_equal(p->key.protocol, 17);
	assert_memory_equal(p->key.remote, "\x0a\x4d\x00\x02\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_memory_equal(p->key.local, "\x0a\x4d\x00\x01\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(p->key.remote_port, 4000);
	assert_int_equal(p->key.local_port, 8094);
	assert_int_equal(p->payload_len, 5);
	assert_memory_equal(net_payload(m, room), "m v=1", 5);
	assert_memory_equal(p->remote_mac, device_mac, 6);
	assert_int_equal(p->flags, 0);
}

static void tcp_is_delivered(void **) {
	uint8_t syn[24] = {0x10, 0, 0x07, 0x5b, [12] = 0x60, [13] = 2, [20] = 2, 4, 5, 0xb4};
	struct frame f = ip(0, "10.77.0.2", "10.77.0.1", 6, syn, sizeof(syn));

	assert_int_equal(rig_in(r, 0, &f), 1);
	const struct packet *p = packet_of(r->delivered.frames[0]);
	assert_int_equal(p->key.protocol, 6);
	assert_int_equal(p->key.remote_port, 4096);
	assert_int_equal(p->key.local_port, 1883);
	assert_int_equal(p->l4_offset, 34);
	assert_int_equal(p->payload_offset, 58);
	assert_int_equal(p->payload_len, 0);
}

// Row 4 of the checklist: an Ethernet frame's padding is not data.
static void rfc_4_padding_is_not_data(void **) {
	struct frame f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 8094, "x", 1);

	add(&f, (uint8_t[17]) {0xee}, 17);
	assert_int_equal(f.len, 60);
	assert_int_equal(rig_in(r, 0, &f), 1);
	assert_int_equal(packet_of(r->delivered.frames[0])->payload_len, 1);
	assert_int_equal(r->delivered.frames[0]->pkt_len, 43);
}

// Two VLANs with the same device address: two realms, two keys.
static void realms_do_not_meet(void **) {
	struct frame seven = udp(7, "10.77.0.2", 4000, "10.77.0.1", 8094, "7", 1);
	struct frame eight = udp(8, "10.77.0.2", 4000, "10.77.0.1", 8094, "8", 1);

	assert_int_equal(rig_in(r, 0, &seven), 1);
	assert_int_equal(rig_in(r, 0, &eight), 1);
	const struct packet *a = packet_of(r->delivered.frames[0]);
	const struct packet *b = packet_of(r->delivered.frames[1]);
	assert_int_equal(a->key.realm, 7);
	assert_int_equal(b->key.realm, 8);
	static const uint64_t secret[2] = {1, 2};
	assert_true(flow_key_hash(secret, &a->key) != flow_key_hash(secret, &b->key));
	assert_int_not_equal(memcmp(&a->key, &b->key, sizeof(a->key)), 0);
}

// An edit of a good frame, and the reason it is dropped for.
struct edit {
	const char *name;
	uint32_t at; // from the IPv4 header
	uint8_t value;
	bool reseal; // make the header checksum right again
	enum drop_reason why;
};

static const struct edit edits[] = {
	{"version 5", 0, 0x55, true, DROP_IP_VERSION},
	{"header of 16 bytes", 0, 0x44, false, DROP_IP_LENGTH},
	{"header longer than the packet", 0, 0x4f, false, DROP_IP_LENGTH},
	{"total length beyond the frame", 3, 34, true, DROP_IP_LENGTH},
	{"total length less than the header", 3, 19, true, DROP_IP_LENGTH},
	{"header checksum", 10, 0x55, false, DROP_IP_CHECKSUM},
	{"source 0.x", 12, 0, true, DROP_IP_SOURCE},
	{"source loopback", 12, 127, true, DROP_IP_SOURCE},
	{"source multicast", 12, 224, true, DROP_IP_SOURCE},
	{"source class E", 12, 250, true, DROP_IP_SOURCE},
	{"source our own", 15, 1, true, DROP_IP_SOURCE},
	{"source subnet broadcast", 15, 255, true, DROP_IP_SOURCE},
	{"destination not ours", 19, 9, true, DROP_IP_NOT_OURS},
	{"destination subnet broadcast", 19, 255, true, DROP_IP_NOT_OURS},
	{"UDP length less than the header", 25, 7, false, DROP_UDP_LENGTH},
	{"UDP length beyond the packet", 25, 14, false, DROP_UDP_LENGTH},
	{"UDP checksum", 27, 0x55, false, DROP_UDP_CHECKSUM},
	{"payload bit", 30, 0x55, false, DROP_UDP_CHECKSUM},
	{"UDP ports", 21, 0x55, false, DROP_UDP_CHECKSUM},
};

static void bad_headers_each_have_a_reason(void **) {
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		const struct edit *e = &edits[i];
		struct frame f = good();
		assert_int_not_equal(f.bytes[14 + e->at], e->value);
		f.bytes[14 + e->at] = e->value;
		if (e->reseal)
			ip4_reseal(&f);
		expect_drop(r, e->name, &f, e->why);
	}
}

// Every prefix of a good frame is dropped for a reason of the layer it ends in.
static void every_truncation_is_dropped(void **) {
	for (uint32_t len = 1; len < 47; len++) {
		struct frame f = good();
		f.len = len;
		enum drop_reason why = len < 14 ? DROP_L2_SHORT
			: len < 34		? DROP_IP_SHORT
						: DROP_IP_LENGTH;
		expect_drop(r, "truncated", &f, why);
	}
}

static void short_transport_headers(void **) {
	struct frame f = ip(0, "10.77.0.2", "10.77.0.1", 17, "\1\2\3\4\5\6\7", 7);
	expect_drop(r, "7 bytes of UDP", &f, DROP_UDP_SHORT);
	f = ip(0, "10.77.0.2", "10.77.0.1", 6, (uint8_t[19]) {1}, 19);
	expect_drop(r, "19 bytes of TCP", &f, DROP_TCP_SHORT);
	f = ip(0, "10.77.0.2", "10.77.0.1", 6, (uint8_t[20]) {1, [12] = 0x40}, 20);
	expect_drop(r, "data offset 4", &f, DROP_TCP_SHORT);
	f = ip(0, "10.77.0.2", "10.77.0.1", 6, (uint8_t[20]) {1, [12] = 0x60}, 20);
	expect_drop(r, "data offset beyond", &f, DROP_TCP_SHORT);
	f = ip(0, "10.77.0.2", "10.77.0.1", 6, (uint8_t[20]) {1, [12] = 0x50}, 20);
	f.bytes[40] ^= 1;
	expect_drop(r, "TCP checksum", &f, DROP_TCP_CHECKSUM);
}

static void rfc_71_udp_without_checksum_over_ipv4(void **) {
	struct frame f = good();

	f.bytes[40] = f.bytes[41] = 0;
	assert_int_equal(rig_in(r, 0, &f), 1);
}

static void rfc_71_bytes_behind_the_udp_length_are_not_data(void **) {
	struct frame f = good();

	f.bytes[39] = 12; // of 13
	f.bytes[40] = f.bytes[41] = 0;
	assert_int_equal(rig_in(r, 0, &f), 1);
	assert_int_equal(packet_of(r->delivered.frames[0])->payload_len, 4);
}

static void options_frame(struct frame *f, const uint8_t *options, uint8_t len) {
	struct frame g = good();

	f->len = 0;
	add(f, g.bytes, 34);
	add(f, options, len);
	add(f, g.bytes + 34, g.len - 34);
	f->bytes[14] = (uint8_t)(0x45 + len / 4);
	f->bytes[17] = (uint8_t)(33 + len);
	ip4_reseal(f);
}

static void options(void **) {
	struct frame f;

	options_frame(&f, (const uint8_t *)"\x94\x04\0\0", 4); // router alert
	assert_int_equal(rig_in(r, 0, &f), 1);
	assert_int_equal(packet_of(r->delivered.frames[0])->payload_offset, 46);
	options_frame(&f, (const uint8_t *)"\1\1\0\xff", 4); // what follows the end is nothing
	assert_int_equal(rig_in(r, 0, &f), 1);
	options_frame(&f, (const uint8_t *)"\x83\x07\x04\x0a\0\0\1\0", 8);
	expect_drop(r, "loose source route", &f, DROP_IP_OPTIONS);
	options_frame(&f, (const uint8_t *)"\x89\x07\x04\x0a\0\0\1\0", 8);
	expect_drop(r, "strict source route", &f, DROP_IP_OPTIONS);
	options_frame(&f, (const uint8_t *)"\x44\0\0\0", 4);
	expect_drop(r, "length 0", &f, DROP_IP_OPTIONS);
	options_frame(&f, (const uint8_t *)"\x44\x05\0\0", 4);
	expect_drop(r, "length beyond", &f, DROP_IP_OPTIONS);
	options_frame(&f, (const uint8_t *)"\1\1\1\x44", 4);
	expect_drop(r, "no length", &f, DROP_IP_OPTIONS);
}

static void other_protocols_are_unreachable(void **) {
	struct frame f = ip(0, "10.77.0.2", "10.77.0.1", 89, "ospf", 4);

	rig_in(r, 0, &f);
	assert_int_equal(r->frames.dropped[DROP_IP_PROTOCOL], 1);
	struct frame a = rig_last(r);
	assert_int_equal(a.bytes[34], 3); // destination unreachable
	assert_int_equal(a.bytes[35], 2); // protocol
	assert_memory_equal(a.bytes + 42, f.bytes + 14, 24);
}

static void served_groups_are_delivered(void **) {
	struct frame f = udp(0, "10.77.0.2", 4000, "224.0.1.187", 5683, "x", 1);

	assert_int_equal(rig_in(r, 0, &f), 1);
	assert_int_equal(packet_of(r->delivered.frames[0])->flags, PACKET_LOCAL_MULTICAST);
	f = udp(7, "10.77.0.2", 4000, "224.0.1.187", 5683, "x", 1);
	expect_drop(r, "in a realm whose listeners do not name it", &f, DROP_IP_NOT_OURS);
	f = udp(0, "10.77.0.2", 4000, "224.0.0.5", 5683, "x", 1);
	expect_drop(r, "another group", &f, DROP_IP_NOT_OURS);
	f = udp(0, "10.77.0.2", 4000, "255.255.255.255", 67, "x", 1);
	expect_drop(r, "broadcast", &f, DROP_IP_NOT_OURS);
}

// RFC 1122 section 3.3.6.
static void a_broadcast_frame_carries_no_unicast_datagram(void **) {
	struct frame f = good();

	memset(f.bytes, 0xff, 6);
	expect_drop(r, "broadcast frame", &f, DROP_IP_NOT_OURS);
}

// The hardware's word counts if, and only if, the port is one whose hardware checks.
static void hardware_flags(void **) {
	struct frame f = good();
	struct rte_mbuf *m;

	f.bytes[40] ^= 1;
	m = rig_mbuf(&f);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	assert_int_equal(rig_in_mbuf(r, 0, m), 0);
	assert_int_equal(r->frames.dropped[DROP_UDP_CHECKSUM], 1);
	rig_end(r);

	r = rig_new(0, 1);
	r->ports[0].rx_checksum = true;
	rig_start(r);
	m = rig_mbuf(&f);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	assert_int_equal(rig_in_mbuf(r, 0, m), 1);
	assert_int_equal(rig_in(r, 0, &f), 0); // unknown: software
	f = good();
	m = rig_mbuf(&f);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	assert_int_equal(rig_in_mbuf(r, 0, m), 0);
	assert_int_equal(r->frames.dropped[DROP_UDP_CHECKSUM], 2);
	m = rig_mbuf(&f);
	m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_BAD;
	assert_int_equal(rig_in_mbuf(r, 0, m), 0);
	assert_int_equal(r->frames.dropped[DROP_IP_CHECKSUM], 1);
}

// A frame whose bytes lie in several mbufs (jumbo frames, captures).
static void frames_in_segments(void **) {
	struct frame f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 8094, (uint8_t[999]) {7}, 999);
	struct frame head = f, tail = {.len = 0};
	uint8_t room[1000];

	head.len = 61; // odd, inside the payload
	add(&tail, f.bytes + 61, f.len - 61);
	struct rte_mbuf *m = rig_mbuf(&head);
	assert_int_equal(rte_pktmbuf_chain(m, rig_mbuf(&tail)), 0);
	assert_int_equal(rig_in_mbuf(r, 0, m), 1);
	assert_memory_equal(net_payload(r->delivered.frames[0], room), f.bytes + 42, 999);
	tail.bytes[500] ^= 1;
	m = rig_mbuf(&head);
	rte_pktmbuf_chain(m, rig_mbuf(&tail));
	assert_int_equal(rig_in_mbuf(r, 0, m), 0);
	assert_int_equal(r->frames.dropped[DROP_UDP_CHECKSUM], 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(udp_is_delivered),
		TEST(tcp_is_delivered),
		TEST(rfc_4_padding_is_not_data),
		TEST(realms_do_not_meet),
		TEST(bad_headers_each_have_a_reason),
		TEST(every_truncation_is_dropped),
		TEST(short_transport_headers),
		TEST(rfc_71_udp_without_checksum_over_ipv4),
		TEST(rfc_71_bytes_behind_the_udp_length_are_not_data),
		TEST(options),
		TEST(other_protocols_are_unreachable),
		TEST(served_groups_are_delivered),
		TEST(a_broadcast_frame_carries_no_unicast_datagram),
		TEST(hardware_flags),
		TEST(frames_in_segments),
	};
	if (rig_eal("netip4") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
