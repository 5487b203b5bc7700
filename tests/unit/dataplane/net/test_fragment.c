// SPDX-License-Identifier: Apache-2.0
// Reassembly (row 70): whole datagrams, refusals, overlaps, time-outs and nothing left behind.
#include "dataplane/net/net.h"
#include "rig.h"

#include <rte_mempool.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PAYLOAD 3000

static struct rig *r;
static uint8_t payload[PAYLOAD];

static int setup(void **) {
	r = rig_new(0, 1);
	rig_start(r);
	for (uint32_t i = 0; i < PAYLOAD; i++)
		payload[i] = (uint8_t)(i * 7 + i / 256);
	return 0;
}

static int teardown(void **) {
	rig_end(r);
	return 0;
}

static struct frame big(uint16_t vlan, bool v6) {
	return v6 ? udp(vlan, "fd77::2", 4000, "fd77::1", 8094, payload, PAYLOAD)
		  : udp(vlan, "10.77.0.2", 4000, "10.77.0.1", 8094, payload, PAYLOAD);
}

static void expect_whole(const struct rte_mbuf *m) {
	const struct packet *p = packet_of((struct rte_mbuf *)m);
	uint8_t room[PAYLOAD];

	assert_int_equal(p->payload_len, PAYLOAD);
	assert_int_equal(p->key.local_port, 8094);
	assert_memory_equal(net_payload(m, room), payload, PAYLOAD);
}

static void rfc_70_any_order(void **) {
	static const uint8_t orders[4][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {2, 0, 1}};

	for (uint32_t i = 0; i < 8; i++) {
		struct frame f = big(i % 3 == 1 ? 7 : 0, i >= 4), parts[4];
		assert_int_equal(cut(&f, 1400, (uint16_t)i, parts, 4), 3);
		for (uint32_t k = 0; k < 3; k++)
			assert_int_equal(rig_in(r, 0, &parts[orders[i % 4][k]]), k == 2);
		expect_whole(r->delivered.frames[i]);
		assert_int_equal(r->frames.in_reassembly, 0);
		assert_int_equal(r->frames.consumed, 2 * (i + 1));
	}
}

static void small_datagrams_come_in_one_piece(void **) {
	struct frame f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 8094, payload, 100), parts[4];
	unsigned n = cut(&f, 40, 9, parts, 4);

	for (unsigned i = 0; i < n; i++)
		rig_in(r, 0, &parts[i]);
	assert_int_equal(r->delivered.count, 1);
	assert_int_equal(r->delivered.frames[0]->nb_segs, 1);
}

static void rfc_70_realms_do_not_meet(void **) {
	for (int v6 = 0; v6 < 2; v6++) {
		struct frame seven = big(7, v6), none = big(0, v6), a[4], b[4];
		cut(&seven, 1400, 5, a, 4);
		cut(&none, 1400, 5, b, 4);
		rig_in(r, 0, &a[0]);
		rig_in(r, 0, &b[1]);
		rig_in(r, 0, &b[2]);
		assert_int_equal(r->delivered.count, 0);
		rig_in(r, 0, &a[1]);
		rig_in(r, 0, &a[2]);
		assert_int_equal(r->delivered.count, 1);
		assert_int_equal(packet_of(r->delivered.frames[0])->key.realm, 7);
		assert_int_equal(r->frames.in_reassembly, 2);
		net_poll(r->net, r->now_ns += 3 * SECOND);
		rig_clear(r);
	}
}

static void rfc_70_protocols_do_not_meet(void **) {
	uint8_t echo[200] = {8, 0, 0, 0, 1, 2, 3, 4};
	struct frame ping = ip(0, "10.77.0.2", "10.77.0.1", 1, echo, sizeof(echo)), a[4], b[4];
	struct frame f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 8094, payload, 192);

	cut(&ping, 104, 5, a, 4);
	cut(&f, 104, 5, b, 4);
	rig_in(r, 0, &a[0]);
	rig_in(r, 0, &b[1]);
	assert_int_equal(r->frames.in_reassembly, 2);
	rig_in(r, 0, &b[0]);
	assert_int_equal(r->delivered.count, 1);
	rig_in(r, 0, &a[1]);
	struct frame reply = rig_last(r);
	assert_int_equal(reply.len, 34 + 200);
	assert_int_equal(reply.bytes[34], 0);
	assert_memory_equal(reply.bytes + 26, "\x0a\x4d\0\1\x0a\x4d\0\2", 8);
}

static void rfc_70_the_checksum_is_verified_over_the_whole(void **) {
	struct frame f = big(0, true), parts[4];

	cut(&f, 1400, 1, parts, 4);
	parts[1].bytes[500] ^= 1;
	for (int i = 0; i < 3; i++)
		rig_in(r, 0, &parts[i]);
	assert_int_equal(r->delivered.count, 0);
	assert_int_equal(r->frames.dropped[DROP_UDP_CHECKSUM], 1);
	assert_int_equal(r->frames.in_reassembly, 0);
}

// RFC 5722: a datagram with overlapping fragments is never delivered, and all of it goes.
static void rfc_70_overlaps_are_never_delivered(void **) {
	for (int v6 = 0; v6 < 2; v6++) {
		struct frame f = big(0, v6), a[4], b[8];
		cut(&f, 1400, 7, a, 4);
		cut(&f, 1000, 7, b, 8);
		struct frame *mix[] = {&a[0], &b[1], &a[1], &a[2]};
		for (int i = 0; i < 4; i++)
			rig_in(r, 0, mix[i]);
		assert_int_equal(r->delivered.count, 0);
		net_poll(r->net, r->now_ns += 3 * SECOND);
		assert_int_equal(r->frames.in_reassembly, 0);
	}
	assert_true(r->frames.dropped[DROP_FRAGMENT_BAD] > 0);
}

static void rfc_70_time_out_without_another_fragment(void **) {
	struct frame four = big(0, false), six = big(0, true), parts[4];
	int before = (int)rte_mempool_avail_count(rig_pool());

	cut(&four, 1400, 7, parts, 4);
	rig_in(r, 0, &parts[0]);
	rig_in(r, 0, &parts[2]);
	cut(&six, 1400, 7, parts, 4);
	rig_in(r, 0, &parts[0]);
	assert_int_equal(r->frames.in_reassembly, 3);
	uint64_t due = net_poll(r->net, r->now_ns);
	assert_true(due < r->now_ns + SECOND);
	rig_clear(r);
	for (uint64_t end = r->now_ns + 3 * SECOND; r->now_ns < end; r->now_ns += SECOND / 10)
		net_poll(r->net, r->now_ns);
	assert_int_equal(r->frames.in_reassembly, 0);
	assert_int_equal(r->frames.dropped[DROP_FRAGMENT_EXPIRED], 3);
	// Whose first fragment we had, is told: ICMP 11/1 and ICMPv6 3/1.
	int told = 0;
	for (uint32_t i = 0; i < r->sent.count; i++) {
		struct frame f = rig_bytes(r->sent.frames[i]);
		told += f.bytes[12] == 8 && f.bytes[13] == 0 && f.bytes[34] == 11
			&& f.bytes[35] == 1;
		told += f.bytes[12] == 0x86 && f.bytes[54] == 3 && f.bytes[55] == 1;
	}
	assert_int_equal(told, 2);
	check_all(r);
	rig_clear(r);
	assert_int_equal(rte_mempool_avail_count(rig_pool()), before);
}

static void refused_fragments(void **) {
	uint8_t tcp[100] = {1, [12] = 0x50};
	struct frame f = ip(0, "10.77.0.2", "10.77.0.1", 6, tcp, 100), parts[4];

	cut(&f, 48, 7, parts, 4);
	expect_drop(r, "TCP", &parts[0], DROP_FRAGMENT_TCP);
	expect_drop(r, "TCP, later", &parts[1], DROP_FRAGMENT_TCP);
	f = ip(0, "fd77::2", "fd77::1", 6, tcp, 100);
	cut(&f, 48, 7, parts, 4);
	expect_drop(r, "TCP over IPv6", &parts[0], DROP_FRAGMENT_TCP);
	f = ip(0, "10.77.0.2", "10.77.0.1", 89, tcp, 100);
	cut(&f, 48, 7, parts, 4);
	expect_drop(r, "another protocol, later", &parts[1], DROP_IP_PROTOCOL);

	f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 8094, payload, 100);
	cut(&f, 48, 7, parts, 4);
	parts[0].bytes[17]--; // total length: 47 bytes and more to come
	ip4_reseal(&parts[0]);
	expect_drop(r, "not a multiple of 8", &parts[0], DROP_FRAGMENT_BAD);
	parts[0].bytes[17] = 20;
	ip4_reseal(&parts[0]);
	expect_drop(r, "empty", &parts[0], DROP_FRAGMENT_BAD);
	parts[1].bytes[20] = 0x3f;
	parts[1].bytes[21] = 0xff;
	ip4_reseal(&parts[1]);
	expect_drop(r, "beyond 65535", &parts[1], DROP_FRAGMENT_BAD);

	f = udp(0, "fd77::2", 4000, "fd77::1", 8094, payload, 100);
	cut(&f, 48, 7, parts, 4);
	parts[0].bytes[54] = 44;
	expect_drop(r, "nested", &parts[0], DROP_IP6_EXTENSION);
	cut(&f, 48, 7, parts, 4);
	parts[0].bytes[19]--;
	expect_drop(r, "not a multiple of 8, IPv6", &parts[0], DROP_FRAGMENT_BAD);
	parts[0].bytes[19] = 7;
	expect_drop(r, "header cut", &parts[0], DROP_FRAGMENT_BAD);
	assert_int_equal(r->frames.in_reassembly, 0);
}

// RFC 6980.
static void rfc_69_neighbour_discovery_in_fragments(void **) {
	uint8_t b[64] = {135, [8] = 0xfd, 0x77, [23] = 1, 14, 5};
	struct frame f = ip(0, "fd77::2", "fd77::1", 58, b, 64), parts[4];

	assert_int_equal(cut(&f, 32, 7, parts, 4), 2);
	rig_in(r, 0, &parts[0]);
	rig_in(r, 0, &parts[1]);
	assert_int_equal(r->frames.dropped[DROP_ND_BAD], 1);
	assert_int_equal(r->sent.count, 0);
}

static void too_many_fragments(void **) {
	struct frame f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 8094, payload, 800), parts[128];
	unsigned n = cut(&f, 80, 7, parts, 128);

	assert_true(n > 8);
	for (unsigned i = 0; i < n; i++)
		rig_in(r, 0, &parts[i]);
	assert_int_equal(r->delivered.count, 0);
	assert_true(r->frames.dropped[DROP_FRAGMENT_BAD] >= 8);
	net_poll(r->net, r->now_ns += 3 * SECOND);
	assert_int_equal(r->frames.in_reassembly, 0);
}

// A flood of first fragments: bounded, counted, over after the time-out.
static void a_full_table_refuses_and_recovers(void **) {
	struct frame f = big(0, false), parts[4];
	int before = (int)rte_mempool_avail_count(rig_pool());

	for (uint16_t id = 0; id < 200; id++) {
		cut(&f, 1400, id, parts, 4);
		rig_in(r, 0, &parts[0]);
	}
	assert_true(r->frames.in_reassembly <= 16);
	assert_int_equal(r->frames.in_reassembly + r->frames.dropped[DROP_FRAGMENT_FULL], 200);
	struct frame seven = big(7, false); // another realm has its own places
	cut(&seven, 1400, 1, parts, 4);
	for (int i = 0; i < 3; i++)
		rig_in(r, 0, &parts[i]);
	assert_int_equal(r->delivered.count, 1);
	r->now_ns += 3 * SECOND;
	cut(&f, 1400, 1000, parts, 4);
	for (int i = 0; i < 3; i++)
		rig_in(r, 0, &parts[i]);
	assert_int_equal(r->delivered.count, 2);
	rig_clear(r);
	assert_int_equal(rte_mempool_avail_count(rig_pool()), before);
}

static void what_waits_at_the_end_is_freed(void **) {
	struct frame f = big(0, false), parts[4];

	cut(&f, 1400, 7, parts, 4);
	rig_in(r, 0, &parts[0]);
	// rig_end() looks for missing mbufs
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(rfc_70_any_order),
		TEST(small_datagrams_come_in_one_piece),
		TEST(rfc_70_realms_do_not_meet),
		TEST(rfc_70_protocols_do_not_meet),
		TEST(rfc_70_the_checksum_is_verified_over_the_whole),
		TEST(rfc_70_overlaps_are_never_delivered),
		TEST(rfc_70_time_out_without_another_fragment),
		TEST(refused_fragments),
		TEST(rfc_69_neighbour_discovery_in_fragments),
		TEST(too_many_fragments),
		TEST(a_full_table_refuses_and_recovers),
		TEST(what_waits_at_the_end_is_freed),
	};
	if (rig_eal("netfrag") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
