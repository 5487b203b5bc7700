// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/pipelines/remember_rig.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void on_sealed(void *owner, struct batch *b) {
	struct rig_worker *w = owner;

	assert_true(w->sealed_count < RIG_BATCHES);
	w->sealed[w->sealed_count++] = b;
}

static void balanced(const struct rig_worker *w) {
	char why[256];

	if (!ledger_balanced(&w->ledger, why, sizeof(why)))
		fail_msg("%s", why);
}

static bool on_mail(void *owner, uint16_t to, const struct pipeline_letter *l) {
	struct rig_worker *w = owner;
	struct rig_ring *r = &w->rig->rings[w - w->rig->workers][to];

	assert_true(to < w->rig->worker_count && to != w - w->rig->workers);
	if (r->count == RIG_RING)
		return false;
	r->letters[(r->head + r->count++) % RIG_RING] = *l;
	return true;
}

uint32_t rig_letters(struct rig *rig, uint32_t n, uint32_t random) {
	uint32_t delivered = 0;

	for (uint32_t i = 0; i < n; i++, random = random * 1664525 + 1013904223) {
		uint32_t from = (random >> 10) % rig->worker_count;
		uint32_t to = (random >> 20) % rig->worker_count;
		struct rig_ring *r = &rig->rings[from][to];
		for (uint32_t w = 0; w < rig->worker_count; w++)
			pipeline_tick(rig->workers[w].p, 0);
		if (r->count == 0)
			continue;
		struct pipeline_letter l = r->letters[r->head];
		r->head = (r->head + 1) % RIG_RING;
		r->count--;
		pipeline_letter(rig->workers[to].p, &l);
		pipeline_run(rig->workers[to].p, rig->now_ns, rig->wall_ns);
		balanced(&rig->workers[to]);
		delivered++;
	}
	return delivered;
}

static void on_done(void *adapter, uint32_t token, const struct verdict *v) {
	struct rig *rig = adapter;

	assert_true(token < RIG_TOKENS);
	rig->verdicts[token]++;
	rig->outcome[token] = v->outcome;
	rig->last = *v;
}

static void configure(struct rig *rig) {
	struct config *c = &rig->config;

	snprintf(c->appliance, sizeof(c->appliance), "sluice-1");
	snprintf(rig->topics[0].name, sizeof(rig->topics[0].name), "telemetry");
	snprintf(rig->topics[1].name, sizeof(rig->topics[1].name), "dead");
	snprintf(rig->topics[2].name, sizeof(rig->topics[2].name), "alerts");
	for (uint32_t i = 0; i < 3; i++)
		rig->topics[i].partitions = 1;
	c->topics = rig->topics;
	c->topic_count = 3;
	c->kafka.dead_letter = 1;
	c->kafka.alert = 2;
	snprintf(c->kafka.alert_topic, sizeof(c->kafka.alert_topic), "alerts");
	c->egress.linger_us = 2000;
	c->egress.batch_records = 512;
	c->pipeline.late_share = 25;
	c->pipeline.late_bytes = 1 << 20;
	c->watch.connections = 10;
	c->watch.returns = 2;
	c->watch.rate_factor = 10;
	c->watch.rate_min = 50;
	c->watch.ports = 16;
	c->watch.quiet_s = 60;
	rig->route = (struct config_route) {.topic = 0, .ack = ACK_KAFKA};
	snprintf(rig->profile.name, sizeof(rig->profile.name), "p");
	c->profiles = &rig->profile;
	c->profile_count = 1;
	rig->profile.device_from = DEVICE_FROM_PAYLOAD;
	rig->profile.route = &rig->route;
	rig->profile.dedup_window_s = 600;
	rig->profile.hints = (struct payload_hints) {
		.device_key = VIEW_LITERAL("dev"),
		.time_key = VIEW_LITERAL("ts"),
		.seq_key = VIEW_LITERAL("seq"),
		.time_unit = TIME_MS,
	};
	for (enum finding f = 0; f < FINDING_COUNT; f++)
		rig->profile.on[f] = finding_default(f);
	rig->profile.fields = rig->fields;
	rig->profile.index = rig->index;
	rig->profile.required = rig->required;
}

static void worker_start(struct rig *rig, uint16_t index) {
	struct rig_worker *w = &rig->workers[index];
	struct pipeline_env env = {
		.worker = index,
		.egress_count = 1,
		.batch_count = RIG_BATCHES,
		.ack_slots = 4096,
		.in_flight_records_max = 4096,
		.in_flight_bytes_max = 1 << 22,
		.appliance_epoch = 7,
		.sealed = on_sealed,
		.states = rig->states,
		.workers = rig->worker_count,
		.park_bytes = 1 << 18,
		.mail = on_mail,
	};

	w->rig = rig;
	w->batches = calloc(RIG_BATCHES, sizeof(*w->batches));
	for (uint16_t i = 0; i < RIG_BATCHES; i++) {
		w->batches[i].index = i;
		w->batches[i].capacity = RIG_BATCH_BYTES;
		w->batches[i].buf = malloc(RIG_BATCH_BYTES);
	}
	env.batches = w->batches;
	env.ledger = &w->ledger;
	env.owner = w;
	for (int t = 0; t < TRANSPORT_COUNT; t++) {
		env.adapters[t].done = on_done;
		env.adapters[t].adapter = rig;
	}
	assert_int_equal(pipeline_create(&env, &rig->config, &w->p), 0);
}

void rig_start(struct rig *rig, uint16_t workers) {
	static const uint64_t secret[2] = {11, 22};

	memset(rig, 0, sizeof(*rig));
	configure(rig);
	assert_int_equal(profile_compile(&rig->profile), 0);
	rig->worker_count = workers;
	rig->now_ns = 1000ull * 1000000000;
	rig->wall_ns = 1763712000ll * 1000000000;
	assert_int_equal(device_states_create(1000, workers, 128, 8, secret, &rig->states), 0);
	for (uint16_t i = 0; i < workers; i++)
		worker_start(rig, i);
}

void rig_stop(struct rig *rig) {
	for (uint16_t i = 0; i < rig->worker_count; i++) {
		struct rig_worker *w = &rig->workers[i];
		pipeline_destroy(w->p);
		for (uint16_t b = 0; b < RIG_BATCHES; b++)
			free(w->batches[b].buf);
		free(w->batches);
	}
	device_states_destroy(rig->states);
}

struct message rig_message(const struct rig *rig, const char *payload, uint32_t token) {
	static const uint8_t peer[4] = {10, 77, 0, 2};

	return (struct message) {
		.transport = TRANSPORT_MQTT,
		.format = PAYLOAD_JSON,
		.profile = &rig->profile,
		.path = VIEW_LITERAL("t/x"),
		.payload = view_of(payload, (uint32_t)strlen(payload)),
		.peer = view_of(peer, 4),
		.rx_wall_ns = rig->wall_ns,
		.rx_ns = rig->now_ns,
		.epoch = 99,
		.seq = 12,
		.token = token,
	};
}

void rig_push(struct rig *rig, uint16_t worker, const struct message *m) {
	struct rig_worker *w = &rig->workers[worker];

	pipeline_push(w->p, m);
	pipeline_run(w->p, rig->now_ns, rig->wall_ns);
	balanced(w);
}

void rig_send(struct rig *rig, const char *payload, uint32_t token) {
	struct message m = rig_message(rig, payload, token);

	rig_push(rig, 0, &m);
}

void rig_send_at(struct rig *rig, int64_t ago_ms, const char *rest, uint32_t token) {
	char text[256];

	snprintf(
		text,
		sizeof(text),
		"{\"dev\":\"d\",\"ts\":%" PRId64 ",%s}",
		rig->wall_ns / 1000000 - ago_ms,
		rest
	);
	rig_send(rig, text, token);
}

void rig_value_at(struct rig *rig, int64_t ago_ms, double t) {
	char rest[64];

	snprintf(rest, sizeof(rest), "\"t\":%.3f", t);
	rig_send_at(rig, ago_ms, rest, 1);
}

void rig_field(struct rig *rig, struct profile_field f) {
	rig->fields[0] = f;
	rig->profile.field_count = 1;
	assert_int_equal(profile_compile(&rig->profile), 0);
}

void rig_complete(struct rig *rig, uint16_t worker, enum entry_result result) {
	struct rig_worker *w = &rig->workers[worker];

	pipeline_seal_all(w->p);
	struct batch *sealed[RIG_BATCHES];
	uint32_t n = w->sealed_count;
	memcpy(sealed, w->sealed, sizeof(sealed)); // completing may seal others: dead letters
	w->sealed_count = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct batch *b = sealed[i];
		uint32_t count = b->count;
		for (uint32_t e = 0; e < count; e++) {
			atomic_store(&b->entries[e].result, result);
			if (result == RESULT_DELIVERED && rig->delivered != nullptr)
				rig->delivered(rig, worker, b, &b->entries[e]);
		}
		pipeline_complete(
			w->p,
			(struct completion) {.batch = b->index, .count = (uint16_t)count},
			rig->now_ns
		);
		balanced(w);
	}
}

uint64_t rig_found(const struct rig *rig, enum finding f) {
	uint64_t n = 0;

	for (uint16_t i = 0; i < rig->worker_count; i++)
		n += rig->workers[i].ledger.stages.found[f];
	return n;
}

uint64_t rig_counter(const struct rig *rig, enum stage_counter c) {
	uint64_t n = 0;

	for (uint16_t i = 0; i < rig->worker_count; i++)
		n += rig->workers[i].ledger.stages.counters[c];
	return n;
}

uint64_t rig_duplicates(const struct rig *rig) {
	uint64_t n = 0;

	for (uint16_t i = 0; i < rig->worker_count; i++)
		n += rig->workers[i].ledger.messages[TRANSPORT_MQTT].duplicate;
	return n;
}
