// SPDX-License-Identifier: Apache-2.0
// Registry before match before listener, and what a device may claim: messages through a pipeline
// whose profiles write their own name into each record.
#include "config/config.h"
#include "pipelines/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BATCHES 8
#define BATCH_BYTES 65536

static const char text[] =
	"lab: yes\n"
	"ports: [{name: w, devices: d, interfaces: [{addresses: [10.0.0.1/24]}]}]\n"
	"topics: [{name: t, partitions: 2}, {name: dead-letter, partitions: 1}]\n"
	"routes: [{name: r, topic: t}]\n"
	"kafka: {brokers: 'k:1'}\n"
	"listeners:\n"
	"  - {name: one, protocol: mqtt, port: 1883, profile: plain, auth: none}\n"
	"  - {name: two, protocol: coap, port: 5683, profile: plain, auth: none}\n"
	"profiles:\n"
	"  - name: plain\n"
	"    route: r\n"
	"    device: {from: path, segment: 1}\n"
	"    claim: {paths: ['t/%d/#', 'x/#', 'raw/#']}\n"
	"    map: &name [{op: add, field: profile, attribute: profile}]\n"
	"  - name: pump\n"
	"    route: r\n"
	"    device: {from: path, segment: 1}\n"
	"    match: {registry: yes}\n"
	"    map: *name\n"
	"  - name: basel\n"
	"    route: r\n"
	"    device: {from: path, segment: 1}\n"
	"    match: {labels: [site=basel, line=3], paths: [t/+/env]}\n"
	"    map: &labelled\n"
	"      - {op: add, field: profile, attribute: profile}\n"
	"      - {op: add, field: site, label: site}\n"
	"      - {op: add, field: floor, label: floor}\n"
	"      - {op: add, field: kind, attribute: registry-profile}\n"
	"  - name: chur\n"
	"    route: r\n"
	"    device: {from: path, segment: 1}\n"
	"    claim: {devices: ['%d-*']}\n"
	"    match: {labels: [site=chur]}\n"
	"    map: *labelled\n"
	"  - name: only-two\n"
	"    route: r\n"
	"    device: {from: path, segment: 1}\n"
	"    match: {paths: [t/+/env], listeners: [two]}\n"
	"    map: *name\n"
	"  - name: env\n"
	"    route: r\n"
	"    device: {from: path, segment: 1}\n"
	"    match: {paths: [t/+/env]}\n"
	"    claim: {devices: ['%d-*']}\n"
	"    map: *name\n"
	"  - name: bytes\n"
	"    route: r\n"
	"    device: {from: path, segment: 1}\n"
	"    match: {paths: ['raw/#']}\n"
	"    format: raw\n"
	"    map: *name\n";

static struct config *config;
static struct pipeline *pipeline;
static struct batch batches[BATCHES];
static struct ledger ledger;
static struct verdict last;
static char value[BATCH_BYTES];

static void on_sealed(void *, struct batch *b) {
	const struct batch_entry *e = &b->entries[0];

	snprintf(value, sizeof(value), "%.*s", (int)e->len, (const char *)b->buf + e->offset);
	for (uint32_t i = 0; i < b->count; i++)
		atomic_store(&b->entries[i].result, RESULT_DELIVERED);
}

static void on_done(void *, uint32_t, const struct verdict *v) {
	last = *v;
}

// What the registry says.
static struct device_facts facts_of(void *, struct view device) {
	static const struct {
		struct view device;
		struct device_facts facts;
	} known[] = {
		{VIEW_LITERAL("pump-1"),
		 {VIEW_LITERAL("pump"), VIEW_LITERAL("\4\1line3\4\5sitebasel")}},
		{VIEW_LITERAL("odd-1"), {VIEW_LITERAL("env"), {0}}
		}, // it does not ask for the registry
		{VIEW_LITERAL("b-1"), {{0}, VIEW_LITERAL("\5\2floor-1\4\1line3\4\5sitebasel")}},
		{VIEW_LITERAL("b-2"), {VIEW_LITERAL("env"), VIEW_LITERAL("\4\1line3\4\5sitebasel")}
		},
		{VIEW_LITERAL("b-3"), {{0}, VIEW_LITERAL("\4\1line4\4\5sitebasel")}},
		{VIEW_LITERAL("c-1"), {{0}, VIEW_LITERAL("\4\4sitechur")}},
		{VIEW_LITERAL("c-1-x"), {{0}, VIEW_LITERAL("\5\2floor-7")}},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (view_equal(known[i].device, device))
			return known[i].facts;
	return (struct device_facts) {0};
}

static int setup(void **) {
	struct config_error errors[4];
	uint32_t count = 0;
	struct pipeline_env env = {
		.egress_count = 1,
		.batches = batches,
		.batch_count = BATCHES,
		.ack_slots = 16,
		.in_flight_records_max = 100,
		.in_flight_bytes_max = 1 << 20,
		.ledger = &ledger,
		.sealed = on_sealed,
		.authority = {.facts_of = facts_of},
	};

	int ret = config_load_text("/x/y.yaml", text, strlen(text), &config, errors, 4, &count);
	for (uint32_t i = 0; i < count; i++)
		print_error("%u: %s\n", errors[i].line, errors[i].text);
	if (ret != 0)
		return ret;
	for (uint16_t i = 0; i < BATCHES; i++) {
		batches[i].index = i;
		batches[i].capacity = BATCH_BYTES;
		batches[i].buf = malloc(BATCH_BYTES);
	}
	for (int i = 0; i < TRANSPORT_COUNT; i++)
		env.adapters[i].done = on_done;
	return pipeline_create(&env, config, &pipeline);
}

static int teardown(void **) {
	pipeline_destroy(pipeline);
	for (uint16_t i = 0; i < BATCHES; i++)
		free(batches[i].buf);
	config_free(config);
	return 0;
}

static struct view view_text(const char *s) {
	return s == NULL ? (struct view) {0} : view_of(s, (uint32_t)strlen(s));
}

static void send(uint16_t listener, const char *path, const char *device) {
	static uint64_t seq;
	struct message m = {
		.transport = TRANSPORT_MQTT,
		.format = PAYLOAD_JSON,
		.profile = config->listeners[listener].profile,
		.listener = listener,
		.device = view_text(device),
		.path = view_text(path),
		.payload = VIEW_LITERAL("{\"x\":1}"),
		.peer = VIEW_LITERAL("\x0a\x00\x00\x02"),
		.rx_wall_ns = 1780000000000000000,
		.rx_ns = 1000000,
		.epoch = 1,
		.seq = ++seq,
	};

	value[0] = '\0';
	last = (struct verdict) {.outcome = OUTCOME_SHED};
	pipeline_push(pipeline, &m);
	pipeline_run(pipeline, m.rx_ns, m.rx_wall_ns);
	pipeline_seal_all(pipeline);
	for (uint16_t i = 0; i < BATCHES; i++)
		if (batches[i].count > 0)
			pipeline_complete(
				pipeline,
				(struct completion) {.batch = i, .count = (uint16_t)batches[i].count
				},
				m.rx_ns
			);
	assert_true(pipeline_idle(pipeline));
}

static const struct {
	uint16_t listener;
	const char *path;
	const char *identity;
	const char *profile; // NULL: claim denied
	const char *device;
} cases[] = {
	{0, "t/dev-1/env", NULL, "env", "dev-1"},
	{1, "t/dev-1/env", NULL, "only-two", "dev-1"},
	{1, "/t/dev-1/env", NULL, "only-two", "dev-1"},
	{0, "t/dev-1/other", NULL, "plain", "dev-1"},
	{0, "t/pump-1/env", NULL, "pump", "pump-1"},
	{1, "x/pump-1", NULL, "pump", "pump-1"},
	{0, "x/pump-1", "pump-1", "pump", "pump-1"},
	{0, "x/odd-1", NULL, "plain", "odd-1"},
	{0, "raw/b/c", NULL, "bytes", "b"},
	// labels: all of them, beside paths; a profile of the registry comes before, order decides
	{0, "t/b-1/env", NULL, "basel", "b-1"},
	{1, "t/b-1/env", NULL, "basel", "b-1"}, // it stands before only-two
	{0, "t/b-1/other", NULL, "plain", "b-1"},
	{0, "t/b-3/env", NULL, "env", "b-3"},
	{0, "t/c-1/env", NULL, "chur", "c-1"},
	{1, "x/c-1", NULL, "chur", "c-1"},
	// claims
	{0, "y/dev-1", NULL, NULL, NULL},
	{0, "t/gw/env", "gw", "env", "gw"},
	{0, "t/gw-7/env", "gw", "env", "gw-7"},
	{0, "t/other/env", "gw", NULL, NULL},
	{0, "t/gw-7/x", "gw", NULL, NULL}, // of plain, which lets nobody send for others
};

static void each_message_has_its_profile(void **) {
	char want[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		send(cases[i].listener, cases[i].path, cases[i].identity);
		if (cases[i].profile == NULL) {
			assert_int_equal(last.outcome, OUTCOME_REFUSED);
			assert_int_equal(last.refuse, REFUSE_CLAIM);
			continue;
		}
		assert_int_equal(last.outcome, OUTCOME_ACKED);
		snprintf(want, sizeof(want), "\"profile\":\"%s\"", cases[i].profile);
		if (strstr(value, want) == NULL)
			fail_msg("%s: no %s in %s", cases[i].path, want, value);
		snprintf(want, sizeof(want), "\"device\":\"%s\"", cases[i].device);
		if (strstr(value, want) == NULL)
			fail_msg("%s: no %s in %s", cases[i].path, want, value);
	}
	char why[256];
	assert_true(ledger_balanced(&ledger, why, sizeof(why)));
}

static void fields_come_from_the_registry(void **) {
	static const struct {
		const char *path, *identity, *fields;
	} all[] = {
		{"t/b-1/env",
		 NULL,
		 "{\"x\":1,\"profile\":\"basel\",\"site\":\"basel\",\"floor\":\"-1\"}"},
		{"t/b-2/env",
		 NULL,
		 "{\"x\":1,\"profile\":\"basel\",\"site\":\"basel\",\"kind\":\"env\"}"},
		{"t/c-1/env", NULL, "{\"x\":1,\"profile\":\"chur\",\"site\":\"chur\"}"},
		// the sender's labels choose the profile, the record's device has its own
		{"t/c-1-x/env", "c-1", "{\"x\":1,\"profile\":\"chur\",\"floor\":\"-7\"}"},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		send(0, all[i].path, all[i].identity);
		if (strstr(value, all[i].fields) == NULL)
			fail_msg("no %s in %s", all[i].fields, value);
	}
}

static void the_format_is_the_profiles(void **) {
	send(0, "raw/b/c", NULL);
	assert_non_null(strstr(value, "\"raw\":{\"base64\":\"eyJ4IjoxfQ==\"}"));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message_has_its_profile),
		cmocka_unit_test(fields_come_from_the_registry),
		cmocka_unit_test(the_format_is_the_profiles),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
