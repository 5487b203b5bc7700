// SPDX-License-Identifier: Apache-2.0
// Waiting for the data plane, bounded.
#include "controlplane/link_private.h"

#include <errno.h>
#include <string.h>
#include <time.h>

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
		memcpy(link_element(l), e, channel_element_size(type));
		ret = link_send(l, type, 1, 0, 0);
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

int link_put(
	struct link *l,
	struct link_question *q,
	enum channel_type type,
	const void *e,
	bool text,
	unsigned timeout_ms
) {
	*q = (struct link_question) {.text = text, .until_ms = now_ms() + timeout_ms};
	int ret = l->greeted ? statement_send(l, type, e, q->until_ms) : -ENOTCONN;
	q->ended = ret < 0;
	q->result = ret;
	if (ret < 0)
		return ret;
	q->seq = l->seq;
	q->next = l->questions;
	l->questions = q;
	return 0;
}

void link_forget(struct link *l, struct link_question *q) {
	for (struct link_question **at = &l->questions; *at != NULL; at = &(*at)->next)
		if (*at == q) {
			*at = q->next;
			return;
		}
}

bool link_answered(struct link *l, struct link_question *q) {
	if (!q->ended && link_left_ms(q) == 0) {
		q->ended = true;
		q->result = -ETIMEDOUT;
	}
	if (q->ended)
		link_forget(l, q);
	return q->ended;
}

int link_left_ms(const struct link_question *q) {
	int64_t left = q->until_ms - now_ms();

	return q->ended || left < 0 ? 0 : (int)left;
}
