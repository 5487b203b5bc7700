// SPDX-License-Identifier: Apache-2.0
#include "dataplane/control_counters.h"
#include "dataplane/signatures.h"
#include "dataplane/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

[[gnu::format(printf, 4, 5)]] static void
put(struct counter_list *l, uint64_t value, bool gauge, const char *format, ...) {
	uint32_t at = l->seen++;
	va_list ap;

	if (at < l->skip || l->count == l->room)
		return;
	struct channel_counter *c = &l->out[l->count++];
	*c = (struct channel_counter) {.value = value, .gauge = gauge};
	va_start(ap, format);
	vsnprintf(c->name, sizeof(c->name), format, ap);
	va_end(ap);
}

static void put_frames(struct counter_list *l, const struct ledger_frames *f) {
	put(l, f->rx, false, "frames_received_total");
	put(l, f->consumed, false, "frames_consumed_total");
	put(l, f->handed_over, false, "frames_handed_over_total");
	put(l, f->taken_over, false, "frames_taken_over_total");
	put(l, f->punted, false, "frames_punted_total");
	for (enum drop_reason r = 0; r < DROP_REASON_COUNT; r++)
		put(l,
		    f->dropped[r],
		    false,
		    "frames_dropped_total{reason=\"%s\"}",
		    drop_reason_label(r));
}

static void
put_messages(struct counter_list *l, enum transport t, const struct ledger_messages *m) {
	const char *name = transport_label(t);

	put(l, m->received, false, "messages_received_total{transport=\"%s\"}", name);
	put(l, m->accepted, false, "messages_accepted_total{transport=\"%s\"}", name);
	put(l, m->duplicate, false, "messages_duplicate_total{transport=\"%s\"}", name);
	put(l, m->acked, false, "messages_acknowledged_total{transport=\"%s\"}", name);
	for (enum refuse_reason r = 0; r < REFUSE_REASON_COUNT; r++)
		put(l,
		    m->refused[r],
		    false,
		    "messages_refused_total{transport=\"%s\",reason=\"%s\"}",
		    name,
		    refuse_reason_label(r));
	for (enum shed_reason r = 0; r < SHED_REASON_COUNT; r++)
		put(l,
		    m->shed[r],
		    false,
		    "messages_shed_total{transport=\"%s\",reason=\"%s\"}",
		    name,
		    shed_reason_label(r));
}

static void put_records(struct counter_list *l, enum transport t, const struct ledger_records *r) {
	const char *name = transport_label(t);

	put(l, r->accepted, false, "records_accepted_total{transport=\"%s\"}", name);
	put(l, r->delivered, false, "records_delivered_total{transport=\"%s\"}", name);
	put(l, r->dead_lettered, false, "records_dead_lettered_total{transport=\"%s\"}", name);
	put(l, r->in_spool, true, "records_in_spool{transport=\"%s\"}", name);
	put(l, r->in_flight, true, "records_in_flight{transport=\"%s\"}", name);
	put(l, r->reduced, false, "records_reduced_total{transport=\"%s\"}", name);
	put(l, r->expired, false, "records_expired_total{transport=\"%s\"}", name);
	put(l, r->weak, false, "records_weak_total{transport=\"%s\"}", name);
	for (enum lost_reason i = 0; i < LOST_REASON_COUNT; i++)
		put(l,
		    r->lost[i],
		    false,
		    "records_lost_total{transport=\"%s\",reason=\"%s\"}",
		    name,
		    lost_reason_label(i));
}

static void put_memory(struct counter_list *l, const struct status *s) {
	put(l, s->resident, true, "memory_resident_bytes");
	put(l, memory_idle_bytes(&s->memory), true, "memory_idle_connection_bytes");
	for (enum memory_part p = 0; p < MEMORY_PART_COUNT; p++) {
		const struct memory_use *u = &s->memory.part[p];
		const char *name = memory_part_label(p);
		put(l, u->reserved, true, "memory_reserved_bytes{part=\"%s\"}", name);
		put(l, memory_used(u), true, "memory_used_bytes{part=\"%s\"}", name);
	}
}

void counters_waiting(struct counter_list *l) {
	put(l, 1, true, "ledger_balanced");
	put(l, 1, true, "waiting_for_topics");
}

void counters_list(struct counter_list *l, const struct status *s, bool balanced) {
	const struct ledger_derived *d = &s->sum.derived;

	put(l, balanced, true, "ledger_balanced");
	put(l, 0, true, "waiting_for_topics");
	put(l, s->uptime_ns / 1000000000u, true, "uptime_seconds");
	put_frames(l, &s->sum.frames);
	for (enum transport t = 0; t < TRANSPORT_COUNT; t++) {
		put_messages(l, t, &s->sum.messages[t]);
		put_records(l, t, &s->sum.records[t]);
		put(l,
		    latency_quantile_us(&s->latency[t], 0.99),
		    true,
		    "acknowledge_p99_microseconds{transport=\"%s\"}",
		    transport_label(t));
	}
	for (enum stage_counter c = 0; c < STAGE_COUNTER_COUNT; c++)
		put(l,
		    s->sum.stages.counters[c],
		    false,
		    "stage_total{stage=\"%s\",event=\"%s\"}",
		    stage_counter_stage(c),
		    stage_counter_label(c));
	for (enum finding f = 0; f < FINDING_COUNT; f++)
		put(l,
		    s->sum.stages.found[f],
		    false,
		    "findings_total{finding=\"%s\",class=\"%s\"}",
		    finding_label(f),
		    finding_class_label(finding_class_of(f)));
	for (uint32_t i = 0; i < s->topic_count; i++) {
		const char *name = s->config->topics[i].name;
		put(l, s->topics[i].delivered, false, "topic_delivered_total{topic=\"%.79s\"}", name
		);
		put(l, s->topics[i].refused, false, "topic_refused_total{topic=\"%.79s\"}", name);
	}
	put(l, s->egress.submitted, false, "egress_submitted_total");
	put(l, s->egress.acknowledged, false, "egress_acknowledged_total");
	put(l, s->egress.refused, false, "egress_refused_total");
	put(l, s->egress.bytes, false, "egress_bytes_total");
	put(l, s->egress.errors, false, "egress_errors_total");
	put(l, s->egress.in_flight, true, "egress_in_flight");
	put(l,
	    s->egress.oldest_unacked_ns / 1000000,
	    true,
	    "egress_oldest_unacknowledged_milliseconds");
	put(l, d->made, false, "derived_made_total");
	put(l, d->delivered, false, "derived_delivered_total");
	put(l, d->in_flight, true, "derived_in_flight");
	put(l, d->shed, false, "derived_shed_total");
	put(l, d->lost, false, "derived_lost_total");
	put_memory(l, s);
}

void counters_signatures(struct counter_list *l, const struct signatures *s) {
	struct signature_figures f;
	uint64_t hits = 0, unproven = 0;
	uint32_t named = 0, count = 0;

	for (; s != NULL && signatures_figures(s, count, &f); count++) {
		hits += f.hits;
		unproven += f.unproven;
		if (f.hits == 0 || named == COUNTERS_SIGNATURES_MAX)
			continue;
		named++;
		put(l,
		    f.hits,
		    false,
		    "signature_hits_total{signature=\"%" PRIu32 "\",name=\"%.48s\"}",
		    f.id,
		    f.name);
		put(l, f.acted, false, "signature_acted_total{signature=\"%" PRIu32 "\"}", f.id);
		put(l,
		    f.unproven,
		    false,
		    "signature_unproven_total{signature=\"%" PRIu32 "\"}",
		    f.id);
	}
	put(l, count, true, "signatures_in_force");
	put(l, hits, false, "signatures_hits_total");
	put(l, unproven, false, "signatures_unproven_total");
}

void counters_gates(
	struct counter_list *l,
	struct gate *const *gates,
	uint16_t workers,
	const struct device_table *t
) {
	uint64_t known = 0, unknown = 0, inactive = 0, quota = 0, lost = 0;

	for (uint16_t w = 0; w < workers; w++) {
		known += atomic_load_explicit(&gates[w]->known, memory_order_relaxed);
		unknown += atomic_load_explicit(&gates[w]->unknown, memory_order_relaxed);
		inactive += atomic_load_explicit(&gates[w]->inactive, memory_order_relaxed);
		quota += atomic_load_explicit(&gates[w]->over_quota, memory_order_relaxed);
		lost += atomic_load_explicit(&gates[w]->notes_lost, memory_order_relaxed);
	}
	put(l, known, false, "gate_total{device=\"known\"}");
	put(l, unknown, false, "gate_total{device=\"unknown\"}");
	put(l, inactive, false, "gate_total{device=\"not-active\"}");
	put(l, quota, false, "gate_total{device=\"over-quota\"}");
	put(l, lost, false, "gate_notes_lost_total");
	put(l, device_table_count(t), true, "device_table_devices");
	put(l, device_table_capacity(t), true, "device_table_capacity");
	put(l, device_table_bytes(t), true, "device_table_bytes");
}
