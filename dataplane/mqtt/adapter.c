// SPDX-License-Identifier: Apache-2.0
#include "dataplane/datagram.h"
#include "dataplane/flow_desk.h"
#include "dataplane/mqtt/adapter.h"
#include "dataplane/mqtt/services.h"
#include "dataplane/mqtt/shared.h"
#include "dataplane/packet.h"
#include "dataplane/tcp/tcp.h"
#include "parsers/siphash.h"

#include <rte_malloc.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define SEGMENTS_MAX 64
#define POLL_TIMERS 256
#define BROKEN_MAX 256
#define SHUTDOWN_SLICE 256
#define SOON_NS 1000000ull

// In the word TCP keeps for us: the session's index, and whether its output has been cut off.
#define WORD_BROKEN 0x80000000u

struct mqtt_adapter {
	struct mqtt_adapter_env env;
	struct tcp *tcp;
	struct mqtt_server *mqtt;
	struct tcp_app app;
	const struct mqtt_places *places; // of the generation in use
	struct mqtt_listener listeners[MQTT_PLACES_MAX]; // by place
	uint64_t now_ns;
	int64_t wall_ns;
	uint64_t draws;
	bool pushed; // since the pipeline ran
	uint32_t asked; // of the authentication thread
	struct rte_mbuf *out; // between room() and send()
	struct tcp_segment_in segments[SEGMENTS_MAX];
	unsigned segment_count;
	unsigned shown; // the one that was shown last
	struct tcp_conn broken[BROKEN_MAX];
	unsigned broken_count;
};
static_assert(sizeof(struct net_path) == sizeof(struct tcp_path));
static_assert(TCP_IDLE_BYTES + MQTT_IDLE_BYTES <= MEMORY_IDLE_MAX, "an idle connection");

static struct tcp_conn conn_of(const struct mqtt_adapter *a, uint32_t index) {
	return tcp_conn_at(a->tcp, index);
}

// mqtt_server -> TCP

static void on_send(void *owner, uint32_t index, struct view bytes) {
	struct mqtt_adapter *a = owner;
	struct tcp_conn conn = conn_of(a, index);
	uint32_t word = tcp_app(a->tcp, conn);

	if ((word & WORD_BROKEN) != 0)
		return;
	if (tcp_send(a->tcp, conn, bytes.p, bytes.len) == bytes.len)
		return;
	// The client does not read its answers: nothing may follow what is missing now. It is
	// reset after this burst, outside of whatever made us send.
	tcp_set_app(a->tcp, conn, word | WORD_BROKEN);
	if (a->broken_count < BROKEN_MAX)
		a->broken[a->broken_count++] = conn;
}

static void on_close(void *owner, uint32_t index) {
	struct mqtt_adapter *a = owner;
	struct tcp_conn conn = conn_of(a, index);

	tcp_set_app(a->tcp, conn, 0);
	tcp_close(a->tcp, conn);
}

static void on_connected(void *owner, uint32_t index) {
	struct mqtt_adapter *a = owner;

	tcp_authenticated(a->tcp, conn_of(a, index));
}

static bool key_of(void *owner, uint32_t index, struct flow_key *out) {
	struct mqtt_adapter *a = owner;

	return tcp_key(a->tcp, conn_of(a, index), out);
}

static enum mqtt_refusal
on_admit(void *owner, uint32_t session, uint32_t index, struct view device, bool entering) {
	struct mqtt_adapter *a = owner;
	struct flow_key key;

	if (!key_of(a, index, &key))
		return MQTT_REFUSAL_COUNT;
	switch (flow_desk_admit(a->env.desk, session, device, &key, a->wall_ns, entering)) {
	case FLOW_DESK_OK:
		break;
	case FLOW_DESK_NOT_ACTIVE:
		return MQTT_REFUSED_DEVICE;
	case FLOW_DESK_BLOCKED:
		return MQTT_REFUSED_BLOCKED;
	case FLOW_DESK_CONNECTIONS:
		return MQTT_REFUSED_CONNECTIONS;
	}
	return MQTT_REFUSAL_COUNT;
}

static void on_left(void *owner, uint32_t session) {
	struct mqtt_adapter *a = owner;

	flow_desk_left(a->env.desk, session, a->wall_ns);
}

static struct mqtt_peer peer_of(const struct flow_key *key) {
	return (struct mqtt_peer) {
		.addr = view_of(key->remote, key->family == 4 ? 4 : 16),
		.port = key->remote_port,
		.realm = key->realm,
	};
}

static void on_resume(void *owner, uint32_t index) {
	struct mqtt_adapter *a = owner;

	// TCP shows what it kept; a packet that we hold ourselves is tried again with it.
	tcp_resume(a->tcp, conn_of(a, index));
	uint32_t word = tcp_app(a->tcp, conn_of(a, index));
	struct flow_key key;
	if (word == 0 || !tcp_key(a->tcp, conn_of(a, index), &key))
		return;
	struct mqtt_peer peer = peer_of(&key);
	mqtt_input(a->mqtt, (word & ~WORD_BROKEN) - 1, &peer, view_of("", 0));
}

static void on_submit(void *owner, const struct message *m) {
	struct mqtt_adapter *a = owner;

	a->pushed = true;
	pipeline_push(*a->env.pipeline, m);
}

static void run(void *owner) {
	struct mqtt_adapter *a = owner;

	a->pushed = false;
	pipeline_run(*a->env.pipeline, a->now_ns, a->wall_ns);
}

static unsigned on_pressure(void *owner) {
	struct mqtt_adapter *a = owner;

	return pipeline_pressure(*a->env.pipeline);
}

// A keyed counter: as hard to foresee as the secret is.
static uint64_t on_random(void *owner) {
	struct mqtt_adapter *a = owner;
	uint64_t in[2] = {++a->draws, 0x6d717474ull << 32 | a->env.worker};

	return siphash13(a->env.secret, in, sizeof(in));
}

static bool on_mail(void *owner, uint16_t worker, const struct mqtt_mail *mail) {
	struct mqtt_adapter *a = owner;
	struct rte_ring *ring = a->env.shared->mail[a->env.worker][worker];

	return rte_ring_sp_enqueue_elem(ring, (void *)(uintptr_t)mail, sizeof(*mail)) == 0;
}

static bool on_verify(void *owner, const struct auth_request *r) {
	struct mqtt_adapter *a = owner;

	if (a->env.shared->thread == nullptr || !auth_thread_ask(a->env.shared->thread, r))
		return false;
	a->asked++;
	return true;
}

// TCP -> mqtt_server

static bool on_opened(
	void *owner,
	struct tcp_conn conn,
	uint8_t listener,
	const struct flow_key *key,
	bool proxied
) {
	struct mqtt_adapter *a = owner;
	const struct config_listener *l = a->places->at[listener];

	(void)proxied;
	if (l->auth == AUTH_TRUST) {
		bool trusted = false;
		for (uint32_t i = 0; i < l->trust_count; i++)
			trusted |= ip_prefix_contains(&l->trust[i], key->family, key->remote);
		if (!trusted)
			return false;
	}
	uint32_t s = mqtt_open(a->mqtt, conn.index, listener);
	if (s == MQTT_NONE)
		return false;
	tcp_set_app(a->tcp, conn, s + 1);
	return true;
}

// The segment that these bytes lie in; NULL: TCP has kept them. Segments are shown in the order in
// which they came, so the search goes on where the last one ended.
static const struct tcp_segment_in *segment_of(struct mqtt_adapter *a, struct view bytes) {
	for (unsigned k = 0, i = a->shown; k < a->segment_count; k++, i++) {
		if (i >= a->segment_count)
			i = 0;
		const struct tcp_segment_in *s = &a->segments[i];
		if (bytes.p < s->bytes || bytes.p + bytes.len > s->bytes + s->len)
			continue;
		a->shown = i;
		return s;
	}
	return nullptr;
}

static uint32_t on_received(void *owner, struct tcp_conn conn, struct view bytes) {
	struct mqtt_adapter *a = owner;
	uint32_t word = tcp_app(a->tcp, conn);
	struct flow_key kept;

	if (word == 0 || (word & WORD_BROKEN) != 0)
		return bytes.len;
	const struct tcp_segment_in *s = segment_of(a, bytes);
	if (s == nullptr && !tcp_key(a->tcp, conn, &kept))
		return bytes.len;
	struct mqtt_peer peer = peer_of(s != nullptr ? s->key : &kept);
	uint32_t taken = mqtt_input(a->mqtt, word - 1, &peer, bytes);
	// What TCP has kept does not stay where it is until the pipeline runs.
	if (a->pushed && s == nullptr)
		run(a);
	if ((tcp_app(a->tcp, conn) & ~WORD_BROKEN) != word)
		return bytes.len;
	if (taken < bytes.len)
		tcp_pause(a->tcp, conn);
	return taken;
}

static void leave(struct mqtt_adapter *a, struct tcp_conn conn) {
	uint32_t word = tcp_app(a->tcp, conn) & ~WORD_BROKEN;

	if (word == 0)
		return;
	tcp_set_app(a->tcp, conn, 0);
	mqtt_closed(a->mqtt, word - 1);
}

static void on_peer_closed(void *owner, struct tcp_conn conn) {
	struct mqtt_adapter *a = owner;

	leave(a, conn);
	tcp_close(a->tcp, conn);
}

static void on_closed(void *owner, struct tcp_conn conn, enum tcp_close_reason reason) {
	(void)reason;
	leave(owner, conn);
}

static void on_nothing(void *owner, struct tcp_conn conn) {
	(void)owner;
	(void)conn;
}

// TCP -> network

static uint8_t *on_room(void *owner, uint32_t len) {
	struct mqtt_adapter *a = owner;

	a->out = rte_pktmbuf_alloc(a->env.pool);
	if (a->out == nullptr)
		return nullptr;
	char *bytes = rte_pktmbuf_append(a->out, (uint16_t)len);
	if (bytes == nullptr) {
		rte_pktmbuf_free(a->out);
		a->out = nullptr;
	}
	return (uint8_t *)bytes;
}

static void on_segment(void *owner, const struct tcp_segment_out *s) {
	struct mqtt_adapter *a = owner;
	struct net_path path;

	memcpy(&path, &s->path, sizeof(path));
	// What cannot be sent is lost like any segment; TCP sends it again.
	(void)net_ip_send(a->env.net, s->key, &path, a->out);
	a->out = nullptr;
}

static void on_icmp(void *owner, const struct net_icmp_error *e) {
	struct mqtt_adapter *a = owner;
	struct tcp_icmp icmp = {.key = e->key, .seq = e->seq, .mtu = e->mtu};

	if (e->key.protocol == IPPROTO_TCP)
		tcp_icmp_error(a->tcp, &icmp, a->now_ns);
}

void mqtt_adapter_begin(struct mqtt_adapter *a, uint64_t now_ns, int64_t wall_ns) {
	a->now_ns = now_ns;
	a->wall_ns = wall_ns;
	a->segment_count = 0;
	mqtt_begin(a->mqtt, now_ns, wall_ns);
}

static void segments_input(struct mqtt_adapter *a) {
	tcp_input(a->tcp, a->segments, a->segment_count, a->now_ns);
	a->segment_count = 0;
}

void mqtt_adapter_segment(struct mqtt_adapter *a, struct rte_mbuf *m) {
	const struct packet *p = packet_of(m);
	uint32_t len = (uint32_t)(p->payload_offset - p->l4_offset) + p->payload_len;
	struct net_path path = net_path_of(m);
	struct tcp_segment_in in = {
		.key = &p->key,
		.bytes = rte_pktmbuf_read(m, p->l4_offset, len, a->env.linear),
		.len = len,
		.checksum_ok = true,
		.hash = p->owner_hash,
	};

	if (in.bytes == nullptr)
		return;
	memcpy(&in.path, &path, sizeof(path));
	a->segments[a->segment_count++] = in;
	// There is one buffer for segments in pieces: such a one is processed to the end at once.
	bool in_pieces = in.bytes == a->env.linear;
	if (in_pieces || a->segment_count == SEGMENTS_MAX) {
		segments_input(a);
		if (a->pushed)
			run(a);
	}
}

void mqtt_adapter_input(struct mqtt_adapter *a) {
	if (a->segment_count > 0)
		tcp_input(a->tcp, a->segments, a->segment_count, a->now_ns);
}

static void broken_end(struct mqtt_adapter *a) {
	for (unsigned i = 0; i < a->broken_count; i++)
		if (tcp_alive(a->tcp, a->broken[i]))
			tcp_abort(a->tcp, a->broken[i]);
	a->broken_count = 0;
}

void mqtt_adapter_end(struct mqtt_adapter *a) {
	a->segment_count = 0;
	a->pushed = false;
	broken_end(a);
	tcp_burst_end(a->tcp);
	// Resumed connections are delivered there.
	if (a->pushed)
		run(a);
}

static void letters_take(struct mqtt_adapter *a) {
	struct mqtt_mail mail;

	for (uint16_t from = 0; from < a->env.workers; from++) {
		if (from == a->env.worker)
			continue;
		struct rte_ring *ring = a->env.shared->mail[from][a->env.worker];
		for (unsigned i = 0; i < 32; i++) {
			if (rte_ring_sc_dequeue_elem(ring, &mail, sizeof(mail)) != 0)
				break;
			mqtt_mail(a->mqtt, &mail);
		}
	}
}

static void answers_take(struct mqtt_adapter *a) {
	struct auth_answer answer;

	while (a->asked > 0 && auth_thread_answer(a->env.shared->thread, a->env.worker, &answer)) {
		a->asked--;
		mqtt_auth_done(a->mqtt, &answer);
	}
}

uint64_t mqtt_adapter_poll(struct mqtt_adapter *a, uint64_t now_ns, int64_t wall_ns) {
	uint64_t due;

	mqtt_adapter_begin(a, now_ns, wall_ns);
	letters_take(a);
	answers_take(a);
	due = mqtt_poll(a->mqtt);
	if (a->env.desk != nullptr) {
		struct flow_desk_line line = {.mqtt = a->mqtt, .key = key_of, .owner = a};
		if (flow_desk_turn(a->env.desk, &line, wall_ns))
			due = now_ns;
	}
	bool more = tcp_poll(a->tcp, now_ns, POLL_TIMERS);
	if (a->pushed)
		run(a);
	mqtt_adapter_end(a);
	if (a->pushed)
		run(a);

	uint64_t next = more ? now_ns : tcp_next_due(a->tcp);
	if (next < due)
		due = next;
	if ((a->asked > 0 || a->env.workers > 1) && due > now_ns + SOON_NS)
		due = now_ns + SOON_NS;
	return due;
}

void mqtt_adapter_done(void *adapter, uint32_t token, const struct verdict *v) {
	mqtt_verdict(((struct mqtt_adapter *)adapter)->mqtt, token, v);
}

void mqtt_adapter_cut(struct mqtt_adapter *a, uint32_t session, uint64_t epoch) {
	mqtt_cut(a->mqtt, session, epoch);
}

bool mqtt_adapter_idle(struct mqtt_adapter *a, bool leaving) {
	if (!mqtt_idle(a->mqtt))
		return false;
	if (!leaving)
		return true;
	bool none = mqtt_shutdown(a->mqtt, SHUTDOWN_SLICE);
	tcp_burst_end(a->tcp);
	return none;
}

uint32_t mqtt_adapter_unsettled(const struct mqtt_adapter *a) {
	return mqtt_unsettled(a->mqtt);
}

const struct mqtt_stats *mqtt_adapter_stats(struct mqtt_adapter *a) {
	return mqtt_server_stats(a->mqtt);
}

void mqtt_adapter_tcp_stats(const struct mqtt_adapter *a, struct tcp_stats *out) {
	tcp_stats(a->tcp, out);
}

void mqtt_adapter_memory(const struct mqtt_adapter *a, struct memory_account *out) {
	tcp_memory(a->tcp, out);
	mqtt_server_memory(a->mqtt, out);
}

void mqtt_adapter_destroy(struct mqtt_adapter *a) {
	if (a == nullptr)
		return;
	tcp_destroy(a->tcp);
	mqtt_server_destroy(a->mqtt);
	rte_free(a);
}

static void callbacks_set(struct mqtt_adapter *a) {
	a->app = (struct tcp_app) {
		.owner = a,
		.opened = on_opened,
		.received = on_received,
		.peer_closed = on_peer_closed,
		.writable = on_nothing,
		.idle = on_nothing,
		.deadline = on_nothing,
		.closed = on_closed,
	};
}

static int mqtt_start(struct mqtt_adapter *a) {
	const struct config *c = a->env.config;
	struct mqtt_config m = mqtt_config_defaults();
	struct mqtt_env env = {
		.owner = a,
		.send = on_send,
		.close = on_close,
		.connected = on_connected,
		.resume = on_resume,
		.submit = on_submit,
		.flush = run,
		.pressure = on_pressure,
		.random = on_random,
		.mail = on_mail,
		.verify = on_verify,
		.ledger = a->env.ledger,
	};

	if (a->env.desk != nullptr) {
		env.admit = on_admit;
		env.left = on_left;
	}
	m.worker = a->env.worker;
	m.workers = a->env.workers;
	m.resident = true;
	mqtt_limits_of(c, &m);
	m.listeners = a->listeners;
	m.listener_count = MQTT_PLACES_MAX;
	m.credentials = a->env.shared->credentials;
	m.appliance_epoch = a->env.appliance_epoch;
	memcpy(m.secret, a->env.secret, sizeof(m.secret));
	memcpy(m.identity_key, a->env.identity, sizeof(m.identity_key));
	return mqtt_server_create(&m, &env, &a->mqtt);
}

static void listeners_fill(struct mqtt_adapter *a) {
	for (uint32_t i = 0; i < a->places->count; i++)
		if (a->places->at[i] != nullptr)
			a->listeners[i] = mqtt_listener_of(a->places->at[i]);
}

void mqtt_adapter_use(
	struct mqtt_adapter *a,
	const struct config *c,
	const struct mqtt_places *places,
	struct mqtt_live *live
) {
	uint32_t known = a->places->count;
	struct mqtt_services more;

	a->places = places;
	listeners_fill(a);
	mqtt_services_of(c, places, known, &more);
	for (uint32_t i = 0; i < more.count; i++)
		(void)tcp_service_add(a->tcp, &more.at[i]); // mqtt_services_fit() said so
	mqtt_use(a->mqtt, live);
}

static int tcp_start(struct mqtt_adapter *a) {
	const struct config *c = a->env.config;
	struct tcp_listener listeners[MQTT_PLACES_MAX];
	struct mqtt_services services;
	struct tcp_env env = {.owner = a, .room = on_room, .send = on_segment};
	struct tcp_config t;

	tcp_config_default(&t);
	for (uint32_t i = 0; i < MQTT_PLACES_MAX; i++)
		listeners[i] = (struct tcp_listener) {.app = &a->app};
	mqtt_services_of(c, a->places, 0, &services);
	t.services = services.at;
	t.service_count = services.count;
	t.service_max = MQTT_SERVICES_MAX;
	t.listeners = listeners;
	t.listener_count = MQTT_PLACES_MAX;
	t.max_conns = c->mqtt.connections;
	memcpy(t.secret, a->env.secret, sizeof(t.secret));
	memcpy(t.seed, a->env.secret, sizeof(t.seed)); // that of packet.owner_hash
	t.fill_checksum = false; // net_ip_send() does
	return tcp_create(&t, &env, a->env.now_ns, &a->tcp);
}

int mqtt_adapter_create(const struct mqtt_adapter_env *env, struct mqtt_adapter **out) {
	struct mqtt_adapter *a;
	int ret;

	a = rte_zmalloc("mqtt", sizeof(*a), RTE_CACHE_LINE_SIZE);
	if (a == nullptr)
		return -ENOMEM;
	a->env = *env;
	callbacks_set(a);
	a->places = &env->shared->places;
	listeners_fill(a);
	ret = mqtt_start(a);
	if (ret == 0)
		ret = tcp_start(a);
	if (ret < 0) {
		mqtt_adapter_destroy(a);
		return ret;
	}
	net_on_icmp_error(env->net, on_icmp, a);
	*out = a;
	return 0;
}
