// SPDX-License-Identifier: Apache-2.0
// Kafka egress (sink_kafka: numbers, checkpoints, results per record) against a bare librdkafka
// loop with the same properties, message size, batches and broker.
//
//   bench_egress                      librdkafka's mock cluster in a process of its own, then the
//                                     same with 300 ms added to its answers
//   bench_egress quick                without the latter
//   bench_egress HOST:PORT TOPIC      a Kafka; TOPIC has 4 partitions
//
// The lines "packing" send the same telemetry one record a message, and packed (routes[].pack)
// without and with kafka.compression, all through the sink, in the same run.
//
// Each line is the best of three alternating runs. "cpu" is of the whole process, librdkafka's
// threads included.
#include "config/config.h"
#include "pipelines/kafka_properties.h"
#include "pipelines/kafka_topics.h"
#include "pipelines/sha256.h"
#include "pipelines/sink.h"
#include "tests/support/batch_maker.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PARTITIONS 4
#define DEVICES 1000
#define BATCHES 512
#define BATCH_RECORDS 500
#define RECORD_BYTES 200
#define ROUNDS 3
#define NS_PER_S 1000000000ull

static struct config_topic topic = {.name = "bench", .partitions = PARTITIONS};
static struct config config;
static struct batch *batches[BATCHES];
static _Atomic(int64_t) wall_offset;
static _Atomic(uint8_t) quality;

struct result {
	double rate; // records per second
	double cpu_ns; // per record
};

static uint64_t now(clockid_t clock) {
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void batches_refill(void) {
	for (uint16_t i = 0; i < BATCHES; i++) {
		batch_open(batches[i], 0);
		batches[i]->packing = PACK_NONE;
		for (unsigned k = 0; k < BATCH_RECORDS; k++) {
			char key[16];
			snprintf(key, sizeof(key), "dev-%u", k % DEVICES);
			batch_record(batches[i], key, k, (int32_t)(k % PARTITIONS), RECORD_BYTES);
		}
	}
}

static void batches_fill(void) {
	for (uint16_t i = 0; i < BATCHES; i++)
		batches[i] = batch_make(0, i, BATCH_RECORDS * (RECORD_BYTES + 128));
	batches_refill();
}

static uint32_t seed;

// Below `below`, the same in each run.
static uint32_t number(uint32_t below) {
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * below >> 32);
}

// Telemetry as it compresses in life: the same keys, other numbers. A batch is of one partition, so
// that it can be packed; `pack` 0 makes the same records messages of their own.
static void telemetry_fill(uint16_t pack) {
	for (uint16_t i = 0; i < BATCHES; i++) {
		struct batch *b = batches[i];
		batch_open(b, 0);
		b->packing = pack > 0 ? PACK_LINES : PACK_NONE;
		b->pack_max = pack;
		b->partition = i % PARTITIONS;
		for (unsigned k = 0; k < BATCH_RECORDS; k++) {
			struct batch_entry *e = batch_record(b, "", k, b->partition, 0);
			uint32_t room = b->capacity - e->offset;
			e->len = (uint32_t)snprintf(
				(char *)b->buf + e->offset,
				room,
				"{\"type\":\"record\",\"ledger_seq\":%20u,\"device\":\"dev-%u\","
				"\"epoch\":%u,"
				"\"seq\":%u,\"arrival_ns\":17637120%011u,\"fields\":{\"temp\":%u.%"
				"02u,"
				"\"hum\":%u,\"press\":%u.%u,\"batt\":%u}}",
				0u,
				number(DEVICES),
				number(1000),
				k,
				number(UINT32_MAX),
				number(60),
				number(100),
				number(100),
				900 + number(200),
				number(10),
				2000 + number(1500)
			);
			e->seq_at = e->offset
				+ (uint32_t)strlen("{\"type\":\"record\",\"ledger_seq\":");
			b->used = e->offset + e->len;
			b->buf[b->used++] = '\n';
		}
	}
}

// The least that keeps a producer busy: whole batches round and round, a count of reports each.
static void bare_run(rd_kafka_t *rk, rd_kafka_topic_t *rkt, uint64_t records) {
	static rd_kafka_message_t messages[BATCH_RECORDS];
	static uint32_t left[BATCHES];
	rd_kafka_queue_t *queue = rd_kafka_queue_get_main(rk);
	uint64_t made = 0, reported = 0;

	memset(left, 0, sizeof(left));
	while (reported < records) {
		uint32_t i = (uint32_t)(made / BATCH_RECORDS % BATCHES);
		bool full = left[i] > 0 || made >= records;
		if (!full) {
			struct batch *b = batches[i];
			for (uint32_t k = 0; k < BATCH_RECORDS; k++) {
				struct batch_entry *e = &b->entries[k];
				messages[k] = (rd_kafka_message_t) {
					.partition = e->partition,
					.payload = b->buf + e->offset,
					.len = e->len,
					.key = b->buf + e->key_offset,
					.key_len = e->key_len,
					._private = (void *)(uintptr_t)i,
				};
			}
			left[i] = BATCH_RECORDS;
			made += (uint64_t)rd_kafka_produce_batch(
				rkt,
				RD_KAFKA_PARTITION_UA,
				RD_KAFKA_MSG_F_PARTITION,
				messages,
				BATCH_RECORDS
			);
		}
		rd_kafka_event_t *ev;
		while ((ev = rd_kafka_queue_poll(queue, full ? 1 : 0)) != NULL) {
			const rd_kafka_message_t *m;
			while ((m = rd_kafka_event_message_next(ev)) != NULL) {
				left[(uintptr_t)m->_private]--;
				reported++;
			}
			rd_kafka_event_destroy(ev);
			full = false;
		}
	}
	rd_kafka_queue_destroy(queue);
}

static struct result measured(uint64_t from, uint64_t cpu_from, uint64_t records) {
	return (struct result) {
		.rate = (double)records * NS_PER_S / (double)(now(CLOCK_MONOTONIC) - from),
		.cpu_ns = (double)(now(CLOCK_PROCESS_CPUTIME_ID) - cpu_from) / (double)records,
	};
}

static struct result bare(uint64_t records) {
	const struct rd_kafka_metadata *md;
	char text[256];
	rd_kafka_conf_t *conf;

	kafka_conf_producer(&config, 0, 1000000, &conf, text, sizeof(text));
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic.name, NULL);
	if (rd_kafka_metadata(rk, 0, rkt, &md, 5000) == RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_metadata_destroy(md);
	bare_run(rk, rkt, BATCH_RECORDS); // producer id, leaders
	uint64_t from = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	bare_run(rk, rkt, records);
	struct result r = measured(from, cpu, records);
	rd_kafka_topic_destroy(rkt);
	rd_kafka_destroy(rk);
	return r;
}

static void sink_run(struct sink *s, uint64_t records) {
	static struct batch *free_list[BATCHES];
	static uint32_t left[BATCHES];
	struct sink_done done[256];
	uint64_t made = 0, reported = 0;
	unsigned free_count = 0;

	for (unsigned i = 0; i < BATCHES; i++)
		free_list[free_count++] = batches[i];
	while (reported < records) {
		uint64_t t = now(CLOCK_MONOTONIC);
		bool more = free_count > 0 && made < records;
		if (more) {
			struct batch *b = free_list[--free_count];
			left[b->index] = b->count;
			made += b->count;
			sink_kafka_ops.submit(s, b, t);
		}
		unsigned n = sink_kafka_ops.poll(s, t, more ? 0 : 1000, done, 256);
		for (unsigned i = 0; i < n; i++) {
			uint16_t b = done[i].batch->index;
			reported += done[i].count;
			left[b] -= done[i].count;
			if (left[b] == 0)
				free_list[free_count++] = done[i].batch;
		}
	}
}

static struct result egress(uint64_t records) {
	const struct sink_env env = {&config, 0, 7, &wall_offset, &quality};
	char why[256] = "";
	struct sink *s;

	if (sink_kafka_ops.create(&env, &s, why, sizeof(why)) != 0) {
		fprintf(stderr, "bench_egress: %s\n", why);
		exit(1);
	}
	sink_run(s, BATCH_RECORDS);
	uint64_t from = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	sink_run(s, records);
	struct result r = measured(from, cpu, records);
	sink_kafka_ops.flush(s, 1000);
	sink_kafka_ops.destroy(s);
	return r;
}

static void compare(const char *broker, uint64_t records) {
	struct result b = {0}, e = {0}, plain = {0};

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct result r = bare(records);
		if (r.rate > b.rate)
			b = r;
		config.egress.checkpoint_ms = 1000;
		r = egress(records);
		if (r.rate > e.rate)
			e = r;
		config.egress.checkpoint_ms = 0;
		r = egress(records);
		if (r.rate > plain.rate)
			plain = r;
	}
	printf("{\"what\":\"egress\",\"broker\":\"%s\",\"record_bytes\":%d,\"records\":%lu,"
	       "\"bare_per_s\":%.0f,\"egress_per_s\":%.0f,\"without_checkpoints_per_s\":%.0f,"
	       "\"ratio\":%.3f,\"ratio_without_checkpoints\":%.3f,\"bare_cpu_ns\":%.0f,"
	       "\"egress_cpu_ns\":%.0f,\"without_checkpoints_cpu_ns\":%.0f}\n",
	       broker,
	       RECORD_BYTES,
	       records,
	       b.rate,
	       e.rate,
	       plain.rate,
	       e.rate / b.rate,
	       plain.rate / b.rate,
	       b.cpu_ns,
	       e.cpu_ns,
	       plain.cpu_ns);
	fflush(stdout);
}

static void packing(const char *broker, uint64_t records) {
	static const char *const codecs[] = {
		[COMPRESSION_NONE] = "none", [COMPRESSION_LZ4] = "lz4", [COMPRESSION_ZSTD] = "zstd"
	};
	struct result single = {0}, packed[3] = {0};

	for (unsigned i = 0; i < ROUNDS; i++) {
		seed = 1;
		telemetry_fill(0);
		config.kafka.compression = COMPRESSION_NONE;
		struct result r = egress(records);
		if (r.rate > single.rate)
			single = r;
		for (unsigned c = 0; c < 3; c++) {
			seed = 1;
			telemetry_fill(BATCH_RECORDS);
			config.kafka.compression = (enum kafka_compression)c;
			r = egress(records);
			if (r.rate > packed[c].rate)
				packed[c] = r;
		}
	}
	config.kafka.compression = COMPRESSION_NONE;
	for (unsigned c = 0; c < 3; c++)
		printf("{\"what\":\"packing\",\"broker\":\"%s\",\"record_bytes\":%u,\"records\":%"
		       "lu,"
		       "\"pack\":%d,\"compression\":\"%s\",\"single_per_s\":%.0f,\"packed_per_s\":%"
		       ".0f,"
		       "\"ratio\":%.2f,\"single_cpu_ns\":%.0f,\"packed_cpu_ns\":%.0f,\"cpu_ratio\":"
		       "%.2f}\n",
		       broker,
		       batches[0]->used / BATCH_RECORDS,
		       records,
		       BATCH_RECORDS,
		       codecs[c],
		       single.rate,
		       packed[c].rate,
		       packed[c].rate / single.rate,
		       single.cpu_ns,
		       packed[c].cpu_ns,
		       single.cpu_ns / packed[c].cpu_ns);
	fflush(stdout);
}

// One chain, and two that take turns as those of two partitions do.
static void chain_cost(void) {
	uint8_t record[RECORD_BYTES] = {0}, digest[SHA256_BYTES];
	struct sha256 s[2];
	const unsigned n = 200000;
	double ns[2];

	for (unsigned pair = 0; pair < 2; pair++) {
		sha256_init(&s[0]);
		sha256_init(&s[1]);
		uint64_t from = now(CLOCK_MONOTONIC);
		for (unsigned i = 0; i < n; i++) {
			struct sha256 *one = &s[i % (pair + 1)];
			if (pair == 1 && !sha256_fits(one, sizeof(record)))
				sha256_hash_pair(one, &s[1 - i % 2]);
			sha256_update(one, record, sizeof(record));
		}
		ns[pair] = (double)(now(CLOCK_MONOTONIC) - from) / n;
		sha256_digest(&s[0], digest);
	}
	printf("{\"what\":\"checkpoint chain\",\"record_bytes\":%d,\"ns_per_record\":%.0f,"
	       "\"ns_per_record_of_two\":%.0f}\n",
	       RECORD_BYTES,
	       ns[0],
	       ns[1]);
}

// The mock in a process of its own; its address comes through the pipe. Ends with us.
static pid_t mock_start(int rtt_ms, char *address, size_t len) {
	int fds[2];

	if (pipe(fds) != 0)
		exit(1);
	pid_t pid = fork();
	if (pid == 0) {
		char text[256];
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rd_kafka_t *rk =
			rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof(text));
		rd_kafka_mock_cluster_t *m = rd_kafka_mock_cluster_new(rk, 1);
		rd_kafka_mock_topic_create(m, topic.name, PARTITIONS, 1);
		rd_kafka_mock_broker_set_rtt(m, 1, rtt_ms);
		dprintf(fds[1], "%s", rd_kafka_mock_cluster_bootstraps(m));
		close(fds[1]);
		pause();
		_exit(0);
	}
	close(fds[1]);
	ssize_t n = read(fds[0], address, len - 1);
	address[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	return pid;
}

static void mock_compare(const char *name, int rtt_ms, uint64_t records) {
	pid_t pid = mock_start(rtt_ms, config.kafka.brokers, sizeof(config.kafka.brokers));

	compare(name, records);
	if (rtt_ms == 0) {
		packing(name, records);
		batches_refill();
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv) {
	config = (struct config) {
		.appliance = "bench",
		.topics = &topic,
		.topic_count = 1,
		.dataplane.workers = 1,
		.egress =
			{.threads = 1,
			 .batches = BATCHES,
			 .in_flight_records = BATCHES * BATCH_RECORDS,
			 .in_flight_bytes = 1ull << 30},
		.kafka.accept_weak_topic = true,
	};
	batches_fill();
	chain_cost();
	if (argc == 3) {
		snprintf(config.kafka.brokers, sizeof(config.kafka.brokers), "%s", argv[1]);
		snprintf(topic.name, sizeof(topic.name), "%s", argv[2]);
		compare("kafka", 1000000);
		packing("kafka", 1000000);
		return 0;
	}
	mock_compare("mock", 0, 1000000);
	if (argc == 1)
		mock_compare("mock+300ms", 300, 300000);
	return 0;
}
