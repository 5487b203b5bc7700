// SPDX-License-Identifier: Apache-2.0
// Owners: several workers on one queue, RSS followed, fragments and ICMP errors to where their flow
// lives.
#include "dataplane/net/net.h"
#include "rig.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct rig *r;

static int setup(void **) {
	r = rig_new(1, 2);
	rig_start(r);
	return 0;
}

static int teardown(void **) {
	rig_end(r);
	return 0;
}

static int errors;
static void on_error(void *, const struct net_icmp_error *) {
	errors++;
}

static void a_flow_has_one_owner(void **) {
	uint32_t mine = 0;

	for (uint16_t port = 1000; port < 1100; port++) {
		bool v6 = port & 1;
		struct frame f = v6 ? udp(0, "fd77::2", port, "fd77::1", 8094, "x", 1)
				    : udp(0, "10.77.0.2", port, "10.77.0.1", 8094, "x", 1);
		uint32_t handed = r->handed.count;
		bool here = rig_in(r, 0, &f) == 1;
		struct rte_mbuf *m = here ? r->delivered.frames[mine] : r->handed.frames[handed];
		const struct packet *p = packet_of(m);

		assert_int_equal(r->handed.count, handed + !here);
		assert_int_equal(net_owner(r->net, 0, &p->key), here ? 1 : 0);
		assert_int_equal(p->owner_hash % 2, here ? 1 : 0);
		assert_int_equal(
			p->owner_hash,
			flow_key_hash(
				(uint64_t[]) {0x0123456789abcdef, 0xfedcba9876543210}, &p->key
			)
		);
		assert_int_equal(p->flags, here ? 0 : PACKET_TAKEN_OVER);
		mine += here;
	}
	assert_true(mine > 25 && mine < 75);
}

// The owner gets the packet as its finder would have returned it, and parses nothing again.
static void what_was_handed_over_is_delivered_by_the_owner(void **) {
	struct rte_mbuf *out[1];
	uint8_t room[64];

	for (uint16_t port = 1000; r->handed.count == 0; port++) {
		struct frame f = udp(7, "10.77.0.2", port, "10.77.0.1", 8094, "hello", 5);
		rig_in(r, 0, &f);
	}
	struct rte_mbuf *m = r->handed.frames[0];
	r->handed.count = 0;
	assert_int_equal(net_taken_over(r->net, &m, 1, r->now_ns, out), 1);
	assert_ptr_equal(out[0], m);
	assert_int_equal(packet_of(m)->key.realm, 7);
	assert_memory_equal(net_payload(m, room), "hello", 5);
	assert_int_equal(r->frames.taken_over, 1);
	r->delivered.frames[r->delivered.count++] = m;
}

static void fragments_are_handed_over_whole(void **) {
	uint8_t payload[2000] = {1};

	for (uint16_t port = 1000; r->handed.count == 0; port++) {
		struct frame f = udp(0, "10.77.0.2", port, "10.77.0.1", 8094, payload, 2000),
			     parts[2];
		assert_int_equal(cut(&f, 1400, port, parts, 2), 2);
		rig_in(r, 0, &parts[1]);
		assert_int_equal(r->handed.count, 0);
		rig_in(r, 0, &parts[0]);
	}
	const struct packet *p = packet_of(r->handed.frames[0]);
	assert_int_equal(p->payload_len, 2000);
	assert_int_equal(p->flags, PACKET_TAKEN_OVER);
	assert_int_equal(net_owner(r->net, 0, &p->key), 0);
}

static struct frame error_about(uint16_t local_port) {
	uint8_t l4[8] = {(uint8_t)(local_port >> 8), (uint8_t)local_port, 0x0f, 0xa0};
	struct frame q = ip(0, "10.77.0.1", "10.77.0.9", 6, l4, 8), b = {.len = 0};

	add(&b, "\3\1\0\0\0\0\0\0", 8);
	add(&b, q.bytes + 14, 28);
	return ip(0, "10.77.0.254", "10.77.0.1", 1, b.bytes, b.len);
}

// The error goes where the flow it quotes lives, not where its own addresses would lead.
static void icmp_errors_go_to_the_owner_of_the_flow(void **) {
	struct rte_mbuf *out[1];

	errors = 0;
	net_on_icmp_error(r->net, on_error, NULL);
	for (uint16_t port = 1; port <= 64; port++) {
		struct flow_key k = {
			.local_port = port, .remote_port = 4000, .family = 4, .protocol = 6
		};
		inet_pton(AF_INET, "10.77.0.1", k.local);
		inet_pton(AF_INET, "10.77.0.9", k.remote);
		struct frame f = error_about(port);
		uint32_t handed = r->handed.count;
		int before = errors;
		assert_int_equal(rig_in(r, 0, &f), 0);
		bool here = net_owner(r->net, 0, &k) == 1;
		assert_int_equal(errors - before, here);
		assert_int_equal(r->handed.count - handed, !here);
	}
	assert_true(errors > 8 && errors < 56);
	int before = errors;
	struct rte_mbuf *m = r->handed.frames[--r->handed.count];
	assert_int_equal(net_taken_over(r->net, &m, 1, r->now_ns, out), 0);
	assert_int_equal(errors, before + 1);
}

// Microsoft's RSS verification suite: the hash of a connection as a NIC computes it.
static const uint8_t rss_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};
static uint16_t reta[128];

static const struct {
	const char *remote, *local;
	uint16_t remote_port, local_port;
	uint32_t hash;
} vectors[] = {
	{"66.9.149.187", "161.142.100.80", 2794, 1766, 0x51ccc178},
	{"199.92.111.2", "65.69.140.83", 14230, 4739, 0xc626b0ea},
	{"24.19.198.95", "12.22.207.184", 12898, 38024, 0x5c2b394a},
	{"3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x40207d3d},
	{"3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0xdde51bbf},
};

static void restart_with_rss(uint16_t worker) {
	rig_end(r);
	r = rig_new(worker, 128);
	for (uint16_t i = 0; i < 128; i++)
		reta[i] = i;
	r->ports[0].rss = true;
	r->ports[0].rss_key = rss_key;
	r->ports[0].rss_key_len = sizeof(rss_key);
	r->ports[0].reta = reta;
	r->ports[0].reta_size = 128;
	rig_start(r);
}

static void a_port_with_rss_is_followed(void **) {
	restart_with_rss(0);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		bool v6 = strchr(vectors[i].remote, ':') != NULL;
		struct flow_key k = {
			.remote_port = vectors[i].remote_port,
			.local_port = vectors[i].local_port,
			.family = v6 ? 6 : 4,
			.protocol = 6,
		};
		inet_pton(v6 ? AF_INET6 : AF_INET, vectors[i].remote, k.remote);
		inet_pton(v6 ? AF_INET6 : AF_INET, vectors[i].local, k.local);
		assert_int_equal(net_owner(r->net, 0, &k), vectors[i].hash % 128);
	}
}

static void the_nics_hash_is_used_if_given(void **) {
	struct frame f = udp(0, "10.77.0.2", 4000, "10.77.0.1", 8094, "x", 1);
	struct rte_mbuf *m;

	restart_with_rss(77);
	m = rig_mbuf(&f);
	m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
	m->hash.rss = 77 + 128 * 5;
	assert_int_equal(rig_in_mbuf(r, 0, m), 1);
	// Without the flag the software computes what the NIC would.
	const struct packet *p = packet_of(m);
	uint16_t owner = net_owner(r->net, 0, &p->key);
	restart_with_rss(owner);
	m = rig_mbuf(&f);
	m->hash.rss = 12345;
	assert_int_equal(rig_in_mbuf(r, 0, m), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_flow_has_one_owner),
		TEST(what_was_handed_over_is_delivered_by_the_owner),
		TEST(fragments_are_handed_over_whole),
		TEST(icmp_errors_go_to_the_owner_of_the_flow),
		TEST(a_port_with_rss_is_followed),
		TEST(the_nics_hash_is_used_if_given),
	};
	if (rig_eal("netsteer") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
