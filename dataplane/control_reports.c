// SPDX-License-Identifier: Apache-2.0
// What the control plane is told: events of devices, counters.
#include "dataplane/control_counters.h"
#include "dataplane/control_private.h"

#include <stdio.h>
#include <string.h>

struct event_batch {
	struct control *control;
	uint16_t count;
};

static void event_add(struct event_batch *b, const struct channel_event *e) {
	struct channel_event *events = control_element(b->control);

	events[b->count++] = *e;
	if (b->count == channel_room(CHANNEL_EVENTS)) {
		control_send(b->control, CHANNEL_EVENTS, b->count, 0, ++b->control->seq);
		b->count = 0;
	}
}

static void notes_report(struct event_batch *b, struct gate *g) {
	struct gate_note notes[GATE_NOTES];
	uint32_t n = gate_notes_take(g, notes, GATE_NOTES);

	for (uint32_t i = 0; i < n; i++) {
		struct channel_event e = {
			.kind = EVENT_UNKNOWN,
			.name_len = notes[i].name_len,
			.wall_ns = notes[i].wall_ns,
			.worker = g->worker,
			.peer = notes[i].peer,
			.repeated = 1,
		};
		memcpy(e.name, notes[i].name, sizeof(e.name));
		snprintf(
			e.transport,
			sizeof(e.transport),
			"%s",
			transport_label((enum transport)notes[i].transport)
		);
		snprintf(
			e.reason,
			sizeof(e.reason),
			"%s",
			notes[i].pending ? "pending" : refuse_reason_label(REFUSE_DEVICE_UNKNOWN)
		);
		event_add(b, &e);
	}
}

static void devices_report(struct event_batch *b) {
	struct control *c = b->control;
	uint32_t n = device_table_report(c->table, c->reports, CONTROL_REPORTS_PER_TURN);

	for (uint32_t i = 0; i < n; i++) {
		struct device_report *r = &c->reports[i];
		const char *reason =
			r->event.kind != EVENT_REFUSED ? "" : gate_reason_label(r->reason);
		snprintf(
			r->event.transport,
			sizeof(r->event.transport),
			"%s",
			transport_label((enum transport)r->transport)
		);
		snprintf(r->event.reason, sizeof(r->event.reason), "%s", reason);
		event_add(b, &r->event);
	}
}

void control_report(struct control *c) {
	struct event_batch b = {.control = c};

	for (uint16_t w = 0; w < c->workers; w++)
		notes_report(&b, c->gates[w]);
	devices_report(&b);
	if (b.count > 0)
		control_send(c, CHANNEL_EVENTS, b.count, 0, ++c->seq);
}

void control_waits_send(struct control *c) {
	struct counter_list list = {
		.out = control_element(c), .room = channel_room(CHANNEL_COUNTERS)
	};
	uint16_t flags = CHANNEL_FLAG_FIRST | CHANNEL_FLAG_LAST;

	counters_waiting(&list);
	control_send(c, CHANNEL_COUNTERS, (uint16_t)list.count, flags, ++c->seq);
}

void control_counters_send(struct control *c, const struct status *s, bool balanced) {
	struct counter_list list = {
		.out = control_element(c), .room = channel_room(CHANNEL_COUNTERS)
	};
	uint16_t flags = CHANNEL_FLAG_FIRST;

	for (uint32_t from = 0;; from += list.room) {
		list.skip = from;
		list.count = 0;
		list.seen = 0;
		counters_list(&list, s, balanced);
		counters_gates(&list, c->gates, c->workers, c->table);
		counters_signatures(&list, c->signatures);
		bool last = list.seen <= from + list.room;
		if (!control_send(
			    c,
			    CHANNEL_COUNTERS,
			    (uint16_t)list.count,
			    (uint16_t)(flags | (last ? CHANNEL_FLAG_LAST : 0)),
			    ++c->seq
		    ))
			return;
		if (last)
			return;
		flags = 0;
	}
}
