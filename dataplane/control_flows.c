// SPDX-License-Identifier: Apache-2.0
// Flows: the device table knows who talks to us without stalling anybody.
#include "dataplane/control_private.h"

#include <stdio.h>
#include <time.h>

static void flows_finish(struct channel_flow *f, uint32_t n) {
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	for (uint32_t i = 0; i < n; i++) {
		enum transport t = (enum transport)f[i].transport[0];
		int64_t idle = now_ns > f[i].seen_ns ? now_ns - f[i].seen_ns : 0;
		f[i].idle_ms = (uint32_t)(idle / 1000000);
		snprintf(f[i].transport, sizeof(f[i].transport), "%s", transport_label(t));
	}
}

void control_take_flow_list(struct control *c, const struct channel_message *m) {
	const struct channel_flow_query *q = m->elements;
	uint32_t at = (uint32_t)q->cursor, room = channel_room(CHANNEL_FLOWS), left = q->limit;
	bool more = true;

	while (more && left > 0) {
		uint32_t want = left < room ? left : room;
		uint32_t n = device_table_flows(c->table, q, &at, control_element(c), want, &more);
		left -= n;
		flows_finish(control_element(c), n);
		bool last = !more || left == 0;
		if (!control_send(
			    c,
			    CHANNEL_FLOWS,
			    (uint16_t)n,
			    last ? CHANNEL_FLAG_LAST : 0,
			    m->header->seq
		    ))
			return;
	}
	if (left == q->limit && q->limit == 0)
		control_send(c, CHANNEL_FLOWS, 0, CHANNEL_FLAG_LAST, m->header->seq);
}
