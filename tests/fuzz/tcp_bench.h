// SPDX-License-Identifier: Apache-2.0
// A TCP stack with an app that does what the fuzzer says, for the fuzz targets of dataplane/tcp/.
// Everything sent is parsed again, every invariant is audited, everything must drain at the end.
#pragma once

#include "dataplane/tcp/tcp_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BENCH_CONNS 8
#define BENCH_MS UINT64_C(1000000)

struct bench {
	struct tcp *tcp;
	uint64_t now;
	uint8_t out[2048];
	uint32_t out_len;
	uint32_t eat;
	struct tcp_conn conn[BENCH_CONNS]; // the youngest
	unsigned conns;
	uint64_t opened, closed;
};

static inline void bench_die(const char *why) {
	fprintf(stderr, "invariant: %s\n", why);
	abort();
}

static uint8_t *bench_room(void *owner, uint32_t len) {
	struct bench *b = owner;

	if (len > sizeof(b->out))
		bench_die("a segment larger than the MTU");
	return b->out;
}

static void bench_send(void *owner, const struct tcp_segment_out *s) {
	struct bench *b = owner;
	struct segment parsed;
	bool bad;

	b->out_len = s->len;
	if (segment_checksum(s->key, s->bytes, s->len) != 0)
		bench_die("a wrong checksum was sent");
	if (segment_parse(s->bytes, s->len, &parsed, &bad) != TCP_RX_SEGMENTS || bad)
		bench_die("a segment was sent that we would not accept");
}

static bool
bench_opened(void *owner, struct tcp_conn conn, uint8_t, const struct flow_key *, bool) {
	struct bench *b = owner;

	b->opened++;
	b->conn[b->conns++ % BENCH_CONNS] = conn;
	return true;
}

static uint32_t bench_received(void *owner, struct tcp_conn conn, struct view v) {
	struct bench *b = owner;

	if (v.len == 0 || v.len > 65520)
		bench_die("an odd view");
	// What the first byte says happens in the middle of the delivery.
	switch (v.p[0] & 31) {
	case 1:
		tcp_abort(b->tcp, conn);
		break;
	case 2:
		tcp_close(b->tcp, conn);
		break;
	case 3:
		tcp_pause(b->tcp, conn);
		break;
	case 4:
		tcp_send(b->tcp, conn, v.p, v.len);
		break;
	case 5:
		tcp_authenticated(b->tcp, conn);
		break;
	case 6:
		tcp_shutdown(b->tcp, conn);
		break;
	case 7:
		tcp_abort(b->tcp, b->conn[0]);
		break;
	default:
		break;
	}
	return v.len < b->eat ? v.len : b->eat;
}

static void bench_event(void *, struct tcp_conn) {}

static void bench_eof(void *owner, struct tcp_conn conn) {
	struct bench *b = owner;

	if (conn.index % 2 != 0)
		tcp_close(b->tcp, conn);
}

static void bench_closed(void *owner, struct tcp_conn, enum tcp_close_reason) {
	((struct bench *)owner)->closed++;
}

static inline struct flow_key bench_key(unsigned i) {
	struct flow_key k = {
		.remote = {10, 0, 0, 5},
		.local = {192, 0, 2, 1},
		.remote_port = (uint16_t)(1000 + i),
		.local_port = 1883,
		.family = i % 2 != 0 ? 6 : 4,
		.protocol = 6,
	};

	return k;
}

static inline void bench_start(struct bench *b) {
	static struct tcp_app app;
	struct tcp_env env = {.owner = b, .room = bench_room, .send = bench_send};
	struct tcp_service services[2] = {
		{.address = {192, 0, 2, 1}, .port = 1883, .family = 4, .mtu = 1500},
		{.address = {192, 0, 2, 1}, .port = 1883, .family = 6, .mtu = 1500},
	};
	struct tcp_listener listener = {.app = &app, .proxy_v2 = true};
	struct tcp_prefix balancer = {.address = {10, 0, 0, 4}, .family = 6, .bits = 30};
	struct tcp_config c;

	*b = (struct bench) {.now = 3600000 * BENCH_MS, .eat = UINT32_MAX};
	app = (struct tcp_app) {
		b,
		bench_opened,
		bench_received,
		bench_eof,
		bench_event,
		bench_event,
		bench_event,
		bench_closed,
	};
	tcp_config_default(&c);
	c.services = services;
	c.service_count = 2;
	c.listeners = &listener;
	c.listener_count = 1;
	c.balancers = &balancer;
	c.balancer_count = 1;
	c.max_conns = 16;
	c.buffer_bytes = 16 * SLAB_PAGE_BYTES;
	c.time_wait_max = 8;
	c.source_max = 16;
	c.keepalive_s = 300;
	c.prefault = false;
	c.fill_checksum = true;
	if (tcp_create(&c, &env, b->now, &b->tcp) != 0)
		bench_die("create");
}

static inline void bench_settle(struct bench *b) {
	tcp_burst_end(b->tcp);
	const char *broken = tcp_audit(b->tcp);
	if (broken != NULL)
		bench_die(broken);
}

static inline void bench_pass(struct bench *b, uint64_t ms) {
	b->now += ms * BENCH_MS;
	for (int i = 0; i < 10000 && tcp_poll(b->tcp, b->now, 64); i++)
		;
	bench_settle(b);
}

static inline uint32_t bench_segment(
	uint8_t *out,
	uint32_t seq,
	uint32_t ack,
	uint8_t flags,
	uint16_t window,
	const uint8_t *options,
	uint32_t n,
	const uint8_t *p,
	uint32_t len
) {
	memset(out, 0, 20);
	put_be32(out + 4, seq);
	put_be32(out + 8, ack);
	out[12] = (uint8_t)((5 + n / 4) << 4);
	out[13] = flags;
	put_be16(out + 14, window);
	if (n > 0)
		memcpy(out + 20, options, n);
	if (len > 0)
		memcpy(out + 20 + n, p, len);
	return 20 + n + len;
}

static inline void
bench_in(struct bench *b, const struct flow_key *key, const uint8_t *bytes, uint32_t len) {
	struct tcp_segment_in in = {.key = key, .bytes = bytes, .len = len, .checksum_ok = true};

	b->out_len = 0;
	tcp_input(b->tcp, &in, 1, b->now);
}

// Shakes hands for peer i; odd ones come through a balancer and owe a PROXY header.
static inline void bench_open(struct bench *b, unsigned i, bool ts) {
	struct flow_key key = bench_key(i);
	uint8_t raw[64];
	uint8_t o[24] = {2, 4, 5, 180, 1, 1, 8, 10, [16] = 4, 2, 1, 1, 1, 3, 3, 7};

	put_be32(o + 8, (uint32_t)(b->now / BENCH_MS));
	bench_in(b, &key, raw, bench_segment(raw, 99, 0, SEG_SYN, 8000, o, ts ? 24 : 4, NULL, 0));
	if (b->out_len == 0 || b->out[13] != (SEG_SYN | SEG_ACK))
		return;
	uint32_t ack = get_be32(b->out + 4) + 1;
	uint8_t echo[12] = {1, 1, 8, 10};
	memcpy(echo + 4, o + 8, 4);
	if (ts && b->out_len >= 36)
		memcpy(echo + 8, b->out + 28, 4);
	bench_in(
		b,
		&key,
		raw,
		bench_segment(raw, 100, ack, SEG_ACK, 8000, echo, ts ? 12 : 0, NULL, 0)
	);
}

// Whatever happened: after the longest of all times nothing is left.
static inline void bench_end(struct bench *b) {
	struct tcp_stats st;

	for (uint32_t i = 1; i < b->tcp->fresh; i++)
		if (b->tcp->tcbs[i].state != TCP_FREE)
			tcp_abort(b->tcp, tcb_conn(b->tcp, &b->tcp->tcbs[i]));
	for (int i = 0; i < 10; i++)
		bench_pass(b, 60000);
	tcp_stats(b->tcp, &st);
	if (st.conns != 0 || st.buffer_bytes != 0 || st.sources != 0 || st.time_wait != 0
	    || st.unauthenticated != 0)
		bench_die("something is left over");
	if (b->opened != b->closed)
		bench_die("opened() and closed() do not match");
	tcp_destroy(b->tcp);
}
