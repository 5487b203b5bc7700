// SPDX-License-Identifier: Apache-2.0
// The way out: datagrams, segments, fragments, checksums (row 72 and row 2 of the checklist).
#include "dataplane/net/net.h"
#include "rig.h"

#include <rte_mempool.h>

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct rig *r;
static uint8_t payload[65536];

static int setup(void **) {
	r = rig_new(0, 1);
	rig_start(r);
	for (uint32_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31 + i / 256);
	return 0;
}

static int teardown(void **) {
	rig_end(r);
	return 0;
}

static const struct net_path path = {.mac = {2, 0, 0, 0, 0, 0xd1}};

static struct flow_key key_to(const char *remote, const char *local) {
	bool v6 = strchr(remote, ':') != NULL;
	struct flow_key k = {
		.remote_port = 4000,
		.local_port = 8094,
		.family = v6 ? 6 : 4,
		.protocol = 17,
	};

	inet_pton(v6 ? AF_INET6 : AF_INET, remote, k.remote);
	inet_pton(v6 ? AF_INET6 : AF_INET, local, k.local);
	return k;
}

// Only the datagrams: the questions of the neighbour table are not of interest here.
static uint32_t datagrams(struct frame *out, uint32_t max) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->sent.count; i++) {
		struct frame f = rig_bytes(r->sent.frames[i]);
		bool question = f.bytes[13] == 6 || (f.bytes[12] == 0x86 && f.bytes[20] == 58);
		if (question)
			continue;
		assert_true(n < max);
		out[n++] = f;
	}
	return n;
}

static void rfc_2_every_length_has_a_right_checksum(void **) {
	struct flow_key four = key_to("10.77.0.2", "10.77.0.1"), six = key_to("fd77::2", "fd77::1");
	struct frame f;

	for (uint32_t len = 0; len < 1400; len = len < 40 ? len + 1 : len + 97) {
		assert_int_equal(net_udp_send(r->net, &four, &path, payload, len), 0);
		f = rig_last(r);
		assert_int_equal(f.len, 42 + len);
		assert_memory_equal(f.bytes + 42, payload, len);
		check_frame(&f, 1500);
		assert_int_equal(net_udp_send(r->net, &six, &path, payload, len), 0);
		f = rig_last(r);
		assert_int_equal(f.len, 62 + len);
		assert_memory_equal(f.bytes + 62, payload, len);
		check_frame(&f, 1500);
		rig_clear(r);
	}
}

// A checksum that comes out as 0 is sent as 0xffff (RFC 768).
static void a_zero_checksum_is_sent_as_ones(void **) {
	struct flow_key k = key_to("10.77.0.2", "10.77.0.1");

	for (uint32_t v = 0; v < 0x10000; v++) {
		uint8_t two[2] = {(uint8_t)(v >> 8), (uint8_t)v};
		net_udp_send(r->net, &k, &path, two, 2);
		struct frame f = rig_last(r);
		assert_true((f.bytes[40] | f.bytes[41]) != 0);
		if (f.bytes[40] == 0xff && f.bytes[41] == 0xff) {
			check_frame(&f, 1500);
			return;
		}
		rig_clear(r);
	}
	fail_msg("no payload sums to zero");
}

static void rfc_72_header_fields(void **) {
	struct flow_key k = key_to("10.77.0.2", "10.77.0.1");

	net_udp_send(r->net, &k, &path, "x", 1);
	struct frame f = rig_last(r);
	assert_int_equal(f.bytes[15], 0); // TOS
	assert_memory_equal(f.bytes + 18, "\0\0\x40\0\x40\x11", 6); // id 0, DF, TTL 64, UDP
	k = key_to("fd77::2", "fd77::1");
	net_udp_send(r->net, &k, &path, "x", 1);
	struct frame a = rig_last(r);
	net_udp_send(r->net, &k, &path, "y", 1);
	struct frame b = rig_last(r);
	assert_memory_equal(a.bytes + 14, b.bytes + 14, 4); // one flow, one label
	assert_int_equal(a.bytes[21], 64);
	k.remote_port++;
	net_udp_send(r->net, &k, &path, "y", 1);
	b = rig_last(r);
	assert_true(memcmp(a.bytes + 14, b.bytes + 14, 4) != 0);
}

// Put fragments together again, in order, without the code under test.
static uint32_t together(const struct frame *f, uint32_t n, bool v6, uint8_t *out) {
	uint32_t len = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *h = f[i].bytes + 14;
		uint32_t header = v6 ? 48 : 20;
		uint32_t at = v6 ? (uint32_t)(h[42] << 8 | (h[43] & 0xf8))
				 : (uint32_t)((h[6] & 0x1f) << 8 | h[7]) * 8;
		bool more = v6 ? h[43] & 1 : h[6] & 0x20;
		assert_int_equal(at, len);
		assert_int_equal(more, i + 1 < n);
		assert_memory_equal(h + (v6 ? 44 : 4), f[0].bytes + 14 + (v6 ? 44 : 4), v6 ? 4 : 2);
		memcpy(out + len, h + header, f[i].len - 14 - header);
		len += f[i].len - 14 - header;
		check_frame(&f[i], 1500);
	}
	return len;
}

static struct frame frames[80];

static void large_datagrams_leave_in_fragments(void **) {
	static const uint32_t lens[] = {1453, 1472, 1473, 2952, 2953, 9000, 65507};
	static uint8_t whole[70000];

	for (uint32_t i = 0; i < 2 * sizeof(lens) / sizeof(lens[0]); i++) {
		bool v6 = i & 1;
		uint32_t len = lens[i / 2];
		struct flow_key k =
			v6 ? key_to("fd77::2", "fd77::1") : key_to("10.77.0.2", "10.77.0.1");
		assert_int_equal(net_udp_send(r->net, &k, &path, payload, len), 0);
		uint32_t n = datagrams(frames, 80);
		if (len + 8 + (v6 ? 40 : 20) <= 1500) {
			assert_int_equal(n, 1);
		} else {
			assert_true(n > 1);
			assert_int_equal(together(frames, n, v6, whole), len + 8);
			assert_memory_equal(whole + 8, payload, len);
			// The transport checksum, over the pseudo-header and all pieces.
			const uint8_t *a = frames[0].bytes + 14 + (v6 ? 8 : 12);
			uint16_t pseudo = sum16(a, v6 ? 32 : 8, 17 + len + 8);
			assert_int_equal(sum16(whole, len + 8, pseudo), 0xffff);
		}
		rig_clear(r);
	}
}

static void our_own_fragments_reassemble(void **) {
	struct flow_key k = key_to("10.77.0.2", "10.77.0.1");

	net_udp_send(r->net, &k, &path, payload, 4000);
	uint32_t n = datagrams(frames, 80);
	for (uint32_t i = 0; i < n; i++) { // seen from the other side
		uint8_t a[4];
		memcpy(frames[i].bytes, rig_mac, 6);
		memcpy(frames[i].bytes + 6, device_mac, 6);
		memcpy(a, frames[i].bytes + 26, 4);
		memcpy(frames[i].bytes + 26, frames[i].bytes + 30, 4);
		memcpy(frames[i].bytes + 30, a, 4);
		rig_in(r, 0, &frames[i]);
	}
	assert_int_equal(r->delivered.count, 1);
	uint8_t room[4000];
	assert_memory_equal(net_payload(r->delivered.frames[0], room), payload, 4000);
}

static void rfc_72_identifications_of_fragments_differ(void **) {
	struct flow_key k = key_to("10.77.0.2", "10.77.0.1");
	uint16_t ids[50];

	for (int i = 0; i < 50; i++) {
		net_udp_send(r->net, &k, &path, payload, 1600);
		struct frame f = rig_last(r);
		ids[i] = (uint16_t)(f.bytes[18] << 8 | f.bytes[19]);
		for (int j = i > 5 ? i - 5 : 0; j < i; j++)
			assert_int_not_equal(ids[i], ids[j]);
		rig_clear(r);
	}
}

static struct rte_mbuf *segment(uint32_t payload_len) {
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig_pool());
	uint8_t *h = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(20 + payload_len));

	memset(h, 0xa5, 20 + payload_len);
	h[12] = 0x50;
	return m;
}

static void segments(void **) {
	struct flow_key k = key_to("10.77.0.2", "10.77.0.1");

	for (int v6 = 0; v6 < 2; v6++) {
		if (v6)
			k = key_to("fd77::2", "fd77::1");
		k.protocol = 6;
		for (uint32_t len = 0; len < 6; len++) {
			assert_int_equal(net_ip_send(r->net, &k, &path, segment(len)), 0);
			struct frame f = rig_last(r);
			assert_int_equal(f.len, 14 + (v6 ? 40 : 20) + 20 + len);
			check_frame(&f, 1500);
		}
		assert_int_equal(net_ip_send(r->net, &k, &path, segment(v6 ? 1440 : 1460)), 0);
		assert_int_equal(
			net_ip_send(r->net, &k, &path, segment(v6 ? 1441 : 1461)), -EMSGSIZE
		);
	}
	k.protocol = 89;
	assert_int_equal(net_ip_send(r->net, &k, &path, segment(0)), -EINVAL);
}

static void hardware_gets_the_pseudo_header_sum(void **) {
	struct flow_key k = key_to("10.77.0.2", "10.77.0.1");

	rig_end(r);
	r = rig_new(0, 1);
	r->ports[0].tx_checksum = true;
	rig_start(r);
	net_udp_send(r->net, &k, &path, "abc", 3);
	struct rte_mbuf *m = r->sent.frames[r->sent.count - 1];
	assert_true(m->ol_flags & RTE_MBUF_F_TX_UDP_CKSUM);
	assert_true(m->ol_flags & RTE_MBUF_F_TX_IPV4);
	assert_int_equal(m->l2_len, 14);
	assert_int_equal(m->l3_len, 20);
	struct frame f = rig_bytes(m);
	uint16_t pseudo = sum16(f.bytes + 26, 8, 17 + 11);
	assert_int_equal(f.bytes[40] << 8 | f.bytes[41], pseudo);
	// What the hardware would make of it.
	uint16_t sum = (uint16_t)~sum16(f.bytes + 34, 11, 0);
	char *field = rte_pktmbuf_mtod_offset(m, char *, 40);
	field[0] = (char)(sum >> 8);
	field[1] = (char)sum;
}

static void replies_to_a_group_come_from_one_of_ours(void **) {
	struct frame f = udp(0, "10.77.0.2", 4000, "224.0.1.187", 5683, "x", 1);

	rig_in(r, 0, &f);
	struct rte_mbuf *m = r->delivered.frames[0];
	struct net_path back = net_path_of(m);
	assert_int_equal(net_udp_send(r->net, &packet_of(m)->key, &back, "y", 1), 0);
	struct frame a = rig_last(r);
	assert_memory_equal(a.bytes + 26, "\x0a\x4d\0\1", 4);
	f = udp(0, "fd77::2", 4000, "ff02::fd", 5683, "x", 1);
	rig_in(r, 0, &f);
	m = r->delivered.frames[1];
	assert_int_equal(net_udp_send(r->net, &packet_of(m)->key, &back, "y", 1), 0);
	a = rig_last(r);
	assert_memory_equal(a.bytes + 22, "\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
}

static void what_cannot_be_sent(void **) {
	struct flow_key k = key_to("10.77.0.2", "10.77.0.1");
	struct net_path nowhere = {.interface = 99};

	assert_int_equal(net_udp_send(r->net, &k, &path, payload, 65508), -EMSGSIZE);
	assert_int_equal(net_udp_send(r->net, &k, &nowhere, "x", 1), -ENETUNREACH);
	k.remote_port = 0;
	assert_int_equal(net_udp_send(r->net, &k, &path, "x", 1), -ENETUNREACH);
	k = key_to("0.0.0.0", "10.77.0.1");
	assert_int_equal(net_udp_send(r->net, &k, &path, "x", 1), -ENETUNREACH);
	k = key_to("10.77.0.2", "10.77.0.1");
	k.realm = 55;
	assert_int_equal(net_udp_send(r->net, &k, NULL, "x", 1), -ENETUNREACH);
	assert_int_equal(r->sent.count, 0);
}

static void an_empty_pool_is_an_error_and_leaks_nothing(void **) {
	struct flow_key k = key_to("10.77.0.2", "10.77.0.1");
	static struct rte_mbuf *all[RIG_POOL];

	net_udp_send(r->net, &k, &path, "x", 1);
	rig_clear(r);
	assert_int_equal(rte_pktmbuf_alloc_bulk(rig_pool(), all, RIG_POOL - 2), 0);
	assert_int_equal(net_udp_send(r->net, &k, &path, payload, 4000), -ENOBUFS);
	assert_int_equal(rte_mempool_avail_count(rig_pool()), 2);
	assert_int_equal(rte_pktmbuf_alloc_bulk(rig_pool(), all + RIG_POOL - 2, 2), 0);
	assert_int_equal(net_udp_send(r->net, &k, &path, "x", 1), -ENOBUFS);
	assert_int_equal(net_stats(r->net)->tx_no_mbuf, 2);
	rte_pktmbuf_free_bulk(all, RIG_POOL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(rfc_2_every_length_has_a_right_checksum),
		TEST(a_zero_checksum_is_sent_as_ones),
		TEST(rfc_72_header_fields),
		TEST(large_datagrams_leave_in_fragments),
		TEST(our_own_fragments_reassemble),
		TEST(rfc_72_identifications_of_fragments_differ),
		TEST(segments),
		TEST(hardware_gets_the_pseudo_header_sum),
		TEST(replies_to_a_group_come_from_one_of_ours),
		TEST(what_cannot_be_sent),
		TEST(an_empty_pool_is_an_error_and_leaks_nothing),
	};
	if (rig_eal("netout") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
