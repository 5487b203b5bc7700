// SPDX-License-Identifier: Apache-2.0
#include "config/kafka_forbidden.h"

#include <string.h>

#define ACKS                                                                                       \
	"an acknowledgement means that all in-sync replicas have it; choose per route with "       \
	"routes[].ack"
#define RETRY                                                                                      \
	"records are sent until Kafka has them; bound what may wait with "                         \
	"egress.in_flight_records and egress.in_flight_size"
#define QUEUE "use egress.in_flight_records and egress.in_flight_size"
#define COMPRESSION "use kafka.compression"
#define BATCH "use egress.batch_size, egress.batch_records and egress.linger"
#define REPORTS "every record needs its own delivery report"
#define PARTITIONS "the partition is murmur2 of the device over topics[].partitions"
#define TOPICS "topics are never created silently; create them and list them in topics"
#define ORDER "the order of a device rests on the idempotent producer"
#define TRANSACTIONS "Sluice does not use transactions"
#define CALLBACK "it takes a function, not text"

// Old and topic-level spellings of a property stand here as well: librdkafka takes both.
const struct kafka_forbidden kafka_forbidden_table[] = {
	{"acks", ACKS},
	{"allow.auto.create.topics", TOPICS},
	{"api.version.fallback.ms", ORDER},
	{"api.version.request", ORDER},
	{"background_event_cb", CALLBACK},
	{"batch.num.messages", BATCH},
	{"batch.size", BATCH},
	{"bootstrap.servers", "use kafka.brokers"},
	{"broker.version.fallback", ORDER},
	{"closesocket_cb", CALLBACK},
	{"compression.codec", COMPRESSION},
	{"compression.type", COMPRESSION},
	{"connect_cb", CALLBACK},
	{"delivery.report.only.error", REPORTS},
	{"delivery.timeout.ms", RETRY},
	{"dr_cb", CALLBACK},
	{"dr_msg_cb", CALLBACK},
	{"enable.gapless.guarantee", ORDER},
	{"enable.idempotence", ORDER},
	{"enabled_events", REPORTS},
	{"error_cb", CALLBACK},
	{"interceptors", CALLBACK},
	{"linger.ms", BATCH},
	{"log.queue", REPORTS},
	{"log_cb", CALLBACK},
	{"max.in.flight", ORDER},
	{"max.in.flight.requests.per.connection", ORDER},
	{"message.send.max.retries", RETRY},
	{"message.timeout.ms", RETRY},
	{"metadata.broker.list", "use kafka.brokers"},
	{"msg_order_cmp", ORDER},
	{"oauthbearer_token_refresh_cb", CALLBACK},
	{"opaque", CALLBACK},
	{"open_cb", CALLBACK},
	{"partitioner", PARTITIONS},
	{"partitioner_cb", PARTITIONS},
	{"plugin.library.paths", "no foreign code is loaded into the data plane"},
	{"produce.offset.report", REPORTS},
	{"queue.buffering.backpressure.threshold", QUEUE},
	{"queue.buffering.max.kbytes", QUEUE},
	{"queue.buffering.max.messages", QUEUE},
	{"queue.buffering.max.ms", BATCH},
	{"queuing.strategy", ORDER},
	{"request.required.acks", ACKS},
	{"request.timeout.ms", RETRY},
	{"resolve_cb", CALLBACK},
	{"retries", RETRY},
	{"socket.timeout.ms", RETRY},
	{"socket_cb", CALLBACK},
	{"ssl.certificate.verify_cb", CALLBACK},
	{"sticky.partitioning.linger.ms", PARTITIONS},
	{"stats_cb", CALLBACK},
	{"test.mock.*", "use kafka.brokers: embedded"},
	{"throttle_cb", CALLBACK},
	{"transaction.timeout.ms", TRANSACTIONS},
	{"transactional.id", TRANSACTIONS},
};
const size_t kafka_forbidden_count =
	sizeof(kafka_forbidden_table) / sizeof(kafka_forbidden_table[0]);

static const char *const secrets[] = {
	"sasl.oauthbearer.client.secret",
	"sasl.oauthbearer.config",
	"sasl.password",
	"ssl.key.password",
	"ssl.key.pem",
	"ssl.keystore.password",
};

static bool matches(const char *pattern, const char *name) {
	size_t n = strlen(pattern);

	if (n > 0 && pattern[n - 1] == '*')
		return strncmp(pattern, name, n - 1) == 0;
	return strcmp(pattern, name) == 0;
}

const char *kafka_forbidden(const char *name) {
	for (size_t i = 0; i < kafka_forbidden_count; i++)
		if (matches(kafka_forbidden_table[i].name, name))
			return kafka_forbidden_table[i].instead;
	return NULL;
}

bool kafka_secret(const char *name) {
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		if (strcmp(secrets[i], name) == 0)
			return true;
	return false;
}
