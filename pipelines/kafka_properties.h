// SPDX-License-Identifier: Apache-2.0
// The librdkafka configuration of every client this program makes. Control path.
#pragma once

#include <librdkafka/rdkafka.h>

#include <stddef.h>

struct config;

// May kafka.properties set `name` to `value`? 0, or -EPERM (the contract rests on it), -ENOENT (no
// such property, or not for producers) or -EINVAL (librdkafka refuses the value; also: it was built
// without what the property needs), and `why` says what to do. Pure but for librdkafka's own table.
int kafka_property_check(const char *name, const char *value, char *why, size_t why_len);

// The brokers to start from: kafka.brokers, or for "embedded" the address that `sluiced
// embedded-kafka` wrote to run_dir/kafka. -ENOENT if that is not there.
int kafka_brokers(const struct config *c, char *out, size_t len, char *why, size_t why_len);

// kafka.brokers and kafka.properties: enough for an admin client. The caller owns *out.
int kafka_conf_create(const struct config *c, rd_kafka_conf_t **out, char *why, size_t why_len);

// The same plus what the contract of a producer rests on. batch_bytes: largest batch of records.
int kafka_conf_producer(
	const struct config *c,
	unsigned egress,
	unsigned batch_bytes,
	rd_kafka_conf_t **out,
	char *why,
	size_t why_len
);
