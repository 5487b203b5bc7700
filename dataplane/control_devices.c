// SPDX-License-Identifier: Apache-2.0
// The registry's changes into the device table, and the snapshot.
#include "dataplane/control_private.h"
#include "dataplane/label_sets.h"
#include "dataplane/log.h"
#include "dataplane/status.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#define LOG_SUBSYSTEM "control"
#define SNAPSHOT_AFTER_NS 3000000000ull // after the last change
#define SNAPSHOT_MOST_NS 30000000000ull // after the first; then to the end, whatever comes

void control_snapshot_load(struct control *c) {
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

static bool message_waits(void *context) {
	const struct control *c = context;
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	return c->fd >= 0 && poll(&p, 1, 0) > 0;
}

static void snapshot_later(struct control *c) {
	quiet_timer_change(
		&c->snapshot, control_monotonic_ns(), SNAPSHOT_AFTER_NS, SNAPSHOT_MOST_NS
	);
}

void control_snapshot_save(struct control *c, bool give_way) {
	bool patient = give_way
		&& !quiet_timer_overdue(&c->snapshot, control_monotonic_ns(), SNAPSHOT_MOST_NS);
	int ret = device_table_save(c->table, c->snapshot_path, patient ? message_waits : NULL, c);

	if (ret == -ECANCELED) {
		snapshot_later(c);
		return;
	}
	control_secrets_save(c);
	c->snapshot = (struct quiet_timer) {0};
	if (ret < 0)
		log_error("registry snapshot %s: %s", c->snapshot_path, strerror(-ret));
}

// A worker reports between two turns, and no label set has been let go of since we asked.
void control_labels_passed(struct control *c, const struct status *s) {
	for (uint16_t w = 0; w < s->worker_count; w++)
		if (s->unanswered[w])
			return;
	label_sets_passed(device_table_labels(c->table));
}

static void take_labels(struct control *c, const struct channel_message *m) {
	const struct channel_labels *l = m->elements;

	for (uint16_t i = 0; i < m->count; i++) {
		int ret = label_sets_define(
			device_table_labels(c->table), l[i].set, view_of(l[i].bytes, l[i].len)
		);
		if (ret == 0 || c->labels_full)
			continue;
		c->labels_full = true;
		log_error("labels of some devices not taken, they have none: %s", strerror(-ret));
	}
}

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
		control_ack(
			c,
			m->header->seq,
			CHANNEL_DEVICES,
			-ENOSPC,
			0,
			"the device table holds %" PRIu32 " devices",
			device_table_capacity(c->table)
		);
	device_table_at(c->table, c->peer_registry_id, m->header->registry_version);
	snapshot_later(c);
	// In place: what a worker looks up from now on is new.
	if (!c->full)
		control_ack(
			c,
			m->header->seq,
			CHANNEL_DEVICES,
			0,
			device_table_count(c->table),
			"in force"
		);
	c->began_ns = 0;
	c->full = false;
}

void control_take_registry(struct control *c, const struct channel_message *m) {
	if (c->began_ns == 0)
		c->began_ns = control_monotonic_ns();
	if ((m->header->flags & CHANNEL_FLAG_FIRST) != 0) {
		device_table_whole_begin(c->table);
		c->whole = true;
		control_secrets_whole(c);
	}
	if (m->type == CHANNEL_LABELS)
		take_labels(c, m);
	if (m->type == CHANNEL_CLAIMS)
		control_take_claims(c, m);
	if (m->type == CHANNEL_CREDENTIALS)
		control_take_credentials(c, m);
	if (m->type == CHANNEL_DEVICES && m->count > 0) {
		claims_end(c->claims); // findable before anybody who refers to them
		take_devices(c, m);
		for (uint16_t i = 0; i < m->count; i++)
			control_secrets_doubt(c, (const struct channel_device *)m->elements + i);
	}
	if ((m->header->flags & CHANNEL_FLAG_LAST) == 0)
		return;
	control_secrets_end(c);
	if (c->whole)
		device_table_whole_end(c->table);
	c->whole = false;
	label_sets_settle(device_table_labels(c->table));
	transfer_end(c, m);
}
