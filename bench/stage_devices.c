// SPDX-License-Identifier: Apache-2.0
// Cycles per record of what looks at a device's past: the registry (look up, quota, what it did),
// finding the device's state, dedup, validate, alerts, alone and together, with 10,000 devices and
// ten times as many up to argv[1] (1,000,000; 10,000,000 take 8 GiB and a minute), each record from
// a device chosen at random; and bytes per device, by the account and resident. JSON, then a table.
#include "bench/cycles.h"
#include "config/config.h"
#include "dataplane/device_table.h"
#include "pipelines/dedup.h"
#include "pipelines/devices.h"
#include "pipelines/pipeline_state.h"
#include "pipelines/validate.h"

#include <string.h>

#define BURST 64
#define REPEAT 16
#define STEPS_MAX 5
#define NAME_LEN 16
#define BATCHES 4
#define BATCH_BYTES (256u << 10)

enum { REGISTRY = 1, DEVICES = 2, DEDUP = 4, VALIDATE = 8 };

// Lines of the table.
#define LINES(X)                                                                                   \
	X(LINE_REGISTRY, "registry")                                                               \
	X(LINE_FIND, "find-device")                                                                \
	X(LINE_DEDUP, "dedup")                                                                     \
	X(LINE_RANGE, "validate-range")                                                            \
	X(LINE_PAST, "validate-range-rate-stuck")                                                  \
	X(LINE_ALERT, "alert-threshold")                                                           \
	X(LINE_ALL, "all-with-z-score")                                                            \
	X(LINE_ACCOUNT, "bytes-account")                                                           \
	X(LINE_RESIDENT, "bytes-resident")

enum line {
#define X(id, label) id,
	LINES(X)
#undef X
		LINE_COUNT
};

static const char *const labels[LINE_COUNT] = {
#define X(id, label) [id] = label,
	LINES(X)
#undef X
};

static struct config config;
static struct config_topic topics[2] = {{.partitions = 12}, {.partitions = 12}};
static struct config_route route;
static struct profile profile;
static struct profile_field fields[1];
static uint16_t profile_index[16], required[1];
static struct batch *batches;
static struct ledger ledger;
static struct pipeline *p;
static struct device_table *table;
static uint32_t devices;
static double results[LINE_COUNT][STEPS_MAX];
static uint32_t counts[STEPS_MAX];
static int step;
static char names[BURST][NAME_LEN];
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
	if (device_table_create(devices, secret, &table) != 0
	    || device_states_create(devices, 1, 8, 8, secret, &env.states) != 0
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

static void name_of(uint32_t n, char name[NAME_LEN]) {
	memcpy(name, "device-000000000", NAME_LEN);
	for (unsigned d = NAME_LEN; n > 0; n /= 10)
		name[--d] = (char)('0' + n % 10);
}

// Every device is in the registry and was heard of: its dedup window is full, its fields have been
// seen.
static void know_all(void) {
	struct device_states *s = p->env.states;

	for (uint32_t n = 0; n < devices; n++) {
		struct channel_device d = {
			.op = CHANNEL_PUT, .name_len = NAME_LEN, .records_per_s = 1u << 30
		};
		uint64_t hash[2];
		uint32_t place;
		name_of(n, d.name);
		device_hash(s, view_of(d.name, NAME_LEN), hash);
		if (device_table_apply(table, &d, 1) != 0
		    || device_find(s, 0, hash, DEVICE_PLACE_NONE, n / 1000, true, &place)
			    >= DEVICE_AWAY)
			exit(1);
		for (uint16_t i = 0; i < s->entries; i++)
			device_entries(s, place)[i] = (struct dedup_entry
			) {.key = (hash[0] + i) << 16 | 1, .pending = DEDUP_COMMITTED};
		device_fields(s, place)[0] = (struct field_state) {.mean = 20, .seen = true};
	}
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
		name_of(n, names[i]);
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
						 .device = view_of(names[i], NAME_LEN),
						 .state = STATE_NONE,
						 .live = true,
						 .quarantine = FINDING_NONE,
						 .first_field = i,
						 .field_count = 1};
	}
}

// As the gate does it for a burst.
static void registry_burst(void) {
	struct device_contact c = {.peer_hash = 7, .peer = {.family = 4}, .wall_ns = 1};
	struct device_entry entries[BURST];
	uint64_t hash[BURST][2];

	for (uint16_t i = 0; i < BURST; i++)
		memcpy(hash[i], p->burst.records[i].name, sizeof(hash[i]));
	device_table_find(table, hash, BURST, entries);
	for (uint16_t i = 0; i < BURST; i++) {
		if (entries[i].slot == DEVICE_NONE)
			exit(1);
		if (device_quota_take(table, &entries[i], 1, 96, p->now_ns))
			device_table_seen(table, entries[i].slot, &c, 1, 96);
	}
}

// Whatever stage is measured, the names are made first, as the pipeline does it.
static void name_records(void) {
	for (uint16_t i = 0; i < BURST; i++) {
		struct record *r = &p->burst.records[i];
		device_hash(p->env.states, r->device, r->name);
	}
}

static uint64_t seed = 1;

static void run(void *which) {
	int stages = *(int *)which;

	for (int i = 0; i < REPEAT; i++) {
		fill(&seed);
		if (stages != 0)
			name_records();
		if (stages & REGISTRY)
			registry_burst();
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

static void result(enum line l, double value) {
	char input[32];

	results[l][step] = value;
	snprintf(input, sizeof(input), "%u", devices);
	if (l < LINE_ACCOUNT)
		cycles_print(labels[l], input, value);
	else
		printf("{\"what\":\"%s\",\"input\":\"%s\",\"bytes\":%.1f}\n",
		       labels[l],
		       input,
		       value);
	fflush(stdout);
}

static void print_table(void) {
	printf("\n%-28s", "");
	for (int i = 0; i < step; i++)
		printf("%12u", counts[i]);
	for (enum line l = 0; l < LINE_COUNT; l++) {
		printf("\n%-28s", labels[l]);
		for (int i = 0; i < step; i++)
			printf("%12.0f", results[l][i]);
	}
	printf("\n");
}

static void measure(void) {
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
	struct profile_field past = {
		.type = FIELD_NUMBER,
		.has_max = true,
		.max = 85,
		.rate_max = 1e12,
		.stuck_after_s = 3600
	};
	double none = cycles(0);
	double find = cycles(DEVICES);

	result(LINE_REGISTRY, cycles(REGISTRY) - none);
	result(LINE_FIND, find - none);
	result(LINE_DEDUP, cycles(DEVICES | DEDUP) - find);
	profile_set((struct profile_field
	) {.type = FIELD_NUMBER, .has_min = true, .min = -40, .has_max = true, .max = 85});
	result(LINE_RANGE, cycles(DEVICES | VALIDATE) - find);
	profile_set(past);
	result(LINE_PAST, cycles(DEVICES | VALIDATE) - find);
	profile_set((struct profile_field) {.alert = threshold});
	result(LINE_ALERT, cycles(DEVICES | VALIDATE) - find);
	past.alert = both;
	profile_set(past);
	result(LINE_ALL, cycles(REGISTRY | DEVICES | DEDUP | VALIDATE) - none);
}

int main(int argc, char **argv) {
	uint64_t most = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1000000;

	for (uint64_t n = 10000; n <= most && step < STEPS_MAX; n *= 10, step++) {
		devices = counts[step] = (uint32_t)n;
		uint64_t before = resident_kib();
		setup();
		know_all();
		uint64_t grown = resident_kib() - before;
		struct device_states *s = p->env.states;
		measure();
		result(LINE_ACCOUNT, (double)(s->bytes + device_table_bytes(table)) / devices);
		result(LINE_RESIDENT, (double)grown * 1024 / devices);
		pipeline_destroy(p);
		device_states_destroy(s);
		device_table_destroy(table);
	}
	print_table();
	return 0;
}
