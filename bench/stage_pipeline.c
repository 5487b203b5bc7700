// SPDX-License-Identifier: Apache-2.0
// Cycles per record of each pipeline stage, and of the whole from push to verdict with a sink that
// acknowledges at once: JSON envelope, bursts of 32, the input in cache.
#include "bench/cycles.h"
#include "bench/payloads.h"
#include "config/config.h"
#include "pipelines/decode.h"
#include "pipelines/encode_json.h"
#include "pipelines/pipeline.h"
#include "pipelines/route.h"

#include <stdatomic.h>
#include <string.h>

#define BURST 32
#define REPEAT 32
#define BATCHES 64
#define BATCH_BYTES (256u << 10)

static struct config config;
static struct config_topic topics[2] = {{.partitions = 12}, {.partitions = 12}};
static struct config_route route = {.ack = ACK_KAFKA};
static struct profile profile;

static struct burst burst;
static struct envelope envelope;
static struct payload_decoder *decoder;
static uint8_t text[1 << 16];

static struct batch *batches;
static struct pipeline *pipeline;
static struct ledger ledger;
static struct batch *sealed[BATCHES];
static uint32_t sealed_count;

static struct message message(const struct bench_payload *p) {
	static const uint8_t peer[4] = {10, 77, 0, 2};

	return (struct message) {
		.transport = TRANSPORT_UDP,
		.format = p->format,
		.profile = &profile,
		.payload = p->bytes,
		.peer = view_of(peer, 4),
		.rx_wall_ns = 1763712000123456789,
		.rx_ns = 1,
		.epoch = 1763711000,
		.seq = 123456,
		.token = TOKEN_NONE,
	};
}

static void fill(const struct bench_payload *p) {
	burst.item_count = BURST;
	for (int i = 0; i < BURST; i++) {
		burst.items[i].m = message(p);
		burst.items[i].state = ITEM_GOING;
	}
}

static void run_decode(void *) {
	for (int i = 0; i < REPEAT; i++)
		if (decode_burst(decoder, &burst, 0) != BURST || burst.record_count != BURST)
			exit(1);
}

static void run_route(void *) {
	for (int i = 0; i < REPEAT; i++)
		route_burst(&burst, 0, BURST, &config, 2);
}

static void run_encode(void *) {
	for (int i = 0; i < REPEAT * BURST; i++) {
		const struct item *it = &burst.items[i % BURST];
		const struct record *rec = &burst.records[i % BURST];
		if (encode_json_bound(&envelope, it, rec, &burst.readings) > sizeof(text))
			exit(1);
		encode_json(&envelope, it, rec, &burst.readings, text);
	}
}

static void on_sealed(void *, struct batch *b) {
	sealed[sealed_count++] = b;
}

static void complete_all(void) {
	for (uint32_t i = 0; i < sealed_count; i++) {
		struct batch *b = sealed[i];
		for (uint32_t k = 0; k < b->count; k++)
			atomic_store_explicit(
				&b->entries[k].result, RESULT_DELIVERED, memory_order_relaxed
			);
		pipeline_complete(
			pipeline,
			(struct completion) {.batch = b->index, .count = (uint16_t)b->count},
			1000
		);
	}
	sealed_count = 0;
}

static void run_all(void *input) {
	struct message m = message(input);

	for (int i = 0; i < REPEAT; i++) {
		for (int k = 0; k < BURST; k++)
			pipeline_push(pipeline, &m);
		pipeline_run(pipeline, 1, m.rx_wall_ns);
		complete_all();
	}
	pipeline_seal_all(pipeline);
	complete_all();
}

static void setup(void) {
	struct pipeline_env env = {
		.egress_count = 2,
		.batch_count = BATCHES,
		.ack_slots = 1024,
		.in_flight_records_max = 1u << 20,
		.in_flight_bytes_max = 1u << 30,
		.ledger = &ledger,
		.sealed = on_sealed,
	};

	snprintf(config.appliance, sizeof(config.appliance), "sluice-1");
	config.topics = topics;
	config.topic_count = 2;
	config.kafka.dead_letter = 1;
	config.egress.linger_us = 2000;
	config.egress.batch_records = 512;
	snprintf(profile.name, sizeof(profile.name), "bench");
	profile.device_from = DEVICE_FROM_PAYLOAD;
	profile.hints = bench_hints;
	profile.route = &route;
	envelope_render(&envelope, &config);
	decoder = payload_decoder_init(aligned_alloc(64, payload_decoder_size()));
	batches = calloc(BATCHES, sizeof(*batches));
	for (uint16_t i = 0; i < BATCHES; i++) {
		batches[i].index = i;
		batches[i].capacity = BATCH_BYTES;
		batches[i].buf = malloc(BATCH_BYTES);
		memset(batches[i].buf, 1, BATCH_BYTES);
	}
	env.batches = batches;
	if (pipeline_create(&env, &config, &pipeline) < 0)
		exit(1);
}

int main(void) {
	setup();
	for (uint32_t i = 0; i < bench_payload_count; i++) {
		struct bench_payload p = bench_payloads[i];
		profile.device_from =
			p.format == PAYLOAD_RAW ? DEVICE_FROM_ADDRESS : DEVICE_FROM_PAYLOAD;
		fill(&p);
		cycles_print(
			"decode", p.name, cycles_per_operation(run_decode, &p, REPEAT * BURST)
		);
		cycles_print("route", p.name, cycles_per_operation(run_route, &p, REPEAT * BURST));
		cycles_print(
			"encode-json", p.name, cycles_per_operation(run_encode, &p, REPEAT * BURST)
		);
		cycles_print(
			"push-to-verdict", p.name, cycles_per_operation(run_all, &p, REPEAT * BURST)
		);
	}
	route.encoding = ENCODING_ORIGINAL;
	struct bench_payload p = bench_payloads[0];
	profile.device_from = DEVICE_FROM_PAYLOAD;
	cycles_print(
		"push-to-verdict-original",
		p.name,
		cycles_per_operation(run_all, &p, REPEAT * BURST)
	);
	return 0;
}
