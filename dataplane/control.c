// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/control.h"
#include "dataplane/control_counters.h"
#include "dataplane/log.h"
#include "dataplane/status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOG_SUBSYSTEM "control"
#define DEVICES_DEFAULT (1u << 20)
#define RECONNECT_NS 500000000ull
#define REPORT_NS 500000000ull
#define SNAPSHOT_AFTER_NS 3000000000ull // after the last change
#define MESSAGES_PER_TURN 4096
#define REPORTS_PER_TURN 2048

struct control {
	const struct config *config;
	struct device_table *table;
	struct gate *gates[WORKERS_MAX];
	struct gate *gate_memory;
	uint16_t workers;
	uint64_t epoch;
	char socket_path[300];
	char snapshot_path[300];
	int fd;
	bool greeted;
	uint64_t seq;
	uint64_t connect_due_ns, report_due_ns, snapshot_due_ns;
	uint64_t peer_registry_id;
	uint64_t began_ns; // of the transfer in progress
	uint64_t number; // of the configuration in force
	int connect_errno; // of the last try, to say it once
	bool full; // the table, said once
	struct device_report reports[REPORTS_PER_TURN];
	_Alignas(8) uint8_t out[CHANNEL_MESSAGE_MAX];
	_Alignas(8) uint8_t in[CHANNEL_MESSAGE_MAX];
};

static uint64_t monotonic_ns(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void snapshot_load(struct control *c) {
	int ret = device_table_load(c->table, c->snapshot_path);

	if (ret == 0)
		log_notice(
			"registry snapshot devices=%" PRIu32 " version=%" PRIu64,
			device_table_count(c->table),
			device_table_version(c->table)
		);
	else if (ret == -EBADMSG)
		log_error(
			"registry snapshot %s is corrupt and was not used: until sluice-controld "
			"connects, listeners with unknown: refuse refuse every device",
			c->snapshot_path
		);
	else if (ret != -ENOENT)
		log_error("registry snapshot %s: %s", c->snapshot_path, strerror(-ret));
}

int control_create(
	const struct config *config,
	uint16_t workers,
	const uint64_t secret[2],
	uint64_t epoch,
	struct control **out
) {
	struct control *c = calloc(1, sizeof(*c));

	if (c == nullptr)
		return -ENOMEM;
	c->config = config;
	c->workers = workers;
	c->epoch = epoch;
	c->fd = -1;
	c->gate_memory = aligned_alloc(64, workers * sizeof(struct gate));
	if (c->gate_memory == nullptr
	    || device_table_create(DEVICES_DEFAULT, secret, &c->table) != 0) {
		free(c->gate_memory);
		free(c);
		return -ENOMEM;
	}
	memset(c->gate_memory, 0, workers * sizeof(struct gate));
	for (uint16_t w = 0; w < workers; w++) {
		c->gates[w] = &c->gate_memory[w];
		c->gates[w]->table = c->table;
		c->gates[w]->worker = w;
	}
	snprintf(c->socket_path, sizeof(c->socket_path), "%s/channel.sock", config->run_dir);
	snprintf(
		c->snapshot_path, sizeof(c->snapshot_path), "%s/devices.snapshot", config->state_dir
	);
	snapshot_load(c);
	*out = c;
	return 0;
}

static void snapshot_save(struct control *c) {
	int ret = device_table_save(c->table, c->snapshot_path);

	c->snapshot_due_ns = 0;
	if (ret < 0)
		log_error("registry snapshot %s: %s", c->snapshot_path, strerror(-ret));
}

void control_destroy(struct control *c) {
	if (c == nullptr)
		return;
	if (c->snapshot_due_ns != 0)
		snapshot_save(c);
	if (c->fd >= 0)
		close(c->fd);
	device_table_destroy(c->table);
	free(c->gate_memory);
	free(c);
}

struct gate **control_gates(struct control *c) {
	return c->gates;
}

int control_fd(const struct control *c) {
	return c->fd;
}

bool control_connected(const struct control *c) {
	return c->greeted;
}

uint32_t control_devices(const struct control *c) {
	return device_table_count(c->table);
}

static void disconnect(struct control *c) {
	if (c->greeted)
		log_notice("control plane gone: devices and configuration stay as they are");
	close(c->fd);
	c->fd = -1;
	c->greeted = false;
}

static void *element(struct control *c) {
	return c->out + sizeof(struct channel_header);
}

// What does not fit into the socket is lost: reports are repeated, an unread acknowledgement makes
// the control plane ask again after its time.
static bool message_send(
	struct control *c,
	enum channel_type type,
	uint16_t count,
	uint16_t flags,
	uint64_t seq
) {
	size_t len = channel_seal(
		(struct channel_header *)(void *)c->out,
		type,
		count,
		flags,
		seq,
		device_table_version(c->table)
	);

	if (c->fd < 0)
		return false;
	if (send(c->fd, c->out, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len)
		return true;
	if (errno != EAGAIN && errno != ENOBUFS)
		disconnect(c);
	return false;
}

[[gnu::format(printf, 6, 7)]] static void
ack(struct control *c,
    uint64_t seq,
    enum channel_type type,
    int result,
    uint64_t number,
    const char *format,
    ...) {
	struct channel_ack a = {
		.result = result,
		.type = type,
		.workers = c->workers,
		.number = number,
		.apply_ns = c->began_ns != 0 ? monotonic_ns() - c->began_ns : 0,
	};
	va_list ap;

	va_start(ap, format);
	vsnprintf(a.text, sizeof(a.text), format, ap);
	va_end(ap);
	memcpy(element(c), &a, sizeof(a));
	message_send(c, CHANNEL_ACK, 1, 0, seq);
}

// --- the registry

static void take_devices(struct control *c, const struct channel_message *m) {
	int ret = device_table_apply(c->table, m->elements, m->count);

	if (ret == -ENOSPC && !c->full) {
		c->full = true;
		log_error(
			"device table full: %" PRIu32 " devices", device_table_capacity(c->table)
		);
	}
}

static void transfer_end(struct control *c, const struct channel_message *m) {
	if (c->full)
		ack(c,
		    m->header->seq,
		    CHANNEL_DEVICES,
		    -ENOSPC,
		    0,
		    "the device table holds %" PRIu32 " devices",
		    device_table_capacity(c->table));
	device_table_at(c->table, c->peer_registry_id, m->header->registry_version);
	c->snapshot_due_ns = monotonic_ns() + SNAPSHOT_AFTER_NS;
	// In place: what a worker looks up from now on is new.
	if (!c->full)
		ack(c, m->header->seq, CHANNEL_DEVICES, 0, device_table_count(c->table), "in force"
		);
	c->began_ns = 0;
	c->full = false;
}

static void take_registry(struct control *c, const struct channel_message *m, bool *whole) {
	if (c->began_ns == 0)
		c->began_ns = monotonic_ns();
	if ((m->header->flags & CHANNEL_FLAG_FIRST) != 0) {
		device_table_whole_begin(c->table);
		*whole = true;
	}
	if (m->type == CHANNEL_DEVICES)
		take_devices(c, m);
	if ((m->header->flags & CHANNEL_FLAG_LAST) == 0)
		return;
	if (*whole)
		device_table_whole_end(c->table);
	*whole = false;
	transfer_end(c, m);
}

static void take_generation(struct control *c, const struct channel_message *m) {
	const struct channel_generation *g = m->elements;
	struct config_error error;
	struct config *loaded = nullptr;
	uint32_t count = 0;

	int ret = config_load(g->path, &loaded, &error, 1, &count);
	config_free(loaded);
	if (ret < 0)
		ack(c,
		    m->header->seq,
		    CHANNEL_GENERATION,
		    -EINVAL,
		    0,
		    "%.200s",
		    count > 0 ? error.text : strerror(-ret));
	else
		ack(c,
		    m->header->seq,
		    CHANNEL_GENERATION,
		    0,
		    g->number,
		    "checked by sluiced; in force after its restart");
}

static void take_hello(struct control *c, const struct channel_hello *h) {
	c->peer_registry_id = h->registry_id;
	c->greeted = true;
	c->report_due_ns = 0;
	log_notice(
		"control plane connected build=%s registry=%" PRIu64, h->build, h->registry_version
	);
}

// --- flows: the device table knows who talks to us without stalling anybody

static void flows_finish(struct channel_flow *f, uint32_t n) {
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	for (uint32_t i = 0; i < n; i++) {
		enum transport t = (enum transport)f[i].transport[0];
		int64_t idle = now_ns > f[i].seen_ns ? now_ns - f[i].seen_ns : 0;
		f[i].idle_ms = (uint32_t)(idle / 1000000);
		snprintf(f[i].transport, sizeof(f[i].transport), "%s", transport_label(t));
	}
}

static void take_flow_list(struct control *c, const struct channel_message *m) {
	const struct channel_flow_query *q = m->elements;
	uint32_t at = (uint32_t)q->cursor, room = channel_room(CHANNEL_FLOWS), left = q->limit;
	bool more = true;

	while (more && left > 0) {
		uint32_t want = left < room ? left : room;
		uint32_t n = device_table_flows(c->table, q, &at, element(c), want, &more);
		left -= n;
		flows_finish(element(c), n);
		bool last = !more || left == 0;
		if (!message_send(
			    c,
			    CHANNEL_FLOWS,
			    (uint16_t)n,
			    last ? CHANNEL_FLAG_LAST : 0,
			    m->header->seq
		    ))
			return;
	}
	if (left == q->limit && q->limit == 0)
		message_send(c, CHANNEL_FLOWS, 0, CHANNEL_FLAG_LAST, m->header->seq);
}

static void message_take(struct control *c, const struct channel_message *m) {
	static bool whole;

	switch (m->type) {
	case CHANNEL_HELLO:
		whole = false;
		take_hello(c, m->elements);
		break;
	case CHANNEL_REFUSED:
		log_error(
			"control plane refused us: %s",
			((const struct channel_refused *)m->elements)->text
		);
		disconnect(c);
		break;
	case CHANNEL_DEVICES:
	case CHANNEL_CLAIMS:
	case CHANNEL_CREDENTIALS:
		take_registry(c, m, &whole);
		break;
	case CHANNEL_GENERATION:
		take_generation(c, m);
		break;
	case CHANNEL_FLOW_LIST:
		take_flow_list(c, m);
		break;
	case CHANNEL_FLOW_ACTION:
	case CHANNEL_WHY:
		ack(c, m->header->seq, m->type, -ENOTSUP, 0, "this data plane cannot do that yet");
		break;
	default:
		break;
	}
}

static void read_messages(struct control *c) {
	for (int i = 0; i < MESSAGES_PER_TURN && c->fd >= 0; i++) {
		struct channel_message m;
		uint16_t theirs = 0;
		ssize_t n = recv(c->fd, c->in, sizeof(c->in), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			disconnect(c);
			return;
		}
		enum channel_rc rc = channel_decode(c->in, (size_t)n, &m, &theirs);
		if (rc == CHANNEL_OK) {
			message_take(c, &m);
			continue;
		}
		if (rc == CHANNEL_BAD_VERSION)
			log_error(
				"control plane speaks channel version %u, we speak %u: install the "
				"same release of both",
				theirs,
				CHANNEL_VERSION
			);
		else
			log_error("control plane: message dropped: %s", channel_rc_label(rc));
		disconnect(c);
	}
}

static void connect_try(struct control *c) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct channel_hello h = {
		.epoch = c->epoch,
		.registry_version = device_table_version(c->table),
		.registry_id = device_table_registry(c->table),
		.config_generation = c->number,
		.pid = (uint32_t)getpid(),
		.workers = c->workers,
	};

	if (strlen(c->socket_path) >= sizeof(a.sun_path))
		return;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", c->socket_path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		if (errno != ENOENT && errno != ECONNREFUSED && errno != c->connect_errno)
			log_error("control plane at %s: %s", c->socket_path, strerror(errno));
		c->connect_errno = errno;
		close(fd);
		return;
	}
	c->connect_errno = 0;
	c->fd = fd;
	snprintf(h.build, sizeof(h.build), "%s", SLUICE_VERSION);
	memcpy(element(c), &h, sizeof(h));
	message_send(c, CHANNEL_HELLO, 1, 0, ++c->seq);
}

// --- reports

struct event_batch {
	struct control *control;
	uint16_t count;
};

static void event_add(struct event_batch *b, const struct channel_event *e) {
	struct channel_event *events = element(b->control);

	events[b->count++] = *e;
	if (b->count == channel_room(CHANNEL_EVENTS)) {
		message_send(b->control, CHANNEL_EVENTS, b->count, 0, ++b->control->seq);
		b->count = 0;
	}
}

static void notes_report(struct event_batch *b, struct gate *g) {
	struct gate_note notes[GATE_NOTES];
	uint32_t n = gate_notes_take(g, notes, GATE_NOTES);

	for (uint32_t i = 0; i < n; i++) {
		struct channel_event e = {
			.kind = EVENT_UNKNOWN,
			.name_len = notes[i].name_len,
			.wall_ns = notes[i].wall_ns,
			.worker = g->worker,
			.peer = notes[i].peer,
			.repeated = 1,
		};
		memcpy(e.name, notes[i].name, sizeof(e.name));
		snprintf(
			e.transport,
			sizeof(e.transport),
			"%s",
			transport_label((enum transport)notes[i].transport)
		);
		snprintf(
			e.reason,
			sizeof(e.reason),
			"%s",
			notes[i].pending ? "pending" : refuse_reason_label(REFUSE_DEVICE_UNKNOWN)
		);
		event_add(b, &e);
	}
}

static void devices_report(struct event_batch *b) {
	struct control *c = b->control;
	uint32_t n = device_table_report(c->table, c->reports, REPORTS_PER_TURN);

	for (uint32_t i = 0; i < n; i++) {
		struct device_report *r = &c->reports[i];
		const char *reason = r->event.kind != EVENT_REFUSED ? ""
			: r->reason < REFUSE_REASON_COUNT
			? refuse_reason_label((enum refuse_reason)r->reason)
			: shed_reason_label(SHED_QUOTA);
		snprintf(
			r->event.transport,
			sizeof(r->event.transport),
			"%s",
			transport_label((enum transport)r->transport)
		);
		snprintf(r->event.reason, sizeof(r->event.reason), "%s", reason);
		event_add(b, &r->event);
	}
}

static void report(struct control *c) {
	struct event_batch b = {.control = c};

	for (uint16_t w = 0; w < c->workers; w++)
		notes_report(&b, c->gates[w]);
	devices_report(&b);
	if (b.count > 0)
		message_send(c, CHANNEL_EVENTS, b.count, 0, ++c->seq);
}

static void counters_send(struct control *c, const struct status *s, bool balanced) {
	struct counter_list list = {.out = element(c), .room = channel_room(CHANNEL_COUNTERS)};
	uint16_t flags = CHANNEL_FLAG_FIRST;

	for (uint32_t from = 0;; from += list.room) {
		list.skip = from;
		list.count = 0;
		list.seen = 0;
		counters_list(&list, s, balanced);
		counters_gates(&list, c->gates, c->workers, c->table);
		bool last = list.seen <= from + list.room;
		if (!message_send(
			    c,
			    CHANNEL_COUNTERS,
			    (uint16_t)list.count,
			    (uint16_t)(flags | (last ? CHANNEL_FLAG_LAST : 0)),
			    ++c->seq
		    ))
			return;
		if (last)
			return;
		flags = 0;
	}
}

void control_turn(
	struct control *c,
	const struct status *s,
	bool balanced,
	bool fresh,
	uint64_t now_ns
) {
	if (c->fd < 0 && now_ns >= c->connect_due_ns) {
		c->connect_due_ns = now_ns + RECONNECT_NS;
		connect_try(c);
	}
	if (c->fd >= 0)
		read_messages(c);
	if (c->greeted && now_ns >= c->report_due_ns) {
		c->report_due_ns = now_ns + REPORT_NS;
		report(c);
	}
	if (c->greeted && fresh)
		counters_send(c, s, balanced);
	if (c->snapshot_due_ns != 0 && monotonic_ns() >= c->snapshot_due_ns)
		snapshot_save(c);
}
