// SPDX-License-Identifier: Apache-2.0
// Our stack and an independent client over a link that loses, delays, reorders, duplicates,
// corrupts and falls silent, all from one seed. After every event every invariant is audited.
//
//   test_tcp_link [FIRST [COUNT]]    or SLUICE_TCP_SEEDS=COUNT; default 400 seeds from 1
#include "ref_client.h"
#include "rig.h"

#define MS UINT64_C(1000000)
#define CLIENTS 4
#define PACKETS 4096
#define HOUR (UINT64_C(3600) * 1000 * MS)

enum mode { UPLOAD, DOWNLOAD, PING_PONG, PAUSES, HALF_CLOSE, CLIENT_ABORTS, SERVER_ABORTS, MODES };

struct packet_in_flight {
	uint64_t at;
	uint64_t order;
	int client; // to the server if up
	bool up;
	uint32_t len;
	uint8_t bytes[1600];
};

struct peer {
	struct ref_client c;
	enum mode mode;
	uint64_t up_total, down_total;
	uint32_t message; // of PING_PONG
	uint64_t abort_at;
	// the server's end
	struct tcp_conn conn;
	bool open, opened_once, closed;
	enum tcp_close_reason reason;
	uint64_t got, queued;
	bool paused, eof, shut;
	uint64_t toggle_at; // pause or resume, by the server; read or not, by the client
	uint64_t read_toggle_at;
};

struct link {
	uint64_t rng;
	uint64_t now;
	struct tcp *tcp;
	struct peer peer[CLIENTS];
	int peers;
	struct packet_in_flight *flight;
	int count;
	uint64_t order;
	uint32_t loss, dup, corrupt, reorder; // per 10,000
	uint64_t delay, jitter;
	uint64_t dark_from, dark_until;
	uint8_t room[1600];
	uint64_t seed;
	uint64_t hash_seed[2]; // of the stack
	uint64_t replies, inputs;
};

static uint64_t draw(struct link *l) {
	l->rng ^= l->rng << 13;
	l->rng ^= l->rng >> 7;
	l->rng ^= l->rng << 17;
	return l->rng * UINT64_C(0x2545f4914f6cdd1d);
}

static uint32_t pick(struct link *l, uint32_t n) {
	return (uint32_t)((draw(l) >> 32) % n);
}

static bool chance(struct link *l, uint32_t per_10000) {
	return pick(l, 10000) < per_10000;
}

static void enqueue(struct link *l, int client, bool up, const uint8_t *bytes, uint32_t len) {
	if (l->count == PACKETS)
		return;
	struct packet_in_flight *p = &l->flight[l->count++];
	*p = (struct packet_in_flight) {.client = client, .up = up, .len = len, .order = l->order++
	};
	assert_true(len <= sizeof(p->bytes));
	memcpy(p->bytes, bytes, len);
	p->at = l->now + l->delay;
	if (l->jitter > 0 && chance(l, l->reorder))
		p->at += draw(l) % l->jitter;
	if (chance(l, l->corrupt))
		p->bytes[pick(l, len)] ^= (uint8_t)(1 << pick(l, 8));
}

static bool tracing; // SLUICE_TCP_TRACE=1: every segment as a line

static void
trace(const struct link *l, int client, bool up, const uint8_t *b, uint32_t len, const char *what) {
	const struct ref_client *c = &l->peer[client].c;
	uint32_t seq = (uint32_t)b[4] << 24 | (uint32_t)b[5] << 16 | (uint32_t)b[6] << 8 | b[7];
	uint32_t ack = (uint32_t)b[8] << 24 | (uint32_t)b[9] << 16 | (uint32_t)b[10] << 8 | b[11];

	print_message(
		"%9llu %d %s flags %02x seq %u ack %u len %u win %u %s\n",
		(unsigned long long)((l->now - HOUR) / MS),
		client,
		up ? ">" : "<",
		b[13],
		seq - (up ? c->iss : c->irs),
		ack - (up ? c->irs : c->iss),
		len - (uint32_t)(b[12] >> 4) * 4,
		(uint32_t)b[14] << 8 | b[15],
		what
	);
}

static void transmit(struct link *l, int client, bool up, const uint8_t *bytes, uint32_t len) {
	if (tracing)
		trace(l, client, up, bytes, len, "");
	if (l->now >= l->dark_from && l->now < l->dark_until)
		return;
	if (chance(l, l->loss))
		return;
	enqueue(l, client, up, bytes, len);
	if (chance(l, l->dup))
		enqueue(l, client, up, bytes, len);
}

static uint8_t *link_room(void *owner, uint32_t len) {
	struct link *l = owner;

	assert_true(len <= sizeof(l->room));
	return chance(l, l->corrupt) ? NULL : l->room;
}

static void link_send(void *owner, const struct tcp_segment_out *s) {
	struct link *l = owner;
	int i = s->key->remote_port - 1000;

	assert_int_equal(rig_checksum(s->key, s->bytes, s->len), 0);
	l->replies++;
	transmit(l, i, false, s->bytes, s->len);
}

static void client_send(void *owner, struct ref_client *c, const uint8_t *bytes, uint32_t len) {
	transmit(owner, c->key.remote_port - 1000, true, bytes, len);
}

static struct peer *peer_of(struct link *l, struct tcp_conn conn) {
	return &l->peer[tcp_app(l->tcp, conn) - 1];
}

static void queue_more(struct link *l, struct peer *p) {
	uint8_t bytes[3000];

	while (p->open && p->queued < p->down_total) {
		uint64_t left = p->down_total - p->queued;
		uint32_t n = left > sizeof(bytes) ? sizeof(bytes) : (uint32_t)left;
		for (uint32_t i = 0; i < n; i++)
			bytes[i] = ref_byte_down(p->c.salt, p->queued + i);
		uint32_t taken = tcp_send(l->tcp, p->conn, bytes, n);
		p->queued += taken;
		if (taken < n)
			return;
	}
}

static void all_sent(struct link *l, struct peer *p) {
	if (p->mode == DOWNLOAD && p->got > 0 && p->queued == p->down_total && !p->shut) {
		p->shut = true;
		tcp_shutdown(l->tcp, p->conn);
	}
	if (p->eof && p->queued == p->down_total && !p->shut) {
		p->shut = true;
		tcp_close(l->tcp, p->conn);
	}
}

static bool
on_opened(void *owner, struct tcp_conn conn, uint8_t, const struct flow_key *key, bool) {
	struct link *l = owner;
	struct peer *p = &l->peer[key->remote_port - 1000];

	assert_false(p->open);
	if (p->opened_once)
		fail_msg("seed %llu: a connection came to life again", (unsigned long long)l->seed);
	p->conn = conn;
	p->open = p->opened_once = true;
	tcp_set_app(l->tcp, conn, (uint32_t)(p - l->peer) + 1);
	tcp_authenticated(l->tcp, conn);
	tcp_set_idle(l->tcp, conn, 60);
	return true;
}

static uint32_t on_received(void *owner, struct tcp_conn conn, struct view v) {
	struct link *l = owner;
	struct peer *p = peer_of(l, conn);
	uint32_t use = v.len;

	if (p->mode == PING_PONG)
		use = v.len / p->message * p->message;
	if (p->mode == PAUSES && chance(l, 500)) {
		use = v.len > 0 ? pick(l, v.len) : 0;
		tcp_pause(l->tcp, conn);
		p->paused = true;
		p->toggle_at = l->now + (1 + pick(l, 4000)) * MS;
	}
	for (uint32_t i = 0; i < use; i++)
		if (v.p[i] != ref_byte_up(p->c.salt, p->got + i))
			fail_msg(
				"seed %llu: wrong byte at %llu",
				(unsigned long long)l->seed,
				(unsigned long long)(p->got + i)
			);
	p->got += use;
	if (p->mode == PING_PONG)
		p->down_total = p->got;
	queue_more(l, p);
	all_sent(l, p);
	return use;
}

static void on_eof(void *owner, struct tcp_conn conn) {
	struct link *l = owner;
	struct peer *p = peer_of(l, conn);

	assert_false(p->eof);
	p->eof = true;
	if (p->mode == HALF_CLOSE)
		p->down_total = 20000;
	queue_more(l, p);
	all_sent(l, p);
}

static void on_writable(void *owner, struct tcp_conn conn) {
	struct link *l = owner;

	queue_more(l, peer_of(l, conn));
	all_sent(l, peer_of(l, conn));
}

// A client that died without a word.
static void on_idle(void *owner, struct tcp_conn conn) {
	struct link *l = owner;

	if (peer_of(l, conn)->c.state == REF_RESET)
		tcp_abort(l->tcp, conn);
}

static void on_deadline(void *, struct tcp_conn) {
	fail_msg("nobody set a deadline");
}

static void on_closed(void *owner, struct tcp_conn conn, enum tcp_close_reason reason) {
	struct peer *p = peer_of(owner, conn);

	assert_true(p->open);
	p->open = false;
	p->closed = true;
	p->reason = reason;
}

static const char *const mode_names[MODES] =
	{"upload", "download", "ping-pong", "pauses", "half-close", "client-aborts", "server-aborts"
};

static void broken(const struct link *l, const char *what) {
	for (int i = 0; i < l->peers; i++) {
		const struct peer *p = &l->peer[i];
		print_error(
			"%s: client state %d, received %llu, una %u of %u; server got %llu, queued "
			"%llu of %llu, open %d reason %s\n",
			mode_names[p->mode],
			p->c.state,
			(unsigned long long)p->c.received,
			p->c.una - p->c.iss,
			(uint32_t)p->c.limit,
			(unsigned long long)p->got,
			(unsigned long long)p->queued,
			(unsigned long long)p->down_total,
			p->open,
			p->closed ? tcp_close_reason_label(p->reason) : "-"
		);
	}
	fail_msg(
		"seed %llu at %llu ms: %s",
		(unsigned long long)l->seed,
		(unsigned long long)((l->now - HOUR) / MS),
		what
	);
}

static void audit(struct link *l) {
	tcp_burst_end(l->tcp);
	const char *why = tcp_audit(l->tcp);
	if (why != NULL)
		broken(l, why);
}

static void peer_setup(struct link *l, int i, uint8_t family) {
	struct peer *p = &l->peer[i];
	static const uint16_t mss[] = {300, 536, 1200, 1400};

	*p = (struct peer) {.mode = (enum mode)pick(l, MODES)};
	p->up_total = p->mode == DOWNLOAD ? 1 : 1 + pick(l, 40000);
	p->down_total = p->mode == DOWNLOAD ? 1 + pick(l, 60000) : 0;
	p->message = 1 + pick(l, 3000);
	if (p->mode == PING_PONG)
		p->up_total = (uint64_t)p->message * (1 + pick(l, 20));
	p->c = (struct ref_client) {
		.key = {.remote_port = (uint16_t)(1000 + i),
			.local_port = 1883,
			.family = family,
			.protocol = 6},
		.ts = pick(l, 3) != 0,
		.sack = pick(l, 2) != 0,
		.scale = pick(l, 2) != 0,
		.lazy_ack = pick(l, 3) == 0,
		.bare_probes = pick(l, 2) != 0,
		.shift = (uint8_t)pick(l, 4),
		.mss = mss[pick(l, 4)],
		.buffer = pick(l, 2) != 0 ? REF_BUFFER : 3000 + pick(l, 20000),
		.salt = (uint32_t)draw(l),
		.ts_offset = (uint32_t)draw(l),
		.owner = l,
		.send = client_send,
	};
	memset(p->c.key.remote, 0, 16);
	p->c.key.remote[0] = 10;
	p->c.key.remote[3] = 9;
	p->c.key.local[0] = 192;
	if (family == 6)
		p->c.key.remote[15] = p->c.key.local[15] = 1;
	p->c.limit = p->mode == PING_PONG ? p->message : p->up_total;
	p->c.fin_wanted = p->mode == UPLOAD || p->mode == PAUSES || p->mode == HALF_CLOSE;
	p->read_toggle_at = pick(l, 2) != 0 ? l->now + (100 + pick(l, 3000)) * MS : UINT64_MAX;
	p->toggle_at = UINT64_MAX;
	p->abort_at = p->mode >= CLIENT_ABORTS ? l->now + pick(l, 3000) * MS : UINT64_MAX;
	ref_connect(&p->c, (uint32_t)draw(l), l->now);
}

// What the two applications do by themselves as time goes by.
static void peer_act(struct link *l, struct peer *p) {
	if (p->mode == PING_PONG && p->c.received == p->c.limit && p->c.limit < p->up_total)
		p->c.limit += p->message;
	if (p->mode == PING_PONG && p->c.received == p->up_total)
		p->c.fin_wanted = true;
	if (p->mode == SERVER_ABORTS && p->closed)
		p->c.fin_wanted = true; // should the reset be lost, the client asks for another
	if (p->mode == DOWNLOAD && p->c.fin_received)
		p->c.fin_wanted = true;
	if (p->read_toggle_at <= l->now) {
		p->c.reading = !p->c.reading;
		p->read_toggle_at = l->now > HOUR + 20000 * MS && p->c.reading
			? UINT64_MAX
			: l->now + (100 + pick(l, 3000)) * MS;
	}
	ref_kick(&p->c, l->now);
	if (p->toggle_at <= l->now && p->paused) {
		p->toggle_at = UINT64_MAX;
		p->paused = false;
		tcp_resume(l->tcp, p->conn);
	}
	if (p->abort_at <= l->now) {
		p->abort_at = UINT64_MAX;
		if (p->mode == CLIENT_ABORTS)
			ref_abort(&p->c, l->now);
		else
			tcp_abort(l->tcp, p->conn);
	}
	if (p->mode == SERVER_ABORTS && p->abort_at == UINT64_MAX && p->c.state != REF_RESET
	    && !p->open)
		p->abort_at = l->now + 100 * MS; // it came late: once more
	if (p->c.broken != NULL)
		broken(l, p->c.broken);
}

static uint64_t next_event(struct link *l, int *packet) {
	uint64_t due = tcp_next_due(l->tcp);
	uint64_t order = UINT64_MAX;

	*packet = -1;
	for (int i = 0; i < l->peers; i++) {
		struct peer *p = &l->peer[i];
		uint64_t times[] = {ref_due(&p->c), p->toggle_at, p->read_toggle_at, p->abort_at};
		bool alive = p->c.state == REF_OPEN || p->c.state == REF_SYN_SENT;
		for (int k = 0; k < 4; k++)
			if ((k == 0 || k == 1 || alive) && times[k] < due)
				due = times[k];
	}
	for (int i = 0; i < l->count; i++) {
		struct packet_in_flight *k = &l->flight[i];
		if (k->at < due || (k->at == due && (*packet < 0 || k->order < order))) {
			due = k->at;
			order = k->order;
			*packet = i;
		}
	}
	return due;
}

static void deliver(struct link *l, int i) {
	struct packet_in_flight k = l->flight[i];

	l->flight[i] = l->flight[--l->count];
	if (!k.up) {
		ref_input(&l->peer[k.client].c, k.bytes, k.len, l->now);
		return;
	}
	struct tcp_segment_in in = {
		.key = &l->peer[k.client].c.key, .bytes = k.bytes, .len = k.len
	};
	// As a layer below that has the hash already, and as one that has not: it is the same.
	if (l->inputs++ % 2 != 0)
		in.hash = flow_key_hash(l->hash_seed, in.key);
	tcp_input(l->tcp, &in, 1, l->now);
}

static bool finished(const struct link *l) {
	for (int i = 0; i < l->peers; i++) {
		const struct peer *p = &l->peer[i];
		bool client = p->c.state == REF_DONE || p->c.state == REF_RESET;
		if (!client || p->open)
			return false;
	}
	return true;
}

static void check_result(struct link *l) {
	for (int i = 0; i < l->peers; i++) {
		const struct peer *p = &l->peer[i];
		if (p->mode >= CLIENT_ABORTS)
			continue;
		if (p->c.state != REF_DONE || p->reason != TCP_CLOSED_NORMAL)
			broken(l, "it did not end in peace");
		if (p->got != p->up_total || p->c.received != p->down_total)
			broken(l, "bytes are missing");
	}
}

static struct tcp *link_stack(struct link *l, uint8_t family, const struct tcp_app *app) {
	struct tcp_env env = {.owner = l, .room = link_room, .send = link_send};
	struct tcp_service service = {
		.address = {192}, .port = 1883, .family = family, .mtu = 1500
	};
	struct tcp_listener listener = {.app = app};
	struct tcp_config c;
	struct tcp *t = NULL;

	if (family == 6)
		service.address[15] = 1;
	tcp_config_default(&c);
	c.services = &service;
	c.service_count = 1;
	c.listeners = &listener;
	c.listener_count = 1;
	c.max_conns = 16;
	c.buffer_bytes = 4 << 20;
	c.time_wait_max = 16;
	c.source_max = 16;
	c.prefault = false;
	c.fill_checksum = true;
	c.delayed_ack_ms = pick(l, 2) != 0 ? 40 : 0;
	c.user_timeout_ms = 900000;
	c.zero_window_ms = 0;
	c.retries_max = 60;
	c.fin_wait2_ms = 600000;
	c.secret[0] = draw(l);
	c.seed[0] = l->hash_seed[0] = draw(l);
	assert_int_equal(tcp_create(&c, &env, l->now, &t), 0);
	return t;
}

static uint64_t total[TCP_COUNTER_COUNT]; // over all seeds

static void drain(struct link *l) {
	struct tcp_stats st;

	l->count = 0;
	for (int i = 0; i < 400; i++) {
		l->now += 1000 * MS;
		while (tcp_poll(l->tcp, l->now, 64))
			;
		audit(l);
	}
	tcp_stats(l->tcp, &st);
	if (st.conns != 0 || st.unauthenticated != 0 || st.sources != 0 || st.time_wait != 0
	    || st.buffer_bytes != 0)
		broken(l, "something is left over");
	for (unsigned i = 0; i < TCP_COUNTER_COUNT; i++)
		total[i] += st.counters[i];
	// No amplification: a segment in causes few out, bulk transfer apart.
	if (l->replies > 40 * l->inputs + 2000)
		broken(l, "more was sent than was asked for");
}

static void run_seed(uint64_t seed) {
	static struct packet_in_flight flight[PACKETS];
	static struct link l;
	const struct tcp_app app = {
		&l, on_opened, on_received, on_eof, on_writable, on_idle, on_deadline, on_closed
	};
	uint8_t family = seed % 2 != 0 ? 4 : 6;
	static const uint32_t losses[] = {0, 100, 500, 1500, 3000};

	l = (struct link) {.rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1,
			   .now = HOUR,
			   .flight = flight,
			   .seed = seed};
	for (int i = 0; i < 8; i++)
		draw(&l);
	l.loss = losses[pick(&l, 5)];
	l.dup = pick(&l, 2) != 0 ? 200 : 0;
	l.corrupt = pick(&l, 2) != 0 ? 50 : 0;
	l.reorder = pick(&l, 2) != 0 ? 2500 : 0;
	l.delay = (1 + pick(&l, 100)) * MS;
	l.jitter = (1 + pick(&l, 60)) * MS;
	l.dark_from = pick(&l, 3) == 0 ? l.now + pick(&l, 3000) * MS : UINT64_MAX;
	l.dark_until = l.dark_from == UINT64_MAX ? 0 : l.dark_from + pick(&l, 8000) * MS;
	l.tcp = link_stack(&l, family, &app);
	l.peers = 1 + (int)pick(&l, CLIENTS);
	for (int i = 0; i < l.peers; i++)
		peer_setup(&l, i, family);

	uint64_t end = l.now + HOUR;
	while (!finished(&l)) {
		int packet;
		uint64_t due = next_event(&l, &packet);
		if (due > end)
			broken(&l, "it never ends");
		l.now = due > l.now ? due : l.now;
		if (packet >= 0)
			deliver(&l, packet);
		for (int i = 0; i < l.peers; i++) {
			ref_timer(&l.peer[i].c, l.now);
			peer_act(&l, &l.peer[i]);
		}
		if (packet < 0 || tcp_next_due(l.tcp) <= l.now)
			tcp_poll(l.tcp, l.now, 16);
		audit(&l);
	}
	check_result(&l);
	drain(&l);
	tcp_destroy(l.tcp);
}

static uint64_t first_seed = 1;
static uint64_t seeds = 400;

static void link_seeds(void **) {
	static const enum tcp_counter reached[] = {
		TCP_OPENED,
		TCP_RTX_SEGMENTS,
		TCP_RTX_TIMEOUTS,
		TCP_FAST_RTX,
		TCP_PROBES,
		TCP_OOO_KEPT,
		TCP_WINDOW_GROWN,
		TCP_BAD_CHECKSUM,
		TCP_TX_NO_ROOM,
		TCP_TIME_WAITS,
		TCP_OUT_OF_WINDOW,
	};

	for (uint64_t s = first_seed; s < first_seed + seeds; s++)
		run_seed(s);
	for (unsigned i = 0; i < sizeof(reached) / sizeof(reached[0]); i++) {
		print_message(
			"%s %llu\n",
			tcp_counter_label(reached[i]),
			(unsigned long long)total[reached[i]]
		);
		// A link that does no harm tests nothing.
		if (seeds >= 100)
			assert_true(total[reached[i]] > 0);
	}
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(link_seeds)};
	const char *many = getenv("SLUICE_TCP_SEEDS");

	tracing = getenv("SLUICE_TCP_TRACE") != NULL;
	if (many != NULL)
		seeds = strtoull(many, NULL, 10);
	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 10), seeds = 1;
	if (argc > 2)
		seeds = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
