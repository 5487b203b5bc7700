// SPDX-License-Identifier: Apache-2.0
// Cycles per record of choosing a profile, of looking a field up, and of the map stage alone:
// bursts of 32 of the payload that docs/performance.md calls json-8, the input in cache.
#include "bench/cycles.h"
#include "bench/payloads.h"
#include "config/config.h"
#include "config/select.h"
#include "pipelines/decode.h"
#include "pipelines/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST 32
#define REPEAT 32

static struct burst burst;
static struct payload_decoder *decoder;
static const struct config *config;
static volatile uintptr_t sink;

// `profiles` profiles, each with a path of its own and four more patterns, and a program for p0.
static struct config *config_make(uint32_t profiles, const char *map) {
	static char text[1 << 20];
	struct config_error errors[4];
	struct config *c = NULL;
	uint32_t count;
	int n = snprintf(
		text,
		sizeof(text),
		"lab: yes\n"
		"ports: [{name: w, devices: d, interfaces: [{addresses: [10.0.0.1/24]}]}]\n"
		"topics: [{name: dead-letter, partitions: 4}]\n"
		"routes: [{name: r, topic: dead-letter}]\n"
		"kafka: {brokers: 'k:1'}\n"
		"listeners: [{name: m, protocol: mqtt, port: 1883, profile: p0, auth: none}]\n"
		"profiles:\n"
	);

	for (uint32_t i = 0; i < profiles; i++)
		n += snprintf(
			text + n,
			sizeof(text) - (size_t)n,
			"  - {name: p%u, route: r, device: {from: path, segment: 1}, "
			"match: {paths: [t%u/+/env, plant/+/line-%u/#, a/b/c/%u, +/%u/x, x%u]},"
			" map: [%s]}\n",
			i,
			i,
			i,
			i,
			i,
			i,
			i == 0 ? map : ""
		);
	if (config_load_text("/x/y.yaml", text, (size_t)n, &c, errors, 4, &count) != 0) {
		fprintf(stderr, "%s\n", errors[0].text);
		exit(1);
	}
	return c;
}

// A registry that costs nothing: what is measured is what the map makes of its answer.
static struct device_facts facts_of(void *, struct view) {
	return (struct device_facts) {.labels = VIEW_LITERAL("\5\1floor2\4\1line3\4\5sitebasel")};
}

static const struct authority registry = {.facts_of = facts_of};

static void fill(const struct bench_payload *p) {
	burst.item_count = BURST;
	for (int i = 0; i < BURST; i++)
		burst.items[i] = (struct item) {.m = {
							.transport = TRANSPORT_MQTT,
							.format = p->format,
							.profile = &config->profiles[0],
							.path = VIEW_LITERAL("t0/dev-1/env"),
							.payload = p->bytes,
							.rx_wall_ns = 1763712000123456789,
							.token = TOKEN_NONE,
						}};
}

static void run_decode(void *) {
	for (int i = 0; i < REPEAT; i++)
		if (decode_burst(decoder, &burst, 0) != BURST)
			exit(1);
}

static void run_both(void *) {
	for (int i = 0; i < REPEAT; i++) {
		if (decode_burst(decoder, &burst, 0) != BURST)
			exit(1);
		map_burst(&burst, 0, BURST, &registry);
	}
}

static void run_select(void *path) {
	const char *text = path;
	struct view v = view_of(text, (uint32_t)strlen(text));

	for (int i = 0; i < REPEAT * BURST; i++)
		sink = (uintptr_t)profile_select(config->selector, 0, v, (struct view) {0});
}

static void run_find(void *) {
	const struct profile *p = &config->profiles[0];

	for (int i = 0; i < REPEAT * BURST; i++)
		sink = (uintptr_t)profile_field_find(p, p->fields[i % (int)p->field_count].name);
}

static const struct {
	const char *name;
	const char *map;
} programs[] = {
	{"none", ""},
	{"rename", "{op: rename, field: temp, to: temperature}"},
	{"convert", "{op: convert, field: temp, from: Cel, unit: K}"},
	{"add-text", "{op: add, field: site, text: basel}"},
	{"add-label", "{op: add, field: site, label: site}"},
	{"hash", "{op: hash, field: note, key: 0123456789abcdef0123456789abcdef}"},
	{"eight-steps",
	 "{op: rename, field: temp, to: temperature}, {op: convert, field: temperature, from: Cel, "
	 "unit: K}, {op: scale, field: hum, factor: 0.1}, {op: add, field: site, text: basel}, "
	 "{op: drop, field: debug}, {op: mask, field: note, keep: 2}, {op: cast, field: seq, type: "
	 "text}, {op: first-of, field: x, of: [a, b]}"},
};

int main(void) {
	static const uint32_t counts[] = {1, 10, 100, 1000};
	char name[64], hit[] = "t0/dev-1/env", miss[] = "other/dev-1/env";

	decoder = payload_decoder_init(aligned_alloc(64, payload_decoder_size()));
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		config = config_make(1, programs[i].map);
		for (uint32_t k = 0; k < bench_payload_count; k++) {
			if (bench_payloads[k].format != PAYLOAD_JSON)
				continue;
			fill(&bench_payloads[k]);
			snprintf(
				name,
				sizeof(name),
				"%s/%s",
				bench_payloads[k].name,
				programs[i].name
			);
			double decode = cycles_per_operation(run_decode, NULL, REPEAT * BURST);
			double both = cycles_per_operation(run_both, NULL, REPEAT * BURST);
			cycles_print("decode", name, decode);
			cycles_print("map", name, both - decode);
		}
	}
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		config = config_make(counts[i], "");
		snprintf(name, sizeof(name), "%u-profiles/hit", counts[i]);
		cycles_print("select", name, cycles_per_operation(run_select, hit, REPEAT * BURST));
		snprintf(name, sizeof(name), "%u-profiles/miss", counts[i]);
		cycles_print(
			"select", name, cycles_per_operation(run_select, miss, REPEAT * BURST)
		);
	}
	static const uint32_t fields[] = {8, 64, 256};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		static struct profile_field list[256];
		static char names[256][32];
		static uint16_t index[1024], required[256];
		static struct profile p = {.fields = list, .index = index, .required = required};
		static struct config c = {.profiles = &p, .profile_count = 1};
		p.field_count = fields[i];
		for (uint32_t k = 0; k < fields[i]; k++) {
			snprintf(names[k], sizeof(names[k]), "sensor.%u.value", k);
			list[k].name = view_of(names[k], (uint32_t)strlen(names[k]));
		}
		if (profile_compile(&p) != 0)
			return 1;
		config = &c;
		snprintf(name, sizeof(name), "%u-fields", fields[i]);
		cycles_print(
			"field-find", name, cycles_per_operation(run_find, NULL, REPEAT * BURST)
		);
	}
	return 0;
}
