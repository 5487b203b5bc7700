// SPDX-License-Identifier: Apache-2.0
#include "tests/support/mqtt_rig.h"

#include <stdio.h>
#include <stdlib.h>

static void on_send(void *owner, uint32_t conn, struct view bytes) {
	struct rig *r = owner;
	uint32_t room = (uint32_t)sizeof(r->conns[conn].out) - r->conns[conn].out_len;
	uint32_t n = bytes.len < room ? bytes.len : room;

	if (r->conns[conn].closed)
		abort(); // nothing may follow a close
	memcpy(r->conns[conn].out + r->conns[conn].out_len, bytes.p, n);
	r->conns[conn].out_len += n;
}

static void on_close(void *owner, uint32_t conn) {
	struct rig *r = owner;

	if (r->conns[conn].closed || !r->conns[conn].open)
		abort(); // once only
	r->conns[conn].closed = true;
}

static void on_resume(void *owner, uint32_t conn) {
	struct rig *r = owner;

	if (r->conns[conn].closed || !r->conns[conn].open)
		abort();
	r->conns[conn].resumed = true;
}

static void copy_text(char *to, size_t size, struct view v) {
	size_t n = v.len < size - 1 ? v.len : size - 1;

	if (n > 0)
		memcpy(to, v.p, n);
	to[n] = 0;
}

static void on_submit(void *owner, const struct message *m) {
	struct rig *r = owner;
	struct rig_message *s = &r->messages[r->message_count % RIG_MESSAGES];

	memset(s, 0, sizeof(*s));
	copy_text(s->topic, sizeof(s->topic), m->path);
	copy_text(s->payload, sizeof(s->payload), m->payload);
	copy_text(s->device, sizeof(s->device), m->device);
	copy_text(s->content_type, sizeof(s->content_type), m->content_type);
	s->properties = m->property_count;
	for (unsigned i = 0; i < m->property_count && i < 8; i++) {
		copy_text(s->property[i][0], 64, m->properties[i].name);
		copy_text(s->property[i][1], 64, m->properties[i].value);
	}
	s->epoch = m->epoch;
	s->seq = m->seq;
	s->token = m->token;
	s->realm = m->realm;
	s->retained = m->retained;
	s->peer_len = (uint8_t)m->peer.len;
	s->peer0 = m->peer.len > 0 ? m->peer.p[m->peer.len - 1] : 0;
	r->message_count++;
	if (m->token == TOKEN_NONE)
		return;
	if (r->unanswered_count < RIG_MESSAGES)
		r->unanswered[r->unanswered_count++] = m->token;
}

static void answer_all(struct rig *r) {
	uint32_t n = r->unanswered_count;

	if (r->hold)
		return;
	r->unanswered_count = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct verdict v = {.outcome = r->outcome, .refuse = r->refuse};
		mqtt_verdict(r->m, r->unanswered[i], &v);
	}
}

static void on_flush(void *owner) {
	answer_all(owner);
}

static unsigned on_pressure(void *owner) {
	return ((struct rig *)owner)->pressure;
}

static uint64_t on_random(void *owner) {
	static uint64_t x = 42;

	(void)owner;
	x = x * 6364136223846793005 + 1442695040888963407;
	return x ^ x >> 29;
}

static bool on_mail(void *owner, uint16_t worker, const struct mqtt_mail *mail) {
	struct rig *r = owner;
	struct rig *to = r->others[worker];

	if (to == nullptr || r->letters_blocked || to->letter_count == 64)
		return false;
	to->letters[to->letter_count++] = *mail;
	return true;
}

static bool on_verify(void *owner, const struct auth_request *q) {
	struct rig *r = owner;

	if (r->verify_full || r->request_count == 16)
		return false;
	r->requests[r->request_count++] = *q;
	return true;
}

void rig_init(struct rig *r) {
	memset(r, 0, sizeof(*r));
	r->config = mqtt_config_defaults();
	r->config.sessions = 64;
	r->config.active = 32;
	r->config.in_flight = 128;
	r->config.pool_bytes = 256 * 1024;
	r->config.will_bytes = 64 * 1024;
	r->config.secret[0] = 1;
	r->config.identity_key[0] = 7;
	r->config.appliance_epoch = 3;
	r->profile.device_from = DEVICE_FROM_IDENTITY;
	for (unsigned i = 0; i < 3; i++)
		r->listeners[i] = (struct mqtt_listener) {
			.profile = &r->profile,
			.own_filter = VIEW_LITERAL("cmd/%d/#"),
		};
	r->listeners[1].password = true;
	r->listeners[2].tenant = 2;
	r->config.listeners = r->listeners;
	r->config.listener_count = 3;
	r->now_ns = 1000000000ull;
}

void rig_start(struct rig *r) {
	struct mqtt_env env = {
		.owner = r,
		.send = on_send,
		.close = on_close,
		.resume = on_resume,
		.submit = on_submit,
		.flush = on_flush,
		.pressure = on_pressure,
		.random = on_random,
		.mail = on_mail,
		.verify = on_verify,
		.ledger = &r->ledger,
	};

	if (mqtt_server_create(&r->config, &env, &r->m) < 0)
		abort();
	mqtt_begin(r->m, r->now_ns, 1700000000000000000);
}

void rig_stop(struct rig *r) {
	mqtt_server_destroy(r->m);
	r->m = nullptr;
}

uint32_t rig_open_from(struct rig *r, uint8_t last_octet, uint16_t listener) {
	uint32_t conn = r->conn_count++ % RIG_CONNS;

	memset(&r->conns[conn], 0, sizeof(r->conns[conn]));
	memcpy(r->conns[conn].addr, (uint8_t[]) {10, 0, 0, last_octet}, 4);
	r->conns[conn].open = true;
	r->conns[conn].session = mqtt_open(r->m, conn, listener);
	return conn;
}

uint32_t rig_open(struct rig *r) {
	return rig_open_from(r, 1, 0);
}

// What was left comes first, then what is new; until the server takes no more.
static void feed(struct rig *r, uint32_t conn, const void *bytes, uint32_t n) {
	struct mqtt_peer peer = {.addr = view_of(r->conns[conn].addr, 4), .port = 999, .realm = 5};

	if (n > 0)
		memcpy(r->conns[conn].left + r->conns[conn].left_len, bytes, n);
	r->conns[conn].left_len += n;
	if (!r->conns[conn].open || r->conns[conn].closed)
		return;
	// A copy that ends where its memory ends: sanitizers see a read past it.
	uint8_t *copy = malloc(r->conns[conn].left_len + 1);
	if (copy == nullptr)
		abort();
	memcpy(copy, r->conns[conn].left, r->conns[conn].left_len);
	uint32_t taken = mqtt_input(
		r->m, r->conns[conn].session, &peer, view_of(copy, r->conns[conn].left_len)
	);
	if (!r->conns[conn].closed) {
		if (taken > r->conns[conn].left_len)
			abort();
		r->conns[conn].left_len -= taken;
		memmove(r->conns[conn].left, r->conns[conn].left + taken, r->conns[conn].left_len);
	}
	answer_all(r);
	free(copy);
}

static void resume_all(struct rig *r) {
	for (uint32_t c = 0; c < RIG_CONNS; c++) {
		if (!r->conns[c].resumed || r->conns[c].closed)
			continue;
		r->conns[c].resumed = false;
		feed(r, c, "", 0);
	}
}

void rig_input(struct rig *r, uint32_t conn, const void *bytes, uint32_t n) {
	mqtt_begin(r->m, r->now_ns, 1700000000000000000);
	feed(r, conn, bytes, n);
}

void rig_send(struct rig *r, uint32_t conn, struct packet *p) {
	rig_input(r, conn, p->bytes, p->len);
	p->len = 0;
}

void rig_hang_up(struct rig *r, uint32_t conn) {
	mqtt_begin(r->m, r->now_ns, 1700000000000000000);
	r->conns[conn].open = false;
	if (!r->conns[conn].closed)
		mqtt_closed(r->m, r->conns[conn].session);
	answer_all(r);
}

void rig_poll(struct rig *r) {
	mqtt_begin(r->m, r->now_ns, 1700000000000000000);
	mqtt_poll(r->m);
	answer_all(r);
	resume_all(r);
}

void rig_advance(struct rig *r, uint64_t ms) {
	for (uint64_t t = 0; t < ms; t += 100) {
		r->now_ns += (ms - t < 100 ? ms - t : 100) * 1000000ull;
		rig_poll(r);
	}
}

void rig_answer(struct rig *r, uint32_t message, enum outcome o) {
	struct rig_message *s = &r->messages[message];
	struct verdict v = {.outcome = o, .refuse = r->refuse};

	if (s->answered || s->token == TOKEN_NONE)
		abort();
	s->answered = true;
	mqtt_verdict(r->m, s->token, &v);
}

void rig_letters(struct rig *const *rigs, unsigned n) {
	for (unsigned round = 0; round < 64; round++) {
		bool any = false;
		for (unsigned i = 0; i < n; i++) {
			struct mqtt_mail now[64];
			uint32_t count = rigs[i]->letter_count;
			memcpy(now, rigs[i]->letters, count * sizeof(now[0]));
			rigs[i]->letter_count = 0;
			for (uint32_t k = 0; k < count; k++) {
				any = true;
				mqtt_mail(rigs[i]->m, &now[k]);
			}
			answer_all(rigs[i]);
			resume_all(rigs[i]);
		}
		if (!any)
			return;
	}
}

void rig_flush_out(struct rig *r, uint32_t conn) {
	r->conns[conn].out_len = 0;
}

bool rig_got(struct rig *r, uint32_t conn, const void *bytes, uint32_t n) {
	bool same = r->conns[conn].out_len == n && memcmp(r->conns[conn].out, bytes, n) == 0;

	if (!same) {
		fprintf(stderr, "got %u bytes:", r->conns[conn].out_len);
		for (uint32_t i = 0; i < r->conns[conn].out_len && i < 64; i++)
			fprintf(stderr, " %02x", r->conns[conn].out[i]);
		fprintf(stderr, "\n");
	}
	rig_flush_out(r, conn);
	return same;
}

uint32_t
rig_connect(struct rig *r, uint8_t version, bool clean, const char *id, uint16_t keep_alive) {
	static struct packet p;
	uint32_t conn = rig_open(r);
	struct pk_connect c = {
		.version = version, .clean = clean, .id = id, .keep_alive = keep_alive
	};

	if (version == MQTT_V5 && !clean)
		pp_number(&c.props, MQTT_PROP_SESSION_EXPIRY, 4, 3600);
	p.len = 0;
	pk_connect(&p, &c);
	rig_send(r, conn, &p);
	if (r->conns[conn].out_len < 4 || r->conns[conn].out[0] != 0x20
	    || r->conns[conn].out[3] != 0)
		abort();
	rig_flush_out(r, conn);
	return conn;
}

void rig_publish(
	struct rig *r,
	uint32_t conn,
	uint8_t version,
	uint8_t qos,
	uint16_t id,
	const char *payload
) {
	static struct packet p;
	struct pk_publish m = {
		.version = version, .qos = qos, .id = id, .topic = "t/x", .payload = payload
	};

	p.len = 0;
	pk_publish(&p, &m);
	rig_send(r, conn, &p);
}
