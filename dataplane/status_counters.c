// SPDX-License-Identifier: Apache-2.0
#include "dataplane/status.h"
#include "dataplane/status_counters.h"

#include <stddef.h>

struct out {
	const struct status *s;
	yyjson_mut_doc *doc;
	yyjson_mut_val *object;
};

static uint64_t at(const struct worker_report *r, size_t offset, size_t size) {
	const uint8_t *p = (const uint8_t *)r + offset;

	return size == sizeof(uint32_t) ? *(const uint32_t *)(const void *)p
					: *(const uint64_t *)(const void *)p;
}

static void counter(const struct out *o, const char *label, size_t offset, size_t size) {
	uint64_t sum = 0;

	for (uint16_t w = 0; w < o->s->worker_count; w++)
		sum += at(&o->s->workers[w], offset, size);
	if (sum > 0)
		yyjson_mut_obj_add_uint(o->doc, o->object, label, sum);
}

#define FIELD(o, label, member)                                                                    \
	counter(o,                                                                                 \
		label,                                                                             \
		offsetof(struct worker_report, member),                                            \
		sizeof(((struct worker_report *)nullptr)->member))
#define INDEXED(o, label, array, i)                                                                \
	counter(o,                                                                                 \
		label,                                                                             \
		offsetof(struct worker_report, array) + (i) * sizeof(uint64_t),                    \
		sizeof(uint64_t))

static void net_json(const struct out *o) {
	FIELD(o, "tx", net.tx);
	FIELD(o, "tx-refused", net.tx_refused);
	FIELD(o, "tx-no-mbuf", net.tx_no_mbuf);
	FIELD(o, "tx-unresolved", net.tx_unresolved);
	FIELD(o, "neighbours-full", net.neighbours_full);
	FIELD(o, "address-conflicts-seen", net.conflicts_seen);
	FIELD(o, "address-conflicts", net.conflicts);
}

static void tcp_json(const struct out *o) {
	for (enum tcp_counter c = 0; c < TCP_COUNTER_COUNT; c++)
		INDEXED(o, tcp_counter_label(c), tcp.counters, c);
	FIELD(o, "connections", tcp.conns);
	FIELD(o, "unauthenticated", tcp.unauthenticated);
	FIELD(o, "zero-window", tcp.stalled);
	FIELD(o, "buffer-bytes", tcp.buffer_bytes);
}

static void tcp_closed_json(const struct out *o) {
	for (enum tcp_close_reason r = 0; r < TCP_CLOSE_REASON_COUNT; r++)
		INDEXED(o, tcp_close_reason_label(r), tcp.closed, r);
}

static void coap_json(const struct out *o) {
	for (enum coap_counter c = 0; c < COAP_COUNTER_COUNT; c++)
		INDEXED(o, coap_counter_label(c), coap.count, c);
}

static void frame_json(const struct out *o) {
	for (enum frame_counter c = 0; c < FRAME_COUNTER_COUNT; c++)
		INDEXED(o, frame_counter_label(c), frame.count, c);
}

static void mirror_json(const struct out *o) {
	for (enum mirror_counter c = 0; c < MIRROR_COUNTER_COUNT; c++)
		INDEXED(o, mirror_counter_label(c), mirror.count, c);
}

static void mqtt_json(const struct out *o) {
	FIELD(o, "opened", mqtt.opened);
	FIELD(o, "connected", mqtt.connected);
	FIELD(o, "resumed", mqtt.resumed);
	FIELD(o, "packets", mqtt.packets);
	FIELD(o, "publishes-qos0", mqtt.publishes[0]);
	FIELD(o, "publishes-qos1", mqtt.publishes[1]);
	FIELD(o, "publishes-qos2", mqtt.publishes[2]);
	FIELD(o, "duplicates", mqtt.duplicates);
	FIELD(o, "acked", mqtt.acked);
	FIELD(o, "parked", mqtt.parked);
	FIELD(o, "paused", mqtt.paused);
	FIELD(o, "passwords-asked", mqtt.asked);
	FIELD(o, "wills", mqtt.wills);
	FIELD(o, "wills-lost", mqtt.wills_lost);
	FIELD(o, "retained", mqtt.retained);
	FIELD(o, "filters-granted", mqtt.filters_granted);
	FIELD(o, "filters-refused", mqtt.filters_refused);
	FIELD(o, "letters-lost", mqtt.letters_lost);
	FIELD(o, "sessions", mqtt.sessions);
	FIELD(o, "connections", mqtt.connections);
	FIELD(o, "sessions-stored", mqtt.stored);
	FIELD(o, "in-flight", mqtt.in_flight);
}

static void mqtt_ended_json(const struct out *o) {
	for (enum mqtt_end e = 0; e < MQTT_END_COUNT; e++)
		INDEXED(o, mqtt_end_label(e), mqtt.ended, e);
}

static void mqtt_bad_json(const struct out *o) {
	for (enum mqtt_rc rc = MQTT_OK + 1; rc < MQTT_RC_COUNT; rc++)
		INDEXED(o, mqtt_rc_label(rc), mqtt.bad, rc);
}

static void mqtt_refused_json(const struct out *o) {
	for (enum mqtt_refusal r = 0; r < MQTT_REFUSAL_COUNT; r++)
		INDEXED(o, mqtt_refusal_label(r), mqtt.refused, r);
}

void status_counters_json(const struct status *s, yyjson_mut_doc *doc, yyjson_mut_val *root) {
	static const struct {
		const char *name;
		void (*fill)(const struct out *o);
	} groups[] = {
		{"net", net_json},
		{"tcp", tcp_json},
		{"tcp_closed", tcp_closed_json},
		{"coap", coap_json},
		{"frame", frame_json},
		{"mirror", mirror_json},
		{"mqtt", mqtt_json},
		{"mqtt_ended", mqtt_ended_json},
		{"mqtt_refused", mqtt_refused_json},
		{"mqtt_bad", mqtt_bad_json},
	};
	yyjson_mut_val *counters = yyjson_mut_obj_add_obj(doc, root, "counters");

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		struct out o = {s, doc, yyjson_mut_obj_add_obj(doc, counters, groups[i].name)};
		groups[i].fill(&o);
	}
}
