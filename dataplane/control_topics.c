// SPDX-License-Identifier: Apache-2.0
// Kafka's topics: an errand asks Kafka, here it is asked and answered.
#include "dataplane/control_private.h"

#include <errno.h>
#include <string.h>

void control_take_topics(struct control *c, const struct channel_message *m) {
	if (c->topics == nullptr) {
		control_ack(c, m->header->seq, m->type, -ENOTSUP, 0, "not in a replay");
		return;
	}
	int ret = topics_ask(c->topics, m->elements, m->header->seq);
	if (ret != 0)
		control_ack(
			c,
			m->header->seq,
			m->type,
			ret,
			0,
			"%s",
			ret == -EBUSY ? "another request about topics is in progress: try again"
				      : strerror(-ret)
		);
	c->topics_busy |= ret == 0;
}

void control_topics_turn(struct control *c) {
	struct errand_answer a;

	if (c->topics == nullptr || c->text != nullptr || !topics_answered(c->topics, &a))
		return;
	c->topics_busy = false;
	if (a.result != 0)
		control_ack(c, a.seq, CHANNEL_TOPICS, a.result, 0, "%s", a.why);
	else
		control_text(c, a.json, a.seq);
}

void control_topics(struct control *c, struct topics *topics) {
	c->topics = topics;
}
