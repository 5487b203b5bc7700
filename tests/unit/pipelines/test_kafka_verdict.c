// SPDX-License-Identifier: Apache-2.0
// What an operator is told of a topic, from what Kafka said of it.
#include "pipelines/kafka_admin.h"
#include "pipelines/kafka_describe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct topic_facts fit = {
	.partitions = 4,
	.replicas = 3,
	.settings_known = true,
	.min_insync = 2,
	.message_bytes_max = 1048588,
};
static const struct topic_rights all = {.known = true, .describe = true, .write = true};

static struct topic_check judge(struct topic_facts f, struct topic_rights r, uint32_t pinned) {
	struct topic_check out;

	kafka_topic_judge("t", pinned, &f, &r, false, &out);
	return out;
}

static void expect(struct topic_check t, enum topic_verdict verdict, const char *says) {
	assert_string_equal(topic_verdict_label(t.verdict), topic_verdict_label(verdict));
	if (says == nullptr)
		assert_string_equal(t.what_to_do, "");
	else if (strstr(t.what_to_do, says) == nullptr)
		fail_msg("'%s' does not say '%s'", t.what_to_do, says);
}

static void test_fit(void **state) {
	(void)state;
	expect(judge(fit, all, 4), TOPIC_FIT, nullptr);
	expect(judge(fit, all, 0), TOPIC_FIT, nullptr); // nothing is pinned yet
	expect(judge(fit, (struct topic_rights) {0}, 4), TOPIC_FIT, nullptr); // Kafka did not say
	struct topic_check t = judge(fit, all, 4);
	assert_int_equal(t.partitions, 4);
	assert_int_equal(t.replicas, 3);
	assert_int_equal(t.message_bytes_max, 1048588);
}

static void test_weak(void **state) {
	struct topic_facts f = fit;

	(void)state;
	f.replicas = 1;
	expect(judge(f, all, 4), TOPIC_WEAK, "replication factor 1 < 3: strengthen it");
	f = fit;
	f.min_insync = 1;
	expect(judge(f, all, 4), TOPIC_WEAK, "min.insync.replicas 1 < 2");
	f = fit;
	f.unclean = true;
	expect(judge(f, all, 4), TOPIC_WEAK, "unclean.leader.election.enable");
	f = fit;
	f.settings_known = false;
	expect(judge(f, all, 4), TOPIC_WEAK, "settings cannot be read");
	f = fit;
	f.message_bytes_max = BATCH_MIN + BATCH_OVERHEAD;
	expect(judge(f, all, 4), TOPIC_FIT, nullptr);
	f.message_bytes_max--;
	expect(judge(f, all, 4), TOPIC_WEAK, "max.message.bytes is too small");
	f.replicas = 2;
	expect(judge(f, all, 4), TOPIC_WEAK, "for a batch; replication factor 2");
	struct topic_check out;
	kafka_topic_judge("t", 4, &f, &all, true, &out);
	expect(out, TOPIC_WEAK, "accepted by kafka.accept_weak_topic");
}

static void test_shape(void **state) {
	(void)state;
	expect(judge(fit, all, 6), TOPIC_SHRUNK, "raise it to the 6");
	expect(judge(fit, all, 3), TOPIC_GROWN, "the first 3");
	struct topic_facts f = fit;
	f.unclean = true; // worse than having grown
	expect(judge(f, all, 3), TOPIC_WEAK, "unclean");
}

static void test_reach(void **state) {
	const struct topic_facts missing = {.error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART};
	const struct topic_facts hidden = {.error = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED};
	const struct topic_facts other = {.error = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE};
	struct topic_rights r = {0};

	(void)state;
	expect(judge(missing, r, 4), TOPIC_MISSING, "sluicectl topic create t");
	expect(judge(hidden, r, 4), TOPIC_DENIED, "Describe and Write");
	expect(judge(other, r, 4), TOPIC_UNKNOWN, "Kafka says: ");
	r = (struct topic_rights) {.known = true, .describe = true};
	expect(judge(fit, r, 4), TOPIC_DENIED, "allow Kafka's user Write");
	r = (struct topic_rights) {.known = true, .write = true};
	expect(judge(fit, r, 4), TOPIC_DENIED, "allow Kafka's user Describe");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_weak),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_reach),
	};
	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
