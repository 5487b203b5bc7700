// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/letters/lane.h"
#include "dataplane/letters/lane_private.h"

#include <rte_ring.h>

#include <assert.h>
#include <string.h>

struct letter_slot *lane_take_free(struct letter_lane *l) {
	return l->free_count > 0 ? l->free[--l->free_count] : nullptr;
}

void lane_give(struct letter_lane *l, struct letter_slot *s) {
	l->free[l->free_count++] = s;
}

// Both rings have a place for every slot.
static void put(struct rte_ring *r, struct letter_slot *s) {
	int ret = rte_ring_sp_enqueue(r, s);

	assert(ret == 0);
	(void)ret;
}

void lane_send(struct letter_lane *l, struct letter_slot *s) {
	s->no_profile = false;
	put(l->to_worker, s);
}

struct letter_slot *lane_take_done(struct letter_lane *l) {
	struct letter_slot *s;

	return rte_ring_sc_dequeue(l->to_thread, (void **)&s) == 0 ? s : nullptr;
}

static const struct profile *profile_named(const struct config *c, const char *name) {
	for (uint32_t i = 0; i < c->profile_count; i++)
		if (strcmp(c->profiles[i].name, name) == 0)
			return &c->profiles[i];
	return nullptr;
}

static void
push(struct letter_lane *l, struct pipeline *p, struct letter_slot *s, uint64_t now_ns) {
	const struct profile *profile = profile_named(pipeline_config(p), s->profile);

	if (profile == nullptr) {
		s->no_profile = true;
		put(l->to_thread, s);
		return;
	}
	// The operator vouches for it: whoever the letter names need not be registered, but a
	// device that is suspended stays so.
	const struct message m = {
		.transport = TRANSPORT_REPLAY,
		.format = s->format,
		.realm = s->realm,
		.profile = profile,
		.listener = LISTENER_NONE,
		.device = view_of(s->device, s->device_len),
		.path = view_of(s->path, s->path_len),
		.payload = view_of(s->payload, s->payload_len),
		.unknown = UNKNOWN_RULE_NONE,
		.replays = s->replays,
		.peer = view_of(s->peer, s->peer_len),
		.peer_port = s->peer_port,
		.rx_wall_ns = s->arrival_ns,
		.rx_ns = now_ns,
		.epoch = s->epoch,
		.seq = s->seq,
		.token = s->index,
	};
	pipeline_push(p, &m);
}

unsigned lane_poll(struct letter_lane *l, struct pipeline *p, uint64_t now_ns) {
	struct letter_slot *s;
	unsigned n = 0;

	for (; n < LANE_PER_TURN && rte_ring_sc_dequeue(l->to_worker, (void **)&s) == 0; n++)
		push(l, p, s, now_ns);
	return n;
}

void lane_done(void *lane, uint32_t token, const struct verdict *v) {
	struct letter_lane *l = lane;
	struct letter_slot *s = &l->slots[token];

	s->verdict = *v;
	put(l->to_thread, s);
}
