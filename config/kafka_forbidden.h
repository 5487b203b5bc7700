// SPDX-License-Identifier: Apache-2.0
// librdkafka properties that are not passed through, because the acknowledgement contract rests on
// them, and those that are secrets. Constant data, any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct kafka_forbidden {
	const char *name; // a trailing '*' stands for any ending
	const char *instead; // what to do, as the second half of a sentence
};

extern const struct kafka_forbidden kafka_forbidden_table[];
extern const size_t kafka_forbidden_count;

// Why this property may not be set and which option to use; NULL if it may.
const char *kafka_forbidden(const char *name);

// Its value is a secret: a reference is required outside the lab.
bool kafka_secret(const char *name);
