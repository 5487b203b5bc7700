// SPDX-License-Identifier: Apache-2.0
#include "dataplane/mqtt/state.h"
#include "dataplane/pages.h"

#include <errno.h>
#include <stdlib.h>

#define NS_PER_MS 1000000ull
#define ARENA_MIN (256u * 1024)
#define WAITING_CHUNK 256
#define SWEEP_MS 10
#define SWEEP_SLICES 100 // of SWEEP_MS: every session is looked at once a second
#define SWEEP_MOST 65536
#define RESUME_BUDGET 64
#define SHUTDOWN_LOOK 16384 // sessions per call

const char *mqtt_end_label(enum mqtt_end e) {
	static const char *const labels[MQTT_END_COUNT] = {
#define X(id, label, reason) [id] = label,
		MQTT_ENDS(X)
#undef X
	};
	return e < MQTT_END_COUNT ? labels[e] : "unknown";
}

const char *mqtt_refusal_label(enum mqtt_refusal r) {
	static const char *const labels[MQTT_REFUSAL_COUNT] = {
#define X(id, label, reason) [id] = label,
		MQTT_REFUSALS(X)
#undef X
	};
	return r < MQTT_REFUSAL_COUNT ? labels[r] : "unknown";
}

struct mqtt_config mqtt_config_defaults(void) {
	return (struct mqtt_config) {
		.workers = 1,
		.sessions = 4096,
		.active = 2048,
		.in_flight = 8192,
		.inflight_max = 20,
		.packet_max = 65536,
		.topic_max = 1024,
		.client_id_max = 256,
		.alias_max = 10,
		.user_properties_max = 16,
		.keep_alive_max_s = 0,
		.session_expiry_max_s = 86400,
		.close_rate = 100,
		.pool_bytes = 8u << 20,
		.will_bytes = 1u << 20,
		.will_max = 4096,
		.connect_timeout_ms = 10000,
		.packet_timeout_ms = 10000,
		.pressure_high = 90,
		.pressure_low = 75,
	};
}

// What one packet may need from the arena beside its own bytes: its message, a resolved alias, the
// client id some times over, and the will of a connection that it ends.
static uint32_t packet_arena(const struct mqtt_config *c) {
	return 2 * MESSAGE_ARENA + 2 * c->topic_max + 6u * (c->client_id_max + 8u) + c->will_max
		+ 1024;
}

static int pools_create(struct mqtt_server *m) {
	const struct mqtt_config *c = &m->config;
	bool r = c->resident;
	uint32_t waiting = c->pool_bytes / WAITING_CHUNK, wills = c->will_bytes / WAITING_CHUNK;
	uint32_t aliases = c->alias_max > 0 ? c->active : 0;
	uint32_t item = (c->alias_max > 0 ? c->alias_max : 1u) * (uint32_t)sizeof(uint32_t);
	// A client id of ordinary length for every session, and the rest of some long ones.
	uint32_t names = c->sessions + c->sessions / NAME_SPARE + 64;

	if (mqtt_pool_init(&m->active, c->active, sizeof(struct active), "sluice mqtt busy", r) < 0
	    || mqtt_pool_init(
		       &m->flights, c->in_flight, sizeof(struct flight), "sluice mqtt messages", r
	       ) < 0
	    || mqtt_pool_init(&m->aliases, aliases, item, "sluice mqtt aliases", r) < 0
	    || mqtt_chain_init(&m->names, names, NAME_CHUNK, "sluice mqtt client ids", r) < 0
	    || mqtt_chain_init(&m->topics, 2 * aliases, NAME_CHUNK, "sluice mqtt topics", r) < 0
	    || mqtt_chain_init(&m->waiting, waiting, WAITING_CHUNK, "sluice mqtt pool", r) < 0
	    || mqtt_chain_init(&m->wills, wills, WAITING_CHUNK, "sluice mqtt wills", r) < 0
	    || mqtt_directory_init(&m->directory, c->sessions, r) < 0)
		return -ENOMEM;
	if (c->credentials != nullptr && auth_memory_create(c->credentials, &m->remembered) < 0)
		return -ENOMEM;
	return 0;
}

int mqtt_server_create(
	const struct mqtt_config *c,
	const struct mqtt_env *env,
	struct mqtt_server **out
) {
	struct mqtt_server *m;

	if (c->sessions == 0 || c->workers == 0 || c->inflight_max == 0
	    || c->inflight_max > MQTT_MAIL_IDS || c->user_properties_max > MQTT_USER_PROPERTIES_MAX)
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (m == nullptr)
		return -ENOMEM;
	m->config = *c;
	m->env = *env;
	m->session_free = m->session_free_last = MQTT_NONE;
	m->parked_head = m->paused_head = m->paused_tail = MQTT_NONE;
	m->now_ms = 1;
	m->packet_arena = packet_arena(c);
	m->arena_size = 2 * (c->packet_max + m->packet_arena);
	if (m->arena_size < ARENA_MIN)
		m->arena_size = ARENA_MIN;
	m->arena = aligned_alloc(64, (m->arena_size + 63) & ~(size_t)63);
	m->sessions =
		pages_map(c->sessions * sizeof(*m->sessions), "sluice mqtt sessions", c->resident);
	m->due_ms =
		pages_map(c->sessions * sizeof(*m->due_ms), "sluice mqtt deadlines", c->resident);
	if (m->arena == nullptr || m->sessions == nullptr || m->due_ms == nullptr
	    || pools_create(m) < 0) {
		mqtt_server_destroy(m);
		return -ENOMEM;
	}
	*out = m;
	return 0;
}

void mqtt_server_destroy(struct mqtt_server *m) {
	if (m == nullptr)
		return;
	mqtt_pool_fini(&m->active);
	mqtt_pool_fini(&m->flights);
	mqtt_pool_fini(&m->aliases);
	mqtt_chain_fini(&m->names);
	mqtt_chain_fini(&m->topics);
	mqtt_chain_fini(&m->waiting);
	mqtt_chain_fini(&m->wills);
	mqtt_directory_fini(&m->directory);
	auth_memory_destroy(m->remembered);
	free(m->arena);
	pages_unmap(m->sessions, m->config.sessions * sizeof(*m->sessions));
	pages_unmap(m->due_ms, m->config.sessions * sizeof(*m->due_ms));
	free(m);
}

static uint32_t bucket(uint32_t tokens, uint32_t rate, uint32_t elapsed_ms) {
	uint64_t filled = tokens + (uint64_t)rate * elapsed_ms;
	uint64_t most = 1000ull * (rate > 0 ? rate : 1);

	return (uint32_t)(filled < most ? filled : most);
}

void mqtt_begin(struct mqtt_server *m, uint64_t now_ns, int64_t wall_ns) {
	uint32_t now_ms = (uint32_t)(now_ns / NS_PER_MS);

	m->now_ns = now_ns;
	m->wall_ns = wall_ns;
	m->now_ms = now_ms != 0 ? now_ms : 1;
	m->arena_used = 0;
	m->submitted = false;

	uint32_t elapsed = m->now_ms - m->tokens_ms;
	if (m->tokens_ms == 0)
		elapsed = 1000; // the buckets begin full
	if (elapsed > 0) {
		uint32_t second = elapsed < 1000 ? elapsed : 1000;
		m->connect_tokens = bucket(m->connect_tokens, m->config.connect_rate, second);
		m->close_tokens = bucket(m->close_tokens, m->config.close_rate, second);
		m->tokens_ms = m->now_ms;
	}
}

uint32_t mqtt_open(struct mqtt_server *m, uint32_t conn, uint16_t listener) {
	uint32_t s = listener < m->config.listener_count ? session_take(m) : MQTT_NONE;

	if (s == MQTT_NONE)
		return MQTT_NONE;
	session_at(m, s)->conn = conn;
	session_at(m, s)->listener = listener;
	m->stats.opened++;
	m->stats.connections++;
	session_due(m, s);
	return s;
}

void mqtt_closed(struct mqtt_server *m, uint32_t s) {
	session_detach(m, s, MQTT_END_PEER);
}

static void live_expired(struct mqtt_server *m, uint32_t s) {
	const struct active *a = active_at(m, s);

	if ((session_at(m, s)->flags & SESSION_DOOMED) != 0) {
		session_end(m, s, MQTT_END_SHED);
		return;
	}
	if (a != nullptr && a->paused_since_ms != 0) {
		// Closed on purpose before the client's patience ends, but not all at once.
		if (m->close_tokens < 1000) {
			m->due_ms[s] = m->now_ms + 100;
			return;
		}
		m->close_tokens -= 1000;
		session_end(m, s, MQTT_END_BACKPRESSURE);
		return;
	}
	const struct session *se = session_at(m, s);
	bool silent = se->keep_alive_s > 0
		&& !before(m->now_ms, se->last_rx_ms + se->keep_alive_s * 1500u);
	session_end(m, s, silent ? MQTT_END_KEEP_ALIVE : MQTT_END_PACKET_TIMEOUT);
}

static void stored_expired(struct mqtt_server *m, uint32_t s) {
	const struct session *se = session_at(m, s);

	will_publish(m, s);
	if (before(m->now_ms, se->last_rx_ms + se->expiry_s * 1000u))
		session_due(m, s);
	else
		session_drop(m, s); // [MQTT-4.1.0-2]
}

static void expired(struct mqtt_server *m, uint32_t s) {
	// Packets only write when they came: the deadline is taken again from that.
	session_due(m, s);
	if (m->due_ms[s] == 0 || before(m->now_ms, m->due_ms[s]))
		return;
	switch (session_at(m, s)->state) {
	case SESSION_FREE:
		break;
	case SESSION_OPEN:
	case SESSION_AUTH:
	case SESSION_CLAIM:
		connect_timeout(m, s);
		break;
	case SESSION_FORWARD:
		session_drop(m, s);
		break;
	case SESSION_LIVE:
		live_expired(m, s);
		break;
	case SESSION_STORED:
		stored_expired(m, s);
		break;
	}
}

void mqtt_use(struct mqtt_server *m, struct mqtt_live *live) {
	struct auth_memory *old = m->remembered;

	m->config.keep_alive_max_s = live->keep_alive_max_s;
	m->config.session_expiry_max_s = live->session_expiry_max_s;
	m->config.publish_rate = live->publish_rate;
	m->config.connect_rate = live->connect_rate;
	m->config.credentials = live->credentials;
	m->recheck = m->session_top;
	if (live->remembered == nullptr)
		return;
	m->remembered = live->remembered;
	live->remembered = old;
}

static bool admitted(const struct mqtt_server *m, const struct session *se) {
	bool anonymous = (se->identity & SESSION_ANONYMOUS) != 0;

	if (m->config.listeners[se->listener].password)
		return !anonymous && auth_user_active(m->config.credentials, se->identity);
	return anonymous;
}

static void look_again(struct mqtt_server *m, uint32_t s) {
	m->recheck--;
	if (session_at(m, s)->state == SESSION_LIVE && !admitted(m, session_at(m, s)))
		session_end(m, s, MQTT_END_NOT_ADMITTED);
}

static void sweep(struct mqtt_server *m) {
	uint32_t slices = (m->now_ms - m->sweep_ms) / SWEEP_MS;

	if (slices == 0)
		return;
	m->sweep_ms = m->now_ms;
	if (slices > SWEEP_SLICES)
		slices = SWEEP_SLICES;
	uint64_t n = ((uint64_t)m->session_top * slices + SWEEP_SLICES - 1) / SWEEP_SLICES;
	if (n > SWEEP_MOST)
		n = SWEEP_MOST;
	for (; n > 0; n--) {
		if (m->sweep_at >= m->session_top)
			m->sweep_at = 0;
		uint32_t s = m->sweep_at++;
		if (m->recheck > 0)
			look_again(m, s);
		if (m->due_ms[s] != 0 && !before(m->now_ms, m->due_ms[s]))
			expired(m, s);
	}
}

void mqtt_cut(struct mqtt_server *m, uint32_t s, uint64_t epoch) {
	// Beyond the list it stays connected until its next such message.
	if (s >= m->config.sessions || m->cut_count == DOOMED_MAX)
		return;
	m->cut[m->cut_count].session = s;
	m->cut[m->cut_count++].epoch = epoch;
}

static void cut_end(struct mqtt_server *m) {
	uint32_t n = m->cut_count;

	m->cut_count = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct session *se = session_at(m, m->cut[i].session);
		if (se->state == SESSION_LIVE && se->conn != MQTT_NONE
		    && se->epoch == m->cut[i].epoch)
			session_end(m, m->cut[i].session, MQTT_END_SIGNATURE);
	}
}

static void doomed_end(struct mqtt_server *m) {
	uint32_t n = m->doomed_count;

	m->doomed_count = 0;
	for (uint32_t i = 0; i < n; i++)
		if ((session_at(m, m->doomed[i])->flags & SESSION_DOOMED) != 0)
			session_end(m, m->doomed[i], MQTT_END_SHED);
}

static void paused_resume(struct mqtt_server *m) {
	uint32_t last = m->paused_tail;

	for (unsigned i = 0; i < RESUME_BUDGET && m->paused_head != MQTT_NONE; i++) {
		uint32_t s = m->paused_head;
		if (!publish_room(m, s) && session_at(m, s)->version == MQTT_V5)
			break; // for want of pool or pipeline: the others wait for the same
		session_unpause(m, s);
		m->env.resume(m->env.owner, session_at(m, s)->conn);
		if (s == last)
			break;
	}
}

uint64_t mqtt_poll(struct mqtt_server *m) {
	outbox_flush(m);
	cut_end(m);
	doomed_end(m);
	bool parked = flight_poll(m);
	paused_resume(m);
	sweep(m);
	if (parked || m->paused_head != MQTT_NONE || m->outbox_count > 0 || m->doomed_count > 0)
		return m->now_ns + NS_PER_MS;
	return m->stats.sessions > 0 ? m->now_ns + SWEEP_MS * NS_PER_MS : UINT64_MAX;
}

bool mqtt_shutdown(struct mqtt_server *m, uint32_t budget) {
	uint32_t looked = 0;

	for (; m->stats.connections > 0 && looked < SHUTDOWN_LOOK && budget > 0; looked++) {
		if (m->shutdown_at >= m->session_top)
			m->shutdown_at = 0;
		uint32_t s = m->shutdown_at++;
		if (session_at(m, s)->state == SESSION_FREE || session_at(m, s)->conn == MQTT_NONE)
			continue;
		session_end(m, s, MQTT_END_SHUTDOWN);
		budget--;
	}
	return m->stats.connections == 0;
}

static bool unsettled(const struct mqtt_server *m, uint32_t f) {
	const struct flight *fl = mqtt_pool_at(&m->flights, f);

	return fl->state == FLIGHT_SENT || fl->state == FLIGHT_PARKED;
}

bool mqtt_idle(const struct mqtt_server *m) {
	for (uint32_t f = 0; f < m->flights.top; f++)
		if (unsettled(m, f))
			return false;
	return true;
}

uint32_t mqtt_unsettled(const struct mqtt_server *m) {
	uint32_t n = 0;

	for (uint32_t f = 0; f < m->flights.top; f++)
		n += unsettled(m, f);
	return n;
}

const struct mqtt_stats *mqtt_server_stats(struct mqtt_server *m) {
	m->stats.in_flight = m->flights.count - m->flights.free;
	m->stats.pool_free = mqtt_chain_free(&m->waiting);
	return &m->stats;
}

void mqtt_server_memory(const struct mqtt_server *m, struct memory_account *out) {
	const struct mqtt_config *c = &m->config;
	struct memory_use *part = out->part;
	uint64_t rest = sizeof(*m) + m->arena_size;

	part[MEMORY_MQTT_SESSIONS] = (struct memory_use
	) {c->sessions * sizeof(*m->sessions), c->sessions, m->stats.sessions};
	part[MEMORY_MQTT_DEADLINES] = (struct memory_use
	) {c->sessions * sizeof(*m->due_ms), c->sessions, m->stats.sessions};
	part[MEMORY_MQTT_CLIENT_IDS] = mqtt_pool_memory(&m->names.chunks);
	// By session, not by chunk: the spare ones are part of what a session costs.
	part[MEMORY_MQTT_CLIENT_IDS].used =
		part[MEMORY_MQTT_CLIENT_IDS].used * c->sessions / m->names.chunks.count;
	part[MEMORY_MQTT_CLIENT_IDS].capacity = c->sessions;
	part[MEMORY_MQTT_DIRECTORY] = mqtt_directory_memory(&m->directory);
	part[MEMORY_MQTT_BUSY] = mqtt_pool_memory(&m->active);
	part[MEMORY_MQTT_MESSAGES] = mqtt_pool_memory(&m->flights);
	part[MEMORY_MQTT_ALIASES] = mqtt_pool_memory(&m->aliases);
	part[MEMORY_MQTT_TOPICS] = mqtt_pool_memory(&m->topics.chunks);
	part[MEMORY_MQTT_POOL] = mqtt_pool_memory(&m->waiting.chunks);
	part[MEMORY_MQTT_WILLS] = mqtt_pool_memory(&m->wills.chunks);
	part[MEMORY_MQTT_REST] = (struct memory_use) {rest, rest, rest};
}

uint32_t mqtt_idle_bytes(uint32_t client_id_len) {
	uint32_t chunks = 1;

	if (client_id_len > NAME_INLINE)
		chunks += (client_id_len - NAME_INLINE + NAME_CHUNK - 5) / (NAME_CHUNK - 4);
	return MQTT_IDLE_BYTES + (chunks - 1) * NAME_CHUNK;
}
