// SPDX-License-Identifier: Apache-2.0
// sluice-gen [EAL options] -- [options]: see usage. Prints one line of JSON at the end.
#include "bench/gen/gen.h"

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BURST 32
#define POOL 16384
#define LATENCY_MAX 65536
#define LINGER_S 2 // for answers after the last frame
#define EMPTY_POLLS 1000 // of --receive, then it sleeps, so that its CPU time is that of work
#define EMPTY_SLEEP_NS 50000
#define STAY_LOOK_NS 10000000

static const char usage[] =
	"usage: sluice-gen [EAL options] -- --traffic KIND --target IP [options]\n"
	"  --traffic KIND      line json senml-json senml-cbor cbor raw coap-non coap-con mqtt\n"
	"                      silent: TCP connections that say nothing, opened again when they "
	"end\n"
	"  --target IP         address of sluiced on this wire; --port N if not the lab's\n"
	"  --source IP         first device address (default target + 1)\n"
	"  --sources N         addresses the devices share (200)\n"
	"  --devices N         simulated devices; --connections N is the same (1000)\n"
	"  --rate PPS          0: as fast as possible (0)\n"
	"  --seconds S         (5)\n"
	"  --window N          unanswered requests, QoS 1 messages, handshakes (1024)\n"
	"  --duplicates PCT    repeat the frame before (0)\n"
	"  --malformed PCT     cut payloads short (0)\n"
	"  --payload BYTES     of raw (100)\n"
	"  --qos 0|1           MQTT (1)\n"
	"  --inflight N        unanswered messages per MQTT connection (1)\n"
	"  --coalesce N        MQTT publishes per segment (1)\n"
	"  --ack-delay MS      before an answer is acknowledged without a publish (40)\n"
	"  --hold S            idle time between connecting and publishing (0)\n"
	"  --blind             do not wait for an ARP answer (the other end only receives)\n"
	"  --stay              after the report, leave only after the other end has: memif's "
	"driver\n"
	"                      takes the rings away under a peer that polls them\n"
	"  --receive           send nothing, count what comes: the port's receive ceiling\n";

struct gen {
	struct gen_options o;
	uint16_t port;
	struct rte_mempool *pool;
	struct gen_frames *frames;
	struct rte_ether_addr mac, peer;
	bool peer_known;
	uint64_t sent, refused_tx, received, answered, errors, bytes;
	uint16_t mid;
	uint32_t open;
	uint64_t *sent_at; // by message id, 0 = none open
	uint32_t *latency_us; // of answers, up to LATENCY_MAX samples
	uint32_t samples;
};

static volatile int stopped;

static void on_signal(int signal) {
	(void)signal;
	stopped = 1;
}

static void send_one(struct gen *g, struct rte_mbuf *m) {
	if (rte_eth_tx_burst(g->port, 0, &m, 1) == 0)
		rte_pktmbuf_free(m);
}

static void
arp_send(struct gen *g, uint16_t op, uint32_t sip, const struct rte_ether_addr *tha, uint32_t tip) {
	struct rte_mbuf *m = rte_pktmbuf_alloc(g->pool);

	if (m == nullptr)
		return;
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, 60);
	memset(eth, 0, 60);
	struct rte_arp_hdr *arp = (struct rte_arp_hdr *)(eth + 1);
	eth->src_addr = g->mac;
	eth->dst_addr = *tha;
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	arp->arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = 6;
	arp->arp_plen = 4;
	arp->arp_opcode = rte_cpu_to_be_16(op);
	arp->arp_data.arp_sha = g->mac;
	arp->arp_data.arp_sip = rte_cpu_to_be_32(sip);
	if (op == RTE_ARP_OP_REPLY)
		arp->arp_data.arp_tha = *tha;
	arp->arp_data.arp_tip = rte_cpu_to_be_32(tip);
	send_one(g, m);
}

static void arp_input(struct gen *g, const struct rte_arp_hdr *arp) {
	uint32_t sip = rte_be_to_cpu_32(arp->arp_data.arp_sip);
	uint32_t tip = rte_be_to_cpu_32(arp->arp_data.arp_tip);

	if (sip == g->o.target) {
		g->peer = arp->arp_data.arp_sha;
		g->peer_known = true;
	}
	// We are every device; probes (no sender address) for sluiced's own are not for us.
	if (arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) && tip != g->o.target
	    && sip != 0)
		arp_send(g, RTE_ARP_OP_REPLY, tip, &arp->arp_data.arp_sha, sip);
}

static void coap_input(struct gen *g, const uint8_t *coap) {
	// Token = message id; separate responses and NON answers carry the token. Without one it is
	// an empty ACK: the answer comes later.
	if ((coap[0] & 0x0f) != 2)
		return;
	uint16_t mid = (uint16_t)(coap[4] << 8 | coap[5]);
	if (coap[1] >> 5 != 2)
		g->errors++;
	if (g->sent_at[mid] == 0)
		return;
	g->answered++;
	if (g->samples < LATENCY_MAX)
		g->latency_us[g->samples++] =
			(uint32_t)((rte_rdtsc() - g->sent_at[mid]) * 1000000 / rte_get_tsc_hz());
	g->sent_at[mid] = 0;
	g->open--;
}

static void frame_input(struct gen *g, struct rte_mbuf *m) {
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const uint8_t *l3 = (const uint8_t *)(eth + 1);

	g->received++;
	g->bytes += m->pkt_len;
	if (m->data_len >= 42 && eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP))
		arp_input(g, (const struct rte_arp_hdr *)l3);
	else if (m->data_len >= 48 && eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)
		 && l3[9] == IPPROTO_UDP)
		coap_input(g, l3 + 28);
}

static unsigned receive(struct gen *g) {
	struct rte_mbuf *frames[BURST];
	uint16_t n = rte_eth_rx_burst(g->port, 0, frames, BURST);

	if (g->o.receive) {
		g->received += n;
	} else {
		for (uint16_t i = 0; i < n; i++)
			frame_input(g, frames[i]);
	}
	if (n > 0)
		rte_pktmbuf_free_bulk(frames, n);
	return n;
}

static unsigned transmit(struct gen *g, unsigned count) {
	struct rte_mbuf *frames[BURST];
	bool con = g->o.traffic == GEN_COAP_CON;

	if (con && g->open + count > g->o.window)
		count = g->o.window > g->open ? g->o.window - g->open : 0;
	if (count == 0 || rte_pktmbuf_alloc_bulk(g->pool, frames, count) != 0)
		return 0;
	uint64_t now = rte_rdtsc();
	for (unsigned i = 0; i < count; i++) {
		gen_frame_write(
			g->frames,
			frames[i],
			(uint16_t)(g->mid + i),
			g->mac.addr_bytes,
			g->peer.addr_bytes
		);
		g->bytes += frames[i]->pkt_len;
	}
	unsigned sent = rte_eth_tx_burst(g->port, 0, frames, (uint16_t)count);
	for (unsigned i = 0; con && i < sent; i++) {
		uint64_t *at = &g->sent_at[(uint16_t)(g->mid + i)];
		g->open += *at == 0;
		*at = now;
	}
	g->mid = (uint16_t)(g->mid + sent);
	g->sent += sent;
	g->refused_tx += count - sent;
	if (sent < count)
		rte_pktmbuf_free_bulk(frames + sent, count - sent);
	return sent;
}

static void receive_only(struct gen *g, uint64_t end) {
	uint32_t empty = 0;

	while (rte_rdtsc() < end && !stopped) {
		empty = receive(g) > 0 ? 0 : empty + 1;
		if (empty > EMPTY_POLLS)
			nanosleep(&(struct timespec) {.tv_nsec = EMPTY_SLEEP_NS}, nullptr);
	}
}

static void traffic_run(struct gen *g) {
	uint64_t hz = rte_get_tsc_hz(), start = rte_rdtsc();
	uint64_t end = start + g->o.seconds * hz;

	if (g->o.receive) {
		receive_only(g, end);
		return;
	}
	for (uint64_t now = start; now < end && !stopped; now = rte_rdtsc()) {
		unsigned budget = BURST;
		receive(g);
		if (g->o.rate > 0) {
			uint64_t due =
				(uint64_t)((unsigned __int128)(now - start) * g->o.rate / hz);
			budget = due > g->sent
				? (due - g->sent < BURST ? (unsigned)(due - g->sent) : BURST)
				: 0;
		}
		if (budget > 0)
			transmit(g, budget);
	}
	end = rte_rdtsc() + LINGER_S * hz;
	while (rte_rdtsc() < end && !stopped)
		receive(g);
}

static bool link_wait(struct gen *g) {
	uint64_t hz = rte_get_tsc_hz(), end = rte_rdtsc() + 15 * hz, next = 0;

	while (!stopped && rte_rdtsc() < end) {
		struct rte_eth_link link;
		static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		};
		receive(g);
		if (g->peer_known)
			return true;
		if (rte_rdtsc() < next || rte_eth_link_get_nowait(g->port, &link) != 0
		    || !link.link_status)
			continue;
		if (g->o.receive || g->o.blind)
			return true;
		arp_send(g, RTE_ARP_OP_REQUEST, g->o.source, &broadcast, g->o.target);
		next = rte_rdtsc() + hz / 5;
	}
	return false;
}

static int by_value(const void *a, const void *b) {
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

// What this thread has run: on a machine that others use too, less than the time that has passed.
static double cpu_seconds(void) {
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(struct gen *g, double seconds, double cpu) {
	qsort(g->latency_us, g->samples, sizeof(*g->latency_us), by_value);
	printf("{\"traffic\":\"%s\",\"devices\":%u,\"seconds\":%.2f,\"cpu_seconds\":%.3f",
	       g->o.receive ? "receive" : gen_traffic_label(g->o.traffic),
	       g->o.devices,
	       seconds,
	       cpu);
	printf(",\"sent\":%" PRIu64 ",\"sent_per_s\":%.0f,\"tx_refused\":%" PRIu64
	       ",\"received\":%" PRIu64 ",\"received_per_s\":%.0f,\"answered\":%" PRIu64
	       ",\"answer_errors\":%" PRIu64 ",\"lost\":%" PRIu64,
	       g->sent,
	       (double)g->sent / seconds,
	       g->refused_tx,
	       g->received,
	       (double)g->received / seconds,
	       g->answered,
	       g->errors,
	       g->o.traffic == GEN_COAP_CON ? g->sent - g->answered : 0);
	if (g->samples > 0)
		printf(",\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u",
		       g->latency_us[g->samples / 2],
		       g->latency_us[(uint64_t)g->samples * 99 / 100],
		       g->latency_us[(uint64_t)g->samples * 999 / 1000]);
	printf("}\n");
}

static bool number_set(struct gen_options *o, int option, uint32_t number) {
	const struct {
		int option;
		uint32_t *where;
	} numbers[] = {
		{'d', &o->devices},
		{'s', &o->seconds},
		{'w', &o->window},
		{'D', &o->duplicate_percent},
		{'m', &o->malformed_percent},
		{'b', &o->payload_bytes},
		{'n', &o->sources},
		{'q', &o->qos},
		{'i', &o->inflight},
		{'c', &o->coalesce},
		{'a', &o->ack_delay_ms},
		{'h', &o->hold_s},
	};

	if (option == 'p')
		o->port = (uint16_t)number;
	else if (option == 'r')
		o->rate = number;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].option == option) {
			*numbers[i].where = number;
			return true;
		}
	}
	return option == 'p' || option == 'r';
}

static bool options_parse(int argc, char **argv, struct gen_options *o) {
	static const struct option longs[] = {
		{"traffic", required_argument, nullptr, 't'},
		{"target", required_argument, nullptr, 'T'},
		{"source", required_argument, nullptr, 'S'},
		{"port", required_argument, nullptr, 'p'},
		{"devices", required_argument, nullptr, 'd'},
		{"rate", required_argument, nullptr, 'r'},
		{"seconds", required_argument, nullptr, 's'},
		{"window", required_argument, nullptr, 'w'},
		{"duplicates", required_argument, nullptr, 'D'},
		{"malformed", required_argument, nullptr, 'm'},
		{"payload", required_argument, nullptr, 'b'},
		{"sources", required_argument, nullptr, 'n'},
		{"connections", required_argument, nullptr, 'd'},
		{"qos", required_argument, nullptr, 'q'},
		{"inflight", required_argument, nullptr, 'i'},
		{"coalesce", required_argument, nullptr, 'c'},
		{"ack-delay", required_argument, nullptr, 'a'},
		{"hold", required_argument, nullptr, 'h'},
		{"blind", no_argument, nullptr, 'B'},
		{"receive", no_argument, nullptr, 'R'},
		{"stay", no_argument, nullptr, 'y'},
		{},
	};
	struct in_addr address;
	int option;

	while ((option = getopt_long(argc, argv, "", longs, nullptr)) != -1) {
		uint32_t number = optarg != nullptr ? (uint32_t)strtoul(optarg, nullptr, 10) : 0;
		switch (option) {
		case 't':
			for (o->traffic = 0; o->traffic < GEN_TRAFFIC_COUNT; o->traffic++)
				if (strcmp(optarg, gen_traffic_label(o->traffic)) == 0)
					break;
			if (o->traffic == GEN_TRAFFIC_COUNT)
				return false;
			break;
		case 'T':
		case 'S':
			if (inet_pton(AF_INET, optarg, &address) != 1)
				return false;
			*(option == 'T' ? &o->target : &o->source) =
				rte_be_to_cpu_32(address.s_addr);
			break;
		case 'B':
			o->blind = true;
			break;
		case 'R':
			o->receive = true;
			break;
		case 'y':
			o->stay = true;
			break;
		default:
			if (!number_set(o, option, number))
				return false;
		}
	}
	if (o->port == 0)
		o->port = gen_traffic_port(o->traffic);
	if (o->source == 0)
		o->source = o->target + 1;
	return (o->receive || o->target != 0) && o->devices > 0 && o->sources > 0
		&& o->window < 60000 && (o->traffic != GEN_MQTT || gen_mqtt_options_ok(o));
}

// Without a look at the port's queues: whoever is to leave first must not take them from us,
// either.
static void stay(const struct gen *g) {
	struct rte_eth_link link = {.link_status = RTE_ETH_LINK_UP};

	fflush(stdout);
	stopped = 0; // what ended the load does not end this
	while (!stopped && link.link_status == RTE_ETH_LINK_UP) {
		nanosleep(&(struct timespec) {.tv_nsec = STAY_LOOK_NS}, nullptr);
		if (rte_eth_link_get_nowait(g->port, &link) != 0)
			return;
	}
}

static int port_start(struct gen *g) {
	struct rte_eth_conf conf = {0};

	g->pool = rte_pktmbuf_pool_create("gen", POOL, 256, 0, 2176, SOCKET_ID_ANY);
	if (g->pool == nullptr || rte_eth_dev_count_avail() != 1)
		return -1;
	g->port = (uint16_t)rte_eth_find_next(0);
	if (rte_eth_dev_configure(g->port, 1, 1, &conf) != 0
	    || rte_eth_rx_queue_setup(g->port, 0, 1024, SOCKET_ID_ANY, nullptr, g->pool) != 0
	    || rte_eth_tx_queue_setup(g->port, 0, 1024, SOCKET_ID_ANY, nullptr) != 0
	    || rte_eth_dev_start(g->port) != 0)
		return -1;
	return rte_eth_macaddr_get(g->port, &g->mac);
}

static int frames_run(struct gen *g) {
	uint64_t received = g->received, start = rte_rdtsc();
	double cpu = cpu_seconds();

	traffic_run(g);
	g->received -= received;
	double seconds = (double)(rte_rdtsc() - start) / (double)rte_get_tsc_hz();
	report(g, g->o.receive ? seconds : seconds - LINGER_S, cpu_seconds() - cpu);
	return 0;
}

static void other_input(void *owner, struct rte_mbuf *m) {
	frame_input(owner, m);
}

static int tcp_run(struct gen *g) {
	struct gen_wire wire = {
		.port = g->port,
		.pool = g->pool,
		.mac = &g->mac,
		.peer = &g->peer,
		.other = other_input,
		.owner = g,
	};
	int ret = g->o.traffic == GEN_MQTT ? gen_mqtt_run(&g->o, &wire, &stopped)
					   : gen_silent_run(&g->o, &wire, &stopped);

	if (ret < 0)
		fprintf(stderr,
			"sluice-gen: %s: %s\n",
			gen_traffic_label(g->o.traffic),
			strerror(-ret));
	return ret < 0 ? 1 : 0;
}

int main(int argc, char **argv) {
	static struct gen g = {
		.o = {.devices = 1000,
		      .seconds = 5,
		      .window = 1024,
		      .payload_bytes = 100,
		      .sources = 200,
		      .qos = 1,
		      .inflight = 1,
		      .coalesce = 1,
		      .ack_delay_ms = 40},
	};
	int used = rte_eal_init(argc, argv);

	if (used < 0)
		return 1;
	if (!options_parse(argc - used, argv + used, &g.o)) {
		fputs(usage, stderr);
		return 2;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	g.sent_at = calloc(UINT16_MAX + 1, sizeof(*g.sent_at));
	g.latency_us = calloc(LATENCY_MAX, sizeof(*g.latency_us));
	if (g.sent_at == nullptr || g.latency_us == nullptr
	    || gen_frames_create(&g.o, &g.frames) != 0 || port_start(&g) != 0) {
		fputs("sluice-gen: one DPDK port is needed (--vdev=... or -a PCI)\n", stderr);
		return 1;
	}
	if (!link_wait(&g)) {
		fputs("sluice-gen: nobody answers at --target within 15 s\n", stderr);
		return 1;
	}
	bool tcp = g.o.traffic == GEN_MQTT || g.o.traffic == GEN_SILENT;
	int ret = tcp && !g.o.receive ? tcp_run(&g) : frames_run(&g);
	if (g.o.stay) {
		// The driver's own thread is closing it: nothing is left to be closed.
		stay(&g);
		return ret;
	}
	rte_eth_dev_stop(g.port);
	rte_eth_dev_close(g.port);
	rte_eal_cleanup();
	return ret;
}
