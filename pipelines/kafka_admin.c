// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/kafka_admin.h"
#include "pipelines/kafka_describe.h"
#include "pipelines/kafka_topics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RIGHTS_MS 3000
#define GRACE_MS 1000 // the time-out of a request comes as its result

// The result of the one request that is open on `queue`, nullptr if it does not come: destroy it.
static rd_kafka_event_t *result_wait(rd_kafka_queue_t *queue, unsigned timeout_ms, int type) {
	for (unsigned ms = 0; ms < timeout_ms + GRACE_MS; ms += 100) {
		rd_kafka_event_t *ev = rd_kafka_queue_poll(queue, 100);
		if (ev != nullptr && rd_kafka_event_type(ev) == type)
			return ev;
		rd_kafka_event_destroy(ev);
	}
	return nullptr;
}

static void rights_take(struct topic_rights *r, const rd_kafka_TopicDescription_t *t) {
	size_t n = 0;
	const rd_kafka_AclOperation_t *may = rd_kafka_TopicDescription_authorized_operations(t, &n);

	if (rd_kafka_error_code(rd_kafka_TopicDescription_error(t)) != RD_KAFKA_RESP_ERR_NO_ERROR
	    || may == nullptr)
		return;
	r->known = true;
	for (size_t i = 0; i < n; i++) {
		r->describe |= may[i] == RD_KAFKA_ACL_OPERATION_DESCRIBE;
		r->write |= may[i] == RD_KAFKA_ACL_OPERATION_WRITE;
	}
}

static void
rights_apply(const struct config *c, struct topic_rights *rights, const rd_kafka_event_t *ev) {
	size_t n = 0;

	if (rd_kafka_event_error((rd_kafka_event_t *)ev) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	const rd_kafka_TopicDescription_t **topics = rd_kafka_DescribeTopics_result_topics(
		rd_kafka_event_DescribeTopics_result((rd_kafka_event_t *)ev), &n
	);
	for (size_t i = 0; i < n; i++)
		for (uint32_t t = 0; t < c->topic_count; t++)
			if (strcmp(c->topics[t].name, rd_kafka_TopicDescription_name(topics[i]))
			    == 0)
				rights_take(&rights[t], topics[i]);
}

// What Kafka's user may do to each topic; an old Kafka does not say.
static void rights_ask(const struct config *c, rd_kafka_t *rk, struct topic_rights *rights) {
	const char **names = calloc(c->topic_count + 1, sizeof(*names));
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_AdminOptions_t *o =
		rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);

	for (uint32_t t = 0; names != nullptr && t < c->topic_count; t++)
		names[t] = c->topics[t].name;
	rd_kafka_TopicCollection_t *topics = rd_kafka_TopicCollection_of_topic_names(
		names, names != nullptr ? c->topic_count : 0
	);
	rd_kafka_AdminOptions_set_request_timeout(o, RIGHTS_MS, nullptr, 0);
	rd_kafka_error_destroy(rd_kafka_AdminOptions_set_include_authorized_operations(o, 1));
	rd_kafka_DescribeTopics(rk, topics, o, queue);
	rd_kafka_event_t *ev = result_wait(queue, RIGHTS_MS, RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT);
	if (ev != nullptr)
		rights_apply(c, rights, ev);
	rd_kafka_event_destroy(ev);
	rd_kafka_TopicCollection_destroy(topics);
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_queue_destroy(queue);
	free(names);
}

static int
rights_find(const struct config *c, struct topic_rights *rights, char *why, size_t why_len) {
	rd_kafka_t *rk;

	if (strcmp(c->kafka.brokers, "embedded") == 0)
		return 0;
	int ret = kafka_client_create(c, &rk, why, why_len);
	if (ret != 0)
		return ret;
	rights_ask(c, rk, rights);
	rd_kafka_destroy(rk);
	return 0;
}

int kafka_topics_check(
	const struct config *c,
	struct topic_check *out,
	unsigned timeout_ms,
	char *why,
	size_t why_len
) {
	struct topic_rights *rights = calloc(c->topic_count + 1, sizeof(*rights));
	struct kafka_describe d = {0};

	int ret = rights != nullptr ? kafka_describe_init(&d, c) : -ENOMEM;
	if (ret == -ENOMEM)
		snprintf(why, why_len, "out of memory");
	if (ret == 0)
		ret = kafka_topics_describe(c, &d, timeout_ms, why, why_len);
	if (ret == 0)
		ret = rights_find(c, rights, why, why_len);
	for (uint32_t t = 0; ret == 0 && t < c->topic_count; t++)
		kafka_topic_judge(
			c->topics[t].name,
			c->topics[t].partitions,
			&d.facts[t],
			&rights[t],
			c->kafka.accept_weak_topic,
			&out[t]
		);
	kafka_describe_fini(&d);
	free(rights);
	return ret;
}

// --- create

static int created(rd_kafka_resp_err_t err, const char *text, char *why, size_t why_len) {
	switch (err) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		return 0;
	case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
		snprintf(why, why_len, "the topic exists already");
		return -EEXIST;
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
		snprintf(why, why_len, "Kafka does not let this user create it: allow Create");
		return -EACCES;
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
		snprintf(why, why_len, "Kafka does not answer: %s", rd_kafka_err2str(err));
		return -ETIMEDOUT;
	default:
		snprintf(why, why_len, "%s", text != nullptr ? text : rd_kafka_err2str(err));
		return -EINVAL;
	}
}

static int result_read(rd_kafka_event_t *ev, char *why, size_t why_len) {
	size_t n = 0;

	if (ev == nullptr)
		return created(RD_KAFKA_RESP_ERR__TIMED_OUT, nullptr, why, why_len);
	if (rd_kafka_event_error(ev) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return created(
			rd_kafka_event_error(ev), rd_kafka_event_error_string(ev), why, why_len
		);
	const rd_kafka_topic_result_t **topics =
		rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(ev), &n);
	if (n != 1)
		return created(RD_KAFKA_RESP_ERR__BAD_MSG, nullptr, why, why_len);
	return created(
		rd_kafka_topic_result_error(topics[0]),
		rd_kafka_topic_result_error_string(topics[0]),
		why,
		why_len
	);
}

static int create_ask(
	rd_kafka_t *rk,
	rd_kafka_NewTopic_t *topic,
	unsigned timeout_ms,
	char *why,
	size_t why_len
) {
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);

	rd_kafka_AdminOptions_set_request_timeout(o, (int)timeout_ms, nullptr, 0);
	rd_kafka_AdminOptions_set_operation_timeout(o, (int)timeout_ms, nullptr, 0);
	rd_kafka_CreateTopics(rk, &topic, 1, o, queue);
	rd_kafka_event_t *ev = result_wait(queue, timeout_ms, RD_KAFKA_EVENT_CREATETOPICS_RESULT);
	int ret = result_read(ev, why, why_len);
	rd_kafka_event_destroy(ev);
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_queue_destroy(queue);
	return ret;
}

int kafka_topic_create(
	const struct config *c,
	const struct topic_wanted *w,
	unsigned timeout_ms,
	char *why,
	size_t why_len
) {
	char insync[12], text[256];
	rd_kafka_t *rk;

	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
		w->name, (int)w->partitions, (int)w->replicas, text, sizeof(text)
	);
	if (topic == nullptr) {
		snprintf(why, why_len, "%s", text);
		return -EINVAL;
	}
	snprintf(insync, sizeof(insync), "%u", w->min_insync);
	rd_kafka_NewTopic_set_config(topic, "min.insync.replicas", insync);
	rd_kafka_NewTopic_set_config(topic, "unclean.leader.election.enable", "false");
	int ret = kafka_client_create(c, &rk, why, why_len);
	if (ret == 0) {
		ret = create_ask(rk, topic, timeout_ms, why, why_len);
		rd_kafka_destroy(rk);
	}
	rd_kafka_NewTopic_destroy(topic);
	return ret;
}
