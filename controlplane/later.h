// SPDX-License-Identifier: Apache-2.0
// Replies that wait for the data plane, which waits for Kafka or compiles signatures, while all
// other calls are answered: a handler makes a `later`, fills in what is asked, and starts it; the
// reply is made when the answer has come.
//
//   later_make --- later_start ----- link_put ~~~~~~~~~ link_answered --- kind->done --- tell
//                        `-- in line: one question of a type is under way at a time
//
// At most LATER_MAX wait. Main thread.
#pragma once

#include "controlplane/control.h"

#define LATER_MAX 16

struct later;

struct later_kind {
	enum channel_type type;
	bool text; // what is wanted, see link_put()
	unsigned wait_ms; // from when it is asked
	// Its turn has come: the last chance to fill the element. NULL: nothing to do. Not 0:
	// `done` has it as the result of the question.
	int (*begin)(struct control *c, struct later *l);
	// question.result, .answer and .ack say what came of it. Fills the reply.
	void (*done)(struct control *c, struct later *l, struct reply *r);
};

struct later {
	struct later *next;
	const struct later_kind *kind;
	struct link_question question;
	bool asked;
	struct author author;
	json_t *json; // of the request, NULL if it had none
	void *keep; // the handler's own; freed with free()
	// Who has the connection; takes the reply and its text.
	void (*tell)(void *owner, const struct reply *r);
	void *owner;
	_Alignas(8) uint8_t element[1024];
};

// NULL with the reply filled: too many wait.
struct later *later_make(
	struct control *c,
	const struct later_kind *kind,
	const struct request *q,
	struct reply *r
);
// Takes it. The reply is filled at once if nothing can be asked; otherwise r->later says whom to
// tell `owner` and `tell`.
void later_start(struct control *c, struct later *l, struct reply *r);

// Both at once, for what needs no more than its element.
void later_ask(
	struct control *c,
	const struct later_kind *kind,
	const void *element,
	size_t size,
	const struct request *q,
	struct reply *r
);

// Tell what has been answered, ask what is next.
void later_turn(struct control *c);
int later_timeout_ms(const struct control *c, int at_most); // until the next turn is due
// sluice-controld ends: everybody is told.
void later_end(struct control *c);

// What most handlers make of an answer: JSON, or NULL with the reply filled. `what` it is about.
json_t *later_answer(const struct later *l, const char *what, struct reply *r);
