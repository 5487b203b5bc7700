// SPDX-License-Identifier: Apache-2.0
// What the main thread reads out of the device table: reports for the control plane, the snapshot.
#include "dataplane/device_table_private.h"

#include <string.h>

static struct channel_address peer_of(const struct slot *s) {
	uint32_t rest = atomic_load_explicit(&s->peer_rest, memory_order_relaxed);
	struct channel_address a = {
		.family = atomic_load_explicit(&s->family, memory_order_relaxed),
		.port = (uint16_t)(rest >> 16),
		.realm = (uint16_t)rest,
	};
	const uint64_t words[2] = {
		atomic_load_explicit(&s->peer[0], memory_order_relaxed),
		atomic_load_explicit(&s->peer[1], memory_order_relaxed),
	};

	a.prefix_len = a.family == 0 ? 0 : a.family == 4 ? 32 : 128;
	memcpy(a.bytes, words, sizeof(words));
	return a;
}

static struct device_report *report_of(
	const struct device_table *t,
	struct device_report *r,
	const struct slot *s,
	enum channel_event_kind kind
) {
	memset(r, 0, sizeof(*r));
	r->event.kind = kind;
	r->event.name_len = s->name_len;
	memcpy(r->event.name, device_name(t, s), s->name_len);
	r->event.wall_ns = atomic_load_explicit(&s->seen_ns, memory_order_relaxed);
	r->event.peer = peer_of(s);
	r->transport = atomic_load_explicit(&s->transport, memory_order_relaxed) & ~SLOT_HEARD;
	return r;
}

static void connection_report(
	const struct device_table *t,
	struct device_report *r,
	const struct slot *s,
	enum channel_event_kind kind,
	uint32_t times
) {
	report_of(t, r, s, kind);
	r->event.repeated = times;
	r->event.connections = atomic_load_explicit(&s->live, memory_order_relaxed);
}

static uint32_t
slot_report(const struct device_table *t, struct slot *s, struct device_report *out) {
	uint64_t records = atomic_exchange_explicit(&s->records, 0, memory_order_relaxed);
	uint64_t bytes = atomic_exchange_explicit(&s->bytes, 0, memory_order_relaxed);
	uint32_t refusals = atomic_exchange_explicit(&s->refusals, 0, memory_order_relaxed);
	uint32_t n = 0;

	uint32_t connects = atomic_exchange_explicit(&s->connects, 0, memory_order_relaxed);
	uint32_t disconnects = atomic_exchange_explicit(&s->disconnects, 0, memory_order_relaxed);
	if (s->name_len == 0)
		return 0;
	if (connects > 0)
		connection_report(t, &out[n++], s, EVENT_CONNECTED, connects);
	if (disconnects > 0)
		connection_report(t, &out[n++], s, EVENT_DISCONNECTED, disconnects);
	if (records > 0 || bytes > 0) {
		struct device_report *r = report_of(t, &out[n++], s, EVENT_SEEN);
		r->event.records = records;
		r->event.bytes = bytes;
	}
	if (refusals > 0) {
		struct device_report *r = report_of(t, &out[n++], s, EVENT_REFUSED);
		r->event.repeated = refusals;
		r->reason = atomic_load_explicit(&s->refused_reason, memory_order_relaxed);
	}
	if (atomic_load_explicit(&s->flips, memory_order_relaxed) >= CLONE_FLIPS) {
		atomic_store_explicit(&s->flips, 0, memory_order_relaxed);
		report_of(t, &out[n++], s, EVENT_CLONED);
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
				t, &t->slots[at * 64 + (uint64_t)__builtin_ctzll(bits)], &out[n]
			);
	}
	t->report_word = 0;
	return n;
}

bool device_table_next(const struct device_table *t, uint32_t *at, struct channel_device *out) {
	for (; *at < t->high; (*at)++) {
		const struct slot *s = &t->slots[*at];
		if (s->name_len == 0)
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
			.labels = e.labels,
		};
		memcpy(out->name, device_name(t, s), s->name_len);
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
		uint8_t how = atomic_load_explicit(&s->transport, memory_order_relaxed);
		if (s->name_len == 0 || state != DEVICE_ACTIVE || (how & SLOT_HEARD) == 0)
			continue;
		struct channel_address from = peer_of(s);
		n += from.family == peer->family && from.realm == peer->realm
			&& memcmp(from.bytes, peer->bytes, sizeof(peer->bytes)) == 0;
	}
	return n;
}
