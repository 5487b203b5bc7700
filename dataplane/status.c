// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/status.h"
#include "dataplane/status_counters.h"

#include <rte_malloc.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <yyjson.h>

// What the kernel counts, beside what we account for.
static uint64_t resident_bytes(void) {
	uint64_t size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == nullptr)
		return 0;
	if (fscanf(f, "%" SCNu64 " %" SCNu64, &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

// DPDK's heap: packet buffers, rings, batches, tables of the network layer.
static struct memory_use dpdk_memory(void) {
	struct memory_use all = {0};

	for (int socket = 0; socket < RTE_MAX_NUMA_NODES; socket++) {
		struct rte_malloc_socket_stats heap;
		if (rte_malloc_get_socket_stats(socket, &heap) != 0)
			continue;
		all.reserved += heap.heap_totalsz_bytes;
		all.used += heap.heap_allocsz_bytes;
	}
	all.capacity = all.reserved;
	return all;
}

void status_collect(struct status *s, struct worker *const *workers, struct port *ports) {
	struct timespec cpu;

	memset(&s->sum, 0, sizeof(s->sum));
	memset(s->latency, 0, sizeof(s->latency));
	memset(&s->memory, 0, sizeof(s->memory));
	for (uint16_t w = 0; w < s->worker_count; w++) {
		s->unanswered[w] = worker_snapshot(workers[w], &s->workers[w]) != 0;
		ledger_add(&s->sum, &s->workers[w].ledger);
		memory_add(&s->memory, &s->workers[w].memory);
		for (enum transport t = 0; t < TRANSPORT_COUNT; t++)
			for (unsigned b = 0; b < LATENCY_BUCKETS; b++)
				s->latency[t].bucket[b] += s->workers[w].latency[t].bucket[b];
	}
	for (uint32_t p = 0; p < s->config->port_count; p++)
		port_lost_update(&ports[p], &s->lost[p]);
	s->memory.part[MEMORY_DPDK] = dpdk_memory();
	s->resident = resident_bytes();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	s->cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
}

bool status_balanced(const struct status *s, char *why, size_t why_len) {
	char reason[200];

	for (uint16_t w = 0; w < s->worker_count; w++) {
		if (ledger_balanced(&s->workers[w].ledger, reason, sizeof(reason)))
			continue;
		snprintf(why, why_len, "worker %u: %s", w, reason);
		return false;
	}
	return ledger_balanced(&s->sum, why, why_len);
}

struct reasons {
	const uint64_t *counters;
	unsigned count;
	const char *(*label)(unsigned r);
};

static const char *drop_label(unsigned r) {
	return drop_reason_label((enum drop_reason)r);
}

static const char *refuse_label(unsigned r) {
	return refuse_reason_label((enum refuse_reason)r);
}

static const char *shed_label(unsigned r) {
	return shed_reason_label((enum shed_reason)r);
}

static const char *lost_label(unsigned r) {
	return lost_reason_label((enum lost_reason)r);
}

static const char *found_label(unsigned f) {
	return finding_label((enum finding)f);
}

static void print_reasons(FILE *out, const char *door, struct reasons r) {
	for (unsigned i = 0; i < r.count; i++)
		if (r.counters[i] > 0)
			fprintf(out,
				"    %-10s %-24s %12" PRIu64 "\n",
				door,
				r.label(i),
				r.counters[i]);
}

static void print_transport(const struct status *s, enum transport t, FILE *out) {
	const struct ledger_messages *m = &s->sum.messages[t];
	const struct ledger_records *r = &s->sum.records[t];

	if (m->received == 0)
		return;
	fprintf(out,
		"  %s messages   received %" PRIu64 "  accepted %" PRIu64 "  duplicate %" PRIu64
		"  acked %" PRIu64 "\n",
		transport_label(t),
		m->received,
		m->accepted,
		m->duplicate,
		m->acked);
	print_reasons(
		out, "refused", (struct reasons) {m->refused, REFUSE_REASON_COUNT, refuse_label}
	);
	print_reasons(out, "shed", (struct reasons) {m->shed, SHED_REASON_COUNT, shed_label});
	fprintf(out,
		"  %s records    accepted %" PRIu64 "  delivered %" PRIu64
		"  dead-lettered %" PRIu64 "  in flight %" PRIu64 "  weak %" PRIu64 "\n",
		transport_label(t),
		r->accepted,
		r->delivered,
		r->dead_lettered,
		r->in_flight,
		r->weak);
	print_reasons(out, "lost", (struct reasons) {r->lost, LOST_REASON_COUNT, lost_label});
	fprintf(out,
		"  %s latency    p50 %" PRIu64 " us  p99 %" PRIu64 " us\n",
		transport_label(t),
		latency_quantile_us(&s->latency[t], 0.50),
		latency_quantile_us(&s->latency[t], 0.99));
}

static void print_memory(const struct status *s, FILE *out) {
	fprintf(out,
		"  memory          reserved %" PRIu64 " MiB  resident %" PRIu64
		" MiB  an idle MQTT connection %u B\n",
		memory_reserved(&s->memory) >> 20,
		s->resident >> 20,
		memory_idle_bytes(&s->memory));
	for (enum memory_part p = 0; p < MEMORY_PART_COUNT; p++)
		if (s->memory.part[p].reserved > 0)
			fprintf(out,
				"    %-24s reserved %12" PRIu64 " B  used %12" PRIu64 " B\n",
				memory_part_label(p),
				s->memory.part[p].reserved,
				memory_used(&s->memory.part[p]));
}

void status_print(const struct status *s, FILE *out) {
	const struct ledger_frames *f = &s->sum.frames;
	const struct ledger_derived *d = &s->sum.derived;
	char why[256];

	fprintf(out,
		"ledger of epoch %" PRIu64 " after %" PRIu64 " s\n",
		s->epoch,
		s->uptime_ns / 1000000000u);
	fprintf(out,
		"  frames          rx %" PRIu64 "  taken over %" PRIu64 "  copied %" PRIu64
		"  consumed %" PRIu64 "  handed over %" PRIu64 "  punted %" PRIu64
		"  in reassembly %" PRIu64 "\n",
		f->rx,
		f->taken_over,
		f->copied,
		f->consumed,
		f->handed_over,
		f->punted,
		f->in_reassembly);
	print_reasons(out, "dropped", (struct reasons) {f->dropped, DROP_REASON_COUNT, drop_label});
	for (enum transport t = 0; t < TRANSPORT_COUNT; t++)
		print_transport(s, t, out);
	print_reasons(
		out, "found", (struct reasons) {s->sum.stages.found, FINDING_COUNT, found_label}
	);
	fprintf(out,
		"  derived         made %" PRIu64 "  delivered %" PRIu64 "  in flight %" PRIu64
		"  shed %" PRIu64 "  lost %" PRIu64 "\n",
		d->made,
		d->delivered,
		d->in_flight,
		d->shed,
		d->lost);
	fprintf(out,
		"  egress          submitted %" PRIu64 "  acknowledged %" PRIu64
		"  in messages %" PRIu64 "  refused %" PRIu64 "  checkpoints %" PRIu64 "\n",
		s->egress.submitted,
		s->egress.acknowledged,
		s->egress.messages,
		s->egress.refused,
		s->egress.checkpoints_delivered);
	for (uint32_t p = 0; p < s->config->port_count; p++)
		if (s->lost[p].missed + s->lost[p].no_mbuf + s->lost[p].errors > 0)
			fprintf(out,
				"  lost before us  %s: missed %" PRIu64 "  no buffer %" PRIu64
				"  errors %" PRIu64 "\n",
				s->config->ports[p].name,
				s->lost[p].missed,
				s->lost[p].no_mbuf,
				s->lost[p].errors);
	print_memory(s, out);
	if (status_balanced(s, why, sizeof(why)))
		fprintf(out, "  balanced: yes\n");
	else
		fprintf(out, "  balanced: NO: %s\n", why);
}

static void
json_reasons(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *door, struct reasons r) {
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, object, door);

	for (unsigned i = 0; i < r.count; i++)
		if (r.counters[i] > 0)
			yyjson_mut_obj_add_uint(doc, o, r.label(i), r.counters[i]);
}

// Counters of one stage stand together in stage_counters.
static void json_stages(const struct status *s, yyjson_mut_doc *doc, yyjson_mut_val *root) {
	const struct ledger_stages *stages = &s->sum.stages;
	yyjson_mut_val *all = yyjson_mut_obj_add_obj(doc, root, "stages");

	for (enum stage_counter c = 0; c < STAGE_COUNTER_COUNT; c++) {
		const char *stage = stage_counter_stage(c);
		yyjson_mut_val *o = yyjson_mut_obj_get(all, stage);
		if (o == nullptr)
			o = yyjson_mut_obj_add_obj(doc, all, stage);
		yyjson_mut_obj_add_uint(doc, o, stage_counter_label(c), stages->counters[c]);
	}
	json_reasons(
		doc, root, "findings", (struct reasons) {stages->found, FINDING_COUNT, found_label}
	);
}

static void json_transport(
	const struct status *s,
	enum transport t,
	yyjson_mut_doc *doc,
	yyjson_mut_val *transports
) {
	const struct ledger_messages *m = &s->sum.messages[t];
	const struct ledger_records *r = &s->sum.records[t];
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, transports, transport_label(t));
	yyjson_mut_val *messages = yyjson_mut_obj_add_obj(doc, o, "messages");
	yyjson_mut_val *records = yyjson_mut_obj_add_obj(doc, o, "records");
	yyjson_mut_val *latency = yyjson_mut_obj_add_obj(doc, o, "latency_us");

	yyjson_mut_obj_add_uint(doc, messages, "received", m->received);
	yyjson_mut_obj_add_uint(doc, messages, "accepted", m->accepted);
	yyjson_mut_obj_add_uint(doc, messages, "duplicate", m->duplicate);
	yyjson_mut_obj_add_uint(doc, messages, "acked", m->acked);
	json_reasons(
		doc,
		messages,
		"refused",
		(struct reasons) {m->refused, REFUSE_REASON_COUNT, refuse_label}
	);
	json_reasons(
		doc, messages, "shed", (struct reasons) {m->shed, SHED_REASON_COUNT, shed_label}
	);
	yyjson_mut_obj_add_uint(doc, records, "accepted", r->accepted);
	yyjson_mut_obj_add_uint(doc, records, "delivered", r->delivered);
	yyjson_mut_obj_add_uint(doc, records, "dead_lettered", r->dead_lettered);
	yyjson_mut_obj_add_uint(doc, records, "in_spool", r->in_spool);
	yyjson_mut_obj_add_uint(doc, records, "in_flight", r->in_flight);
	yyjson_mut_obj_add_uint(doc, records, "reduced", r->reduced);
	yyjson_mut_obj_add_uint(doc, records, "expired", r->expired);
	yyjson_mut_obj_add_uint(doc, records, "weak", r->weak);
	json_reasons(
		doc, records, "lost", (struct reasons) {r->lost, LOST_REASON_COUNT, lost_label}
	);
	yyjson_mut_obj_add_uint(doc, latency, "p50", latency_quantile_us(&s->latency[t], 0.50));
	yyjson_mut_obj_add_uint(doc, latency, "p99", latency_quantile_us(&s->latency[t], 0.99));
	yyjson_mut_obj_add_uint(doc, latency, "p999", latency_quantile_us(&s->latency[t], 0.999));
}

static void json_frames(const struct status *s, yyjson_mut_doc *doc, yyjson_mut_val *root) {
	const struct ledger_frames *f = &s->sum.frames;
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, root, "frames");

	yyjson_mut_obj_add_uint(doc, o, "rx", f->rx);
	yyjson_mut_obj_add_uint(doc, o, "taken_over", f->taken_over);
	yyjson_mut_obj_add_uint(doc, o, "copied", f->copied);
	yyjson_mut_obj_add_uint(doc, o, "consumed", f->consumed);
	yyjson_mut_obj_add_uint(doc, o, "handed_over", f->handed_over);
	yyjson_mut_obj_add_uint(doc, o, "punted", f->punted);
	yyjson_mut_obj_add_uint(doc, o, "in_reassembly", f->in_reassembly);
	json_reasons(
		doc, o, "dropped", (struct reasons) {f->dropped, DROP_REASON_COUNT, drop_label}
	);
}

static void json_rest(const struct status *s, yyjson_mut_doc *doc, yyjson_mut_val *root) {
	yyjson_mut_val *derived = yyjson_mut_obj_add_obj(doc, root, "derived");
	yyjson_mut_val *egress = yyjson_mut_obj_add_obj(doc, root, "egress");
	yyjson_mut_val *ports = yyjson_mut_obj_add_obj(doc, root, "lost_before_us");
	yyjson_mut_val *workers = yyjson_mut_obj_add_arr(doc, root, "workers");

	yyjson_mut_obj_add_uint(doc, derived, "made", s->sum.derived.made);
	yyjson_mut_obj_add_uint(doc, derived, "delivered", s->sum.derived.delivered);
	yyjson_mut_obj_add_uint(doc, derived, "in_flight", s->sum.derived.in_flight);
	yyjson_mut_obj_add_uint(doc, derived, "shed", s->sum.derived.shed);
	yyjson_mut_obj_add_uint(doc, derived, "lost", s->sum.derived.lost);
	json_stages(s, doc, root);
	yyjson_mut_obj_add_uint(doc, egress, "submitted", s->egress.submitted);
	yyjson_mut_obj_add_uint(doc, egress, "acknowledged", s->egress.acknowledged);
	yyjson_mut_obj_add_uint(doc, egress, "messages", s->egress.messages);
	yyjson_mut_obj_add_uint(doc, egress, "refused", s->egress.refused);
	yyjson_mut_obj_add_uint(doc, egress, "bytes", s->egress.bytes);
	yyjson_mut_obj_add_uint(doc, egress, "in_flight", s->egress.in_flight);
	yyjson_mut_obj_add_uint(doc, egress, "oldest_unacked_ns", s->egress.oldest_unacked_ns);
	yyjson_mut_obj_add_uint(doc, egress, "errors", s->egress.errors);
	yyjson_mut_obj_add_uint(doc, egress, "checkpoints", s->egress.checkpoints_delivered);
	for (uint32_t p = 0; p < s->config->port_count; p++) {
		yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, ports, s->config->ports[p].name);
		yyjson_mut_obj_add_uint(doc, o, "missed", s->lost[p].missed);
		yyjson_mut_obj_add_uint(doc, o, "no_mbuf", s->lost[p].no_mbuf);
		yyjson_mut_obj_add_uint(doc, o, "errors", s->lost[p].errors);
	}
	for (uint16_t w = 0; w < s->worker_count; w++) {
		const struct worker_report *r = &s->workers[w];
		yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, workers);
		yyjson_mut_obj_add_bool(doc, o, "answered", !s->unanswered[w]);
		yyjson_mut_obj_add_uint(doc, o, "rx", r->ledger.frames.rx);
		yyjson_mut_obj_add_uint(doc, o, "taken_over", r->ledger.frames.taken_over);
		yyjson_mut_obj_add_uint(doc, o, "handed_over", r->ledger.frames.handed_over);
		yyjson_mut_obj_add_uint(doc, o, "busy_ns", r->busy_ns);
		yyjson_mut_obj_add_uint(doc, o, "tx_sent", r->tx_sent);
		yyjson_mut_obj_add_uint(doc, o, "tx_full", r->tx_full);
		yyjson_mut_obj_add_uint(doc, o, "pressure", r->pressure);
	}
}

static void json_memory(const struct status *s, yyjson_mut_doc *doc, yyjson_mut_val *root) {
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, root, "memory");
	yyjson_mut_val *parts = yyjson_mut_obj_add_obj(doc, o, "parts");

	yyjson_mut_obj_add_uint(doc, o, "reserved", memory_reserved(&s->memory));
	yyjson_mut_obj_add_uint(doc, o, "resident", s->resident);
	yyjson_mut_obj_add_uint(doc, o, "idle_connection", memory_idle_bytes(&s->memory));
	for (enum memory_part p = 0; p < MEMORY_PART_COUNT; p++) {
		const struct memory_use *u = &s->memory.part[p];
		if (u->reserved == 0)
			continue;
		yyjson_mut_val *part = yyjson_mut_obj_add_obj(doc, parts, memory_part_label(p));
		yyjson_mut_obj_add_str(
			doc, part, "scale", memory_scale_label(memory_part_scale(p))
		);
		yyjson_mut_obj_add_uint(doc, part, "reserved", u->reserved);
		yyjson_mut_obj_add_uint(doc, part, "used", memory_used(u));
		yyjson_mut_obj_add_uint(doc, part, "items", u->used);
		yyjson_mut_obj_add_uint(doc, part, "capacity", u->capacity);
	}
}

int status_write_json(const struct status *s, const char *path) {
	char fresh[320], why[256];
	yyjson_write_err err;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(nullptr);

	if (doc == nullptr)
		return -ENOMEM;
	yyjson_mut_val *root = yyjson_mut_obj(doc);
	yyjson_mut_doc_set_root(doc, root);
	bool balanced = status_balanced(s, why, sizeof(why));
	yyjson_mut_obj_add_str(doc, root, "appliance", s->config->appliance);
	yyjson_mut_obj_add_str(doc, root, "version", SLUICE_VERSION);
	yyjson_mut_obj_add_uint(doc, root, "epoch", s->epoch);
	yyjson_mut_obj_add_uint(doc, root, "uptime_ns", s->uptime_ns);
	yyjson_mut_obj_add_uint(doc, root, "cpu_ns", s->cpu_ns);
	yyjson_mut_obj_add_bool(doc, root, "balanced", balanced);
	if (!balanced)
		yyjson_mut_obj_add_str(doc, root, "imbalance", why);
	json_frames(s, doc, root);
	yyjson_mut_val *transports = yyjson_mut_obj_add_obj(doc, root, "transports");
	for (enum transport t = 0; t < TRANSPORT_COUNT; t++)
		json_transport(s, t, doc, transports);
	json_memory(s, doc, root);
	status_counters_json(s, doc, root);
	json_rest(s, doc, root);

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	bool written =
		yyjson_mut_write_file(fresh, doc, YYJSON_WRITE_PRETTY_TWO_SPACES, nullptr, &err);
	yyjson_mut_doc_free(doc);
	if (!written)
		return -EIO;
	return rename(fresh, path) == 0 ? 0 : -errno;
}
