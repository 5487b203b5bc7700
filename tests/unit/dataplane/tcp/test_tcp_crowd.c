// SPDX-License-Identifier: Apache-2.0
// Many peers at once: limits that must hit the one who floods and nobody else, deadlines, memory
// pressure, realms, service addresses, balancers, and what an idle connection costs.
#include "dataplane/tcp/tcp_types.h"
#include "rig.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

struct crowd {
	struct tcp *tcp;
	uint64_t now;
	uint8_t family;
	uint16_t window; // the peers'
	uint8_t out[2048];
	uint32_t out_len;
	uint64_t sent;
	uint64_t opened, closed, bytes, eof;
	uint64_t reasons[TCP_CLOSE_REASON_COUNT];
	struct tcp_conn last;
	struct flow_key last_key;
	bool last_proxied, refuse, silent, hold;
	uint8_t last_listener;
};

static uint8_t *crowd_room(void *owner, uint32_t len) {
	struct crowd *c = owner;

	assert_true(len <= sizeof(c->out));
	return c->out;
}

static void crowd_send(void *owner, const struct tcp_segment_out *s) {
	struct crowd *c = owner;

	c->out_len = s->len;
	c->sent++;
}

static bool crowd_opened(
	void *owner,
	struct tcp_conn conn,
	uint8_t listener,
	const struct flow_key *key,
	bool proxied
) {
	struct crowd *c = owner;

	c->opened++;
	c->last = conn;
	c->last_key = *key;
	c->last_proxied = proxied;
	c->last_listener = listener;
	return !c->refuse;
}

// The first byte says who it is; each chunk is answered with four bytes, like a PUBACK.
static uint32_t crowd_received(void *owner, struct tcp_conn conn, struct view v) {
	struct crowd *c = owner;

	if (c->hold)
		return 0;
	if (v.p[0] == 'C')
		tcp_authenticated(c->tcp, conn);
	c->bytes += v.len;
	if (!c->silent)
		tcp_send(c->tcp, conn, "puba", 4);
	return v.len;
}

static void crowd_eof(void *owner, struct tcp_conn conn) {
	struct crowd *c = owner;

	c->eof++;
	tcp_close(c->tcp, conn);
}

static void crowd_nothing(void *, struct tcp_conn) {}

static void crowd_closed(void *owner, struct tcp_conn, enum tcp_close_reason reason) {
	struct crowd *c = owner;

	c->closed++;
	c->reasons[reason]++;
}

static void small(struct tcp_config *c) {
	c->max_conns = 1000;
	c->buffer_bytes = 8 << 20;
	c->time_wait_max = 100;
	c->source_max = 64;
}

static void
crowd_start(struct crowd *c, uint8_t family, void (*tune)(struct tcp_config *), bool proxy) {
	static struct tcp_app app;
	struct tcp_env env = {.owner = c, .room = crowd_room, .send = crowd_send};
	struct tcp_config k;
	struct tcp_service services[5] = {0};
	struct tcp_listener listeners[2] = {{.app = &app, .proxy_v2 = proxy}, {.app = &app}};
	struct tcp_prefix balancer = {.address = {10, 9}, .family = family, .bits = 16};

	*c = (struct crowd) {.now = 3600 * SECOND, .family = family, .window = 8000};
	app = (struct tcp_app) {c,
				crowd_opened,
				crowd_received,
				crowd_eof,
				crowd_nothing,
				crowd_nothing,
				crowd_nothing,
				crowd_closed};
	// one listener on two addresses and in two realms, another on a further port
	for (unsigned i = 0; i < 5; i++) {
		services[i] = (struct tcp_service) {
			.address = {192, 0, 2, (uint8_t)(1 + i % 2)},
			.port = i < 4 ? 1883 : 8883,
			.realm = (uint16_t)(i / 2 % 2),
			.family = family,
			.listener = i == 4,
			.mtu = 1500,
		};
	}
	tcp_config_default(&k);
	k.services = services;
	k.service_count = 5;
	k.listeners = listeners;
	k.listener_count = 2;
	k.balancers = &balancer;
	k.balancer_count = 1;
	k.prefault = false;
	k.secret[0] = 4711;
	k.seed[1] = 815;
	if (tune != NULL)
		tune(&k);
	assert_int_equal(tcp_create(&k, &env, c->now, &c->tcp), 0);
}

static struct flow_key crowd_key(const struct crowd *c, uint8_t a, uint8_t b, uint16_t port) {
	return (struct flow_key) {
		.remote = {10, a, 0, b},
		.local = {192, 0, 2, 1},
		.remote_port = port,
		.local_port = 1883,
		.family = c->family,
		.protocol = 6,
	};
}

static uint32_t be32(const uint8_t *p) {
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void
put(struct crowd *c,
    const struct flow_key *key,
    uint32_t seq,
    uint32_t ack,
    uint8_t flags,
    const void *bytes,
    uint32_t len) {
	uint8_t b[1600];
	uint32_t n = rig_build(b, key, seq, ack, flags, c->window, NULL, 0, bytes, len);
	struct tcp_segment_in in = {.key = key, .bytes = b, .len = n};

	c->out_len = 0;
	tcp_input(c->tcp, &in, 1, c->now);
}

// SYN, SYN-ACK, ACK. Returns our ISN + 1 as the peer knows it; 0 if there was no SYN-ACK.
static uint32_t shake(struct crowd *c, const struct flow_key *key) {
	put(c, key, 999, 0, S, NULL, 0);
	if (c->out_len == 0 || c->out[13] != (S | A))
		return 0;
	uint32_t seq = be32(c->out + 4) + 1;
	put(c, key, 1000, seq, A, NULL, 0);
	tcp_burst_end(c->tcp);
	return seq;
}

static bool
publish(struct crowd *c, const struct flow_key *key, uint32_t at, uint32_t ack, const char *text) {
	uint64_t before = c->bytes;

	put(c, key, 1000 + at, ack, A | P, text, (uint32_t)strlen(text));
	tcp_burst_end(c->tcp);
	return c->bytes == before + strlen(text) && c->out_len > 0;
}

static void pass(struct crowd *c, uint64_t ns) {
	for (uint64_t end = c->now + ns; c->now < end;) {
		c->now += 100 * MS;
		while (tcp_poll(c->tcp, c->now, 256))
			;
		tcp_burst_end(c->tcp);
	}
}

static void sound(const struct crowd *c) {
	const char *broken = tcp_audit(c->tcp);

	if (broken != NULL)
		fail_msg("%s", broken);
}

static void carrier(struct tcp_config *c) {
	c->max_conns = 100000;
	c->time_wait_max = 1000;
}

// 50,000 devices behind one carrier's address connect and publish while another address opens
// connections as fast as it can and says nothing. Everything per source as shipped.
static void carrier_nat_is_not_a_flood(void **) {
	struct crowd c;
	uint32_t good = 0;
	uint32_t flooded = 0;

	crowd_start(&c, 4, carrier, false);
	for (uint32_t i = 0; i < 50000; i++) {
		// two connections of the flood for each device
		for (int k = 0; k < 2; k++) {
			struct flow_key bad = crowd_key(&c, 66, 6, (uint16_t)(1 + flooded % 65000));
			flooded += shake(&c, &bad) != 0;
		}
		struct flow_key key = crowd_key(&c, 1, 1, (uint16_t)(1 + i));
		uint32_t seq = shake(&c, &key);
		good += seq != 0 && publish(&c, &key, 0, seq, "CONNECT and publish");
		c.now += 200000; // 5,000 devices per second
		if (i % 50 == 49) {
			tcp_poll(c.tcp, c.now, 1000);
			tcp_burst_end(c.tcp);
		}
	}
	assert_int_equal(good, 50000);
	struct tcp_stats st;
	tcp_stats(c.tcp, &st);
	assert_true(st.counters[TCP_SOURCE_LIMITED] > 0); // the limit was needed
	sound(&c);
	tcp_destroy(c.tcp);
}

static void limits_rest_without_pressure(void **) {
	struct crowd c;

	crowd_start(&c, 4, small, false);
	for (uint16_t i = 1; i <= 600; i++) { // one source, 60 % of all connections, all anonymous
		struct flow_key key = crowd_key(&c, 1, 1, i);
		assert_int_not_equal(shake(&c, &key), 0);
	}
	assert_int_equal(c.opened, 600);
	struct tcp_stats st;
	tcp_stats(c.tcp, &st);
	assert_int_equal(st.counters[TCP_SOURCE_LIMITED], 0);
	assert_int_equal(st.unauthenticated, 600);
	assert_int_equal(st.sources, 1);
	// silence: all of them are gone after the first-byte deadline
	pass(&c, 6 * SECOND);
	assert_int_equal(c.reasons[TCP_CLOSED_FIRST_BYTE], 600);
	tcp_stats(c.tcp, &st);
	assert_int_equal(st.conns, 0);
	assert_int_equal(st.sources, 0);
	sound(&c);
	tcp_destroy(c.tcp);
}

static void pressure_limits_sources_and_then_syns(void **) {
	struct crowd c;
	struct tcp_stats st;

	crowd_start(&c, 4, small, false);
	for (uint16_t i = 1; i <= 800; i++) {
		struct flow_key key = crowd_key(&c, 1, 1, i);
		shake(&c, &key);
	}
	tcp_stats(c.tcp, &st);
	assert_int_equal(st.conns, 700); // then the share acts
	assert_int_equal(tcp_pressure(c.tcp), TCP_PRESSURE_SHRINK);
	// another source is welcome, with a small window, up to its share
	for (uint16_t i = 1; i <= 100; i++) {
		struct flow_key key = crowd_key(&c, 2, 2, i);
		shake(&c, &key);
	}
	tcp_stats(c.tcp, &st);
	assert_int_equal(st.conns, 750);
	// devices that say who they are count no more
	for (uint16_t i = 1; i <= 100; i++) {
		struct flow_key key = crowd_key(&c, 3, 3, i);
		uint32_t seq = shake(&c, &key);
		assert_true(publish(&c, &key, 0, seq, "C"));
	}
	for (uint16_t i = 1; i <= 200; i++) {
		struct flow_key key = crowd_key(&c, 4, 4, i);
		uint32_t seq = shake(&c, &key);
		if (seq != 0)
			publish(&c, &key, 0, seq, "C");
	}
	tcp_stats(c.tcp, &st);
	assert_int_equal(st.conns, 920);
	assert_int_equal(st.pressure, TCP_PRESSURE_NO_SYN);
	assert_true(st.counters[TCP_SYN_PRESSURE] > 0);
	sound(&c);
	tcp_destroy(c.tcp);
}

static void connect_many(struct crowd *c, uint8_t source, uint16_t count) {
	for (uint16_t i = 1; i <= count; i++) {
		struct flow_key key = crowd_key(c, source, source, i);
		uint32_t seq = shake(c, &key);
		put(c, &key, 1000, seq, A | P, "C", 1);
		tcp_burst_end(c->tcp);
	}
}

// Sockstress: who keeps windows closed may do so for a while, but under pressure no source may have
// more than its share of such connections, authenticated or not.
static void rfc_48_zero_window_per_source(void **) {
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct crowd c;
		struct tcp_stats st;
		crowd_start(&c, family, small, false);
		c.window = 0;
		connect_many(&c, 1, 200);
		connect_many(&c, 2, 10);
		pass(&c, 3 * SECOND);
		tcp_stats(c.tcp, &st);
		assert_int_equal(st.stalled, 210);
		assert_int_equal(c.closed, 0); // no pressure, no limit
		sound(&c);

		c.window = 8000;
		connect_many(&c, 3, 650);
		pass(&c, 20 * SECOND);
		tcp_stats(c.tcp, &st);
		assert_true(st.pressure >= TCP_PRESSURE_SHRINK);
		assert_int_equal(st.counters[TCP_STALL_LIMITED], 150);
		assert_int_equal(c.reasons[TCP_CLOSED_ZERO_WINDOW], 150);
		assert_int_equal(st.stalled, 60); // the share of 5 %, and the other source's
		assert_int_equal(c.closed, 150);
		sound(&c);

		// Whoever opens his window is counted no more.
		for (uint16_t i = 1; i <= 10; i++) {
			struct flow_key key = crowd_key(&c, 2, 2, i);
			put(&c, &key, 1001, 0, R, NULL, 0);
		}
		tcp_stats(c.tcp, &st);
		assert_int_equal(st.stalled, 50);
		sound(&c);
		tcp_destroy(c.tcp);
	}
}

static void slowloris(void **) {
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct crowd c;
		crowd_start(&c, family, small, false);
		struct flow_key key = crowd_key(&c, 1, 1, 1);
		uint32_t seq = shake(&c, &key);
		c.hold = true;
		for (uint32_t i = 0; i < 12; i++) { // a byte a second
			put(&c, &key, 1000 + i, seq, A, "x", 1);
			tcp_burst_end(c.tcp);
			pass(&c, SECOND);
		}
		assert_int_equal(c.reasons[TCP_CLOSED_AUTH], 1);
		struct tcp_stats st;
		tcp_stats(c.tcp, &st);
		assert_int_equal(st.buffer_bytes, 0);
		tcp_destroy(c.tcp);
	}
}

static void shed_conf(struct tcp_config *c) {
	small(c);
	c->buffer_bytes = 20 * SLAB_PAGE_BYTES;
	c->source_max = 1024;
}

// Anonymous peers that hold buffers lose them before the pool is gone.
static void memory_pressure_sheds(void **) {
	struct crowd c;
	uint8_t bytes[1400] = {'x'};
	struct tcp_stats st;

	crowd_start(&c, 4, shed_conf, false);
	struct flow_key device = crowd_key(&c, 5, 5, 5);
	uint32_t ack = shake(&c, &device);
	assert_true(publish(&c, &device, 0, ack, "C"));
	ack += 4;
	c.hold = true;
	for (uint16_t i = 1; i <= 300; i++) {
		struct flow_key key = crowd_key(&c, (uint8_t)i, 1, i);
		uint32_t seq = shake(&c, &key);
		for (uint32_t k = 0; seq != 0 && k < 5; k++) {
			put(&c, &key, 1000 + k * 1400, seq, A, bytes, sizeof(bytes));
			put(&c, &key, 1000 + k * 1400 + 2000, seq, A, bytes, 300);
			tcp_burst_end(c.tcp);
			while (tcp_poll(c.tcp, c.now, 64))
				;
		}
	}
	assert_true(c.reasons[TCP_CLOSED_MEMORY] > 0);
	c.hold = false;
	assert_true(publish(&c, &device, 1, ack, "still here"));
	pass(&c, 20 * SECOND);
	tcp_stats(c.tcp, &st);
	assert_int_equal(st.conns, 1);
	assert_int_equal(st.pressure, TCP_PRESSURE_NONE);
	sound(&c);
	tcp_destroy(c.tcp);
}

// A flood of SYNs and guesses leaves no trace and the good ones in between get in.
static void syn_and_ack_flood(void **) {
	struct crowd c;
	uint32_t good = 0;
	uint64_t x = 42;

	crowd_start(&c, 4, small, false);
	for (uint32_t i = 0; i < 50000; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		struct flow_key key = crowd_key(
			&c, (uint8_t)(x >> 20), (uint8_t)(x >> 30), (uint16_t)(x >> 40 | 1)
		);
		if (i % 2 == 0)
			put(&c, &key, (uint32_t)x, 0, S, NULL, 0);
		else
			put(&c, &key, (uint32_t)x, (uint32_t)(x >> 32), A, "guess", 5);
		if (i % 100 == 0) {
			struct flow_key device = crowd_key(&c, 200, 1, (uint16_t)(1 + i / 100));
			uint32_t seq = shake(&c, &device);
			good += seq != 0 && publish(&c, &device, 0, seq, "C");
		}
		c.now += 10000;
	}
	assert_int_equal(good, 500);
	assert_int_equal(c.opened, 500);
	sound(&c);
	tcp_destroy(c.tcp);
}

// Row 36: whether the budget is used up is not to be seen from another connection's replies.
static void rfc_36_budget_is_no_side_channel(void **) {
	struct crowd c;
	uint64_t answered[4];

	crowd_start(&c, 4, NULL, false);
	for (int round = 0; round < 4; round++) {
		for (uint32_t i = 0; i < 1500; i++) {
			struct flow_key key = crowd_key(
				&c,
				(uint8_t)(1 + round),
				(uint8_t)(i / 250),
				(uint16_t)(1 + i % 250)
			);
			uint32_t seq = shake(&c, &key);
			assert_int_not_equal(seq, 0);
			put(&c, &key, 1001, seq, R, NULL, 0);
		}
		struct tcp_stats st;
		tcp_stats(c.tcp, &st);
		answered[round] = st.counters[TCP_CHALLENGES];
		pass(&c, SECOND);
	}
	uint64_t first = answered[0];
	bool differs = false;
	assert_in_range(first, 500, 1000);
	for (int round = 1; round < 4; round++)
		differs |= answered[round] - answered[round - 1] != first;
	assert_true(differs);
	tcp_destroy(c.tcp);
}

static void several_addresses_and_realms(void **) {
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct crowd c;
		crowd_start(&c, family, small, false);
		struct flow_key key = crowd_key(&c, 1, 1, 7);
		for (uint16_t realm = 0; realm < 2; realm++) {
			for (uint8_t a = 1; a <= 2; a++) {
				key.realm = realm;
				key.local[3] = a;
				uint32_t seq = shake(&c, &key);
				assert_int_not_equal(seq, 0);
				assert_memory_equal(&c.last_key, &key, sizeof(key));
				assert_int_equal(c.last_listener, 0);
				assert_true(publish(&c, &key, 0, seq, "C"));
			}
		}
		assert_int_equal(c.opened, 4); // one remote tuple, four connections
		key.local_port = 8883; // realm 1, address 2 has no such service
		assert_int_equal(shake(&c, &key), 0);
		key.realm = 0;
		key.local[3] = 1;
		assert_int_not_equal(shake(&c, &key), 0);
		assert_int_equal(c.last_listener, 1);
		key.realm = 2;
		assert_int_equal(shake(&c, &key), 0);
		sound(&c);
		tcp_destroy(c.tcp);
	}
}

static const char proxy_header[] =
	"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\xc0\0\2\x63\x30\x39\x07\x5b";

static void proxy_from_listed_balancers(void **) {
	struct crowd c;

	crowd_start(&c, 4, small, true);
	struct flow_key key = crowd_key(&c, 9, 1, 1);
	uint32_t seq = shake(&c, &key);
	assert_int_equal(c.opened, 0); // not before the header
	put(&c, &key, 1000, seq, A, proxy_header, 20);
	assert_int_equal(c.opened, 0);
	char rest[32];
	memcpy(rest, proxy_header + 20, 8);
	memcpy(rest + 8, "CONNECT", 7);
	put(&c, &key, 1020, seq, A, rest, 15);
	tcp_burst_end(c.tcp);
	assert_int_equal(c.opened, 1);
	assert_true(c.last_proxied);
	assert_memory_equal(c.last_key.remote, "\xc6\x33\x64\x07\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(c.last_key.remote_port, 12345);
	assert_int_equal(c.bytes, 7);
	// a balancer that sends none
	key.remote_port = 2;
	seq = shake(&c, &key);
	put(&c, &key, 1000, seq, A, "CONNECT", 7);
	assert_int_equal(c.opened, 1);
	assert_int_equal(c.out[13], R | A);
	// or only half of one, and then goes
	key.remote_port = 3;
	seq = shake(&c, &key);
	put(&c, &key, 1000, seq, A | F, proxy_header, 10);
	tcp_burst_end(c.tcp);
	assert_int_equal(c.opened, 1);
	// a peer that is no balancer: its header is only bytes
	struct flow_key other = crowd_key(&c, 8, 1, 1);
	seq = shake(&c, &other);
	assert_int_equal(c.opened, 2);
	assert_false(c.last_proxied);
	assert_true(publish(&c, &other, 0, seq, "Chello"));
	struct tcp_stats st;
	tcp_stats(c.tcp, &st);
	assert_int_equal(st.counters[TCP_PROXIED], 1);
	assert_int_equal(st.counters[TCP_BAD_PROXY], 1);
	assert_int_equal(st.closed[TCP_CLOSED_PROXY], 2);
	assert_int_equal(st.conns, 2);
	sound(&c);
	tcp_destroy(c.tcp);
}

static void refused_by_the_app(void **) {
	struct crowd c;

	crowd_start(&c, 6, small, false);
	c.refuse = true;
	struct flow_key key = crowd_key(&c, 1, 1, 1);
	shake(&c, &key);
	assert_int_equal(c.opened, 1);
	assert_int_equal(c.closed, 0); // it never was one
	assert_int_equal(c.out[13], R | A);
	struct tcp_stats st;
	tcp_stats(c.tcp, &st);
	assert_int_equal(st.conns, 0);
	sound(&c);
	tcp_destroy(c.tcp);
}

static void hundred_thousand(struct tcp_config *c) {
	c->max_conns = 150000;
	c->buffer_bytes = 64 << 20;
	c->time_wait_max = 1024;
}

// Connections that said who they are and then nothing: no buffer, no timer that runs, and per
// connection a control block, its share of the flow table, and a slot of the burst ring.
static void idle_connections_cost_little(void **) {
	enum { N = 100000 };
	struct crowd c;
	struct tcp_stats st;

	crowd_start(&c, 6, hundred_thousand, false);
	for (uint32_t i = 0; i < N; i++) {
		struct flow_key key =
			crowd_key(&c, (uint8_t)(1 + i / 60000), 1, (uint16_t)(1 + i % 60000));
		uint32_t seq = shake(&c, &key);
		assert_true(publish(&c, &key, 0, seq, "C"));
		put(&c, &key, 1001, seq + 4, A, NULL, 0); // acknowledges the answer
		tcp_burst_end(c.tcp);
		tcp_set_idle(c.tcp, c.last, 90);
	}
	tcp_stats(c.tcp, &st);
	assert_int_equal(st.conns, N);
	assert_int_equal(st.unauthenticated, 0);
	assert_int_equal(st.buffer_bytes, 0); // nothing is held for an idle connection
	sound(&c);
	size_t tables =
		(size_t)flow_table_buckets(150000) * 64 + (flow_table_overflow(150000) + 1) * 64;
	double each = sizeof(struct tcb) + (double)tables / 150000 + 4;
	print_message(
		"bytes per idle connection: %.1f (control block %zu, flow table %.1f, burst ring "
		"4)\n",
		each,
		sizeof(struct tcb),
		(double)tables / 150000
	);
	assert_true(each <= 256);
	// twenty idle seconds run a timer per connection at most once
	uint64_t sent = c.sent;
	pass(&c, 20 * SECOND);
	assert_int_equal(c.sent, sent);
	assert_int_equal(c.closed, 0);
	tcp_destroy(c.tcp);
}

static void bad_configurations(void **) {
	struct tcp_app app = {0};
	struct tcp_env env = {0};
	struct tcp_listener listener = {.app = &app};
	struct tcp_service service = {.address = {1}, .port = 1, .family = 4, .mtu = 1500};
	struct tcp_service twice[2] = {service, service};
	struct tcp *t = NULL;

	for (int i = 0; i < 14; i++) {
		struct tcp_config k;
		tcp_config_default(&k);
		k.services = &service;
		k.service_count = 1;
		k.listeners = &listener;
		k.listener_count = 1;
		k.max_conns = 10;
		k.prefault = false;
		switch (i) {
		case 0:
			k.max_conns = 0;
			break;
		case 1:
			k.listener_count = 0;
			break;
		case 2:
			k.hold_max = 65536;
			break;
		case 3:
			k.window = 100;
			break;
		case 4:
			k.window = k.hold_max + 1;
			break;
		case 5:
			k.delayed_ack_ms = 501;
			break;
		case 13:
			k.window_max = k.window - 1;
			break;
		case 6:
			k.rto_min_ms = 0;
			break;
		case 7:
			k.rto_initial_ms = 100;
			break;
		case 8:
			k.buffer_bytes = 1000;
			break;
		case 9:
			k.services = twice, k.service_count = 2;
			break;
		case 10:
			k.listener_count = 256;
			break;
		case 11:
			k.send_max = 10;
			break;
		case 12:
			k.retries_max = 0;
			break;
		}
		assert_true(tcp_create(&k, &env, 0, &t) < 0);
		assert_null(t);
	}
	tcp_destroy(NULL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carrier_nat_is_not_a_flood),
		cmocka_unit_test(limits_rest_without_pressure),
		cmocka_unit_test(pressure_limits_sources_and_then_syns),
		cmocka_unit_test(rfc_48_zero_window_per_source),
		cmocka_unit_test(slowloris),
		cmocka_unit_test(memory_pressure_sheds),
		cmocka_unit_test(syn_and_ack_flood),
		cmocka_unit_test(rfc_36_budget_is_no_side_channel),
		cmocka_unit_test(several_addresses_and_realms),
		cmocka_unit_test(proxy_from_listed_balancers),
		cmocka_unit_test(refused_by_the_app),
		cmocka_unit_test(idle_connections_cost_little),
		cmocka_unit_test(bad_configurations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
