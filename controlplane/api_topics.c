// SPDX-License-Identifier: Apache-2.0
// Kafka's topics: sluiced asks Kafka; here the question is read and the answer passed on.
#include "config/config.h"
#include "controlplane/later.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The data plane waits for Kafka three times, 5 s at most each.
#define TOPICS_WAIT_MS 20000
#define NAME_MAX_BYTES 249
#define PARTITIONS_MAX 65535
#define REPLICAS_DEFAULT 3
#define REPLICAS_MAX 32

// The answer as JSON, NULL with the reply filled.
static json_t *answer_of(const struct later *l, const char *what, struct reply *r) {
	const struct link_question *q = &l->question;

	if (q->result == -ENOTSUP)
		reply_error(r, 409, "no-kafka", NULL, "%s: %s", what, q->ack.text);
	else if (q->result == -EACCES)
		reply_error(
			r,
			409,
			"denied-by-kafka",
			"give the user of kafka.username the right, or create it with Kafka's own "
			"tools",
			"%s: %s",
			what,
			q->ack.text
		);
	else if (q->result == -ETIMEDOUT && q->ack.text[0] != '\0')
		reply_error(r, 504, "kafka-slow", "is Kafka up?", "%s: %s", what, q->ack.text);
	else
		return later_answer(l, what, r);
	return NULL;
}

static void check_done(struct control *c, struct later *l, struct reply *r) {
	json_t *answer = answer_of(l, "topics", r);

	if (answer != NULL)
		reply_json(r, 200, answer);
}

static void create_done(struct control *c, struct later *l, struct reply *r) {
	const struct channel_topics *query = (const void *)l->element;
	json_t *answer = answer_of(l, query->name, r);

	if (answer == NULL)
		return;
	char *after = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);
	(void)registry_audit(c->registry, &l->author, "topic create", query->name, NULL, after);
	free(after);
	reply_json(r, 201, answer);
}

#define TOPICS_KIND(DONE)                                                                          \
	{.type = CHANNEL_TOPICS, .text = true, .wait_ms = TOPICS_WAIT_MS, .done = DONE}
static const struct later_kind checking = TOPICS_KIND(check_done);
static const struct later_kind creating = TOPICS_KIND(create_done);

void topic_check(struct control *c, struct request *q, struct reply *r) {
	const struct channel_topics query = {.op = TOPICS_CHECK};

	later_ask(c, &checking, &query, sizeof(query), q, r);
}

// What the file says may be newer than what the data plane runs with: a topic is created before the
// restart that begins to use it. 0: the file does not say.
static uint32_t partitions_configured(const struct control *c, const char *name) {
	struct config_error error;
	struct config *config = NULL;
	uint32_t count = 0, n = 0;

	if (config_load(c->config_path, &config, &error, 1, &count) != 0)
		return 0;
	for (uint32_t t = 0; t < config->topic_count; t++)
		if (strcmp(config->topics[t].name, name) == 0)
			n = config->topics[t].partitions;
	config_free(config);
	return n;
}

void topic_create(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"name", JSON_STRING, true, NAME_MAX_BYTES},
		{"partitions", JSON_INTEGER, false, PARTITIONS_MAX},
		{"replicas", JSON_INTEGER, false, REPLICAS_MAX},
		{0},
	};
	struct channel_topics query = {.op = TOPICS_CREATE, .replicas = REPLICAS_DEFAULT};

	if (!body_check(q, fields, r))
		return;
	const char *name = body_text(q, "name");
	json_t *partitions = json_object_get(q->json, "partitions");
	json_t *replicas = json_object_get(q->json, "replicas");
	if (name[0] == '\0' || (partitions != NULL && json_integer_value(partitions) < 1)
	    || (replicas != NULL && json_integer_value(replicas) < 1)) {
		reply_error(r, 400, "invalid", NULL, "a topic has a name, partitions and replicas");
		return;
	}
	snprintf(query.name, sizeof(query.name), "%s", name);
	if (replicas != NULL)
		query.replicas = (uint32_t)json_integer_value(replicas);
	query.partitions = partitions != NULL ? (uint32_t)json_integer_value(partitions)
					      : partitions_configured(c, name);
	later_ask(c, &creating, &query, sizeof(query), q, r);
}
