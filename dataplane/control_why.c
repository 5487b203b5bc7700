// SPDX-License-Identifier: Apache-2.0
// What the workers remember of a device.
#include "dataplane/control_private.h"

#include <errno.h>

#define WHY_WAIT_NS 500000000ull

void control_why(struct control *c, struct why_box *boxes) {
	c->why = boxes;
}

void control_take_why(struct control *c, const struct channel_message *m) {
	const struct channel_why *q = m->elements;

	if (c->why == nullptr || c->why_seq != 0) {
		control_ack(
			c,
			m->header->seq,
			m->type,
			c->why == nullptr ? -ENOTSUP : -EBUSY,
			0,
			"%s",
			c->why == nullptr ? "not in a replay"
					  : "another question is in progress: try again"
		);
		return;
	}
	why_ask(c->why, c->workers, view_of(q->device, q->device_len));
	c->why_seq = m->header->seq;
	c->why_until_ns = control_monotonic_ns() + WHY_WAIT_NS;
}

void control_why_turn(struct control *c) {
	if (c->why_seq == 0)
		return;
	bool answered = why_answered(c->why, c->workers);
	if (!answered && control_monotonic_ns() < c->why_until_ns)
		return;
	char *text = answered ? why_json(c->why, c->workers) : nullptr;
	if (text == nullptr)
		control_ack(c, c->why_seq, CHANNEL_WHY, -ETIMEDOUT, 0, "a worker does not answer");
	else if (!control_text(c, text, c->why_seq))
		return; // another answer is on its way: look again next turn
	c->why_seq = 0;
}
