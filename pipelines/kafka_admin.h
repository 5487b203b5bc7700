// SPDX-License-Identifier: Apache-2.0
// Kafka's topics for the operator: is each one of the configuration fit for what an acknowledgement
// promises, and make one that is.
// Thread: one that may wait for Kafka, not a worker and not an egress thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct topic_facts;

#define TOPIC_VERDICTS(X)                                                                          \
	X(TOPIC_FIT, "fit")                                                                        \
	X(TOPIC_GROWN, "grown") /* more partitions than pinned: the new ones stay empty */         \
	X(TOPIC_WEAK, "weak") /* an acknowledgement promises more than it keeps */                 \
	X(TOPIC_SHRUNK, "shrunk") /* fewer partitions than pinned */                               \
	X(TOPIC_DENIED, "denied") /* Kafka's user may not describe it or write to it */            \
	X(TOPIC_MISSING, "missing")                                                                \
	X(TOPIC_UNKNOWN, "unknown") /* Kafka says something else of it */

enum topic_verdict : uint8_t {
#define X(id, label) id,
	TOPIC_VERDICTS(X)
#undef X
		TOPIC_VERDICT_COUNT
};
const char *topic_verdict_label(enum topic_verdict v);

// What Kafka's user may do; known only if Kafka says (the embedded one does not).
struct topic_rights {
	bool known;
	bool describe;
	bool write;
};

struct topic_check {
	const char *name; // the configuration's
	uint32_t pinned; // partitions the devices are spread over
	uint32_t partitions; // found; as the following 0 if the topic could not be seen
	uint32_t replicas; // fewest of any partition
	bool settings_known; // the next three
	bool unclean;
	uint32_t min_insync;
	uint32_t message_bytes_max;
	struct topic_rights rights;
	enum topic_verdict verdict;
	char what_to_do[400]; // empty if it is fit
};

// Pure: one topic from what Kafka said. `accept_weak` is kafka.accept_weak_topic.
void kafka_topic_judge(
	const char *name,
	uint32_t pinned,
	const struct topic_facts *f,
	const struct topic_rights *rights,
	bool accept_weak,
	struct topic_check *out
);

// All topics of the configuration, out[topic_count]. Waits for at most timeout_ms and some seconds
// for settings and rights. 0, or -errno with `why` for the operator: -ETIMEDOUT, -EINVAL, -ENOMEM.
int kafka_topics_check(
	const struct config *c,
	struct topic_check *out,
	unsigned timeout_ms,
	char *why,
	size_t why_len
);

struct topic_wanted {
	const char *name;
	uint32_t partitions;
	uint32_t replicas;
	uint32_t min_insync; // min.insync.replicas
};

// Makes the topic, with unclean elections off. 0, or -errno with `why`: -EEXIST, -EACCES (Kafka's
// user may not), -EINVAL (Kafka does not like it), -ETIMEDOUT, -ENOMEM.
int kafka_topic_create(
	const struct config *c,
	const struct topic_wanted *w,
	unsigned timeout_ms,
	char *why,
	size_t why_len
);
