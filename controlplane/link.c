// SPDX-License-Identifier: Apache-2.0
#include "controlplane/link.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MESSAGES_PER_TURN 64 // so that a million devices do not keep the API waiting

enum sync_phase {
	SYNC_IDLE,
	SYNC_CLAIMS,
	SYNC_LABELS,
	SYNC_DEVICES,
	SYNC_REMOVED,
	SYNC_CREDENTIALS,
	SYNC_END
};

struct link {
	struct registry *registry;
	char path[108];
	int listener;
	int peer;
	bool greeted;
	bool blocked; // the socket was full
	struct link_state state;
	uint64_t seq;
	// what is being sent
	enum sync_phase phase;
	bool first;
	bool blocks_due; // the whole set of blocks has to be sent
	int64_t blocks_cursor;
	uint64_t since;
	uint64_t target;
	uint64_t sent; // version the peer has been brought to
	int64_t cursor;
	// what a caller waits for
	uint64_t ack_seq;
	bool acked;
	struct channel_ack ack;
	// the configuration to be in force
	struct channel_generation configuration; // number 0: none yet
	uint64_t configuration_seq; // of its last announcement
	uint64_t flows_seq;
	struct channel_flow *flows;
	uint32_t flow_count, flow_max;
	uint64_t flow_cursor;
	bool flows_done;
	uint64_t text_seq; // 0: nobody waits
	char *text; // owned while it grows
	size_t text_len;
	bool text_done, text_lost; // it was too long, or there was no memory
	// reports
	struct channel_counter counters[LINK_COUNTERS_MAX];
	uint32_t counter_count;
	uint32_t counter_filling;
	struct channel_event events[LINK_EVENTS_KEPT];
	uint64_t event_count;
	_Alignas(8) uint8_t out[CHANNEL_MESSAGE_MAX];
	_Alignas(8) uint8_t in[CHANNEL_MESSAGE_MAX];
};

static int listen_on(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || chmod(path, 0666) < 0
	    || listen(fd, 4) < 0) {
		int ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

int link_create(const char *path, struct registry *r, struct link **out) {
	struct link *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return -ENOMEM;
	l->registry = r;
	l->peer = -1;
	l->listener = listen_on(path);
	if (l->listener < 0) {
		int ret = l->listener;
		free(l);
		return ret;
	}
	snprintf(l->path, sizeof(l->path), "%s", path);
	*out = l;
	return 0;
}

static void peer_close(struct link *l) {
	if (l->peer >= 0)
		close(l->peer);
	l->peer = -1;
	l->greeted = false;
	l->blocked = false;
	l->phase = SYNC_IDLE;
	l->state.connected = false;
	l->counter_count = 0;
	l->counter_filling = 0;
}

void link_destroy(struct link *l) {
	if (l == NULL)
		return;
	peer_close(l);
	close(l->listener);
	unlink(l->path);
	free(l);
}

static void *element(struct link *l) {
	return l->out + sizeof(struct channel_header);
}

// 0, -EAGAIN if the socket is full, or -ENOTCONN after closing it.
static int
message_send(struct link *l, enum channel_type type, uint16_t count, uint16_t flags, uint64_t v) {
	size_t len = channel_seal(
		(struct channel_header *)(void *)l->out, type, count, flags, ++l->seq, v
	);

	if (l->peer < 0)
		return -ENOTCONN;
	if (send(l->peer, l->out, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len)
		return 0;
	if (errno == EAGAIN || errno == ENOBUFS) {
		l->blocked = true;
		return -EAGAIN;
	}
	peer_close(l);
	return -ENOTCONN;
}

// --- bringing the peer up to date

static void sync_start(struct link *l) {
	uint64_t version = registry_version(l->registry);

	if (!l->greeted || l->phase != SYNC_IDLE || l->sent == version)
		return;
	l->target = version;
	l->since = l->sent;
	l->phase = SYNC_CLAIMS;
	l->first = true;
	l->cursor = 0;
}

static int sync_fill(struct link *l, int64_t *cursor, enum channel_type *type) {
	struct registry *r = l->registry;
	void *e = element(l);
	uint32_t room = channel_room(CHANNEL_DEVICES);

	*type = CHANNEL_DEVICES;
	switch (l->phase) {
	case SYNC_CLAIMS:
		*type = CHANNEL_CLAIMS;
		return registry_claims_all(r, cursor, e, channel_room(*type));
	case SYNC_LABELS:
		*type = CHANNEL_LABELS;
		return registry_labels_since(r, l->since, cursor, e, channel_room(*type));
	case SYNC_DEVICES:
		return registry_devices_since(r, l->since, cursor, e, room);
	case SYNC_REMOVED:
		return l->since == 0 ? 0 : registry_removed_since(r, l->since, cursor, e, room);
	case SYNC_CREDENTIALS:
		*type = CHANNEL_CREDENTIALS;
		return registry_credentials_since(r, l->since, cursor, e, channel_room(*type));
	default:
		return 0;
	}
}

// One message. Whole transfers begin with FIRST on the first message of any type; each ends with
// LAST on an empty one.
static int sync_step(struct link *l) {
	enum channel_type type;
	int64_t cursor = l->cursor;
	int n = sync_fill(l, &cursor, &type);
	uint16_t flags = l->first && l->since == 0 ? CHANNEL_FLAG_FIRST : 0;

	if (n < 0) {
		fprintf(stderr, "registry not read: %s\n", registry_why(l->registry));
		peer_close(l);
		return n;
	}
	if (l->phase == SYNC_END)
		flags |= CHANNEL_FLAG_LAST;
	if (n > 0 || l->phase == SYNC_END) {
		int ret = message_send(l, type, (uint16_t)n, flags, l->target);
		if (ret < 0)
			return ret;
		l->first = false;
	}
	l->cursor = cursor;
	if (n > 0)
		return 0;
	l->cursor = 0;
	if (l->phase == SYNC_END) {
		l->sent = l->target;
		l->phase = SYNC_IDLE;
	} else {
		l->phase++;
	}
	return 0;
}

// Blocks go first and whole: there are few, and they matter most.
static int blocks_step(struct link *l) {
	int64_t cursor = l->blocks_cursor;
	uint32_t room = channel_room(CHANNEL_BLOCKS);
	int n = registry_blocks_all(l->registry, &cursor, element(l), room);
	uint16_t flags = l->blocks_cursor == 0 ? CHANNEL_FLAG_FIRST : 0;

	if (n < 0) {
		fprintf(stderr, "blocks not read: %s\n", registry_why(l->registry));
		peer_close(l);
		return n;
	}
	if ((uint32_t)n < room)
		flags |= CHANNEL_FLAG_LAST;
	int ret = message_send(l, CHANNEL_BLOCKS, (uint16_t)n, flags, 0);
	if (ret < 0)
		return ret;
	l->blocks_cursor = cursor;
	l->blocks_due = (uint32_t)n == room;
	return 0;
}

static void sync_run(struct link *l) {
	if (l->blocked || l->peer < 0)
		return;
	while (l->greeted && l->blocks_due)
		if (blocks_step(l) < 0)
			return;
	sync_start(l);
	for (int i = 0; i < MESSAGES_PER_TURN && l->phase != SYNC_IDLE; i++)
		if (sync_step(l) < 0)
			return;
}

void link_changed(struct link *l) {
	sync_run(l);
}

// --- what comes in

static void configuration_send(struct link *l) {
	struct channel_generation g = l->configuration;

	// Whatever of it needs a restart has been agreed to, or was changed while nobody was here.
	g.flags = GENERATION_LATER;
	memcpy(element(l), &g, sizeof(g));
	if (message_send(l, CHANNEL_GENERATION, 1, 0, 0) == 0)
		l->configuration_seq = l->seq;
}

static void greet(struct link *l, const struct channel_hello *h) {
	bool ours = h->registry_id == registry_id(l->registry);
	bool delta = ours && h->registry_version >= registry_oldest(l->registry)
		&& h->registry_version <= registry_version(l->registry);
	struct channel_hello answer = {
		.registry_version = registry_version(l->registry),
		.registry_id = registry_id(l->registry),
		.pid = (uint32_t)getpid(),
	};

	snprintf(answer.build, sizeof(answer.build), "%s", SLUICE_VERSION);
	memcpy(element(l), &answer, sizeof(answer));
	if (message_send(l, CHANNEL_HELLO, 1, 0, answer.registry_version) < 0) {
		peer_close(l);
		return;
	}
	l->greeted = true;
	l->blocks_due = true;
	l->blocks_cursor = 0;
	l->sent = delta ? h->registry_version : 0;
	l->state.connected = true;
	l->state.workers = h->workers;
	l->state.pid = h->pid;
	l->state.epoch = h->epoch;
	l->state.config_generation = h->config_generation;
	l->state.registry_version = l->sent;
	l->state.config_pending = 0;
	memcpy(l->state.build, h->build, sizeof(h->build));
	if (l->configuration.number != 0 && h->config_generation != l->configuration.number)
		configuration_send(l);
}

static void refuse(struct link *l, uint16_t theirs) {
	struct channel_refused *r = element(l);

	memset(r, 0, sizeof(*r));
	r->ours = CHANNEL_VERSION;
	r->theirs = theirs;
	snprintf(
		r->text,
		sizeof(r->text),
		"sluice-controld speaks channel version %u, sluiced %u: install the same release "
		"of both",
		CHANNEL_VERSION,
		theirs
	);
	fprintf(stderr, "data plane refused: %s\n", r->text);
	(void)message_send(l, CHANNEL_REFUSED, 1, 0, 0);
	l->state.refused++;
	peer_close(l);
}

static void take_counters(struct link *l, const struct channel_message *m) {
	const struct channel_counter *c = m->elements;

	if ((m->header->flags & CHANNEL_FLAG_FIRST) != 0)
		l->counter_filling = 0;
	for (uint16_t i = 0; i < m->count && l->counter_filling < LINK_COUNTERS_MAX; i++)
		l->counters[l->counter_filling++] = c[i];
	if ((m->header->flags & CHANNEL_FLAG_LAST) != 0)
		l->counter_count = l->counter_filling;
}

static void take_events(struct link *l, const struct channel_message *m) {
	const struct channel_event *e = m->elements;

	for (uint16_t i = 0; i < m->count; i++)
		if (e[i].kind != EVENT_SEEN)
			l->events[l->event_count++ % LINK_EVENTS_KEPT] = e[i];
	l->state.events += m->count;
	// A registry that cannot be written loses "last seen", never a device's right to send.
	if (registry_events(l->registry, e, m->count) < 0)
		fprintf(stderr, "device events not stored: %s\n", registry_why(l->registry));
	sync_run(l);
}

// Bans that signatures asked for: into the registry, audited, and back with their id, so that the
// data plane knows that we know.
static void take_blocks(struct link *l, const struct channel_message *m) {
	const struct channel_block *b = m->elements;

	for (uint16_t i = 0; i < m->count && l->peer >= 0; i++) {
		struct author by = {.uid = 0};
		struct channel_block known = b[i];
		int64_t id = 0;
		snprintf(by.name, sizeof(by.name), "signature %u", known.signature);
		if (registry_block_put(l->registry, &by, &known, &id) < 0) {
			fprintf(stderr, "ban not stored: %s\n", registry_why(l->registry));
			continue;
		}
		known.id = (uint64_t)id;
		memcpy(element(l), &known, sizeof(known));
		if (message_send(l, CHANNEL_BLOCKS, 1, 0, 0) == -EAGAIN) {
			l->blocks_due = true; // with all others, when there is room
			l->blocks_cursor = 0;
		}
	}
}

static void take_flows(struct link *l, const struct channel_message *m) {
	const struct channel_flow *f = m->elements;

	if (l->flows == NULL || m->header->seq != l->flows_seq)
		return;
	for (uint16_t i = 0; i < m->count && l->flow_count < l->flow_max; i++) {
		l->flows[l->flow_count++] = f[i];
		l->flow_cursor = f[i].cursor;
	}
	l->flows_done |= (m->header->flags & CHANNEL_FLAG_LAST) != 0;
}

static void take_text(struct link *l, const struct channel_message *m) {
	const struct channel_text *t = m->elements;

	if (l->text_seq == 0 || m->header->seq != l->text_seq)
		return;
	for (uint16_t i = 0; i < m->count && !l->text_lost; i++) {
		char *more = l->text_len + t[i].len < LINK_TEXT_MAX
			? realloc(l->text, l->text_len + t[i].len + 1)
			: NULL;
		l->text_lost = more == NULL;
		if (more == NULL)
			break;
		l->text = more;
		memcpy(l->text + l->text_len, t[i].bytes, t[i].len);
		l->text_len += t[i].len;
		l->text[l->text_len] = '\0';
	}
	l->text_done |= (m->header->flags & CHANNEL_FLAG_LAST) != 0;
}

static void take_ack(struct link *l, const struct channel_message *m) {
	const struct channel_ack *a = m->elements;

	if (a->type == CHANNEL_BLOCKS && a->result < 0)
		fprintf(stderr, "data plane did not take the blocks: %s\n", a->text);
	if (a->type == CHANNEL_DEVICES && a->result == 0) {
		l->state.registry_version = m->header->registry_version;
		l->state.apply_ns = a->apply_ns;
		(void)registry_acknowledged(l->registry, m->header->registry_version);
	} else if (a->type == CHANNEL_DEVICES) {
		fprintf(stderr, "data plane did not take the registry: %s\n", a->text);
	}
	if (a->type == CHANNEL_GENERATION && m->header->seq == l->configuration_seq) {
		l->state.config_generation = a->number;
		l->state.config_pending = a->pending;
		memcpy(l->state.config_text, a->text, sizeof(a->text));
		if (a->result < 0)
			fprintf(stderr, "data plane refused the configuration: %s\n", a->text);
	}
	if (m->header->seq == l->ack_seq) {
		l->ack = *a;
		l->acked = true;
	}
}

static void message_take(struct link *l, const struct channel_message *m) {
	if (!l->greeted) {
		if (m->type == CHANNEL_HELLO)
			greet(l, m->elements);
		else
			peer_close(l);
		return;
	}
	switch (m->type) {
	case CHANNEL_ACK:
		take_ack(l, m);
		break;
	case CHANNEL_EVENTS:
		take_events(l, m);
		break;
	case CHANNEL_BLOCKS:
		take_blocks(l, m);
		break;
	case CHANNEL_COUNTERS:
		take_counters(l, m);
		break;
	case CHANNEL_FLOWS:
		take_flows(l, m);
		break;
	case CHANNEL_TEXT:
		take_text(l, m);
		break;
	default:
		break; // known to the decoder, but not for us
	}
}

static void peer_read(struct link *l) {
	for (int i = 0; i < MESSAGES_PER_TURN && l->peer >= 0; i++) {
		struct channel_message m;
		uint16_t theirs = 0;
		ssize_t n = recv(l->peer, l->in, sizeof(l->in), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			peer_close(l);
			return;
		}
		enum channel_rc rc = channel_decode(l->in, (size_t)n, &m, &theirs);
		if (rc == CHANNEL_OK) {
			message_take(l, &m);
		} else if (rc == CHANNEL_BAD_VERSION) {
			refuse(l, theirs);
		} else {
			l->state.malformed++;
			fprintf(stderr, "data plane: message dropped: %s\n", channel_rc_label(rc));
			peer_close(l);
		}
	}
}

static bool peer_allowed(uid_t uid) {
	const struct passwd *user = getpwnam("sluice"); // whom sluiced becomes

	return uid == 0 || uid == geteuid() || (user != NULL && uid == user->pw_uid);
}

static void peer_accept(struct link *l) {
	struct ucred who;
	socklen_t len = sizeof(who);
	int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || !peer_allowed(who.uid)) {
		l->state.denied++;
		close(fd);
		return;
	}
	// A restarted data plane may be here before its predecessor's end was noticed.
	peer_close(l);
	l->peer = fd;
}

void link_poll_prepare(struct link *l, struct pollfd fds[LINK_FDS]) {
	short out = l->blocked || l->blocks_due || l->phase != SYNC_IDLE ? POLLOUT : 0;

	fds[0] = (struct pollfd) {.fd = l->listener, .events = POLLIN};
	fds[1] = (struct pollfd) {.fd = l->peer, .events = (short)(POLLIN | out)};
}

void link_poll_done(struct link *l, const struct pollfd fds[LINK_FDS]) {
	if (fds[1].fd >= 0 && fds[1].fd == l->peer) {
		if ((fds[1].revents & POLLOUT) != 0)
			l->blocked = false;
		if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			peer_read(l);
	}
	if ((fds[0].revents & POLLIN) != 0)
		peer_accept(l);
	sync_run(l);
}

const struct link_state *link_state(const struct link *l) {
	return &l->state;
}

const struct channel_counter *link_counters(const struct link *l, uint32_t *count) {
	*count = l->counter_count;
	return l->counters;
}

const struct channel_event *link_event(const struct link *l, uint32_t newest) {
	if (newest >= l->event_count || newest >= LINK_EVENTS_KEPT)
		return NULL;
	return &l->events[(l->event_count - 1 - newest) % LINK_EVENTS_KEPT];
}

// --- waiting, bounded

static int64_t now_ms(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int turn(struct link *l, int64_t until) {
	struct pollfd fds[LINK_FDS];
	int64_t left = until - now_ms();

	if (l->peer < 0 || !l->greeted)
		return -ENOTCONN;
	if (left <= 0)
		return -ETIMEDOUT;
	link_poll_prepare(l, fds);
	if (poll(fds, LINK_FDS, (int)left) > 0)
		link_poll_done(l, fds);
	return 0;
}

int link_registry_wait(struct link *l, unsigned timeout_ms) {
	int64_t until = now_ms() + timeout_ms;
	uint64_t version = registry_version(l->registry);
	int ret = 0;

	link_changed(l);
	while (ret == 0 && l->state.registry_version < version)
		ret = turn(l, until);
	return ret;
}

static int statement_send(struct link *l, enum channel_type type, const void *e, int64_t until) {
	int ret;

	do {
		memcpy(element(l), e, channel_element_size(type));
		ret = message_send(l, type, 1, 0, 0);
		if (ret == -EAGAIN && turn(l, until) == -ETIMEDOUT)
			return -ETIMEDOUT;
	} while (ret == -EAGAIN);
	return ret;
}

static int ack_wait(struct link *l, int64_t until, struct channel_ack *out) {
	int ret = 0;

	l->ack_seq = l->seq;
	l->acked = false;
	while (ret == 0 && !l->acked)
		ret = turn(l, until);
	l->ack_seq = 0;
	if (ret < 0)
		return ret;
	*out = l->ack;
	return l->ack.result;
}

int link_ask(
	struct link *l,
	enum channel_type type,
	const void *e,
	unsigned timeout_ms,
	struct channel_ack *out
) {
	int64_t until = now_ms() + timeout_ms;

	if (!l->greeted)
		return -ENOTCONN;
	int ret = statement_send(l, type, e, until);
	return ret < 0 ? ret : ack_wait(l, until, out);
}

void link_configuration(struct link *l, const struct channel_generation *g) {
	l->configuration = *g;
}

int link_announce(
	struct link *l,
	const struct channel_generation *g,
	unsigned timeout_ms,
	struct channel_ack *out
) {
	int64_t until = now_ms() + timeout_ms;

	l->configuration = *g;
	if (!l->greeted)
		return -ENOTCONN;
	int ret = statement_send(l, CHANNEL_GENERATION, g, until);
	if (ret < 0)
		return ret;
	l->configuration_seq = l->seq;
	return ack_wait(l, until, out);
}

int link_flows(
	struct link *l,
	const struct channel_flow_query *q,
	struct channel_flow *out,
	uint32_t max,
	uint64_t *cursor,
	unsigned timeout_ms
) {
	int64_t until = now_ms() + timeout_ms;

	if (!l->greeted)
		return -ENOTCONN;
	int ret = statement_send(l, CHANNEL_FLOW_LIST, q, until);
	l->flows_seq = l->seq;
	l->flows = out;
	l->flow_count = 0;
	l->flow_max = max;
	l->flow_cursor = 0;
	l->flows_done = false;
	while (ret == 0 && !l->flows_done && l->flow_count < max)
		ret = turn(l, until);
	l->flows = NULL;
	*cursor = l->flow_cursor;
	return ret < 0 ? ret : (int)l->flow_count;
}

int link_text(
	struct link *l,
	enum channel_type type,
	const void *e,
	unsigned timeout_ms,
	char **text,
	struct channel_ack *why
) {
	int64_t until = now_ms() + timeout_ms;

	if (!l->greeted)
		return -ENOTCONN;
	int ret = statement_send(l, type, e, until);
	l->ack_seq = l->text_seq = l->seq;
	l->acked = l->text_done = l->text_lost = false;
	l->text_len = 0;
	while (ret == 0 && !l->acked && !l->text_done)
		ret = turn(l, until);
	l->ack_seq = l->text_seq = 0;
	*text = l->text;
	l->text = NULL;
	if (ret == 0 && l->acked) {
		*why = l->ack;
		ret = l->ack.result != 0 ? l->ack.result : -EPROTO;
	} else if (ret == 0 && (l->text_lost || *text == NULL)) {
		ret = -E2BIG;
	}
	if (ret == 0)
		return 0;
	free(*text);
	*text = NULL;
	return ret;
}
