// SPDX-License-Identifier: Apache-2.0
// Cycles per frame of the net layer: bursts of 32 UDP datagrams to one of our addresses through
// net_input(), checksums in software unless the line says otherwise, the frames in cache; and
// net_udp_send() of an answer to a known neighbour.
#include "bench/cycles.h"
#include "config/config.h"
#include "dataplane/net/net.h"
#include "pipelines/ledger.h"

#include <rte_arp.h>
#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_udp.h>

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#define BURST 32
#define REPEAT 64

static struct rte_mempool *pool;
static struct ledger_frames frames;
static struct net *net;

static struct ip_prefix addresses[2];
static struct config_interface interfaces[2];
static struct config config;

static void put_away(void *, uint16_t, struct rte_mbuf *m) {
	rte_pktmbuf_free(m);
}

static void start(bool hardware) {
	struct net_port port = {
		.mac.addr_bytes = {2, 0, 0, 0, 0, 1},
		.mtu = 1500,
		.transmits = true,
		.rx_checksum = hardware,
		.tx_checksum = hardware,
	};
	struct net_env env = {
		.config = &config,
		.workers = 1,
		.ports = &port,
		.pool = pool,
		.secret = {0x0123456789abcdef, 0xfedcba9876543210},
		.frames = &frames,
		.transmit = put_away,
		.punt = put_away,
		.handover = put_away,
	};

	net_destroy(net);
	if (net_create(&env, &net) < 0)
		exit(1);
}

// One burst: each frame of another device's port, so of another flow.
struct input {
	struct rte_mbuf *frames[BURST];
	uint64_t flags;
	uint32_t len;
};

static void head(uint8_t *f, uint16_t vlan, uint16_t type) {
	memcpy(f, "\2\0\0\0\0\1\2\0\0\0\0\xd1", 12);
	if (vlan != 0) {
		uint16_t tag[2] = {htons(0x8100), htons(vlan)};
		memcpy(f + 12, tag, 4);
	}
	type = htons(type);
	memcpy(f + (vlan != 0 ? 16 : 12), &type, 2);
}

static uint32_t udp(uint8_t *f, int family, uint16_t vlan, uint16_t from, uint32_t payload) {
	uint32_t l3 = vlan != 0 ? 18 : 14;
	uint32_t header = family == 4 ? 20 : 40;
	struct rte_udp_hdr *u = (struct rte_udp_hdr *)(f + l3 + header);

	head(f, vlan, family == 4 ? 0x0800 : 0x86dd);
	*u = (struct rte_udp_hdr) {
		.src_port = htons(from),
		.dst_port = htons(8094),
		.dgram_len = htons((uint16_t)(8 + payload)),
	};
	memset(u + 1, 'x', payload);
	if (family == 4) {
		struct rte_ipv4_hdr *h = (struct rte_ipv4_hdr *)(f + l3);
		*h = (struct rte_ipv4_hdr) {
			.version_ihl = 0x45,
			.total_length = htons((uint16_t)(28 + payload)),
			.time_to_live = 64,
			.next_proto_id = IPPROTO_UDP,
		};
		inet_pton(AF_INET, "10.77.0.2", &h->src_addr);
		inet_pton(AF_INET, "10.77.0.1", &h->dst_addr);
		h->hdr_checksum = rte_ipv4_cksum(h);
		u->dgram_cksum = rte_ipv4_udptcp_cksum(h, u);
	} else {
		struct rte_ipv6_hdr *h = (struct rte_ipv6_hdr *)(f + l3);
		*h = (struct rte_ipv6_hdr) {
			.vtc_flow = htonl(6u << 28),
			.payload_len = htons((uint16_t)(8 + payload)),
			.proto = IPPROTO_UDP,
			.hop_limits = 64,
		};
		inet_pton(AF_INET6, "fd77::2", &h->src_addr);
		inet_pton(AF_INET6, "fd77::1", &h->dst_addr);
		u->dgram_cksum = rte_ipv6_udptcp_cksum(h, u);
	}
	return l3 + header + 8 + payload;
}

static void fill(struct input *in, int family, uint16_t vlan, uint32_t payload) {
	if (rte_pktmbuf_alloc_bulk(pool, in->frames, BURST) != 0)
		exit(1);
	for (uint16_t i = 0; i < BURST; i++) {
		uint8_t *f = rte_pktmbuf_mtod(in->frames[i], uint8_t *);
		in->len = udp(f, family, vlan, (uint16_t)(4000 + i), payload);
		rte_pktmbuf_append(in->frames[i], (uint16_t)in->len);
	}
}

static void run_input(void *input) {
	struct input *in = input;
	struct rte_mbuf *out[BURST];

	for (int k = 0; k < REPEAT; k++) {
		for (int i = 0; i < BURST; i++)
			in->frames[i]->ol_flags = in->flags;
		if (net_input(net, 0, in->frames, BURST, 1000, out) != BURST)
			exit(1);
	}
}

static void
bench_input(const char *what, int family, uint16_t vlan, uint32_t payload, bool hardware) {
	struct input in = {.flags = 0};
	char input[96];

	start(hardware);
	if (hardware)
		in.flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	fill(&in, family, vlan, payload);
	snprintf(
		input,
		sizeof(input),
		"IPv%d UDP, payload %u, frame %u%s, checksum %s, burst %d",
		family,
		payload,
		in.len,
		vlan != 0 ? ", 802.1Q" : "",
		hardware ? "hardware" : "software",
		BURST
	);
	cycles_print(what, input, cycles_per_operation(run_input, &in, BURST * REPEAT));
	rte_pktmbuf_free_bulk(in.frames, BURST);
}

struct answer {
	struct flow_key key;
	struct net_path path;
	uint8_t payload[1024];
	uint32_t len;
};

static void run_send(void *input) {
	struct answer *a = input;

	for (int i = 0; i < BURST * REPEAT; i++)
		if (net_udp_send(net, &a->key, &a->path, a->payload, a->len) < 0)
			exit(1);
}

static void bench_send(int family, uint32_t len, bool hardware) {
	struct answer a = {
		.key = {.remote_port = 4000,
			.local_port = 5683,
			.family = (uint8_t)family,
			.protocol = 17},
		.path = {.mac = {2, 0, 0, 0, 0, 0xd1}},
		.len = len,
	};
	char input[96];

	start(hardware);
	inet_pton(
		family == 4 ? AF_INET : AF_INET6,
		family == 4 ? "10.77.0.2" : "fd77::2",
		a.key.remote
	);
	inet_pton(
		family == 4 ? AF_INET : AF_INET6, family == 4 ? "10.77.0.1" : "fd77::1", a.key.local
	);
	snprintf(
		input,
		sizeof(input),
		"IPv%d UDP, payload %u, checksum %s, mbuf from and to the pool included",
		family,
		len,
		hardware ? "hardware" : "software"
	);
	cycles_print("net_udp_send", input, cycles_per_operation(run_send, &a, BURST * REPEAT));
}

static void setup(void) {
	char prefix[64];
	const char *args[] = {
		"bench_net",
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

	snprintf(prefix, sizeof(prefix), "--file-prefix=benchnet%d", (int)getpid());
	if (rte_eal_init((int)(sizeof(args) / sizeof(args[0])), (char **)args) < 0)
		exit(1);
	pool = rte_pktmbuf_pool_create("bench", 1023, 64, PACKET_PRIV_SIZE, 2048 + 128, 0);
	if (pool == NULL)
		exit(1);
	addresses[0] = (struct ip_prefix) {.family = 4, .prefix_len = 24};
	inet_pton(AF_INET, "10.77.0.1", addresses[0].addr);
	addresses[1] = (struct ip_prefix) {.family = 6, .prefix_len = 64};
	inet_pton(AF_INET6, "fd77::1", addresses[1].addr);
	for (uint16_t i = 0; i < 2; i++)
		interfaces[i] = (struct config_interface) {
			.vlan = (uint16_t)(i * 7),
			.realm = (uint16_t)(i * 7),
			.addresses = addresses,
			.address_count = 2,
		};
	config.port_count = 1;
	config.interfaces = interfaces;
	config.interface_count = 2;
	config.net.neighbours = 64;
	config.net.fragments = 16;
	config.net.fragment_timeout_ms = 1000;
}

int main(void) {
	setup();
	for (int family = 4; family <= 6; family += 2) {
		bench_input("net_input", family, 0, 100, false);
		bench_input("net_input", family, 0, 100, true);
		bench_input("net_input", family, 7, 100, false);
		bench_input("net_input", family, 0, 1400, false);
		bench_send(family, 8, false);
		bench_send(family, 100, false);
		bench_send(family, 100, true);
	}
	net_destroy(net);
	rte_mempool_free(pool);
	rte_eal_cleanup();
	return 0;
}
