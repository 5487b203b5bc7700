// SPDX-License-Identifier: Apache-2.0
// Structured: segments relative to a connection's state, time, app calls and ICMP, one after the
// other. Any string of bytes is a script.
#include "tests/fuzz/tcp_bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
	const uint8_t *p;
	size_t left;
};

static uint8_t next(struct script *s) {
	if (s->left == 0)
		return 0;
	s->left--;
	return *s->p++;
}

// Mostly near, sometimes far.
static uint32_t offset(struct script *s) {
	uint8_t b = next(s);

	if (b < 200)
		return (uint32_t)(int32_t)(int8_t)b;
	if (b < 240)
		return (uint32_t)((b - 200) * 300 + next(s));
	return (uint32_t)next(s) << 24 | (uint32_t)next(s) << 8;
}

static uint32_t options(struct bench *b, const struct tcb *c, struct script *s, uint8_t *o) {
	uint8_t how = next(s);
	uint32_t n = 0;

	if ((c->flags & F_TS) != 0 && how % 8 != 0) {
		memcpy(o, (const uint8_t[]) {1, 1, 8, 10}, 4);
		put_be32(o + 4, c->ts_recent + (how % 8 == 1 ? (uint32_t)-5 : 1));
		put_be32(o + 8, tcb_ts(b->tcp, c) - how);
		n = 12;
	}
	if (how >= 128) {
		memcpy(o + n, (const uint8_t[]) {1, 1, 5, 18}, 4);
		for (unsigned i = 0; i < 4; i++)
			put_be32(o + n + 4 + 4 * i, c->snd_una + offset(s));
		n += 20;
	}
	return n;
}

static void segment(struct bench *b, struct tcb *c, struct script *s) {
	static const uint8_t flags[8] = {0x10, 0x18, 0x10, 0x10, 0x11, 0x14, 0x02, 0x30};
	uint8_t raw[2048];
	uint8_t o[40];
	uint8_t payload[1400];
	struct flow_key key;

	tcb_key(b->tcp, c, &key);
	uint32_t n = options(b, c, s, o);
	uint8_t how = next(s);
	uint32_t seq = c->rcv_nxt + (how & 1 ? offset(s) : 0);
	uint32_t ack = c->snd_una + (how & 2 ? offset(s) : c->snd_nxt - c->snd_una);
	uint32_t len = how & 4 ? next(s) * (how & 8 ? 5u : 1u) : 0;
	uint16_t window = how & 16 ? (uint16_t)(next(s) << (how & 32 ? 8 : 0)) : 8000;
	memset(payload, next(s), len);
	bench_in(
		b,
		&key,
		raw,
		bench_segment(raw, seq, ack, flags[how >> 5], window, o, n, payload, len)
	);
}

static void step(struct bench *b, struct script *s) {
	uint8_t op = next(s);
	struct tcp_conn conn = b->conn[op >> 5];
	struct tcb *c = tcb_of(b->tcp, conn);
	uint8_t bytes[3000] = {1};

	switch (op & 31) {
	case 0:
		bench_open(b, next(s) % 20, op >= 128);
		break;
	case 1:
		bench_pass(b, next(s) * 20u);
		break;
	case 2:
		bench_pass(b, next(s) * 1000u);
		break;
	case 3:
		tcp_send(b->tcp, conn, bytes, next(s) * 11u);
		break;
	case 4:
		tcp_close(b->tcp, conn);
		break;
	case 5:
		tcp_shutdown(b->tcp, conn);
		break;
	case 6:
		tcp_abort(b->tcp, conn);
		break;
	case 7:
		tcp_pause(b->tcp, conn);
		break;
	case 8:
		tcp_resume(b->tcp, conn);
		break;
	case 9:
		b->eat = next(s) < 128 ? UINT32_MAX : next(s);
		break;
	case 10:
		tcp_authenticated(b->tcp, conn);
		break;
	case 11:
		tcp_set_idle(b->tcp, conn, next(s));
		break;
	case 12:
		tcp_set_deadline(b->tcp, conn, next(s) * 100u);
		break;
	case 13:
		if (c != NULL) {
			struct tcp_icmp e = {.seq = c->snd_una + offset(s), .mtu = next(s) * 6u};
			tcb_key(b->tcp, c, &e.key);
			tcp_icmp_error(b->tcp, &e, b->now);
		}
		break;
	default:
		if (c != NULL)
			segment(b, c, s);
		break;
	}
	if (op % 3 != 0)
		bench_settle(b); // else the burst goes on
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct script s = {data, size < 4096 ? size : 4096};
	struct bench b;

	bench_start(&b);
	bench_open(&b, 0, false);
	bench_open(&b, 2, true);
	while (s.left > 0)
		step(&b, &s);
	bench_settle(&b);
	bench_end(&b);
	return 0;
}
