// SPDX-License-Identifier: Apache-2.0
#include "rig.h"

static const struct step *current; // for messages
static int current_index;

#define RIG_ASSERT(cond, ...)                                                                      \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			print_error("step %d: ", current_index);                                   \
			print_error(__VA_ARGS__);                                                  \
			print_error("\n");                                                         \
			fail();                                                                    \
		}                                                                                  \
	} while (0)

static void w16(uint8_t *p, uint32_t v) {
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void w32(uint8_t *p, uint32_t v) {
	w16(p, v >> 16);
	w16(p + 2, v & 0xffff);
}

static uint32_t r32(const uint8_t *p) {
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// Written byte pair by byte pair, unlike the library's.
uint16_t rig_checksum(const struct flow_key *key, const uint8_t *p, uint32_t len) {
	uint32_t n = key->family == 4 ? 4 : 16;
	uint64_t sum = 6 + (len >> 16) + (len & 0xffff);

	for (uint32_t i = 0; i < n; i += 2) {
		sum += (uint32_t)(key->remote[i] << 8 | key->remote[i + 1]);
		sum += (uint32_t)(key->local[i] << 8 | key->local[i + 1]);
	}
	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(0xffff - sum);
}

uint32_t rig_build(
	uint8_t *out,
	const struct flow_key *key,
	uint32_t seq,
	uint32_t ack,
	uint8_t flags,
	uint16_t window,
	const uint8_t *options,
	uint32_t option_bytes,
	const uint8_t *payload,
	uint32_t len
) {
	memset(out, 0, 20);
	w16(out, key->remote_port);
	w16(out + 2, key->local_port);
	w32(out + 4, seq);
	w32(out + 8, ack);
	out[12] = (uint8_t)((5 + option_bytes / 4) << 4);
	out[13] = flags;
	w16(out + 14, window);
	if (option_bytes > 0)
		memcpy(out + 20, options, option_bytes);
	if (len > 0)
		memcpy(out + 20 + option_bytes, payload, len);
	w16(out + 16, rig_checksum(key, out, 20 + option_bytes + len));
	return 20 + option_bytes + len;
}

static uint8_t *rig_room(void *owner, uint32_t len) {
	struct rig *r = owner;

	if (r->no_room)
		return NULL;
	assert_true(r->out_count < RIG_QUEUE);
	struct sent *s = &r->out[(r->out_head + r->out_count) % RIG_QUEUE];
	assert_true(len >= 20 && len <= sizeof(s->bytes));
	memset(s->bytes, 0xee, len);
	s->len = len;
	return s->bytes;
}

static void rig_send(void *owner, const struct tcp_segment_out *o) {
	struct rig *r = owner;
	struct sent *s = &r->out[(r->out_head + r->out_count) % RIG_QUEUE];

	assert_ptr_equal(o->bytes, s->bytes);
	assert_int_equal(o->len, s->len);
	assert_memory_equal(o->path.bytes, "path-bytes", 10);
	if (o->key->remote_port == r->key.remote_port)
		rig_check_sent(r, s);
	r->out_count++;
}

struct sent *rig_pop(struct rig *r) {
	if (r->out_count == 0)
		return NULL;
	struct sent *s = &r->out[r->out_head];
	r->out_head = (r->out_head + 1) % RIG_QUEUE;
	r->out_count--;
	return s;
}

const uint8_t *sent_option(const struct sent *s, uint8_t kind, uint8_t *len) {
	for (uint32_t i = 20; i < sent_header(s);) {
		uint8_t k = s->bytes[i];
		if (k == 0)
			break;
		if (k == 1) {
			i++;
			continue;
		}
		assert_true(i + 1 < sent_header(s));
		uint8_t n = s->bytes[i + 1];
		assert_true(n >= 2 && i + n <= sent_header(s));
		if (k == kind) {
			*len = n - 2;
			return s->bytes + i + 2;
		}
		i += n;
	}
	return NULL;
}

// Rows 2, 8, 25, 26, 44, 51 for everything that leaves: checksum, reserved bits, timestamps that
// never go back, a right edge that never moves left, payload that is what the app wrote.
void rig_check_sent(struct rig *r, const struct sent *s) {
	uint8_t flags = s->bytes[13];
	uint8_t n;

	assert_int_equal(rig_checksum(&r->key, s->bytes, s->len), 0);
	assert_true(sent_header(s) >= 20 && sent_header(s) <= s->len);
	assert_int_equal(s->bytes[12] & 0x0f, 0);
	assert_int_equal(flags & 0xc0, 0);
	assert_int_equal(s->bytes[0] << 8 | s->bytes[1], r->key.local_port);
	assert_int_equal(s->bytes[2] << 8 | s->bytes[3], r->key.remote_port);
	assert_int_equal(s->bytes[18] << 8 | s->bytes[19], 0);
	if ((flags & R) != 0 || (flags & S) != 0)
		return;
	const uint8_t *ts = sent_option(s, 8, &n);
	if (r->isn_known && r->conn.index != 0) {
		assert_int_equal(ts != NULL, r->o.ts);
		if (ts != NULL) {
			uint32_t val = r32(ts);
			if (r->ts_seen)
				assert_true((int32_t)(val - r->our_tsval) >= 0);
			r->our_tsval = val;
			r->ts_seen = true;
		}
		uint32_t edge = sent_ack(s) - r->peer_isn + sent_window(s);
		if (r->edge_known)
			assert_true((int32_t)(edge - r->edge) >= 0);
		r->edge = edge;
		r->edge_known = true;
		for (uint32_t i = 0; i < sent_payload(s); i++)
			assert_int_equal(
				s->bytes[sent_header(s) + i], our_byte(sent_seq(s) - r->our_isn + i)
			);
	}
}

static bool app_opened(
	void *owner,
	struct tcp_conn conn,
	uint8_t listener,
	const struct flow_key *key,
	bool proxied
) {
	struct rig *r = owner;

	assert_int_equal(listener, 0);
	r->opened_key = *key;
	r->proxied = proxied;
	r->events |= EV_OPENED;
	if (r->o.refuse)
		return false;
	r->conn = conn;
	r->delivered = 0;
	r->written = 0;
	tcp_set_app(r->tcp, conn, 77);
	if (!r->o.no_auth)
		tcp_authenticated(r->tcp, conn);
	return true;
}

static uint32_t app_received(void *owner, struct tcp_conn conn, struct view v) {
	struct rig *r = owner;

	assert_int_equal(conn.index, r->conn.index);
	assert_true(v.len > 0);
	for (uint32_t i = 0; i < v.len && !r->o.proxy; i++)
		if (v.p[i] != peer_byte(1 + r->delivered + i))
			fail_msg("byte %llu is wrong", (unsigned long long)(r->delivered + i));
	uint32_t n = v.len < r->eat ? v.len : r->eat;
	r->delivered += n;
	if (n < v.len && r->o.pausing)
		tcp_pause(r->tcp, conn);
	return n;
}

static void app_peer_closed(void *owner, struct tcp_conn) {
	((struct rig *)owner)->events |= EV_EOF;
}

static void app_writable(void *owner, struct tcp_conn) {
	((struct rig *)owner)->events |= EV_WRITABLE;
}

static void app_idle(void *owner, struct tcp_conn) {
	((struct rig *)owner)->events |= EV_IDLE;
}

static void app_deadline(void *owner, struct tcp_conn) {
	((struct rig *)owner)->events |= EV_DEADLINE;
}

static void app_closed(void *owner, struct tcp_conn conn, enum tcp_close_reason reason) {
	struct rig *r = owner;

	assert_int_equal(r->events & EV_CLOSED, 0);
	assert_int_equal(tcp_app(r->tcp, conn), 77);
	assert_int_equal(tcp_send(r->tcp, conn, "x", 1), 0);
	r->events |= CLOSED(reason);
}

static const uint8_t peer4[16] = {10, 1, 2, 3};
static const uint8_t ours4[16] = {192, 0, 2, 1};
static const uint8_t peer6[16] = {0x20, 0x01, 0x0d, 0xb8, [7] = 1, [15] = 3};
static const uint8_t ours6[16] = {0x20, 0x01, 0x0d, 0xb9, [15] = 1};

void rig_start(struct rig *r, uint8_t family, const struct rig_options *o) {
	static struct sent queue[RIG_QUEUE];
	static struct tcp_app app;
	struct tcp_env env = {.owner = r, .room = rig_room, .send = rig_send};
	struct tcp_config c;

	*r = (struct rig) {.o = *o, .now = UINT64_C(5000000000000), .out = queue, .eat = UINT32_MAX
	};
	r->key = (struct flow_key
	) {.remote_port = 40000, .local_port = 1883, .realm = 7, .family = family, .protocol = 6};
	memcpy(r->key.remote, family == 4 ? peer4 : peer6, 16);
	memcpy(r->key.local, family == 4 ? ours4 : ours6, 16);
	app = (struct tcp_app) {r,
				app_opened,
				app_received,
				app_peer_closed,
				app_writable,
				app_idle,
				app_deadline,
				app_closed};
	struct tcp_service services[2] = {
		{.port = 1883, .realm = 7, .family = family, .mtu = o->mtu != 0 ? o->mtu : 1500},
		{.port = 1884, .realm = 7, .family = family, .mtu = 1500},
	};
	memcpy(services[0].address, r->key.local, 16);
	memcpy(services[1].address, r->key.local, 16);
	struct tcp_listener listener = {.app = &app, .proxy_v2 = o->proxy};
	struct tcp_prefix balancers[2] = {
		{.address = {10}, .realm = 7, .family = 4, .bits = 9},
		{.address = {0x20, 0x01, 0x0d, 0xb8}, .realm = 7, .family = 6, .bits = 32},
	};
	tcp_config_default(&c);
	c.services = services;
	c.service_count = 2;
	c.listeners = &listener;
	c.listener_count = 1;
	c.balancers = balancers;
	c.balancer_count = 2;
	c.max_conns = 64;
	c.buffer_bytes = 4 << 20;
	c.time_wait_max = 16;
	c.source_max = 64;
	c.delayed_ack_ms = 0;
	c.prefault = false;
	c.fill_checksum = true;
	c.secret[0] = 0x1234567;
	c.seed[0] = 0x89abcdef;
	if (o->tune != NULL)
		o->tune(&c);
	assert_int_equal(tcp_create(&c, &env, r->now, &r->tcp), 0);
	r->peer_isn = 0xfffffc00; // wraps early
	if (!o->closed)
		rig_open(r);
}

static uint32_t peer_ts(const struct rig *r) {
	return (uint32_t)(r->now / 1000000) + 77000;
}

static void pad4(uint8_t *o, uint32_t *n) {
	while (*n % 4 != 0)
		o[(*n)++] = 1;
}

static uint32_t put_options(const struct rig *r, const struct step *s, uint8_t *o) {
	uint32_t n = 0;

	if ((s->flags & S) != 0) {
		uint16_t mss = s->mss != 0 ? s->mss : r->key.family == 4 ? 1460 : 1440;
		if (mss != 1) {
			o[n] = 2;
			o[n + 1] = 4;
			w16(o + n + 2, mss);
			n += 4;
		}
		if (r->o.sack)
			memcpy(o + n, "\x04\x02", 2), n += 2;
		if (r->o.scale)
			o[n] = 3, o[n + 1] = 3, o[n + 2] = r->o.shift, n += 3;
	}
	if (r->o.ts && !s->no_ts) {
		o[n] = 8;
		o[n + 1] = 10;
		w32(o + n + 2, peer_ts(r) + (uint32_t)s->ts);
		w32(o + n + 6, (s->flags & A) != 0 ? r->our_tsval : 0);
		n += 10;
	}
	if (s->sacks > 0) {
		pad4(o, &n);
		o[n] = 5;
		o[n + 1] = (uint8_t)(2 + 8 * s->sacks);
		for (unsigned i = 0; i < 2u * s->sacks; i++)
			w32(o + n + 2 + 4 * i, r->our_isn + s->sack[i]);
		n += 2 + 8u * s->sacks;
	}
	pad4(o, &n);
	return n;
}

void rig_raw(struct rig *r, const uint8_t *bytes, uint32_t len) {
	struct tcp_segment_in in = {
		.key = &r->key, .path = {"path-bytes"}, .bytes = bytes, .len = len
	};

	tcp_input(r->tcp, &in, 1, r->now);
}

void rig_in(struct rig *r, const struct step *s) {
	uint8_t payload[9000];
	uint8_t options[64];
	uint8_t raw[9300];
	uint32_t n = put_options(r, s, options);
	uint32_t window = s->win < 0 ? 0 : s->win > 0 ? (uint32_t)s->win : 60000;

	assert_true(s->len <= sizeof(payload));
	for (uint32_t i = 0; i < s->len; i++)
		payload[i] = peer_byte((uint64_t)s->seq + i);
	uint32_t len = rig_build(
		raw,
		&r->key,
		r->peer_isn + (uint32_t)s->seq,
		(s->flags & A) != 0 ? r->our_isn + (uint32_t)s->ack : 0,
		s->flags,
		(uint16_t)window,
		options,
		n,
		payload,
		s->len
	);
	if (s->urgent != 0) {
		w16(raw + 18, s->urgent);
		w16(raw + 16, 0);
		w16(raw + 16, rig_checksum(&r->key, raw, len));
	}
	rig_raw(r, raw, len);
	if (!s->more)
		rig_flush(r);
}

void rig_flush(struct rig *r) {
	tcp_burst_end(r->tcp);
	const char *broken = tcp_audit(r->tcp);
	if (broken != NULL)
		fail_msg("step %d: %s", current_index, broken);
}

void rig_advance(struct rig *r, uint32_t ms) {
	uint64_t end = r->now + (uint64_t)ms * 1000000;

	// To each due time in turn, as a worker that sleeps in between.
	for (;;) {
		uint64_t due = tcp_next_due(r->tcp);
		if (due > end)
			break;
		r->now = due > r->now ? due : r->now + 4000000;
		if (r->now > end)
			break;
		for (int i = 0; i < 100000 && tcp_poll(r->tcp, r->now, 64); i++)
			;
		rig_flush(r);
	}
	r->now = end;
	for (int i = 0; i < 100000 && tcp_poll(r->tcp, r->now, 64); i++)
		;
	rig_flush(r);
}

void rig_open(struct rig *r) {
	const struct step syn = {
		.op = OP_IN, .flags = S, .seq = 0, .mss = r->o.mss, .win = r->o.win
	};
	const struct step ack = {.op = OP_IN, .flags = A, .seq = 1, .ack = 1, .win = r->o.win};
	uint8_t n;

	r->conn = (struct tcp_conn) {0};
	r->isn_known = r->ts_seen = r->edge_known = false;
	rig_in(r, &syn);
	struct sent *s = rig_pop(r);
	assert_non_null(s);
	assert_int_equal(s->bytes[13], S | A);
	assert_int_equal(sent_ack(s), r->peer_isn + 1);
	r->our_isn = sent_seq(s);
	r->isn_known = true;
	const uint8_t *ts = sent_option(s, 8, &n);
	if (ts != NULL)
		r->our_tsval = r32(ts), r->ts_seen = true;
	rig_in(r, &ack);
	r->conn_no++;
}

void rig_stop(struct rig *r) {
	struct tcp_stats st;

	tcp_abort(r->tcp, r->conn);
	r->out_count = 0;
	r->no_room = false;
	for (int i = 0; i < 4; i++)
		rig_advance(r, 140000);
	tcp_stats(r->tcp, &st);
	assert_int_equal(st.conns, 0);
	assert_int_equal(st.unauthenticated, 0);
	assert_int_equal(st.sources, 0);
	assert_int_equal(st.time_wait, 0);
	assert_int_equal(st.buffer_bytes, 0);
	tcp_destroy(r->tcp);
}

static void expect_out(struct rig *r, const struct step *w) {
	struct sent *s = rig_pop(r);
	uint8_t n = 0;

	RIG_ASSERT(s != NULL, "nothing was sent");
	uint32_t seq = sent_seq(s) - ((w->flags & (R | A)) == R && w->seq == 0 ? 0 : r->our_isn);
	uint32_t ack = sent_ack(s) - r->peer_isn;
	RIG_ASSERT((s->bytes[13] & ~P) == (w->flags & ~P), "flags %#x", s->bytes[13]);
	RIG_ASSERT(w->seq < 0 || seq == (uint32_t)w->seq, "seq %u", seq);
	RIG_ASSERT((w->flags & A) == 0 || ack == (uint32_t)w->ack, "ack %u", ack);
	RIG_ASSERT(w->any_len || sent_payload(s) == w->len, "len %u", sent_payload(s));
	RIG_ASSERT(
		w->win == 0 || sent_window(s) == (w->win < 0 ? 0 : (uint32_t)w->win),
		"win %u",
		sent_window(s)
	);
	const uint8_t *sack = sent_option(s, 5, &n);
	RIG_ASSERT(!w->no_sack || sack == NULL, "unexpected SACK");
	RIG_ASSERT(w->sacks == 0 || (sack != NULL && n == 8 * w->sacks), "SACK of %u bytes", n);
	for (unsigned i = 0; i < 2u * w->sacks; i++)
		RIG_ASSERT(
			r32(sack + 4 * i) - r->peer_isn == w->sack[i],
			"SACK edge %u is %u",
			i,
			r32(sack + 4 * i) - r->peer_isn
		);
}

static void do_send(struct rig *r, uint32_t len) {
	static uint8_t bytes[1 << 17];

	assert_true(len <= sizeof(bytes));
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = our_byte(1 + (uint64_t)r->written + i);
	r->written += tcp_send(r->tcp, r->conn, bytes, len);
}

uint64_t rig_counter(const struct rig *r, enum tcp_counter c) {
	struct tcp_stats st;

	tcp_stats(r->tcp, &st);
	return st.counters[c];
}

static void do_icmp(struct rig *r, const struct step *s) {
	struct tcp_icmp e = {
		.key = r->key,
		.seq = r->our_isn + (uint32_t)s->seq,
		.mtu = s->op == OP_PTB ? s->len : 0,
	};

	tcp_icmp_error(r->tcp, &e, r->now);
}

static void run_step(struct rig *r, const struct step *s) {
	switch (s->op) {
	case OP_IN:
		rig_in(r, s);
		return;
	case OP_OUT:
		expect_out(r, s);
		return;
	case OP_NONE:
		RIG_ASSERT(
			r->out_count == 0,
			"%u segments too many, first with flags %#x, %u bytes",
			r->out_count,
			r->out[r->out_head].bytes[13],
			sent_payload(&r->out[r->out_head])
		);
		return;
	case OP_WAIT:
		rig_advance(r, s->len);
		if (s->len > INT32_MAX)
			r->ts_seen = false; // half a turn of the timestamp clock: no order
		return;
	case OP_SEND:
		do_send(r, s->len);
		break;
	case OP_CLOSE:
		tcp_close(r->tcp, r->conn);
		break;
	case OP_SHUTDOWN:
		tcp_shutdown(r->tcp, r->conn);
		break;
	case OP_ABORT:
		tcp_abort(r->tcp, r->conn);
		break;
	case OP_PAUSE:
		tcp_pause(r->tcp, r->conn);
		break;
	case OP_RESUME:
		tcp_resume(r->tcp, r->conn);
		break;
	case OP_AUTH:
		tcp_authenticated(r->tcp, r->conn);
		break;
	case OP_EAT:
		r->eat = s->len;
		return;
	case OP_GOT:
		RIG_ASSERT(r->delivered == s->len, "%llu bytes", (unsigned long long)r->delivered);
		return;
	case OP_EVENT:
		RIG_ASSERT(r->events == s->len, "events %#x", r->events);
		r->events = 0;
		return;
	case OP_PTB:
	case OP_ICMP:
		do_icmp(r, s);
		break;
	case OP_NO_ROOM:
		r->no_room = s->len != 0;
		return;
	case OP_COUNT:
		RIG_ASSERT(
			rig_counter(r, (enum tcp_counter)s->seq) == s->len,
			"%s is %llu",
			tcp_counter_label((enum tcp_counter)s->seq),
			(unsigned long long)rig_counter(r, (enum tcp_counter)s->seq)
		);
		return;
	case OP_DROP:
		r->out_count = 0;
		return;
	case OP_REOPEN:
		r->events = 0;
		rig_open(r);
		return;
	case OP_END:
		return;
	}
	rig_flush(r);
}

void rig_run(struct rig *r, const struct step *steps) {
	for (int i = 0; steps[i].op != OP_END; i++) {
		current = &steps[i];
		current_index = i;
		run_step(r, &steps[i]);
	}
	RIG_ASSERT(r->out_count == 0, "%u segments were not expected", r->out_count);
	(void)current;
}

void rig_table(const struct step *steps, const struct rig_options *o) {
	static const struct rig_options none;

	for (uint8_t family = 4; family <= 6; family += 2) {
		struct rig r;
		rig_start(&r, family, o != NULL ? o : &none);
		r.events = 0;
		rig_run(&r, steps);
		rig_stop(&r);
	}
}
