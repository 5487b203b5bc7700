// SPDX-License-Identifier: Apache-2.0
#include "pipelines/kafka_admin.h"
#include "pipelines/kafka_describe.h"

#include <stdio.h>

const char *topic_verdict_label(enum topic_verdict v) {
	static const char *const labels[] = {
#define X(id, label) [id] = label,
		TOPIC_VERDICTS(X)
#undef X
	};
	return labels[v];
}

// Not there, not to be seen, or not to be written to: nothing else counts then.
static bool judge_reach(struct topic_check *t, const struct topic_facts *f) {
	char *text = t->what_to_do;
	size_t room = sizeof(t->what_to_do);

	if (f->error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
		t->verdict = TOPIC_MISSING;
		snprintf(text, room, "create it: sluicectl topic create %s", t->name);
	} else if (f->error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
		t->verdict = TOPIC_DENIED;
		snprintf(text, room, "allow Kafka's user Describe and Write on the topic");
	} else if (f->error != RD_KAFKA_RESP_ERR_NO_ERROR) {
		t->verdict = TOPIC_UNKNOWN;
		snprintf(text, room, "Kafka says: %s", rd_kafka_err2str(f->error));
	} else if (t->rights.known && !(t->rights.describe && t->rights.write)) {
		t->verdict = TOPIC_DENIED;
		snprintf(
			text,
			room,
			"allow Kafka's user %s on the topic",
			t->rights.write ? "Describe" : "Write"
		);
	} else {
		return false;
	}
	return true;
}

static bool judge_shape(struct topic_check *t) {
	if (t->pinned == 0 || t->partitions == t->pinned)
		return false;
	t->verdict = t->partitions < t->pinned ? TOPIC_SHRUNK : TOPIC_GROWN;
	snprintf(
		t->what_to_do,
		sizeof(t->what_to_do),
		t->verdict == TOPIC_SHRUNK
			? "raise it to the %u partitions it is pinned to"
			: "nothing is lost, but the devices stay on the first %u partitions",
		t->pinned
	);
	return t->verdict == TOPIC_SHRUNK;
}

static void judge_strength(struct topic_check *t, const struct topic_facts *f, bool accept_weak) {
	char weak[250];
	bool small = f->message_bytes_max != 0 && f->message_bytes_max < BATCH_MIN + BATCH_OVERHEAD;

	if (!topic_weak(f, weak, sizeof(weak)) && !small)
		return;
	t->verdict = TOPIC_WEAK;
	snprintf(
		t->what_to_do,
		sizeof(t->what_to_do),
		"%s%s%s%s",
		small ? "max.message.bytes is too small for a batch" : "",
		small && weak[0] != '\0' ? "; " : "",
		weak[0] != '\0' ? weak : "",
		weak[0] == '\0'	      ? ""
			: accept_weak ? " (accepted by kafka.accept_weak_topic)"
				      : ": strengthen it"
	);
}

void kafka_topic_judge(
	const char *name,
	uint32_t pinned,
	const struct topic_facts *f,
	const struct topic_rights *rights,
	bool accept_weak,
	struct topic_check *out
) {
	*out = (struct topic_check) {
		.name = name,
		.pinned = pinned,
		.partitions = f->partitions,
		.replicas = f->replicas,
		.settings_known = f->settings_known,
		.unclean = f->unclean,
		.min_insync = f->min_insync,
		.message_bytes_max = f->message_bytes_max,
		.rights = *rights,
		.verdict = TOPIC_FIT,
	};
	if (!judge_reach(out, f) && !judge_shape(out))
		judge_strength(out, f, accept_weak);
}
