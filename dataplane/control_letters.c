// SPDX-License-Identifier: Apache-2.0
// Dead letters: the letters thread works, here is asked and answered.
#include "dataplane/control_private.h"

#include <errno.h>
#include <string.h>

void control_take_letters(struct control *c, const struct channel_message *m) {
	if (c->letters == nullptr) {
		control_ack(c, m->header->seq, m->type, -ENOTSUP, 0, "not in a replay");
		return;
	}
	int ret = letters_ask(c->letters, m->elements, m->header->seq);
	if (ret != 0)
		control_ack(
			c,
			m->header->seq,
			m->type,
			ret,
			0,
			"%s",
			ret == -EBUSY ? "another request for dead letters is in progress: try again"
				      : strerror(-ret)
		);
	c->letters_busy |= ret == 0;
}

void control_letters_turn(struct control *c) {
	struct errand_answer a;

	if (c->letters == nullptr || c->text != nullptr || !letters_answered(c->letters, &a))
		return;
	c->letters_busy = false;
	if (a.result != 0)
		control_ack(c, a.seq, CHANNEL_LETTERS, a.result, 0, "%s", a.why);
	else
		control_text(c, a.json, a.seq);
}

void control_letters(struct control *c, struct letters *letters) {
	c->letters = letters;
}
