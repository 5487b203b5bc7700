// SPDX-License-Identifier: Apache-2.0
// Before the first record goes to a topic, after anything went wrong with it, and every five
// minutes: is it there, has it our partitions, is it as strong as an acknowledgement promises?
#include "config/config.h"
#include "pipelines/kafka_producer.h"

#include <errno.h>
#include <stdio.h>

#define METADATA_WAIT_MS 3000
#define SETTINGS_TIMEOUT_MS 10000
#define NS_PER_S 1000000000ull
#define RECHECK_NS (300 * NS_PER_S)
#define RETRY_FIRST_NS (NS_PER_S / 50)
#define RETRY_NS NS_PER_S

enum topic_verdict { TOPIC_GOOD, TOPIC_WEAK, TOPIC_UNFIT, TOPIC_UNKNOWN };

static enum topic_verdict topic_judge(
	const struct sink *s,
	uint32_t topic,
	const struct topic_facts *f,
	char *why,
	size_t why_len
) {
	uint32_t pinned = s->env.config->topics[topic].partitions;

	if (f->error != RD_KAFKA_RESP_ERR_NO_ERROR) {
		snprintf(why, why_len, "%s", rd_kafka_err2str(f->error));
		return TOPIC_UNFIT;
	}
	if (f->partitions < pinned) {
		snprintf(
			why,
			why_len,
			"%u partitions, fewer than the %u it is pinned to: raise them again",
			f->partitions,
			pinned
		);
		return TOPIC_UNFIT;
	}
	if (!topic_weak(f, why, why_len))
		return TOPIC_GOOD;
	// The settings are on their way; in a lab they decide nothing.
	if (s->describe.open && !f->settings_known)
		return s->env.config->kafka.accept_weak_topic ? TOPIC_WEAK : TOPIC_UNKNOWN;
	// What was strong when it was first used goes on, with weak acknowledgements and an alarm.
	if (!s->env.config->kafka.accept_weak_topic && !s->topics[topic].used)
		return TOPIC_UNFIT;
	return TOPIC_WEAK;
}

static void verdict_apply(struct sink *s, uint32_t topic, enum topic_verdict v, const char *why) {
	struct topic_state *t = &s->topics[topic];
	const char *name = s->env.config->topics[topic].name;
	if (v == TOPIC_UNKNOWN)
		return;
	bool accepted = s->env.config->kafka.accept_weak_topic;

	if (v == TOPIC_UNFIT && !t->alarmed)
		fprintf(stderr, "kafka: ALARM topic %s: %s; its records wait\n", name, why);
	else if (v == TOPIC_WEAK && !t->weak && !accepted)
		fprintf(stderr, "kafka: ALARM topic %s has become weak: %s\n", name, why);
	else if (v != TOPIC_UNFIT && t->alarmed)
		fprintf(stderr, "kafka: topic %s is fit for use again\n", name);
	t->alarmed = v == TOPIC_UNFIT;
	t->ready = v != TOPIC_UNFIT;
	t->weak = v == TOPIC_WEAK;
}

static void growth_check(struct sink *s, uint32_t topic, uint32_t found) {
	struct topic_state *t = &s->topics[topic];
	uint32_t pinned = s->env.config->topics[topic].partitions;

	if (found > pinned && !t->grown)
		fprintf(stderr,
			"kafka: ALARM topic %s has grown to %u partitions; devices stay on the "
			"first "
			"%u until it is repartitioned\n",
			s->env.config->topics[topic].name,
			found,
			pinned);
	t->grown = found > pinned;
}

// A topic takes smaller batches than the producer makes: one of them refused would stop everything,
// so the producer is replaced by one that makes them small enough.
static void batch_limit_check(struct sink *s, uint32_t message_bytes_max) {
	if (message_bytes_max == 0 || message_bytes_max >= s->batch_bytes + BATCH_OVERHEAD)
		return;
	s->batch_bytes = message_bytes_max > BATCH_MIN + BATCH_OVERHEAD
		? message_bytes_max - BATCH_OVERHEAD
		: BATCH_MIN;
	producer_fatal(s);
}

static void answers_apply(struct sink *s) {
	char why[200];
	bool all = true;

	for (uint32_t t = 0; t < s->env.config->topic_count; t++) {
		const struct topic_facts *f = &s->describe.facts[t];
		why[0] = '\0';
		verdict_apply(s, t, topic_judge(s, t, f, why, sizeof(why)), why);
		if (s->topics[t].ready) {
			growth_check(s, t, f->partitions);
			batch_limit_check(s, f->message_bytes_max);
			s->topics[t].message_bytes_max = f->message_bytes_max;
		}
		all = all && s->topics[t].ready;
	}
	s->check_ns = s->now_ns + (all ? RECHECK_NS : RETRY_NS);
}

static void retry_later(struct sink *s) {
	// Quick at first, while the connection is being made.
	s->check_backoff_ns = s->check_backoff_ns == 0 ? RETRY_FIRST_NS : 2 * s->check_backoff_ns;
	if (s->check_backoff_ns > RETRY_NS)
		s->check_backoff_ns = RETRY_NS;
	s->check_ns = s->now_ns + s->check_backoff_ns;
}

void watch_tick(struct sink *s) {
	struct kafka_describe *d = &s->describe;

	if (s->fatal)
		return;
	if (!d->asking && !d->open && s->now_ns >= s->check_ns
	    && kafka_describe_ask(d, s->rk, METADATA_WAIT_MS) != 0)
		retry_later(s);
	if (!d->asking)
		return;
	switch (kafka_describe_poll(d, s->queue, SETTINGS_TIMEOUT_MS)) {
	case 0:
		s->check_backoff_ns = 0;
		answers_apply(s);
		break;
	case -EAGAIN:
		break;
	default:
		sink_counter_add(&s->counters.errors, 1);
		retry_later(s);
	}
}

bool watch_event(struct sink *s, rd_kafka_event_t *ev) {
	if (!kafka_describe_event(&s->describe, ev))
		return false;
	answers_apply(s);
	return true;
}

void watch_topic(struct sink *s, struct topic_state *t) {
	t->ready = false;
	s->check_ns = s->now_ns;
}
