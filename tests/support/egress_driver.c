// SPDX-License-Identifier: Apache-2.0
// Sinks without the data plane, for tests and benches against a real Kafka: makes records, submits
// them as a worker would, and writes down what was acknowledged.
//
//   egress_driver --brokers HOST:PORT --topic NAME --records N --acked FILE [options]
//
// FILE gets one line per record with a result: its number and "ok", "weak" or "refused". Ends with
// status 0 when every record has a result, 1 when --timeout seconds have passed, 2 on usage.
// Messages about progress go to stderr: "acked N" once a second.
#include "config/config.h"
#include "pipelines/kafka_topics.h"
#include "pipelines/partition.h"
#include "pipelines/sink.h"
#include "tests/support/batch_maker.h"

#include <errno.h>
#include <getopt.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 64
#define BATCH_BYTES (1 << 20)
#define NS_PER_S 1000000000ull

struct driver {
	uint64_t records, made, finished, rate;
	unsigned devices, size, per_batch, timeout_s, large_every;
	struct batch *free[BATCHES];
	unsigned free_count;
	uint64_t base[BATCHES]; // number of the first record of each batch
	uint32_t left[BATCHES];
	const char *acked_path;
	FILE *acked;
	struct config config;
	struct config_topic topic;
	struct property_option properties[16];
};

static _Atomic(int64_t) wall_offset;
static _Atomic(uint8_t) quality;

static uint64_t now(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void batch_fill(struct driver *d, struct batch *b, uint64_t allowed) {
	batch_open(b, 0);
	d->base[b->index] = d->made;
	while (b->count < d->per_batch && d->made < allowed) {
		char key[24];
		bool large = d->large_every > 0 && d->made % d->large_every == d->large_every - 1;
		uint32_t size = large ? 20 * d->size : d->size;
		if (b->used + size + 256 > b->capacity)
			break;
		sprintf(key, "dev-%u", (unsigned)(d->made % d->devices));
		struct view k = {(const uint8_t *)key, (uint32_t)strlen(key)};
		batch_record(b, key, d->made, partition_of(k, d->topic.partitions), size);
		d->made++;
	}
	d->left[b->index] = b->count;
}

static void run_take(struct driver *d, const struct sink_done *r) {
	static const char *const names[] = {
		[RESULT_DELIVERED] = "ok",
		[RESULT_DELIVERED_WEAK] = "weak",
		[RESULT_REFUSED] = "refused",
	};

	for (unsigned i = r->first; i < (unsigned)r->first + r->count; i++)
		fprintf(d->acked,
			"%llu %s\n",
			(unsigned long long)d->base[r->batch->index] + i,
			names[r->batch->entries[i].result]);
	d->finished += r->count;
	d->left[r->batch->index] -= r->count;
	if (d->left[r->batch->index] == 0)
		d->free[d->free_count++] = r->batch;
}

static void progress(struct driver *d, uint64_t t, uint64_t *said) {
	if (t - *said < NS_PER_S)
		return;
	*said = t;
	fprintf(stderr, "acked %llu\n", (unsigned long long)d->finished);
	// What a device was told survives whatever happens to us.
	fflush(d->acked);
	fdatasync(fileno(d->acked));
}

static int run(struct driver *d, struct sink *s) {
	uint64_t start = now(), said = start;
	struct sink_done done[256];

	while (d->finished < d->records) {
		uint64_t t = now();
		uint64_t allowed = d->records;
		if (d->rate > 0 && (t - start) / 1000 * d->rate / 1000000 < allowed)
			allowed = (t - start) / 1000 * d->rate / 1000000;
		if (t - start > (uint64_t)d->timeout_s * NS_PER_S)
			return 1;
		bool submitted = false;
		if (d->free_count > 0 && d->made < allowed) {
			struct batch *b = d->free[--d->free_count];
			batch_fill(d, b, allowed);
			if (sink_kafka_ops.submit(s, b, t) != 0)
				return 1;
			submitted = d->free_count > 0 && d->made < allowed;
		}
		unsigned n = sink_kafka_ops.poll(s, t, submitted ? 0 : 1000, done, 256);
		for (unsigned i = 0; i < n; i++)
			run_take(d, &done[i]);
		progress(d, t, &said);
	}
	double seconds = (double)(now() - start) / NS_PER_S;
	sink_kafka_ops.flush(s, 5000);
	fprintf(stderr, "done: %.3f s, %.0f records/s\n", seconds, (double)d->records / seconds);
	return 0;
}

static int property_add(struct driver *d, char *text) {
	char *equals = strchr(text, '=');

	if (equals == NULL || d->config.kafka.property_count == 16)
		return -EINVAL;
	*equals = '\0';
	d->properties[d->config.kafka.property_count++] =
		(struct property_option) {.name = text, .value = equals + 1};
	return 0;
}

static int options_parse(struct driver *d, int argc, char **argv) {
	static const struct option options[] = {
		{"brokers", 1, NULL, 'b'},
		{"topic", 1, NULL, 't'},
		{"records", 1, NULL, 'n'},
		{"rate", 1, NULL, 'r'},
		{"devices", 1, NULL, 'd'},
		{"size", 1, NULL, 's'},
		{"batch", 1, NULL, 'c'},
		{"timeout", 1, NULL, 'w'},
		{"acked", 1, NULL, 'a'},
		{"state", 1, NULL, 'S'},
		{"property", 1, NULL, 'p'},
		{"checkpoint-ms", 1, NULL, 'k'},
		{"large-every", 1, NULL, 'l'},
		{"strict", 0, NULL, 'x'},
		{0},
	};
	struct config *c = &d->config;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'b':
			snprintf(c->kafka.brokers, sizeof(c->kafka.brokers), "%s", optarg);
			break;
		case 't':
			snprintf(d->topic.name, sizeof(d->topic.name), "%s", optarg);
			break;
		case 'n':
			d->records = strtoull(optarg, NULL, 10);
			break;
		case 'r':
			d->rate = strtoull(optarg, NULL, 10);
			break;
		case 'd':
			d->devices = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 's':
			d->size = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			d->per_batch = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'w':
			d->timeout_s = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'a':
			d->acked_path = optarg;
			break;
		case 'S':
			snprintf(c->state_dir, sizeof(c->state_dir), "%s", optarg);
			break;
		case 'k':
			c->egress.checkpoint_ms = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'l':
			d->large_every = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'x':
			c->kafka.accept_weak_topic = false;
			break;
		case 'p':
			if (property_add(d, optarg) == 0)
				break;
			[[fallthrough]];
		default:
			return -EINVAL;
		}
	}
	return d->acked_path != NULL && d->records > 0 && d->topic.name[0] != '\0'
			&& d->per_batch <= BATCH_ENTRIES_MAX && d->devices > 0
		? 0
		: -EINVAL;
}

int main(int argc, char **argv) {
	static struct driver d = {
		.devices = 100,
		.size = 200,
		.per_batch = 500,
		.timeout_s = 60,
	};
	struct sink_env env = {&d.config, 0, 7, &wall_offset, &quality};
	char why[512] = "";
	struct sink *s;

	d.config = (struct config) {
		.appliance = "test",
		.state_dir = "/tmp",
		.topics = &d.topic,
		.topic_count = 1,
		.dataplane.workers = 1,
		.egress =
			{.threads = 1,
			 .batches = BATCHES,
			 .checkpoint_ms = 1000,
			 .in_flight_records = BATCHES * BATCH_ENTRIES_MAX,
			 .in_flight_bytes = (uint64_t)BATCHES * BATCH_BYTES},
		.kafka = {.accept_weak_topic = true, .properties = d.properties},
	};
	if (options_parse(&d, argc, argv) != 0) {
		fprintf(stderr,
			"usage: egress_driver --brokers B --topic T --records N --acked F ...\n");
		return 2;
	}
	d.acked = fopen(d.acked_path, "we");
	if (d.acked == NULL) {
		perror(d.acked_path);
		return 2;
	}
	wall_offset = (int64_t)((uint64_t)time(NULL) * NS_PER_S - now());
	for (uint16_t i = 0; i < BATCHES; i++)
		d.free[d.free_count++] = batch_make(0, i, BATCH_BYTES);
	if (kafka_topics_resolve(&d.config, 10000, why, sizeof(why)) != 0
	    || sink_kafka_ops.create(&env, &s, why, sizeof(why)) != 0) {
		fprintf(stderr, "egress_driver: %s\n", why);
		return 3;
	}
	int status = run(&d, s);
	fclose(d.acked);
	sink_kafka_ops.destroy(s);
	return status;
}
