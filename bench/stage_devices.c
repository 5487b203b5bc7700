// SPDX-License-Identifier: Apache-2.0
// Cycles per record of what looks at a device's past: finding the device, dedup, validate, alerts,
// alone and together, with 10,000 devices and ten times as many up to argv[1] (1,000,000), each
// record from a device chosen at random; and bytes per device, reserved and resident.
#include "bench/cycles.h"
#include "config/config.h"
#include "pipelines/dedup.h"
#include "pipelines/devices.h"
#include "pipelines/pipeline_state.h"
#include "pipelines/validate.h"

#include <string.h>

#define BURST 64
#define REPEAT 64
#define BATCHES 4
#define BATCH_BYTES (256u << 10)

enum { DEVICES = 1, DEDUP = 2, VALIDATE = 4 };

static struct config config;
static struct config_topic topics[2] = {{.partitions = 12}, {.partitions = 12}};
static struct config_route route;
static struct profile profile;
static struct profile_field fields[1];
static uint16_t profile_index[16], required[1];
static struct batch *batches;
static struct ledger ledger;
static struct pipeline *p;
static uint32_t devices;
static char names[BURST][16];
static uint64_t tick;

static void sealed(void *, struct batch *) {}

static void setup(void) {
	static const uint64_t secret[2] = {1, 2};
	struct pipeline_env env = {
		.egress_count = 1,
		.batch_count = BATCHES,
		.ack_slots = 1024,
		.in_flight_records_max = 1u << 20,
		.in_flight_bytes_max = 1u << 30,
		.ledger = &ledger,
		.sealed = sealed,
		.workers = 1,
	};

	config.topics = topics;
	config.topic_count = 2;
	config.egress.batch_records = 512;
	batches = calloc(BATCHES, sizeof(*batches));
	for (uint16_t i = 0; i < BATCHES; i++) {
		batches[i].index = i;
		batches[i].capacity = BATCH_BYTES;
		batches[i].buf = malloc(BATCH_BYTES);
	}
	env.batches = batches;
	if (device_states_create(devices, 1, 8, 8, secret, &env.states) != 0
	    || pipeline_create(&env, &config, &p) != 0)
		exit(1);
	profile.route = &route;
	profile.dedup_window_s = 600;
	profile.fields = fields;
	profile.index = profile_index;
	profile.required = required;
	for (enum finding f = 0; f < FINDING_COUNT; f++)
		profile.on[f] = FINDING_FLAG;
}

static void profile_set(struct profile_field f) {
	f.name = VIEW_LITERAL("temp");
	fields[0] = f;
	profile.field_count = 1;
	if (profile_compile(&profile) != 0)
		exit(1);
}

// One record per message and device, each with a time and a number of its own.
static void fill(uint64_t *random) {
	struct burst *b = &p->burst;
	static const uint8_t payload[96] =
		"{\"device\":\"device-0000\",\"time\":1763712000000,\"temp\":21.5}";

	p->now_ns += 1000000;
	b->item_count = BURST;
	b->record_count = BURST;
	for (uint16_t i = 0; i < BURST; i++) {
		*random = *random * 6364136223846793005u + 1442695040888963407u;
		uint32_t n = (uint32_t)((*random >> 32) * devices >> 32);
		for (unsigned d = 0; d < 8; d++)
			names[i][d] = (char)('a' + (n >> (4 * d) & 15));
		tick++;
		b->items[i] = (struct item) {.m = {.profile = &profile,
						   .payload = view_of(payload, sizeof(payload)),
						   .path = VIEW_LITERAL("t/device/env"),
						   .rx_wall_ns = (int64_t)tick * 1000,
						   .rx_ns = p->now_ns,
						   .token = TOKEN_NONE},
					     .first_record = i,
					     .record_count = 1};
		b->readings.readings[i] =
			(struct reading) {.time_ns = (int64_t)tick * 1000, .has_time = true};
		b->readings.fields[i] = (struct field
		) {.name = VIEW_LITERAL("temp"),
		   .v = {.kind = VALUE_F64, .f = 20 + (double)(tick % 100) / 100}};
		b->records[i] = (struct record) {.reading = &b->readings.readings[i],
						 .device = view_of(names[i], 8),
						 .state = STATE_NONE,
						 .live = true,
						 .quarantine = FINDING_NONE,
						 .first_field = i,
						 .field_count = 1};
	}
}

static uint64_t seed = 1;

static void run(void *which) {
	int stages = *(int *)which;

	for (int i = 0; i < REPEAT; i++) {
		fill(&seed);
		if (stages & DEVICES)
			devices_burst(p, 0, BURST);
		if (stages & DEDUP) {
			dedup_burst(p, 0, BURST);
			for (uint16_t n = 0; n < BURST; n++)
				dedup_withdrawn(p, &p->burst.items[n]);
		}
		if (stages & VALIDATE)
			validate_burst(p, 0, BURST);
	}
	p->burst.item_count = 0;
}

static double cycles(int stages) {
	return cycles_per_operation(run, &stages, REPEAT * BURST);
}

static uint64_t resident_kib(void) {
	char line[128];
	uint64_t kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f != nullptr && fgets(line, sizeof(line), f) != nullptr)
		if (sscanf(line, "VmRSS: %lu", &kib) == 1)
			break;
	if (f != nullptr)
		fclose(f);
	return kib;
}

static void visit_all(void) {
	int stages = DEVICES;

	for (uint64_t n = 0; n < 8ull * devices / (REPEAT * BURST); n++)
		run(&stages);
}

int main(int argc, char **argv) {
	static const struct field_alert threshold = {
		.above = true, .raise_above = 85, .clear_below = 80
	};
	static const struct field_alert both = {
		.above = true,
		.raise_above = 85,
		.clear_below = 80,
		.unusual = true,
		.z_raise = 8,
		.z_clear = 4,
		.warmup = 100,
		.smoothing = 0.02
	};
	uint64_t most = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1000000;
	char input[32];

	for (uint64_t n = 10000; n <= most; n *= 10) {
		devices = (uint32_t)n;
		uint64_t before = resident_kib();
		setup();
		snprintf(input, sizeof(input), "%u", devices);
		visit_all();
		double none = cycles(0);
		double find = cycles(DEVICES);
		cycles_print("find-device", input, find - none);
		cycles_print("dedup", input, cycles(DEVICES | DEDUP) - find);
		profile_set((struct profile_field
		) {.type = FIELD_NUMBER, .has_min = true, .min = -40, .has_max = true, .max = 85});
		cycles_print("validate-range", input, cycles(DEVICES | VALIDATE) - find);
		profile_set((struct profile_field) {.type = FIELD_NUMBER,
						    .has_max = true,
						    .max = 85,
						    .rate_max = 1e12,
						    .stuck_after_s = 3600});
		cycles_print("validate-range-rate-stuck", input, cycles(DEVICES | VALIDATE) - find);
		profile_set((struct profile_field) {.alert = threshold});
		cycles_print("alert-threshold", input, cycles(DEVICES | VALIDATE) - find);
		profile_set((struct profile_field) {.type = FIELD_NUMBER,
						    .has_max = true,
						    .max = 85,
						    .rate_max = 1e12,
						    .stuck_after_s = 3600,
						    .alert = both});
		cycles_print("all-with-z-score", input, cycles(DEVICES | DEDUP | VALIDATE) - none);
		printf("{\"what\":\"bytes-per-device\",\"input\":\"%s\",\"reserved\":%.0f,"
		       "\"resident\":%.0f}\n",
		       input,
		       (double)p->env.states->bytes / devices,
		       (double)(resident_kib() - before) * 1024 / devices);
		struct device_states *s = p->env.states;
		pipeline_destroy(p);
		device_states_destroy(s);
	}
	return 0;
}
