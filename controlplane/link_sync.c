// SPDX-License-Identifier: Apache-2.0
// Bringing the peer up to date, as far as the socket takes it.
#include "controlplane/link_private.h"

#include <stdio.h>

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
	void *e = link_element(l);
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
		link_peer_close(l);
		return n;
	}
	if (l->phase == SYNC_END)
		flags |= CHANNEL_FLAG_LAST;
	if (n > 0 || l->phase == SYNC_END) {
		int ret = link_send(l, type, (uint16_t)n, flags, l->target);
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
	int n = registry_blocks_all(l->registry, &cursor, link_element(l), room);
	uint16_t flags = l->blocks_cursor == 0 ? CHANNEL_FLAG_FIRST : 0;

	if (n < 0) {
		fprintf(stderr, "blocks not read: %s\n", registry_why(l->registry));
		link_peer_close(l);
		return n;
	}
	if ((uint32_t)n < room)
		flags |= CHANNEL_FLAG_LAST;
	int ret = link_send(l, CHANNEL_BLOCKS, (uint16_t)n, flags, 0);
	if (ret < 0)
		return ret;
	l->blocks_cursor = cursor;
	l->blocks_due = (uint32_t)n == room;
	return 0;
}

void link_changed(struct link *l) {
	if (l->blocked || l->peer < 0)
		return;
	while (l->greeted && l->blocks_due)
		if (blocks_step(l) < 0)
			return;
	sync_start(l);
	for (int i = 0; i < LINK_MESSAGES_PER_TURN && l->phase != SYNC_IDLE; i++)
		if (sync_step(l) < 0)
			return;
}
