// SPDX-License-Identifier: Apache-2.0
// Frames from outside. The input is a sequence of {flags, length (2 bytes), frame}: flags choose
// the port, a hardware-stripped tag, a second segment and how far the clock goes. Each input runs
// twice over mbufs whose tails hold different bytes: a read past a frame shows as a different
// ledger. Afterwards every mbuf must be back and the ledger balanced.
#include "config/config.h"
#include "dataplane/net/net.h"
#include "pipelines/ledger.h"

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POOL 255
#define FRAMES_MAX 64

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct rte_mempool *pool;
static struct ledger ledger;

int LLVMFuzzerInitialize(int *, char ***) {
	char prefix[64];
	const char *args[] = {
		"fuzz",
		"--no-huge",
		"--no-pci",
		"--no-shconf",
		"-m",
		"64",
		"--no-telemetry",
		"-l",
		"0",
		"--log-level=4",
		prefix
	};

	snprintf(prefix, sizeof(prefix), "--file-prefix=fuzznet%d", (int)getpid());
	CHECK(rte_eal_init((int)(sizeof(args) / sizeof(args[0])), (char **)args) >= 0);
	pool = rte_pktmbuf_pool_create("fuzz", POOL, 0, PACKET_PRIV_SIZE, 2048 + 128, 0);
	CHECK(pool != NULL);
	return 0;
}

static void on_transmit(void *, uint16_t port, struct rte_mbuf *m) {
	CHECK(port == 0); // port 1 is a mirror
	CHECK(m->pkt_len <= 1500 + 18);
	rte_pktmbuf_free(m);
}

static void on_punt(void *, uint16_t, struct rte_mbuf *m) {
	ledger.frames.punted++;
	rte_pktmbuf_free(m);
}

static void on_handover(void *, uint16_t to, struct rte_mbuf *m) {
	CHECK(to == 1);
	ledger.frames.handed_over++;
	rte_pktmbuf_free(m);
}

static struct ip_prefix addresses[2] = {
	{.family = 4, .prefix_len = 24, .addr = {10, 77, 0, 1}},
	{.family = 6, .prefix_len = 64, .addr = {0xfd, 0x77, [15] = 1}},
};
static struct ip_prefix groups[2] = {
	{.family = 4, .prefix_len = 32, .addr = {224, 0, 1, 187}},
	{.family = 6, .prefix_len = 128, .addr = {0xff, 2, [15] = 0xfd}},
};
static struct config_listener listener = {.addresses = groups, .address_count = 2};
static struct config_interface interfaces[3] = {
	{.addresses = addresses, .address_count = 2},
	{.vlan = 7, .realm = 7, .addresses = addresses, .address_count = 2},
	{.port = 1},
};
static const struct net_port ports[2] = {
	{.mac.addr_bytes = {2, 0, 0, 0, 0, 1}, .mtu = 1500, .transmits = true, .exception = true},
	{.mtu = 1500},
};

static struct net *start(void) {
	static struct config c = {
		.port_count = 2,
		.interfaces = interfaces,
		.interface_count = 3,
		.listeners = &listener,
		.listener_count = 1,
		.net =
			{
				.neighbours = 16,
				.fragments = 8,
				.fragment_timeout_ms = 100,
				.icmp_rate_pps = 1000,
			},
	};
	struct net_env env = {
		.config = &c,
		.workers = 2,
		.ports = ports,
		.pool = pool,
		.secret = {1, 2},
		.frames = &ledger.frames,
		.transmit = on_transmit,
		.punt = on_punt,
		.handover = on_handover,
	};
	struct net *n;

	CHECK(net_create(&env, &n) == 0);
	return n;
}

static void put(struct rte_mbuf *m, const uint8_t *bytes, uint32_t len, uint8_t tail) {
	char *to = rte_pktmbuf_append(m, (uint16_t)len);

	CHECK(to != NULL);
	memcpy(to, bytes, len);
	memset(to + len, tail, rte_pktmbuf_tailroom(m));
}

static struct rte_mbuf *mbuf_of(const uint8_t *bytes, uint32_t len, uint8_t flags, uint8_t tail) {
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint32_t first = (flags & 4) && len > 64 ? 64 : len;

	CHECK(m != NULL);
	put(m, bytes, first, tail);
	if (first < len) {
		struct rte_mbuf *rest = rte_pktmbuf_alloc(pool);
		CHECK(rest != NULL);
		put(rest, bytes + first, len - first, tail);
		CHECK(rte_pktmbuf_chain(m, rest) == 0);
	}
	if (flags & 2) {
		m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		m->vlan_tci = 7;
	}
	return m;
}

static void use(struct net *n, struct rte_mbuf *m) {
	const struct packet *p = packet_of(m);
	struct net_path path = net_path_of(m);
	static uint8_t room[65536];

	CHECK(p->payload_offset + p->payload_len <= m->pkt_len);
	const uint8_t *payload = net_payload(m, room);
	CHECK(payload != NULL);
	net_udp_send(n, &p->key, &path, payload, p->payload_len);
	net_reject(n, m);
	ledger.frames.consumed++;
	rte_pktmbuf_free(m);
}

static void run(const uint8_t *bytes, size_t len, uint8_t tail) {
	struct net *n = start();
	uint64_t now = 1000000000000;

	for (unsigned i = 0; i < FRAMES_MAX && len > 3; i++) {
		uint8_t flags = bytes[0];
		uint32_t size = ((uint32_t)bytes[1] << 8 | bytes[2]) & 2047;
		struct rte_mbuf *m, *out[1];
		bytes += 3;
		len -= 3;
		if (size > len)
			size = (uint32_t)len;
		if (size == 0)
			continue;
		m = mbuf_of(bytes, size, flags, tail);
		if (net_input(n, flags & 1, &m, 1, now, out) == 1)
			use(n, out[0]);
		bytes += size;
		len -= size;
		now += (uint64_t)(flags >> 3) * (flags >> 3) * 1000000;
		net_poll(n, now);
	}
	for (int i = 0; i < 10; i++)
		net_poll(n, now += 1000000000);
	CHECK(ledger.frames.in_reassembly == 0);
	net_destroy(n);
	CHECK(rte_mempool_avail_count(pool) == POOL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
	struct ledger first;
	char why[128];

	memset(&ledger, 0, sizeof(ledger));
	run(bytes, n, 0x00);
	CHECK(ledger_balanced(&ledger, why, sizeof(why)));
	first = ledger;
	memset(&ledger, 0, sizeof(ledger));
	run(bytes, n, 0xff);
	CHECK(memcmp(&first, &ledger, sizeof(first)) == 0);
	return 0;
}
