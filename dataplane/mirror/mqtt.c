// SPDX-License-Identifier: Apache-2.0
#include "dataplane/mirror/mqtt.h"
#include "dataplane/mirror/stream.h"
#include "dataplane/mqtt/pool.h"
#include "dataplane/mqtt/record_properties.h"
#include "parsers/mqtt.h"

#include <errno.h>
#include <stdlib.h>

#define NONE MQTT_NONE
#define HELD_CHUNKS_MAX 8192
#define HELD_PER_STREAM 256
#define GAP_NS 5000000000ull
#define PARTIAL_CHUNK 1024
#define PARTIAL_CHUNKS_MAX 8192
#define NAME_CHUNK 64
#define NAMES_PER_STREAM 4
#define IDENTITY_MAX 1024
#define EPOCH_MARK (1ull << 62) // apart from what other transports name

// What is known about one stream's sender.
struct mirror_session {
	uint32_t partial; // chain: the packet whose end is still to come
	uint32_t partial_tail;
	uint32_t partial_len;
	uint32_t need; // length of that packet, 0 while unknown
	uint32_t identity; // chain
	uint8_t version; // 0: not known yet
	bool picked_up;
	bool connected;
};

struct mirror_mqtt {
	struct mirror_mqtt_env env;
	struct mirror_stats stats;
	struct mirror_streams *streams;
	struct mirror_session *sessions;
	uint32_t *aliases; // chains: alias_max per stream
	struct mqtt_chain partial;
	struct mqtt_chain names;
	uint8_t *packet; // packet_max: a packet that came in pieces
	uint8_t *topic; // a resolved alias
	uint8_t identity[IDENTITY_MAX]; // of the stream at work
	uint32_t identity_len;
	uint8_t expiry[MQTT_EXPIRY_TEXT];
	struct property properties[MQTT_RECORD_PROPERTIES_MAX];
	struct mqtt_connect connect;
	struct mqtt_publish publish;
	bool pushed; // since the pipeline ran
	uint64_t now_ns;
	int64_t wall_ns;
	uint64_t arrivals;
};

// A packet at work: whose, from where.
struct origin {
	struct mirror_mqtt *m;
	struct mirror_session *s;
	uint32_t stream;
	const struct flow_key *key;
	const struct config_listener *listener;
};

static void settle(struct mirror_mqtt *m) {
	if (!m->pushed)
		return;
	m->pushed = false;
	m->env.flush(m->env.adapter.owner);
}

static bool undecodable(struct mirror_mqtt *m) {
	m->stats.count[MIRROR_NOT_MQTT]++;
	adapter_refused(m->env.adapter.ledger, REFUSE_PROTOCOL);
	return false;
}

static bool no_memory(struct mirror_mqtt *m) {
	m->stats.count[MIRROR_NO_MEMORY]++;
	return false;
}

static uint32_t *alias_at(struct mirror_mqtt *m, uint32_t stream, uint32_t alias) {
	return &m->aliases[(size_t)stream * m->env.alias_max + alias - 1];
}

static bool connect_input(const struct origin *o, const struct mqtt_frame *f) {
	struct mirror_mqtt *m = o->m;
	struct mqtt_connect *c = &m->connect;

	if (o->s->connected || mqtt_connect_decode(f, c) != MQTT_OK)
		return undecodable(m);
	m->stats.count[MIRROR_CONNECTS]++;
	o->s->connected = true;
	o->s->version = c->version;
	bool by_user = o->listener->auth == AUTH_PASSWORD && c->has_username;
	struct view who = by_user ? c->username : c->client_id;
	if (who.len == 0 || who.len > IDENTITY_MAX)
		return true;
	o->s->identity = mqtt_chain_store(&m->names, &who, 1);
	if (o->s->identity == NONE)
		return no_memory(m);
	memcpy(m->identity, who.p, who.len);
	m->identity_len = who.len;
	return true;
}

// False: it is not known what the alias stands for.
static bool topic_resolve(const struct origin *o, struct mqtt_publish *p) {
	struct mirror_mqtt *m = o->m;
	uint32_t alias = mqtt_props_number(&p->props, MQTT_PROP_ALIAS, 0);

	if (alias > m->env.alias_max)
		return p->topic.len > 0;
	if (alias == 0)
		return true;
	uint32_t *slot = alias_at(m, o->stream, alias);
	if (p->topic.len > 0) {
		if (*slot != NONE)
			mqtt_chain_drop(&m->names, *slot);
		*slot = mqtt_chain_store(&m->names, &p->topic, 1);
		return true;
	}
	if (*slot == NONE)
		return false;
	settle(m);
	mqtt_chain_load(&m->names, *slot, m->topic);
	p->topic = view_of(m->topic, mqtt_chain_len(&m->names, *slot));
	return true;
}

static struct view device_of(const struct origin *o) {
	const struct config_listener *l = o->listener;

	if (l->auth == AUTH_PASSWORD || l->profile == nullptr
	    || l->profile->device_from == DEVICE_FROM_IDENTITY)
		return view_of(o->m->identity, o->m->identity_len);
	return (struct view) {0};
}

static void submit(const struct origin *o, const struct mqtt_publish *p) {
	struct mirror_mqtt *m = o->m;
	struct datagram d = {
		.key = o->key,
		.listener = o->listener,
		.now_ns = m->now_ns,
		.wall_ns = m->wall_ns,
	};
	struct message out = message_of(&m->env.adapter, TRANSPORT_MQTT, &d);

	out.device = device_of(o);
	out.path = p->topic;
	out.payload = p->payload;
	out.retained = p->retain;
	out.content_type = mqtt_props_bytes(&p->props, MQTT_PROP_CONTENT_TYPE);
	out.epoch = EPOCH_MARK | m->env.adapter.appliance_epoch << 16 | m->env.adapter.worker;
	out.seq = ++m->arrivals;
	if (p->props.seen != 0) {
		settle(m);
		out.properties = m->properties;
		out.property_count = mqtt_record_properties(&p->props, m->expiry, m->properties);
	}
	m->pushed = true;
	m->env.adapter.push(m->env.adapter.owner, &out);
}

static enum mqtt_rc
publish_decode(const struct mqtt_frame *f, uint8_t *version, struct mqtt_publish *out) {
	if (*version != 0)
		return mqtt_publish_decode(f, (enum mqtt_version) * version, out);
	*version = MQTT_V5;
	if (mqtt_publish_decode(f, MQTT_V5, out) == MQTT_OK)
		return MQTT_OK;
	*version = MQTT_V311;
	return mqtt_publish_decode(f, MQTT_V311, out);
}

static bool publish_input(const struct origin *o, const struct mqtt_frame *f) {
	struct mirror_mqtt *m = o->m;

	if (publish_decode(f, &o->s->version, &m->publish) != MQTT_OK)
		return undecodable(m);
	m->stats.count[MIRROR_PUBLISHES]++;
	if (!listener_trusts(o->listener, o->key)) {
		adapter_refused(m->env.adapter.ledger, REFUSE_UNTRUSTED);
	} else if (!topic_resolve(o, &m->publish)) {
		m->stats.count[MIRROR_ALIAS_UNKNOWN]++;
		adapter_refused(m->env.adapter.ledger, REFUSE_PROTOCOL);
	} else {
		submit(o, &m->publish);
	}
	return true;
}

static bool from_client(enum mqtt_type t) {
	return t != MQTT_CONNACK && t != MQTT_SUBACK && t != MQTT_UNSUBACK && t != MQTT_PINGRESP;
}

static bool packet_input(const struct origin *o, const struct mqtt_frame *f) {
	if (f->type == MQTT_CONNECT)
		return connect_input(o, f);
	if (!from_client(f->type))
		return undecodable(o->m);
	return f->type != MQTT_PUBLISH || publish_input(o, f);
}

static void partial_drop(struct mirror_mqtt *m, struct mirror_session *s) {
	if (s->partial != NONE)
		mqtt_chain_drop(&m->partial, s->partial);
	s->partial = NONE;
	s->partial_len = 0;
	s->need = 0;
}

static bool partial_add(struct mirror_mqtt *m, struct mirror_session *s, struct view v) {
	if (s->partial == NONE) {
		s->partial = mqtt_chain_store(&m->partial, &v, 1);
		if (s->partial == NONE)
			return no_memory(m);
		s->partial_tail = mqtt_chain_tail(&m->partial, s->partial);
	} else if (!mqtt_chain_extend(&m->partial, s->partial, &s->partial_tail, v)) {
		return no_memory(m);
	}
	s->partial_len += v.len;
	return true;
}

// Go on with a packet that has begun: takes from *in what it needs. False ends the stream.
static bool partial_input(const struct origin *o, struct view *in) {
	struct mirror_mqtt *m = o->m;
	struct mirror_session *s = o->s;
	struct mqtt_frame f;

	while (s->partial != NONE && in->len > 0) {
		uint32_t n = s->need == 0 ? 1 : s->need - s->partial_len;
		n = n < in->len ? n : in->len;
		if (!partial_add(m, s, view_of(in->p, n)))
			return false;
		*in = view_of(in->p + n, in->len - n);
		if (s->need != 0 && s->partial_len < s->need)
			continue;
		settle(m);
		mqtt_chain_load(&m->partial, s->partial, m->packet);
		enum mqtt_rc rc =
			mqtt_frame(view_of(m->packet, s->partial_len), m->env.packet_max, &f);
		if (rc == MQTT_MORE) {
			s->need = f.len;
			continue;
		}
		partial_drop(m, s);
		if (rc != MQTT_OK)
			return undecodable(m);
		if (!packet_input(o, &f))
			return false;
	}
	return true;
}

static bool packets_input(const struct origin *o, struct view in) {
	struct mqtt_frame f;

	if (!partial_input(o, &in))
		return false;
	while (in.len > 0) {
		if (!o->s->connected && !o->s->picked_up && in.p[0] != MQTT_CONNECT << 4)
			return undecodable(o->m);
		enum mqtt_rc rc = mqtt_frame(in, o->m->env.packet_max, &f);
		if (rc == MQTT_MORE) {
			o->s->need = f.len;
			return partial_add(o->m, o->s, in);
		}
		if (rc != MQTT_OK)
			return undecodable(o->m);
		if (!packet_input(o, &f))
			return false;
		in = view_of(in.p + f.len, in.len - f.len);
	}
	return true;
}

// Streams

static void on_begin(void *owner, uint32_t stream, bool picked_up) {
	struct mirror_mqtt *m = owner;

	m->sessions[stream] =
		(struct mirror_session) {.partial = NONE, .identity = NONE, .picked_up = picked_up};
}

static void on_end(void *owner, uint32_t stream) {
	struct mirror_mqtt *m = owner;
	struct mirror_session *s = &m->sessions[stream];

	partial_drop(m, s);
	if (s->identity != NONE)
		mqtt_chain_drop(&m->names, s->identity);
	s->identity = NONE;
	for (uint32_t alias = 1; alias <= m->env.alias_max; alias++) {
		uint32_t *slot = alias_at(m, stream, alias);
		if (*slot != NONE)
			mqtt_chain_drop(&m->names, *slot);
		*slot = NONE;
	}
}

static bool on_bytes(void *owner, uint32_t stream, const struct flow_key *key, struct view bytes) {
	struct mirror_mqtt *m = owner;
	struct origin o = {
		.m = m,
		.s = &m->sessions[stream],
		.stream = stream,
		.key = key,
		.listener = m->env.listener(m->env.adapter.owner, key),
	};

	if (o.listener == nullptr)
		return false;
	m->identity_len = 0;
	if (o.s->identity != NONE) {
		m->identity_len = mqtt_chain_len(&m->names, o.s->identity);
		mqtt_chain_load(&m->names, o.s->identity, m->identity);
	}
	bool followed = packets_input(&o, bytes);
	settle(m);
	return followed;
}

static bool well_formed(struct mirror_mqtt *m, const struct mqtt_frame *f) {
	struct mqtt_ack ack;
	uint8_t version = 0;

	switch (f->type) {
	case MQTT_CONNECT:
		return mqtt_connect_decode(f, &m->connect) == MQTT_OK;
	case MQTT_PUBLISH:
		return publish_decode(f, &version, &m->publish) == MQTT_OK;
	case MQTT_PUBREL:
		return mqtt_ack_decode(f, MQTT_V5, &ack) == MQTT_OK;
	case MQTT_PINGREQ:
		return mqtt_pingreq_decode(f) == MQTT_OK;
	default:
		return false;
	}
}

// A whole packet, and packets behind it to the end of the segment, of which the last may be cut.
static bool on_pick_up(void *owner, struct view in) {
	struct mirror_mqtt *m = owner;
	struct mqtt_frame f;
	bool any = false;

	while (in.len > 0) {
		enum mqtt_rc rc = mqtt_frame(in, m->env.packet_max, &f);
		if (rc == MQTT_MORE)
			return any;
		if (rc != MQTT_OK || !well_formed(m, &f))
			return false;
		any = true;
		in = view_of(in.p + f.len, in.len - f.len);
	}
	return any;
}

// For all streams together: what each of them could ask for, within a limit.
static uint32_t chunks_for(const struct mirror_mqtt_env *env, uint64_t each, uint32_t most) {
	uint64_t all = env->streams * each;

	return all < most ? (uint32_t)all : most;
}

int mirror_mqtt_create(const struct mirror_mqtt_env *env, struct mirror_mqtt **out) {
	struct mirror_mqtt *m = calloc(1, sizeof(*m));
	struct mirror_limits limits = {
		.streams = env->streams,
		.chunks = chunks_for(env, HELD_PER_STREAM, HELD_CHUNKS_MAX),
		.chunks_per_stream = HELD_PER_STREAM,
		.gap_ns = GAP_NS,
		.secret = {env->adapter.secret[0], env->adapter.secret[1]},
	};

	if (m == nullptr)
		return -ENOMEM;
	struct mirror_stream_env streams = {
		.owner = m,
		.pick_up = on_pick_up,
		.begin = on_begin,
		.bytes = on_bytes,
		.end = on_end,
		.stats = &m->stats,
	};
	size_t aliases = (size_t)env->streams * env->alias_max * sizeof(*m->aliases);
	m->env = *env;
	m->sessions = calloc(env->streams, sizeof(*m->sessions));
	m->aliases = malloc(aliases + 1);
	m->packet = malloc(env->packet_max);
	m->topic = malloc(UINT16_MAX);
	int ret = mirror_streams_create(&limits, &streams, &m->streams);
	if (ret == 0)
		ret = mqtt_chain_init(
			&m->partial,
			chunks_for(env, env->packet_max / PARTIAL_CHUNK + 2, PARTIAL_CHUNKS_MAX),
			PARTIAL_CHUNK,
			"sluice mirror packets",
			true
		);
	if (ret == 0)
		ret = mqtt_chain_init(
			&m->names,
			env->streams * NAMES_PER_STREAM,
			NAME_CHUNK,
			"sluice mirror names",
			true
		);
	if (ret == 0
	    && (m->sessions == nullptr || m->aliases == nullptr || m->packet == nullptr
		|| m->topic == nullptr))
		ret = -ENOMEM;
	if (ret != 0) {
		mirror_mqtt_destroy(m);
		return ret;
	}
	memset(m->aliases, 0xff, aliases);
	*out = m;
	return 0;
}

void mirror_mqtt_destroy(struct mirror_mqtt *m) {
	if (m == nullptr)
		return;
	mirror_streams_destroy(m->streams);
	mqtt_chain_fini(&m->names);
	mqtt_chain_fini(&m->partial);
	free(m->topic);
	free(m->packet);
	free(m->aliases);
	free(m->sessions);
	free(m);
}

void mirror_mqtt_input(
	struct mirror_mqtt *m,
	const struct flow_key *key,
	struct view tcp,
	uint64_t now_ns,
	int64_t wall_ns
) {
	m->now_ns = now_ns;
	m->wall_ns = wall_ns;
	mirror_streams_input(m->streams, key, tcp, now_ns);
}

const struct mirror_stats *mirror_mqtt_stats(const struct mirror_mqtt *m) {
	return &m->stats;
}
