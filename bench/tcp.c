// SPDX-License-Identifier: Apache-2.0
// Nanoseconds per publish as connections grow: a 100-byte segment arrives on a connection chosen at
// random, the app consumes it and answers four bytes, the peer's next segment acknowledges them.
// Bursts of 32, IPv4 with timestamps, no checksum work (a port with offload), no packet I/O. One
// JSON line per number of connections; arguments replace the default list.
#include "dataplane/tcp/tcp_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BURST 32
#define ROUNDS 60000
#define PUBLISH 100

static struct tcp *tcp;
static uint8_t out[2048];
static uint64_t answered;

static uint8_t *room(void *, uint32_t) {
	return out;
}

static void send_segment(void *, const struct tcp_segment_out *) {
	answered++;
}

static bool opened(void *, struct tcp_conn conn, uint8_t, const struct flow_key *, bool) {
	tcp_authenticated(tcp, conn);
	tcp_set_idle(tcp, conn, 90);
	return true;
}

static uint32_t received(void *, struct tcp_conn conn, struct view v) {
	tcp_send(tcp, conn, "puba", 4);
	return v.len;
}

static void event(void *, struct tcp_conn) {}

static void closed(void *, struct tcp_conn, enum tcp_close_reason) {}

static const struct tcp_app app = {nullptr, opened, received, event, event, event, event, closed};

struct client {
	uint32_t seq, ack;
};

static struct flow_key key_of(uint32_t i) {
	return (struct flow_key) {
		.remote = {10, (uint8_t)(i >> 22), (uint8_t)(i >> 14), 1},
		.local = {192, 0, 2, 1},
		.remote_port = (uint16_t)(1 + (i & 16383)),
		.local_port = 1883,
		.family = 4,
		.protocol = 6,
	};
}

static uint32_t write_segment(
	uint8_t *b,
	uint32_t seq,
	uint32_t ack,
	uint8_t flags,
	uint32_t ts,
	uint32_t echo,
	uint32_t len
) {
	memset(b, 0, 32 + len);
	put_be32(b + 4, seq);
	put_be32(b + 8, ack);
	b[12] = 8 << 4;
	b[13] = flags;
	put_be16(b + 14, 8000);
	memcpy(b + 20, (const uint8_t[]) {1, 1, 8, 10}, 4);
	put_be32(b + 24, ts);
	put_be32(b + 28, echo);
	return 32 + len;
}

static void one(const struct flow_key *key, const uint8_t *b, uint32_t len, uint64_t now) {
	struct tcp_segment_in in = {.key = key, .bytes = b, .len = len, .checksum_ok = true};

	tcp_input(tcp, &in, 1, now);
}

static void open_all(struct client *c, uint32_t n, uint64_t now) {
	uint8_t b[256];

	for (uint32_t i = 0; i < n; i++) {
		struct flow_key key = key_of(i);
		one(&key, b, write_segment(b, 99, 0, SEG_SYN, 1, 0, 0), now);
		c[i] = (struct client) {100, get_be32(out + 4) + 1};
		one(&key, b, write_segment(b, 100, c[i].ack, SEG_ACK, 1, get_be32(out + 28), 0), now
		);
		tcp_burst_end(tcp);
	}
}

static uint64_t clock_ns(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int order(const void *a, const void *b) {
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

// Returns ns per publish, the median of `rounds` bursts, so that other jobs' time slices are not in
// it; nor is writing the segments.
static double publish(struct client *c, uint32_t n, uint32_t rounds, uint64_t *now) {
	static uint8_t bytes[BURST][256];
	struct flow_key key[BURST];
	struct tcp_segment_in in[BURST];
	static uint32_t spent[ROUNDS];
	uint64_t x = 88172645463325252;

	for (uint32_t r = 0; r < rounds; r++) {
		for (unsigned k = 0; k < BURST; k++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			uint32_t i = (uint32_t)((x >> 20) % n);
			key[k] = key_of(i);
			uint32_t len = write_segment(
				bytes[k],
				c[i].seq,
				c[i].ack,
				SEG_ACK | SEG_PSH,
				2 + (uint32_t)(*now / 1000000),
				0,
				PUBLISH
			);
			in[k] = (struct tcp_segment_in
			) {.key = &key[k], .bytes = bytes[k], .len = len, .checksum_ok = true};
			c[i].seq += PUBLISH;
		}
		*now += 10000;
		uint64_t begin = clock_ns();
		tcp_input(tcp, in, BURST, *now);
		tcp_poll(tcp, *now, 256);
		tcp_burst_end(tcp);
		spent[r] = (uint32_t)(clock_ns() - begin);
		// What was answered is acknowledged by the connection's next publish.
		for (unsigned k = 0; k < BURST; k++) {
			struct tcb *t = tcb_lookup(tcp, &key[k], key_hash(tcp, &key[k]));
			uint32_t i = (uint32_t)key[k].remote[1] << 22
				| (uint32_t)key[k].remote[2] << 14 | (key[k].remote_port - 1u);
			c[i].ack = t->snd_nxt;
		}
	}
	qsort(spent, rounds, sizeof(spent[0]), order);
	uint32_t median = spent[rounds / 2];
	return (double)median / BURST;
}

static int run(uint32_t n) {
	struct tcp_service service = {
		.address = {192, 0, 2, 1}, .port = 1883, .family = 4, .mtu = 1500
	};
	struct tcp_listener listener = {.app = &app};
	struct tcp_env env = {.room = room, .send = send_segment};
	struct client *c = calloc(n, sizeof(*c));
	uint64_t now = 3600000000000;
	struct tcp_config k;
	struct tcp_stats st;

	tcp_config_default(&k);
	k.services = &service;
	k.service_count = 1;
	k.listeners = &listener;
	k.listener_count = 1;
	k.max_conns = n + n / 2;
	k.buffer_bytes = UINT64_C(512) << 20;
	k.secret[0] = 1;
	k.seed[0] = 2;
	if (c == nullptr || tcp_create(&k, &env, now, &tcp) != 0) {
		fprintf(stderr, "no memory for %u connections\n", n);
		free(c);
		return 1;
	}
	open_all(c, n, now);
	publish(c, n, ROUNDS / 3, &now);
	answered = 0;
	double ns = publish(c, n, ROUNDS, &now);
	tcp_stats(tcp, &st);
	printf("{\"bench\": \"tcp\", \"connections\": %u, \"ns_per_publish\": %.1f, "
	       "\"segments_out_per_publish\": %.2f, "
	       "\"retransmitted\": %llu, \"bytes_per_connection\": %.1f}\n",
	       st.conns,
	       ns,
	       (double)answered / ((double)ROUNDS * BURST),
	       (unsigned long long)st.counters[TCP_RTX_SEGMENTS],
	       sizeof(struct tcb) + 4 + (double)flow_table_buckets(k.max_conns) * 64 / k.max_conns);
	tcp_destroy(tcp);
	free(c);
	return 0;
}

int main(int argc, char **argv) {
	static const uint32_t sizes[] = {1000, 10000, 100000, 1000000};
	int failed = 0;

	if (argc > 1) {
		for (int i = 1; i < argc; i++)
			failed |= run((uint32_t)strtoul(argv[i], nullptr, 10));
		return failed;
	}
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		failed |= run(sizes[i]);
	return failed;
}
