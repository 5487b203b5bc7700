// SPDX-License-Identifier: Apache-2.0
// Questions about flows: put to one worker's desk after the other, answered as they come. The main
// thread never waits for a desk, and one question is under way at a time: a new one ends the last.
#include "dataplane/control_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CURSOR_WORKER_SHIFT 40
#define CURSOR_PLACE ((1ull << CURSOR_WORKER_SHIFT) - 1)

static void flows_finish(const struct control *c, struct channel_flow *f, uint32_t n) {
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	for (uint32_t i = 0; i < n; i++) {
		enum transport t = (enum transport)f[i].transport[0];
		int64_t idle_ms = now_ns > f[i].seen_ns ? (now_ns - f[i].seen_ns) / 1000000 : 0;
		f[i].idle_ms = idle_ms < UINT32_MAX ? (uint32_t)idle_ms : UINT32_MAX;
		f[i].cursor |= (uint64_t)c->question.worker << CURSOR_WORKER_SHIFT;
		snprintf(f[i].transport, sizeof(f[i].transport), "%s", transport_label(t));
	}
}

static void worker_ask(struct control *c, uint64_t from) {
	const struct control_question *q = &c->question;
	struct flow_desk_query ask = {.kind = q->kind, .filter = q->filter, .from = from};

	ask.filter.limit = q->left;
	flow_desk_ask(c->desks[q->worker], &ask);
}

static bool held_send(struct control *c, uint16_t flags) {
	struct control_question *q = &c->question;

	memcpy(control_element(c), q->held, q->held_count * sizeof(q->held[0]));
	if (!control_send(c, CHANNEL_FLOWS, (uint16_t)q->held_count, flags, q->seq))
		return false;
	q->held_count = 0;
	return true;
}

static void question_end(struct control *c) {
	struct control_question *q = &c->question;

	// What does not fit into the socket now is sent in the next turn.
	if (q->kind == FLOW_DESK_LIST && !held_send(c, CHANNEL_FLAG_LAST) && c->fd >= 0)
		return;
	if (q->kind == FLOW_DESK_DROP)
		control_ack(c, q->seq, CHANNEL_FLOW_ACTION, 0, q->hits, "done");
	q->open = false;
}

static void next_worker(struct control *c, uint64_t hits) {
	struct control_question *q = &c->question;

	q->hits += hits;
	q->worker++;
	q->ended = q->worker >= c->workers || q->abandoned
		|| (q->kind == FLOW_DESK_LIST && q->left == 0);
	if (!q->ended)
		worker_ask(c, 0);
}

static void answers_take(struct control *c) {
	struct control_question *q = &c->question;
	uint32_t room = channel_room(CHANNEL_FLOWS) - q->held_count;
	struct channel_flow *to = &q->held[q->held_count];
	uint64_t hits = 0;
	bool done = false;

	if (q->kind == FLOW_DESK_LIST && room > q->left)
		room = q->left;
	uint32_t n = flow_desk_take(c->desks[q->worker], to, room, &done, &hits);
	if (q->abandoned) {
		if (done)
			q->open = false;
		return;
	}
	flows_finish(c, to, n);
	q->held_count += n;
	q->left -= q->kind == FLOW_DESK_LIST ? n : 0;
	if (q->held_count == channel_room(CHANNEL_FLOWS))
		(void)held_send(c, 0);
	if (done)
		next_worker(c, hits);
}

void control_flows_turn(struct control *c) {
	if (!c->question.open && c->question_next.open) {
		c->question = c->question_next;
		c->question_next.open = false;
		worker_ask(c, c->question.from);
	}
	if (c->question.open && !c->question.ended)
		answers_take(c);
	if (c->question.open && c->question.ended)
		question_end(c);
}

bool control_busy(const struct control *c) {
	return c->question.open || c->question_next.open;
}

static void question_put(struct control *c, const struct control_question *q) {
	if (c->question.open && !c->question.abandoned) {
		c->question.abandoned = true;
		c->question.open = !c->question.ended;
		if (c->question.open)
			flow_desk_cancel(c->desks[c->question.worker]);
	}
	c->question_next = *q;
	control_flows_turn(c);
}

void control_take_flow_list(struct control *c, const struct channel_message *m) {
	struct control_question q = {.open = true, .kind = FLOW_DESK_LIST, .seq = m->header->seq};

	memcpy(&q.filter, m->elements, sizeof(q.filter));
	q.left = q.filter.limit;
	q.worker = (uint16_t)(q.filter.cursor >> CURSOR_WORKER_SHIFT);
	q.from = q.filter.cursor & CURSOR_PLACE;
	q.filter.transport = 0;
	for (enum transport t = 0; t < TRANSPORT_COUNT; t++)
		if (strcmp(q.filter.transport_label, transport_label(t)) == 0)
			q.filter.transport = (uint8_t)(t + 1);
	if (q.worker >= c->workers || q.left == 0) {
		control_send(c, CHANNEL_FLOWS, 0, CHANNEL_FLAG_LAST, q.seq);
		return;
	}
	question_put(c, &q);
}

void control_take_flow_action(struct control *c, const struct channel_message *m) {
	const struct channel_flow_action *a = m->elements;
	struct control_question q = {.open = true, .kind = FLOW_DESK_DROP, .seq = m->header->seq};

	q.filter.device_len = a->device_len;
	q.filter.by_realm = a->by_realm;
	q.filter.peer = a->peer;
	memcpy(q.filter.device, a->device, sizeof(q.filter.device));
	if (a->device_len == 0 && a->peer.family == 0) {
		control_ack(c, q.seq, CHANNEL_FLOW_ACTION, -EINVAL, 0, "neither device nor prefix");
		return;
	}
	question_put(c, &q);
}

void control_flows_disconnected(struct control *c) {
	c->question_next.open = false;
	if (!c->question.open)
		return;
	c->question.abandoned = true;
	c->question.open = !c->question.ended;
	if (c->question.open)
		flow_desk_cancel(c->desks[c->question.worker]);
}
