// SPDX-License-Identifier: Apache-2.0
// What the main thread reads out of the device table: reports for the control plane, the snapshot.
#include "dataplane/device_table_private.h"

#include <string.h>

static struct device_report *
report_of(struct device_report *r, const struct slot *s, enum channel_event_kind kind) {
	memset(r, 0, sizeof(*r));
	r->event.kind = kind;
	r->event.name_len = s->name_len;
	memcpy(r->event.name, s->name, s->name_len);
	r->event.wall_ns = atomic_load_explicit(&s->seen_ns, memory_order_relaxed);
	r->event.peer = s->peer;
	r->transport = atomic_load_explicit(&s->transport, memory_order_relaxed);
	return r;
}

static void connection_report(
	struct device_report *r,
	const struct slot *s,
	enum channel_event_kind kind,
	uint32_t times
) {
	report_of(r, s, kind);
	r->event.repeated = times;
	r->event.connections = atomic_load_explicit(&s->live, memory_order_relaxed);
}

static uint32_t slot_report(struct slot *s, struct device_report *out) {
	uint64_t records = atomic_exchange_explicit(&s->records, 0, memory_order_relaxed);
	uint64_t bytes = atomic_exchange_explicit(&s->bytes, 0, memory_order_relaxed);
	uint32_t refusals = atomic_exchange_explicit(&s->refusals, 0, memory_order_relaxed);
	uint32_t n = 0;

	uint32_t connects = atomic_exchange_explicit(&s->connects, 0, memory_order_relaxed);
	uint32_t disconnects = atomic_exchange_explicit(&s->disconnects, 0, memory_order_relaxed);
	if (s->used == 0)
		return 0;
	if (connects > 0)
		connection_report(&out[n++], s, EVENT_CONNECTED, connects);
	if (disconnects > 0)
		connection_report(&out[n++], s, EVENT_DISCONNECTED, disconnects);
	if (records > 0 || bytes > 0) {
		struct device_report *r = report_of(&out[n++], s, EVENT_SEEN);
		r->event.records = records;
		r->event.bytes = bytes;
	}
	if (refusals > 0) {
		struct device_report *r = report_of(&out[n++], s, EVENT_REFUSED);
		r->event.repeated = refusals;
		r->reason = atomic_load_explicit(&s->refused_reason, memory_order_relaxed);
	}
	if (atomic_load_explicit(&s->flips, memory_order_relaxed) >= CLONE_FLIPS) {
		atomic_store_explicit(&s->flips, 0, memory_order_relaxed);
		report_of(&out[n++], s, EVENT_CLONED);
	}
	return n;
}

uint32_t device_table_report(struct device_table *t, struct device_report *out, uint32_t max) {
	uint64_t words = (t->high + 63) / 64;
	uint32_t n = 0;

	for (uint64_t i = 0; i < words; i++) {
		uint64_t at = (t->report_word + i) % words;
		if (atomic_load_explicit(&t->dirty[at], memory_order_relaxed) == 0)
			continue;
		if (n + DEVICE_REPORT_MIN > max) {
			t->report_word = at;
			return max;
		}
		uint64_t bits = atomic_exchange_explicit(&t->dirty[at], 0, memory_order_acquire);
		for (; bits != 0; bits &= bits - 1)
			n += slot_report(
				&t->slots[at * 64 + (uint64_t)__builtin_ctzll(bits)], &out[n]
			);
	}
	t->report_word = 0;
	return n;
}

bool device_table_next(const struct device_table *t, uint32_t *at, struct channel_device *out) {
	for (; *at < t->high; (*at)++) {
		const struct slot *s = &t->slots[*at];
		if (s->used == 0)
			continue;
		struct device_entry e;
		device_limits_read(s, &e);
		*out = (struct channel_device) {
			.op = CHANNEL_PUT,
			.name_len = s->name_len,
			.state = e.state,
			.connections = e.connections,
			.records_per_s = e.records_per_s,
			.bytes_per_s = e.bytes_per_s,
			.claims = e.claims,
		};
		memcpy(out->name, s->name, sizeof(out->name));
		memcpy(out->profile, t->profiles[s->profile], sizeof(out->profile));
		(*at)++;
		return true;
	}
	return false;
}

uint32_t device_table_behind(
	const struct device_table *t,
	const struct channel_address *peer,
	uint32_t enough
) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->high && n < enough; i++) {
		const struct slot *s = &t->slots[i];
		uint8_t state = (uint8_t)atomic_load_explicit(&s->standing, memory_order_relaxed);
		n += s->used != 0 && state == DEVICE_ACTIVE && s->peer.family == peer->family
			&& s->peer.realm == peer->realm
			&& atomic_load_explicit(&s->records_total, memory_order_relaxed) > 0
			&& memcmp(s->peer.bytes, peer->bytes, sizeof(peer->bytes)) == 0;
	}
	return n;
}
