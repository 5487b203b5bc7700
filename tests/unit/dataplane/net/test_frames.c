// SPDX-License-Identifier: Apache-2.0
// Random traffic against the whole layer: whatever comes in, every mbuf is accounted for, the
// ledger balances and everything sent is well formed.
#include "dataplane/net/net.h"
#include "rig.h"

#include <rte_mempool.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 30000

static uint64_t state = 0x5eed;

static uint32_t rnd(uint32_t below) {
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % below);
}

static const char *four[] = {"10.77.0.2", "10.77.0.3", "10.77.0.1", "192.0.2.1", "10.77.0.255"};
static const char *six[] = {"fd77::2", "fd77::3", "fd77::1", "2001:db8::1", "fe80::2", "::"};

static struct frame seed(void) {
	static uint8_t payload[1400];
	uint16_t vlan = (uint16_t[]) {0, 0, 7, 8, 9}[rnd(5)];
	uint8_t nd[32] = {
		(uint8_t)(133 + rnd(5)),
		[4] = (uint8_t)(rnd(4) << 5),
		[8] = 0xfd,
		0x77,
		[23] = (uint8_t)(1 + rnd(3)),
		(uint8_t)(1 + rnd(2)),
		1,
		2,
		0,
		0,
		0,
		0,
		0xd1
	};

	switch (rnd(9)) {
	case 0:
		return arp(vlan, (uint16_t)(1 + rnd(2)), four[rnd(4)], four[rnd(3)]);
	case 1:
		return udp(vlan, four[rnd(5)], 4000, "10.77.0.1", 8094, payload, rnd(1400));
	case 2:
		return udp(vlan, six[rnd(6)], 4000, "fd77::1", 8094, payload, rnd(1400));
	case 3:
		return ip(vlan, four[rnd(4)], "10.77.0.1", 1, "\x08\0\0\0\1\2\3\4", 8);
	case 4:
		return ip(vlan, six[rnd(6)], "fd77::1", 58, "\x80\0\0\0\1\2\3\4", 8);
	case 5:
		return ip(vlan, six[rnd(6)], rnd(2) ? "fd77::1" : "ff02::1:ff00:1", 58, nd, 32);
	case 6:
		return udp(
			vlan, four[rnd(4)], 4000, rnd(2) ? "224.0.1.187" : "10.77.0.9", 9, "x", 1
		);
	case 7:
		return ip(vlan, six[rnd(4)], "fd77::1", (uint8_t)rnd(256), payload, rnd(200));
	default:
		return ip(vlan, four[rnd(4)], "10.77.0.1", (uint8_t)rnd(256), payload, rnd(200));
	}
}

// Some bytes changed, sometimes sealed again so that the change gets past the first checksum.
static void mutate(struct frame *f) {
	for (uint32_t k = rnd(3); k > 0; k--)
		f->bytes[rnd(rnd(2) ? f->len : 60)] = (uint8_t)rnd(256);
	if (rnd(8) == 0)
		f->len = rnd(f->len) + 1;
	if (f->bytes[12] == 8 && f->bytes[13] == 0 && f->len > 74 && rnd(2))
		ip4_reseal(f);
}

// One frame or all its fragments, in a burst with others.
static uint32_t burst_fill(struct rte_mbuf **burst, uint32_t max) {
	struct frame parts[16];
	uint32_t n = 0;

	while (n + 16 < max && rnd(4)) {
		struct frame f = seed();
		uint32_t l3 = l3_of(&f);
		unsigned count = 1;
		bool packet = f.bytes[l3 - 2] != 8 || f.bytes[l3 - 1] != 6;
		if (packet && rnd(4) == 0 && f.len > 200)
			count = cut(&f, 8 * (12 + rnd(100)), (uint16_t)rnd(3), parts, 16);
		else
			parts[0] = f;
		for (unsigned i = 0; i < count; i++) {
			if (rnd(2))
				mutate(&parts[i]);
			if (rnd(20))
				burst[n++] = rig_mbuf(&parts[i]);
		}
	}
	return n;
}

static void answer_all(struct rig *r, struct rte_mbuf **out, unsigned n) {
	static uint8_t reply[3000];

	for (unsigned i = 0; i < n; i++) {
		struct packet *p = packet_of(out[i]);
		struct net_path path = net_path_of(out[i]);
		switch (rnd(4)) {
		case 0:
			net_reject(r->net, out[i]);
			break;
		case 1:
			net_udp_send(r->net, &p->key, rnd(2) ? &path : NULL, reply, rnd(2000));
			break;
		}
		r->delivered.frames[r->delivered.count++] = out[i];
	}
}

static void every_mbuf_is_accounted_for(uint16_t worker, uint16_t workers, bool exception) {
	struct rig *r = rig_new(worker, workers);
	struct rte_mbuf *burst[64], *out[64];
	uint64_t in = 0;

	r->ports[0].exception = exception;
	rig_start(r);
	for (uint32_t i = 0; i < ROUNDS && !(i > 0 && r->frames.rx > ROUNDS); i++) {
		uint32_t n = burst_fill(burst, 64);
		in += n;
		answer_all(
			r,
			out,
			net_input(r->net, (uint16_t)(rnd(20) == 0), burst, n, r->now_ns, out)
		);
		assert_int_equal(r->frames.rx, in);
		if (rnd(4) == 0)
			net_poll(r->net, r->now_ns);
		r->now_ns += rnd(2) ? rnd(1000) : (uint64_t)rnd(1000000) * 1000;
		// What other workers would be told comes back as if they had told us.
		uint32_t back = RTE_MIN(r->handed.count, 64u);
		if (rnd(3) == 0 && back > 0) {
			memcpy(burst, r->handed.frames, back * sizeof(burst[0]));
			r->handed.count -= back;
			memmove(r->handed.frames,
				r->handed.frames + back,
				r->handed.count * sizeof(burst[0]));
			answer_all(r, out, net_taken_over(r->net, burst, back, r->now_ns, out));
		}
		check_all(r);
		rig_clear(r);
	}
	assert_true(r->frames.consumed > 1000);
	// Time enough for everything that waits.
	for (int i = 0; i < 20; i++)
		net_poll(r->net, r->now_ns += SECOND);
	check_all(r);
	rig_clear(r);
	assert_int_equal(r->frames.in_reassembly, 0);
	rig_end(r);
}

static void alone(void **) {
	every_mbuf_is_accounted_for(0, 1, false);
}

static void with_a_twin(void **) {
	every_mbuf_is_accounted_for(0, 1, true);
}

static void one_of_three(void **) {
	every_mbuf_is_accounted_for(0, 3, true);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alone),
		cmocka_unit_test(with_a_twin),
		cmocka_unit_test(one_of_three),
	};
	if (rig_eal("netframes") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
