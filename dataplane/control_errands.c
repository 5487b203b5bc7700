// SPDX-License-Identifier: Apache-2.0
// Dead letters and Kafka's topics: an errand works, here is asked and answered.
#include "dataplane/control_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void control_errand(
	struct control *c,
	enum channel_type type,
	const char *about,
	struct errand *errand
) {
	assert(c->errand_count < CONTROL_ERRANDS);
	c->errands[c->errand_count++] =
		(struct control_errand) {.type = type, .about = about, .errand = errand};
}

static struct control_errand *errand_of(struct control *c, enum channel_type type) {
	for (uint32_t i = 0; i < c->errand_count; i++)
		if (c->errands[i].type == type)
			return &c->errands[i];
	return nullptr;
}

void control_take_errand(struct control *c, const struct channel_message *m) {
	struct control_errand *e = errand_of(c, m->type);
	uint64_t seq = m->header->seq;

	if (e == nullptr) {
		control_ack(c, seq, m->type, -ENOTSUP, 0, "not in a replay");
		return;
	}
	int ret = errand_ask(e->errand, m->elements, seq);
	if (ret == -EBUSY)
		control_ack(
			c,
			seq,
			m->type,
			ret,
			0,
			"another request %s is in progress: try again",
			e->about
		);
	else if (ret != 0)
		control_ack(c, seq, m->type, ret, 0, "%s", strerror(-ret));
	else
		e->busy = true;
}

static void answer(struct control *c, struct control_errand *e) {
	struct errand_answer a;

	if (!errand_answered(e->errand, &a))
		return;
	e->busy = false;
	if (a.result != 0)
		control_ack(c, a.seq, e->type, a.result, 0, "%s", a.why);
	else
		control_text(c, a.json, a.seq);
}

void control_errands_turn(struct control *c) {
	// One text at a time is on its way.
	for (uint32_t i = 0; i < c->errand_count && c->text == nullptr; i++)
		answer(c, &c->errands[i]);
}

bool control_errands_busy(const struct control *c) {
	for (uint32_t i = 0; i < c->errand_count; i++)
		if (c->errands[i].busy)
			return true;
	return false;
}
