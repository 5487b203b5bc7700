// SPDX-License-Identifier: Apache-2.0
// An answer that is a text: it goes out in pieces, as the socket takes them.
#include "dataplane/control_private.h"

#include <stdlib.h>
#include <string.h>

bool control_text(struct control *c, char *text, uint64_t seq) {
	if (c->text != nullptr)
		return false;
	c->text = text;
	c->text_len = strlen(text);
	c->text_at = 0;
	c->text_seq = seq;
	return true;
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

void control_text_end(struct control *c) {
	free(c->text);
	c->text = nullptr;
}

void control_text_turn(struct control *c) {
	while (c->text != nullptr && pieces_send(c))
		if (c->text_at == c->text_len)
			control_text_end(c);
	if (c->fd < 0)
		control_text_end(c); // who asked is gone
}
