// SPDX-License-Identifier: Apache-2.0
#include "controlplane/later.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void later_free(struct later *l) {
	json_decref(l->json);
	free(l->question.answer);
	free(l->keep);
	free(l);
}

struct later *later_make(
	struct control *c,
	const struct later_kind *kind,
	const struct request *q,
	struct reply *r
) {
	unsigned waiting = 0;

	for (const struct later *l = c->later; l != NULL; l = l->next)
		waiting++;
	struct later *l = waiting < LATER_MAX ? calloc(1, sizeof(*l)) : NULL;
	if (l == NULL) {
		reply_error(r, 503, "busy", "try again", "%u calls wait for sluiced", waiting);
		return NULL;
	}
	l->kind = kind;
	l->author = q->author;
	l->json = json_incref(q->json);
	return l;
}

// Is another question of that type under way, or before it in line?
static bool must_wait(const struct control *c, const struct later *l) {
	for (const struct later *o = c->later; o != NULL && o != l; o = o->next)
		if (o->kind->type == l->kind->type)
			return true;
	return false;
}

// If it cannot be asked, the question has ended.
static void ask(struct control *c, struct later *l) {
	const struct later_kind *k = l->kind;
	int ret = k->begin != NULL ? k->begin(c, l) : 0;

	l->asked = true;
	if (ret == 0)
		ret = link_put(c->link, &l->question, k->type, l->element, k->text, k->wait_ms);
	if (ret == 0)
		return;
	l->question.ended = true;
	l->question.result = ret;
}

void later_start(struct control *c, struct later *l, struct reply *r) {
	struct later **end = &c->later;

	if (!must_wait(c, l)) {
		ask(c, l);
		if (link_answered(c->link, &l->question)) {
			l->kind->done(c, l, r);
			later_free(l);
			return;
		}
	}
	while (*end != NULL)
		end = &(*end)->next;
	*end = l;
	r->later = l;
}

void later_ask(
	struct control *c,
	const struct later_kind *kind,
	const void *element,
	size_t size,
	const struct request *q,
	struct reply *r
) {
	struct later *l = later_make(c, kind, q, r);

	if (l == NULL)
		return;
	memcpy(l->element, element, size);
	later_start(c, l, r);
}

static void tell(struct control *c, struct later *l, struct reply *r) {
	c->refused += r->status >= 400;
	l->tell(l->owner, r);
	later_free(l);
}

void later_turn(struct control *c) {
	struct later **at = &c->later;

	while (*at != NULL) {
		struct later *l = *at;
		struct reply r = {0};
		if (!l->asked && !must_wait(c, l))
			ask(c, l);
		if (!l->asked || !link_answered(c->link, &l->question)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		l->kind->done(c, l, &r);
		tell(c, l, &r);
		at = &c->later; // who stood behind it may be next
	}
}

int later_timeout_ms(const struct control *c, int at_most) {
	for (const struct later *l = c->later; l != NULL; l = l->next) {
		int left = l->asked ? link_left_ms(&l->question) : at_most;
		at_most = left < at_most ? left : at_most;
	}
	return at_most;
}

void later_end(struct control *c) {
	while (c->later != NULL) {
		struct later *l = c->later;
		struct reply r = {0};
		c->later = l->next;
		if (l->asked)
			link_forget(c->link, &l->question);
		reply_error(&r, 503, "ends", "ask again", "sluice-controld ends");
		tell(c, l, &r);
	}
}

json_t *later_answer(const struct later *l, const char *what, struct reply *r) {
	const struct link_question *q = &l->question;
	json_t *answer = q->result == 0 ? json_loads(q->answer, 0, NULL) : NULL;

	if (q->result == -EBUSY)
		reply_error(r, 503, "busy", "try again", "%s", q->ack.text);
	else if (q->result != 0)
		reply_errno(
			r,
			q->result,
			what,
			q->ack.text[0] != '\0' ? q->ack.text : strerror(-q->result)
		);
	else if (answer == NULL)
		reply_error(r, 502, "data-plane", NULL, "the data plane's answer is no JSON");
	return answer;
}
