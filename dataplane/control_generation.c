// SPDX-License-Identifier: Apache-2.0
// Files that the control plane announces: configuration, signatures.
#include "dataplane/control_private.h"
#include "dataplane/signatures.h"

#include <string.h>

static void ack_send(struct control *c, uint64_t seq, const struct channel_ack *a) {
	memcpy(control_element(c), a, sizeof(*a));
	control_send(c, CHANNEL_ACK, 1, 0, seq);
}

void control_take_generation(struct control *c, const struct channel_message *m) {
	struct channel_ack a;

	if (loading_begin(&c->loading, m->elements, m->header->seq, control_monotonic_ns(), &a))
		ack_send(c, m->header->seq, &a);
}

// Whoever announced a file may be gone by now: then nobody is told, and asks again.
void control_loading_turn(struct control *c) {
	struct channel_ack a;
	uint64_t seq;

	for (enum generation_kind k = 0; k < GENERATION_KIND_COUNT; k++) {
		if (!loading_turn(&c->loading, k, control_monotonic_ns(), &seq, &a))
			continue;
		a.workers = c->workers;
		if (k == GENERATION_CONFIG && a.result == 0)
			c->number = a.number;
		ack_send(c, seq, &a);
	}
}

void control_loader(
	struct control *c,
	enum generation_kind kind,
	const struct generation_loader *loader
) {
	c->loading.jobs[kind].loader = loader;
}

void control_signatures(struct control *c, struct signatures *s) {
	c->signatures = s;
	control_loader(c, GENERATION_SIGNATURES, signatures_loader(s));
}

bool control_loading(const struct control *c) {
	for (enum generation_kind k = 0; k < GENERATION_KIND_COUNT; k++)
		if (c->loading.jobs[k].running)
			return true;
	return control_errands_busy(c) || c->why_seq != 0 || c->text != nullptr;
}
