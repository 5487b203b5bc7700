// SPDX-License-Identifier: Apache-2.0
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

static void udp_is_delivered(void **) {
	struct frame f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 8094, "m v=1", 5);
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

// Row 4 of the checklist: an Ethernet frame's padding is not data.
static void rfc_4_padding_is_not_data(void **) {
	struct frame f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 8094, "x", 1);

	add(&f, (uint8_t[17]) {0xee}, 17);
	assert_int_equal(f.len, 60);
	assert_int_equal(rig_in(r, 0, &f), 1);
	assert_int_equal(packet_of(r->delivered.frames[0])->payload_len, 1);
	assert_int_equal(r->delivered.frames[0]->pkt_len, 43);
}

static void udp_is_answered_on_the_path_it_came(void **) {
	struct frame f = udp(7, "10.77.0.2", 4000, "10.77.0.1", 8094, "ab", 2);

	assert_int_equal(rig_in(r, 0, &f), 1);
	struct rte_mbuf *m = r->delivered.frames[0];
	struct net_path path = net_path_of(m);
	assert_int_equal(net_udp_send(r->net, &packet_of(m)->key, &path, "answer!", 7), 0);
	// The ARP question of the neighbour table, and the answer without waiting for it.
	assert_int_equal(r->sent.count, 2);
	struct frame q = rig_bytes(r->sent.frames[0]);
	assert_int_equal(q.bytes[17], 0x06);
	struct frame a = rig_bytes(r->sent.frames[1]);
	struct frame want = udp(7, "10.77.0.1", 8094, "10.77.0.2", 4000, "answer!", 7);
	assert_int_equal(a.len, want.len);
	assert_memory_equal(a.bytes, device_mac, 6);
	assert_memory_equal(a.bytes + 12, "\x81\x00\x00\x07\x08\x00", 6);
	assert_memory_equal(a.bytes + 30, want.bytes + 30, want.len - 30);
}

static void ping_is_answered(void **) {
	struct frame f = ip(0, "10.77.0.2", "10.77.0.1", 1, "\x08\0\0\0\x12\x34\0\x01hello", 13);

	assert_int_equal(rig_in(r, 0, &f), 0);
	struct frame a = rig_bytes(r->sent.frames[r->sent.count - 1]);
	assert_int_equal(a.bytes[34], 0);
	assert_memory_equal(a.bytes + 38, "\x12\x34\0\x01hello", 9);
	assert_memory_equal(a.bytes, device_mac, 6);
	assert_int_equal(r->frames.consumed, 1);
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
	assert_true(a->owner_hash != b->owner_hash);
	assert_int_not_equal(memcmp(&a->key, &b->key, sizeof(a->key)), 0);
}

static void rfc_68_arp_request_for_us_is_answered(void **) {
	struct frame f = arp(7, 1, "10.77.0.2", "10.77.0.1");

	assert_int_equal(rig_in(r, 0, &f), 0);
	assert_int_equal(r->sent.count, 1);
	struct frame a = rig_bytes(r->sent.frames[0]);
	assert_memory_equal(a.bytes, device_mac, 6);
	assert_memory_equal(a.bytes + 12, "\x81\x00\x00\x07\x08\x06", 6);
	assert_memory_equal(a.bytes + 18 + 6, "\0\2", 2);
	assert_memory_equal(a.bytes + 18 + 14, "\x0a\x4d\x00\x01", 4);
	assert_memory_equal(a.bytes + 18 + 24, "\x0a\x4d\x00\x02", 4);
	f = arp(0, 1, "10.77.0.2", "10.77.0.9");
	rig_in(r, 0, &f);
	assert_int_equal(r->sent.count, 1);
	assert_int_equal(r->frames.dropped[DROP_ARP_NOT_OURS], 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(udp_is_delivered),
		TEST(rfc_4_padding_is_not_data),
		TEST(udp_is_answered_on_the_path_it_came),
		TEST(ping_is_answered),
		TEST(realms_do_not_meet),
		TEST(rfc_68_arp_request_for_us_is_answered),
	};
	if (rig_eal("netip4") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
