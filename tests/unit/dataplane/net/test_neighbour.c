// SPDX-License-Identifier: Apache-2.0
// ARP, the neighbour table and our own addresses (rows 68 and 69), with several workers.
#include "dataplane/net/neighbour.h"
#include "dataplane/net/net.h"
#include "rig.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct rig *r;
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0x99};

static int setup(void **) {
	r = rig_new(0, 1);
	rig_start(r);
	return 0;
}

static int setup_three(void **) {
	r = rig_new(1, 3); // does not announce
	rig_start(r);
	return 0;
}

static int teardown(void **) {
	rig_end(r);
	return 0;
}

static struct flow_key key_to(const char *remote) {
	bool v6 = strchr(remote, ':') != NULL;
	struct flow_key k = {
		.remote_port = 4000,
		.local_port = 8094,
		.family = v6 ? 6 : 4,
		.protocol = 17,
	};

	inet_pton(v6 ? AF_INET6 : AF_INET, remote, k.remote);
	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? "fd77::1" : "10.77.0.1", k.local);
	return k;
}

static int say(const char *remote) {
	struct flow_key k = key_to(remote);

	return net_udp_send(r->net, &k, NULL, "x", 1);
}

static bool is_arp_request(const struct frame *f, uint8_t last) {
	return f->bytes[12] == 8 && f->bytes[13] == 6 && f->bytes[21] == 1 && f->bytes[41] == last;
}

static void rfc_68_requests_for_us_are_answered(void **) {
	struct frame f = arp(7, 1, "10.77.0.2", "10.77.0.1");

	assert_int_equal(rig_in(r, 0, &f), 0);
	assert_int_equal(r->sent.count, 1);
	struct frame a = rig_last(r);
	assert_memory_equal(a.bytes, device_mac, 6);
	assert_memory_equal(a.bytes + 12, "\x81\x00\x00\x07\x08\x06", 6);
	assert_memory_equal(a.bytes + 18, "\0\1\x08\0\6\4\0\2", 8);
	assert_memory_equal(a.bytes + 18 + 14, "\x0a\x4d\x00\x01", 4);
	assert_memory_equal(a.bytes + 18 + 18, device_mac, 6);
	assert_memory_equal(a.bytes + 18 + 24, "\x0a\x4d\x00\x02", 4);
	f = arp(0, 1, "10.77.0.2", "10.77.0.9");
	expect_drop(r, "for another", &f, DROP_ARP_NOT_OURS);
	f = arp(0, 2, "10.77.0.2", "10.77.0.9");
	expect_drop(r, "reply to another", &f, DROP_ARP_NOT_OURS);
}

static void malformed(void **) {
	static const struct {
		uint32_t at;
		uint8_t value;
	} edits[] = {
		{1, 6}, {2, 0x86}, {4, 8}, {5, 16}, {7, 3}, {7, 0}, {8, 1}, {14, 224}, {14, 127}
	};

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct frame f = arp(0, 1, "10.77.0.2", "10.77.0.1");
		f.bytes[14 + edits[i].at] = edits[i].value;
		expect_drop(r, "edit", &f, DROP_ARP_BAD);
	}
	for (uint32_t len = 14; len < 42; len++) {
		struct frame f = arp(0, 1, "10.77.0.2", "10.77.0.1");
		f.len = len;
		expect_drop(r, "truncated", &f, DROP_ARP_BAD);
	}
}

static void a_storm_of_requests_is_limited(void **) {
	struct frame f = arp(0, 1, "10.77.0.2", "10.77.0.1");

	for (int i = 0; i < 250; i++)
		rig_in(r, 0, &f);
	assert_int_equal(r->sent.count, 100);
	assert_int_equal(r->frames.dropped[DROP_NEIGHBOUR_LIMIT], 150);
}

static void what_waits_leaves_with_the_answer(void **) {
	assert_int_equal(say("10.77.0.2"), 0);
	assert_int_equal(r->sent.count, 1);
	struct frame q = rig_last(r);
	assert_true(is_arp_request(&q, 2));
	assert_memory_equal(q.bytes, "\xff\xff\xff\xff\xff\xff", 6);
	say("10.77.0.2");
	say("10.77.0.2");
	say("10.77.0.2"); // the fourth is dropped
	assert_int_equal(r->sent.count, 1);
	assert_int_equal(net_stats(r->net)->tx_unresolved, 1);
	struct frame a = arp(0, 2, "10.77.0.2", "10.77.0.1");
	rig_in(r, 0, &a);
	assert_int_equal(r->sent.count, 4);
	struct frame d = rig_last(r);
	assert_memory_equal(d.bytes, device_mac, 6);
	say("10.77.0.2");
	assert_int_equal(r->sent.count, 5);
}

static void nd_does_the_same(void **) {
	uint8_t na[32] = {136, [4] = 0x60, [8] = 0xfd, 0x77, [23] = 2, 2, 1, 2, 0, 0, 0, 0, 0x77};
	struct frame a = ip(0, "fd77::2", "fd77::1", 58, na, 32);

	say("fd77::2");
	assert_int_equal(r->sent.count, 1);
	struct frame q = rig_last(r);
	assert_int_equal(q.bytes[54], 135);
	assert_memory_equal(q.bytes, "\x33\x33\xff\0\0\2", 6);
	assert_memory_equal(q.bytes + 38, "\xff\2\0\0\0\0\0\0\0\0\0\1\xff\0\0\2", 16);
	assert_memory_equal(q.bytes + 78, "\1\1", 2);
	assert_memory_equal(q.bytes + 80, rig_mac, 6);
	rig_in(r, 0, &a);
	assert_int_equal(r->sent.count, 2);
	struct frame d = rig_last(r);
	assert_memory_equal(d.bytes, "\2\0\0\0\0\x77", 6); // the option's address
}

static void rfc_68_no_entry_from_unsolicited_answers(void **) {
	struct frame a = arp(0, 2, "10.77.0.2", "10.77.0.1");
	uint8_t na[32] = {136, [4] = 0x60, [8] = 0xfd, 0x77, [23] = 2, 2, 1, 2, 0, 0, 0, 0, 0xd1};
	struct frame n = ip(0, "fd77::2", "fd77::1", 58, na, 32);
	struct frame gratuitous = arp(0, 1, "10.77.0.2", "10.77.0.2");

	rig_in(r, 0, &a);
	rig_in(r, 0, &n);
	rig_in(r, 0, &gratuitous);
	say("10.77.0.2");
	say("fd77::2");
	assert_int_equal(r->sent.count, 2); // two questions, no datagram
	assert_int_equal(rig_last(r).bytes[54], 135);
}

// A neighbour that answers is not moved by what somebody claims; it is asked.
static void rfc_68_a_contradiction_is_looked_into(void **) {
	struct frame a = arp(0, 2, "10.77.0.2", "10.77.0.1"), claim = a;

	say("10.77.0.2");
	rig_in(r, 0, &a);
	memcpy(claim.bytes + 22, other_mac, 6);
	rig_clear(r);
	rig_in(r, 0, &claim);
	assert_int_equal(r->sent.count, 1);
	struct frame q = rig_last(r);
	assert_true(is_arp_request(&q, 2));
	assert_memory_equal(q.bytes, device_mac, 6); // the old one first
	say("10.77.0.2");
	assert_memory_equal(rig_last(r).bytes, device_mac, 6);
	r->now_ns += SECOND; // it is silent: then everybody is asked, and who answers is believed
	net_poll(r->net, r->now_ns);
	rig_in(r, 0, &claim);
	say("10.77.0.2");
	assert_memory_equal(rig_last(r).bytes, other_mac, 6);
}

static void a_silent_neighbour_is_given_up_and_asked_again(void **) {
	uint64_t due;

	net_poll(r->net, r->now_ns);
	for (int i = 0; i < 10; i++)
		net_poll(r->net, r->now_ns += SECOND);
	rig_clear(r);
	say("10.77.0.2");
	for (int i = 0; i < 10; i++) {
		due = net_poll(r->net, r->now_ns);
		r->now_ns += SECOND;
	}
	assert_int_equal(due, UINT64_MAX);
	assert_int_equal(r->sent.count, 3);
	assert_int_equal(net_stats(r->net)->tx_unresolved, 1);
	say("10.77.0.2");
	assert_int_equal(r->sent.count, 3); // not again yet
	assert_int_equal(net_stats(r->net)->tx_unresolved, 2);
	r->now_ns += 20 * SECOND;
	net_poll(r->net, r->now_ns);
	say("10.77.0.2");
	assert_int_equal(r->sent.count, 4);
}

static void a_known_neighbour_is_verified_after_a_while(void **) {
	struct frame a = arp(0, 2, "10.77.0.2", "10.77.0.1");

	for (int i = 0; i < 10; i++)
		net_poll(r->net, r->now_ns += SECOND);
	say("10.77.0.2");
	rig_in(r, 0, &a);
	rig_clear(r);
	net_poll(r->net, r->now_ns += 31 * SECOND);
	assert_int_equal(r->sent.count, 0); // nobody needs it
	say("10.77.0.2");
	assert_int_equal(r->sent.count, 2); // a question to it alone, and the datagram
	struct frame q = rig_bytes(r->sent.frames[0]);
	assert_memory_equal(q.bytes, device_mac, 6);
	rig_in(r, 0, &a);
	say("10.77.0.2");
	assert_int_equal(r->sent.count, 3);
}

static void the_gateway_takes_what_is_not_on_link(void **) {
	say("192.0.2.1");
	struct frame q = rig_last(r);
	assert_true(is_arp_request(&q, 254));
	struct frame a = arp(0, 2, "10.77.0.254", "10.77.0.1");
	rig_in(r, 0, &a);
	struct frame d = rig_last(r);
	assert_memory_equal(d.bytes + 30, "\xc0\0\2\1", 4);
	// No gateway for IPv6: without a path there is no way.
	uint32_t sent = r->sent.count;
	assert_int_equal(say("2001:db8::1"), 0);
	assert_int_equal(r->sent.count, sent);
	assert_int_equal(net_stats(r->net)->tx_unresolved, 1);
}

static void the_path_serves_until_the_answer(void **) {
	struct frame f = udp(7, "10.77.0.2", 4000, "10.77.0.1", 8094, "ab", 2);

	assert_int_equal(rig_in(r, 0, &f), 1);
	struct rte_mbuf *m = r->delivered.frames[0];
	struct net_path path = net_path_of(m);
	assert_int_equal(net_udp_send(r->net, &packet_of(m)->key, &path, "answer!", 7), 0);
	assert_int_equal(r->sent.count, 2); // the question, and the answer without waiting for it
	struct frame a = rig_last(r);
	struct frame want = udp(7, "10.77.0.1", 8094, "10.77.0.2", 4000, "answer!", 7);
	assert_int_equal(a.len, want.len);
	assert_memory_equal(a.bytes, device_mac, 6);
	assert_memory_equal(a.bytes + 12, "\x81\x00\x00\x07\x08\x00", 6);
	assert_memory_equal(a.bytes + 30, want.bytes + 30, want.len - 30);
}

// The same address in two realms is two neighbours.
static void rfc_68_realms_do_not_meet(void **) {
	struct flow_key k = key_to("10.77.0.2");
	struct frame a = arp(8, 2, "10.77.0.2", "10.77.0.1");

	say("10.77.0.2"); // realm 0
	k.realm = 7;
	net_udp_send(r->net, &k, NULL, "x", 1);
	k.realm = 8;
	net_udp_send(r->net, &k, NULL, "x", 1);
	assert_int_equal(r->sent.count, 3);
	memcpy(a.bytes + 26, other_mac, 6);
	rig_in(r, 0, &a);
	assert_int_equal(r->sent.count, 4);
	struct frame d = rig_last(r);
	assert_memory_equal(d.bytes, other_mac, 6);
	assert_memory_equal(d.bytes + 12, "\x81\0\0\x08", 4);
}

static void the_table_is_bounded(void **) {
	char remote[32];
	uint32_t questions = 0;

	for (int i = 2; i < 250; i++) {
		snprintf(remote, sizeof(remote), "10.77.0.%d", i);
		say(remote);
	}
	for (uint32_t i = 0; i < r->sent.count; i++) {
		struct frame f = rig_bytes(r->sent.frames[i]);
		questions += f.bytes[13] == 6;
	}
	assert_true(questions <= NEIGHBOUR_ACTIVE_MAX);
	assert_int_equal(questions + net_stats(r->net)->neighbours_full, 248);
	for (int i = 0; i < 5; i++)
		net_poll(r->net, r->now_ns += SECOND);
	rig_clear(r);
	say("10.77.0.251"); // a place of those who never answered
	assert_int_equal(r->sent.count, 1);
}

static void rfc_68_probes_then_announcements(void **) {
	uint32_t probes = 0, announcements = 0;

	for (uint64_t due = 0; due != UINT64_MAX; r->now_ns = due) {
		due = net_poll(r->net, r->now_ns);
		assert_true(due == UINT64_MAX || due > r->now_ns);
	}
	for (uint32_t i = 0; i < r->sent.count; i++) {
		struct frame f = rig_bytes(r->sent.frames[i]);
		uint32_t a = l3_of(&f);
		if (f.bytes[a - 1] != 6 || f.bytes[a - 2] != 8)
			continue;
		assert_memory_equal(f.bytes + a + 24, "\x0a\x4d\0\1", 4);
		if (memcmp(f.bytes + a + 14, "\0\0\0\0", 4) == 0)
			probes++;
		else
			announcements++;
	}
	assert_int_equal(probes, 3 * 3); // three interfaces have an IPv4 address
	assert_int_equal(announcements, 3 * 2);
}

static void rfc_68_a_conflict_while_probing_takes_the_address_out(void **) {
	struct frame theirs = arp(0, 1, "10.77.0.1", "10.77.0.9");
	struct frame f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 8094, "x", 1);

	net_poll(r->net, r->now_ns);
	assert_int_equal(rig_in(r, 0, &f), 1); // serves from the first moment
	rig_clear(r);
	rig_in(r, 0, &theirs);
	assert_int_equal(net_stats(r->net)->conflicts, 1);
	expect_drop(r, "address in conflict", &f, DROP_IP_NOT_OURS);
	f = arp(0, 1, "10.77.0.2", "10.77.0.1");
	expect_drop(r, "asked for it", &f, DROP_ARP_NOT_OURS);
}

static void rfc_68_a_later_conflict_is_defended_once_in_ten_seconds(void **) {
	struct frame theirs = arp(0, 2, "10.77.0.1", "10.77.0.9");

	for (int i = 0; i < 10; i++)
		net_poll(r->net, r->now_ns += SECOND);
	rig_clear(r);
	for (int i = 0; i < 19; i++) {
		rig_in(r, 0, &theirs);
		net_poll(r->net, r->now_ns += SECOND);
	}
	assert_int_equal(r->sent.count, 2);
	struct frame a = rig_last(r);
	assert_memory_equal(a.bytes + 28, "\x0a\x4d\0\1", 4);
	assert_memory_equal(a.bytes, "\xff\xff\xff\xff\xff\xff", 6);
	assert_int_equal(net_stats(r->net)->conflicts, 0);
}

static void the_twins_own_address_contradicts_nobody(void **) {
	struct frame f = arp(0, 1, "10.77.0.1", "10.77.0.9");

	memcpy(f.bytes + 22, rig_mac, 6);
	rig_in(r, 0, &f);
	assert_int_equal(net_stats(r->net)->conflicts_seen, 0);
}

static void other_workers_do_not_announce(void **) {
	for (int i = 0; i < 10; i++)
		net_poll(r->net, r->now_ns += SECOND);
	assert_int_equal(r->sent.count, 0);
}

static void answers_are_told_to_the_other_workers(void **) {
	struct frame a = arp(0, 2, "10.77.0.2", "10.77.0.1");

	rig_in(r, 0, &a);
	assert_int_equal(r->handed.count, 2);
	assert_int_equal(r->handed.to[0], 0);
	assert_int_equal(r->handed.to[1], 2);
	assert_int_equal(r->frames.copied, 2);
	assert_int_equal(r->frames.consumed, 1);
}

// What one worker heard resolves a question of another.
static void an_overheard_answer_counts(void **) {
	struct frame a = arp(0, 2, "10.77.0.2", "10.77.0.1");
	uint8_t na[32] = {136, [4] = 0x60, [8] = 0xfd, 0x77, [23] = 2, 2, 1, 2, 0, 0, 0, 0, 0xd1};
	struct frame n = ip(0, "fd77::2", "fd77::1", 58, na, 32);
	struct rte_mbuf *told[2], *out[2];

	rig_in(r, 0, &a);
	rig_in(r, 0, &n);
	assert_int_equal(r->handed.count, 4);
	told[0] = r->handed.frames[0];
	told[1] = r->handed.frames[2];
	// Both play the part of copies that came over this worker's ring.
	r->handed.frames[0] = r->handed.frames[3];
	r->handed.frames[2] = r->handed.frames[1];
	r->handed.frames[1] = r->handed.frames[0];
	r->handed.frames[0] = r->handed.frames[2];
	r->handed.count = 2;
	say("10.77.0.2");
	say("fd77::2");
	assert_int_equal(r->sent.count, 2);
	assert_int_equal(net_taken_over(r->net, told, 2, r->now_ns, out), 0);
	assert_int_equal(r->sent.count, 4);
	assert_int_equal(r->frames.taken_over, 2);
	assert_int_equal(r->frames.consumed, 4);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define THREE(f) cmocka_unit_test_setup_teardown(f, setup_three, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(rfc_68_requests_for_us_are_answered),
		TEST(malformed),
		TEST(a_storm_of_requests_is_limited),
		TEST(what_waits_leaves_with_the_answer),
		TEST(nd_does_the_same),
		TEST(rfc_68_no_entry_from_unsolicited_answers),
		TEST(rfc_68_a_contradiction_is_looked_into),
		TEST(a_silent_neighbour_is_given_up_and_asked_again),
		TEST(a_known_neighbour_is_verified_after_a_while),
		TEST(the_gateway_takes_what_is_not_on_link),
		TEST(the_path_serves_until_the_answer),
		TEST(rfc_68_realms_do_not_meet),
		TEST(the_table_is_bounded),
		TEST(rfc_68_probes_then_announcements),
		TEST(rfc_68_a_conflict_while_probing_takes_the_address_out),
		TEST(rfc_68_a_later_conflict_is_defended_once_in_ten_seconds),
		TEST(the_twins_own_address_contradicts_nobody),
		THREE(other_workers_do_not_announce),
		THREE(answers_are_told_to_the_other_workers),
		THREE(an_overheard_answer_counts),
	};
	if (rig_eal("netnbr") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
