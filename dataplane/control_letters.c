// SPDX-License-Identifier: Apache-2.0
// Dead letters: the letters thread works, the answer goes out in pieces as the socket takes them.
#include "dataplane/control_private.h"

#include <errno.h>
#include <stdlib.h>
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

// A whole message of pieces, or the rest. False: the socket is full, or nobody is there.
static bool pieces_send(struct control *c) {
	struct channel_text *t = control_element(c);
	uint32_t room = channel_room(CHANNEL_TEXT);
	size_t at = c->text_at;
	uint16_t n = 0;

	for (; n < room && (at < c->text_len || n == 0); n++) {
		size_t len = c->text_len - at;
		t[n].len = (uint32_t)(len < sizeof(t->bytes) ? len : sizeof(t->bytes));
		memset(t[n].bytes, 0, sizeof(t->bytes));
		memcpy(t[n].bytes, c->text + at, t[n].len);
		at += t[n].len;
	}
	if (!control_send(
		    c, CHANNEL_TEXT, n, at == c->text_len ? CHANNEL_FLAG_LAST : 0, c->text_seq
	    ))
		return false;
	c->text_at = at;
	return true;
}

static void text_end(struct control *c) {
	free(c->text);
	c->text = nullptr;
}

void control_letters_turn(struct control *c) {
	struct letters_answer a;

	if (c->letters == nullptr)
		return;
	if (c->text == nullptr && letters_answered(c->letters, &a)) {
		c->letters_busy = false;
		if (a.result != 0)
			control_ack(c, a.seq, CHANNEL_LETTERS, a.result, 0, "%s", a.why);
		c->text = a.json;
		c->text_len = a.json != nullptr ? strlen(a.json) : 0;
		c->text_at = 0;
		c->text_seq = a.seq;
	}
	while (c->text != nullptr && pieces_send(c))
		if (c->text_at == c->text_len)
			text_end(c);
	if (c->fd < 0)
		text_end(c); // who asked is gone
}

void control_letters(struct control *c, struct letters *letters) {
	c->letters = letters;
}

void control_letters_end(struct control *c) {
	text_end(c);
}
