// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/control.h"
#include "dataplane/control_private.h"
#include "dataplane/log.h"
#include "dataplane/mqtt/services.h"
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
#define RECONNECT_NS 500000000ull
#define REPORT_NS 500000000ull
#define MESSAGES_PER_TURN 4096

uint64_t control_monotonic_ns(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool speaks_mqtt(const struct config *c) {
	for (uint32_t i = 0; i < c->listener_count; i++)
		if (c->listeners[i].protocol == LISTEN_MQTT)
			return true;
	return false;
}

static int worker_tables_create(struct control *c, uint16_t w, const uint64_t secret[2]) {
	uint32_t sessions = speaks_mqtt(c->config) ? mqtt_adapter_sessions(c->config) : 0;
	struct gate *g = &c->gate_memory[w];

	int ret = flow_book_create(c->config->dataplane.flows, secret, &c->books[w]);
	if (ret == 0)
		ret = flow_desk_create(g, sessions, &c->desks[w]);
	*g = (struct gate) {
		.table = c->table,
		.worker = w,
		.blocks = c->blocks,
		.claims = c->claims,
		.book = c->books[w],
	};
	c->gates[w] = g;
	return ret;
}

// What the workers share, and what each has of its own.
static int tables_create(struct control *c, const uint64_t secret[2]) {
	int ret = device_table_create(c->config->control.devices, secret, &c->table);

	if (ret == 0)
		ret = blocks_create(c->workers, secret, &c->blocks);
	if (ret == 0)
		ret = claims_create(&c->claims);
	if (ret == 0)
		ret = auth_registry_create(secret, &c->passwords);
	c->gate_memory = aligned_alloc(64, c->workers * sizeof(struct gate));
	if (c->gate_memory == nullptr)
		return -ENOMEM;
	for (uint16_t w = 0; w < c->workers && ret == 0; w++)
		ret = worker_tables_create(c, w, secret);
	return ret;
}

int control_create(
	const struct config *config,
	uint16_t workers,
	const uint64_t secret[2],
	uint64_t epoch,
	struct frame_devices *frames,
	struct control **out
) {
	struct control *c = calloc(1, sizeof(*c));

	if (c == nullptr)
		return -ENOMEM;
	c->config = config;
	c->ban_devices_max = config->match.ban_devices_max;
	c->workers = workers;
	c->epoch = epoch;
	c->frames = frames;
	c->fd = -1;
	if (tables_create(c, secret) != 0) {
		control_destroy(c);
		return -ENOMEM;
	}
	snprintf(c->socket_path, sizeof(c->socket_path), "%s/channel.sock", config->run_dir);
	snprintf(
		c->snapshot_path, sizeof(c->snapshot_path), "%s/devices.snapshot", config->state_dir
	);
	snprintf(c->blocks_path, sizeof(c->blocks_path), "%s/blocks.snapshot", config->state_dir);
	snprintf(
		c->secrets_path, sizeof(c->secrets_path), "%s/secrets.snapshot", config->state_dir
	);
	control_snapshot_load(c);
	control_secrets_load(c);
	control_blocks_load(c);
	control_blocks_guard(c);
	*out = c;
	return 0;
}

void control_destroy(struct control *c) {
	if (c == nullptr)
		return;
	if (c->snapshot.due_ns != 0)
		control_snapshot_save(c, false);
	if (c->fd >= 0)
		close(c->fd);
	control_text_end(c);
	for (uint16_t w = 0; w < c->workers; w++) {
		flow_desk_destroy(c->desks[w]);
		flow_book_destroy(c->books[w]);
	}
	device_table_destroy(c->table);
	blocks_destroy(c->blocks);
	claims_destroy(c->claims);
	auth_registry_destroy(c->passwords);
	free(c->gate_memory);
	free(c);
}

const struct auth_registry *control_passwords(const struct control *c) {
	return c->passwords;
}

struct flow_desk **control_desks(struct control *c) {
	return c->desks;
}

struct blocks *control_blocks(struct control *c) {
	return c->blocks;
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

struct memory_use control_memory(const struct control *c) {
	return (struct memory_use) {device_table_bytes(c->table),
				    device_table_capacity(c->table),
				    device_table_count(c->table)};
}

static void hang_up(struct control *c) {
	close(c->fd);
	c->fd = -1;
	c->greeted = false;
	control_flows_disconnected(c);
}

static void disconnect(struct control *c) {
	if (c->greeted)
		log_notice("control plane gone: devices and configuration stay as they are");
	hang_up(c);
}

void control_waits(struct control *c, const char *why) {
	if (why == nullptr && c->waits != nullptr && c->fd >= 0) {
		hang_up(c);
		c->connect_due_ns = 0;
	}
	c->waits = why;
}

bool control_send(
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

void control_ack(
	struct control *c,
	uint64_t seq,
	enum channel_type type,
	int result,
	uint64_t number,
	const char *format,
	...
) {
	struct channel_ack a = {
		.result = result,
		.type = type,
		.workers = c->workers,
		.number = number,
		.apply_ns = c->began_ns != 0 ? control_monotonic_ns() - c->began_ns : 0,
	};
	va_list ap;

	va_start(ap, format);
	vsnprintf(a.text, sizeof(a.text), format, ap);
	va_end(ap);
	memcpy(control_element(c), &a, sizeof(a));
	control_send(c, CHANNEL_ACK, 1, 0, seq);
}

static void take_hello(struct control *c, const struct channel_hello *h) {
	c->peer_registry_id = h->registry_id;
	c->greeted = true;
	control_blocks_connected(c);
	c->report_due_ns = 0;
	log_notice(
		"control plane connected build=%s registry=%" PRIu64, h->build, h->registry_version
	);
}

// True: only workers could do it, and they do not run yet.
static bool turned_away(struct control *c, const struct channel_message *m) {
	uint64_t seq = m->header->seq;

	if (c->waits == nullptr)
		return false;
	switch (m->type) {
	case CHANNEL_FLOW_LIST:
		control_send(c, CHANNEL_FLOWS, 0, CHANNEL_FLAG_LAST, seq);
		return true;
	case CHANNEL_FLOW_ACTION:
		control_ack(c, seq, m->type, 0, 0, "done");
		return true;
	case CHANNEL_GENERATION: // the next start reads the files
		control_ack(c, seq, m->type, -ENOTCONN, 0, "%s", c->waits);
		return true;
	case CHANNEL_LETTERS:
	case CHANNEL_WHY:
		control_ack(c, seq, m->type, -EBUSY, 0, "%s", c->waits);
		return true;
	default:
		return false;
	}
}

static void message_take(struct control *c, const struct channel_message *m) {
	if (turned_away(c, m))
		return;
	switch (m->type) {
	case CHANNEL_HELLO:
		c->whole = false;
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
	case CHANNEL_LABELS:
	case CHANNEL_CLAIMS:
	case CHANNEL_CREDENTIALS:
		control_take_registry(c, m);
		break;
	case CHANNEL_BLOCKS:
		control_take_blocks(c, m);
		break;
	case CHANNEL_GENERATION:
		control_take_generation(c, m);
		break;
	case CHANNEL_FLOW_LIST:
		control_take_flow_list(c, m);
		break;
	case CHANNEL_LETTERS:
	case CHANNEL_TOPICS:
		control_take_errand(c, m);
		break;
	case CHANNEL_WHY:
		control_take_why(c, m);
		break;
	case CHANNEL_FLOW_ACTION:
		control_take_flow_action(c, m);
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
	memcpy(control_element(c), &h, sizeof(h));
	control_send(c, CHANNEL_HELLO, 1, 0, ++c->seq);
}

void control_turn(
	struct control *c,
	const struct status *s,
	bool balanced,
	bool fresh,
	uint64_t now_ns
) {
	if (fresh)
		control_labels_passed(c, s);
	if (c->fd < 0 && now_ns >= c->connect_due_ns) {
		c->connect_due_ns = now_ns + RECONNECT_NS;
		connect_try(c);
	}
	if (c->fd >= 0)
		read_messages(c);
	control_loading_turn(c);
	control_errands_turn(c);
	control_why_turn(c);
	control_text_turn(c);
	control_blocks_turn(c);
	control_flows_turn(c);
	if (c->greeted && now_ns >= c->report_due_ns) {
		c->report_due_ns = now_ns + REPORT_NS;
		control_report(c);
		if (c->waits != nullptr)
			control_waits_send(c);
	}
	if (c->greeted && fresh)
		control_counters_send(c, s, balanced);
	if (quiet_timer_due(&c->snapshot, control_monotonic_ns()))
		control_snapshot_save(c, true);
}
