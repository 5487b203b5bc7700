// SPDX-License-Identifier: Apache-2.0
// Which partition a device's records go to, and which egress thread owns that partition. Pure.
#pragma once

#include "parsers/rd.h"

#include <stdint.h>

// Kafka's own murmur2 (org.apache.kafka.common.utils.Utils), so that the Java default partitioner,
// librdkafka's "murmur2_random" and this program agree.
uint32_t murmur2(struct view key);

// `partitions` > 0.
static inline int32_t partition_of(struct view key, uint32_t partitions) {
	uint32_t hash = murmur2(key) & 0x7fffffff;

	// A division takes longer than the hash.
	if ((partitions & (partitions - 1)) == 0)
		return (int32_t)(hash & (partitions - 1));
	return (int32_t)(hash % partitions);
}

// `egress_count` > 0. Neighbouring partitions of one topic spread evenly.
static inline uint16_t egress_of(uint16_t topic, int32_t partition, uint16_t egress_count) {
	uint32_t n = (uint32_t)topic * 0x9e3779b1u + (uint32_t)partition;

	return egress_count == 1 ? 0 : (uint16_t)(n % egress_count);
}
