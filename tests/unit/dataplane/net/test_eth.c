// SPDX-License-Identifier: Apache-2.0
// Ethernet, VLAN tags, the exception port and mirror ports.
#include "dataplane/net/net.h"
#include "rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct rig *r;
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0x99};

static int setup(void **) {
	r = rig_new(0, 1);
	rig_start(r);
	return 0;
}

static int setup_exception(void **) {
	r = rig_new(0, 1);
	r->ports[0].exception = true;
	rig_start(r);
	return 0;
}

static int teardown(void **) {
	rig_end(r);
	return 0;
}

static struct frame good(uint16_t vlan) {
	return udp(vlan, "10.77.0.2", 4000, "10.77.0.1", 8094, "m v=1", 5);
}

static void addresses(void **) {
	struct frame f = good(0);

	memcpy(f.bytes, other_mac, 6);
	expect_drop(r, "unicast to another", &f, DROP_L2_NOT_OURS);
	f = good(0);
	f.bytes[6] |= 1;
	expect_drop(r, "source is a group", &f, DROP_L2_SOURCE);
	f = good(0);
	memset(f.bytes + 6, 0, 6);
	expect_drop(r, "source is zero", &f, DROP_L2_SOURCE);
	f = good(0);
	memcpy(f.bytes + 6, rig_mac, 6);
	expect_drop(r, "source is us", &f, DROP_L2_SOURCE);
}

static void tags(void **) {
	struct frame f = good(9);

	expect_drop(r, "VLAN without an interface", &f, DROP_VLAN_UNKNOWN);
	f = good(7);
	f.bytes[14] |= 0xe0; // priority
	assert_int_equal(rig_in(r, 0, &f), 1);
	f = good(7);
	f.bytes[15] = 0; // VLAN 0: priority only, untagged
	f.bytes[14] = 0x60;
	assert_int_equal(rig_in(r, 0, &f), 1);
	assert_int_equal(packet_of(r->delivered.frames[1])->key.realm, 0);
	f = good(7);
	f.len = 16;
	expect_drop(r, "cut in the tag", &f, DROP_L2_SHORT);
}

static void stacked_tags_are_refused(void **) {
	struct frame f = eth(rig_mac, device_mac, 7, 0x8100);

	add32(&f, 0x00080800);
	expect_drop(r, "two 802.1Q tags", &f, DROP_VLAN_STACKED);
	f = eth(rig_mac, device_mac, 0, 0x88a8);
	add32(&f, 0x00070800);
	expect_drop(r, "802.1ad", &f, DROP_VLAN_STACKED);
	f = good(7);
	struct rte_mbuf *m = rig_mbuf(&f);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 8;
	rig_in_mbuf(r, 0, m);
	assert_int_equal(r->frames.dropped[DROP_VLAN_STACKED], 3);
}

static struct rte_mbuf *stripped(uint16_t vlan, struct frame f) {
	struct rte_mbuf *m = rig_mbuf(&f);

	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = vlan;
	return m;
}

static void a_tag_taken_out_by_hardware_is_the_same_tag(void **) {
	assert_int_equal(rig_in_mbuf(r, 0, stripped(7, good(0))), 1);
	struct rte_mbuf *m = r->delivered.frames[0];
	assert_int_equal(packet_of(m)->key.realm, 7);
	struct net_path path = net_path_of(m);
	assert_int_equal(net_udp_send(r->net, &packet_of(m)->key, &path, "a", 1), 0);
	struct frame a = rig_last(r);
	assert_memory_equal(a.bytes + 12, "\x81\x00\x00\x07\x08\x00", 6);
	// An answer made from the request's own mbuf.
	struct frame ping = ip(0, "10.77.0.2", "10.77.0.1", 1, "\x08\0\0\0\1\2\3\4", 8);
	rig_in_mbuf(r, 0, stripped(8, ping));
	a = rig_last(r);
	assert_memory_equal(a.bytes + 12, "\x81\x00\x00\x08\x08\x00", 6);
	assert_int_equal(a.bytes[38], 0);
}

static void what_nobody_knows_is_dropped_without_a_twin(void **) {
	struct frame f = eth(rig_mac, device_mac, 0, 0x88cc);

	add(&f, "lldp", 4);
	expect_drop(r, "LLDP", &f, DROP_ETHERTYPE);
	f = eth(rig_mac, device_mac, 0, 0x0042);
	expect_drop(r, "802.3 length", &f, DROP_ETHERTYPE);
}

static void expect_punt(const char *name, const struct frame *f) {
	uint32_t before = r->punted.count;

	if (rig_in(r, 0, f) != 0 || r->punted.count != before + 1 || rig_dropped(r) != 0
	    || r->sent.count != 0)
		fail_msg("%s: not punted", name);
	struct frame p = rig_bytes(r->punted.frames[before]);
	assert_int_equal(p.len, f->len);
	assert_memory_equal(p.bytes, f->bytes, p.len);
}

static void the_twin_gets_what_is_not_ours(void **) {
	static const uint8_t vrrp_mac[6] = {0, 0, 0x5e, 0, 1, 9};
	struct frame f = eth(rig_mac, device_mac, 0, 0x88cc);

	expect_punt("LLDP", &f);
	f = good(9);
	expect_punt("unknown VLAN", &f);
	f = udp(0, "10.77.0.2", 22, "10.77.0.77", 22, "ssh", 3);
	expect_punt("address of the kernel", &f);
	f = udp(7, "10.77.0.2", 22, "10.77.0.77", 22, "ssh", 3);
	expect_punt("the same, tagged", &f);
	f = udp(0, "fd77::2", 22, "fd77::77", 22, "ssh", 3);
	expect_punt("IPv6 address of the kernel", &f);
	f = ip(0, "10.77.0.2", "10.77.0.1", 89, "ospf", 4);
	expect_punt("OSPF to us", &f);
	f = ip(0, "fd77::2", "fd77::1", 112, "vrrp", 4);
	expect_punt("VRRP over IPv6", &f);
	f = ip(0, "10.77.0.2", "224.0.0.18", 112, "vrrp", 4);
	expect_punt("VRRP group", &f);
	f = arp(0, 1, "10.77.0.2", "10.77.0.77");
	expect_punt("ARP request for the kernel", &f);
	f = arp(0, 2, "10.77.0.2", "10.77.0.77");
	expect_punt("ARP reply for the kernel", &f);
	f = ip(0, "fe80::2", "ff02::1:ff00:77", 58, (uint8_t[24]) {135}, 24);
	expect_punt("neighbour solicitation for the kernel", &f);
	f = good(0);
	memcpy(f.bytes, vrrp_mac, 6);
	expect_punt("virtual router MAC", &f);
	f = ip(0, "fe80::2", "ff02::1", 58, (uint8_t[16]) {134}, 16);
	expect_punt("router advertisement", &f);
}

static void the_twin_gets_copies_of_answers_to_us(void **) {
	struct frame f = arp(0, 2, "10.77.0.2", "10.77.0.1");

	rig_in(r, 0, &f);
	assert_int_equal(r->punted.count, 1);
	assert_int_equal(r->frames.consumed, 1);
	assert_int_equal(r->frames.copied, 1);
	struct frame na =
		ip(0,
		   "fd77::2",
		   "fd77::1",
		   58,
		   (uint8_t[24]) {136, [4] = 0x60, [8] = 0xfd, 0x77, [23] = 2},
		   24);
	rig_in(r, 0, &na);
	assert_int_equal(r->punted.count, 2);
	assert_int_equal(r->frames.copied, 2);
}

static void a_stripped_tag_is_put_back_for_the_twin(void **) {
	struct frame want = udp(9, "10.77.0.2", 22, "10.77.0.77", 22, "ssh", 3);

	rig_in_mbuf(r, 0, stripped(9, udp(0, "10.77.0.2", 22, "10.77.0.77", 22, "ssh", 3)));
	struct frame p = rig_bytes(r->punted.frames[0]);
	assert_int_equal(p.len, want.len);
	assert_memory_equal(p.bytes, want.bytes, p.len);
}

static void unicast_to_another_mac_is_not_punted(void **) {
	struct frame f = good(0);

	memcpy(f.bytes, other_mac, 6);
	expect_drop(r, "unicast to another", &f, DROP_L2_NOT_OURS);
	assert_int_equal(r->punted.count, 0);
}

static void a_mirror_follows_any_destination_and_says_nothing(void **) {
	struct frame f = udp(0, "192.0.2.5", 4000, "198.51.100.7", 1883, "x", 1);
	struct net_path path;

	memcpy(f.bytes, other_mac, 6);
	assert_int_equal(rig_in(r, 1, &f), 1);
	struct rte_mbuf *m = r->delivered.frames[0];
	assert_memory_equal(packet_of(m)->key.local, "\xc6\x33\x64\x07", 4);
	path = net_path_of(m);
	assert_int_equal(net_udp_send(r->net, &packet_of(m)->key, &path, "a", 1), -ENETUNREACH);
	net_reject(r->net, m);
	f = udp(0, "2001:db8::5", 4000, "2001:db8::7", 1883, "x", 1);
	memcpy(f.bytes, other_mac, 6);
	assert_int_equal(rig_in(r, 1, &f), 1);
	// Our own addresses mean nothing there: no answer, no ND, no ARP.
	struct frame quiet[] = {
		arp(0, 1, "10.77.0.2", "10.77.0.1"),
		ip(0, "10.77.0.2", "10.77.0.1", 1, "\x08\0\0\0\1\2\3\4", 8),
		ip(0, "fd77::2", "fd77::1", 58, "\x80\0\0\0\1\2\3\4", 8),
		ip(0, "10.77.0.2", "10.77.0.1", 89, "ospf", 4),
		eth(rig_mac, device_mac, 0, 0x88cc),
	};
	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++)
		assert_int_equal(rig_in(r, 1, &quiet[i]), 0);
	assert_int_equal(r->frames.dropped[DROP_MIRROR], 5);
	for (int i = 0; i < 10; i++)
		net_poll(r->net, r->now_ns += SECOND);
	for (uint32_t i = 0; i < r->sent.count; i++)
		assert_int_equal(r->sent.to[i], 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TWIN(f) cmocka_unit_test_setup_teardown(f, setup_exception, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(addresses),
		TEST(tags),
		TEST(stacked_tags_are_refused),
		TEST(a_tag_taken_out_by_hardware_is_the_same_tag),
		TEST(what_nobody_knows_is_dropped_without_a_twin),
		TWIN(the_twin_gets_what_is_not_ours),
		TWIN(the_twin_gets_copies_of_answers_to_us),
		TWIN(a_stripped_tag_is_put_back_for_the_twin),
		TWIN(unicast_to_another_mac_is_not_punted),
		TEST(a_mirror_follows_any_destination_and_says_nothing),
	};
	if (rig_eal("neteth") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
