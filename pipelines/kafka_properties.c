// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "config/kafka_forbidden.h"
#include "pipelines/kafka_properties.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

// librdkafka refuses more; the real bound is what pipelines let in flight.
#define QUEUE_KBYTES_MAX 2147483647ull
#define QUEUE_MESSAGES_MAX 2147483647ull

int kafka_property_check(const char *name, const char *value, char *why, size_t why_len) {
	const char *instead = kafka_forbidden(name);

	if (instead != nullptr) {
		snprintf(why, why_len, "kafka.properties.%s may not be set: %s", name, instead);
		return -EPERM;
	}
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256] = "";
	rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, name, value, text, sizeof(text));
	rd_kafka_conf_destroy(conf);
	if (res == RD_KAFKA_CONF_OK)
		return 0;
	snprintf(why, why_len, "kafka.properties.%s: %s", name, text);
	return res == RD_KAFKA_CONF_UNKNOWN ? -ENOENT : -EINVAL;
}

int kafka_brokers(const struct config *c, char *out, size_t len, char *why, size_t why_len) {
	char path[300];

	if (strcmp(c->kafka.brokers, "embedded") != 0) {
		snprintf(out, len, "%s", c->kafka.brokers);
		return 0;
	}
	snprintf(path, sizeof(path), "%s/kafka", c->run_dir);
	FILE *f = fopen(path, "re");
	if (f == nullptr || fgets(out, (int)len, f) == nullptr || out[0] == '\n') {
		snprintf(
			why,
			why_len,
			"kafka.brokers is embedded, but %s is not there: start `sluiced "
			"embedded-kafka` first",
			path
		);
		if (f != nullptr)
			fclose(f);
		return -ENOENT;
	}
	fclose(f);
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

// Never payload, topic content or credentials: librdkafka logs none at these levels.
static void log_print(const rd_kafka_t *, int level, const char *facility, const char *text) {
	// CONFWARN is about properties we set on purpose.
	if (level <= LOG_WARNING && strcmp(facility, "CONFWARN") != 0)
		fprintf(stderr, "kafka: %s: %s\n", facility, text);
}

struct setting {
	const char *name;
	const char *value;
};

static int settings_apply(
	rd_kafka_conf_t *conf,
	const struct setting *s,
	size_t n,
	char *why,
	size_t why_len
) {
	for (size_t i = 0; i < n; i++) {
		char text[256] = "";
		if (rd_kafka_conf_set(conf, s[i].name, s[i].value, text, sizeof(text))
		    != RD_KAFKA_CONF_OK) {
			snprintf(why, why_len, "librdkafka: %s: %s", s[i].name, text);
			return -EINVAL;
		}
	}
	return 0;
}

int kafka_conf_create(const struct config *c, rd_kafka_conf_t **out, char *why, size_t why_len) {
	char brokers[sizeof(c->kafka.brokers)];
	rd_kafka_conf_t *conf;

	int ret = kafka_brokers(c, brokers, sizeof(brokers), why, why_len);
	if (ret != 0)
		return ret;
	const struct setting first[] = {
		{"bootstrap.servers", brokers},
		{"allow.auto.create.topics", "false"},
		{"socket.keepalive.enable", "true"},
		// Small requests of several partitions would otherwise wait 40 ms for a delayed
		// ACK.
		{"socket.nagle.disable", "true"},
		// A broker that comes back is found within a second.
		{"reconnect.backoff.max.ms", "1000"},
	};
	conf = rd_kafka_conf_new();
	rd_kafka_conf_set_log_cb(conf, log_print);
	ret = settings_apply(conf, first, sizeof(first) / sizeof(first[0]), why, why_len);
	for (uint32_t i = 0; ret == 0 && i < c->kafka.property_count; i++) {
		const struct property_option *p = &c->kafka.properties[i];
		ret = kafka_property_check(p->name, p->value, why, why_len);
		if (ret == 0)
			rd_kafka_conf_set(conf, p->name, p->value, nullptr, 0);
	}
	if (ret != 0) {
		rd_kafka_conf_destroy(conf);
		return ret;
	}
	*out = conf;
	return 0;
}

int kafka_conf_producer(
	const struct config *c,
	unsigned egress,
	unsigned batch_bytes,
	rd_kafka_conf_t **out,
	char *why,
	size_t why_len
) {
	static const char *const codecs[] = {
		[COMPRESSION_NONE] = "none",
		[COMPRESSION_LZ4] = "lz4",
		[COMPRESSION_ZSTD] = "zstd",
	};
	char client[64], messages[16], kbytes[16], batch[16], old[64];
	size_t old_len = sizeof(old);
	rd_kafka_conf_t *conf;

	int ret = kafka_conf_create(c, &conf, why, why_len);
	if (ret != 0)
		return ret;
	// Twice what the workers may have in flight: room for our own checkpoints, so a full queue
	// is the exception.
	uint64_t n = 2ull * c->dataplane.workers * c->egress.in_flight_records + 10000;
	uint64_t kb = 2ull * c->dataplane.workers * c->egress.in_flight_bytes / 1024 + 65536;
	snprintf(
		messages,
		sizeof(messages),
		"%u",
		(unsigned)(n < QUEUE_MESSAGES_MAX ? n : QUEUE_MESSAGES_MAX)
	);
	snprintf(
		kbytes,
		sizeof(kbytes),
		"%u",
		(unsigned)(kb < QUEUE_KBYTES_MAX ? kb : QUEUE_KBYTES_MAX)
	);
	snprintf(client, sizeof(client), "sluice-%.32s-%u", c->appliance, egress);
	snprintf(batch, sizeof(batch), "%u", batch_bytes);
	const struct setting contract[] = {
		{"acks", "all"},
		{"enable.idempotence", "true"},
		// A failure that would let later records pass an earlier one stops the producer
		// instead; sink_kafka makes a new one and offers everything again in order.
		{"enable.gapless.guarantee", "true"},
		{"max.in.flight.requests.per.connection", "5"},
		{"message.timeout.ms", "0"}, // never give up
		// Batches come collected; waiting again inside librdkafka only adds latency.
		{"linger.ms", "1"},
		{"batch.size", batch},
		{"compression.codec", codecs[c->kafka.compression]},
		{"message.send.max.retries", "2147483647"},
		{"queue.buffering.max.messages", messages},
		{"queue.buffering.max.kbytes", kbytes},
		{"delivery.report.only.error", "false"},
	};
	ret = settings_apply(conf, contract, sizeof(contract) / sizeof(contract[0]), why, why_len);
	if (ret == 0 && rd_kafka_conf_get(conf, "client.id", old, &old_len) == RD_KAFKA_CONF_OK
	    && strcmp(old, "rdkafka") == 0)
		rd_kafka_conf_set(conf, "client.id", client, nullptr, 0);
	if (ret != 0) {
		rd_kafka_conf_destroy(conf);
		return ret;
	}
	rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
	*out = conf;
	return 0;
}
