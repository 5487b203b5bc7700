// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/adapters.h"
#include "dataplane/coap/server.h"
#include "dataplane/crypto/crypto.h"
#include "dataplane/datagram.h"
#include "dataplane/flow_desk.h"
#include "dataplane/frame/frame.h"
#include "dataplane/listener.h"
#include "dataplane/mirror/mqtt.h"
#include "dataplane/mqtt/adapter.h"
#include "dataplane/packet.h"
#include "dataplane/settings.h"
#include "dataplane/udp/telemetry.h"
#include "dataplane/worker.h"

#include <rte_ip.h>
#include <rte_malloc.h>

#include <errno.h>
#include <string.h>

#define CRYPTO_KEYS_CACHED 1024
#define MIRROR_STREAMS_MAX 65536
#define MIRROR_ALIASES_MAX 64

struct adapters {
	struct worker *worker;
	const struct listener_table *listeners;
	struct frame_devices *frame_devices;
	struct flow_desk *desk;
	struct crypto *crypto;
	struct udp_telemetry udp;
	struct coap_server *coap;
	struct frame_adapter *frame;
	struct mqtt_adapter *mqtt;
	struct mirror_mqtt *mirror;
	uint64_t now_ns; // of the burst
	int64_t wall_ns;
	uint64_t random; // state of a xorshift generator: timers need spread, not secrecy
};

static void push(void *owner, const struct message *m) {
	struct adapters *a = owner;

	pipeline_push(a->worker->pipeline, m);
}

static void send_datagram(
	void *owner,
	const struct flow_key *key,
	const struct net_path *path,
	const void *bytes,
	uint32_t len
) {
	struct adapters *a = owner;

	// A reply that finds no buffer is lost like any datagram; the peer's retransmission or the
	// server's own brings it again.
	(void)net_udp_send(a->worker->net, key, path, bytes, len);
}

static uint64_t spread(void *owner) {
	struct adapters *a = owner;

	a->random ^= a->random << 13;
	a->random ^= a->random >> 7;
	a->random ^= a->random << 17;
	return a->random;
}

// The address of ours that answers for a group the packet was sent to.
static bool unicast_local(void *owner, struct flow_key *key, const struct net_path *path) {
	struct adapters *a = owner;
	const struct config_interface *i = &a->worker->config->interfaces[path->interface];

	for (uint32_t n = 0; n < i->address_count; n++) {
		if (i->addresses[n].family != key->family)
			continue;
		memcpy(key->local, i->addresses[n].addr, sizeof(key->local));
		return true;
	}
	return false;
}

static struct adapter_env
adapter_env_of(struct adapters *a, const struct adapters_shared *s, enum transport t) {
	return (struct adapter_env) {
		.worker = a->worker->index,
		.appliance_epoch = s->appliance_epoch,
		.ledger = &a->worker->ledger.messages[t],
		.push = push,
		.send = send_datagram,
		.owner = a,
		.secret = {s->secret[0], s->secret[1]},
		.identity = {s->identity[0], s->identity[1]},
	};
}

static bool listens(const struct config *c, enum listener_protocol protocol) {
	for (uint32_t i = 0; i < c->listener_count; i++)
		if (c->listeners[i].protocol == protocol)
			return true;
	return false;
}

static int coap_start(struct adapters *a, const struct adapters_shared *s) {
	struct coap_env env = {
		.adapter = adapter_env_of(a, s, TRANSPORT_COAP),
		.unicast_local = unicast_local,
		.random = spread,
	};

	return coap_create(&env, a->worker->config, &a->coap);
}

static int frame_start(struct adapters *a, const struct adapters_shared *s) {
	struct frame_env env = {
		.adapter = adapter_env_of(a, s, TRANSPORT_FRAME),
		.devices = s->frame_devices,
		.pending = a->worker->config->egress.in_flight_records,
	};
	int ret = crypto_create(CRYPTO_AUTO, CRYPTO_KEYS_CACHED, &a->crypto);

	env.crypto = a->crypto;
	return ret != 0 ? ret : frame_create(&env, a->worker->config, &a->frame);
}

static int mqtt_start(struct adapters *a, const struct adapters_shared *s) {
	struct worker *w = a->worker;
	struct mqtt_adapter_env env = {
		.config = w->config,
		.shared = s->mqtt,
		.worker = w->index,
		.workers = w->count,
		.net = w->net,
		.pool = w->pool,
		.linear = w->linear,
		.ledger = &w->ledger.messages[TRANSPORT_MQTT],
		.secret = {s->secret[0], s->secret[1]},
		.identity = {s->identity[0], s->identity[1]},
		.appliance_epoch = s->appliance_epoch,
		.now_ns = clock_now_ns(w->clock),
		.pipeline = &w->pipeline,
		.desk = a->desk,
	};

	return mqtt_adapter_create(&env, &a->mqtt);
}

static void mirror_flush(void *owner) {
	struct adapters *a = owner;

	pipeline_run(a->worker->pipeline, a->now_ns, a->wall_ns);
}

static const struct config_listener *mirror_listener(void *owner, const struct flow_key *key) {
	struct adapters *a = owner;
	const struct config_listener *l = listener_lookup(a->listeners, key);

	return l != nullptr ? l : listener_lookup_port(a->listeners, key);
}

static bool mirrors(const struct worker *w) {
	for (uint32_t p = 0; p < w->config->port_count; p++)
		if (!w->ports[p].net.transmits)
			return true;
	return false;
}

static int mirror_start(struct adapters *a, const struct adapters_shared *s) {
	const struct config *c = a->worker->config;
	struct mirror_mqtt_env env = {
		.adapter = adapter_env_of(a, s, TRANSPORT_MQTT),
		.flush = mirror_flush,
		.listener = mirror_listener,
		.streams = RTE_MIN(c->mqtt.connections, (uint32_t)MIRROR_STREAMS_MAX),
		.packet_max = c->mqtt.packet_max,
		.alias_max =
			(uint16_t)RTE_MIN(c->mqtt.topic_alias_max, (uint32_t)MIRROR_ALIASES_MAX),
	};

	return mirror_mqtt_create(&env, &a->mirror);
}

int adapters_create(struct worker *w, const struct adapters_shared *shared, struct adapters **out) {
	struct adapters *a = rte_zmalloc("adapters", sizeof(*a), RTE_CACHE_LINE_SIZE);
	int ret = 0;

	if (a == nullptr)
		return -ENOMEM;
	a->worker = w;
	a->listeners = shared->listeners;
	a->frame_devices = shared->frame_devices;
	a->desk = shared->desks != nullptr ? shared->desks[w->index] : nullptr;
	a->random = shared->secret[0] ^ (w->index + 1);
	struct adapter_env udp = adapter_env_of(a, shared, TRANSPORT_UDP);
	udp_telemetry_init(&a->udp, &udp);
	if (listens(w->config, LISTEN_COAP))
		ret = coap_start(a, shared);
	if (ret == 0 && shared->frame_devices != nullptr)
		ret = frame_start(a, shared);
	if (ret == 0 && shared->mqtt != nullptr)
		ret = mqtt_start(a, shared);
	if (ret == 0 && mirrors(w) && listens(w->config, LISTEN_MQTT))
		ret = mirror_start(a, shared);
	if (ret != 0) {
		adapters_destroy(a);
		return ret;
	}
	*out = a;
	return 0;
}

void adapters_destroy(struct adapters *a) {
	if (a == nullptr)
		return;
	mirror_mqtt_destroy(a->mirror);
	mqtt_adapter_destroy(a->mqtt);
	coap_destroy(a->coap);
	frame_destroy(a->frame);
	crypto_destroy(a->crypto);
	rte_free(a);
}

void adapters_use(struct adapters *a, const struct settings *s) {
	struct mqtt_live *live = (struct mqtt_live *)(uintptr_t)&s->mqtt[a->worker->index];

	a->listeners = s->listeners;
	if (a->coap != nullptr)
		coap_use(a->coap, s->config);
	if (a->frame != nullptr)
		frame_use(a->frame, s->config);
	if (a->mqtt != nullptr)
		mqtt_adapter_use(a->mqtt, s->config, &s->places, live);
}

void adapters_env(struct adapters *a, struct pipeline_env *env) {
	if (a->coap != nullptr) {
		env->adapters[TRANSPORT_COAP].done = coap_done;
		env->adapters[TRANSPORT_COAP].adapter = a->coap;
	}
	if (a->frame != nullptr) {
		env->adapters[TRANSPORT_FRAME].done = frame_done;
		env->adapters[TRANSPORT_FRAME].adapter = a->frame;
	}
	if (a->mqtt != nullptr) {
		env->adapters[TRANSPORT_MQTT].done = mqtt_adapter_done;
		env->adapters[TRANSPORT_MQTT].adapter = a->mqtt;
	}
}

static void refuse(struct adapters *a, struct rte_mbuf *m, enum drop_reason why) {
	net_reject(a->worker->net, m);
	a->worker->ledger.frames.dropped[why]++;
	rte_pktmbuf_free(m);
}

static void unheard(struct adapters *a, const struct flow_key *key) {
	struct pipeline_peer peer = {
		.address = view_of(key->remote, key->family == 4 ? 4 : 16),
		.realm = key->realm,
		.transport = TRANSPORT_UDP,
		.now_ns = a->worker->now_ns,
		.wall_ns = a->wall_ns,
	};

	pipeline_unheard(a->worker->pipeline, &peer, key->local_port);
}

// A protected frame belongs to the worker that owns its device's replay window.
static bool frame_elsewhere(struct adapters *a, struct rte_mbuf *m, const struct datagram *d) {
	struct worker *w = a->worker;

	if (w->count == 1 || a->frame_devices == nullptr)
		return false;
	uint16_t owner = frame_owner(view_of(d->bytes, d->len), w->count);
	if (owner == w->index)
		return false;
	worker_handover(w, owner, m);
	return true;
}

// True if `m` stays until the pipeline has run.
static bool datagram_input(
	struct adapters *a,
	struct rte_mbuf *m,
	const struct config_listener *listener,
	uint64_t now_ns,
	int64_t wall_ns
) {
	struct worker *w = a->worker;
	const struct packet *p = packet_of(m);
	// A reassembled datagram is copied into the worker's buffer, which holds one at a time: the
	// pipeline runs before the next.
	bool linear = m->nb_segs > 1;
	struct datagram d = {
		.len = p->payload_len,
		.key = &p->key,
		.path = net_path_of(m),
		.listener = listener,
		.multicast = p->flags & PACKET_LOCAL_MULTICAST,
		.now_ns = now_ns,
		.wall_ns = wall_ns,
	};

	bool mirrored = w->config->ports[p->port].role == PORT_MIRROR;
	if (d.listener == nullptr && mirrored)
		d.listener = listener_lookup_port(a->listeners, &p->key);
	if (d.listener == nullptr) {
		if (!mirrored)
			unheard(a, &p->key);
		refuse(a, m, mirrored ? DROP_MIRROR : DROP_UDP_NO_LISTENER);
		return false;
	}
	d.bytes = (uint8_t *)(uintptr_t)net_payload(m, w->linear);
	if (d.listener->protocol == LISTEN_FRAME && frame_elsewhere(a, m, &d))
		return false;
	w->ledger.frames.consumed++;
	switch (d.listener->protocol) {
	case LISTEN_UDP:
		udp_telemetry_input(&a->udp, &d);
		break;
	case LISTEN_FRAME:
		if (a->frame != nullptr)
			frame_input(a->frame, &d);
		else // no key file: nobody can be known
			adapter_refused(
				&w->ledger.messages[TRANSPORT_FRAME], REFUSE_DEVICE_UNKNOWN
			);
		break;
	case LISTEN_COAP:
		coap_input(a->coap, &d);
		break;
	case LISTEN_MQTT: // speaks TCP only; listener_lookup never says so for UDP
		break;
	}
	if (linear)
		pipeline_run(w->pipeline, now_ns, wall_ns);
	return true;
}

// A segment nobody listens for is dropped, counted, and answered with a reset by TCP all the same.
static void segment_input(struct adapters *a, struct rte_mbuf *m) {
	struct ledger_frames *frames = &a->worker->ledger.frames;

	if (listener_lookup(a->listeners, &packet_of(m)->key) == nullptr) {
		unheard(a, &packet_of(m)->key);
		frames->dropped[DROP_TCP_NO_LISTENER]++;
	} else {
		frames->consumed++;
	}
	mqtt_adapter_segment(a->mqtt, m);
}

// Connections of others, on a mirror port or in a capture: nobody is answered. Messages have run
// through the pipeline when this returns.
static void mirror_input(struct adapters *a, struct rte_mbuf *m) {
	struct worker *w = a->worker;
	const struct packet *p = packet_of(m);
	uint32_t len = (uint32_t)(p->payload_offset - p->l4_offset) + p->payload_len;
	const void *tcp = rte_pktmbuf_read(m, p->l4_offset, len, w->linear);

	if (a->mirror == nullptr || tcp == nullptr || mirror_listener(a, &p->key) == nullptr) {
		w->ledger.frames.dropped[DROP_MIRROR]++;
		return;
	}
	w->ledger.frames.consumed++;
	mirror_mqtt_input(a->mirror, &p->key, view_of(tcp, len), a->now_ns, a->wall_ns);
}

// Sent to the same place of ours: most datagrams of a burst are.
static bool same_place(const struct flow_key *a, const struct flow_key *b) {
	uint64_t x[3], y[3];

	static_assert(
		offsetof(struct flow_key, local) == 16
		&& offsetof(struct flow_key, remote_port) == 32 && sizeof(*a) == 40
	);
	memcpy(x, a->local, sizeof(x));
	memcpy(y, b->local, sizeof(y));
	// The remote port is the lowest half word of the third.
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) >> 16) == 0;
}

// Which listeners the datagrams of a burst are for, and what their adapters want to know before.
static void look_ahead(
	struct adapters *a,
	struct rte_mbuf **packets,
	unsigned count,
	const struct config_listener **listeners
) {
	const struct flow_key *before = nullptr; // of the datagram right before

	if (a->coap != nullptr)
		coap_ahead_begin(a->coap);
	for (unsigned i = 0; i < count; i++) {
		const struct packet *p = packet_of(packets[i]);
		if (p->key.protocol != IPPROTO_UDP)
			continue;
		listeners[i] = before != nullptr && same_place(before, &p->key)
			? listeners[i - 1]
			: listener_lookup(a->listeners, &p->key);
		before = i + 1 < count ? &p->key : nullptr;
		if (a->coap != nullptr && listeners[i] != nullptr
		    && listeners[i]->protocol == LISTEN_COAP && packets[i]->nb_segs == 1)
			coap_ahead(
				a->coap,
				&p->key,
				view_of(rte_pktmbuf_mtod_offset(
						packets[i], void *, p->payload_offset
					),
					p->payload_len)
			);
	}
	if (a->coap != nullptr)
		coap_ahead_end(a->coap);
}

void adapters_input(
	struct adapters *a,
	struct rte_mbuf **packets,
	unsigned count,
	uint64_t now_ns,
	int64_t wall_ns
) {
	const struct config_listener *listeners[WORKER_BURST];
	struct rte_mbuf *held[WORKER_BURST];
	unsigned n = 0;

	a->now_ns = now_ns;
	a->wall_ns = wall_ns;
	look_ahead(a, packets, count, listeners);
	if (a->mqtt != nullptr)
		mqtt_adapter_begin(a->mqtt, now_ns, wall_ns);
	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *m = packets[i];
		if (packet_of(m)->key.protocol == IPPROTO_UDP) {
			if (datagram_input(a, m, listeners[i], now_ns, wall_ns))
				held[n++] = m;
		} else if (!a->worker->ports[packet_of(m)->port].net.transmits) {
			mirror_input(a, m);
			held[n++] = m;
		} else if (a->mqtt != nullptr) {
			segment_input(a, m);
			held[n++] = m;
		} else {
			refuse(a, m, DROP_TCP_NO_LISTENER);
		}
	}
	if (a->mqtt != nullptr)
		mqtt_adapter_input(a->mqtt);
	pipeline_run(a->worker->pipeline, now_ns, wall_ns);
	if (a->mqtt != nullptr)
		mqtt_adapter_end(a->mqtt);
	if (n > 0)
		rte_pktmbuf_free_bulk(held, n);
}

uint64_t adapters_poll(struct adapters *a, uint64_t now_ns) {
	uint64_t due = UINT64_MAX, next;

	if (a->coap != nullptr)
		due = coap_poll(a->coap, now_ns);
	if (a->frame != nullptr) {
		next = frame_poll(a->frame, now_ns);
		if (next < due)
			due = next;
	}
	if (a->mqtt != nullptr) {
		int64_t wall_ns = clock_wall_ns(a->worker->clock, now_ns);
		next = mqtt_adapter_poll(a->mqtt, now_ns, wall_ns);
		if (next < due)
			due = next;
	} else if (a->desk != nullptr) {
		static const struct flow_desk_line none;
		if (flow_desk_turn(a->desk, &none, 0))
			due = now_ns;
	}
	return due;
}

bool adapters_wanted(const struct adapters *a) {
	return a->desk != nullptr && flow_desk_wanted(a->desk);
}

bool adapters_idle(struct adapters *a, bool leaving) {
	if (a->coap != nullptr && coap_waiting(a->coap).requests > 0)
		return false;
	return a->mqtt == nullptr || mqtt_adapter_idle(a->mqtt, leaving);
}

void adapters_rest(const struct adapters *a, struct worker_rest *out) {
	*out = (struct worker_rest) {0};
	if (a->coap != nullptr)
		out->coap = coap_waiting(a->coap);
	if (a->mqtt != nullptr) {
		out->mqtt_messages = mqtt_adapter_unsettled(a->mqtt);
		out->mqtt_connections = mqtt_adapter_stats(a->mqtt)->connections;
	}
}

struct mqtt_adapter *adapters_mqtt(struct adapters *a) {
	return a->mqtt;
}

const struct coap_stats *adapters_coap_stats(const struct adapters *a) {
	return a->coap != nullptr ? coap_stats(a->coap) : nullptr;
}

const struct frame_stats *adapters_frame_stats(const struct adapters *a) {
	return a->frame != nullptr ? frame_stats(a->frame) : nullptr;
}

const struct mirror_stats *adapters_mirror_stats(const struct adapters *a) {
	return a->mirror != nullptr ? mirror_mqtt_stats(a->mirror) : nullptr;
}
