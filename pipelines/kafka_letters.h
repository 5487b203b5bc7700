// SPDX-License-Identifier: Apache-2.0
// Reading the dead-letter topic back: a consumer of its own, without group or commits, that looks
// at bounded stretches of the topic.
// Thread: create and destroy on any; scan on one, not a worker and not an egress thread
// (librdkafka's threads inherit its affinity).
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct letters_reader;

// One message of the topic; `value` lives until the callback returns.
struct letter_message {
	int32_t partition;
	int64_t offset;
	int64_t time_ms; // Kafka's time stamp
	struct view value;
};

struct letters_range {
	int32_t partition; // -1: all
	int64_t offset; // exactly this one (partition given); -1: the newest `scan` of each
			// partition
	uint32_t scan;
};

// Takes from the configuration what it needs; connects with the first scan. 0, or -errno with
// `why` for the operator.
int letters_reader_create(
	const struct config *c,
	struct letters_reader **out,
	char *why,
	size_t why_len
);
void letters_reader_destroy(struct letters_reader *r); // accepts NULL

// Partition by partition, each from old to new, until `take` returns false. The number of messages
// looked at, -ETIMEDOUT if Kafka did not deliver them in time, -ENOENT if the topic is not there,
// -EINVAL if librdkafka does not like its settings.
int64_t letters_reader_scan(
	struct letters_reader *r,
	const struct letters_range *range,
	bool (*take)(void *owner, const struct letter_message *m),
	void *owner,
	unsigned timeout_ms
);
