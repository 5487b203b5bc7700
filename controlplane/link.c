// SPDX-License-Identifier: Apache-2.0
// The connection: who may connect, what is sent, what comes in.
#include "controlplane/link_private.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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

static void question_end(struct link_question *q, int result) {
	q->ended = true;
	q->result = result;
}

void link_peer_close(struct link *l) {
	for (struct link_question *q = l->questions; q != NULL; q = q->next)
		if (!q->ended)
			question_end(q, -ENOTCONN);
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
	link_peer_close(l);
	close(l->listener);
	unlink(l->path);
	free(l);
}

int link_send(struct link *l, enum channel_type type, uint16_t count, uint16_t flags, uint64_t v) {
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
	link_peer_close(l);
	return -ENOTCONN;
}

// --- what comes in

static void configuration_send(struct link *l) {
	struct channel_generation g = l->configuration;

	// Whatever of it needs a restart has been agreed to, or was changed while nobody was here.
	g.flags = GENERATION_LATER;
	memcpy(link_element(l), &g, sizeof(g));
	if (link_send(l, CHANNEL_GENERATION, 1, 0, 0) == 0)
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
	memcpy(link_element(l), &answer, sizeof(answer));
	if (link_send(l, CHANNEL_HELLO, 1, 0, answer.registry_version) < 0) {
		link_peer_close(l);
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
	struct channel_refused *r = link_element(l);

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
	(void)link_send(l, CHANNEL_REFUSED, 1, 0, 0);
	l->state.refused++;
	link_peer_close(l);
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
	link_changed(l);
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
		memcpy(link_element(l), &known, sizeof(known));
		if (link_send(l, CHANNEL_BLOCKS, 1, 0, 0) == -EAGAIN) {
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

static struct link_question *question_of(struct link *l, const struct channel_message *m) {
	struct link_question *q = l->questions;

	while (q != NULL && (q->ended || q->seq != m->header->seq))
		q = q->next;
	return q;
}

static void take_text(struct link *l, const struct channel_message *m) {
	const struct channel_text *t = m->elements;
	struct link_question *q = question_of(l, m);

	if (q == NULL || !q->text)
		return;
	for (uint16_t i = 0; i < m->count && !q->lost; i++) {
		char *more = q->len + t[i].len < LINK_TEXT_MAX
			? realloc(q->answer, q->len + t[i].len + 1)
			: NULL;
		q->lost = more == NULL;
		if (more == NULL)
			break;
		q->answer = more;
		memcpy(q->answer + q->len, t[i].bytes, t[i].len);
		q->len += t[i].len;
		q->answer[q->len] = '\0';
	}
	if ((m->header->flags & CHANNEL_FLAG_LAST) != 0)
		question_end(q, q->lost || q->answer == NULL ? -E2BIG : 0);
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
	struct link_question *q = question_of(l, m);
	if (q != NULL) {
		q->ack = *a;
		question_end(q, q->text && a->result == 0 ? -EPROTO : a->result);
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
			link_peer_close(l);
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
	for (int i = 0; i < LINK_MESSAGES_PER_TURN && l->peer >= 0; i++) {
		struct channel_message m;
		uint16_t theirs = 0;
		ssize_t n = recv(l->peer, l->in, sizeof(l->in), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			link_peer_close(l);
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
			link_peer_close(l);
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
	link_peer_close(l);
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
	link_changed(l);
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
