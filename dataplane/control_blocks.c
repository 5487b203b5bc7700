// SPDX-License-Identifier: Apache-2.0
// Blocks between the registry, the file in the state directory and the workers' table.
#include "dataplane/control_private.h"
#include "dataplane/device_table.h"
#include "dataplane/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOG_SUBSYSTEM "control"
#define CROWD_NS 10000000000ull

void control_blocks_load(struct control *c) {
	int ret = blocks_load(c->blocks, c->blocks_path);
	struct blocks_stats s;

	blocks_stats(c->blocks, &s);
	if (ret == 0)
		log_notice(
			"blocks loaded blocked=%" PRIu32 " limited=%" PRIu32, s.blocked, s.limited
		);
	else if (ret == -EBADMSG)
		log_error(
			"blocks %s are corrupt and were not used: nothing is blocked until "
			"sluice-controld connects",
			c->blocks_path
		);
	else if (ret != -ENOENT)
		log_error("blocks %s: %s", c->blocks_path, strerror(-ret));
	(void)blocks_turn(c->blocks); // what was just loaded need not be saved
}

static int64_t wall_ns(void) {
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void declined_say(struct control *c, const struct block_ask *a, struct control_crowd *k) {
	struct channel_event *e = control_element(c);

	log_error(
		"ban declined signature=%" PRIu32 ": %" PRIu32
		" devices in good standing send from that address, more than %" PRIu32,
		a->signature,
		k->devices,
		c->ban_devices_max
	);
	*e = (struct channel_event) {
		.kind = EVENT_BAN_DECLINED,
		.peer = a->peer,
		.repeated = k->asked,
		.wall_ns = wall_ns(),
	};
	snprintf(e->reason, sizeof(e->reason), "%.31s", a->reason);
	control_send(c, CHANNEL_EVENTS, 1, 0, ++c->seq);
	k->asked = 0;
}

// The place of that address, or the one that was due first.
static struct control_crowd *crowd_place(struct control *c, const struct channel_address *peer) {
	struct control_crowd *first = &c->crowds[0];

	for (uint32_t i = 0; i < CONTROL_CROWDS; i++) {
		struct control_crowd *k = &c->crowds[i];
		if (k->until_ns != 0 && memcmp(&k->peer, peer, sizeof(*peer)) == 0)
			return k;
		if (k->until_ns < first->until_ns)
			first = k;
	}
	*first = (struct control_crowd) {.peer = *peer};
	return first;
}

// A ban hits whoever shares the address: behind a carrier's NAT that may be a fleet. Whoever sends
// from there what signatures ban can do so as often as it likes, so that the pass over the table
// and what is said of it are bounded.
static uint32_t crowd_behind(void *owner, const struct block_ask *a) {
	struct control *c = owner;
	uint64_t now_ns = control_monotonic_ns();

	if (a->device_len > 0)
		return 0;
	struct control_crowd *k = crowd_place(c, &a->peer);
	k->asked++;
	if (k->until_ns > now_ns)
		return k->devices;
	k->devices = device_table_behind(c->table, &a->peer, UINT32_MAX);
	if (k->devices <= c->ban_devices_max) {
		k->until_ns = 0;
		return 0;
	}
	k->until_ns = now_ns + CROWD_NS;
	declined_say(c, a, k);
	return k->devices;
}

void control_blocks_guard(struct control *c) {
	blocks_guard(c->blocks, crowd_behind, c);
}

void control_blocks_connected(struct control *c) {
	blocks_report_again(c->blocks);
}

static void report(struct control *c) {
	uint32_t n = blocks_report(c->blocks, control_element(c), channel_room(CHANNEL_BLOCKS));

	// A lost report is made again after the next connection.
	if (n > 0)
		control_send(c, CHANNEL_BLOCKS, (uint16_t)n, 0, ++c->seq);
}

void control_blocks_turn(struct control *c) {
	c->blocks_old |= blocks_turn(c->blocks);
	if (c->greeted)
		report(c);
	if (!c->blocks_old)
		return;
	int ret = blocks_save(c->blocks, c->blocks_path);
	c->blocks_old = false;
	if (ret < 0)
		log_error("blocks %s: %s", c->blocks_path, strerror(-ret));
}

void control_take_blocks(struct control *c, const struct channel_message *m) {
	const struct channel_block *k = m->elements;
	int ret = 0;

	if ((m->header->flags & CHANNEL_FLAG_FIRST) != 0)
		blocks_whole_begin(c->blocks);
	for (uint16_t i = 0; i < m->count; i++) {
		int one = blocks_apply(c->blocks, &k[i]);
		if (one < 0 && one != -ENOENT)
			ret = one;
	}
	if ((m->header->flags & CHANNEL_FLAG_LAST) != 0)
		blocks_whole_end(c->blocks);
	// On disk before it is acknowledged: what an operator was told is blocked stays blocked.
	control_blocks_turn(c);
	if (ret == -ENOSPC)
		log_error("the table of blocks is full: %d", BLOCKS_MAX);
	control_ack(
		c,
		m->header->seq,
		CHANNEL_BLOCKS,
		ret,
		m->count,
		"%s",
		ret < 0 ? strerror(-ret) : "in force"
	);
}
